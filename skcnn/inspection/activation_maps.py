"""class_activation_map: where in an image a network finds evidence for a class."""

from __future__ import annotations

from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from torch import nn

from skcnn.inspection._captum_maps import integrated_gradients, saliency
from skcnn.inspection._cell_geometry import cell_geometry
from skcnn.inspection._gradient_maps import grad_cam, grad_cam_plus_plus, pooled_cam
from skcnn.inspection._map_batches import MapFunction, all_maps
from skcnn.inspection._map_targets import output_labels, target_columns
from skcnn.inspection._network import backbone_of, find_layer
from skcnn.inspection._occlusion import occlusion
from skcnn.inspection._score_cam import score_cam
from skcnn.operations import AffineMap
from skcnn.original_images import original_images
from skcnn.pipeline_graph import FittedPipeline
from skcnn.settings import fixed_settings
from skcnn.training.device import available_device
from skcnn.training.forks import computing

FEATURE_METHODS = ("grad_cam", "grad_cam++", "cam", "score_cam")
PIXEL_METHODS = ("occlusion", "saliency", "integrated_gradients")
_POSITIVE = [Interval(Integral, 1, None, closed="left")]


@validate_params(
    {
        "method": [StrOptions({*FEATURE_METHODS, *PIXEL_METHODS})],
        "layer": [str, None],
        "window": [*_POSITIVE, None],
        "batch_size": _POSITIVE,
    },
    prefer_skip_nested_validation=True,
)
@fixed_settings()
def class_activation_map(
    estimator: Any,
    X: Any,
    target: Any = None,
    *,
    method: str = "grad_cam",
    layer: str | None = None,
    window: int | None = None,
    batch_size: int = 64,
) -> NDArray:
    """Compute where in each image a network finds evidence for a class or another target.

    The maps have the height and width of the original images, before any resizing by the pipeline.
    The estimator is not changed: maps are computed with a copy of its network in evaluation mode.

    Parameters
    ----------
    estimator : estimator of this package, Pipeline or search
        Fitted estimator, or fitted pipeline of `ImageReader`, `ImageResizer`, `ImageNormalizer`,
        `ImageAugmenter` and `ImageFlattener` that ends in one. Of a search, such as `GridSearchCV`,
        the best estimator is used.
    X : images of shape (n_images, ...) or paths of shape (n_images,)
        Images in any form that the estimator takes.
    target : label, int, or array-like of shape (n_images,), default=None
        Output of the network to explain: a label in `classes_` of a classifier, or a column of the
        targets of a regressor. One for all images, or one for each. None is the predicted class
        (of a multilabel classifier, the label with the highest probability), or the first column
        of a regressor.
    method : {"grad_cam", "grad_cam++", "cam", "score_cam", "occlusion", "saliency", \
            "integrated_gradients"}, default="grad_cam"
        Method, see the Notes.
    layer : str, default=None
        Name of the layer whose feature maps are weighted by the first four methods.
        `network_summary` lists the names. None is the last layer with feature maps.
    window : int, default=None
        Side of the squares of "occlusion", in pixels of the input of the network. None is a fifth
        of the shorter side of this input.
    batch_size : int, default=64
        Number of images that the network gets at a time. More need more memory.

    Returns
    -------
    maps : float32 array of shape (n_images, height, width), or object array of shape (n_images,)
        A map for each image, with its height and width; an object array of maps if the images
        differ in size. Maps are not scaled, so that values of different images can be compared.
        Pixels that ``ImageResizer(aspect="crop")`` cuts off are 0. The map of an image of one color
        is 0.

    Raises
    ------
    ImportError
        If captum is required and not installed.
    TypeError
        If the estimator, or the last step of the pipeline, is not an estimator of this package with
        a trained network, or a step is not an image transformer.
    ValueError
        If the method cannot be used with the network, a target is unknown, an argument is not used
        by the method, or `X` cannot be used as images.

    Warns
    -----
    UserWarning
        If maps are 0 everywhere, the feature maps have a single cell, or the pixel values have
        another scale than those of fit.

    Notes
    -----
    The methods explain an output of the network: that of a class before the softmax (the logit), or
    the standardized target.

    * "grad_cam" [1]_, "grad_cam++" [2]_, "cam" [3]_ and "score_cam" [4]_ are weighted sums of the
      feature maps of a layer, at the resolution of that layer, which is coarse. Negative values are
      set to 0. The weights are means of gradients, weighted means of positive gradients, the
      weights of the last layer, and the softmax of the outputs for images masked by each feature
      map. "cam" requires a network whose last layer receives the mean of each feature map; there,
      "grad_cam" is "cam" divided by the number of cells. "score_cam" computes the output once for
      each feature map.
    * "occlusion" [5]_ is the decrease of the output when a square around a pixel is replaced. Where
      it is negative, the network finds evidence against the target.
    * "saliency" [6]_ is the absolute gradient with respect to a pixel, the largest over its
      channels, and "integrated_gradients" [7]_ are signed contributions of the pixels, whose sum is
      the difference of the output to that of an empty image. Both are computed by captum, which the
      extra ``skcnn[explain]`` installs.

    A pixel is masked or replaced by the mean pixel of the training images, or of those of the
    pretrained weights.

    The cells of feature maps are placed where they are in the image, which follows from the
    convolutions and poolings before them. Other packages stretch feature maps over the image, which
    moves those of some networks by the size of a cell.

    "grad_cam++" and "score_cam" depend little on the class: they show where features are. In a
    network that flattens its feature maps, such as "plain", the weights of "grad_cam" are means
    over the image, which can all be negative; the map is then 0. It means that the method finds no
    evidence for the target in this layer, and not that the prediction is wrong: use "occlusion".

    A map shows which parts of an image an output depends on, and not why. The prediction may be the
    same without these parts, and a network with random weights has maps, too.

    References
    ----------
    .. [1] Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
       Localization", ICCV 2017 (arXiv 1610.02391).
    .. [2] Chattopadhay et al., "Grad-CAM++: Generalized Gradient-based Visual Explanations for Deep
       Convolutional Networks", WACV 2018 (arXiv 1710.11063).
    .. [3] Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016
       (arXiv 1512.04150).
    .. [4] Wang et al., "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural
       Networks", CVPR workshops 2020 (arXiv 1910.01279).
    .. [5] Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014
       (arXiv 1311.2901).
    .. [6] Simonyan et al., "Deep Inside Convolutional Networks: Visualising Image Classification
       Models and Saliency Maps", ICLR workshop 2014 (arXiv 1312.6034).
    .. [7] Sundararajan et al., "Axiomatic Attribution for Deep Networks", ICML 2017
       (arXiv 1703.01365).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import CNNClassifier
    >>> from skcnn.inspection import class_activation_map
    >>> X, y = load_digits(return_X_y=True)
    >>> cnn = CNNClassifier("fast", channels=(8,), max_epochs=2, random_state=0).fit(X, y)
    >>> class_activation_map(cnn, X[:5]).shape
    (5, 8, 8)
    >>> class_activation_map(cnn, X[:5], target=8, method="occlusion").shape
    (5, 8, 8)
    """
    pipeline = FittedPipeline.of(estimator)
    images = original_images(X, estimator)
    columns = target_columns(pipeline.final, target, len(images))
    return explain(pipeline, images, columns, method, layer, window, batch_size)[0]


def explain(
    pipeline: FittedPipeline,
    images: Any,
    columns: NDArray[np.intp] | None,
    method: str,
    layer: str | None,
    window: int | None,
    batch_size: int,
) -> tuple[NDArray, NDArray[np.intp]]:
    """Compute maps, and the outputs that they explain.

    Parameters
    ----------
    pipeline : FittedPipeline
        Pipeline.
    images : array, object array or LazyImages of length n_images
        Original images.
    columns : int array of shape (n_images,) or None
        Outputs to explain, or None for the predicted classes.
    method, layer, window, batch_size
        As for `class_activation_map`.

    Returns
    -------
    maps : float32 array of shape (n_images, height, width), or object array of shape (n_images,)
        Maps.
    columns : int array of shape (n_images,)
        Outputs that the maps explain.
    """
    _check_arguments(method, layer, window)
    if len(images) == 0:
        raise ValueError("X holds no images")
    device = available_device(pipeline.final.device)
    network = pipeline.network().to(device)
    if method in FEATURE_METHODS:
        with torch.autocast(device.type, enabled=False), computing():
            found = _feature_layer(pipeline.final, network, method, layer)
            cells = cell_geometry(network, found, pipeline.final.image_shape_)
        function = _feature_function(method, found, cells, batch_size)
    else:
        cells = AffineMap()
        function = _pixel_function(method, window, batch_size)
    return all_maps(pipeline, network, function, cells, images, columns, batch_size)


def _check_arguments(method, layer, window):
    """Raise an error if an argument is given that the method does not use."""
    if layer is not None and method not in FEATURE_METHODS:
        raise ValueError(
            f"layer={layer!r} is not used by method={method!r}, which has no feature maps: use "
            f"one of {', '.join(map(repr, FEATURE_METHODS))}, or layer=None"
        )
    if window is not None and method != "occlusion":
        raise ValueError(f'window={window} is used by method="occlusion" only, not {method!r}')


def _feature_layer(final, network, method, name) -> nn.Module:
    """Return the layer whose feature maps are weighted, and make the network a backbone."""
    layer = None if name is None else find_layer(network, name)
    if layer is None or method == "cam":
        try:
            network[-1] = backbone_of(network, final.image_shape_, len(output_labels(final)))
        except ValueError as error:
            raise ValueError(
                f"the layer with the last feature maps was not found ({error}): give the name of a "
                'layer, or use method="occlusion"'
            ) from error
        layer = network[-1].cam_layer if layer is None else layer
    if layer is None:
        raise ValueError(
            f"method={method!r} needs feature maps, which the network does not have: use one of "
            f"{', '.join(map(repr, PIXEL_METHODS))}"
        )
    return layer


def _feature_function(method, layer, cells, batch_size) -> MapFunction:
    """Return a method that weights the feature maps of a layer."""
    if method == "score_cam":
        return partial(score_cam, layer=layer, cells=cells, batch_size=batch_size)
    functions = {"grad_cam": grad_cam, "grad_cam++": grad_cam_plus_plus, "cam": pooled_cam}
    return partial(functions[method], layer=layer)


def _pixel_function(method, window, batch_size) -> MapFunction:
    """Return a method that takes pixels."""
    if method == "occlusion":
        return partial(occlusion, window=window, batch_size=batch_size)
    if method == "integrated_gradients":
        return partial(integrated_gradients, batch_size=batch_size)
    return saliency
