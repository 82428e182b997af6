"""Compare what is passed to fit in the processes that train one network together."""

from __future__ import annotations

import zlib
from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator

from skcnn.lazy import LazyImages
from skcnn.training.distributed.ranks import current_ranks

_N_IMAGES, _N_LAZY_IMAGES = 64, 8  # images that are compared, at most
_TOLERANCE = 1e-3  # of sums, because other machines round differently

# They may differ between processes without an effect on the weights.
_IGNORED = {"callbacks", "device", "random_state", "verbose"}


def check_same_fit(estimator, dataset, valid, net):
    """Raise an error in all ranks if the data or the parameters of one differ from another's.

    Parameters
    ----------
    estimator : estimator
        Estimator being fitted.
    dataset : ImageDataset
        Training data.
    valid : ImageDataset or None
        Validation data.
    net : ImageNeuralNet or None
        Net whose training continues.

    Raises
    ------
    ValueError
        If they differ.
    """
    ranks = current_ranks()
    if ranks is None:
        return
    first, *others = ranks.gather(_fingerprint(estimator, dataset, valid, net))
    for rank, other in enumerate(others, start=1):
        names = [name for name in first | other if not _same(first.get(name), other.get(name))]
        if names:
            raise ValueError(
                f"rank {rank} does not have the same {', '.join(names)} as rank 0: pass the same "
                "data and parameters to fit in each process, which trains on its own part of each "
                "batch, and set an integer random_state wherever data are drawn or split"
            )


def _fingerprint(estimator, dataset, valid, net):
    """Return values that differ if two fits differ, by the names of arguments."""
    parameters = estimator.get_params(deep=False)
    return {
        "estimator": type(estimator).__name__,
        **{name: _text(parameters[name]) for name in sorted(parameters.keys() - _IGNORED)},
        **({} if net is None else _digests_of_net(net)),
        **_digests(dataset, "X", "y", "sample_weight"),
        **({} if valid is None else _digests(valid, "X_val", "y_val", "sample_weight_val")),
    }


def _digests_of_net(net):
    """Return the number of epochs and the norms of the weights of a net that was trained before."""
    norms = [float(parameter.detach().norm()) for parameter in net.module_.parameters()]
    return {"number of epochs before": len(net.history), "weights before": np.array(norms)}


def _text(value):
    """Return a text that is the same in all processes."""
    if isinstance(value, dict):
        return str({key: _text(item) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return str([_text(item) for item in value])
    if value is None or isinstance(value, (str, Real, np.ndarray, BaseEstimator)):
        return repr(value)
    return getattr(value, "__qualname__", type(value).__name__)


def _digests(dataset, images, y, weights):
    """Return the digests of a dataset by the names of its arguments."""
    rows = np.arange(len(dataset.images)) if dataset.rows is None else dataset.rows
    n_images = _N_LAZY_IMAGES if isinstance(dataset.images, LazyImages) else _N_IMAGES
    some = np.unique(np.linspace(0, len(rows) - 1, n_images).astype(int))
    sample = dataset.clean().batch(some).images.numpy()
    shape = (len(rows), *dataset.images.shape[1:])
    return {
        f"shape of {images}": shape,
        f"rows of {images}": _digest(np.asarray(rows)),
        images: _digest(sample),
        y: None if dataset.y is None else _digest(dataset.y[rows].numpy()),
        weights: None if dataset.weights is None else _digest(dataset.weights[rows].numpy()),
    }


def _digest(values):
    """Return a checksum of integers, or sums of other numbers that depend on their order."""
    if values.dtype.kind in "bui":
        return zlib.crc32(np.ascontiguousarray(values))
    factors = np.random.default_rng(0).standard_normal(values.shape)
    parts = np.array_split(values * factors, min(len(values), _N_IMAGES))
    return np.array([part.sum() for part in parts])


def _same(first, other):
    if isinstance(first, np.ndarray) and isinstance(other, np.ndarray):
        return first.shape == other.shape and np.allclose(
            first, other, rtol=_TOLERANCE, atol=_TOLERANCE * np.abs(first).mean()
        )
    return type(first) is type(other) and first == other
