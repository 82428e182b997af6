"""Description of a network, from which its module can be rebuilt."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import signature
from itertools import chain
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from skcnn._validation import MAX_SIZE
from skcnn.networks.autoencoder import AutoencoderNetwork
from skcnn.networks.backbones import BACKBONES, backbone_info
from skcnn.networks.custom import check_network, copy_network
from skcnn.networks.custom_backbone import as_backbone
from skcnn.networks.fast import FastNetwork
from skcnn.networks.layers import ResizeInput, Standardize
from skcnn.networks.names import unknown_name
from skcnn.networks.plain import PlainNetwork
from skcnn.networks.pretrained import StandardizeGray, check_pretrained_channels, load_pretrained
from skcnn.networks.timm_models import PREFIX
from skcnn.settings import fixed_settings

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "fast": FastNetwork,
    "plain": PlainNetwork,
    **{name: info.builder for name, info in BACKBONES.items()},
}
# Also networks that reconstruct images, which `NETWORKS` does not contain.
_BUILDERS = {**NETWORKS, "autoencoder": AutoencoderNetwork}
_SIZES = ("in_channels", "height", "width", "n_outputs")


@dataclass(frozen=True)
class NetworkSpec:
    """Everything that is needed to build a network, apart from the values of its weights.

    The spec of a network of this package holds only plain data. The spec of a custom network also
    holds the callable that builds it.

    Parameters
    ----------
    name : str or callable
        A name in `skcnn.networks.NETWORKS`, "autoencoder", "timm/" and the name of a model of timm,
        or a callable ``(in_channels, height, width, n_outputs) -> torch.nn.Module``.
    in_channels : int
        The number of channels of the images.
    height, width : int
        The size of the images in pixels.
    n_outputs : int
        The number of outputs: classes, labels, regression targets, or values of a reconstructed
        image.
    options : mapping of {str: object}, default=None
        Further keyword arguments of the network. Lists and arrays are stored as tuples, and None as
        an empty mapping.
    weights : str or path, default=None
        Pretrained weights of a backbone: "imagenet" for the official ones, which timm downloads for
        its models, or the path of a file. The path is stored as a string. None means that the
        network is trained from scratch. The weights of a head in the file are always ignored.
    input_size : tuple of (int, int), default=None
        Height and width in pixels to which the module resizes images before the network. None
        keeps their size.
    backbone : bool, default=False
        Whether the network that a callable returns is passed to `as_backbone`, so that it follows
        the `Backbone` protocol. The networks of this package always follow it.

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
    input_size: tuple[int, int] | None = None
    backbone: bool = False

    def __post_init__(self) -> None:
        """Store plain Python values."""
        for name in _SIZES:
            object.__setattr__(self, name, _positive_int(name, getattr(self, name)))
        options = {name: _plain(value) for name, value in (self.options or {}).items()}
        object.__setattr__(self, "options", options)
        if self.weights is not None:
            object.__setattr__(self, "weights", os.fspath(self.weights))
        if self.input_size is not None:
            height, width = (_positive_int("input_size", axis) for axis in self.input_size)
            object.__setattr__(self, "input_size", (height, width))

    @fixed_settings()
    def build(self, *, pretrained: bool = False, progress: bool = False) -> nn.Module:
        """Build the module with random weights, or with pretrained ones.

        Parameters
        ----------
        pretrained : bool, default=False
            Whether to load the pretrained weights that `weights` names. The weights of the head are
            random. False builds the same module with random weights, into which the saved weights
            of a fitted network can be loaded without the pretrained ones.
        progress : bool, default=False
            Whether a download shows its progress.

        Returns
        -------
        module : torch.nn.Sequential
            The layers "standardize", "resize" if there is an `input_size`, and "network"; in
            float32, with weights in channels-last memory format. "standardize" is a `Standardize`
            with mean 0 and scale 1. If there are `weights`, it has the statistics that they expect
            for pixel values from 0 to 255, and repeats the channel of gray images three times.

        Raises
        ------
        ImportError
            If the pretrained weights come with a package that is not installed, or timm is needed
            and cannot be imported.
        OSError
            If the pretrained weights do not exist or cannot be downloaded.
        TypeError
            If a callable given as `name` does not return a module.
        ValueError
            If a callable given as `name` fails, or its module fails on images, does not return
            `n_outputs` outputs, cannot be trained or has no head for a backbone; if the network is
            too large for the memory; if the name of the network or of the weights is unknown; if
            the images are too small for a backbone; if the pretrained weights cannot be read or are
            those of another network, or the number of channels is neither 1 nor 3 with them.
        """
        return self._build(load=pretrained, progress=progress)

    @fixed_settings()
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the weights of the module, without allocating memory for them.

        Returns
        -------
        shapes : dict of {str: tuple of int}
            The shape of each weight, by its name in the state dict of the module.

        Raises
        ------
        ValueError
            If the name of the network is unknown, or the images are too small for a backbone.
        """
        with torch.device("meta"), _NoRandomValues():
            state = self._build().state_dict()
        return {name: tuple(value.shape) for name, value in state.items()}

    def _build(self, *, load=False, progress=False):
        standardize = Standardize([0.0] * self.in_channels, [1.0] * self.in_channels)
        if not isinstance(self.name, str):
            network = self._build_custom()
        elif self.weights is None:
            network = self._build_named(self.in_channels)
        else:
            standardize, network = self._build_with_weights(load=load, progress=progress)
        resize = {} if self.input_size is None else {"resize": ResizeInput(*self.input_size)}
        layers = OrderedDict(standardize=standardize, **resize, network=network)
        module = nn.Sequential(layers).float()
        for tensor in chain(module.parameters(), module.buffers()):
            if tensor.ndim == 4:  # module.to refuses other kernels, such as those of Conv3d
                tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
        return module

    def _network_size(self):
        """Return the height and width of the images that enter the network."""
        return self.input_size or (self.height, self.width)

    def _build_named(self, in_channels):
        if self.name in _BUILDERS:
            builder = _BUILDERS[self.name]
        elif self.name.startswith(PREFIX):
            builder = backbone_info(self.name).builder
        else:
            raise ValueError(unknown_name(self.name, NETWORKS, kind="network"))
        sizes = (in_channels, *self._network_size(), self.n_outputs)
        try:
            return builder(*sizes, **(self.options or {}))
        except RuntimeError as error:  # PyTorch cannot allocate the weights
            raise ValueError(
                f"the network {self.name!r} with {self.options} is too large for the memory: use "
                f"fewer or smaller layers ({str(error).splitlines()[0]})"
            ) from error

    def _build_with_weights(self, *, load, progress):
        """Build a backbone for the images that its pretrained weights expect."""
        if self.name in NETWORKS and self.name not in BACKBONES:
            raise ValueError(f"the network {self.name!r} has no weights named {self.weights!r}")
        statistics = backbone_info(self.name).statistics
        check_pretrained_channels(self.name, self.in_channels)
        network = self._build_named(len(statistics.mean))
        network.statistics = statistics
        if load:
            load_pretrained(network, self.name, self.weights, progress=progress)
        kind = StandardizeGray if self.in_channels == 1 else Standardize
        mean, deviation = (statistics.scale * np.array(part) for part in statistics[1:])
        return kind(mean, deviation), network

    def _build_custom(self):
        """Call the user's callable, and check what it returns."""
        if self.weights is not None:
            raise ValueError(
                f"weights={self.weights!r} needs the name of a backbone, but the network is built "
                "by a callable: load weights in the callable, or use the name of a backbone"
            )
        size = (self.in_channels, *self._network_size(), self.n_outputs)
        sizes = dict(zip(_SIZES, size, strict=True))
        call = f"network({', '.join(f'{name}={size}' for name, size in sizes.items())})"
        try:
            network = self.name(*size, **(self.options or {}))
            if not isinstance(network, nn.Module):
                raise TypeError(
                    f"it returns {type(network).__name__}, but must return a torch.nn.Module"
                )
            network = copy_network(network, *size[:3])
            check_network(network, *size)
            if self.backbone:
                network = as_backbone(network, *size)
        except MemoryError:
            raise
        except Exception as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"{call} failed: {error}") from error
        return network


class _NoRandomValues(TorchFunctionMode):
    """Skip the random initialization of tensors.

    Tensors on the device "meta" have no values, but the first random initialization on this device
    takes a second in PyTorch.
    """

    _RANDOM = ("normal_", "uniform_")

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func.__name__ in self._RANDOM:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def option_names(network: str | Callable[..., nn.Module]) -> tuple[str, ...]:
    """Return the names of the options that a network takes.

    Parameters
    ----------
    network : str or callable
        A name in `skcnn.networks.NETWORKS` or of a model of timm, or a callable. Callables,
        backbones and models of timm have no options.

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
    if not isinstance(network, str) or network in BACKBONES or network.startswith(PREFIX):
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
