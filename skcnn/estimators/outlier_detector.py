"""ImageOutlierDetector: images that are unlike the training images."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin, _fit_context, clone
from sklearn.frozen import FrozenEstimator
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.utils import Tags, gen_batches
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skcnn._validation import IMAGE_SHAPE
from skcnn.checksums import ChecksumMixin
from skcnn.estimators.embedder import ImageEmbedder
from skcnn.images import check_images
from skcnn.lazy import LazyImages
from skcnn.learned import all_or_nothing, fitted_view
from skcnn.preprocessing import ImageFlattener, ImageResizer
from skcnn.settings import fixed_settings
from skcnn.values import check_numbers

_THUMBNAIL = 32  # maximum height and width in pixels of the images that are compared by default
_FENCE = 1.5  # interquartile ranges below the lower quartile
_SAME = 1e-5  # distance relative to the norm of the features, which are float32
_PART = 4096  # rows whose statistics are computed at a time


class ImageOutlierDetector(ChecksumMixin, OutlierMixin, BaseEstimator):
    """Detect images that are unlike the training images.

    The score of an image is its distance to the most similar training images, in a space of
    features: those of a pretrained network [1]_ [2]_, or of any other transformer.

    Parameters
    ----------
    features : transformer, default=None
        What images are compared by: a transformer from images to rows of features, such as an
        `ImageEmbedder`, a `HOGExtractor`, or a pipeline of `ImageFlattener` and
        `sklearn.decomposition.PCA`. A clone of it is fitted. To use one that is already fitted,
        wrap it in a `sklearn.frozen.FrozenEstimator`. None compares the pixel values of images that
        are reduced to at most 32 x 32 pixels, which needs no network, and is meant for images that
        show the same kind of object in the same position. For photos, use an `ImageEmbedder`.
    n_neighbors : int, default=5
        Number of training images to which an image is compared.
    contamination : "auto" or float, default="auto"
        Fraction of the training images that `predict` calls outliers, in (0, 0.5]. "auto" places
        the threshold 1.5 interquartile ranges below the lower quartile of the scores of the
        training images, as boxplots do [3]_.
    image_shape : tuple of int, default=None
        Layout of flat rows: (height, width) or (height, width, n_channels), in pixels. If None,
        rows with a square number of features are square gray images, and other rows of up to 64
        features are images of height 1. Not needed for other forms of images.

    Attributes
    ----------
    features_ : transformer
        The fitted transformer.
    scaler_ : sklearn.preprocessing.StandardScaler
        Mean and scale of each feature.
    neighbors_ : sklearn.neighbors.NearestNeighbors
        The standardized features of the training images.
    offset_ : float
        Threshold: images with lower scores are outliers.
    n_features_in_ : int
        Number of pixel values of an image seen in fit: height x width x number of channels.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features seen in fit. Defined only for frames whose columns have names.
    image_shape_ : tuple of (int, int, int)
        Height, width and number of channels of the images seen in fit.

    See Also
    --------
    ImageEmbedder : Features of a pretrained network.
    sklearn.neighbors.LocalOutlierFactor : Outliers among rows of features.

    Notes
    -----
    Features are standardized, with the variance of each feature increased by the mean variance of
    all features. A feature that hardly varies in the training images, such as a pixel of the
    background, then counts more than others, but within limits. Distances are divided by the square
    root of the number of features.

    A training image is not its own neighbor: an identical image is left out, once. The scores of
    the training images, and the threshold, are therefore comparable with those of new images.

    Train on normal images only if possible. Some outliers among the training images do little harm
    if they are not similar to each other: otherwise, use more neighbors.

    Features are kept in memory, 4 bytes for each value, and images are not: `LazyImages` are read
    in batches. Their random operations are not applied.

    References
    ----------
    .. [1] Bergman, Cohen and Hoshen, "Deep Nearest Neighbor Anomaly Detection", arXiv 2002.10445.
    .. [2] Sun et al., "Out-of-Distribution Detection with Deep Nearest Neighbors", ICML 2022.
    .. [3] Tukey, "Exploratory Data Analysis", Addison-Wesley 1977.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import ImageOutlierDetector
    >>> X, y = load_digits(return_X_y=True)
    >>> zeros, others = X[y == 0], X[y != 0]
    >>> detector = ImageOutlierDetector().fit(zeros[:100])
    >>> float((detector.predict(zeros[100:]) == 1).mean()) > 0.9
    True
    >>> float((detector.predict(others) == -1).mean()) > 0.9
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        "features": [HasMethods(["fit", "transform"]), None],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
        "image_shape": [IMAGE_SHAPE, None],
    }

    def __init__(
        self,
        features: Any = None,
        *,
        n_neighbors: int = 5,
        contamination: str | float = "auto",
        image_shape: tuple[int, ...] | None = None,
    ):
        self.features = features
        self.n_neighbors = n_neighbors
        self.contamination = contamination
        self.image_shape = image_shape

    def fit(self, X: Any, y: Any = None) -> ImageOutlierDetector:
        """Learn what the training images look like.

        Parameters
        ----------
        X : images of shape (n_images, height, width), (n_images, height, width, n_channels) or \
                (n_images, n_features)
            Images as an array, as flat rows, or as `LazyImages`.
        y : ignored
            Not used, present for API consistency.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        ValueError
            If there are too few images for `n_neighbors`, or the transformer returns no rows of
            finite features.
        """
        self._fit_and_score(X)
        return self

    def fit_predict(self, X: Any, y: Any = None) -> NDArray:
        """Fit, and predict which of the training images are outliers.

        Parameters
        ----------
        X : images of shape (n_images, ...)
            Images, in a form that `fit` accepts.
        y : ignored
            Not used, present for API consistency.

        Returns
        -------
        y : int array of shape (n_images,)
            1 for inliers, -1 for outliers.
        """
        scores = self._fit_and_score(X)
        return _labels(scores - self.offset_)

    def score_samples(self, X: Any) -> NDArray:
        """Compute scores: the lower, the more unlike the training images.

        Parameters
        ----------
        X : images of shape (n_images, ...)
            Images with the height, width and channels seen in fit.

        Returns
        -------
        scores : float64 array of shape (n_images,)
            Negative mean distances to the nearest training images.
        """
        return self._score(X)[0]

    def decision_function(self, X: Any) -> NDArray:
        """Compute scores relative to the threshold.

        Parameters
        ----------
        X : images of shape (n_images, ...)
            Images with the height, width and channels seen in fit.

        Returns
        -------
        scores : float64 array of shape (n_images,)
            Scores minus `offset_`, negative for outliers.
        """
        scores, offset = self._score(X)
        return scores - offset

    def predict(self, X: Any) -> NDArray:
        """Predict which images are outliers.

        Parameters
        ----------
        X : images of shape (n_images, ...)
            Images with the height, width and channels seen in fit.

        Returns
        -------
        y : int array of shape (n_images,)
            1 for inliers, -1 for outliers.
        """
        return _labels(self.decision_function(X))

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit_and_score(self, X):
        """Fit, and return the scores of the training images."""
        with fixed_settings(), all_or_nothing(self):
            images = _clean(check_images(self, X, reset=True, min_samples=2))
            if self.n_neighbors >= len(images):
                raise ValueError(
                    f"n_neighbors={self.n_neighbors} must be less than the number of training "
                    f"images, but X holds {len(images)}: set n_neighbors to at most "
                    f"{len(images) - 1}, or pass more images"
                )
            self.features_ = self._transformer()
            rows = _as_rows(self.features_.fit(images).transform(images), images, self.features_)
            self.scaler_ = _fit_scaler(rows)
            rows = self._standardized(rows)
            self.neighbors_ = NearestNeighbors(n_neighbors=self.n_neighbors + 1).fit(rows)
            scores = self._score_rows(rows)
            self.offset_ = _threshold(scores, self.contamination)
        return scores

    def _transformer(self):
        """Return the transformer of images to features, not fitted."""
        if self.features is None:
            size = tuple(min(axis, _THUMBNAIL) for axis in self.image_shape_[:2])
            return make_pipeline(ImageResizer(size), ImageFlattener())
        features = clone(self.features)
        is_frozen = isinstance(features, FrozenEstimator)
        if isinstance(features.estimator if is_frozen else features, ImageEmbedder):
            return make_pipeline(features, Normalizer())
        return features

    def _score(self, X):
        """Return the scores of images, and the threshold of the same fit."""
        fitted = fitted_view(self)
        check_is_fitted(fitted)
        with fixed_settings():
            images = _clean(check_images(fitted, X, reset=False))
            rows = _as_rows(fitted.features_.transform(images), images, fitted.features_)
            return fitted._score_rows(fitted._standardized(rows)), fitted.offset_

    def _standardized(self, rows):
        """Standardize features, so that distances are root mean squares over features."""
        rows = self.scaler_.transform(rows)
        rows /= np.sqrt(rows.shape[1])
        return rows

    def _score_rows(self, rows):
        """Return the negative mean distances to the nearest rows, except for an identical one."""
        distances, _ = self.neighbors_.kneighbors(rows)
        same = distances[:, :1] <= _SAME * np.linalg.norm(rows, axis=1, keepdims=True)
        return -np.where(same, distances[:, 1:], distances[:, :-1]).mean(axis=1, dtype=np.float64)

    def _validate_params(self):
        check_numbers(self)
        super()._validate_params()

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _clean(images):
    """Return images without random operations."""
    return images.clean() if isinstance(images, LazyImages) else images


def _as_rows(rows, images, features):
    """Return the output of a transformer as float32 rows, one for each image."""
    name = type(features).__name__
    if not isinstance(rows, LazyImages):
        rows = np.asarray(rows)
    if rows.ndim != 2 or len(rows) != len(images):
        raise ValueError(
            f"{name}.transform returns an array of shape {rows.shape} for {len(images)} images, "
            "but features must be of shape (n_images, n_features): put an ImageFlattener after it"
        )
    rows = np.asarray(rows).astype(np.float32)
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"the features of image {finite.argmin()} that {name}.transform returns are NaN, "
            "infinite or too large for float32"
        )
    return rows


def _fit_scaler(rows):
    """Fit the standardization, in which a variance is increased by the mean of the variances."""
    scaler = StandardScaler(copy=False)
    for part in gen_batches(len(rows), _PART):
        scaler.partial_fit(rows[part])
    variance = scaler.var_ + scaler.var_.mean()
    scaler.scale_ = np.where(variance > 0, np.sqrt(variance), 1.0)
    return scaler


def _threshold(scores, contamination):
    """Return the score below which images are outliers."""
    if contamination == "auto":
        lower, upper = np.percentile(scores, [25, 75])
        return lower - _FENCE * (upper - lower)
    return np.percentile(scores, 100 * contamination)


def _labels(decisions):
    return np.where(decisions >= 0, 1, -1)
