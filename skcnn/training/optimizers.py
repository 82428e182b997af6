"""The optimizers by name, each with the options that go with it."""

import torch

from skcnn.training.muon import Muon

OPTIMIZERS = {
    "adam": (torch.optim.Adam, {"fused": True}),
    "adamw": (torch.optim.AdamW, {"weight_decay": 0.5, "fused": True}),
    "muon": (Muon, {}),
    "rmsprop": (torch.optim.RMSprop, {}),
    "sgd": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "fused": True}),
}

_FEW_INPUTS = 2048


def parameter_groups(module, optimizer):
    """Group the weights of a module by the size of their steps.

    Adam moves every weight about as far, so that a dense layer's outputs change in proportion to
    its inputs. One with more than 2,048 inputs therefore takes steps that are smaller in that
    proportion (Yang et al., "Tensor Programs V", NeurIPS 2021, arXiv 2203.03466, table 3). Those
    of SGD are proportional to the gradients and stay.

    Parameters
    ----------
    module : torch.nn.Module
        Whose weights.
    optimizer : type
        What steps.

    Returns
    -------
    groups : list of dict
        As torch's optimizers take them; "lr_scale" is what the learning rate is multiplied by.
    """
    scales = {}
    if not issubclass(optimizer, torch.optim.SGD):
        scales = {
            layer.weight: _FEW_INPUTS / layer.in_features
            for layer in module.modules()
            if isinstance(layer, torch.nn.Linear) and layer.in_features > _FEW_INPUTS
        }
    usual = [param for param in module.parameters() if param not in scales]
    wide = [{"params": [weight], "lr_scale": scale} for weight, scale in scales.items()]
    return [{"params": usual, "lr_scale": 1.0}, *wide]
