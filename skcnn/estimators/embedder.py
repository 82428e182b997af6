"""ImageEmbedder: features of a pretrained network, or of one of the user, for any estimator."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from numbers import Integral
from typing import Any, ClassVar

import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skcnn._validation import IMAGE_SHAPE
from skcnn.estimators._backbone import BackboneParameters, build_module
from skcnn.estimators._docs import inherit_documentation
from skcnn.estimators._feature_storage import cached_features, new_array
from skcnn.estimators._html import NetworkHTML
from skcnn.estimators._saving import warn_about_main
from skcnn.images import check_images
from skcnn.learned import fitted_view
from skcnn.preprocessing._base import ImageTransformer
from skcnn.training.device import available_device, has_bfloat16, resolve_device, seeded
from skcnn.training.features import (
    StoredNetwork,
    choose_precision,
    compute_features,
    count_features,
)
from skcnn.training.loader import ImageDataset, warn_of_other_scale
from skcnn.training.predicting import prediction_module


@inherit_documentation
@dataclass(eq=False, repr=False)
class ImageEmbedder(
    ClassNamePrefixFeaturesOutMixin, NetworkHTML, ImageTransformer, BackboneParameters
):
    """Turn images into the features of a pretrained network, or of one that you trained.

    The features of an image are the input of the last layer of the network, the head. Any estimator
    can use them in place of the pixels.

    Parameters
    ----------
    backbone : str, callable or fitted estimator, default="efficientnet_lite0"
        Network without its head: a name in `skcnn.networks.BACKBONES` such as "resnet50"; "timm/"
        and the name of a model of timm (the extra ``skcnn[timm]`` installs timm); a callable
        ``(in_channels, height, width, n_outputs)`` that returns a `torch.nn.Module` with pretrained
        weights: see `skcnn.networks.as_backbone` for its requirements; or a fitted estimator with a
        network, such as a `CNNClassifier`. With a fitted estimator, `weights` and `input_size` must
        have their default values. `clone` of the embedder keeps the estimator fitted. In a
        parameter grid, wrap it in a `sklearn.frozen.FrozenEstimator`.
    image_shape : tuple of int, default=None
        Layout of flat rows: (height, width) or (height, width, n_channels), in pixels. If None,
        rows with a square number of features are square gray images, and other rows of up to 64
        features are images of height 1. Not needed for other forms of images.
    batch_size : "auto" or int, default="auto"
        Number of images in a batch. "auto" depends on the size of the images. The features do not
        depend on it.
    device : str or torch.device, default="auto"
        Device of the network. "auto" uses a GPU if there is one.
    precision : {"auto", "bfloat16", "float32"}, default="auto"
        Precision of the computation. bfloat16 is up to twice as fast as float32. "auto" uses
        bfloat16 if the device supports it natively, `backbone` is not a fitted estimator, and
        bfloat16 changes the features of four images by at most 1 % of their norm, which is measured
        in `fit`. Otherwise, it uses float32. The features are float32 arrays in any case.
    memory : str or joblib.Memory, default=None
        Folder or `joblib.Memory` for caching features. The features of the same images are then
        computed only once for the same network and precision. None caches nothing.
    memmap_folder : str or path, default=None
        Folder for features that do not fit into memory. Each call of `transform` or
        `fit_transform` writes a new file to this folder and returns it as a memory map. None
        returns arrays in memory. It cannot be combined with `memory`: use
        ``memory=joblib.Memory(folder, mmap_mode="r")`` instead.

    Attributes
    ----------
    n_features_in_ : int
        Number of pixel values of an image seen in fit: height x width x number of channels.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features seen in fit. Defined only for frames whose columns have names.
    image_shape_ : tuple of (int, int, int)
        Height, width and number of channels of the images seen in fit.
    n_features_out_ : int
        Number of features of an image.
    pixel_range_ : tuple of (float, float) or None
        Detected range of the pixel values, (0, 1), (-1, 1) or (0, 255): the first of these ranges
        that contains all pixel values of the images seen in fit and is at most twice as wide as
        they are. The network maps it to the values that its weights expect. None if there is no
        such range, or if the network has no pretrained weights: each channel is then standardized
        with its mean and standard deviation over the images seen in fit. If `backbone` is a fitted
        estimator, this is the range that the estimator detected.
    pixel_scale_ : tuple of (float, float, bool)
        Scale of the pixel values in fit: the 5 % and 95 % quantiles of the root mean squares of the
        images, and whether there are at most four different values. `transform` warns about images
        with a very different scale.
    precision_ : {"bfloat16", "float32"}
        Precision chosen in `fit`.
    network_ : object
        Network, and the description from which it is rebuilt when the embedder is loaded.
    module_ : torch.nn.Module
        Network with its head, including the standardization of its input.

    Raises
    ------
    ValueError
        If the images differ in shape from those of fit, or from those on which the estimator given
        as `backbone` was fitted.

    See Also
    --------
    CNNClassifier : Convolutional network that classifies images.
    HOGExtractor : Describe the shapes in an image by histograms of oriented gradients.

    Notes
    -----
    `fit` reads up to 2,048 images to detect the range of the pixel values. It does not train the
    network. With ``weights=None``, the random weights are the same in each `fit`.

    `LazyImages` are read in batches by background threads. Their random operations are not applied.

    Files in `memmap_folder` are never overwritten or deleted.

    With `memory`, a grid search computes the features of the training and validation images of each
    split once. ``Pipeline(memory=...)`` caches only `fit_transform`, so the features of the
    validation images are computed for every candidate. The cache identifies `LazyImages` by their
    source, for example their paths, and not by their pixels: delete it if the files change.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from skcnn import CNNClassifier, ImageEmbedder
    >>> X, y = load_digits(return_X_y=True)
    >>> cnn = CNNClassifier(max_epochs=2, random_state=0).fit(X[:500], y[:500])
    >>> embedder = ImageEmbedder(cnn)
    >>> embedder.fit_transform(X[:500]).shape
    (500, 128)
    >>> model = make_pipeline(embedder, LogisticRegression(max_iter=1000))
    >>> model.fit(X[500:1000], y[500:1000]).score(X[1000:], y[1000:]) > 0.8
    True
    """

    backbone: Any = "efficientnet_lite0"
    image_shape: tuple[int, ...] | None = None
    batch_size: str | int = "auto"
    device: str | torch.device = "auto"
    precision: str = "auto"
    memory: Any = None
    memmap_folder: str | os.PathLike | None = None

    _parameter_constraints: ClassVar[dict] = {
        **BackboneParameters._parameter_constraints,
        "backbone": [str, callable, HasMethods(["fit", "predict"])],
        "image_shape": [IMAGE_SHAPE, None],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "device": [str, torch.device],
        "precision": [StrOptions({"auto", "bfloat16", "float32"})],
        "memory": [str, HasMethods(["cache"]), None],
        "memmap_folder": [str, os.PathLike, None],
    }

    @property
    def module_(self) -> nn.Module:
        """Network with its head, including the standardization of its input."""
        check_is_fitted(self)
        return fitted_view(self).network_.module

    def _fit_transform(self, X):
        return self._compute_features(self._fit(X))

    def _transform(self, X):
        self._validate_params()  # parameters may have been set after fit
        return self._compute_features(check_images(self, X, reset=False))

    def _fit(self, X):
        if self.memory is not None and self.memmap_folder is not None:
            raise ValueError(
                "memory and memmap_folder cannot be combined: use memory=joblib.Memory(folder, "
                'mmap_mode="r") for cached features as memory maps'
            )
        images = check_images(self, X, reset=True)
        device = resolve_device(self.device)
        if _is_estimator(self.backbone):
            network = self._copy_of_backbone()
        else:
            spec = self._network_spec(self.image_shape_, n_outputs=1)
            with seeded(0, torch.device("cpu")):
                module, self.pixel_scale_, self.pixel_range_ = build_module(spec, images)
            network = StoredNetwork(module.eval(), spec)
        self.n_features_out_ = count_features(network.module, self.image_shape_)
        network.module.to(device)
        if self.precision != "auto":
            self.precision_ = self.precision
        elif _is_estimator(self.backbone):
            self.precision_ = "float32"  # as its predictions
        else:
            self.precision_ = choose_precision(network.module, ImageDataset(images), device)
        self.network_ = network
        return images

    def _copy_of_backbone(self):
        """Return a copy of the network of a fitted estimator."""
        self._check_defaults()
        estimator = self.backbone
        if isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        name = type(estimator).__name__
        if not hasattr(type(estimator), "module_"):
            raise TypeError(
                f"backbone is a {name}, which has no network: give a fitted estimator such as a "
                "CNNClassifier, or the name of a backbone"
            )
        estimator = fitted_view(estimator)
        if not hasattr(estimator, "net_"):
            raise ValueError(
                f"backbone is a {name} that is not fitted: fit it before the ImageEmbedder, and "
                "in a parameter grid, wrap it in a FrozenEstimator, because its values are cloned"
            )
        if estimator.image_shape_ != self.image_shape_:
            height, width, n_channels = self.image_shape_
            seen = estimator.image_shape_
            raise ValueError(
                f"X holds images of {height} x {width} pixels with {n_channels} channel(s), but "
                f"the {name} given as backbone was fitted on {seen[0]} x {seen[1]} with {seen[2]}: "
                f"put an ImageResizer({seen[:2]}) before the ImageEmbedder"
            )
        self.pixel_scale_ = estimator.pixel_scale_
        self.pixel_range_ = getattr(estimator, "pixel_range_", None)
        return StoredNetwork.of(estimator.net_)

    def _check_defaults(self):
        """Raise an error if a parameter is set that a fitted backbone does not use."""
        defaults = {field.name: field.default for field in fields(self)}
        given = [
            f"{name}={getattr(self, name)!r}"
            for name in ("weights", "input_size")
            if getattr(self, name) != defaults[name]
        ]
        if given:
            raise ValueError(
                f"{' and '.join(given)} cannot be combined with a fitted estimator as backbone, "
                "which has weights and an input size of its own: use the default"
            )

    def _compute_features(self, images):
        if self.memory is None:
            return self._features(images)
        return cached_features(self, images)

    def _features(self, images):
        device = available_device(self.device)
        precision = self.precision_
        if self.precision == "auto" and not has_bfloat16(device):  # that of fit may have it
            precision = "float32"
        dataset = ImageDataset(images).clean()
        shape = (len(dataset), self.n_features_out_)
        with (
            warn_of_other_scale(self.pixel_scale_, X=dataset),
            new_array(self.memmap_folder, shape) as features,
        ):
            compute_features(
                prediction_module(self.network_.module, device),
                dataset,
                device=device,
                precision=precision,
                batch_size=None if self.batch_size == "auto" else int(self.batch_size),
                out=features,
            )
        return features

    @property
    def _n_features_out(self):
        return self.n_features_out_

    def __sklearn_clone__(self) -> ImageEmbedder:
        """Clone the embedder, but not a fitted estimator that is its backbone."""
        backbone = self.backbone
        view = fitted_view(self)
        if _is_estimator(backbone):
            view.backbone = FrozenEstimator(backbone)  # is not cloned
        clone = super(ImageEmbedder, view).__sklearn_clone__()
        if _is_estimator(backbone):
            clone.backbone = backbone
        return clone

    def __getstate__(self) -> dict[str, Any]:
        warn_about_main(self)
        return super().__getstate__()

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _is_estimator(backbone):
    return isinstance(backbone, BaseEstimator)
