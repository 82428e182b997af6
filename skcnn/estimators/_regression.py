"""ImageRegressor: parameters, targets and predictions of regressors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin, _fit_context
from sklearn.callback import with_callbacks
from sklearn.metrics import r2_score
from sklearn.utils import Tags, check_array, column_or_1d
from sklearn.utils._param_validation import StrOptions

from skcnn._tensors import tensors_to_arrays
from skcnn.estimators._base import TrainedEstimator
from skcnn.estimators._weights import scaled_weights
from skcnn.learned import fitted_view
from skcnn.settings import fixed_settings
from skcnn.training.losses import LOSSES
from skcnn.values import check_arguments, no_overflow

_MAX_TARGET = 1e300  # sums and differences of targets are finite
_MAX_STANDARDIZED = 1e15  # a batch of squared errors is finite in float32
_LARGE = 1e100  # the sum of smaller squares is finite


@dataclass(kw_only=True, eq=False, repr=False)
class ImageRegressor(RegressorMixin, TrainedEstimator):
    """Base class of regressors. Subclasses define the network.

    Parameters
    ----------
    loss : {"absolute_error", "huber", "squared_error"}, default="squared_error"
        Loss function of the standardized targets. "huber" is quadratic up to one standard
        deviation, and linear beyond.

    Attributes
    ----------
    target_type_ : {"continuous"}
        Type of the targets.
    y_mean_ : float64 array of shape () or (n_outputs,)
        Mean of the targets, in the units of `y`.
    y_scale_ : float64 array of shape () or (n_outputs,)
        Standard deviation of the targets, or 1 for constant targets.
    """

    loss: str = "squared_error"

    _parameter_constraints: ClassVar[dict] = {
        **TrainedEstimator._parameter_constraints,
        "loss": [StrOptions(set(LOSSES["continuous"]))],
    }

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> ImageRegressor:
        """Train for one epoch, starting from the current weights.

        The statistics that standardize the input and the targets are those of the first call. The
        learning rate is constant. A call after the first one accepts a single image, which batch
        normalization normalizes with its running statistics, without changing them.

        Parameters
        ----------
        X : images of shape (n_images, height, width), (n_images, height, width, n_channels) or \
                (n_images, n_features)
            Images as an array, as flat rows, or as `LazyImages`.
        y : array-like of shape (n_images,) or (n_images, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_images,), default=None
            Weights of the losses of the images. None gives all images the same weight.

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
            Images with the height, width and channels seen in fit.

        Returns
        -------
        y : float64 array of shape (n_images,) or (n_images, n_outputs)
            Predicted targets, in the units of `y` in fit.
        """
        fitted = fitted_view(self)
        outputs = fitted._outputs(X)
        with fixed_settings():
            return outputs.reshape(-1, *fitted.y_mean_.shape) * fitted.y_scale_ + fitted.y_mean_

    def score(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Compute the coefficient of determination R squared, averaged over the targets.

        Parameters
        ----------
        X : images of shape (n_images, height, width), (n_images, height, width, n_channels) or \
                (n_images, n_features)
            Images with the height, width and channels seen in fit.
        y : array-like of shape (n_images,) or (n_images, n_outputs)
            True targets.
        sample_weight : array-like of shape (n_images,), default=None
            Weights of the images. None gives all images the same weight.

        Returns
        -------
        score : float
            At most 1.
        """
        check_arguments(y=y, sample_weight=sample_weight)
        predicted = self.predict(X)
        targets = check_targets(y, "y")
        largest = max(abs(targets).max(initial=0.0), abs(predicted).max(initial=0.0))
        if largest > _LARGE or 0 < largest < 1 / _LARGE:  # squares would overflow or underflow
            targets, predicted = targets / largest, predicted / largest
        return r2_score(targets, predicted, sample_weight=scaled_weights(sample_weight))

    def _encode(self, y, *, reset, sample_weight=None, classes=None, source="fit"):
        """Standardize the targets: a float32 array of shape (n_images, n_outputs)."""
        name = "y_val" if source == "validation" else "y"
        y = check_targets(y, name)
        if reset:
            self.target_type_ = "continuous"
            self.y_mean_, self.y_scale_ = _mean_and_scale(y, sample_weight)
        if y.shape[1:] != self.y_mean_.shape:
            raise ValueError(
                f"{name} has shape {y.shape}, but in fit the target of an image had shape "
                f"{self.y_mean_.shape}"
            )
        if sample_weight is not None:  # targets of images with weight 0 are ignored
            counts = (sample_weight > 0).reshape(-1, *(1,) * (y.ndim - 1))
            y = np.where(counts, y, self.y_mean_)
        with np.errstate(over="ignore"):
            standardized = (y - self.y_mean_) / self.y_scale_
        if abs(standardized).max(initial=0.0) > _MAX_STANDARDIZED:
            value = y.flat[abs(standardized).argmax()]
            raise ValueError(
                f"{name} contains {value:g}, which is more than {_MAX_STANDARDIZED:g} times the "
                "standard deviation of the targets of fit from their mean: correct or remove it"
            )
        return standardized.reshape(len(y), -1).astype(np.float32)

    def _n_outputs(self):
        return self.y_mean_.size

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def check_targets(y, name):
    """Check the targets of a regressor, and convert them to an array.

    Parameters
    ----------
    y : array-like of shape (n_images,) or (n_images, n_outputs)
        Targets.
    name : str
        Name of the argument in error messages.

    Returns
    -------
    y : float64 array of shape (n_images,) or (n_images, n_outputs)
        Targets.

    Raises
    ------
    ValueError
        If a target is not a number, or larger than 1e300 in absolute value.
    """
    y = tensors_to_arrays(y, name)
    try:
        with no_overflow(name), np.errstate(over="ignore", invalid="ignore"):  # of a finite sum
            y = check_array(
                y, ensure_2d=False, ensure_min_samples=0, dtype=np.float64, input_name=name
            )
    except TypeError as error:
        if "NoneType" not in str(error):
            raise  # such as sparse matrices, with a message of scikit-learn
        raise ValueError(f"{name} contains None, a missing target: remove these images") from error
    largest = abs(y).max(initial=0.0)
    if largest > _MAX_TARGET:
        raise ValueError(
            f"the largest absolute value of {name} is {largest:g}, but targets can be at most "
            f"{_MAX_TARGET:g}: divide them by a constant"
        )
    return y if y.ndim == 2 else column_or_1d(y)


def _mean_and_scale(y, sample_weight):
    """Compute the weighted mean and standard deviation of each target, 1 for a constant one."""
    if sample_weight is not None:
        y, sample_weight = y[sample_weight > 0], sample_weight[sample_weight > 0]
        sample_weight = sample_weight / sample_weight.max()  # the sum of weights may overflow
    mean = np.average(y, axis=0, weights=sample_weight)
    offset = y - mean
    largest = abs(offset).max(axis=0)
    # Rounding errors of a constant target are not variation.
    varies = largest > 1e-12 * abs(y).max(axis=0)
    largest = np.where(varies, largest, 1.0)
    # Scale before squaring to avoid overflow and underflow.
    variance = np.average((offset / largest) ** 2, axis=0, weights=sample_weight)
    return mean, np.where(varies & (variance > 0), largest * np.sqrt(variance), 1.0)
