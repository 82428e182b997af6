"""Attacks on networks: parameters, and computations in PyTorch."""

from skcnn.robustness.attacks.apgd import APGD
from skcnn.robustness.attacks.auto import AutoAttack
from skcnn.robustness.attacks.deepfool import DeepFool
from skcnn.robustness.attacks.fab import FAB
from skcnn.robustness.attacks.fgsm import FGSM
from skcnn.robustness.attacks.pgd import PGD
from skcnn.robustness.attacks.square import SquareAttack

__all__ = ["APGD", "FAB", "FGSM", "PGD", "AutoAttack", "DeepFool", "SquareAttack"]
