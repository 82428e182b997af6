"""TransferClassifier: pretrained networks that classify images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from skcnn.estimators._classification import ImageClassifier
from skcnn.estimators._docs import inherit_documentation
from skcnn.estimators._transfer import TransferParameters, TransferTraining


@inherit_documentation
@dataclass(eq=False, repr=False)
class TransferClassifier(TransferTraining, ImageClassifier, TransferParameters):
    """Pretrained network that classifies images.

    The network has learned features from the 1.3 million photos of ImageNet. A new last layer, the
    head, is trained on the features of the images, and on request the last stages of the network,
    or all of them. With few images this is more accurate than a network that is trained from
    random weights, as long as the images resemble photos.

    See Also
    --------
    TransferRegressor : Pretrained network that predicts numbers from images.
    ImageEmbedder : Features of a pretrained network, for other estimators.
    CNNClassifier : Convolutional network that is trained from random weights.

    Notes
    -----
    The meaning of "auto" depends on the number n of training images, with batches of 32 images:

    ================ ================================ =======================================
    parameter        ``fine_tune=False``              other values
    ================ ================================ =======================================
    `optimizer`      "adamw"                          "adamw"
    `learning_rate`  0.001                            0.001
    `schedule`       "one_cycle"                      "one_cycle"
    `weight_decay`   0.5                              0.05
    `batch_size`     32                               32
    `max_epochs`     5, or enough for 200 batches     10, or enough for 100 batches
    ================ ================================ =======================================

    With another optimizer, `learning_rate` and `weight_decay` are those of `CNNClassifier`. The
    optimizers "adam" and "adamw" have an epsilon of 0.001 if stages of the backbone are trained, so
    that these change little once the training images are classified correctly.

    With ``fine_tune=False`` and images that are the same in every epoch, the features are computed
    once, and the head is trained on them. `ImageAugmenter`, `mixup` and `progressive_resizing`
    change the images, and `callbacks` expect a net for images: with any of them, the features are
    computed in every epoch.

    With other values of `fine_tune`, the head is trained first, on the features of images without
    augmentation, and then the head together with stages of the network. The parameters of training
    are those of the second phase. Batch normalization keeps the statistics of the pretrained
    network in both phases, while its weights are trained in the stages that are. fastai and
    Lightning update these statistics also in layers that are frozen, unless they are told not to.

    References
    ----------
    .. [1] Kornblith, Shlens and Le, "Do Better ImageNet Models Transfer Better?", CVPR 2019 (arXiv
       1805.08974).
    .. [2] Kumar et al., "Fine-Tuning can Distort Pretrained Features and Underperform
       Out-of-Distribution", ICLR 2022 (arXiv 2202.10054).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import TransferClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> transfer = TransferClassifier(random_state=0).fit(X[:500], y[:500])
    >>> transfer.score(X[1000:1200], y[1000:1200]) > 0.8
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **ImageClassifier._parameter_constraints,
        **TransferParameters._parameter_constraints,
    }
