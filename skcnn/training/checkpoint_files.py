"""Files of plain data and tensors, which contain no code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError

from skcnn.tensor_files import read_tensors, write_tensors

_KEY = "skcnn"  # of the metadata


def write_state(path: Path, state: Any) -> None:
    """Write plain data and tensors to a file in the format of safetensors.

    The file is complete at any time: it is written under another name and then renamed.

    Parameters
    ----------
    path : Path
        File.
    state : object
        Numbers, strings, None and tensors, and dicts, lists and tuples of them.

    Raises
    ------
    TypeError
        If the state has an object of another type.
    OSError
        If the file cannot be written.
    """
    tensors: dict[str, torch.Tensor] = {}
    text = json.dumps(_encode(state, tensors))
    write_tensors(path, tensors, {_KEY: text})


def read_state(path: Path, device: torch.device) -> Any:
    """Read a file that `write_state` has written. No code of the file is run.

    Parameters
    ----------
    path : Path
        File.
    device : torch.device
        Device of the tensors.

    Returns
    -------
    state : object
        The plain data and tensors.

    Raises
    ------
    ValueError
        If the file is damaged, or was not written by `write_state`.
    """
    try:
        tensors, metadata = read_tensors(path)
        tensors = {name: tensor.to(device) for name, tensor in tensors.items()}
        return _decode(json.loads(metadata[_KEY]), tensors)
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"the checkpoint {str(path)!r} cannot be read: it is damaged or is not a file of "
            "TrainingCheckpoint; remove it to train from the beginning, or pass another path"
        ) from error


def is_plain(value: Any) -> bool:
    """Return whether `write_state` can write a value.

    Parameters
    ----------
    value : object
        Value.

    Returns
    -------
    is_plain : bool
        Whether it consists of numbers, strings, None, tensors, dicts, lists and tuples.
    """
    if isinstance(value, dict):
        return all(is_plain(item) for pair in value.items() for item in pair)
    if isinstance(value, (list, tuple)):
        return all(map(is_plain, value))
    kinds = (torch.Tensor, np.generic, bool, int, float, str)
    return value is None or (isinstance(value, kinds) and not isinstance(value, np.void))


def _encode(value, tensors):
    """Return JSON data with numbers in place of tensors, which are added to a dict."""
    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"tensor": name}
    if isinstance(value, dict):
        pairs = [[_encode(part, tensors) for part in pair] for pair in value.items()]
        return {"dict": pairs}
    if isinstance(value, tuple):
        return {"tuple": [_encode(item, tensors) for item in value]}
    if isinstance(value, list):
        return [_encode(item, tensors) for item in value]
    if not is_plain(value):
        raise TypeError(
            f"a checkpoint cannot contain {value!r} of type {type(value).__name__}: only numbers, "
            "strings, tensors, and lists and dicts of them"
        )
    return value.item() if isinstance(value, np.generic) else value


def _decode(data, tensors):
    """Return the value that `_encode` was called with."""
    if isinstance(data, list):
        return [_decode(item, tensors) for item in data]
    if not isinstance(data, dict):
        return data
    ((kind, content),) = data.items()
    if kind == "tensor":
        return tensors[content]
    items = [_decode(item, tensors) for item in content]
    return {"dict": dict, "tuple": tuple}[kind](items)
