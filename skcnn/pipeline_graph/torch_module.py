"""torch_pipeline: a fitted pipeline as a PyTorch module, with its geometry."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from itertools import chain
from typing import Any

from torch import nn

from skcnn.operations import AffineMap
from skcnn.pipeline_graph.fitted_pipeline import FittedPipeline
from skcnn.settings import fixed_settings


@dataclass(frozen=True)
class TorchPipeline:
    """A fitted pipeline for images of one shape and dtype, as a torch module.

    Parameters
    ----------
    module : torch.nn.Module
        Takes float32 tensors of shape (n_images, n_channels, height, width) that hold the original
        pixel values, and returns the outputs of the network, of shape (n_images, n_outputs): logits
        of a classifier, standardized targets of a regressor (``y_mean_ + y_scale_ * outputs`` are
        the predictions). It is a copy in evaluation mode whose parameters need no gradients,
        differentiable in the pixel values, and consists of ``module.preprocessing`` and
        ``module.network``. Test-time augmentation is not part of it.
    geometry : AffineMap
        From pixel coordinates (row, column) of the network's input to those of the original image.
    pixel_range : tuple of (float, float) or None
        Smallest and largest original pixel value: those of the dtype for uint8 and uint16,
        otherwise those that a fitted step knows. None if no step knows them.
    """

    module: nn.Module
    geometry: AffineMap
    pixel_range: tuple[float, float] | None


@fixed_settings()
def torch_pipeline(estimator: Any, image_shape: tuple[int, ...], dtype: Any) -> TorchPipeline:
    """Return a fitted pipeline as a torch module.

    Parameters
    ----------
    estimator : estimator of this package, Pipeline or search
        Fitted estimator, or fitted pipeline of `ImageResizer`, `ImageNormalizer`, `ImageAugmenter`
        (the identity in prediction) and `ImageFlattener` that ends in one. Pipelines may be nested
        and hold "passthrough" and None. An `ImageReader` at the beginning is left out, because the
        module takes the images that it reads. Of a search, such as `GridSearchCV`, the best
        estimator is used.
    image_shape : tuple of int
        Shape of one original image, (height, width) or (height, width, n_channels). For images of
        different sizes, call the function once for each shape.
    dtype : dtype
        Dtype of the original images. It decides whether resized images are rounded.

    Returns
    -------
    pipeline : TorchPipeline
        The module, its geometry and the pixel range.

    Raises
    ------
    TypeError
        If a step is not an image transformer, the last step is not an estimator of this package, or
        `dtype` is not a dtype of NumPy.
    ValueError
        If a step cannot be converted to PyTorch or does not accept images of this shape,
        `image_shape` is not the shape of an image, or `dtype` is not a dtype of real numbers.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from sklearn.pipeline import make_pipeline
    >>> from skcnn import CNNClassifier, ImageResizer
    >>> from skcnn.pipeline_graph import torch_pipeline
    >>> X, y = np.random.default_rng(0).integers(0, 256, (20, 12, 12), np.uint8), [0, 1] * 10
    >>> pipe = make_pipeline(ImageResizer((6, 6)), CNNClassifier(max_epochs=1, random_state=0))
    >>> graph = torch_pipeline(pipe.fit(X, y), X.shape[1:], X.dtype)
    >>> logits = graph.module(torch.from_numpy(X[:, None].astype(np.float32)))
    >>> probabilities = logits.softmax(dim=1).numpy()
    >>> bool(np.allclose(probabilities, pipe.predict_proba(X), atol=1e-5))
    True
    >>> graph.geometry([[0, 0], [5, 5]])
    array([[ 0.5,  0.5],
           [10.5, 10.5]])
    """
    pipeline = FittedPipeline.of(estimator)
    path = pipeline.follow(image_shape, dtype)
    network = pipeline.network()
    device = next(chain(network.parameters(), network.buffers())).device
    preprocessing = nn.Sequential(*path.modules()).to(device)
    module = nn.Sequential(OrderedDict(preprocessing=preprocessing, network=network))
    return TorchPipeline(module.eval().requires_grad_(False), path.geometry(), path.limits)
