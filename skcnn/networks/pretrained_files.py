"""Read files of weights without running code from them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from skcnn.tensor_files import read_tensors

NETWORK_KEY = "skcnn.network"  # of the description of a network in the metadata of safetensors
LEAST_TORCH = (2, 10)  # in earlier versions, a manipulated file can make torch.load run code

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
        return read_safetensors(path)[0]
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
    if _is_compressed(path):
        raise ValueError(_larger(path))
    weights = _load(path)
    if not isinstance(weights, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) and _is_dense(value)
        for name, value in weights.items()
    ):
        raise ValueError(
            f"{str(path)!r} does not contain a state dict, the dense tensors of a network by name: "
            "save it with torch.save(network.state_dict(), path)"
        )
    if any(value.nbytes > path.stat().st_size for value in weights.values()):
        raise ValueError(_larger(path))
    return dict(weights)


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a file in the format of safetensors, which cannot contain code.

    Parameters
    ----------
    path : Path
        File.

    Returns
    -------
    tensors : dict of {str: tensor}
        Tensors by name, in the order of the file.
    metadata : dict of {str: str}
        Texts that were saved with the tensors.

    Raises
    ------
    ValueError
        If the file is truncated, has another format, or has a checksum that differs from that of
        its contents.
    """
    try:
        return read_tensors(path)
    except SafetensorError as error:
        raise ValueError(_damaged(path)) from error


def read_description(path: Path) -> dict[str, Any] | None:
    """Read the description of the network in a file of `skcnn.export.save_weights`.

    Parameters
    ----------
    path : Path
        File of weights.

    Returns
    -------
    description : dict of {str: object} or None
        Unchecked values of a `NetworkSpec`. None if the file contains no description.

    Raises
    ------
    ValueError
        If the file is truncated, or has another format than its suffix says.
    """
    if path.suffix != ".safetensors":
        return None
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(NETWORK_KEY)
        description = None if text is None else json.loads(text)
    except (RecursionError, SafetensorError, ValueError) as error:
        raise ValueError(_damaged(path)) from error
    return description if isinstance(description, dict) else None


def _is_dense(tensor):
    """Return whether a tensor holds its values, neither sparse nor quantized ones."""
    special = tensor.is_nested or tensor.is_quantized or tensor.is_meta
    return tensor.layout == torch.strided and not special


def _is_compressed(path):
    """Return whether a file is a compressed archive, which `torch.save` never makes."""
    try:
        with ZipFile(path) as archive:
            return sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size
    except (BadZipFile, ValueError):
        return False  # torch.load raises an error if it cannot read it either


def _load(path):
    """Load a file of `torch.save` with the restricted unpickler."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (MemoryError, OSError):
        raise
    except Exception as error:  # damaged files raise many
        with path.open("rb") as file:
            is_pickle = file.read(2).startswith(_PICKLES)
        if is_pickle and re.search(r"GLOBAL|Unsupported (global|class|operand)", str(error)):
            raise ValueError(
                f"{str(path)!r} is not loaded, because it contains Python objects besides tensors, "
                "which could run code: save its state dict with torch.save, or as .safetensors"
            ) from error
        raise ValueError(_damaged(path)) from error


def _larger(path):
    return (
        f"{str(path)!r} is not loaded, because its tensors are larger than the file: save the "
        "state dict again with torch.save, or as .safetensors"
    )


def _damaged(path):
    return (
        f"{str(path)!r} cannot be read: it is truncated or not a {path.suffix} file; download or "
        "save it again"
    )
