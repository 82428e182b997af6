"""Maps of single pixels, computed by captum: saliency and integrated gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from skcnn.inspection._network import mean_pixel

_N_STEPS = 50  # of the path of integrated gradients, captum's default


def saliency(network: nn.Module, images: Tensor, columns: Tensor) -> Tensor:
    """Compute the largest absolute gradient of an output with respect to the channels of a pixel.

    Parameters
    ----------
    network : torch.nn.Module
        Network in evaluation mode.
    images : tensor of shape (n_images, n_channels, height, width)
        Images.
    columns : int tensor of shape (n_images,)
        Output to explain of each image.

    Returns
    -------
    maps : tensor of shape (n_images, height, width)
        Maps.

    References
    ----------
    Simonyan et al., "Deep Inside Convolutional Networks", ICLR workshop 2014 (arXiv 1312.6034),
    section 3.1.
    """
    images = images.detach().clone().requires_grad_()  # captum warns if it does this
    return _captum().Saliency(network).attribute(images, target=columns).detach().amax(dim=1)


def integrated_gradients(
    network: nn.Module, images: Tensor, columns: Tensor, *, batch_size: int
) -> Tensor:
    """Integrate the gradients of an output on the straight path from the mean pixel to the image.

    Parameters
    ----------
    network, images, columns
        As for `saliency`.
    batch_size : int
        Number of images that the network gets at a time.

    Returns
    -------
    maps : tensor of shape (n_images, height, width)
        Integral times the difference of the pixels, summed over the channels. The sum of a map is
        the difference of the outputs for the image and for the mean pixel everywhere, but for the
        error of the numerical integration.

    References
    ----------
    Sundararajan et al., "Axiomatic Attribution for Deep Networks", ICML 2017 (arXiv 1703.01365),
    sections 3 and 5.
    """
    attributions = (
        _captum()
        .IntegratedGradients(network)
        .attribute(
            images,
            baselines=mean_pixel(network).expand_as(images),
            target=columns,
            n_steps=_N_STEPS,
            internal_batch_size=max(batch_size, len(images)),
        )
    )
    return torch.as_tensor(attributions).detach().float().sum(dim=1)


def _captum() -> Any:
    """Import captum.attr, or raise an ImportError that names the extra to install."""
    try:
        import captum.attr
    except ImportError as error:
        raise ImportError(
            'method="saliency" and method="integrated_gradients" require captum: pip install '
            f'"skcnn[explain]" ({error})'
        ) from error
    return captum.attr
