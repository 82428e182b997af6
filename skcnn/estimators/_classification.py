"""ImageClassifier: parameters, targets and predictions of classifiers."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.callback import with_callbacks
from sklearn.model_selection import train_test_split
from sklearn.utils import Tags, column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skcnn._validation import TRAINING_ATTACK
from skcnn.estimators._balance import (
    check_balance,
    check_balance_of_labels,
    check_balance_of_part,
)
from skcnn.estimators._base import TrainedEstimator
from skcnn.estimators._labels import (
    check_classes,
    check_labels,
    class_weights,
    warn_about_one_hot,
    warn_about_single_class,
)
from skcnn.estimators._weights import mean_weight, scaled_weights
from skcnn.learned import fitted_view
from skcnn.settings import fixed_settings
from skcnn.training.losses import FOCAL_GAMMA, LOSSES
from skcnn.values import check_arguments

_UNKNOWN_LABELS = {
    "fit": "with warm_start=True, fit continues the training of a network for these classes; use "
    "warm_start=False to train a new network for the labels of y",
    "partial_fit": "partial_fit takes all labels as classes in its first call",
    "validation": "y_val can contain only labels of y",
}


@dataclass(kw_only=True, eq=False, repr=False)
class ImageClassifier(ClassifierMixin, TrainedEstimator):
    """Base class of classifiers. Subclasses define the network.

    Parameters
    ----------
    loss : {"cross_entropy", "focal"}, default="cross_entropy"
        Loss function. "focal" gives less weight to images that are classified with high confidence
        (Lin et al. 2017, arXiv 1708.02002).
    focal_gamma : float, default=2.0
        Exponent of ``loss="focal"``, which multiplies the cross-entropy of each image by
        ``(1 - p) ** focal_gamma``, where p is the predicted probability of its class. 0 gives the
        cross-entropy.
    label_smoothing : float, default=0.0
        Probability that is distributed over all classes in the targets: evenly, or with
        `logit_adjustment` in proportion to ``frequency ** tau``.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, {label: weight}. "balanced" uses weights inversely proportional to
        the frequency of the classes. They multiply `sample_weight`.
    sampling : {"balanced"} or None, default=None
        Images of an epoch. None uses every training image once. "balanced" draws the same number of
        images of each class, and as many in total as there are training images. No image is copied.
        Images of rare classes are repeated, with augmented variants of their own, and of other
        classes each epoch uses different ones. The losses of the drawn images are multiplied by
        their weights. Validation images are not drawn.
    logit_adjustment : float, default=0.0
        Factor tau of the logit adjustment (Menon et al. 2021, arXiv 2007.07314): the losses of
        training and validation are computed for ``outputs + tau * log(frequency)``, where the
        frequency of each class is weighted by `sample_weight` and `class_weight`. Predictions are
        computed from the outputs alone. With 1, which is also called balanced softmax, they hold
        for images whose classes are equally frequent. 0 disables it.
    adversary : FGSM or PGD, default=None
        Attack of `skcnn.robustness` with which every training batch is replaced by adversarial
        images. Its `epsilon` is in the units of the pixel values that the estimator receives, after
        the steps of a pipeline before it. ``FGSM(epsilon, noise=2.0)`` takes about twice as long as
        training without it, and `PGD` with n steps 1 + n times as long. Adversarial images are made
        after augmentation, `progressive_resizing`, `mixup` and `cutmix`. Validation images are not
        changed.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        Sorted labels; the indices of the labels if `y` is an indicator matrix.
    target_type_ : {"multiclass", "multilabel"}
        Type of the targets: classes, or indicators of labels.
    class_weight_ : array of shape (n_classes,)
        Weight of each class.
    """

    loss: str = "cross_entropy"
    focal_gamma: float = FOCAL_GAMMA
    label_smoothing: float = 0.0
    class_weight: dict | str | None = None
    sampling: str | None = None
    logit_adjustment: float = 0.0
    adversary: Any = None

    _parameter_constraints: ClassVar[dict] = {
        **TrainedEstimator._parameter_constraints,
        "loss": [StrOptions(set(LOSSES["multiclass"]))],
        "focal_gamma": [Interval(Real, 0, None, closed="left")],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "sampling": [StrOptions({"balanced"}), None],
        "logit_adjustment": [Interval(Real, 0, None, closed="left")],
        "adversary": [TRAINING_ATTACK, None],
    }

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: Any,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> ImageClassifier:
        """Train for one epoch, starting from the current weights.

        The statistics that standardize the input are those of the first call. The learning rate is
        constant. A call after the first one accepts a single image, which batch normalization
        normalizes with its running statistics, without changing them.

        Parameters
        ----------
        X : images of shape (n_images, height, width), (n_images, height, width, n_channels) or \
                (n_images, n_features)
            Images as an array, as flat rows, or as `LazyImages`.
        y : array-like of shape (n_images,) or (n_images, n_labels)
            Labels.
        classes : array-like of shape (n_classes,), default=None
            Labels of all calls. None uses the labels of the first call.
        sample_weight : array-like of shape (n_images,), default=None
            Weights of the losses of the images. None gives all images the same weight.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If `y` contains a label that is not among the classes of the first call, or with
            `early_stopping`.
        """
        check_balance_of_part(self)
        return self._partial_fit(X, y, sample_weight, classes)

    def predict(self, X: Any) -> NDArray:
        """Predict the class of images.

        Parameters
        ----------
        X : images of shape (n_images, height, width), (n_images, height, width, n_channels) or \
                (n_images, n_features)
            Images with the height, width and channels seen in fit.

        Returns
        -------
        y : array of shape (n_images,) or (n_images, n_labels)
            Labels, or indicators of labels if `fit` was given them.
        """
        fitted = fitted_view(self)
        outputs = fitted._outputs(X)
        if fitted._is_multilabel:
            return (outputs > 0).astype(int)
        return fitted.classes_[outputs.argmax(axis=1)]

    def predict_proba(self, X: Any) -> NDArray:
        """Predict the probability of each class.

        Parameters
        ----------
        X : images of shape (n_images, height, width), (n_images, height, width, n_channels) or \
                (n_images, n_features)
            Images with the height, width and channels seen in fit.

        Returns
        -------
        probabilities : float64 array of shape (n_images, n_classes)
            Probabilities in the order of `classes_`. Rows sum to 1, except for indicators of
            labels, whose probabilities are independent.
        """
        fitted = fitted_view(self)
        outputs = fitted._outputs(X)
        with fixed_settings():
            return expit(outputs) if fitted._is_multilabel else softmax(outputs, axis=1)

    def predict_log_proba(self, X: Any) -> NDArray:
        """Predict the logarithm of the probability of each class.

        Parameters
        ----------
        X : images of shape (n_images, height, width), (n_images, height, width, n_channels) or \
                (n_images, n_features)
            Images with the height, width and channels seen in fit.

        Returns
        -------
        log_probabilities : float64 array of shape (n_images, n_classes)
            Log probabilities, which are finite even if a probability underflows to 0.
        """
        fitted = fitted_view(self)
        outputs = fitted._outputs(X)
        with fixed_settings():
            return log_expit(outputs) if fitted._is_multilabel else log_softmax(outputs, axis=1)

    def score(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Compute the accuracy: the fraction of images with correct labels.

        Parameters
        ----------
        X : images of shape (n_images, height, width), (n_images, height, width, n_channels) or \
                (n_images, n_features)
            Images with the height, width and channels seen in fit.
        y : array-like of shape (n_images,) or (n_images, n_labels)
            Correct labels. For indicators of labels, an image counts if all of them are correct.
        sample_weight : array-like of shape (n_images,), default=None
            Weights of the images. None gives all images the same weight.

        Returns
        -------
        score : float
            Accuracy, from 0 to 1.
        """
        check_is_fitted(self)
        check_arguments(y=y, sample_weight=sample_weight)
        check_labels(y)
        return super().score(X, y, scaled_weights(sample_weight))

    @property
    def _is_multilabel(self):
        return self.target_type_ == "multilabel"

    def _encode(self, y, *, reset, sample_weight=None, classes=None, source="fit"):
        """Convert labels to class indices, or indicators of labels to float32."""
        name = "y_val" if source == "validation" else "y"
        y, multilabel = check_labels(y, name)
        if reset:
            self.target_type_ = "multilabel" if multilabel else "multiclass"
            self.classes_ = check_classes(classes, y, multilabel)
        elif classes is not None:
            classes = check_classes(classes, y, multilabel)
            if not np.array_equal(classes, self.classes_):
                raise ValueError(
                    f"classes={classes.tolist()} differs from the classes of the first "
                    f"partial_fit, {self.classes_.tolist()}"
                )
        if multilabel:
            return self._encode_indicators(y, name)
        return self._encode_labels(y, name, source)

    def _encode_labels(self, y, name, source):
        if self._is_multilabel:
            raise ValueError(
                f"{name} contains single labels, but fit was given an indicator matrix"
            )
        y = column_or_1d(y, warn=True)
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"{name} contains labels that were not seen in fit: {unknown.tolist()}; the "
                f"classes are {self.classes_.tolist()}: {_UNKNOWN_LABELS[source]}"
            )
        return np.searchsorted(self.classes_, y)

    def _encode_indicators(self, y, name):
        check_balance_of_labels(self)
        if not self._is_multilabel or y.shape[1] != len(self.classes_):
            raise ValueError(
                f"{name} has indicators of {y.shape[1]} labels, but fit was given "
                f"{len(self.classes_)} {'labels' if self._is_multilabel else 'classes'}"
            )
        return y.astype(np.float32)

    def _check_and_encode(self, X, y, sample_weight, **options):
        check_balance(self)
        return super()._check_and_encode(X, y, sample_weight, **options)

    def _mean_weight(self, weights, targets):
        if self.sampling is None:
            return super()._mean_weight(weights, targets)
        means = [mean_weight(weights[targets == label]) for label in np.unique(targets)]
        return mean_weight(np.array(means))

    def _fit_class_weights(self, targets, sample_weight):
        self.class_weight_ = class_weights(self.class_weight, self.classes_, targets, sample_weight)

    def _apply_class_weights(self, targets, weights):
        if self.class_weight is None:
            return weights
        image_weights = self.class_weight_[targets]
        with np.errstate(over="ignore"):
            weights = image_weights if weights is None else image_weights * weights
        if not np.isfinite(weights).all():
            raise ValueError("class_weight times sample_weight is too large: use smaller weights")
        if not weights.any():
            raise ValueError(f"class_weight={self.class_weight} gives every image a weight of 0")
        return weights

    def _warn_about_targets(self, targets, *, partial):
        if self._is_multilabel:
            warn_about_one_hot(targets)
        elif len(self.classes_) == 1 or (not partial and (targets == targets[0]).all()):
            warn_about_single_class(self.classes_.tolist()[targets[0]])

    def _split(self, rows, targets, seed):
        """Split the rows into training and validation rows, stratified by class."""
        if targets.ndim > 1:
            return super()._split(rows, targets, seed)
        counts = np.bincount(targets[rows], minlength=len(self.classes_))
        if 1 in counts:
            label = self.classes_.tolist()[counts.tolist().index(1)]
            raise ValueError(
                f"class {label!r} has only 1 image, but early_stopping=True needs validation "
                "images of every class: pass X_val and y_val to fit, or more images of that class"
            )
        n_classes = np.count_nonzero(counts)
        n_valid = max(round(self.validation_fraction * len(rows)), n_classes)
        if n_valid > len(rows) - max(n_classes, 2):
            raise ValueError(
                f"validation_fraction={self.validation_fraction} of {len(rows)} images leaves "
                f"fewer training images than the {n_classes} classes"
            )
        return train_test_split(rows, test_size=n_valid, stratify=targets[rows], random_state=seed)

    def _n_outputs(self):
        return len(self.classes_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
