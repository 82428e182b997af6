"""The parameters of the estimators: what each may be."""

from __future__ import annotations

import copy
from numbers import Integral, Real

import torch
from sklearn.callback import FitCallback
from sklearn.utils._param_validation import Interval, StrOptions
from skorch.callbacks import Callback, LRScheduler
from torch import nn

from skcnn.networks import NETWORKS, NetworkSpec
from skcnn.networks.activations import ACTIVATIONS
from skcnn.networks.plain import POOLINGS
from skcnn.networks.spec import option_names
from skcnn._validation import IMAGE_SHAPE, LAYERS, Fractions
from skcnn.training.inference import AUGMENTATIONS
from skcnn.training.optimizers import OPTIMIZERS
from skcnn.training.resizing import resize
from skcnn.training.schedules import SCHEDULES

PLAIN_OPTIONS = (
    "channels",
    "kernel_size",
    "stride",
    "padding",
    "pooling",
    "pool_size",
    "activation",
    "batch_norm",
    "dropout",
    "hidden_units",
)

CONSTRAINTS: dict = {
    "network": [StrOptions(set(NETWORKS)), callable],
    "channels": [StrOptions({"auto"}), LAYERS],
    "kernel_size": [Interval(Integral, 1, None, closed="left")],
    "stride": [Interval(Integral, 1, None, closed="left")],
    "padding": [StrOptions({"same", "valid"})],
    "pooling": [StrOptions(set(POOLINGS)), None],
    "pool_size": [Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(set(ACTIVATIONS))],
    "batch_norm": ["boolean"],
    "dropout": [Interval(Real, 0, 1, closed="left"), Fractions()],
    "hidden_units": [LAYERS],
    "image_shape": [IMAGE_SHAPE, None],
    "optimizer": [StrOptions(set(OPTIMIZERS))],
    "learning_rate": [Interval(Real, 0, None, closed="neither")],
    "schedule": [StrOptions(set(SCHEDULES)), None],
    "weight_decay": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
    "batch_size": [Interval(Integral, 2, None, closed="left")],
    "max_epochs": [Interval(Integral, 1, None, closed="left")],
    "mixup": [Interval(Real, 0, None, closed="left")],
    "progressive_resizing": [Interval(Real, 0, 1, closed="right")],
    "lookahead": ["boolean"],
    "test_time_augmentation": [StrOptions(set(AUGMENTATIONS)), None],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "patience": [Interval(Integral, 1, None, closed="left")],
    "warm_start": ["boolean"],
    "callbacks": [list, tuple, None],
    "device": [str, torch.device],
    "precision": [StrOptions({"auto", "bfloat16", "float32"})],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}


def network_parameters(estimator):
    """Give the parameters that a network is built with.

    Parameters
    ----------
    estimator : BaseCNN
        Whose parameters.

    Returns
    -------
    parameters : dict
        By name; lists as tuples, which equal those given as tuples and stay as they are.
    """
    values = {name: getattr(estimator, name) for name in ("network", *PLAIN_OPTIONS)}
    return {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}


def check_parts(estimator, net):
    """Refuse parameters that the table of constraints cannot judge.

    Parameters
    ----------
    estimator : BaseCNN
        Whose parameters are checked.
    net : ImageNet or None
        The net that is to be trained further, if there is one.

    Raises
    ------
    TypeError
        If `network` is a module that is built already, or an element of `callbacks` is none of
        skorch's callbacks.
    ValueError
        If two parameters contradict each other, or one asks for another network than `net`.
    """
    for name, value in ({} if net is None else network_parameters(estimator)).items():
        if value != net.built_with[name]:
            raise ValueError(
                f"the network was built with {name}={net.built_with[name]!r} and cannot go on with "
                f"{value!r}: clone the estimator to start anew"
            )
    if isinstance(estimator.network, nn.Module):
        raise TypeError(
            f"network is an instance of {type(estimator.network).__name__}, which every fit would "
            "train further: give a callable (in_channels, height, width, n_outputs) that builds one"
        )
    for item in estimator.callbacks or []:
        callback = item[1] if isinstance(item, tuple) else item
        if isinstance(callback, LRScheduler) and estimator.schedule is not None:
            raise ValueError(
                f"callbacks holds an LRScheduler, and schedule={estimator.schedule!r} sets the "
                "learning rate too: use schedule=None"
            )
        if isinstance(callback, Callback):
            continue
        if isinstance(callback, FitCallback) and not isinstance(callback, type):
            raise TypeError(
                f"{type(callback).__name__} is a scikit-learn callback, and the parameter "
                f"callbacks takes skorch's: use set_callbacks({type(callback).__name__}(...))"
            )
        raise TypeError(
            "callbacks must hold instances of skorch.callbacks.Callback, or pairs of a name and "
            f"one, got {callback!r}"
        )


def check_smaller_images(estimator, module):
    """Refuse to shrink images for a network that takes one size only.

    Parameters
    ----------
    estimator : BaseCNN
        Whose `image_shape_` is known.
    module : torch.nn.Module
        The network, input standardisation included.

    Raises
    ------
    ValueError
        If the module does not take the smallest images.
    """
    if estimator.progressive_resizing == 1.0:
        return
    height, width, n_channels = estimator.image_shape_
    device = next(module.parameters()).device
    images = resize(
        torch.zeros(2, n_channels, height, width, device=device), estimator.progressive_resizing
    )
    try:
        with torch.no_grad():
            copy.deepcopy(module).eval()(images)
    except Exception as error:
        raise ValueError(
            f"progressive_resizing={estimator.progressive_resizing} shrinks images, and the "
            f"network does not take {images.shape[2]} x {images.shape[3]} pixels ({error}): use "
            'one that takes any size, such as network="fast", or 1.0'
        ) from error


def network_spec(estimator, n_outputs):
    """Describe the network that an estimator's parameters ask for.

    Parameters
    ----------
    estimator : BaseCNN
        Whose `image_shape_` is known.
    n_outputs : int
        The number of outputs.

    Returns
    -------
    spec : NetworkSpec
        With the options that the network takes.
    """
    height, width, n_channels = estimator.image_shape_
    options = {name: getattr(estimator, name) for name in option_names(estimator.network)}
    return NetworkSpec(estimator.network, n_channels, height, width, n_outputs, options)
