"""network_summary: the layers of the network of a fitted estimator."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skcnn._validation import IMAGE_SHAPE
from skcnn.learned import fitted_view
from skcnn.networks.summary_table import NetworkSummary
from skcnn.pipeline_graph import pipeline_steps
from skcnn.training.summary import summarize_estimator


@validate_params(
    {
        "estimator": "no_validation",
        "depth": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"}), None],
        "image_shape": [IMAGE_SHAPE, None],
    },
    prefer_skip_nested_validation=True,
)
def network_summary(
    estimator: Any,
    *,
    depth: str | int | None = "auto",
    image_shape: tuple[int, ...] | None = None,
) -> NetworkSummary:
    """Summarize the layers of a network: output shapes, parameters, multiply-adds and memory.

    Parameters
    ----------
    estimator : estimator of this package, Pipeline, search or torch.nn.Module
        Fitted estimator with a network, fitted pipeline that ends in one, search such as
        `GridSearchCV`, whose best estimator is used, or a network of PyTorch.
    depth : "auto", int or None, default="auto"
        Number of levels of nested layers. 0 shows only the whole network, and None all layers.
        Numbers of deeper layers are added to those of the layers that contain them. "auto" shows as
        many levels as there are without more than 60 rows.
    image_shape : tuple of int, default=None
        Shape of an image, (height, width) or (height, width, n_channels), for a `torch.nn.Module`.
        An estimator knows the shape of its images.

    Returns
    -------
    summary : NetworkSummary
        Summary. ``print(summary)`` shows it as text, a notebook shows it as a table, and
        ``summary.to_frame()`` returns a data frame of pandas.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted. The shapes of the layers depend on the images of fit.
    TypeError
        If the estimator has no network.
    ValueError
        If `depth` or `image_shape` is invalid, or the network cannot process an image.

    Notes
    -----
    A row contains:

    * the name of the layer in ``estimator.module_.named_modules()``;
    * the shape of its output for one image, such as (channels, height, width);
    * the number of its parameters. A parameter of several layers belongs to the first one. The
      trainable parameters are those that the last training changed;
    * the multiply-adds of its convolutions and matrix products for one image, attention included.
      These are half of the operations that `torch.utils.flop_counter` counts. Other operations are
      not counted. A layer that is called several times is counted several times;
    * its activations: the bytes of its outputs for one image, without outputs that only reshape an
      earlier one or share its memory. Intermediate results within a layer are not counted.
      Predictions need less memory, because they do not keep the outputs of all layers.

    For every `depth`, the rows add up to the totals. The numbers are those of a copy of the
    network in evaluation mode, without hooks of the user.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import CNNClassifier
    >>> from skcnn.inspection import network_summary
    >>> digits = load_digits()
    >>> cnn = CNNClassifier(channels=(8,), hidden_units=(16,), max_epochs=1, random_state=0)
    >>> cnn = cnn.fit(digits.images[:100], digits.target[:100])
    >>> print(network_summary(cnn, depth=2))
    CNNClassifier: images of 8 x 8 pixels with 1 channel
    ------------------------------------------------------------------------------------------
    Layer            Type                 Output shape  Parameters  Multiply-adds  Activations
    ------------------------------------------------------------------------------------------
    standardize      Standardize          (1, 8, 8)              -              -        256 B
    network          PlainNetwork         (10,)                  -              -            -
    network.blocks   Sequential           (8, 4, 4)             88          4,608       5.1 kB
    network.flatten  FlattenChannelsLast  (128,)                 -              -            -
    network.dense    Sequential           (16,)              2,064          2,048        128 B
    network.output   Linear               (10,)                170            160         40 B
    ------------------------------------------------------------------------------------------
    Parameters:    2,322 (9.4 kB)
    Trainable:     2,322
    Multiply-adds: 6,816 for one image
    Activations:   5.5 kB for one image
    """
    if isinstance(estimator, nn.Module):
        if image_shape is None:
            raise ValueError(
                f"image_shape is missing: the shapes of the layers of {type(estimator).__name__} "
                "depend on it; pass (height, width) or (height, width, n_channels)"
            )
        height, width, n_channels = (*map(int, image_shape), 1)[:3]
        shape = height, width, n_channels
        return NetworkSummary.of(estimator, shape, name=type(estimator).__name__, depth=depth)
    check_is_fitted(estimator)
    *_, (name, final) = pipeline_steps(estimator)
    final = fitted_view(final)  # another thread may fit it
    if not (hasattr(final, "module_") and hasattr(final, "image_shape_")):
        raise TypeError(
            f"{name} has no network: pass a fitted estimator of skcnn, a pipeline that ends in "
            "one, or a torch.nn.Module with its image_shape"
        )
    if image_shape is not None:
        raise ValueError(
            f"image_shape={image_shape!r} is for a torch.nn.Module: {name} was fitted on images "
            f"of shape {final.image_shape_}"
        )
    return summarize_estimator(final, depth)
