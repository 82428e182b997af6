"""Optimizers by name, and the groups of parameters that they update."""

from __future__ import annotations

import torch

from skcnn.training.muon import Muon

# Each optimizer with the arguments that are used unless the estimator sets them.
OPTIMIZERS: dict[str, tuple[type[torch.optim.Optimizer], dict]] = {
    "adam": (torch.optim.Adam, {"fused": True}),
    "adamw": (torch.optim.AdamW, {"weight_decay": 0.5, "fused": True}),
    "muon": (Muon, {}),
    "rmsprop": (torch.optim.RMSprop, {}),
    "sgd": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "fused": True}),
}

_MAX_INPUTS_AT_FULL_RATE = 2048


def parameter_groups(module, learning_rate, *, stages=(), stage_scales=(), trainable=None):
    """Group the parameters of a module by their learning rate.

    A step of SGD or Adam changes the outputs of a dense layer in proportion to the number of its
    inputs. The learning rate of the weights of a layer with more than 2,048 inputs is therefore
    reduced in that proportion (Yang et al., "Tensor Programs V", NeurIPS 2021, arXiv 2203.03466,
    table 3, for a fixed number of outputs). Weights that are computed from other parameters,
    as by `torch.nn.utils.parametrizations`, keep the full rate.

    Parameters
    ----------
    module : torch.nn.Module
        Module to train.
    learning_rate : float
        Learning rate of parameters with a scale of 1.
    stages : sequence of torch.nn.Module, default=()
        Parts of the module, in order from input to head, such as `Backbone.stages` returns.
    stage_scales : sequence of float, default=()
        Factor of the learning rate for each stage (discriminative learning rates, Howard and Ruder
        2018, arXiv 1801.06146, section 3.2). Empty uses 1 for all.
    trainable : int, default=None
        Number of last stages to train; the parameters of the other stages are left out. None
        trains all. Parameters that belong to no stage are always trained.

    Returns
    -------
    groups : list of dict
        Parameter groups for an optimizer of torch. "lr_scale" is "lr" divided by `learning_rate`.
    """
    scales = dict.fromkeys(module.parameters(), 1.0)
    for stage, scale in zip(stages, stage_scales or [1.0] * len(stages), strict=True):
        scales |= dict.fromkeys(stage.parameters(), scale)
    for layer in module.modules():
        if isinstance(layer, torch.nn.Linear) and layer.in_features > _MAX_INPUTS_AT_FULL_RATE:
            own = dict(layer.named_parameters(recurse=False))
            if "weight" in own:
                scales[own["weight"]] *= _MAX_INPUTS_AT_FULL_RATE / layer.in_features
    n_frozen = 0 if trainable is None else len(stages) - trainable
    frozen = {parameter for stage in stages[:n_frozen] for parameter in stage.parameters()}
    groups = {}
    for parameter, scale in scales.items():
        if parameter not in frozen:
            groups.setdefault(scale, []).append(parameter)
    return [
        {"params": parameters, "lr": learning_rate * scale, "lr_scale": scale}
        for scale, parameters in sorted(groups.items(), reverse=True)
    ]


def optimizer_parameters(parameters, options):
    """Return all that makes a new optimizer necessary when it changes.

    Parameters
    ----------
    parameters : dict of {str: object}
        Parameters of a net of skorch.
    options : TrainingOptions
        Options of its training.

    Returns
    -------
    parameters : dict of {str: object}
        Values to compare.
    """
    named = {key: value for key, value in parameters.items() if is_optimizer_parameter(key)}
    return {**named, "stages": (options.trained_stages, options.stage_decay)}


def is_optimizer_parameter(name):
    """Return whether a parameter of a net of skorch belongs to its optimizer.

    Parameters
    ----------
    name : str
        Name of the parameter.

    Returns
    -------
    is_of_optimizer : bool
        Whether it is the optimizer or an argument of it.
    """
    return name == "optimizer" or name.startswith("optimizer__")
