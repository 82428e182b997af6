"""Maps of all images, computed batch by batch and projected onto the originals."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skcnn.inspection._map_geometry import project_maps
from skcnn.inspection._network import as_tensor
from skcnn.networks.inference import prediction_function
from skcnn.operations import AffineMap
from skcnn.original_images import original_batches
from skcnn.pipeline_graph import FittedPipeline
from skcnn.pixel_scale import ScaleMonitor
from skcnn.training.augmented_inference import average_over_variants
from skcnn.training.compute_threads import compute_threads
from skcnn.training.forks import computing

MapFunction = Callable[[nn.Module, Tensor, Tensor], Tensor]


def all_maps(
    pipeline: FittedPipeline,
    network: nn.Module,
    function: MapFunction,
    cells: AffineMap,
    images: Any,
    columns: NDArray[np.intp] | None,
    batch_size: int,
) -> tuple[NDArray, NDArray[np.intp]]:
    """Compute a map for each image.

    Parameters
    ----------
    pipeline : FittedPipeline
        Pipeline.
    network : torch.nn.Module
        Its network, in evaluation mode.
    function : callable
        Function of the network, a batch of its input, and the output to explain of each image. It
        returns maps of shape (n_images, n_rows, n_columns).
    cells : AffineMap
        From cells of these maps to pixel coordinates of the input.
    images : array, object array or LazyImages of length n_images
        Original images.
    columns : int array of shape (n_images,) or None
        Outputs to explain. None stands for the largest output.
    batch_size : int
        Number of images in a batch.

    Returns
    -------
    maps : float32 array of shape (n_images, height, width), or object array of shape (n_images,)
        A map for each image, with its height and width.
    columns : int array of shape (n_images,)
        The output that each map explains.
    """
    shape = images.shape[1:3]
    are_equal = len(shape) == 2 and None not in shape
    maps = np.empty((len(images), *shape) if are_equal else len(images), "f4" if are_equal else "O")
    batches = _Batches(pipeline, network, function, cells)
    explained = np.empty(len(images), np.intp)
    monitor, zeros, start = ScaleMonitor(), [], 0
    for originals in original_batches(images, batch_size):
        stop = start + len(originals)
        inputs = np.asarray(pipeline.network_input(originals))
        monitor.add(inputs)
        given = None if columns is None else columns[start:stop]
        found, explained[start:stop] = batches.maps(inputs, given)
        zeros += (start + np.flatnonzero(~found.any(axis=(1, 2)))).tolist()
        for row, one in enumerate(batches.project(found, inputs.shape[1:3], originals), start):
            maps[row] = one
        start = stop
    monitor.warn(pipeline.final.pixel_scale_)
    _warn_about_zeros(zeros, len(images))
    if not are_equal and len({one.shape for one in maps}) == 1:
        return np.stack(list(maps)), explained
    return maps, explained


class _Batches:
    """Maps of batches of images."""

    def __init__(self, pipeline, network, function, cells):
        self.final = pipeline.final
        self.network = network
        self.function = function
        self.cells = cells
        self.geometry = cache(lambda shape, dtype: pipeline.follow(shape, dtype).geometry())

    def maps(self, inputs, columns):
        """Return maps, which are zero for images of one color, and the outputs they explain."""
        images = as_tensor(inputs, self.network)
        work = self.final.net_.multiply_adds * len(images)
        autocast = torch.autocast(images.device.type, enabled=False)
        with autocast, compute_threads(work), computing():
            explained = self._columns(images, columns)
            maps = self.function(self.network, images, explained)
        pixels = images.flatten(2)
        has_content = (pixels.amax(dim=2) > pixels.amin(dim=2)).any(dim=1)
        _check_finite(maps)
        _warn_about_single_cells(maps, images)
        maps = torch.where(has_content[:, None, None], maps, 0.0)
        return maps.cpu().numpy(), explained.cpu().numpy()

    @cached_property
    def _outputs(self):
        """Function that predicts the outputs as the estimator does."""
        plain = prediction_function(self.network, repeated=True)
        return average_over_variants(plain, self.final.test_time_augmentation)

    def _columns(self, images, columns):
        if columns is not None:
            return torch.from_numpy(columns).to(images.device)
        with torch.no_grad():
            outputs = self._outputs(images)
        _check_finite(outputs)
        return outputs.argmax(dim=1)

    def project(self, maps, input_shape, originals):
        """Yield the maps of the original images."""
        shapes = {image.shape for image in originals}
        if len(shapes) == 1:
            yield from self._project(maps, input_shape, originals[0])
            return
        for one, image in zip(maps, originals, strict=True):
            yield from self._project(one[np.newaxis], input_shape, image)

    def _project(self, maps, input_shape, image):
        geometry = self.geometry(image.shape, image.dtype)
        return project_maps(maps, self.cells, input_shape, geometry, image.shape[:2])


def _check_finite(values):
    if not values.isfinite().all():
        raise ValueError(
            "the outputs of the network or their gradients are NaN or infinite: the pixel values "
            "are too far from those of fit, or the network divides by zero"
        )


def _warn_about_single_cells(maps, images):
    if maps[0].numel() == 1 < images[0, 0].numel():
        warnings.warn(
            "The feature maps have a single cell, so the maps have the same value everywhere: give "
            "the name of an earlier layer as layer.",
            UserWarning,
            stacklevel=2,
        )


def _warn_about_zeros(rows, n_images):
    if rows:
        warnings.warn(
            f"The maps of {len(rows)} of {n_images} images are 0 everywhere, first of image "
            f"{rows[0]}: the image has one color, or the method finds no evidence for the target "
            '(others, such as "occlusion", may).',
            UserWarning,
            stacklevel=2,
        )
