"""Base of the backbones: features, stages, weights and the least size of images."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from skcnn.networks.backbone import Statistics
from skcnn.networks.blocks import apply_layers

kaiming_fan_out = partial(nn.init.kaiming_normal_, mode="fan_out", nonlinearity="relu")
normal_001 = partial(nn.init.normal_, std=0.01)


class BackboneNetwork(nn.Module):
    """Base of the networks with official pretrained weights.

    A subclass defines `features` (a method or a `FeatureLayers`), the method `_parts` and the
    property `cam_layer`. Its parameters have the names of the official checkpoint.

    Attributes
    ----------
    statistics : Statistics or None
        Statistics of the pixel values that the weights expect. None if the weights are not
        pretrained.
    """

    statistics: Statistics | None = None
    features: Callable[[Tensor], Tensor]

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
        return self.output(self.features(images))

    def _parts(self) -> list[list[nn.Module]]:
        """Return the layers in order, grouped by stage; the last group is the head alone."""
        raise NotImplementedError

    def stages(self) -> list[nn.Module]:
        """Return the parts of the network in order, from the input to the head.

        Returns
        -------
        stages : list of torch.nn.Module
            Parts with parameters, mostly one for each resolution; the last one is the head. Calling
            one after the other computes the outputs.
        """
        return [part[0] if len(part) == 1 else nn.Sequential(*part) for part in self._parts()]

    @property
    def output(self) -> nn.Linear:
        """The last layer, the head."""
        return self._parts()[-1][0]  # type: ignore[return-value]

    @property
    def cam_layer(self) -> nn.Module:
        """The last layer whose outputs are feature maps."""
        raise NotImplementedError


class FeatureLayers(nn.Sequential):
    """Layers that are named "features" in official checkpoints.

    `forward` computes the input of the head: it applies these layers, and then those of
    `following`.

    Parameters
    ----------
    *layers : torch.nn.Module
        Layers that compute feature maps.

    Attributes
    ----------
    following : tuple of torch.nn.Module
        Layers of the network between the feature maps and the head. The last layer of a
        `torch.nn.ModuleList` is the head, and is not applied.
    """

    following: tuple[nn.Module, ...] = ()

    def forward(self, images: Tensor) -> Tensor:
        """Compute the features.

        Parameters
        ----------
        images : tensor of shape (n_images, n_channels, height, width)
            Standardized images.

        Returns
        -------
        features : tensor of shape (n_images, n_features)
            Features.
        """
        return apply_layers([*self, *self.following_layers()], images)

    def following_layers(self) -> list[nn.Module]:
        """Return the layers of `following`, without the head.

        Returns
        -------
        layers : list of torch.nn.Module
            Layers.
        """
        layers: list[nn.Module] = []
        for layer in self.following:
            layers += list(layer)[:-1] if isinstance(layer, nn.ModuleList) else [layer]
        return layers


def initialize(
    network: nn.Module,
    conv: Callable[[Tensor], Tensor] = kaiming_fan_out,
    dense: Callable[[Tensor], Tensor] = normal_001,
) -> None:
    """Draw the weights of convolutions and dense layers, and set their biases to zero.

    Parameters
    ----------
    network : torch.nn.Module
        Network.
    conv, dense : callable, default=kaiming_fan_out and normal_001
        Functions that draw the weights of convolutions and of dense layers in place, by default
        from normal distributions: that of He et al. 2015 (arXiv 1502.01852) for the number of
        outputs, and one with a standard deviation of 0.01.
    """
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            (conv if isinstance(layer, nn.Conv2d) else dense)(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def check_least_size(network: nn.Module, height: int, width: int, least: int) -> None:
    """Raise an error if images are too small for a network.

    Raises
    ------
    ValueError
        If the height or the width is less than `least`.
    """
    if min(height, width) < least:
        raise ValueError(
            f"images of {height} x {width} pixels are too small for {type(network).__name__}: give "
            f"images of at least {least} x {least} pixels, or choose another network"
        )
