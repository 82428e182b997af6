"""Modules as small pickles: their structure compressed, their tensors as one array of bytes."""

from __future__ import annotations

import io
import pickle
import zlib

import cloudpickle  # comes with joblib
import numpy as np
import torch
from torch import nn


def pack(parts):
    """Make bytes of objects that hold tensors.

    Pickled alone, a module takes a kilobyte and more for every layer, whatever its size.

    Parameters
    ----------
    parts : object
        Modules and anything else that pickles; classes and functions of the main program are
        stored by value.

    Returns
    -------
    packed : dict
        "structure", compressed bytes, and "tensors", an array of uint8.
    """
    buffer = io.BytesIO()
    pickler = _Pickler(buffer)
    pickler.dump(parts)
    tensors = pickler.tensors.values()
    raw = [dense.reshape(-1).view(torch.uint8).numpy() for _, dense, _ in tensors]
    return {
        "structure": zlib.compress(buffer.getvalue()),
        "tensors": np.concatenate(raw) if raw else np.zeros(0, np.uint8),
    }


def unpack(packed):
    """Make the objects again, with their tensors on the processor.

    Parameters
    ----------
    packed : dict
        What `pack` gave.

    Returns
    -------
    parts : object
        As they were.
    """
    return _Unpickler(packed).load()


class _Pickler(cloudpickle.Pickler):
    """A pickler that sets tensors aside, each once however often it is used."""

    def __init__(self, file):
        super().__init__(file)
        self.tensors = {}
        self.start = 0

    def persistent_id(self, obj):
        if not isinstance(obj, torch.Tensor):
            return None
        if id(obj) not in self.tensors:
            # The axes in the order in which they lie in memory, so that the layout is kept.
            order = sorted(range(obj.ndim), key=lambda axis: -obj.stride(axis))
            dense = obj.detach().cpu().permute(order).contiguous()
            kind = "parameter" if isinstance(obj, nn.Parameter) else "tensor"
            place = (self.start, dense.dtype, tuple(dense.shape), tuple(order))
            self.tensors[id(obj)] = obj, dense, (kind, obj.requires_grad, *place)
            self.start += dense.numel() * dense.element_size()
        return self.tensors[id(obj)][2]


class _Unpickler(pickle.Unpickler):
    """The other way."""

    def __init__(self, packed):
        super().__init__(io.BytesIO(zlib.decompress(packed["structure"])))
        self.raw = packed["tensors"]
        self.tensors = {}

    def persistent_load(self, pid):
        kind, requires_grad, start, dtype, shape, order = pid
        if pid not in self.tensors:
            n_bytes = int(np.prod(shape)) * dtype.itemsize
            # In memory of their own and of their own dtype, which aligns them.
            tensor = torch.empty(shape, dtype=dtype)
            tensor.view(-1).view(torch.uint8).numpy()[:] = self.raw[start : start + n_bytes]
            tensor = tensor.permute([order.index(axis) for axis in range(len(order))])
            if kind == "parameter":
                tensor = nn.Parameter(tensor, requires_grad=requires_grad)
            self.tensors[pid] = tensor
        return self.tensors[pid]
