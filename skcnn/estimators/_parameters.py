"""Parameters of the network of a convolutional estimator, and checks beyond their constraints."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from numbers import Integral, Real
from typing import ClassVar

import torch
from sklearn.callback import FitCallback
from sklearn.utils._param_validation import Interval, StrOptions
from skorch.callbacks import Callback, LRScheduler
from torch import nn

from skcnn._validation import LAYERS, Fractions
from skcnn.networks import NETWORKS, NetworkSpec
from skcnn.networks.activations import ACTIVATIONS
from skcnn.networks.plain import POOLINGS
from skcnn.networks.spec import option_names
from skcnn.training.transforms import resize


@dataclass(eq=False, repr=False)
class NetworkParameters:
    """Parameters that choose and shape a network.

    Parameters
    ----------
    network : str or callable, default="plain"
        Name in `skcnn.networks.NETWORKS`, or a callable ``(in_channels, height, width,
        n_outputs)`` that returns a `torch.nn.Module`. The module maps a float32 tensor of shape
        (n_images, in_channels, height, width) to outputs of shape (n_images, n_outputs): logits
        for classes, standardized targets for numbers.
    channels : "auto" or sequence of int, default="auto"
        Number of channels of each convolution of the plain network, or of each block of the fast
        network. ``()`` is a dense network. "auto" depends on the size of the images for the plain
        network, see `skcnn.networks.automatic_channels`, and is (64, 256, 256) for the fast one.
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
        Dropout rate before each dense layer: one for all, or one for each of `hidden_units` and
        one for the last layer. Plain network only.
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
        "network": [StrOptions(set(NETWORKS)), callable],
        "channels": [StrOptions({"auto"}), LAYERS],
        "kernel_size": [Interval(Integral, 1, None, closed="left")],
        "stride": [Interval(Integral, 1, None, closed="left")],
        "padding": [StrOptions({"same", "valid"})],
        "pooling": [StrOptions(set(POOLINGS)), None],
        "pool_size": [Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "batch_norm": ["boolean"],
        "dropout": [Interval(Real, 0, 1, closed="left"), Fractions()],
        "hidden_units": [LAYERS],
    }

    def _network_spec(self, image_shape, n_outputs):
        """Return the description of the network for images of a shape.

        Raises
        ------
        TypeError
            If `network` is a module instead of a callable that builds one.
        """
        if isinstance(self.network, nn.Module):
            raise TypeError(
                f"network is an instance of {type(self.network).__name__}, which every fit would "
                "train further: give a callable (in_channels, height, width, n_outputs) that "
                "builds one"
            )
        height, width, n_channels = image_shape
        options = {name: getattr(self, name) for name in option_names(self.network)}
        return NetworkSpec(self.network, n_channels, height, width, n_outputs, options)


def check_same_network(spec, fitted):
    """Refuse to continue the training of a network with other network parameters.

    Parameters
    ----------
    spec : NetworkSpec
        Network that the parameters describe.
    fitted : NetworkSpec
        Network that was trained.

    Raises
    ------
    ValueError
        If they differ.
    """
    if spec == fitted:
        return
    before, after = ({"network": s.name, **(s.options or {})} for s in (fitted, spec))
    for name in {**before, **after}:
        if before.get(name) != after.get(name):
            raise ValueError(
                f"the network was built with {name}={before.get(name)!r} and its training cannot "
                f"continue with {after.get(name)!r}: clone the estimator to train a new network"
            )


def check_callbacks(callbacks, schedule):
    """Refuse callbacks that are not skorch's, or that set the learning rate beside a schedule.

    Parameters
    ----------
    callbacks : sequence or None
        Parameter `callbacks` of an estimator.
    schedule : str or None
        Its parameter `schedule`.

    Raises
    ------
    TypeError
        If an element is not a callback of skorch.
    ValueError
        If there are a scheduler and a schedule.
    """
    for item in callbacks or []:
        callback = item[1] if isinstance(item, tuple) else item
        if isinstance(callback, LRScheduler) and schedule is not None:
            raise ValueError(
                f"callbacks contains an LRScheduler, but schedule={schedule!r} sets the learning "
                "rate too: use schedule=None"
            )
        if isinstance(callback, Callback):
            continue
        if isinstance(callback, FitCallback) and not isinstance(callback, type):
            name = type(callback).__name__
            raise TypeError(
                f"{name} is a callback of scikit-learn, but the parameter callbacks takes those of "
                f"skorch: use set_callbacks({name}(...))"
            )
        raise TypeError(
            "callbacks must contain instances of skorch.callbacks.Callback, or pairs of a name and "
            f"one, got {callback!r}"
        )


def check_progressive_resizing(start, image_shape, module):
    """Refuse progressive resizing for a network that takes images of one size only.

    Parameters
    ----------
    start : float
        Parameter `progressive_resizing` of an estimator.
    image_shape : tuple of (int, int, int)
        Height, width and number of channels of the images.
    module : torch.nn.Module
        Network, including the standardization of its input.

    Raises
    ------
    ValueError
        If the module does not take the smallest images.
    """
    if start == 1.0:
        return
    height, width, n_channels = image_shape
    device = next(module.parameters()).device
    images = resize(torch.zeros(2, n_channels, height, width, device=device), start)
    try:
        with torch.no_grad():
            copy.deepcopy(module).eval()(images)
    except Exception as error:
        raise ValueError(
            f"progressive_resizing={start} shrinks images, but the network does not take "
            f"{images.shape[2]} x {images.shape[3]} pixels ({error}): use one that takes any size, "
            'such as network="fast", or 1.0'
        ) from error
