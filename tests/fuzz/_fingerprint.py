"""Fingerprints of objects and of the global state, to find out what a call changed."""

import hashlib
import os
import random
import signal
import sys
import types
import warnings

import numpy as np
import sklearn
import torch
from PIL import Image, ImageFile
from scipy.sparse import issparse

ATOMS = (type(None), bool, int, float, complex, str, bytes, np.generic, np.dtype, torch.dtype)
NAMED = (types.FunctionType, types.BuiltinFunctionType, types.ModuleType, type)


def fingerprint(*objects):
    """Return a hash of objects and everything in them; equal values have equal hashes."""
    digest, seen = hashlib.blake2b(digest_size=16), {}
    for item in objects:
        _add(item, digest, seen)
    return digest.hexdigest()


def _add(item, digest, seen):
    digest.update(type(item).__name__.encode())
    if isinstance(item, ATOMS):
        digest.update(repr(item).encode())
        return
    if isinstance(item, NAMED):
        digest.update(getattr(item, "__qualname__", item.__name__).encode())
        return
    if id(item) in seen:  # a cycle, or an object that occurs twice
        return
    seen[id(item)] = item
    for part in _parts(item):
        if isinstance(part, bytes):
            digest.update(part)
        else:
            _add(part, digest, seen)


def _parts(item):
    """Return what an object consists of; bytes are hashed as they are."""
    if isinstance(item, torch.Tensor):
        return [item.requires_grad, item.dtype, item.shape, *_values_of_tensor(item)]
    if isinstance(item, np.ndarray):
        mask = [np.ma.getmaskarray(item)] if isinstance(item, np.ma.MaskedArray) else []
        if item.dtype.kind == "O":
            return [item.shape, list(np.asarray(item).ravel()), *mask]
        return [item.dtype, item.shape, np.asarray(item).tobytes(), *mask]
    if isinstance(item, torch.nn.Module):
        return [dict(item.state_dict()), [part.training for part in item.modules()]]
    if isinstance(item, dict):
        return [part for pair in sorted(item.items(), key=_key) for part in pair]
    if isinstance(item, (list, tuple)):
        plain = all(type(part) in (int, float, str) for part in item)
        return [repr(item).encode()] if plain else item
    if isinstance(item, (set, frozenset)):
        return sorted(map(repr, item))
    if issparse(item):
        return [item.shape, item.tocoo().row, item.tocoo().col, item.tocoo().data]
    if isinstance(item, Image.Image):
        return [item.mode, item.size, item.tobytes()]
    return _reduced(item)


def _key(pair):
    return str(pair[0])


def _values_of_tensor(tensor):
    if tensor.is_meta or tensor.layout != torch.strided:
        return []
    return [tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()]


def _reduced(item):
    """Return the parts that would be pickled, without pickling them."""
    try:
        reduced = item.__reduce_ex__(4)
    except Exception:  # not everything can be pickled
        return [b"?"]
    if isinstance(reduced, str):
        return [reduced]
    _, arguments, *others = reduced
    return [arguments, *(list(part) if hasattr(part, "__next__") else part for part in others)]


def _hash_of_state(state):
    return hash((state[1].tobytes(), *state[2:]))


def global_state():
    """Return the global settings that no call may change, as a dict of fingerprints."""
    return {
        "random state of numpy": _hash_of_state(np.random.get_state()),
        "random state of torch": hash(torch.get_rng_state().numpy().tobytes()),
        "random state of Python": hash(random.getstate()),
        "default dtype": torch.get_default_dtype(),
        "default device": torch.get_default_device(),
        "gradient mode": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "autocast": torch.is_autocast_enabled("cpu"),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "threads of torch": torch.get_num_threads(),
        "floating-point errors of numpy": tuple(np.geterr().items()),
        "print options of numpy": repr(np.get_printoptions()),
        "warnings filters": len(warnings.filters),
        "configuration of scikit-learn": tuple(sklearn.get_config().items()),
        "settings of Pillow": (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES),
        "standard streams": (id(sys.stdout), id(sys.stderr)),
        "working folder": os.getcwd(),
        "environment": hash(frozenset(os.environ.items())),
        "handler of SIGINT": signal.getsignal(signal.SIGINT),
        "recursion limit": sys.getrecursionlimit(),
    }
