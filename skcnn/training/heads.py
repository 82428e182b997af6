"""Heads of pretrained networks: their initial values, and training on centered features."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from torch import nn

from skcnn.training.class_balance import class_counts


def dense_head(network):
    """Return the head of a network.

    Parameters
    ----------
    network : Backbone
        Network.

    Returns
    -------
    head : torch.nn.Linear
        The last stage.

    Raises
    ------
    TypeError
        If the last stage does not compute its outputs as `torch.nn.Linear` does, or if its weight
        is computed from other parameters.
    ValueError
        If the head is frozen.
    """
    head = next(reversed(network.stages()), None)
    is_linear = isinstance(head, nn.Linear) and type(head).forward is nn.Linear.forward
    if is_linear and "weight" in head._parameters:
        if not head.weight.requires_grad:
            raise ValueError(
                "the head of the network is frozen (requires_grad=False), but it has to be "
                "trained: freeze only other layers"
            )
        return head
    if head is None:
        raise TypeError(
            "stages() of the network returns no stages: it must return at least the head"
        )
    raise TypeError(
        f"the head of the network, the last of its stages(), is a {type(head).__name__}: it must "
        "be a torch.nn.Linear without parametrization"
    )


@torch.no_grad()
def initialize_head(head, dataset, target_type, *, sampling=None, logit_adjustment=0.0):
    """Set the weights of a head to zero, and its bias to values that predict the mean of targets.

    The bias is the log frequency of each class, or the log odds of each label, from weighted counts
    with Laplace smoothing. Training therefore starts from the best outputs that are the same for
    all images.

    The frequencies are those of the images that are drawn, which balanced sampling changes. Logit
    adjustment adds a multiple of the log frequencies, so that the bias contains the rest.

    Parameters
    ----------
    head : torch.nn.Linear
        Head, which is changed in place.
    dataset : ImageDataset
        Training images.
    target_type : {"multiclass", "multilabel", "continuous"}
        Type of the targets. The bias of standardized numbers is 0.
    sampling : {"balanced"} or None, default=None
        How the images of an epoch are drawn.
    logit_adjustment : float, default=0.0
        Factor of the log frequencies that the loss adds to the outputs.
    """
    nn.init.zeros_(head.weight)
    if head.bias is None:
        return
    nn.init.zeros_(head.bias)
    if target_type == "continuous":
        return
    if target_type == "multiclass":
        counts = class_counts(dataset, len(head.bias)) + 1
        if sampling == "balanced":
            counts /= class_counts(dataset, len(head.bias), weighted=False) + 1
        odds = counts / counts.sum()
    else:
        rows = slice(None) if dataset.rows is None else dataset.rows
        y = dataset.y[rows]
        weights = torch.ones(len(y)) if dataset.weights is None else dataset.weights[rows]
        weights = weights.double()  # sums of float32 values could exceed the total
        counts = weights @ y.double() + 1
        odds = counts / (weights.sum() + 2 - counts)
    head.bias.copy_((1 - logit_adjustment) * odds.log())


class CenteredLinear(nn.Linear):
    """Dense layer that subtracts a center from the features and divides them by a scale.

    The outputs are ``weight @ (features - center) / scale + bias``. The state dict contains the
    weight and the bias of an ordinary dense layer with the same outputs. `centered` converts a
    dense layer to this class and back.

    Training converges faster on features of mean 0, because the gradients of the weights and of the
    bias are less correlated.
    """

    center: torch.Tensor
    scale: float

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Compute the outputs.

        Parameters
        ----------
        features : tensor of shape (n_images, n_features)
            Features.

        Returns
        -------
        outputs : tensor of shape (n_images, n_outputs)
            Outputs.
        """
        return super().forward((features - self.center) / self.scale)

    @torch.no_grad()
    def _save_to_state_dict(self, destination, prefix, keep_vars):
        weight = self.weight / self.scale
        destination[prefix + "weight"] = weight
        if self.bias is not None:
            destination[prefix + "bias"] = self.bias - weight @ self.center

    @torch.no_grad()
    def _load_from_state_dict(self, state_dict, prefix, *arguments):
        super()._load_from_state_dict(state_dict, prefix, *arguments)
        if self.bias is not None:
            self.bias += self.weight @ self.center
        self.weight *= self.scale


@contextmanager
def centered(head, center, scale, lock=None):
    """Convert a dense layer to a `CenteredLinear` with the same outputs, in the context.

    Parameters
    ----------
    head : torch.nn.Linear
        Dense layer, which is changed in place.
    center : float array of shape (n_features,)
        Mean of the features. Replaced by 0 for a layer without a bias.
    scale : float
        Scale of the features, greater than 0.
    lock : NetLock, default=None
        Lock of the net, if other threads may copy it. None for a layer that only this thread uses.

    Yields
    ------
    None
    """
    step = nullcontext if lock is None else lock.step
    with step():
        kind, state = type(head), _copied_state(head)
        head.__class__ = CenteredLinear
        head.center = torch.as_tensor(center, dtype=torch.float32, device=head.weight.device)
        if head.bias is None:
            head.center = torch.zeros_like(head.center)
        head.scale = scale
        head.load_state_dict(state)
    try:
        yield
    finally:
        with step():
            state = _copied_state(head)
            head.__class__ = kind
            del head.center, head.scale
            head.load_state_dict(state)


def _copied_state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def feature_statistics(dataset):
    """Return the weighted mean of each feature, and one scale for all features.

    Parameters
    ----------
    dataset : ImageDataset
        Features, as `feature_dataset` returns them.

    Returns
    -------
    mean : float32 array of shape (n_features,)
        Means.
    scale : float
        Square root of the mean variance of the features, or 1 if all features are constant.
    """
    features = dataset.images.reshape(len(dataset.images), -1)
    weights = None if dataset.weights is None else dataset.weights.numpy()
    mean = np.average(features, axis=0, weights=weights)
    variance = np.average(np.square(features - mean), axis=0, weights=weights).mean()
    return mean.astype(np.float32), float(np.sqrt(variance)) or 1.0
