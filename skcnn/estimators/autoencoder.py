"""ConvAutoencoder: compress images to codes, and reconstruct images from codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.callback import with_callbacks
from sklearn.utils import Tags, check_array
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skcnn._tensors import tensors_to_arrays
from skcnn.estimators._base import TrainedEstimator
from skcnn.estimators._docs import inherit_documentation
from skcnn.estimators._fitted import check_finite
from skcnn.estimators._training import Phase
from skcnn.estimators._weights import check_weights, scaled_weights
from skcnn.images import check_images, inspect_images
from skcnn.learned import fitted_view
from skcnn.networks import NetworkSpec
from skcnn.networks.autoencoder import CONSTRAINTS
from skcnn.networks.inference import feature_function
from skcnn.settings import fixed_settings
from skcnn.training.adversarial import training_range
from skcnn.training.device import available_device
from skcnn.training.loader import ImageDataset, warn_of_other_scale
from skcnn.training.losses import LOSSES
from skcnn.training.options import TrainingOptions
from skcnn.training.predicting import iterate_batches, iterate_decoded
from skcnn.values import no_overflow

# Parameters of other estimators that are left out: they mix images or change their size.
_WITHOUT = ("mixup", "cutmix", "progressive_resizing", "test_time_augmentation")


@inherit_documentation
@dataclass(eq=False, repr=False)
class ConvAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, TrainedEstimator):
    """Convolutional autoencoder: compress images to codes, and reconstruct images from codes.

    Parameters
    ----------
    n_components : int or None, default=32
        Number of values of a code. With None, the code consists of the feature maps of the encoder,
        and usually has more values than an image. Use None to remove noise.
    channels : "auto" or sequence of int, default="auto"
        Number of channels of each block of the encoder. Each block halves height and width. The
        decoder has the same blocks in reverse order. "auto" is the result of
        `skcnn.networks.automatic_channels`, or (64, 64) if `n_components` is None.
    denoise : float, default=0.0
        Standard deviation of the Gaussian noise that is added to the training images, as a fraction
        of the range of the pixel values. The network is trained to reconstruct the images without
        the noise. With 0, no noise is added.
    loss : {"absolute_error", "huber", "squared_error"}, default="squared_error"
        Loss function, computed on standardized pixel values. "huber" is quadratic for errors of up
        to one standard deviation of the pixel values, and linear for larger errors.

    Attributes
    ----------
    n_components_ : int
        Number of values of a code.
    form_ : tuple of int
        Shape of one image seen in fit: (height, width), (height, width, n_channels), or
        (n_features,) for flat rows. `inverse_transform` returns images of this shape.
    pixel_range_ : tuple of (float, float)
        Range of the pixel values, of which `denoise` is a fraction. For uint8 and uint16, it is the
        range of the dtype. For other dtypes, it is the first of (0, 1), (-1, 1) and (0, 255) that
        contains the pixel values and is at most twice as wide as their range, or else their minimum
        and maximum. Defined only with `denoise`.
    target_type_ : str
        Type of the targets, always "images".
    history_ : list of dict
        One record per epoch: "epoch", "train_loss", "train_score", "seconds", and if there are
        validation images "valid_loss", "valid_score" and "best", which is True for the best epoch
        of the last `fit`. The score is R squared: 1 minus the ratio of the mean squared error to
        that of the mean color in fit. With `denoise`, the same noise is added to the validation
        images in every epoch.

    See Also
    --------
    sklearn.decomposition.PCA : Linear compression.
    ImageEmbedder : Features of a pretrained network, for other estimators.

    Notes
    -----
    The encoder consists of convolutions with stride 2, batch normalization and ReLU, and a dense
    layer that computes the code. The decoder has the same layers in reverse order, with upsampling
    instead of strides [1]_. There are no skip connections between the encoder and the decoder, so
    ``reconstruct(X)`` is equal to ``inverse_transform(transform(X))``. With `denoise`, the network
    is a denoising autoencoder [2]_.

    `LazyImages` are read in batches by background threads. In training, their random operations
    change the images and the targets in the same way. Other methods do not apply random operations.

    The Notes of `CNNClassifier` describe the meaning of "auto".

    References
    ----------
    .. [1] Odena, Dumoulin and Olah, "Deconvolution and Checkerboard Artifacts", Distill 2016.
    .. [2] Vincent et al., "Stacked Denoising Autoencoders", JMLR 11, 2010.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import ConvAutoencoder
    >>> X, _ = load_digits(return_X_y=True)
    >>> X = X.reshape(-1, 8, 8)
    >>> autoencoder = ConvAutoencoder(n_components=10, max_epochs=5, random_state=0)
    >>> codes = autoencoder.fit_transform(X)
    >>> codes.shape
    (1797, 10)
    >>> autoencoder.inverse_transform(codes).shape
    (1797, 8, 8)
    >>> autoencoder.score(X) > -15  # the variance of the pixel values is 36
    True
    """

    n_components: int | None = 32
    _: KW_ONLY
    channels: str | Sequence[int] = "auto"
    denoise: float = 0.0
    loss: str = "squared_error"

    # Constants that the code shared by all trained estimators reads.
    mixup: ClassVar[float] = 0.0  # type: ignore[misc]
    cutmix: ClassVar[float] = 0.0  # type: ignore[misc]
    progressive_resizing: ClassVar[float] = 1.0  # type: ignore[misc]
    test_time_augmentation: ClassVar[None] = None  # type: ignore[misc]

    _parameter_constraints: ClassVar[dict] = {
        **{
            name: constraint
            for name, constraint in TrainedEstimator._parameter_constraints.items()
            if name not in _WITHOUT
        },
        **CONSTRAINTS,
        "denoise": [Interval(Real, 0, 1, closed="both")],
        "loss": [StrOptions(set(LOSSES["images"]))],
    }

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: Any = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> ConvAutoencoder:
        """Train the network to reconstruct images.

        Parameters
        ----------
        X : images of shape (n_images, height, width), (n_images, height, width, n_channels) or \
                (n_images, n_features)
            Images as an array, as flat rows, or as `LazyImages`.
        y : ignored
            Not used, present for API consistency.
        sample_weight : array-like of shape (n_images,), default=None
            Weights of the losses of the images. None gives all images the same weight.
        X_val : images of shape (n_val_images, ...), default=None
            Validation images, with the height, width and channels of `X`. Their loss and score are
            recorded in `history_`. They can stop the training early only with `early_stopping`. A
            Pipeline transforms them only with its parameter ``transform_input=["X_val"]``.
        sample_weight_val : array-like of shape (n_val_images,), default=None
            Weights of the validation images.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the input is not valid, or the loss diverges. In both cases, the estimator keeps the
            results of the previous fit.
        """
        if X_val is None and sample_weight_val is not None:
            raise ValueError(
                "sample_weight_val holds weights of X_val, which is missing: pass X_val too"
            )
        return self._fit(X, None, sample_weight, X_val, None, sample_weight_val)

    def transform(self, X: Any) -> NDArray:
        """Compute the codes of images.

        Parameters
        ----------
        X : images of shape (n_images, height, width), (n_images, height, width, n_channels) or \
                (n_images, n_features)
            Images with the height, width and channels seen in fit.

        Returns
        -------
        codes : float32 array of shape (n_images, n_components)
            Codes.

        Raises
        ------
        ValueError
            If the images differ in shape from those of fit, or a code is NaN or infinite.
        """
        fitted = self._fitted()
        with fixed_settings():
            images = check_images(fitted, X, reset=False)
            codes = np.empty((len(images), fitted.n_components_), np.float32)
            start = 0
            for _, batch in fitted._batches(images, feature_function):
                codes[start : start + len(batch)] = batch.cpu().numpy()
                start += len(batch)
        check_finite(np.isfinite(codes).all(axis=1))
        return codes

    def inverse_transform(self, X: ArrayLike) -> NDArray:
        """Reconstruct images from their codes.

        Parameters
        ----------
        X : array-like of shape (n_images, n_components)
            Codes, as `transform` returns them.

        Returns
        -------
        images : float32 array of shape ``(n_images, *form_)``
            Images in the shape and the units of those seen in fit. Some values can be slightly
            outside the range of the pixel values.

        Raises
        ------
        ValueError
            If the codes do not have `n_components_` values, or a value is NaN or infinite.
        """
        fitted = self._fitted()
        with fixed_settings(), no_overflow("X"), np.errstate(over="ignore"):
            codes = check_array(
                tensors_to_arrays(X),
                dtype=np.float32,
                order="C",
                force_writeable=True,  # PyTorch warns if the memory of a tensor is read-only
                input_name="X",
            )
        if codes.shape[1] != fitted.n_components_:
            raise ValueError(
                f"X has {codes.shape[1]} columns, but a code has {fitted.n_components_} values: "
                "pass codes as transform returns them, or pass images to the method reconstruct"
            )
        with fixed_settings():
            device = available_device(fitted.device)
            return fitted._images(iterate_decoded(fitted.net_, codes, device), len(codes)).reshape(
                -1, *fitted.form_
            )

    def reconstruct(self, X: Any) -> NDArray:
        """Encode and decode images. With `denoise`, this removes noise.

        Parameters
        ----------
        X : images of shape (n_images, height, width), (n_images, height, width, n_channels) or \
                (n_images, n_features)
            Images with the height, width and channels seen in fit.

        Returns
        -------
        images : float32 array of the shape of `X`
            Reconstructed images, in the units of the pixel values. Some values can be slightly
            outside the range of the pixel values. Clip them before a conversion to uint8.

        Raises
        ------
        ValueError
            If the images differ in shape from those of fit, or a reconstruction is NaN or infinite.
        """
        fitted = self._fitted()
        with fixed_settings():
            X = inspect_images(X)[1]
            images = check_images(fitted, X, reset=False)
            batches = (outputs for _, outputs in fitted._batches(images))
            return fitted._images(batches, len(images)).reshape(X.shape)

    def score_samples(self, X: Any) -> NDArray:
        """Compute the negative mean squared error of the reconstruction of each image.

        Images that differ from those seen in fit have low scores.

        Parameters
        ----------
        X : images of shape (n_images, height, width), (n_images, height, width, n_channels) or \
                (n_images, n_features)
            Images with the height, width and channels seen in fit.

        Returns
        -------
        scores : float64 array of shape (n_images,)
            Negative mean squared difference between the pixel values of an image and those of its
            reconstruction, in squared units of the pixel values.

        Raises
        ------
        ValueError
            If the images differ in shape from those of fit, or a reconstruction is NaN or infinite.
        """
        fitted = self._fitted()
        with fixed_settings():
            images = check_images(fitted, X, reset=False)
            scores = np.empty(len(images))
            start = 0
            for batch, outputs in fitted._batches(images):
                values = batch.permute(0, 2, 3, 1).flatten(1).cpu().double()
                errors = (values - fitted._pixels(outputs).cpu().double()) ** 2
                scores[start : start + len(batch)] = -errors.mean(dim=1).numpy()
                start += len(batch)
        check_finite(np.isfinite(scores))
        return scores

    def score(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> float:
        """Compute the mean of `score_samples`.

        The images are used without additional noise, also with `denoise`.

        Parameters
        ----------
        X : images of shape (n_images, height, width), (n_images, height, width, n_channels) or \
                (n_images, n_features)
            Images with the height, width and channels seen in fit.
        y : ignored
            Not used, present for API consistency.
        sample_weight : array-like of shape (n_images,), default=None
            Weights of the images.

        Returns
        -------
        score : float
            Negative mean squared error, in squared units of the pixel values. It is at most 0.
        """
        scores = self.score_samples(X)
        weights = scaled_weights(check_weights(sample_weight, scores))
        return float(np.average(scores, weights=weights))

    # --------------------------------------------------------------------------------------------
    # Training

    def _check_and_encode(self, X, *args, net, **how):
        encoded = super()._check_and_encode(X, *args, net=net, **how)
        if net is None:
            self.form_ = tuple(np.shape(inspect_images(X)[1])[1:])
        return encoded

    def _targets(self, y, images, *, reset, **how):
        if reset:
            self.target_type_ = "images"
        return np.zeros(len(images), np.float32)  # training uses the images of a batch instead

    def _n_outputs(self):
        return self.n_features_in_

    def _network_spec(self, image_shape, n_outputs):
        height, width, n_channels = image_shape
        options = {name: getattr(self, name) for name in CONSTRAINTS}
        return NetworkSpec("autoencoder", n_channels, height, width, n_outputs, options)

    def _train(self, dataset, valid, *, net, **how):
        if net is None:
            vars(self).pop("pixel_range_", None)
        if self.denoise and not hasattr(self, "pixel_range_"):
            self.pixel_range_ = training_range(dataset)
        super()._train(dataset, valid, net=net, **how)

    def _phases(self, n_images, **how):
        low, high = getattr(self, "pixel_range_", (0.0, 0.0))
        options = TrainingOptions.of(self, n_images)
        return [Phase.of(replace(options, noise=self.denoise * (high - low)))]

    # --------------------------------------------------------------------------------------------
    # Reconstruction

    def _fitted(self):
        fitted = fitted_view(self)
        check_is_fitted(fitted)
        return fitted

    def _batches(self, images, make=None):
        """Yield batches of images, and the outputs of a function of the network for them."""
        dataset = ImageDataset(images).clean()
        with warn_of_other_scale(self.pixel_scale_, X=dataset):
            yield from iterate_batches(self.net_, dataset, available_device(self.device), make)

    def _pixels(self, outputs):
        """Return outputs of the network in the units of the pixel values."""
        standardize = self.net_.module_.standardize
        mean, factor = (
            part.flatten().to(outputs) for part in (standardize.mean, standardize.factor)
        )
        return (outputs.unflatten(1, (-1, len(mean))) / factor + mean).flatten(1)

    def _images(self, batches, n_images):
        """Return the outputs of the network in the units of the pixel values, as flat rows."""
        rows, start = np.empty((n_images, self.n_features_in_), np.float32), 0
        for outputs in batches:
            rows[start : start + len(outputs)] = self._pixels(outputs).cpu().numpy()
            start += len(outputs)
        check_finite(np.isfinite(rows).all(axis=1))
        return rows

    @property
    def n_components_(self) -> int:
        """Number of values of a code."""
        check_is_fitted(self)
        return fitted_view(self).net_.module_.network.n_components

    @property
    def _n_features_out(self):
        return self.n_components_

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
