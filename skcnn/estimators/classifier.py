"""CNNClassifier: convolutional networks that classify images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from skcnn.estimators._classification import ImageClassifier
from skcnn.estimators._docs import inherit_documentation
from skcnn.estimators._parameters import NetworkParameters


@inherit_documentation
@dataclass(eq=False, repr=False)
class CNNClassifier(ImageClassifier, NetworkParameters):
    """Convolutional network that classifies images.

    The parameters form groups:

    * network: `network`, and the parameters from `channels` to `hidden_units`. `channels` is used
      by the networks "plain" and "fast", the others by "plain" only.
    * input: `image_shape`.
    * optimization: `loss`, `focal_gamma`, `optimizer`, `learning_rate`, `schedule`, `batch_size`,
      `max_epochs`.
    * regularization: `weight_decay`, `mixup`, `cutmix`, `label_smoothing`, `lookahead`,
      `adversary`.
    * classes: `class_weight`, `sampling`, `logit_adjustment`.
    * stopping: `early_stopping`, `validation_fraction`, `patience`.
    * running: `progressive_resizing`, `test_time_augmentation`, `warm_start`, `callbacks`,
      `device`, `precision`, `random_state`, `verbose`.

    All groups after the first apply to every network, but `progressive_resizing` needs one that
    accepts images of any size, such as "fast".

    See Also
    --------
    CNNRegressor : Convolutional network that predicts numbers from images.
    ImageResizer : Resize images to one size.
    ImageAugmenter : Augment the training images at random.

    Notes
    -----
    The first layer of the network standardizes each channel with the mean and standard deviation
    of the training images, so that the scale of the pixel values does not matter. Weights are
    initialized after He et al. [1]_, and batch normalization follows Ioffe and Szegedy [2]_.

    The meaning of "auto" depends on the network and on the number n of training images:

    ============== ============================ ============================================
    parameter      network "plain", callables   network "fast"
    ============== ============================ ============================================
    `optimizer`    "adamw"                      "muon"
    `schedule`     "one_cycle"                  "linear"
    `batch_size`   64                           n / 100, at least 64 and at most 500
    `max_epochs`   20                           20; 12 if n is 20,000 or more
    ============== ============================ ============================================

    `learning_rate` depends on the optimizer: it is 0.003 for "adam" and "adamw", 0.001 for
    "rmsprop", 0.01 for "sgd", and 0.17 for "muon". After `fit`, ``net_.options`` has the chosen
    values.

    References
    ----------
    .. [1] He et al., "Delving Deep into Rectifiers", ICCV 2015 (arXiv 1502.01852).
    .. [2] Ioffe and Szegedy, "Batch Normalization", ICML 2015 (arXiv 1502.03167).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import CNNClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> cnn = CNNClassifier(max_epochs=5, random_state=0).fit(X[:1000], y[:1000])
    >>> cnn.predict(X[1000:1005])
    array([1, 4, 0, 5, 3])
    >>> cnn.score(X[1000:], y[1000:]) > 0.9
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **ImageClassifier._parameter_constraints,
        **NetworkParameters._parameter_constraints,
    }
