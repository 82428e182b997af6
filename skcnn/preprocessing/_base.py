"""What every image transformer shares: the order of its steps, its tags and its output."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils import Tags
from sklearn.utils._set_output import _get_output_config, _wrap_data_with_container
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from skcnn.images import check_images
from skcnn.learned import all_or_nothing
from skcnn.operations import Operation


class ImageTransformer(
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]
):
    """Base of the image transformers.

    A subclass says in ``_fit(X)`` what it learns and in ``_transform(X)`` what it gives; where
    `fit_transform` is something else than the two in turn, ``_fit_transform(X)`` says so.

    scikit-learn wraps whatever a transformer returns into a frame when the user asked for frames,
    and fails on images. The methods here, which subclasses inherit and do not define, wrap two-
    dimensional output only.
    """

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> ImageTransformer:
        """Learn what the transformation needs from images.

        Parameters
        ----------
        X : images of shape (n_images, ...)
            In a form that the class takes.
        y : ignored
            Not used, here for scikit-learn's interface.

        Returns
        -------
        self : object
            The fitted transformer.
        """
        with all_or_nothing(self):
            self._fit(X)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Fit to images and transform them.

        Parameters
        ----------
        X : images of shape (n_images, ...)
            In a form that the class takes.
        y : ignored
            Not used, here for scikit-learn's interface.

        Returns
        -------
        images : array, frame or LazyImages of shape (n_images, ...)
            The transformed images.
        """
        with all_or_nothing(self):
            return self._as_configured(self._fit_transform(X), X)

    def transform(self, X: Any) -> Any:
        """Transform images.

        Parameters
        ----------
        X : images of shape (n_images, ...)
            In a form that the class takes.

        Returns
        -------
        images : array, frame or LazyImages of shape (n_images, ...)
            The transformed images.
        """
        check_is_fitted(self)
        return self._as_configured(self._transform(X), X)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Name the pixels that come out.

        Parameters
        ----------
        input_features : array-like of str of shape (n_features,), default=None
            Names of what went in; None takes those that fit saw.

        Returns
        -------
        names : object array of shape (n_features_out,)
            The names of what went in, one for each pixel and channel. Where there are none,
            "pixel_{row}_{column}" for gray images and "pixel_{row}_{column}_{channel}" for others.
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
            f"{type(self).__name__} is not an operation on images and has no torch form"
        )

    def _fit_transform(self, X):
        self._fit(X)
        return self._transform(X)

    def _as_configured(self, images, X):
        """Wrap flat rows as `set_output` asks, and pass images through."""
        if images.ndim != 2:
            return images
        asked = _get_output_config("transform", self)["dense"]
        if asked == "default":
            return images
        return _wrap_data_with_container("transform", np.asarray(images), X, self)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def pixel_names(image_shape):
    """Name the values of an image in the order in which a flat row holds them.

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
