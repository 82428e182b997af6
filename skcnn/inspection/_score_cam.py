"""Score-CAM: feature maps, weighted by the outputs for images that they mask."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from skcnn.inspection._map_geometry import resampling_weights
from skcnn.inspection._network import mean_pixel, recorded_feature_maps
from skcnn.networks.inference import prediction_function
from skcnn.operations import AffineMap


@torch.no_grad()
def score_cam(
    network: nn.Module,
    images: Tensor,
    columns: Tensor,
    layer: nn.Module,
    *,
    cells: AffineMap,
    batch_size: int,
) -> Tensor:
    """Weight feature maps by the outputs for images in which they keep the pixels.

    Parameters
    ----------
    network : torch.nn.Module
        Network in evaluation mode.
    images : tensor of shape (n_images, n_channels, height, width)
        Images.
    columns : int tensor of shape (n_images,)
        Output to explain of each image.
    layer : torch.nn.Module
        Layer of the network that computes feature maps.
    cells : AffineMap
        From cells of the feature maps to pixel coordinates of the images.
    batch_size : int
        Number of images that the network gets at a time.

    Returns
    -------
    maps : tensor of shape (n_images, n_rows, n_columns)
        Maps at the resolution of the feature maps. Each feature map, scaled to the range from 0 to
        1, tells how much of a pixel is kept; the rest is the mean pixel. The weights are the
        softmax of the outputs over the feature maps.

    References
    ----------
    Wang et al., "Score-CAM", CVPR workshops 2020 (arXiv 1910.01279), algorithm 1.
    """
    with recorded_feature_maps(layer) as recorded:
        network(images)
    outputs = prediction_function(network, repeated=True)
    features, background = recorded[0], mean_pixel(network)
    down, across = (
        torch.from_numpy(weights).to(images.device)
        for weights in resampling_weights(
            features.shape[2:], cells, images.shape[2:], np.dtype(np.float32)
        )
    )
    scores = []
    for image, column, maps in zip(images, columns, features, strict=True):
        low, high = maps.amin(dim=(1, 2), keepdim=True), maps.amax(dim=(1, 2), keepdim=True)
        scaled = (maps - low) / torch.where(high > low, high - low, 1)
        for part in scaled.split(batch_size):
            masks = (down @ part @ across.T)[:, None]
            masked = torch.lerp(background, image, masks)
            scores.append(outputs(masked)[:, column])
    weights = torch.cat(scores).reshape(features.shape[:2]).softmax(dim=1)
    return torch.einsum("nc,nchw->nhw", weights, features).relu()
