"""Read files of weights without running code from them."""

from __future__ import annotations

import json
import re
from math import prod
from pathlib import Path
from pickle import UnpicklingError
from zipfile import BadZipFile

import torch
from torch import Tensor

LEAST_TORCH = (2, 10)  # in earlier versions, a manipulated file can make torch.load run code

_DTYPES = {
    "BF16": torch.bfloat16,
    "BOOL": torch.bool,
    "F16": torch.float16,
    "F32": torch.float32,
    "F64": torch.float64,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "I8": torch.int8,
    "U8": torch.uint8,
}
_LENGTH = 8  # bytes of the length of the header
_PICKLES = (b"PK", b"\x80")  # beginnings of the files of torch.save, now and formerly


def read_weights(path: Path, *, is_official: bool = False) -> dict[str, Tensor]:
    """Read the weights of a network from a file.

    Parameters
    ----------
    path : Path
        File in the format of safetensors (.safetensors) or of `torch.save` (.pth or .pt).
    is_official : bool, default=False
        Whether the file has an official checksum. With versions of PyTorch before 2.10, whose
        restricted unpickler has known vulnerabilities, other files of `torch.save` are errors.

    Returns
    -------
    weights : dict of {str: tensor}
        The tensors by name.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file cannot be read, contains objects other than tensors, or is refused.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f'the file of weights {str(path)!r} does not exist: use "imagenet", or the path of a '
            ".safetensors, .pth or .pt file"
        )
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix not in (".pth", ".pt"):
        raise ValueError(
            f"{str(path)!r} does not have the suffix of a file of weights: use a .safetensors, "
            ".pth or .pt file"
        )
    version = tuple(map(int, re.findall(r"\d+", torch.__version__)[:2]))
    if not is_official and version < LEAST_TORCH:
        raise ValueError(
            f"{str(path)!r} is not loaded, because torch.load of PyTorch {torch.__version__} has "
            "known vulnerabilities: install PyTorch 2.10 or later, or convert the file to "
            ".safetensors"
        )
    weights = _load(path)
    if not isinstance(weights, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in weights.items()
    ):
        raise ValueError(
            f"{str(path)!r} does not contain a state dict, the tensors of a network by name: save "
            "it with torch.save(network.state_dict(), path)"
        )
    return dict(weights)


def _load(path):
    """Load a file of `torch.save` with the restricted unpickler."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError, BadZipFile, KeyError, ValueError) as error:
        with path.open("rb") as file:
            is_pickle = file.read(2).startswith(_PICKLES)
        if is_pickle and re.search(r"GLOBAL|Unsupported (global|class|operand)", str(error)):
            raise ValueError(
                f"{str(path)!r} is not loaded, because it contains Python objects besides tensors, "
                "which could run code: save its state dict with torch.save, or as .safetensors"
            ) from error
        raise ValueError(_damaged(path)) from error


def _read_safetensors(path):
    """Read a safetensors file: the length of the header, the header in JSON, and the tensors."""
    content = bytearray(path.stat().st_size)
    with path.open("rb") as file:
        file.readinto(content)
    start = _LENGTH + int.from_bytes(content[:_LENGTH], "little")
    if len(content) < _LENGTH or start > len(content):
        raise ValueError(_damaged(path))
    try:
        header = json.loads(content[_LENGTH:start])
        header.pop("__metadata__", None)
        return {name: _tensor(content, start, **entry) for name, entry in header.items()}
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(_damaged(path)) from error


def _tensor(content, start, *, dtype, shape, data_offsets):
    """Return the tensor that an entry of the header describes."""
    begin, end = (start + offset for offset in data_offsets)
    kind, size = _DTYPES[dtype], prod(shape)
    if (
        min(shape, default=0) < 0
        or not start <= begin <= end <= len(content)
        or end - begin != size * kind.itemsize
    ):
        raise ValueError("the file ends before the tensor")
    if size == 0:
        return torch.empty(shape, dtype=kind)
    return torch.frombuffer(content, dtype=kind, count=size, offset=begin).reshape(shape).clone()


def _damaged(path):
    return (
        f"{str(path)!r} cannot be read: it is truncated or not a {path.suffix} file; download or "
        "save it again"
    )
