"""Fold batch normalizations into convolutions, in a network that remains differentiable."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norms(module: nn.Module) -> None:
    """Replace batch normalizations that follow a convolution by other weights of the convolution.

    Outputs and gradients with respect to the input remain the same, and take less time. Layers are
    folded where the order of the computation is known: within a `torch.nn.Sequential`, for layers
    without hooks.

    Parameters
    ----------
    module : torch.nn.Module
        Module in evaluation mode, which is changed.

    Examples
    --------
    >>> import copy, torch
    >>> from skcnn.networks import PlainNetwork
    >>> from skcnn.networks.folding import fold_batch_norms
    >>> network, images = PlainNetwork(3, 8, 8, n_outputs=2).eval(), torch.rand(5, 3, 8, 8)
    >>> folded = copy.deepcopy(network)
    >>> fold_batch_norms(folded)
    >>> bool(torch.allclose(folded(images), network(images), atol=1e-5))
    True
    >>> any(isinstance(layer, torch.nn.BatchNorm2d) for layer in folded.modules())
    False
    """
    for parent in list(module.modules()):
        if type(parent) is not nn.Sequential:
            continue
        for (name, layer), (next_name, norm) in pairwise(parent._modules.items()):
            if _can_fold(layer, norm):
                convolution = cast(nn.Conv2d, layer)
                parent._modules[name] = fuse_conv_bn_eval(convolution, cast(nn.BatchNorm2d, norm))
                parent._modules[next_name] = nn.Identity()


def _can_fold(layer, norm):
    return (
        type(layer) is nn.Conv2d
        and isinstance(norm, nn.BatchNorm2d)
        and norm.running_mean is not None
        and not norm.training
        and not any(one._forward_hooks or one._forward_pre_hooks for one in (layer, norm))
    )
