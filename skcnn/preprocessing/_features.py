"""What the extractors share: images in, one row of features for each of them out."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from sklearn.utils import Tags, assert_all_finite
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from skcnn.images import check_images
from skcnn.lazy import LazyImages
from skcnn.preprocessing._base import ImageTransformer
from skcnn.preprocessing._blas import one_blas_thread
from skcnn.threads import read_ahead

_PART = 100_000  # values that a thread works on at once, so that they stay in the cache; measured


class FeatureExtractor(ImageTransformer):
    """Base of the transformers that describe every image by a row of numbers.

    A subclass with a parameter `n_jobs` says in ``_learn(images)`` what it learns, in
    ``_describe(batch)`` what the features of an array of images are, in ``_names()`` how they are
    called, and in ``_n_features_out`` how many there are.
    """

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Name the features that come out.

        Parameters
        ----------
        input_features : array-like of str of shape (n_features,), default=None
            Names of what went in. They are only compared with those that fit saw: the features
            that come out are others than the pixels that went in.

        Returns
        -------
        names : object array of shape (n_features_out,)
            The names, as the notes of the class explain them.
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
        # cut without regard to the number of threads, which so changes no value
        step = max(1, _PART // max(prod(images.shape[1:]), self._n_features_out))
        parts = [images[start : start + step] for start in range(0, len(images), step)]
        start = 0
        with one_blas_thread():
            for features in read_ahead(self._describe_part, parts, self.n_jobs):
                rows[start : start + len(features)] = features
                start += len(features)
        return rows

    def _describe_part(self, part):
        if isinstance(part, LazyImages):  # arrays were checked before
            part = np.asarray(part.read())
            assert_all_finite(part, estimator_name=type(self).__name__, input_name="X")
        return self._describe(part)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
