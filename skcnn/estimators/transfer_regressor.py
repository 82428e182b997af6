"""TransferRegressor: pretrained networks that predict numbers from images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from skcnn.estimators._docs import inherit_documentation
from skcnn.estimators._regression import ImageRegressor
from skcnn.estimators._transfer import TransferParameters, TransferTraining


@inherit_documentation
@dataclass(eq=False, repr=False)
class TransferRegressor(TransferTraining, ImageRegressor, TransferParameters):
    """Pretrained network that predicts numbers from images.

    The parameters are those of `TransferClassifier` without `focal_gamma`, `label_smoothing`,
    `class_weight`, `sampling`, `logit_adjustment` and `adversary`, and with other values of `loss`.

    See Also
    --------
    TransferClassifier : Pretrained network that classifies images.
    ImageEmbedder : Features of a pretrained network, for other estimators.
    CNNRegressor : Convolutional network that is trained from random weights.

    Notes
    -----
    The network is trained on standardized targets, so their scale does not matter. The Notes of
    `TransferClassifier` describe the training and the values of "auto".

    References
    ----------
    .. [1] Kornblith, Shlens and Le, "Do Better ImageNet Models Transfer Better?", CVPR 2019 (arXiv
       1805.08974).
    .. [2] Kumar et al., "Fine-Tuning can Distort Pretrained Features and Underperform
       Out-of-Distribution", ICLR 2022 (arXiv 2202.10054).

    Examples
    --------
    The width of a bright square, in pixels:

    >>> import numpy as np
    >>> from skcnn import TransferRegressor
    >>> width = np.random.default_rng(0).integers(4, 28, size=120)
    >>> X = 255.0 * (np.arange(32) < width[:, None, None]) * (np.arange(32)[:, None] < 16)
    >>> X.shape
    (120, 32, 32)
    >>> transfer = TransferRegressor(input_size=64, random_state=0).fit(X[:80], width[:80])
    >>> transfer.score(X[80:], width[80:]) > 0.8
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **ImageRegressor._parameter_constraints,
        **TransferParameters._parameter_constraints,
    }
