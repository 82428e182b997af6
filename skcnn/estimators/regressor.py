"""CNNRegressor: images to numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin, _fit_context
from sklearn.callback import with_callbacks
from sklearn.utils import Tags, check_array, column_or_1d
from sklearn.utils._param_validation import StrOptions
from torch import nn

from skcnn.estimators._base import BaseCNN
from skcnn.training.losses import LOSSES


class CNNRegressor(RegressorMixin, BaseCNN):
    """Convolutional network that predicts numbers from images.

    Parameters
    ----------
    network : str or callable, default="plain"
        A name in `skcnn.networks.NETWORKS`, or a callable ``(in_channels, height, width,
        n_outputs)`` that gives a `torch.nn.Module`. The module maps a float32 tensor of shape
        (n_images, in_channels, height, width) to outputs of shape (n_images, n_outputs).
    channels : "auto" or sequence of int, default="auto"
        The number of channels of each convolution of the plain network, or of each block of the
        fast one; ``()`` is a dense network. "auto" chooses them by the size of the images, see
        `skcnn.networks.automatic_channels`; for the fast network it is (64, 256, 256).
    kernel_size : int, default=3
        The height and width of the convolutions, in pixels. This and the parameters down to
        `hidden_units` are those of the plain network; other networks ignore them.
    stride : int, default=1
        The step of the convolutions, in pixels.
    padding : {"same", "valid"}, default="same"
        Zeros around the image, so that a convolution of stride 1 keeps its size, or none.
    pooling : {"max", "avg"} or None, default="max"
        What each block ends with. An axis shorter than the window is not pooled.
    pool_size : int, default=2
        The window and step of the pooling, in pixels.
    activation : {"elu", "gelu", "leaky_relu", "relu", "silu", "tanh"}, default="relu"
        The activation function.
    batch_norm : bool, default=True
        Whether a batch normalisation follows each convolution.
    dropout : float or sequence of float, default=0.3
        The fraction of the features dropped in training before each dense layer: one for all, or
        one for each of `hidden_units` and one for the last layer.
    hidden_units : sequence of int, default=(128,)
        The sizes of the dense layers before the last one.
    image_shape : tuple of int, default=None
        How flat rows are laid out: (height, width) or (height, width, n_channels), in pixels. None
        reads a square number of features as a grey square, and up to 64 others as one row of
        pixels.
    loss : {"absolute_error", "huber", "squared_error"}, default="squared_error"
        What training minimises, of standardised targets; "huber" is quadratic up to one standard
        deviation and linear beyond.
    optimizer : {"adam", "adamw", "muon", "rmsprop", "sgd"}, default="adamw"
        How. "sgd" has a Nesterov momentum of 0.9. "muon" [5]_ is for networks with batch
        normalisation and needs a `learning_rate` about 0.2.
    learning_rate : float, default=0.003
        The largest step size. Weights of dense layers with more than 2,048 inputs take steps that
        are smaller in proportion to these [8]_.
    schedule : {"cosine", "linear", "one_cycle"} or None, default="one_cycle"
        How the step size runs over the epochs of a `fit`: falling to 0 along half a cosine or a
        straight line, rising and falling [3]_, or constant.
    weight_decay : "auto" or float, default="auto"
        For "adamw", each step shrinks the weights by this times the step size; for the other
        optimizers it is the factor of an L2 penalty. "auto" is 0.5 for "adamw", else 0.
    batch_size : int, default=64
        Images in a training batch.
    max_epochs : int, default=20
        Passes over the images.
    mixup : float, default=0.0
        Where positive, training images are weighted means of two, with weights from
        Beta(mixup, mixup) [4]_.
    progressive_resizing : float, default=1.0
        The height and width of the images in the first epoch of a `fit`, over their own. They grow
        evenly and are whole in the last quarter of the epochs, which saves time where it is below
        1. It needs a network that takes images of any size, such as "fast".
    lookahead : bool, default=False
        Whether every fifth step pulls the weights back to a running mean of them [7]_, the more
        the longer the training has gone on [6]_.
    test_time_augmentation : {"flip", "flip_shift"} or None, default=None
        Whether predictions are averaged over each image and its mirror image, and also over both
        shifted by a pixel along the diagonal, with half the weight [6]_.
    early_stopping : bool, default=False
        Whether to stop where the validation loss has not improved for `patience` epochs, and to
        restore the best weights.
    validation_fraction : float, default=0.1
        The fraction of the images set aside for it, where `fit` is given no `X_val`.
    patience : int, default=5
        In epochs.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the previous one. The optimizer's state is
        pickled only then.
    callbacks : list of skorch.callbacks.Callback, default=None
        skorch's callbacks, or pairs (name, callback); they are copied. scikit-learn's callbacks
        are given to `set_callbacks`.
    device : str or torch.device, default="auto"
        Where the network runs; "auto" is a GPU where there is one.
    precision : {"auto", "bfloat16", "float32"}, default="auto"
        In what training steps compute. Predictions are always computed in float32.
    random_state : int, RandomState instance or None, default=None
        Seeds the weights, the order of the images, dropout and the validation split. Pass an int
        for the same network on every call.
    verbose : int, default=0
        Whether to print a line an epoch.

    Attributes
    ----------
    n_features_in_ : int
        Height x width x channels.
    feature_names_in_ : array of shape (n_features,)
        Names of the columns, where `X` is a frame.
    image_shape_ : tuple of (int, int, int)
        Height, width and number of channels.
    target_type_ : {"continuous"}
        What `y` held.
    y_mean_ : float64 array of shape () or (n_outputs,)
        The mean of the targets, in their unit.
    y_scale_ : float64 array of shape () or (n_outputs,)
        Their standard deviation, or 1 where they are constant.
    weight_scale_ : float
        What the weights of images are divided by, so that they are 1 on average in the last `fit`,
        or in the first `partial_fit`.
    net_ : skorch.NeuralNet
        The trained skorch net.
    module_ : torch.nn.Module
        Its module, input standardisation included.
    history_ : list of dict
        A record an epoch: "epoch", "train_loss", "train_score" (R squared, measured while the
        network learns), "seconds", and, where there are validation images, "valid_loss" and
        "valid_score". Losses are weighted, scores are not.
    n_epochs_ : int
        How many epochs it was trained for.

    See Also
    --------
    CNNClassifier : The same for classes.
    ImageResizer : Brings photos to one size.
    ImageAugmenter : Varies the training images.

    Notes
    -----
    The pixel values of each channel are standardised by the network's first layer, with the mean
    and standard deviation of the training images, and so are the targets, so that neither's scale
    matters. Weights are drawn after He et al. [1]_ and batches normalised after Ioffe and
    Szegedy [2]_.

    References
    ----------
    .. [1] He et al., "Delving Deep into Rectifiers", ICCV 2015 (arXiv 1502.01852).
    .. [2] Ioffe and Szegedy, "Batch Normalization", ICML 2015 (arXiv 1502.03167).
    .. [3] Smith and Topin, "Super-Convergence", 2018 (arXiv 1708.07120).
    .. [4] Zhang et al., "mixup", ICLR 2018 (arXiv 1710.09412).
    .. [5] Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024
       (https://kellerjordan.github.io/posts/muon/).
    .. [6] Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024 (arXiv 2404.00498),
       sections 3.4 and 3.5.
    .. [7] Zhang et al., "Lookahead Optimizer", NeurIPS 2019 (arXiv 1907.08610).
    .. [8] Yang et al., "Tensor Programs V", NeurIPS 2021 (arXiv 2203.03466), table 3.

    Examples
    --------
    How far to the right is the blob?

    >>> import numpy as np
    >>> from skcnn import CNNRegressor
    >>> place = np.random.default_rng(0).uniform(2, 10, size=300)
    >>> X = np.exp(-((np.arange(12) - place[:, None, None]) ** 2)).repeat(12, axis=1)
    >>> X.shape
    (300, 12, 12)
    >>> cnn = CNNRegressor(random_state=0).fit(X[:200], place[:200])
    >>> cnn.score(X[200:], place[200:]) > 0.9
    True
    """

    _parameter_constraints: dict = {
        **BaseCNN._parameter_constraints,
        "loss": [StrOptions(set(LOSSES["continuous"]))],
    }

    def __init__(
        self,
        network: str | Callable[[int, int, int, int], nn.Module] = "plain",
        *,
        channels: str | Sequence[int] = "auto",
        kernel_size: int = 3,
        stride: int = 1,
        padding: str = "same",
        pooling: str | None = "max",
        pool_size: int = 2,
        activation: str = "relu",
        batch_norm: bool = True,
        dropout: float | Sequence[float] = 0.3,
        hidden_units: Sequence[int] = (128,),
        image_shape: Sequence[int] | None = None,
        loss: str = "squared_error",
        optimizer: str = "adamw",
        learning_rate: float = 0.003,
        schedule: str | None = "one_cycle",
        weight_decay: str | float = "auto",
        batch_size: int = 64,
        max_epochs: int = 20,
        mixup: float = 0.0,
        progressive_resizing: float = 1.0,
        lookahead: bool = False,
        test_time_augmentation: str | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 5,
        warm_start: bool = False,
        callbacks: list | None = None,
        device: str | torch.device = "auto",
        precision: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.network = network
        self.channels = channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.pooling = pooling
        self.pool_size = pool_size
        self.activation = activation
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.hidden_units = hidden_units
        self.image_shape = image_shape
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.mixup = mixup
        self.progressive_resizing = progressive_resizing
        self.lookahead = lookahead
        self.test_time_augmentation = test_time_augmentation
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> CNNRegressor:
        """Make one pass over images, from the weights that are there.

        The statistics that standardise the input and the targets stay those of the first call.
        The learning rate is constant.

        Parameters
        ----------
        X : images of shape (n_images, height, width), (n_images, height, width, n_channels) or \
                (n_images, n_features)
            An array, flat rows, or `LazyImages`.
        y : array-like of shape (n_images,) or (n_images, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_images,), default=None
            Weights of the images' losses; None weighs all alike.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            With `early_stopping`.
        """
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X: Any) -> NDArray:
        """Predict the targets of images.

        Parameters
        ----------
        X : images of shape (n_images, height, width), (n_images, height, width, n_channels) or \
                (n_images, n_features)
            Images of the height, width and channels seen in fit.

        Returns
        -------
        y : float64 array of shape (n_images,) or (n_images, n_outputs)
            In the unit of the targets, and of their number of axes.
        """
        outputs = self._outputs(X)
        return outputs.reshape(-1, *self.y_mean_.shape) * self.y_scale_ + self.y_mean_

    def _encode(self, y, *, reset, sample_weight=None, classes=None):
        """Standardise the targets: a float32 array of shape (n_images, n_outputs)."""
        y = check_array(y, ensure_2d=False, ensure_min_samples=0, dtype=np.float64, input_name="y")
        y = y if y.ndim == 2 else column_or_1d(y)
        if reset:
            self.target_type_ = "continuous"
            self.y_mean_, self.y_scale_ = _mean_and_scale(y, sample_weight)
        if y.shape[1:] != self.y_mean_.shape:
            raise ValueError(
                f"y has shape {y.shape}, but fit saw targets of shape {self.y_mean_.shape} an image"
            )
        if sample_weight is not None:  # what does not count may be any number
            counts = (sample_weight > 0).reshape(-1, *(1,) * (y.ndim - 1))
            y = np.where(counts, y, self.y_mean_)
        return ((y - self.y_mean_) / self.y_scale_).reshape(len(y), -1).astype(np.float32)

    def _n_outputs(self):
        return self.y_mean_.size

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _mean_and_scale(y, sample_weight):
    """Compute the weighted mean and standard deviation of each target, 1 for a constant one."""
    if sample_weight is not None:
        y, sample_weight = y[sample_weight > 0], sample_weight[sample_weight > 0]
    mean = np.average(y, axis=0, weights=sample_weight)
    offset = y - mean
    largest = abs(offset).max(axis=0)
    # What rounding leaves of a constant target is no spread.
    varies = largest > 1e-12 * abs(y).max(axis=0)
    largest = np.where(varies, largest, 1.0)
    # Divided first, so that squares neither overflow nor vanish.
    variance = np.average((offset / largest) ** 2, axis=0, weights=sample_weight)
    return mean, np.where(varies & (variance > 0), largest * np.sqrt(variance), 1.0)
