"""Files of tensors and texts in the format of safetensors, with a checksum of their contents."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from skcnn.checksums import checksum
from skcnn.replaced_file import replaced_file

_KEY = "skcnn.checksum"  # of the metadata


def write_tensors(path: Path, tensors: dict[str, Tensor], texts: dict[str, str]) -> None:
    """Write a file, which contains no code.

    The file is complete at any time: it is written under another name and then renamed.

    Parameters
    ----------
    path : Path
        File. An existing one is replaced. A symbolic link stays one.
    tensors : dict of {str: tensor}
        Contiguous tensors by name.
    texts : dict of {str: str}
        Texts by name, for the metadata of the file. A checksum is added to it.

    Raises
    ------
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile, torch
    >>> from pathlib import Path
    >>> from skcnn.tensor_files import read_tensors, write_tensors
    >>> path = Path(tempfile.mkdtemp(), "file")
    >>> write_tensors(path, {"a": torch.ones(2)}, {"b": "text"})
    >>> read_tensors(path)
    ({'a': tensor([1., 1.])}, {'b': 'text'})
    """
    metadata = {**texts, _KEY: _checksum(tensors, texts)}
    # save_file of safetensors makes files that other users cannot read
    with replaced_file(path) as temporary, temporary.open("wb") as file:
        file.write(save(tensors, metadata))
        file.flush()
        os.fsync(file.fileno())


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a file in the format of safetensors, and compare its checksum if it has one.

    The sizes of the tensors are compared with that of the file before memory is allocated.

    Parameters
    ----------
    path : Path
        File of this package or of another program.

    Returns
    -------
    tensors : dict of {str: tensor}
        Tensors on the CPU by name, in the order of the file.
    texts : dict of {str: str}
        Metadata of the file without the checksum.

    Raises
    ------
    safetensors.SafetensorError
        If the file is truncated or has another format.
    ValueError
        If the checksum differs from that of the contents.
    """
    with safe_open(path, framework="pt") as file:
        # The tensors of safetensors refer to the file, which can change later: copy them.
        tensors = {name: file.get_tensor(name).clone() for name in file.offset_keys()}
        texts = dict(file.metadata() or {})
    saved = texts.pop(_KEY, None)
    if saved is not None and saved != _checksum(tensors, texts):
        raise ValueError(
            f"{str(path)!r} was damaged or changed after it was saved: its checksum differs from "
            "that of its contents; copy the file again, or save it again"
        )
    return tensors, texts


def _checksum(tensors, texts):
    """Return a checksum that depends on every bit of the tensors and of the texts."""
    parts = [
        (name, str(tensor.dtype), tuple(tensor.shape), _bytes_of(tensor))
        for name, tensor in sorted(tensors.items())
    ]
    return f"{checksum((parts, sorted(texts.items()))):08x}"


def _bytes_of(tensor):
    return tensor.reshape(-1).view(torch.uint8).numpy()
