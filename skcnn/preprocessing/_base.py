"""Base class of the image transformers: fit, transform, tags and output containers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import Tags
from sklearn.utils._set_output import _get_output_config, _wrap_data_with_container
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from skcnn.checksums import ChecksumMixin
from skcnn.images import check_images
from skcnn.learned import all_or_nothing, fitted_view
from skcnn.operations import Operation
from skcnn.settings import fixed_settings
from skcnn.values import check_numbers


class ImageTransformer(
    CallbackSupportMixin,
    ChecksumMixin,
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]
):
    """Base of the image transformers.

    Subclasses implement ``_fit(X)`` and ``_transform(X)``, and ``_fit_transform(X)`` if it differs
    from one after the other. ``_operation()`` returns what `transform` does to a batch.

    scikit-learn converts the output of a transformer to a frame where `set_output` asks for it,
    which fails for images. The public methods here convert two-dimensional output only.
    """

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> ImageTransformer:
        """Fit to images.

        Parameters
        ----------
        X : images of shape (n_images, ...)
            Images, in a form that the class accepts.
        y : ignored
            Not used, present for API consistency.

        Returns
        -------
        self : object
            The fitted transformer.
        """
        with fixed_settings(), all_or_nothing(self), self._reported_fit(X, y):
            self._fit(X)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Fit to images and transform them.

        Parameters
        ----------
        X : images of shape (n_images, ...)
            Images, in a form that the class accepts.
        y : ignored
            Not used, present for API consistency.

        Returns
        -------
        images : array, frame or LazyImages of shape (n_images, ...)
            The transformed images.
        """
        with fixed_settings(), all_or_nothing(self), self._reported_fit(X, y):
            return self._wrap_rows(self._fit_transform(X), X)

    @contextmanager
    def _reported_fit(self, X: Any, y: Any) -> Iterator[None]:
        """Report the beginning and the end of a fit to scikit-learn's callbacks."""
        context = self._init_callback_context()
        data = {"X": X, "y": y, "metadata": {}}
        context.call_on_fit_task_begin(estimator=self, **data)
        yield
        context.call_on_fit_task_end(estimator=self, reconstruction_attributes={}, **data)

    def _validate_params(self):
        check_numbers(self)
        super()._validate_params()

    def transform(self, X: Any) -> Any:
        """Transform images.

        Parameters
        ----------
        X : images of shape (n_images, ...)
            Images, in a form that the class accepts.

        Returns
        -------
        images : array, frame or LazyImages of shape (n_images, ...)
            The transformed images.
        """
        fitted = fitted_view(self)
        check_is_fitted(fitted)
        with fixed_settings():
            return fitted._wrap_rows(fitted._transform(X), X)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the output features.

        Parameters
        ----------
        input_features : array-like of str of shape (n_features,), default=None
            Names of the input features; None uses those seen in fit.

        Returns
        -------
        names : object array of shape (n_features_out,)
            Names of the input features. If there are none, "pixel_{row}_{column}" for gray images
            and "pixel_{row}_{column}_{channel}" for others.
        """
        check_is_fitted(self)
        if input_features is None and not hasattr(self, "feature_names_in_"):
            return pixel_names(self.image_shape_)
        return _check_feature_names_in(self, input_features)

    def _fit(self, X):
        check_images(self, X, reset=True)

    def _transform(self, X):
        raise NotImplementedError

    def _operation(self) -> Operation:
        """Return what `transform` does to a batch of images."""
        raise ValueError(
            f"{type(self).__name__} is not an operation on images, so it cannot be converted to "
            "PyTorch"
        )

    def _fit_transform(self, X):
        self._fit(X)
        return self._transform(X)

    def _wrap_rows(self, images, X):
        """Return flat rows in the container that `set_output` asks for, and images unchanged."""
        if images.ndim != 2:
            return images
        if _get_output_config("transform", self)["dense"] == "default":
            return images
        return _wrap_data_with_container("transform", np.asarray(images), X, self)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def pixel_names(image_shape):
    """Return the names of the values of an image, in the order of a flat row.

    Parameters
    ----------
    image_shape : tuple of (int, int, int)
        Height, width and number of channels.

    Returns
    -------
    names : object array of shape (height * width * n_channels,)
        "pixel_{row}_{column}" for one channel, "pixel_{row}_{column}_{channel}" for more.
    """
    axes = image_shape[:2] if image_shape[2] == 1 else image_shape
    names = ["_".join(("pixel", *map(str, position))) for position in np.ndindex(*axes)]
    return np.asarray(names, dtype=object)
