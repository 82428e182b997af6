"""Class activation maps: weighted sums of the feature maps of a layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skcnn.inspection._network import recorded_feature_maps


def grad_cam(network: nn.Module, images: Tensor, columns: Tensor, layer: nn.Module) -> Tensor:
    """Weight feature maps by the means of their gradients.

    Parameters
    ----------
    network : torch.nn.Module
        Network in evaluation mode.
    images : tensor of shape (n_images, n_channels, height, width)
        Images.
    columns : int tensor of shape (n_images,)
        Output to explain of each image.
    layer : torch.nn.Module
        Layer of the network that computes feature maps.

    Returns
    -------
    maps : tensor of shape (n_images, n_rows, n_columns)
        Maps at the resolution of the feature maps.

    References
    ----------
    Selvaraju et al., "Grad-CAM", ICCV 2017 (arXiv 1610.02391), equations 1 and 2.
    """
    features, gradients = _gradients(network, images, columns, layer)
    return _weighted_sum(gradients.mean(dim=(2, 3)), features)


def grad_cam_plus_plus(
    network: nn.Module, images: Tensor, columns: Tensor, layer: nn.Module
) -> Tensor:
    """Weight feature maps by weighted means of their positive gradients.

    Parameters
    ----------
    network, images, columns, layer
        As for `grad_cam`.

    Returns
    -------
    maps : tensor of shape (n_images, n_rows, n_columns)
        Maps at the resolution of the feature maps. The factor exp(output) of all gradients, the
        same for all pixels of an image, is left out.

    References
    ----------
    Chattopadhay et al., "Grad-CAM++", WACV 2018 (arXiv 1710.11063), section 3, for the exponential
    of the output.
    """
    features, gradients = _gradients(network, images, columns, layer)
    positive = gradients.relu()
    # The coefficients of the paper, but numerator and denominator are divided by the square of the
    # gradient, which may underflow. Only positive values of the feature maps are summed, so that
    # the denominator is at least 2 also for activations with negative values.
    alphas = 1 / (2 + features.relu().sum(dim=(2, 3), keepdim=True) * positive)
    return _weighted_sum((alphas * positive).sum(dim=(2, 3)), features)


def pooled_cam(network: nn.Sequential, images: Tensor, columns: Tensor, layer: nn.Module) -> Tensor:
    """Weight feature maps by the weights of a linear head that receives their means.

    Parameters
    ----------
    network : torch.nn.Sequential
        Layers that end in a `Backbone`.
    images, columns, layer
        As for `grad_cam`.

    Returns
    -------
    maps : tensor of shape (n_images, n_rows, n_columns)
        Maps at the resolution of the feature maps.

    Raises
    ------
    ValueError
        If the head does not receive the means of the feature maps.

    References
    ----------
    Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016
    (arXiv 1512.04150), equation 2.
    """
    head = network[-1].stages()[-1]  # type: ignore[operator]
    received: list[Tensor] = []
    with (
        torch.no_grad(),
        head.register_forward_pre_hook(lambda _, inputs: received.append(inputs[0])),
        recorded_feature_maps(layer) as recorded,
    ):
        network(images)
    features = recorded[0]
    means = features.mean(dim=(2, 3))
    if received[-1].shape != means.shape or not torch.allclose(
        received[-1], means, rtol=1e-3, atol=1e-4 * float(means.abs().max())
    ):
        raise ValueError(
            'method="cam" is defined for networks whose last layer receives the mean of each '
            'feature map, such as "resnet18", and this network is another one: use '
            'method="grad_cam", which takes any network with feature maps'
        )
    return _weighted_sum(head.weight[columns], features)


def _gradients(network, images, columns, layer):
    """Return the feature maps of a layer, and the gradients of the outputs with respect to them."""
    with torch.enable_grad():
        with recorded_feature_maps(layer, differentiable=True) as recorded:
            outputs = network(images)
        chosen = outputs.gather(1, columns[:, None]).sum()  # each depends on one image only
        (gradients,) = (
            torch.autograd.grad(chosen, recorded, allow_unused=True)
            if chosen.requires_grad
            else (None,)
        )
    if gradients is None:
        raise ValueError(
            "the outputs of the network do not depend on the feature maps of the layer: choose "
            "another layer"
        )
    return recorded[0].detach(), gradients


def _weighted_sum(weights, features):
    """Return the positive part of the weighted sum of feature maps."""
    return torch.einsum("nc,nchw->nhw", weights, features).relu()
