"""Attacks on classifiers and corruptions of images, and accuracy under both."""

from skcnn.robustness.adversarial import adversarial_examples, auto_attack
from skcnn.robustness.attacks import (
    APGD,
    FAB,
    FGSM,
    PGD,
    AutoAttack,
    DeepFool,
    SquareAttack,
)
from skcnn.robustness.corrupted import corrupt
from skcnn.robustness.corruption_errors import corruption_report
from skcnn.robustness.corruptions import CORRUPTIONS
from skcnn.robustness.display import RobustnessDisplay
from skcnn.robustness.scores import make_robust_scorer, robust_score

__all__ = [
    "APGD",
    "CORRUPTIONS",
    "FAB",
    "FGSM",
    "PGD",
    "AutoAttack",
    "DeepFool",
    "RobustnessDisplay",
    "SquareAttack",
    "adversarial_examples",
    "auto_attack",
    "corrupt",
    "corruption_report",
    "make_robust_scorer",
    "robust_score",
]
