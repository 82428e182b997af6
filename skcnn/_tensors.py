"""Conversion of torch tensors to arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


def tensors_to_arrays(X: Any, name: str = "X") -> Any:
    """Convert the torch tensors that NumPy cannot convert to arrays.

    Parameters
    ----------
    X : object
        Images, targets or weights: a tensor, a list with tensors in it, or anything else.
    name : str, default="X"
        Name of the argument in the error.

    Returns
    -------
    X : object
        Tensors that require a gradient, are sparse, have dtype bfloat16 or are on another device
        than the CPU are converted to arrays of the same values (float32 for bfloat16). Anything
        else is returned unchanged.

    Raises
    ------
    ValueError
        If a tensor is on the device "meta".
    """
    if _needs_conversion(X):
        return _to_array(X, name)
    if isinstance(X, (list, tuple)) and any(map(_needs_conversion, X)):
        return [_to_array(item, name) if _needs_conversion(item) else item for item in X]
    return X


def _needs_conversion(item):
    return isinstance(item, torch.Tensor) and (
        item.requires_grad
        or item.layout != torch.strided
        or item.dtype == torch.bfloat16
        or item.device.type != "cpu"
        or item.is_conj()
        or item.is_neg()
    )


def _to_array(tensor, name) -> np.ndarray:
    if tensor.is_meta:
        raise ValueError(f'{name} is a tensor on the device "meta", which stores no values')
    tensor = tensor.detach()
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    return tensor.cpu().resolve_conj().resolve_neg().numpy()
