"""ImageOutlierDetector: images that are unlike the training images."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin, _fit_context, clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.utils import Tags, gen_batches
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skcnn._validation import IMAGE_SHAPE
from skcnn.checksums import ChecksumMixin
from skcnn.estimators.autoencoder import ConvAutoencoder
from skcnn.estimators.embedder import ImageEmbedder
from skcnn.images import check_images
from skcnn.lazy import LazyImages
from skcnn.learned import all_or_nothing, fitted_view
from skcnn.preprocessing import ImageFlattener, ImageResizer
from skcnn.settings import fixed_settings
from skcnn.values import check_numbers

_THUMBNAIL = 32  # maximum height and width in pixels of the images that are compared by default
_FENCE = 1.5  # interquartile ranges below the lower quartile
_SAME = 1e-4  # distance relative to the norm, for features that depend on the batch
_PART = 4096  # rows whose statistics are computed at a time
_LARGEST = 1e15  # standardized value: the sum of the squares of many of these fits float32
_VALUES = 2**22  # pixel values that are reconstructed at a time


class ImageOutlierDetector(ChecksumMixin, OutlierMixin, BaseEstimator):
    """Detect images that are unlike the training images.

    The score of an image is its distance to the most similar training images, in a space of
    features: those of a pretrained network [1]_ [2]_, or of any other transformer. Alternatively,
    it is the error of its reconstruction by an autoencoder.

    Parameters
    ----------
    features : transformer, default=None
        Determines the score. With a `ConvAutoencoder`, it is the error of the reconstruction. With
        any other transformer from images to rows of features, such as an `ImageEmbedder`, a
        `HOGExtractor`, or a pipeline of `ImageFlattener` and `sklearn.decomposition.PCA`, it is the
        distance to the nearest training images. A clone of the transformer is fitted. To use one
        that is already fitted, wrap it in a `sklearn.frozen.FrozenEstimator`. None compares the
        pixel values of images that are reduced to at most 32 x 32 pixels. This needs no network,
        and is meant for images that show the same kind of object in the same position. For photos,
        use an `ImageEmbedder`.
    n_neighbors : int, default=5
        Number of training images to which an image is compared. Not used with a `ConvAutoencoder`.
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
        The fitted transformer. An `ImageEmbedder` is followed by a
        `sklearn.preprocessing.Normalizer`.
    mean_ : float64 array of shape (n_features_out,)
        Mean of each feature, or of the difference between each pixel value and its reconstruction.
    scale_ : float64 array of shape (n_features_out,)
        Value by which each of them is divided.
    training_features_ : float32 array of shape (n_images, n_features_out)
        Standardized features of the training images. Not defined with a `ConvAutoencoder`.
    n_neighbors_ : int
        The value of `n_neighbors` in fit. Not defined with a `ConvAutoencoder`.
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
    ConvAutoencoder : Network that reconstructs images.
    sklearn.neighbors.LocalOutlierFactor : Outliers among rows of features.

    Notes
    -----
    The features of an `ImageEmbedder` are divided by their norm [2]_. For other norms, pass a
    pipeline. Features are then standardized, with the variance of each feature increased by the
    mean variance of all features: one that hardly varies in the training images, such as a pixel of
    the background, counts more than others, but within limits. Distances are divided by the square
    root of the number of features. The score is the negative mean of the distances to the
    `n_neighbors` nearest training images.

    A training image is not its own neighbor: of the training images, one that is identical is left
    out. The scores of the training images, and the threshold, are therefore comparable with those
    of new images.

    The differences between images and their reconstructions are standardized in the same way. The
    score is the negative root mean square over the pixel values. An autoencoder reconstructs
    training images slightly better than others, so that `predict` calls more of the new images
    outliers than of the training images.

    Train on normal images only if possible. A few outliers among the training images do little
    harm. If they are similar to each other, use more neighbors than there are of a kind.

    Features are kept in memory, 4 bytes for each value, and images are not: `LazyImages` are read
    in batches. Their random operations are not applied, except in the training of an autoencoder.

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
            If there are too few images for `n_neighbors`, or the transformer does not return a row
            of finite features for each image.
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
            Negative mean distances to the nearest training images, or negative errors of the
            reconstruction by an autoencoder.
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
            for name in ("training_features_", "n_neighbors_"):
                vars(self).pop(name, None)
            images = check_images(self, X, reset=True, min_samples=2)
            self.features_ = self._transformer()
            scores = (
                self._fit_errors(images) if self._has_autoencoder() else self._fit_neighbors(images)
            )
            self.offset_ = _threshold(scores, self.contamination)
        return scores

    def _transformer(self):
        """Return the transformer of images to features, not fitted."""
        if self.features is None:
            size = tuple(min(axis, _THUMBNAIL) for axis in self.image_shape_[:2])
            return make_pipeline(ImageResizer(size), ImageFlattener())
        features = clone(self.features)
        if isinstance(_unfrozen(features), ImageEmbedder):
            return make_pipeline(features, Normalizer())
        return features

    def _has_autoencoder(self):
        """Return whether the score is the error of the reconstruction by an autoencoder."""
        return isinstance(_unfrozen(self.features_), ConvAutoencoder)

    def _score(self, X):
        """Return the scores of images, and the threshold of the same fit."""
        fitted = fitted_view(self)
        check_is_fitted(fitted)
        with fixed_settings():
            images = _clean(check_images(fitted, X, reset=False))
            if fitted._has_autoencoder():
                return fitted._score_errors(images), fitted.offset_
            rows = fitted._check_rows(fitted.features_.transform(images), images)
            return fitted._score_rows(fitted._standardized(rows)), fitted.offset_

    def _fit_scale(self, parts):
        """Learn the standardization, in which the mean variance is added to each variance."""
        statistics = StandardScaler()
        for part in parts:
            statistics.partial_fit(part)
        variance = statistics.var_ + statistics.var_.mean()
        self.mean_ = statistics.mean_
        self.scale_ = np.where(variance > 0, np.sqrt(variance), 1.0)

    def _standardized(self, rows):
        """Standardize rows, and divide them by the root of the number of columns."""
        standardized = np.empty(rows.shape, np.float32)
        scale = self.scale_ * np.sqrt(len(self.scale_))
        for part in gen_batches(len(rows), _PART):
            values = (rows[part] - self.mean_) / scale  # float64
            standardized[part] = np.clip(values, -_LARGEST, _LARGEST)
        return standardized

    # --------------------------------------------------------------------------------------------
    # Distances

    def _fit_neighbors(self, images):
        """Fit the distances, and return the scores of the training images."""
        if self.n_neighbors >= len(images):
            raise ValueError(
                f"n_neighbors={self.n_neighbors} must be less than the number of training images, "
                f"but X holds {len(images)}: set n_neighbors to at most {len(images) - 1}, or pass "
                "more images"
            )
        images = _clean(images)
        if hasattr(self.features_, "fit_transform"):  # reads and computes once
            rows = self._check_rows(self.features_.fit_transform(images), images)
        else:
            self.features_.fit(images, None)
            rows = self._check_rows(self.features_.transform(images), images)
        self._fit_scale(rows[part] for part in gen_batches(len(rows), _PART))
        self.training_features_ = self._standardized(rows)
        self.n_neighbors_ = int(self.n_neighbors)
        return self._score_rows(self.training_features_)

    def _check_rows(self, rows, images):
        """Return features as an array, if there is a row of finite numbers for each image."""
        name = type(_unfrozen(self.features_)).__name__
        if not isinstance(rows, LazyImages):
            rows = np.asarray(rows)
        if rows.ndim != 2 or len(rows) != len(images):
            raise ValueError(
                f"{name} returns an array of shape {rows.shape} for {len(images)} images, but "
                "features must be of shape (n_images, n_features): put an ImageFlattener after it"
            )
        rows = np.asarray(rows)
        if rows.dtype.kind not in "buif":
            raise ValueError(f"{name} returns values of dtype {rows.dtype}: they must be numbers")
        finite = np.isfinite(rows).all(axis=1)
        if not finite.all():
            raise ValueError(
                f"the features of image {finite.argmin()} that {name} returns are NaN or infinite"
            )
        return rows

    def _score_rows(self, rows):
        """Return the negative mean distances to the nearest rows, except for an identical one."""
        from sklearn.neighbors import NearestNeighbors  # imports half of scikit-learn

        neighbors = NearestNeighbors(n_neighbors=self.n_neighbors_ + 1).fit(self.training_features_)
        distances, _ = neighbors.kneighbors(rows)
        same = distances[:, :1] <= _SAME * np.linalg.norm(rows, axis=1, keepdims=True)
        return -np.where(same, distances[:, 1:], distances[:, :-1]).mean(axis=1, dtype=np.float64)

    # --------------------------------------------------------------------------------------------
    # Errors of an autoencoder

    def _fit_errors(self, images):
        """Train the autoencoder, and return the scores of the training images."""
        self.features_.fit(images, None)
        images = _clean(images)
        self._fit_scale(self._errors(images))
        return self._score_errors(images)

    def _errors(self, images):
        """Yield the differences between images and their reconstructions, in parts."""
        step = max(1, _VALUES // self.n_features_in_)
        if isinstance(images, LazyImages):
            parts = images.read_parts(step)
        else:
            parts = (images[rows] for rows in gen_batches(len(images), step))
        for part in parts:
            errors = part.astype(np.float32) - self.features_.reconstruct(part)
            yield errors.reshape(len(errors), -1)

    def _score_errors(self, images):
        """Return the negative root mean squares of the standardized errors."""
        norms = [
            np.linalg.norm(self._standardized(errors), axis=1) for errors in self._errors(images)
        ]
        return -np.concatenate(norms).astype(np.float64)

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


def _unfrozen(transformer):
    """Return the transformer itself, without a FrozenEstimator around it."""
    return transformer.estimator if isinstance(transformer, FrozenEstimator) else transformer


def _threshold(scores, contamination):
    """Return the score below which images are outliers."""
    if contamination == "auto":
        lower, upper = np.percentile(scores, [25, 75])
        return lower - _FENCE * (upper - lower)
    return np.percentile(scores, 100 * contamination)


def _labels(decisions):
    return np.where(decisions >= 0, 1, -1)
