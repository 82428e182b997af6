"""Parameters of the network of a convolutional estimator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, fields
from typing import ClassVar

from torch import nn

from skcnn.networks import NETWORKS, NetworkSpec
from skcnn.networks.names import unknown_name
from skcnn.networks.plain import CONSTRAINTS
from skcnn.networks.spec import option_names
from skcnn.networks.timm_models import PREFIX

# Parameters that a plain network without convolutions does not use.
_CONVOLUTIONS = ("kernel_size", "stride", "padding", "pooling", "pool_size", "batch_norm")


@dataclass(eq=False, repr=False)
class NetworkParameters:
    """Parameters of the network architecture.

    Parameters
    ----------
    network : str or callable, default="plain"
        "plain", "fast", a backbone in `skcnn.networks.BACKBONES` such as "resnet18", which is
        trained from random weights, or a callable ``(in_channels, height, width, n_outputs)`` that
        returns a `torch.nn.Module`. The module maps a float32 tensor of shape
        (n_images, in_channels, height, width) to outputs of shape (n_images, n_outputs): logits
        for a classifier, standardized targets for a regressor. The parameters from `channels` to
        `hidden_units` must have their default values if the network does not use them.
    channels : "auto" or sequence of int, default="auto"
        Number of channels of each convolution of the plain network, or of each block of the fast
        network. ``()`` makes the plain network a dense network. "auto" is (64, 256, 256) for the
        fast network. For the plain network it depends on the size of the images: see
        `skcnn.networks.automatic_channels`.
    kernel_size : int, default=3
        Height and width of the convolutions, in pixels. Plain network only.
    stride : int, default=1
        Stride of the convolutions, in pixels. Plain network only.
    padding : {"same", "valid"}, default="same"
        Padding of the convolutions: "same" adds zeros, so that a convolution of stride 1 keeps the
        size of the image, and "valid" adds none. Plain network only.
    pooling : {"max", "avg"} or None, default="max"
        Pooling at the end of each block. An axis shorter than the window is not pooled. Plain
        network only.
    pool_size : int, default=2
        Window and stride of the pooling, in pixels. Plain network only.
    activation : {"elu", "gelu", "leaky_relu", "relu", "silu", "tanh"}, default="relu"
        Activation function. Plain network only.
    batch_norm : bool, default=True
        Whether batch normalization follows each convolution. Plain network only.
    dropout : float or sequence of float, default=0.3
        Dropout rate before the dense layers: one number for all of them, or a sequence with one
        for each of `hidden_units` and one for the last layer. Plain network only.
    hidden_units : sequence of int, default=(128,)
        Sizes of the dense layers before the last one. Plain network only.
    """

    network: str | Callable[[int, int, int, int], nn.Module] = "plain"
    _: KW_ONLY
    channels: str | Sequence[int] = "auto"
    kernel_size: int = 3
    stride: int = 1
    padding: str = "same"
    pooling: str | None = "max"
    pool_size: int = 2
    activation: str = "relu"
    batch_norm: bool = True
    dropout: float | Sequence[float] = 0.3
    hidden_units: Sequence[int] = (128,)

    _parameter_constraints: ClassVar[dict] = {
        "network": [str, callable],
        **CONSTRAINTS,
    }

    def _network_spec(self, image_shape, n_outputs):
        """Return the description of the network for images of the given shape.

        Raises
        ------
        TypeError
            If `network` is a module instead of a callable that builds one.
        ValueError
            If there is no network of this name, or a parameter that it does not use is set.
        """
        if isinstance(self.network, nn.Module):
            raise TypeError(
                f"network is an instance of {type(self.network).__name__}, so that each fit would "
                "continue the training of the previous one: give a callable (in_channels, height, "
                "width, n_outputs) that builds one"
            )
        if isinstance(self.network, str) and self.network not in NETWORKS:
            raise ValueError(self._unknown_network())
        self._check_unused()
        height, width, n_channels = image_shape
        options = {name: getattr(self, name) for name in option_names(self.network)}
        return NetworkSpec(self.network, n_channels, height, width, n_outputs, options)

    def _unknown_network(self):
        """Return the error message about a name that is not a network."""
        if not self.network.startswith(PREFIX):
            return unknown_name(self.network, NETWORKS, kind="network")
        other = type(self).__name__.replace("CNN", "Transfer")
        return (
            f"network={self.network!r} is a model of timm: use {other}({self.network!r}, "
            "weights=None) to train it from random weights"
        )

    def _check_unused(self):
        """Raise an error if a parameter that the network does not use is set."""
        defaults = {field.name: field.default for field in fields(self)}
        names = [field.name for field in fields(NetworkParameters) if field.name != "network"]
        used, network = self._used_parameters()
        unused = [
            name
            for name in names
            if name not in used and _comparable(getattr(self, name)) != defaults[name]
        ]
        if unused:
            given = " and ".join(f"{name}={getattr(self, name)!r}" for name in unused)
            verb, pronoun = ("has", "it") if len(unused) == 1 else ("have", "them")
            raise ValueError(
                f"{given} {verb} no effect on {network}: remove {pronoun}, or choose a network "
                f"that uses {pronoun}"
            )

    def _used_parameters(self):
        """Return the names of the parameters that the network uses, and a description of it."""
        used = option_names(self.network)
        if callable(self.network):
            return used, "a network that is a callable"
        if self.network == "plain" and len(self.channels) == 0:
            off = [name for name in _CONVOLUTIONS if getattr(self, name) in (None, False)]
            used = tuple(name for name in used if name not in _CONVOLUTIONS or name in off)
            return used, f"network={self.network!r} with channels={self.channels!r}"
        if self.network == "plain" and self.pooling is None:
            used = tuple(name for name in used if name != "pool_size")
            return used, f"network={self.network!r} with pooling=None"
        return used, f"network={self.network!r}"


def _comparable(value):
    return tuple(value) if isinstance(value, list) else value
