"""Checksums of saved estimators, which are compared when an estimator is loaded."""

from __future__ import annotations

import functools
import inspect
import types
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

import numpy as np
import torch

from skcnn.learned import fitted_view
from skcnn.versions import versions, warn_about_versions

_KEY = "_checksum"
_VERSIONS = "_versions"
_PAIRS = "_pairs"  # names of the dicts that are saved as lists of pairs
_ERRORS = (AttributeError, LookupError, OverflowError, RuntimeError, TypeError)
_NUMBERS = (bool, int, float, complex, type(None), type(...))


class ChecksumMixin:
    """Mixin that stores a checksum and versions in the pickle of an object, and compares them.

    A file that was damaged on disk or in transit can often be loaded, but gives other predictions.
    The checksum does not protect against deliberate changes. Another version of this package causes
    a warning.
    """

    def __getstate__(self) -> dict:
        view: Any = super(ChecksumMixin, fitted_view(self))  # another thread may fit the estimator
        return with_checksum(_with_pairs({**view.__getstate__(), _VERSIONS: versions()}))

    def __setstate__(self, state: dict) -> None:
        name = type(self).__name__
        with loading(name):
            state = verified(state, name)
            warn_about_versions(state.pop(_VERSIONS, None), name)
            for pairs in state.pop(_PAIRS, ()):
                state[pairs] = dict(state[pairs])
            for parameter, default in _defaults(type(self)).items():
                state.setdefault(parameter, default)  # if it is newer than the file
            parent: Any = super()
            if hasattr(parent, "__setstate__"):
                parent.__setstate__(state)
            else:
                vars(self).update(state)


def _with_pairs(state):
    """Replace the dicts with bools as keys, which skops does not restore, by lists of pairs."""
    names = [
        name
        for name, value in state.items()
        if type(value) is dict and any(isinstance(key, (bool, np.bool_)) for key in value)
    ]
    if not names:
        return state
    return {**state, **{name: list(state[name].items()) for name in names}, _PAIRS: names}


def _defaults(kind):
    """Return the default values of the parameters of a class."""
    parameters = inspect.signature(kind).parameters.values()
    return {one.name: one.default for one in parameters if one.default is not one.empty}


@contextmanager
def loading(name: str) -> Iterator[None]:
    """Convert errors that the state of a manipulated or foreign file can cause to a `ValueError`.

    Parameters
    ----------
    name : str
        Name of the object in the error.

    Raises
    ------
    ValueError
        If a value of the state is missing or has the wrong type.
    """
    try:
        yield
    except _ERRORS as error:
        raise ValueError(
            f"the saved {name} does not have the contents that this version of skcnn expects "
            f"({type(error).__name__}: {error}): copy the file again, or fit and save it again"
        ) from error


def with_checksum(state: dict) -> dict:
    """Add a checksum to a state.

    Parameters
    ----------
    state : dict
        State of an object, as it is pickled.

    Returns
    -------
    state : dict
        The same state and its checksum.
    """
    return {**state, _KEY: checksum(state)}


def verified(state: dict, name: str) -> dict:
    """Compare the checksum of a state with its contents, and return the state without it.

    Parameters
    ----------
    state : dict
        State of an object, as it was unpickled.
    name : str
        Name of the object in the error.

    Returns
    -------
    state : dict
        State without its checksum.

    Raises
    ------
    ValueError
        If the checksum is missing or does not match the state.
    """
    state = dict(state)
    saved = state.pop(_KEY, None)
    if saved is None or saved != checksum(state):
        raise ValueError(
            f"the saved {name} is damaged, or comes from another version of skcnn: its checksum "
            "differs from that of its contents; copy the file again, or fit and save it again"
        )
    return state


def checksum(value: Any) -> int:
    """Compute a checksum of plain data, arrays and objects that consist of them.

    Pickling and unpickling a value does not change its checksum. Of objects with a checksum of
    their own, only the class is included, and so it is for objects of other packages that define
    how they are pickled.

    Parameters
    ----------
    value : object
        Value.

    Returns
    -------
    checksum : int
        CRC-32 of the value.

    Examples
    --------
    >>> from skcnn.checksums import checksum
    >>> checksum({"a": [1, 2.0]}) == checksum({"a": [1, 2.0]}) != checksum({"a": [1, 2]})
    True
    """
    return _Checksum().update(value)


class _Checksum:
    """Checksum of the values that `update` was called with."""

    def __init__(self):
        self.crc = 0
        self.open = {}  # position of each container around the current value, by id

    def update(self, value):
        if id(value) in self.open:
            self._add("cycle", self.open[id(value)])
            return self.crc
        # joblib.load(mmap_mode=...) turns arrays into memory maps.
        kind = np.ndarray if isinstance(value, np.memmap) else type(value)
        self._add_name(kind)
        self.open[id(value)] = len(self.open)
        self._add_contents(value)
        del self.open[id(value)]
        return self.crc

    def _add(self, *texts):
        self.crc = zlib.crc32(repr(texts).encode("utf-8", "surrogatepass"), self.crc)

    def _add_name(self, value):
        # A process that multiprocessing spawns gives the module __main__ another name, and
        # cloudpickle does not keep qualified names.
        module = "__main__" if value.__module__ == "__mp_main__" else value.__module__
        self._add(module, value.__name__)

    def _add_all(self, values):
        values = list(values)
        self._add(len(values))
        for value in values:
            self.update(value)

    def _add_contents(self, value):
        if type(value) is int:
            self._add(f"{value:x}")  # in decimal, Python refuses thousands of digits
        elif isinstance(value, (str, bytes, *_NUMBERS)):
            self._add(value)
        elif isinstance(value, np.generic) and value.dtype != object:
            self._add(value.dtype.str, value.tobytes())
        elif isinstance(value, np.ndarray):
            self._add_array(value)
        elif isinstance(value, torch.Tensor):
            self._add_array(value.detach().cpu().float().numpy())
        elif isinstance(value, dict):
            self._add_all(value.keys())
            self._add_all(value.values())
        elif isinstance(value, (list, tuple)):
            self._add_all(value)
        elif isinstance(value, (set, frozenset)):
            self._add(sorted(checksum(item) for item in value))
        elif isinstance(value, (np.dtype, PurePath)):
            self._add(str(value))
        elif isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
            self._add_name(value)
        else:
            self._add_object(value)

    def _add_array(self, array):
        self._add(array.dtype.str, array.shape)
        if array.dtype.hasobject:
            self._add_all(array.ravel().tolist())
        else:
            data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            self.crc = zlib.crc32(data, self.crc)

    def _add_object(self, value):
        if isinstance(value, np.random.RandomState):
            self.update(value.get_state(legacy=False))
        elif isinstance(value, np.random.Generator):
            self.update(value.bit_generator.state)
        elif isinstance(value, functools.partial):
            self.update((value.func, value.args, value.keywords))
        elif isinstance(value, types.MethodType):
            self.update((value.__self__, value.__func__))
        elif not isinstance(value, ChecksumMixin) and _has_plain_state(value):
            self.update(vars(value))


def _has_plain_state(value):
    """Return whether the state of an object in a pickle is the dict of its attributes."""
    kind = type(value)
    reduces = (kind.__reduce__, kind.__reduce_ex__) == (object.__reduce__, object.__reduce_ex__)
    own = any("__getstate__" in vars(base) for base in kind.__mro__ if base is not object)
    return hasattr(value, "__dict__") and reduces and not own
