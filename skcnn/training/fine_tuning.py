"""Training of some stages of a network, and of its head on features that are computed once."""

from __future__ import annotations

import math
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from skcnn.training.distributed.ranks import current_ranks
from skcnn.training.features import compute_features
from skcnn.training.loader import ImageDataset
from skcnn.training.optimizers import parameter_groups


def trained_groups(module, learning_rate, options):
    """Group the parameters that are trained by their learning rate.

    Parameters
    ----------
    module : torch.nn.Module
        Module. Its last layer is a network with stages if the options train some stages only or
        with different rates.
    learning_rate : float
        Learning rate of the head.
    options : TrainingOptions
        Training options.

    Returns
    -------
    groups : list of dict
        Parameter groups, as `parameter_groups` returns them.
    """
    if options.trained_stages is None and options.stage_decay == 1:
        return parameter_groups(module, learning_rate)
    stages = module[-1].stages()
    scales = [options.stage_decay**distance for distance in reversed(range(len(stages)))]
    n_trained = int(min(options.trained_stages or math.inf, len(stages)))
    return parameter_groups(
        module, learning_rate, stages=stages, stage_scales=scales, trainable=n_trained
    )


def frozen_parameters(module, trained_stages):
    """Return the parameters of all stages of a network but the last ones.

    Parameters
    ----------
    module : torch.nn.Module
        Module, whose last layer is a network with stages.
    trained_stages : float or None
        Number of last stages to train, including the head; infinity or None for all.

    Returns
    -------
    parameters : list of torch.nn.Parameter
        Parameters that are not trained.
    """
    return [p for stage in _frozen_stages(module, trained_stages) for p in stage.parameters()]


@contextmanager
def frozen(module, trained_stages):
    """Freeze the parameters of all stages of a network but the last ones, in the context.

    Parameters
    ----------
    module : torch.nn.Module
        Module, whose last layer is a network with stages.
    trained_stages : float or None
        Number of last stages to train, including the head; infinity for all. None trains the whole
        module, with its batch normalizations in train mode.

    Yields
    ------
    layers : list of torch.nn.Module
        Layers that have to stay in eval mode: the frozen stages, so that their dropout is off, and
        all batch normalizations. Their running statistics come from many more images than the
        training images, so they are used and not updated.
    """
    if trained_stages is None:
        yield []
        return
    stages = _frozen_stages(module, trained_stages)
    parameters = [parameter for stage in stages for parameter in stage.parameters()]
    required = [parameter.requires_grad for parameter in parameters]
    for parameter in parameters:
        parameter.requires_grad_(False)
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    try:
        yield [*stages, *norms]
    finally:
        for parameter, requires_grad in zip(parameters, required, strict=True):
            parameter.requires_grad_(requires_grad)


def _frozen_stages(module, trained_stages):
    if trained_stages is None:
        return []
    stages = module[-1].stages()
    return stages[: int(max(0, len(stages) - trained_stages))]


def feature_dataset(net, dataset):
    """Return the features of a dataset as a dataset of images with one pixel.

    Parameters
    ----------
    net : ImageNeuralNet
        Net with a network that has features.
    dataset : ImageDataset
        Images. Their random operations are not applied.

    Returns
    -------
    dataset : ImageDataset
        Features of shape (n_images, 1, 1, n_features), with the targets and weights of the images.
    """
    net._set_training(False)
    compute = partial(
        compute_features,
        net.module_,
        device=torch.device(net.device),
        precision=net.options.precision,
    )
    ranks = current_ranks()
    if ranks is None:
        features = compute(dataset)
    else:
        rows = np.arange(len(dataset))
        features = ranks.gather_rows(lambda part: compute(dataset.resample(rows[part])), len(rows))
    rows = slice(None) if dataset.rows is None else dataset.rows
    y = None if dataset.y is None else dataset.y[rows]
    weights = None if dataset.weights is None else dataset.weights[rows]
    return ImageDataset(features[:, None, None, :], y, weights)


def head_net(net, options):
    """Return a net whose module is the head of another net, and whose input are features.

    The nets share the head, the history, the lock and the optimizer.

    Parameters
    ----------
    net : ImageNeuralNet
        Net whose head is to be trained.
    options : TrainingOptions
        Training options, which train only the head.

    Returns
    -------
    net : ImageNeuralNet
        Net that is trained on the dataset of `feature_dataset`.
    """
    head = net.module_[-1].stages()[-1]
    module = nn.Sequential(OrderedDict(flatten=nn.Flatten(), head=head))
    trainer = type(net)(
        module,
        replace(options, trained_stages=None, stage_decay=1.0),
        target_type=net.target_type,
        seed=net.seed,
        multiply_adds=head.weight.numel(),
        device=net.device,
    )
    trainer.shares_batches = False  # each process would wait longer than it computes
    trainer.initialize()
    trainer.history, trainer.lock, trainer.optimizer_ = net.history, net.lock, net.optimizer_
    return trainer
