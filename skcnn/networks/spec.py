"""Description of a network, from which its module can be built again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import signature
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import nn

from skcnn._validation import MAX_SIZE
from skcnn.networks.custom import check_network, copy_network
from skcnn.networks.fast import FastNetwork
from skcnn.networks.layers import Standardize
from skcnn.networks.plain import PlainNetwork
from skcnn.settings import fixed_settings

NETWORKS = {"fast": FastNetwork, "plain": PlainNetwork}
_SIZES = ("in_channels", "height", "width", "n_outputs")


@dataclass(frozen=True)
class NetworkSpec:
    """Everything that is needed to build a network, apart from the values of its weights.

    The spec of a network of this package holds only plain data. The spec of a custom network also
    holds the callable that builds it.

    Parameters
    ----------
    name : str or callable
        A name in `skcnn.networks.NETWORKS`, or a callable ``(in_channels, height, width,
        n_outputs) -> torch.nn.Module``.
    in_channels : int
        The number of channels of the images.
    height, width : int
        The size of the images in pixels.
    n_outputs : int
        The number of outputs: classes, labels or regression targets.
    options : mapping of {str: object}, default=None
        Further keyword arguments of the network. Lists and arrays are stored as tuples, and None as
        an empty mapping.
    weights : str, default=None
        The name of pretrained weights. No network of `NETWORKS` has any.

    Raises
    ------
    ValueError
        If a size or `n_outputs` is not a positive integer.

    Examples
    --------
    >>> from skcnn.networks import NetworkSpec
    >>> spec = NetworkSpec("plain", 3, 32, 32, n_outputs=10, options={"channels": [16, 32]})
    >>> spec.options
    {'channels': (16, 32)}
    >>> [name for name, _ in spec.build().named_children()]
    ['standardize', 'network']
    """

    name: str | Callable[..., nn.Module]
    in_channels: int
    height: int
    width: int
    n_outputs: int
    options: Mapping[str, Any] | None = None
    weights: str | None = None

    def __post_init__(self) -> None:
        """Store plain Python values."""
        for name in _SIZES:
            object.__setattr__(self, name, _positive_int(name, getattr(self, name)))
        options = {name: _plain(value) for name, value in (self.options or {}).items()}
        object.__setattr__(self, "options", options)

    @fixed_settings()
    def build(self) -> nn.Module:
        """Build the module with random weights.

        Returns
        -------
        module : torch.nn.Sequential
            The layers "standardize", a `Standardize` with mean 0 and scale 1, and "network"; in
            float32, with weights in channels-last memory format.

        Raises
        ------
        TypeError
            If a callable given as `name` does not return a module.
        ValueError
            If a callable given as `name` fails, or if its module fails on images, does not return
            `n_outputs` outputs or cannot be trained; if the network is too large for the memory; if
            the name of the network or of the weights is unknown.
        """
        standardize = Standardize([0.0] * self.in_channels, [1.0] * self.in_channels)
        network = self._build_named() if isinstance(self.name, str) else self._build_custom()
        module = nn.Sequential(OrderedDict(standardize=standardize, network=network))
        return module.float().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _build_named(self):
        if self.name not in NETWORKS:
            raise ValueError(f"name={self.name!r} is unknown: the networks are {sorted(NETWORKS)}")
        if self.weights is not None:
            raise ValueError(f"the network {self.name!r} has no weights named {self.weights!r}")
        sizes = [getattr(self, name) for name in _SIZES]
        try:
            return NETWORKS[self.name](*sizes, **(self.options or {}))
        except RuntimeError as error:  # of PyTorch, which cannot allocate the weights
            raise ValueError(
                f"the network {self.name!r} with {self.options} is too large for the memory: use "
                f"fewer or smaller layers ({str(error).splitlines()[0]})"
            ) from error

    def _build_custom(self):
        """Call the user's callable, and check what it returns."""
        sizes = {name: getattr(self, name) for name in _SIZES}
        call = f"network({', '.join(f'{name}={size}' for name, size in sizes.items())})"
        try:
            network = self.name(*sizes.values(), **(self.options or {}))
            if not isinstance(network, nn.Module):
                raise TypeError(
                    f"it gives {type(network).__name__}, and must give a torch.nn.Module"
                )
            network = copy_network(network, self.in_channels, self.height, self.width)
            check_network(network, *sizes.values())
        except Exception as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"{call} failed: {error}") from error
        return network


def option_names(network: str | Callable[..., nn.Module]) -> tuple[str, ...]:
    """Return the names of the options that a network takes.

    Parameters
    ----------
    network : str or callable
        A name in `skcnn.networks.NETWORKS`, or a callable, which has no options.

    Returns
    -------
    names : tuple of str
        The keyword arguments other than the size of the images and the number of outputs.

    Examples
    --------
    >>> from skcnn.networks.spec import option_names
    >>> option_names("fast")
    ('channels',)
    """
    if not isinstance(network, str):
        return ()
    return tuple(name for name in signature(NETWORKS[network]).parameters if name not in _SIZES)


def _positive_int(name, value):
    is_int = isinstance(value, Integral) and not isinstance(value, bool)
    if not (is_int and 1 <= value <= MAX_SIZE):
        raise ValueError(f"{name}={value!r} must be a positive integer of at most {MAX_SIZE}")
    return int(value)


def _plain(value):
    if isinstance(value, (list, tuple, np.ndarray)):
        return tuple(_plain(item) for item in value)
    return value.item() if isinstance(value, np.generic) else value
