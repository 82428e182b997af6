"""Storage of features: a cache, and files that are memory-mapped."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pickle import PicklingError

import joblib
import numpy as np
from sklearn.utils.validation import check_memory


def cached_features(embedder, images):
    """Return the features of images from the cache of an embedder, or compute them.

    Parameters
    ----------
    embedder : ImageEmbedder
        Fitted embedder with the parameter `memory`.
    images : array or LazyImages of shape (n_images, height, width, n_channels)
        Images.

    Returns
    -------
    features : float32 array of shape (n_images, n_features)
        Features.

    Raises
    ------
    ValueError
        If the network or an operation on the images contains a function that cannot be pickled.
    """
    compute = check_memory(embedder.memory).cache(_compute, ignore=["embedder"])
    try:
        network = joblib.hash(embedder.network_.__getstate__())
        return compute(embedder, images, network, embedder.precision_)
    except PicklingError as error:
        raise ValueError(
            "features cannot be cached, because the network or the images contain a function "
            f"that cannot be pickled ({error.args[0]}): define it at the top level of a module, or "
            "use memory=None"
        ) from error


def _compute(embedder, images, network, precision):
    """Compute features. The last three arguments are the key of the cache."""
    return embedder._features(images)


@contextmanager
def new_array(folder, shape):
    """Create an array for features, or a memory map of a new file, which an error deletes.

    Parameters
    ----------
    folder : str, path or None
        Folder of the file. None creates an array in memory.
    shape : tuple of (int, int)
        Shape of the array.

    Yields
    ------
    features : float32 array of shape `shape`
        Array to be filled.
    """
    if folder is None:
        yield np.empty(shape, np.float32)
        return
    try:
        os.makedirs(folder, exist_ok=True)
        handle, path = tempfile.mkstemp(prefix="features_", suffix=".npy", dir=folder)
    except OSError as error:
        raise ValueError(
            f"memmap_folder={os.fspath(folder)!r} is not a folder in which files can be created "
            f"({error.strerror}): give another folder"
        ) from error
    os.close(handle)
    try:
        features = np.lib.format.open_memmap(path, "w+", np.float32, shape)
        yield features
        features.flush()
    except BaseException:
        os.unlink(path)
        raise
