"""Attacks on networks: parameters, and computations in PyTorch."""

from skcnn.robustness.attacks.apgd import APGD
from skcnn.robustness.attacks.fgsm import FGSM
from skcnn.robustness.attacks.pgd import PGD

__all__ = ["APGD", "FGSM", "PGD"]
