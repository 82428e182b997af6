"""CNNClassifier: images to classes, or to labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.callback import with_callbacks
from sklearn.model_selection import train_test_split
from sklearn.utils import Tags, check_array, column_or_1d, compute_class_weight
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from torch import nn

from skcnn.estimators._base import BaseCNN
from skcnn.training.losses import LOSSES


class CNNClassifier(ClassifierMixin, BaseCNN):
    """Convolutional network that classifies images.

    Parameters
    ----------
    network : str or callable, default="plain"
        A name in `skcnn.networks.NETWORKS`, or a callable ``(in_channels, height, width,
        n_outputs)`` that gives a `torch.nn.Module`. The module maps a float32 tensor of shape
        (n_images, in_channels, height, width) to logits of shape (n_images, n_outputs).
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
    loss : {"cross_entropy", "focal"}, default="cross_entropy"
        What training minimises; "focal" [3]_ weighs down the images that are classified surely.
    optimizer : {"adam", "adamw", "muon", "rmsprop", "sgd"}, default="adamw"
        How. "sgd" has a Nesterov momentum of 0.9. "muon" [6]_ is for networks with batch
        normalisation and needs a `learning_rate` about 0.2.
    learning_rate : float, default=0.003
        The largest step size. Weights of dense layers with more than 2,048 inputs take steps that
        are smaller in proportion to these [9]_.
    schedule : {"cosine", "linear", "one_cycle"} or None, default="one_cycle"
        How the step size runs over the epochs of a `fit`: falling to 0 along half a cosine or a
        straight line, rising and falling [4]_, or constant.
    weight_decay : "auto" or float, default="auto"
        For "adamw", each step shrinks the weights by this times the step size; for the other
        optimizers it is the factor of an L2 penalty. "auto" is 0.5 for "adamw", else 0.
    batch_size : int, default=64
        Images in a training batch.
    max_epochs : int, default=20
        Passes over the images.
    label_smoothing : float, default=0.0
        The probability that the targets spread evenly over all classes.
    mixup : float, default=0.0
        Where positive, training images are weighted means of two, with weights from
        Beta(mixup, mixup) [5]_.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, {label: weight}. "balanced" weighs them inversely to their
        frequency. They multiply `sample_weight`.
    progressive_resizing : float, default=1.0
        The height and width of the images in the first epoch of a `fit`, over their own. They grow
        evenly and are whole in the last quarter of the epochs, which saves time where it is below
        1. It needs a network that takes images of any size, such as "fast".
    lookahead : bool, default=False
        Whether every fifth step pulls the weights back to a running mean of them [8]_, the more
        the longer the training has gone on [7]_.
    test_time_augmentation : {"flip", "flip_shift"} or None, default=None
        Whether predictions are averaged over each image and its mirror image, and also over both
        shifted by a pixel along the diagonal, with half the weight [7]_.
    early_stopping : bool, default=False
        Whether to stop where the validation loss has not improved for `patience` epochs, and to
        restore the best weights.
    validation_fraction : float, default=0.1
        The fraction of the images set aside for it, stratified by class, where `fit` is given no
        `X_val`.
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
    classes_ : array of shape (n_classes,)
        The labels, sorted; the indices of the labels where `y` is an indicator matrix.
    n_features_in_ : int
        Height x width x channels.
    feature_names_in_ : array of shape (n_features,)
        Names of the columns, where `X` is a frame.
    image_shape_ : tuple of (int, int, int)
        Height, width and number of channels.
    target_type_ : {"multiclass", "multilabel"}
        What `y` held: labels, or indicators of labels.
    class_weight_ : array of shape (n_classes,)
        The weight of each class.
    weight_scale_ : float
        What the weights of images are divided by, so that they are 1 on average in the last `fit`,
        or in the first `partial_fit`.
    net_ : skorch.NeuralNet
        The trained skorch net.
    module_ : torch.nn.Module
        Its module, input standardisation included.
    history_ : list of dict
        A record an epoch: "epoch", "train_loss", "train_score" (the accuracy, measured while the
        network learns), "seconds", and, where there are validation images, "valid_loss" and
        "valid_score". Losses are weighted, scores are not.
    n_epochs_ : int
        How many epochs it was trained for.

    See Also
    --------
    CNNRegressor : The same for numbers.
    ImageResizer : Brings photos to one size.
    ImageAugmenter : Varies the training images.

    Notes
    -----
    The pixel values of each channel are standardised by the network's first layer, with the mean
    and standard deviation of the training images, so that their scale does not matter. Weights are
    drawn after He et al. [1]_ and batches normalised after Ioffe and Szegedy [2]_.

    References
    ----------
    .. [1] He et al., "Delving Deep into Rectifiers", ICCV 2015 (arXiv 1502.01852).
    .. [2] Ioffe and Szegedy, "Batch Normalization", ICML 2015 (arXiv 1502.03167).
    .. [3] Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017 (arXiv 1708.02002).
    .. [4] Smith and Topin, "Super-Convergence", 2018 (arXiv 1708.07120).
    .. [5] Zhang et al., "mixup", ICLR 2018 (arXiv 1710.09412).
    .. [6] Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024
       (https://kellerjordan.github.io/posts/muon/).
    .. [7] Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024 (arXiv 2404.00498),
       sections 3.4 and 3.5.
    .. [8] Zhang et al., "Lookahead Optimizer", NeurIPS 2019 (arXiv 1907.08610).
    .. [9] Yang et al., "Tensor Programs V", NeurIPS 2021 (arXiv 2203.03466), table 3.

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

    _parameter_constraints: dict = {
        **BaseCNN._parameter_constraints,
        "loss": [StrOptions(set(LOSSES["multiclass"]))],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
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
        loss: str = "cross_entropy",
        optimizer: str = "adamw",
        learning_rate: float = 0.003,
        schedule: str | None = "one_cycle",
        weight_decay: str | float = "auto",
        batch_size: int = 64,
        max_epochs: int = 20,
        label_smoothing: float = 0.0,
        mixup: float = 0.0,
        class_weight: dict | str | None = None,
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
        self.label_smoothing = label_smoothing
        self.mixup = mixup
        self.class_weight = class_weight
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
        self,
        X: Any,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> CNNClassifier:
        """Make one pass over images, from the weights that are there.

        The statistics that standardise the input stay those of the first call. The learning rate
        is constant.

        Parameters
        ----------
        X : images of shape (n_images, height, width), (n_images, height, width, n_channels) or \
                (n_images, n_features)
            An array, flat rows, or `LazyImages`.
        y : array-like of shape (n_images,) or (n_images, n_labels)
            Labels.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever come; None takes those of the first call.
        sample_weight : array-like of shape (n_images,), default=None
            Weights of the images' losses; None weighs all alike.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If `y` holds a label that the first call did not announce, or with `early_stopping`.
        """
        if isinstance(self.class_weight, str):
            raise ValueError(
                'partial_fit does not see all images, so class_weight="balanced" has no meaning: '
                "give the weights as a dict (sklearn.utils.compute_class_weight computes them)"
            )
        return self._partial_fit(X, y, sample_weight, classes)

    def predict(self, X: Any) -> NDArray:
        """Predict the class of images.

        Parameters
        ----------
        X : images of shape (n_images, height, width), (n_images, height, width, n_channels) or \
                (n_images, n_features)
            Images of the height, width and channels seen in fit.

        Returns
        -------
        y : array of shape (n_images,) or (n_images, n_labels)
            Labels, or indicators of labels where `fit` was given them.
        """
        outputs = self._outputs(X)
        if self._is_multilabel:
            return (outputs > 0).astype(int)
        return self.classes_[outputs.argmax(axis=1)]

    def predict_proba(self, X: Any) -> NDArray:
        """Predict the probability of each class.

        Parameters
        ----------
        X : images of shape (n_images, height, width), (n_images, height, width, n_channels) or \
                (n_images, n_features)
            Images of the height, width and channels seen in fit.

        Returns
        -------
        probabilities : float64 array of shape (n_images, n_classes)
            In the order of `classes_`; rows sum to 1, except for indicators of labels, whose
            probabilities are independent.
        """
        outputs = self._outputs(X)
        return expit(outputs) if self._is_multilabel else softmax(outputs, axis=1)

    def predict_log_proba(self, X: Any) -> NDArray:
        """Predict the logarithm of the probability of each class.

        Parameters
        ----------
        X : images of shape (n_images, height, width), (n_images, height, width, n_channels) or \
                (n_images, n_features)
            Images of the height, width and channels seen in fit.

        Returns
        -------
        log_probabilities : float64 array of shape (n_images, n_classes)
            Finite also where the probability is too small for a float.
        """
        outputs = self._outputs(X)
        return log_expit(outputs) if self._is_multilabel else log_softmax(outputs, axis=1)

    @property
    def _is_multilabel(self):
        return self.target_type_ == "multilabel"

    def _encode(self, y, *, reset, sample_weight=None, classes=None):
        """Turn labels into class indices, or indicators of labels into floats."""
        y = check_array(y, ensure_2d=False, ensure_min_samples=0, dtype=None, input_name="y")
        check_classification_targets(y)
        multilabel = type_of_target(y) == "multilabel-indicator"
        if reset:
            self.target_type_ = "multilabel" if multilabel else "multiclass"
            self.classes_ = np.arange(y.shape[1]) if multilabel else np.unique(y)
        if reset and classes is not None:
            self.classes_ = np.unique(classes)
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                f"classes={list(classes)} is not what the first partial_fit was given: "
                f"{self.classes_.tolist()}"
            )
        return self._encode_indicators(y) if multilabel else self._encode_labels(y)

    def _encode_labels(self, y):
        if self._is_multilabel:
            raise ValueError("y holds single labels, but fit saw an indicator matrix")
        y = column_or_1d(y, warn=True)
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"y holds labels that fit did not see: {unknown.tolist()}, while the classes are "
                f"{self.classes_.tolist()}; partial_fit takes all of them as classes in its first "
                "call"
            )
        return np.searchsorted(self.classes_, y)

    def _encode_indicators(self, y):
        if self.class_weight is not None:
            raise ValueError(
                "class_weight weighs classes, and y is an indicator matrix of labels: weigh the "
                "images with sample_weight instead"
            )
        if not self._is_multilabel or y.shape[1] != len(self.classes_):
            raise ValueError(
                f"y has indicators of {y.shape[1]} labels, but fit saw {len(self.classes_)} "
                f"{'labels' if self._is_multilabel else 'classes'}"
            )
        return y.astype(np.float32)

    def _learn_class_weights(self, targets, sample_weight):
        self.class_weight_ = np.ones(len(self.classes_))
        if self.class_weight is None:
            return
        if sample_weight is not None:
            targets, sample_weight = targets[sample_weight > 0], sample_weight[sample_weight > 0]
        # "balanced" has no weight for a class of which nothing counts, and it needs none.
        balanced = self.class_weight == "balanced"
        weighed = np.unique(targets) if balanced else np.arange(len(self.classes_))
        self.class_weight_[weighed] = compute_class_weight(
            self.class_weight,
            classes=self.classes_[weighed],
            y=self.classes_[targets],
            sample_weight=sample_weight,
        )
        if not (np.isfinite(self.class_weight_).all() and min(self.class_weight_) >= 0):
            raise ValueError(
                f"class_weight={self.class_weight} holds a weight that is negative or not finite"
            )

    def _weigh_classes(self, targets, weights):
        if self.class_weight is None:
            return weights
        of_images = self.class_weight_[targets]
        weights = of_images if weights is None else of_images * weights
        if not weights.any():
            raise ValueError(f"class_weight={self.class_weight} leaves no image any weight")
        return weights

    def _split(self, rows, targets, seed):
        """Set validation images aside, as many of each class as it has of all images."""
        if targets.ndim > 1:
            return super()._split(rows, targets, seed)
        counts = np.bincount(targets[rows], minlength=len(self.classes_))
        if 1 in counts:
            label = self.classes_.tolist()[counts.tolist().index(1)]
            raise ValueError(
                f"class {label!r} has 1 image only, and early_stopping=True sets images of every "
                "class aside: give fit X_val and y_val, or more images of that class"
            )
        n_classes = np.count_nonzero(counts)
        n_valid = max(round(self.validation_fraction * len(rows)), n_classes)
        if n_valid > len(rows) - max(n_classes, 2):
            raise ValueError(
                f"validation_fraction={self.validation_fraction} of {len(rows)} images leaves "
                f"fewer to learn from than there are classes, {n_classes}"
            )
        return train_test_split(rows, test_size=n_valid, stratify=targets[rows], random_state=seed)

    def _n_outputs(self):
        return len(self.classes_)

    def _loss_function(self, target_type):
        return partial(super()._loss_function(target_type), label_smoothing=self.label_smoothing)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
