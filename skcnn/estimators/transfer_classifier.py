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

    The network was trained on the 1.3 million photos of ImageNet. Its last layer, the head, is
    replaced by a new one, which is trained on the features that the rest of the network, the
    backbone, computes. With `fine_tune`, the last stages of the backbone or all of them are trained
    too. If there are few images and they resemble photos, this is more accurate than a network that
    is trained from random weights.

    See Also
    --------
    TransferRegressor : Pretrained network that predicts numbers from images.
    ImageEmbedder : Features of a pretrained network, for other estimators.
    CNNClassifier : Convolutional network that is trained from random weights.

    Notes
    -----
    "auto" stands for these values:

    ================ ================================ =======================================
    parameter        ``fine_tune=False``              other values of `fine_tune`
    ================ ================================ =======================================
    `optimizer`      "adamw"                          "adamw"
    `learning_rate`  0.001                            0.001
    `schedule`       "one_cycle"                      "one_cycle"
    `weight_decay`   0.5                              0.05
    `batch_size`     32                               32
    `max_epochs`     5, or more for few images        10, or more for few images
    ================ ================================ =======================================

    For few images, `max_epochs` increases until there are 200 batches of 32 images with
    ``fine_tune=False``, and 100 with other values. With another optimizer, "auto" has the meaning
    of `CNNClassifier` for `learning_rate` and `weight_decay`. With ``weights=None``, it has this
    meaning for all parameters. The optimizers "adam" and "adamw" have an epsilon of 0.001 if stages
    of the backbone are trained, so that the weights change little once the training images are
    classified correctly.

    With ``fine_tune=False`` and images that are the same in every epoch, the features are computed
    once, and the head is trained on them. `ImageAugmenter`, `mixup`, `cutmix`,
    `progressive_resizing` and `adversary` change the images, and `callbacks` expect a net whose
    input are images: with any of them, the features are computed again in every epoch.

    With other values of `fine_tune`, the head is trained first, on the features of images without
    augmentation, and then the head and the stages together. In the first phase, the parameters of
    the table have the values for ``fine_tune=False``, and `mixup`, `cutmix`,
    `progressive_resizing`, `adversary`, `lookahead` and `early_stopping` are off. Batch
    normalization layers keep the running means and variances of the pretrained network in both
    phases. Their weights and biases are trained in trained stages. By default, fastai and Lightning
    update the running means and variances even in frozen layers.

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
