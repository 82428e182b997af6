"""Muon: an optimizer with orthogonalized momentum for the filters of convolutions."""

from __future__ import annotations

import torch
from torch.optim.adam import adam

from skcnn.training.device import has_bfloat16

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_N_ITERATIONS = 3
_EPSILON = 1e-7


class Muon(torch.optim.Optimizer):
    """Orthogonalized momentum for the filters of convolutions, and Adam for all other weights.

    The momentum of the filters is reshaped to a matrix with one row per output channel. The update
    is the nearest orthogonal matrix. Its size is `lr` times the norm of the filters divided
    by the square root of their number. After the update, the filters are scaled to the norm that
    they had before the first step, since batch normalization makes their norm irrelevant. Filters
    of zeros get the norm of He's initialization.

    Parameters
    ----------
    params : iterable
        Parameters or parameter groups, as for all optimizers of torch.
    lr : float, default=0.24
        Learning rate of the filters.
    momentum : float, default=0.6
        Nesterov momentum of the filters.
    adam_ratio : float, default=0.04
        Learning rate of Adam divided by `lr`.
    betas : tuple of (float, float), default=(0.9, 0.95)
        Coefficients of Adam.
    weight_decay : float, default=0.0
        Coefficient of an L2 penalty of the weights updated by Adam.

    References
    ----------
    Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024
    (https://kellerjordan.github.io/posts/muon/).

    Examples
    --------
    >>> import torch
    >>> from skcnn.training.muon import Muon
    >>> layer = torch.nn.Conv2d(1, 2, 3)
    >>> norm = layer.weight.norm()
    >>> layer(torch.rand(1, 1, 3, 3)).square().sum().backward()
    >>> Muon(layer.parameters()).step()
    >>> torch.allclose(layer.weight.norm(), norm)
    True
    """

    def __init__(
        self, params, lr=0.24, *, momentum=0.6, adam_ratio=0.04, betas=(0.9, 0.95), weight_decay=0.0
    ):
        # torch moves the step counts of Adam to the device only if the group has "fused".
        defaults = {"momentum": momentum, "adam_ratio": adam_ratio, "betas": betas, "fused": True}
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, **defaults})

    @torch.no_grad()
    def step(self, closure=None):
        """Update the weights.

        Parameters
        ----------
        closure : callable, default=None
            Function that computes the loss and the gradients.

        Returns
        -------
        loss : tensor of shape () or None
            Loss of the closure.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [param for param in group["params"] if param.grad is not None]
            for param in params:
                if param.ndim == 4:
                    self._update_filters(param, group)
            self._update_others([param for param in params if param.ndim != 4], group)
        return loss

    def _update_filters(self, filters, group):
        """Update filters by the orthogonal matrix nearest to their momentum."""
        state = self.state[filters]
        if not state:
            state["momentum"] = torch.zeros_like(filters)
            norm = filters.norm()
            state["norm"] = torch.where(norm > 0, norm, (2 * len(filters)) ** 0.5)
        momentum = state["momentum"].mul_(group["momentum"]).add_(filters.grad)
        direction = filters.grad.add(momentum, alpha=group["momentum"])
        update = orthogonal(direction.flatten(1)).view_as(filters)
        step = group["lr"] * len(filters) ** -0.5 * state["norm"]
        filters.sub_(update * step)
        filters.mul_(state["norm"] / (filters.norm() + _EPSILON))

    def _update_others(self, params, group):
        """Update other weights with the Adam function of torch."""
        for param in params:
            if not self.state[param]:
                self.state[param] = {
                    "step": torch.tensor(0.0, device=param.device),
                    "exp_avg": torch.zeros_like(param),
                    "exp_avg_sq": torch.zeros_like(param),
                }
        states = [self.state[param] for param in params]
        if params:
            adam(
                params,
                [param.grad for param in params],
                *([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq")),
                max_exp_avg_sqs=[],
                state_steps=[state["step"] for state in states],
                fused=group["fused"],
                amsgrad=False,
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                lr=group["lr"] * group["adam_ratio"],
                weight_decay=group["weight_decay"],
                eps=1e-8,
                maximize=False,
            )


def orthogonal(matrix):
    """Approximate the orthogonal matrix nearest to a matrix, with a Newton-Schulz iteration.

    Parameters
    ----------
    matrix : tensor of shape (n_rows, n_columns)
        Matrix of any scale.

    Returns
    -------
    orthogonal : tensor of shape (n_rows, n_columns)
        Matrix with the same singular vectors and singular values close to 1, computed in bfloat16
        if the device supports it natively.
    """
    dtype = torch.bfloat16 if has_bfloat16(matrix.device) else torch.float32
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if is_tall else matrix).to(dtype)
    x = x / (x.norm() + _EPSILON)
    first, third, fifth = _COEFFICIENTS
    for _ in range(_N_ITERATIONS):
        square = x @ x.T
        x = first * x + (third * square + fifth * square @ square) @ x
    return (x.T if is_tall else x).to(matrix.dtype)
