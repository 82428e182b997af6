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


def parameter_groups(module, learning_rate):
    """Group the weights of a module by the size of their steps.

    A step changes a dense layer's outputs in proportion to the number of its inputs, be it one of
    SGD or of Adam. A layer with more than 2,048 inputs therefore takes steps that are smaller in
    that proportion (Yang et al., "Tensor Programs V", NeurIPS 2021, arXiv 2203.03466, table 3,
    where more inputs come with as many outputs as before). A weight that is computed from others,
    as by `torch.nn.utils.parametrizations`, leaves those their full steps.

    Parameters
    ----------
    module : torch.nn.Module
        Whose weights.
    learning_rate : float
        The step size of most of them.

    Returns
    -------
    groups : list of dict
        As torch's optimizers take them; "lr_scale" is their "lr" over `learning_rate`.
    """
    scales = {}
    for layer in module.modules():
        if isinstance(layer, torch.nn.Linear) and layer.in_features > _FEW_INPUTS:
            weights = [p for name, p in layer.named_parameters(recurse=False) if name == "weight"]
            scales |= dict.fromkeys(weights, _FEW_INPUTS / layer.in_features)
    usual = [param for param in module.parameters() if param not in scales]
    groups = [(usual, 1.0), *(([weight], scale) for weight, scale in scales.items())]
    return [
        {"params": params, "lr": learning_rate * scale, "lr_scale": scale}
        for params, scale in groups
    ]
