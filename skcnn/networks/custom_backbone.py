"""Networks of the user as backbones: their head, its input, and their stages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import get_ident

import torch
from torch import Tensor, nn

from skcnn.networks.backbone import Backbone, Statistics
from skcnn.networks.stages import split_network

_N_IMAGES = 4  # number of random images with which the head is found


def as_backbone(
    network: nn.Module, in_channels: int, height: int, width: int, n_outputs: int
) -> nn.Module:
    """Return a network or a wrapper of it, so that it follows the `Backbone` protocol.

    The head is the last `torch.nn.Linear` with `n_outputs` outputs that the network calls. Its
    outputs must be the outputs of the network.

    Parameters
    ----------
    network : torch.nn.Module
        Network. Its attribute `statistics`, a `Statistics`, contains the scale, mean and standard
        deviation of the pixel values that the weights expect. Without the attribute, images are
        standardized with the statistics of the training images.
    in_channels : int
        The number of channels of the images.
    height, width : int
        The size of the images in pixels.
    n_outputs : int
        The number of outputs.

    Returns
    -------
    backbone : torch.nn.Module
        The network itself if it follows the protocol. Otherwise, a module that contains the network
        as its child "network", so that the names of the weights start with "network.".

    Raises
    ------
    TypeError
        If the attribute `statistics` of the network is not a `Statistics`.
    ValueError
        If the network does not end with a head, or if the numbers of channels of its statistics and
        of the images differ.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from skcnn.networks import as_backbone
    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(48, 7), nn.ReLU(), nn.Linear(7, 2))
    >>> backbone = as_backbone(network, 3, 4, 4, n_outputs=2)
    >>> backbone.features(torch.zeros(5, 3, 4, 4)).shape
    torch.Size([5, 7])
    >>> backbone.output
    Linear(in_features=7, out_features=2, bias=True)
    """
    if isinstance(network, Backbone):
        return network
    return CustomBackbone(network, in_channels, height, width, n_outputs)


class CustomBackbone(nn.Module):
    """Network of the user that follows the `Backbone` protocol.

    Parameters
    ----------
    network : torch.nn.Module
        Network.
    in_channels : int
        The number of channels of the images.
    height, width : int
        The size of the images in pixels.
    n_outputs : int
        The number of outputs.

    Attributes
    ----------
    statistics : Statistics or None
        Attribute `statistics` of the network, the statistics of the pixel values that its weights
        expect. None if it has no such attribute.
    """

    def __init__(
        self, network: nn.Module, in_channels: int, height: int, width: int, n_outputs: int
    ) -> None:
        super().__init__()
        self.statistics = _statistics(network, in_channels)
        self.network = network
        generator = torch.Generator().manual_seed(0)
        images = torch.rand(_N_IMAGES, in_channels, height, width, generator=generator)
        like = next(network.parameters(), images)
        images = images.to(like.device, like.dtype)
        self._head_name, self._cam_layer_name = _find_layers(network, images, n_outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Compute the outputs.

        Parameters
        ----------
        images : tensor of shape (n_images, n_channels, height, width)
            Standardized images.

        Returns
        -------
        outputs : tensor of shape (n_images, n_outputs)
            Logits of the classes or labels, or standardized targets.
        """
        return self.network(images)

    def features(self, images: Tensor) -> Tensor:
        """Compute the input of the head. Several threads may call this at the same time.

        Parameters
        ----------
        images : tensor of shape (n_images, n_channels, height, width)
            Standardized images.

        Returns
        -------
        features : tensor of shape (n_images, n_features)
            Features.
        """
        inputs: list[Tensor] = []
        thread = get_ident()

        def record(layer: nn.Module, args: tuple) -> None:
            if get_ident() == thread:
                inputs.append(args[0])

        with self.output.register_forward_pre_hook(record):
            self.network(images)
        return inputs[-1]

    def stages(self) -> list[nn.Module]:
        """Return the parts of the network in order, from the input to the head.

        Returns
        -------
        stages : list of torch.nn.Module
            For a `torch.nn.Sequential` that ends with the head, its layers with parameters, each
            joined with the layers without parameters that follow it; calling the stages one after
            the other computes the outputs. For any other network, two stages: one with all
            parameters outside the head, which cannot be called, and the head.
        """
        layers = [self.network]
        while type(layers[-1]) is nn.Sequential:
            layers[-1:] = layers[-1]
        if layers[-1] is self.output:
            return [*_joined(layers[:-1]), self.output]
        own = set(self.output.parameters())
        stage_of = {value: int(value in own) for value in self.network.parameters()}
        return [*split_network(self.network, stage_of, self.output)[:-1], self.output]

    @property
    def output(self) -> nn.Linear:
        """The last layer, the head."""
        return self.network.get_submodule(self._head_name)  # type: ignore[return-value]

    @property
    def cam_layer(self) -> nn.Module | None:
        """The last layer whose outputs are feature maps of more than one pixel."""
        name = self._cam_layer_name
        return None if name is None else self.network.get_submodule(name)


def _statistics(network, in_channels):
    """Return the attribute `statistics` of a network, or raise an error if it is invalid."""
    statistics = getattr(network, "statistics", None)
    if statistics is None:
        return None
    if not isinstance(statistics, Statistics):
        raise TypeError(
            f"the attribute statistics of the network is {statistics!r}, but must be a "
            "skcnn.networks.Statistics or None"
        )
    for name in ("mean", "deviation"):
        n_values = len(getattr(statistics, name))
        if n_values != in_channels:
            raise ValueError(
                f"the statistics of the network have a {name} of {n_values} channels, but the "
                f"images have {in_channels} channels: give one value for each channel of the images"
            )
    return statistics


@torch.no_grad()
def _find_layers(network, images, n_outputs):
    """Return the names of the head and of the last layer with feature maps, or None for that."""
    heads, maps, following = [], [], []

    def record(name):
        def hook(layer, args, outputs):
            if isinstance(layer, nn.Linear) and layer.out_features == n_outputs:
                heads.append((name, outputs.clone()))  # later layers may change it in place
                following.clear()
            elif isinstance(outputs, Tensor) and outputs.ndim == 4 and outputs[0, 0].numel() > 1:
                maps.append(name)
            elif not (isinstance(layer, nn.Identity) or [*layer.children()]):
                following.append(name)

        return hook

    with ExitStack() as stack:
        stack.enter_context(_evaluation(network))
        for name, layer in network.named_modules():
            if name:
                stack.enter_context(layer.register_forward_hook(record(name)))
        outputs = network(images)
    name, expected = heads[-1] if heads else (None, None)
    # Equal outputs alone do not show that the layer is the head: an activation such as ReLU after
    # it does not change outputs that are all positive.
    is_head = name is not None and not following and isinstance(outputs, Tensor)
    if not (is_head and torch.equal(expected, outputs)):
        raise ValueError(
            f"the outputs of the network are not those of a torch.nn.Linear layer with {n_outputs} "
            "outputs, which is needed as the head: end the network with such a layer, or give it "
            "the attributes and methods of skcnn.networks.Backbone"
        )
    return name, maps[-1] if maps else None


@contextmanager
def _evaluation(network: nn.Module) -> Iterator[None]:
    """Set a network to evaluation mode in the context."""
    training = [layer for layer in network.modules() if layer.training]
    network.eval()
    try:
        yield
    finally:
        for layer in training:
            layer.training = True


def _joined(layers):
    """Join each layer without parameters with the one before it, or the first with the next one."""
    groups = [[]]
    for layer in layers:
        if _has_parameters(layer) and any(map(_has_parameters, groups[-1])):
            groups.append([])
        groups[-1].append(layer)
    return [group[0] if len(group) == 1 else nn.Sequential(*group) for group in groups if group]


def _has_parameters(layer):
    return next(layer.parameters(), None) is not None
