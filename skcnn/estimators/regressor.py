"""CNNRegressor: convolutional networks that predict numbers from images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from skcnn.estimators._docs import inherit_documentation
from skcnn.estimators._parameters import NetworkParameters
from skcnn.estimators._regression import ImageRegressor


@inherit_documentation
@dataclass(eq=False, repr=False)
class CNNRegressor(ImageRegressor, NetworkParameters):
    """Convolutional network that predicts numbers from images.

    Its parameters are those of `CNNClassifier` without `focal_gamma`, `label_smoothing`,
    `class_weight`, `sampling`, `logit_adjustment` and `adversary`, in the same groups.

    See Also
    --------
    CNNClassifier : Convolutional network that classifies images.
    ImageResizer : Resize images to one size.
    ImageAugmenter : Augment the training images at random.

    Notes
    -----
    The first layer of the network standardizes each channel with the mean and standard deviation
    of the training images, and the targets are standardized too, so that the scale of neither
    matters. Weights are initialized after He et al. [1]_, and batch normalization follows Ioffe and
    Szegedy [2]_.

    The Notes of `CNNClassifier` describe the meaning of "auto".

    References
    ----------
    .. [1] He et al., "Delving Deep into Rectifiers", ICCV 2015 (arXiv 1502.01852).
    .. [2] Ioffe and Szegedy, "Batch Normalization", ICML 2015 (arXiv 1502.03167).

    Examples
    --------
    The position of a blob from left to right:

    >>> import numpy as np
    >>> from skcnn import CNNRegressor
    >>> position = np.random.default_rng(0).uniform(2, 10, size=300)
    >>> X = np.exp(-((np.arange(12) - position[:, None, None]) ** 2)).repeat(12, axis=1)
    >>> X.shape
    (300, 12, 12)
    >>> cnn = CNNRegressor(random_state=0).fit(X[:200], position[:200])
    >>> cnn.score(X[200:], position[200:]) > 0.9
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **ImageRegressor._parameter_constraints,
        **NetworkParameters._parameter_constraints,
    }
