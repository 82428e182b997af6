"""Summary of the network of a fitted net."""

from __future__ import annotations

from skcnn.networks.summary_table import NetworkSummary
from skcnn.training.fine_tuning import frozen_parameters


def summarize_net(net, image_shape, name, depth="auto"):
    """Summarize the network of a fitted net, even while another thread trains it.

    Parameters
    ----------
    net : ImageNeuralNet
        Fitted net.
    image_shape : tuple of (int, int, int)
        Height, width and number of channels of the images.
    name : str
        Name of the estimator.
    depth : "auto", int or None, default="auto"
        Number of levels of nested layers.

    Returns
    -------
    summary : NetworkSummary
        Summary. The parameters that the last training changed are the trainable ones.
    """
    with net.lock.step():
        frozen = frozen_parameters(net.module_, net.options.trained_stages)
        return NetworkSummary.of(net.module_, image_shape, name=name, depth=depth, frozen=frozen)
