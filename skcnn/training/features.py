"""Features of images: what the last layer of a network receives, computed once."""

from __future__ import annotations

import numpy as np
import torch

from skcnn.networks.inference import feature_function
from skcnn.training.device import autocast
from skcnn.training.forks import computing
from skcnn.training.loader import BatchLoader
from skcnn.training.memory import freed_memory_kept


def compute_features(module, dataset, *, device, precision, batch_size, out=None):
    """Compute the features of all images of a dataset.

    Parameters
    ----------
    module : torch.nn.Sequential
        Module in eval mode on the device. It is not changed.
    dataset : ImageDataset
        Images. Random operations are left out.
    device : torch.device
        Device of the module.
    precision : {"auto", "bfloat16", "float32"}
        Precision of the computation. "auto" is bfloat16 if the device supports it natively.
    batch_size : int
        Number of images in a batch.
    out : float32 array of shape (n_images, n_features), default=None
        Array for the features. None makes a new one.

    Returns
    -------
    features : float32 array of shape (n_images, n_features)
        Features.
    """
    function = feature_function(module)
    start = 0
    with freed_memory_kept():
        for images, _ in BatchLoader(dataset.clean(), batch_size):
            with torch.inference_mode(), computing(), autocast(device, precision):
                features = function(images.to(device)).float().cpu().numpy()
            if out is None:
                out = np.empty((len(dataset), features.shape[1]), np.float32)
            out[start : start + len(features)] = features
            start += len(features)
    return out
