"""Summary of the network of a fitted estimator."""

from __future__ import annotations

import math
from contextlib import nullcontext

from skcnn.networks import NETWORKS
from skcnn.networks.summary_table import NetworkSummary
from skcnn.training.fine_tuning import frozen_parameters
from skcnn.training.forks import computing

# Multiply-adds below which the network is run on a blank image, because PyTorch imports many
# modules before it computes shapes only, which takes a second.
_SMALL_WORK = 3e8


def summarize_estimator(estimator, depth="auto"):
    """Summarize the network of a fitted estimator, even while another thread trains it.

    Parameters
    ----------
    estimator : estimator
        Fitted estimator with `module_` and `image_shape_`, and with `net_` if it trains a network.
    depth : "auto", int or None, default="auto"
        Number of levels of nested layers.

    Returns
    -------
    summary : NetworkSummary
        Summary. The trainable parameters are those that the last training changed.
    """
    net = getattr(estimator, "net_", None)
    with computing(), nullcontext() if net is None else net.lock.step():
        module = estimator.module_
        return NetworkSummary.of(
            module,
            estimator.image_shape_,
            name=type(estimator).__name__,
            depth=depth,
            frozen=() if net is None else frozen_parameters(module, net.options.trained_stages),
            run=_work(net) < _SMALL_WORK,
        )


def _work(net):
    """Return the multiply-adds of a network of this package, infinity for any other network."""
    spec = getattr(net, "spec", None)
    is_known = spec is not None and isinstance(spec.name, str) and spec.name in NETWORKS
    return net.multiply_adds if is_known else math.inf
