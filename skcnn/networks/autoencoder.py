"""The autoencoder: an encoder that compresses images, and a decoder that reconstructs them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from numbers import Integral

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from torch import nn

from skcnn._validation import MAX_SIZE, PositiveInts
from skcnn.networks.blocks import conv_norm
from skcnn.networks.plain import SIZES, automatic_channels
from skcnn.networks.pooling import FlattenChannelsLast, UnflattenChannelsLast

# Constraints of the options, also for the parameters of the estimator.
CONSTRAINTS = {
    "n_components": [Interval(Integral, 1, MAX_SIZE, closed="both"), None],
    "channels": [StrOptions({"auto"}), PositiveInts()],
}
_UNCOMPRESSED = (64, 64)  # measured in docs/benchmarks/unsupervised.rst


class AutoencoderNetwork(nn.Module):
    """Convolutional autoencoder: an encoder with stride 2, and a decoder with upsampling.

    There are no skip connections between the encoder and the decoder.

    Parameters
    ----------
    in_channels : int
        The number of channels of the images.
    height, width : int
        The size of the images in pixels.
    n_outputs : int
        The number of values of a reconstructed image: height x width x number of channels.
    n_components : int, default=32
        The number of values of a code. With None, the code consists of the feature maps of the
        encoder. It then has ``channels[-1] / 4 ** len(channels)`` values for each pixel of an
        image, if height and width are multiples of ``2 ** len(channels)``.
    channels : "auto" or sequence of int, default="auto"
        The number of channels of each block of the encoder. Each block halves height and width. The
        decoder has the same blocks in reverse order. "auto" is the result of `automatic_channels`,
        or (64, 64) if `n_components` is None.

    Attributes
    ----------
    n_components : int
        The number of values of a code. It is an integer even if the argument is None.

    Raises
    ------
    ValueError
        If an argument is invalid, or `n_outputs` is not a multiple of the number of pixels.

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks import AutoencoderNetwork
    >>> network = AutoencoderNetwork(3, 32, 32, n_outputs=3 * 32 * 32, n_components=10)
    >>> images = torch.zeros(5, 3, 32, 32)
    >>> network.features(images).shape
    torch.Size([5, 10])
    >>> network(images).shape
    torch.Size([5, 3072])
    """

    statistics = None  # the weights are trained from scratch
    cam_layer = None

    @validate_params(
        {**SIZES, **CONSTRAINTS, "channels": [*CONSTRAINTS["channels"], np.ndarray]},
        prefer_skip_nested_validation=True,
    )
    def __init__(
        self,
        in_channels: int,
        height: int,
        width: int,
        n_outputs: int,
        *,
        n_components: int | None = 32,
        channels: str | Sequence[int] = "auto",
    ) -> None:
        super().__init__()
        out_channels, rest = divmod(n_outputs, height * width)
        if rest:
            raise ValueError(
                f"n_outputs={n_outputs} must be a multiple of the number of pixels, "
                f"{height} x {width}"
            )
        n_maps = _channels(channels, n_components, height, width)
        sizes: list[tuple[int, ...]] = [(height, width)]
        for _ in n_maps:
            sizes.append(tuple(-(-axis // 2) for axis in sizes[-1]))
        encoder: list[nn.Module] = [
            conv_norm(n_in, n_out, 3, 2, activation=nn.ReLU)
            for n_in, n_out in pairwise((in_channels, *n_maps))
        ]
        shape = (*sizes[-1], n_maps[-1])
        encoder.append(FlattenChannelsLast())
        self.n_components = n_components or prod(shape)
        decoder: list[nn.Module] = []
        if n_components is not None:
            encoder.append(nn.Linear(prod(shape), n_components))
            decoder += [nn.Linear(n_components, prod(shape)), nn.ReLU()]
        decoder.append(UnflattenChannelsLast(*shape))
        for size, (n_in, n_out) in zip(
            sizes[-2::-1], pairwise((*reversed(n_maps), n_maps[0])), strict=True
        ):
            decoder += [nn.Upsample(size), conv_norm(n_in, n_out, 3, activation=nn.ReLU)]
        decoder += [nn.Conv2d(n_maps[0], out_channels, 3, padding=1), FlattenChannelsLast()]
        self.encoder = nn.Sequential(*encoder)
        self.decoder = nn.Sequential(*decoder)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Encode and decode images.

        Parameters
        ----------
        images : tensor of shape (n_images, n_channels, height, width)
            Standardized images.

        Returns
        -------
        outputs : tensor of shape (n_images, n_outputs)
            Standardized values of the reconstructed images, channels last.
        """
        return self.decoder(self.encoder(images))

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Encode images.

        Parameters
        ----------
        images : tensor of shape (n_images, n_channels, height, width)
            Standardized images.

        Returns
        -------
        codes : tensor of shape (n_images, n_components)
            Codes.
        """
        return self.encoder(images)

    def stages(self) -> list[nn.Module]:
        """Return the parts of the network in order.

        Returns
        -------
        stages : list of torch.nn.Module
            The encoder and the decoder. Calling them one after the other computes the outputs.
        """
        return [self.encoder, self.decoder]


def _channels(channels, n_components, height, width):
    """Return the number of channels of each block of the encoder."""
    if not isinstance(channels, str):
        if len(channels) == 0:
            raise ValueError("channels=() leaves no layer: give the channels of at least one block")
        return tuple(channels)
    return _UNCOMPRESSED if n_components is None else automatic_channels(height, width)
