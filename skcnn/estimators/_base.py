"""Base of the estimators that train a network: check and encode what is passed to fit."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import _fit_context
from sklearn.callback import with_callbacks
from sklearn.model_selection import train_test_split
from sklearn.utils import Tags, check_consistent_length, check_random_state, get_tags

from skcnn.checksums import ChecksumMixin
from skcnn.estimators._callbacks import check_callbacks, check_checkpoints
from skcnn.estimators._checks import check_same_network
from skcnn.estimators._saving import warn_about_main
from skcnn.estimators._training import NetworkTraining
from skcnn.estimators._weights import (
    check_weights,
    divide_weights,
    mean_weight,
    rows_with_weight,
)
from skcnn.images import check_images
from skcnn.learned import all_or_nothing
from skcnn.settings import fixed_settings
from skcnn.training.distributed.ranks import current_ranks, joint_training
from skcnn.training.loader import ImageDataset
from skcnn.values import check_arguments, check_numbers


class TrainedEstimator(ChecksumMixin, NetworkTraining):
    """Base of the estimators that train a network.

    A subclass describes the network (``_network_spec``), encodes targets (``_encode``, which sets
    ``target_type_``), returns the number of outputs (``_n_outputs``), and decodes outputs.

    Attributes
    ----------
    n_features_in_ : int
        Height x width x channels of the images.
    feature_names_in_ : array of shape (n_features,)
        Names of the columns, if `X` is a frame.
    image_shape_ : tuple of (int, int, int)
        Height, width and number of channels of the images.
    pixel_scale_ : tuple of (float, float, bool)
        Scale of the pixel values in `fit`, or in the first `partial_fit`: quantiles of 5 % and 95 %
        of the root mean squares of the images, and whether there are at most four different
        values. Predictions for images of a very different scale cause a warning.
    weight_scale_ : float
        Mean of the weights of images before scaling. Weights are divided by it, so that their mean
        is 1 in the last `fit`, or in the first `partial_fit`.
    """

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> TrainedEstimator:
        """Train the network.

        Parameters
        ----------
        X : images of shape (n_images, height, width), (n_images, height, width, n_channels) or \
                (n_images, n_features)
            Images as an array, as flat rows, or as `LazyImages`.
        y : array-like of shape (n_images,) or (n_images, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_images,), default=None
            Weights of the losses of the images. None gives all images the same weight.
        X_val : images of shape (n_val_images, ...), default=None
            Validation images, with the height, width and channels of `X`. Their loss and score are
            recorded in `history_`. They end the training only with `early_stopping`. A Pipeline
            does not transform them unless its parameter is ``transform_input=["X_val"]``.
        y_val : array-like of shape (n_val_images,) or (n_val_images, n_outputs), default=None
            Targets of the validation images.
        sample_weight_val : array-like of shape (n_val_images,), default=None
            Weights of the validation images.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the input is not valid, or the loss diverges. The estimator keeps the results of
            the previous fit then.
        """
        return self._fit(X, y, sample_weight, X_val, y_val, sample_weight_val)

    def _fit(self, X, y, sample_weight, X_val, y_val, sample_weight_val):
        """Train the network."""
        with fixed_settings(), all_or_nothing(self), joint_training():
            net = self.net_ if self.warm_start and hasattr(self, "net_") else None
            seed = self._draw_seed()
            images, targets, weights = self._check_and_encode(
                X, y, sample_weight, net=net, source="fit"
            )
            rows = rows_with_weight(weights, images)
            self._warn_about_targets(targets[rows], partial=False)
            valid = None
            if not (X_val is None and y_val is None and sample_weight_val is None):
                valid = self._check_valid(X_val, y_val, sample_weight_val)
            elif self.early_stopping:
                rows, valid_rows = self._split(rows, targets, seed)
                valid = ImageDataset(images, targets, weights, valid_rows).clean()
            dataset = ImageDataset(images, targets, weights, rows)
            self._train(
                dataset,
                valid,
                net=net,
                seed=seed,
                data=_fit_data(X, y, sample_weight),
            )
        return self

    def _partial_fit(self, X, y, sample_weight, classes=None):
        """Make one pass over the images."""
        if self.early_stopping:
            raise ValueError(
                "partial_fit makes one pass without validation data: it does not support "
                "early_stopping=True"
            )
        with fixed_settings(), all_or_nothing(self), joint_training():
            net = getattr(self, "net_", None)
            images, targets, weights = self._check_and_encode(
                X, y, sample_weight, net=net, source="partial_fit", classes=classes
            )
            rows = rows_with_weight(weights, images, minimum=2 if net is None else 1)
            if net is None:
                self._warn_about_targets(targets[rows], partial=True)
            self._train(
                ImageDataset(images, targets, weights, rows),
                None,
                net=net,
                seed=self._draw_seed(),
                one_pass=True,
                data=_fit_data(X, y, sample_weight),
            )
        return self

    # --------------------------------------------------------------------------------------------
    # Check and encode

    def _validate_params(self):
        check_numbers(self)
        super()._validate_params()

    def _check_and_encode(self, X, y, sample_weight, *, net, source, classes=None):
        """Return checked images, encoded targets and the weights of the losses."""
        check_arguments(y=y, sample_weight=sample_weight, classes=classes)
        check_callbacks(self.callbacks, self.schedule if source == "fit" else None)
        check_checkpoints(self.callbacks, self.random_state, source)
        if y is None and get_tags(self).target_tags.required:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                "is None."
            )
        # The statistics of the input need at least two images.
        n_min = 1 if source == "partial_fit" and net is not None else 2
        images = check_images(self, X, reset=net is None, min_samples=n_min)
        weights = check_weights(sample_weight, images)
        targets = self._targets(
            y, images, reset=net is None, sample_weight=weights, classes=classes, source=source
        )
        spec = self._network_spec(self.image_shape_, self._n_outputs())
        if net is not None:
            check_same_network(spec, net.spec)
        self._fit_class_weights(targets, weights)
        weights = self._apply_class_weights(targets, weights)
        if source == "fit" or net is None:  # later calls of partial_fit keep the scale of the first
            rows = rows_with_weight(weights, images)
            self.weight_scale_ = 1.0
            if weights is not None:
                self.weight_scale_ = self._mean_weight(weights[rows], targets[rows])
        if weights is None and self.weight_scale_ != 1:
            weights = np.ones(len(images))
        if weights is not None:
            weights = divide_weights(weights, self.weight_scale_)
        return images, targets, weights

    def _targets(self, y, images, **how):
        """Return encoded targets of the images."""
        check_consistent_length(images, y)
        return self._encode(y, **how)

    def _check_valid(self, X_val, y_val, sample_weight_val):
        """Return the validation dataset."""
        if X_val is None or (y_val is None and get_tags(self).target_tags.required):
            raise ValueError(
                "X_val and y_val belong together, also for sample_weight_val: one is missing"
            )
        try:
            images = check_images(self, X_val, reset=False)
        except ValueError as error:
            raise ValueError(
                f"X_val cannot be used. {error} (a Pipeline does not transform X_val unless its "
                'parameter is transform_input=["X_val"])'
            ) from None
        check_arguments(y_val=y_val, sample_weight_val=sample_weight_val)
        weights = check_weights(sample_weight_val, images)
        targets = self._targets(y_val, images, reset=False, source="validation")
        weights = self._apply_class_weights(targets, weights)
        if weights is not None:
            weights = divide_weights(weights, mean_weight(weights))
        return ImageDataset(images, targets, weights).clean()

    def _fit_class_weights(self, targets, sample_weight):
        """Learn the weights of the classes, if the targets are classes."""

    def _apply_class_weights(self, targets, weights):
        """Multiply the weights of images by those of their classes; None means equal weights."""
        return weights

    def _mean_weight(self, weights, targets):
        """Return the mean weight of the training images of an epoch."""
        return mean_weight(weights)

    def _warn_about_targets(self, targets, *, partial):
        """Warn about targets of the training images that are probably a mistake."""

    def _split(self, rows, targets, seed):
        """Split the rows into training and validation rows."""
        n_valid = max(1, round(self.validation_fraction * len(rows)))
        if n_valid > len(rows) - 2:
            raise ValueError(
                f"validation_fraction={self.validation_fraction} of {len(rows)} images leaves "
                "fewer than 2 training images"
            )
        return train_test_split(rows, test_size=n_valid, random_state=seed)

    def _draw_seed(self):
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        ranks = current_ranks()
        return seed if ranks is None else ranks.gather(seed)[0]

    def __getstate__(self) -> dict[str, Any]:
        warn_about_main(self)
        return super().__getstate__()

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _fit_data(X, y, sample_weight):
    """Return the data of a fit as scikit-learn's callbacks expect it."""
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    return {"X": X, "y": y, "metadata": metadata}
