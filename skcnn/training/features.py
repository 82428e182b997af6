"""Features of images: the input of the last layer of a network."""

from __future__ import annotations

import copy
from itertools import chain

import numpy as np
import torch

from skcnn.checksums import loading, verified, with_checksum
from skcnn.networks import ResizeInput
from skcnn.networks.inference import feature_function
from skcnn.settings import fixed_settings
from skcnn.training.device import has_bfloat16
from skcnn.training.forks import computing
from skcnn.training.loader import BatchLoader
from skcnn.training.memory import freed_memory_kept
from skcnn.training.state import module_and_spec, to_arrays

_MIN_BATCH, _MAX_BATCH = 4, 512
_PIXELS = 2**17  # number of pixels in a batch on the CPU, after resizing
_N_COMPARED, _TOLERANCE = 4, 0.01  # number of images for measuring the error, accepted error


class StoredNetwork:
    """Module that is pickled as a description and arrays.

    Parameters
    ----------
    module : torch.nn.Module
        Module in eval mode.
    spec : NetworkSpec
        Description from which the module is rebuilt. If None, the pickle contains the module.
    """

    def __init__(self, module, spec):
        self.module = module
        self.spec = spec

    @classmethod
    def of(cls, net):
        """Copy the module of a net, even while another thread trains it.

        Parameters
        ----------
        net : ImageNeuralNet
            Fitted net.

        Returns
        -------
        network : StoredNetwork
            Copy in eval mode.
        """
        with net.lock.step():
            module = copy.deepcopy(net.module_)
        return cls(module.eval(), net.spec)

    def __getstate__(self):
        weights = to_arrays(self.module.state_dict()) if self.spec else None
        return with_checksum({"module": self.spec or self.module, "weights": weights})

    @fixed_settings()
    @loading("network")
    def __setstate__(self, state):
        module, spec = module_and_spec(verified(state, "network"))
        self.__init__(module.eval(), spec)


def compute_features(module, dataset, *, device, precision, batch_size=None, out=None):
    """Compute the features of all images of a dataset.

    Parameters
    ----------
    module : torch.nn.Sequential
        Module in eval mode on the device. Not modified.
    dataset : ImageDataset
        Images. Their random operations are not applied.
    device : torch.device
        Device of the module.
    precision : {"auto", "bfloat16", "float32"}
        Precision of the computation. "auto" is float32.
    batch_size : int, default=None
        Number of images in a batch. None chooses it by the size of the images.
    out : float32 array of shape (n_images, n_features), default=None
        Array for the features. None creates a new one.

    Returns
    -------
    features : float32 array of shape (n_images, n_features)
        Features.

    Raises
    ------
    ValueError
        If a feature is NaN or infinite.
    """
    batch_size = batch_size or _batch_size(module, dataset.images.shape[1:3], device)
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    with torch.inference_mode(), computing():
        function = feature_function(module, dtype)
    start = 0
    with freed_memory_kept():
        for images, _ in BatchLoader(dataset.clean(), batch_size):
            with torch.inference_mode(), computing():
                features = function(images.to(device)).cpu().numpy()
            _check_finite(features, start)
            if out is None:
                out = np.empty((len(dataset), features.shape[1]), np.float32)
            out[start : start + len(features)] = features
            start += len(features)
    return out


def choose_precision(module, dataset, device):
    """Return bfloat16 if it is accurate enough for the features, and float32 otherwise.

    The error of bfloat16 depends on the network. It is measured on a few images, relative to the
    norm of their features.

    Parameters
    ----------
    module : torch.nn.Sequential
        Module in eval mode on the device.
    dataset : ImageDataset
        Images.
    device : torch.device
        Device of the module.

    Returns
    -------
    precision : {"bfloat16", "float32"}
        bfloat16 if the device supports it natively and its error is at most 1 %.
    """
    if not has_bfloat16(device):
        return "float32"
    rows = np.linspace(0, len(dataset) - 1, min(len(dataset), _N_COMPARED)).astype(int)
    images = dataset.clean().batch(rows).images.to(device)
    with torch.inference_mode(), computing():
        exact, fast = (
            feature_function(module, dtype)(images) for dtype in (torch.float32, torch.bfloat16)
        )
    errors = (fast - exact).norm(dim=1)
    return "bfloat16" if (errors <= _TOLERANCE * exact.norm(dim=1)).all() else "float32"


def count_features(module, image_shape):
    """Return the number of features of an image.

    Parameters
    ----------
    module : torch.nn.Sequential
        Module in eval mode.
    image_shape : tuple of (int, int, int)
        Height, width and number of channels of the images.

    Returns
    -------
    n_features : int
        Number of features.

    Raises
    ------
    TypeError
        If the network has no method `features`.
    ValueError
        If the network does not return a row of features for each image.
    """
    network = module[-1]
    name = type(network).__name__
    if not hasattr(network, "features"):
        raise TypeError(
            f"the network {name} has no method features(images): define one that returns the input "
            "of its last layer, or use a backbone of skcnn"
        )
    height, width, n_channels = image_shape
    tensor = next(chain(module.parameters(), module.buffers()), torch.empty(0))
    images = torch.zeros(2, n_channels, height, width, device=tensor.device)
    with torch.inference_mode(), computing():
        features = feature_function(module)(images)
    if features.ndim != 2 or len(features) != 2:
        raise ValueError(
            f"the method features of {name} returns a tensor of shape {tuple(features.shape)} for "
            "2 images: it must return a tensor of shape (2, n_features)"
        )
    return features.shape[1]


def _batch_size(module, image_size, device):
    """Return the number of images in a batch whose activations fit into the caches of a CPU."""
    sizes = (layer.size for layer in module if isinstance(layer, ResizeInput))
    height, width = next(sizes, image_size)
    batch_size = int(np.clip(_PIXELS // (height * width), _MIN_BATCH, _MAX_BATCH))
    return batch_size if device.type == "cpu" else max(256, batch_size)


def _check_finite(features, start):
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"the features of image {start + finite.argmin()} are NaN or infinite: check that its "
            "pixel values have the scale of those in fit, and that the network does not divide by "
            "zero"
        )
