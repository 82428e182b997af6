"""ImageSampler: samplers of imbalanced-learn for collections of images in all forms."""

from __future__ import annotations

from math import prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, _fit_context, clone
from sklearn.utils import Tags, _safe_indexing, check_consistent_length, get_tags
from sklearn.utils._param_validation import HasMethods

from skcnn.checksums import ChecksumMixin
from skcnn.images import inspect_images
from skcnn.lazy import LazyImages
from skcnn.learned import all_or_nothing

# Attributes that depend on the sampler and on the form of the images.
_NOT_ALWAYS = ("sample_indices_", "n_features_in_", "feature_names_in_")
_FOUND = {
    "paths": "file paths: put an ImageReader and an ImageResizer before it",
    "ragged": "images of different sizes: put an ImageResizer before it",
}


class ImageSampler(ChecksumMixin, OneToOneFeatureMixin, BaseEstimator):
    """Resample images with a sampler of imbalanced-learn.

    imbalanced-learn takes rows of features. This class applies any of its samplers to images:
    arrays of all shapes, photos of different sizes, file paths, and `LazyImages`. It is a step of
    `imblearn.pipeline.Pipeline`, which resamples in `fit` only. ``pip install "skcnn[imbalance]"``
    installs imbalanced-learn.

    Parameters
    ----------
    sampler : sampler of imbalanced-learn
        Sampler, such as `imblearn.over_sampling.RandomOverSampler`.

    Attributes
    ----------
    sampler_ : sampler of imbalanced-learn
        The fitted sampler.
    sampling_strategy_ : dict
        Number of images to draw or to generate by class, as the sampler defines it.
    sample_indices_ : int array of shape (n_images_new,)
        Indices of the selected images. Not defined if the sampler generates images.
    n_features_in_ : int
        Number of values of an image. Not defined for paths and for images of different sizes.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, if `X` is a frame.

    See Also
    --------
    skcnn.CNNClassifier : Its parameter ``sampling="balanced"`` draws the same number of images of
        each class in every epoch, without this class.

    Notes
    -----
    Samplers that select images, such as `RandomOverSampler`, `RandomUnderSampler` and `TomekLinks`,
    do this by index. The images of `LazyImages` are not read for random sampling, and the result
    is lazy. Each copy of an image has a key of its own, so that an `ImageAugmenter` before or after
    this step gives every copy different variants.

    Samplers that generate images, such as `SMOTE`, get rows of pixel values. Their results have the
    shape and the dtype of the images: values are rounded for integers. Images between two images of
    a class rarely look like that class, so that random oversampling with augmentation is often the
    better choice for photos.

    Examples
    --------
    >>> import numpy as np
    >>> from imblearn.over_sampling import SMOTE, RandomOverSampler
    >>> from skcnn.imbalance import ImageSampler
    >>> images = np.arange(10 * 4 * 4 * 3, dtype=np.uint8).reshape(10, 4, 4, 3)
    >>> labels = np.array(["cat"] * 7 + ["dog"] * 3)
    >>> sampler = ImageSampler(RandomOverSampler(random_state=0))
    >>> X, y = sampler.fit_resample(images, labels)
    >>> X.shape, X.dtype
    ((14, 4, 4, 3), dtype('uint8'))
    >>> sorted(y.tolist()) == ["cat"] * 7 + ["dog"] * 7
    True
    >>> sampler.sample_indices_[10:].tolist()
    [7, 8, 7, 8]
    >>> X, y = ImageSampler(SMOTE(k_neighbors=2, random_state=0)).fit_resample(images, labels)
    >>> X.shape, X.dtype
    ((14, 4, 4, 3), dtype('uint8'))
    """

    _parameter_constraints: ClassVar[dict] = {"sampler": [HasMethods(["fit_resample"])]}

    def __init__(self, sampler: Any):
        self.sampler = sampler

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: ArrayLike) -> ImageSampler:
        """Check images and labels, without resampling them: use `fit_resample` instead.

        Parameters
        ----------
        X : images of shape (n_images, ...)
            Images in any form.
        y : array-like of shape (n_images,)
            Labels.

        Returns
        -------
        self : object
            The fitted sampler.
        """
        with all_or_nothing(self):
            form, images = self._start(X, y)
            if form == "flat":
                self._remember(self.sampler_.fit(X, y))
            else:
                self.sampler_.fit(_ids(images), y)
            self.sampling_strategy_ = self.sampler_.sampling_strategy_
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def fit_resample(self, X: Any, y: ArrayLike) -> tuple[Any, NDArray]:
        """Resample images.

        Parameters
        ----------
        X : images of shape (n_images, ...)
            Images as an array, flat rows, images of different sizes, paths, or `LazyImages`.
        y : array-like of shape (n_images,)
            Labels.

        Returns
        -------
        X_resampled : images of shape (n_images_new, ...)
            Images in the form of `X`, except that generated images are an array.
        y_resampled : array of shape (n_images_new,)
            Labels.

        Raises
        ------
        ValueError
            If the sampler needs pixel values, and `X` holds paths or images of different sizes, or
            if it generates images from images that are augmented at random.
        """
        with all_or_nothing(self):
            form, images = self._start(X, y)
            if form == "flat":
                rows = X if isinstance(X, list) else images  # lists of rows stay lists
                X_resampled, y_resampled = self._resample_rows(rows, y)
            else:
                X_resampled, y_resampled = self._resample_images(form, images, X, y)
            self.sampling_strategy_ = self.sampler_.sampling_strategy_
        return X_resampled, y_resampled

    def _start(self, X, y):
        """Return the form of the images and the images, and forget what was learned before."""
        for name in _NOT_ALWAYS:
            vars(self).pop(name, None)
        self.sampler_ = clone(self.sampler)
        form, images = inspect_images(X)
        check_consistent_length(X, y)
        return form, images

    def _resample_rows(self, X, y):
        """Resample flat rows, in any container that imbalanced-learn accepts."""
        types = getattr(X, "dtypes", getattr(X, "dtype", None))
        kinds = {getattr(kind, "kind", "O") for kind in np.ravel(types)}
        if kinds <= set("biu") and not self._selects():
            # imbalanced-learn subtracts integers, which overflow, and truncates the results.
            rows, y = self.sampler_.fit_resample(X.astype(np.float64), y)
            rows = rows.round().astype(types.to_dict() if hasattr(types, "to_dict") else types)
        else:
            rows, y = self.sampler_.fit_resample(X, y)
        self._remember(self.sampler_)
        return rows, y

    def _resample_images(self, form, images, X, y):
        """Resample by index, or if the sampler generates images, by way of rows."""
        if self._selects() and get_tags(self.sampler_).input_tags.string:  # ignores the values
            selected, y_resampled = self.sampler_.fit_resample(_ids(images), y)
            if np.array_equal(selected[:, 0], self.sampler_.sample_indices_):
                return self._select(form, images, X), y_resampled
        rows = self._rows(form, images)
        resampled, y_resampled = self.sampler_.fit_resample(rows, y)
        indices = getattr(self.sampler_, "sample_indices_", None)
        if indices is not None and np.array_equal(resampled, rows[indices]):
            return self._select(form, images, X), y_resampled
        if form == "lazy" and images.is_random:
            raise ValueError(
                f"{self._name()} generates images, but the images of X are augmented at random: "
                "put the ImageAugmenter after the ImageSampler"
            )
        self.n_features_in_ = prod(images.shape[1:])
        generated = _as_dtype(resampled, images.dtype)
        return generated.reshape(len(generated), *images.shape[1:]), y_resampled

    def _select(self, form, images, X):
        self.sample_indices_ = self.sampler_.sample_indices_
        if form == "lazy":
            if None not in images.shape:
                self.n_features_in_ = prod(images.shape[1:])
            return images.resample(self.sample_indices_)
        if form == "array":
            self.n_features_in_ = prod(images.shape[1:])
            return images[self.sample_indices_]
        return _safe_indexing(X, self.sample_indices_)

    def _selects(self):
        """Return whether the sampler selects images by index."""
        tags = getattr(get_tags(self.sampler_), "sampler_tags", None)
        return getattr(tags, "sample_indices", False)

    def _rows(self, form, images):
        """Return pixel values as rows of floats."""
        if form == "lazy" and None in images.shape:
            form = "ragged"
        if form in _FOUND:
            raise ValueError(
                f"{self._name()} computes with pixel values, but X holds {_FOUND[form]}"
            )
        images = np.asarray(images.clean() if isinstance(images, LazyImages) else images)
        if images.dtype.kind in "biu":  # differences of integers overflow
            images = images.astype(np.float32 if images.dtype.itemsize < 3 else np.float64)
        return images.reshape(len(images), -1)

    def _name(self):
        return type(self.sampler_).__name__

    def _remember(self, sampler):
        for name in _NOT_ALWAYS:
            if hasattr(sampler, name):
                setattr(self, name, getattr(sampler, name))

    def __sklearn_tags__(self) -> Tags:
        tags = get_tags(self.sampler)
        tags.input_tags.three_d_array = True
        return tags


def _ids(images):
    """Return rows that stand for images whose values are not needed."""
    return np.arange(len(images)).reshape(-1, 1)


def _as_dtype(rows, dtype):
    """Convert rows to a dtype, with rounding for integers."""
    return rows.astype(dtype) if dtype.kind == "f" else rows.round().astype(dtype)
