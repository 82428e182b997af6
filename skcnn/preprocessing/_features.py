"""Base class of the feature extractors: from images to rows of features."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from sklearn.utils import Tags
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from skcnn.images import check_images
from skcnn.lazy import LazyImages
from skcnn.preprocessing._base import ImageTransformer
from skcnn.preprocessing._blas import one_blas_thread
from skcnn.threads import read_ahead

_PART = 100_000  # values per step of a thread, which stay in the cache of a CPU core


class FeatureExtractor(ImageTransformer):
    """Base of the transformers that compute a row of features for every image.

    Subclasses have a parameter `n_jobs`. They implement ``_learn(images)``, which sets fitted
    attributes, ``_describe(batch)``, which computes the features of an array of images,
    ``_names()``, and ``_n_features_out``.
    """

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the output features.

        Parameters
        ----------
        input_features : array-like of str of shape (n_features,), default=None
            Names of the input features, which are only compared with those seen in fit.

        Returns
        -------
        names : object array of shape (n_features_out,)
            Names of the features; see the notes of the class.
        """
        check_is_fitted(self)
        _check_feature_names_in(self, input_features, generate_names=False)
        return np.asarray(self._names(), dtype=object)

    def _learn(self, images):
        raise NotImplementedError

    def _describe(self, batch):
        raise NotImplementedError

    def _names(self):
        raise NotImplementedError

    @property
    def _n_features_out(self):
        raise NotImplementedError

    def _fit(self, X):
        images = check_images(self, X, reset=True)
        self._learn(images)
        return images

    def _transform(self, X):
        return self._extract(check_images(self, X, reset=False))

    def _fit_transform(self, X):
        return self._extract(self._fit(X))

    def _extract(self, images):
        """Compute the features part by part, in threads."""
        rows = np.empty((len(images), self._n_features_out), dtype=np.float32)
        # parts do not depend on the number of threads, so neither do values
        step = max(1, _PART // max(prod(images.shape[1:]), self._n_features_out))
        parts = [images[start : start + step] for start in range(0, len(images), step)]
        start = 0
        with one_blas_thread():
            for features in read_ahead(self._describe_part, parts, self.n_jobs):
                rows[start : start + len(features)] = features
                start += len(features)
        return rows

    def _describe_part(self, part):
        return self._describe(part.read() if isinstance(part, LazyImages) else part)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
