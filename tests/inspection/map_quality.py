"""Images with one known object, and measures of how well maps find it."""

from copy import deepcopy

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr
from torch import nn

CLASSES = ("horizontal", "vertical", "diagonal", "dots")


# ------------------------------------------------------------------------------------------------
# Images


def make_images(n_images, side=32, seed=0):
    """Make images of one textured object and two plain ones, on a background of smooth noise.

    Size, place, brightness and contrast of all objects and the background do not depend on the
    class, which is the texture of the object: stripes of three directions, or dots.

    Parameters
    ----------
    n_images : int
        Number of images.
    side : int, default=32
        Height and width in pixels.
    seed : int, default=0
        Seed.

    Returns
    -------
    images : uint8 array of shape (n_images, side, side)
        Gray images.
    labels : str array of shape (n_images,)
        Classes.
    masks : bool array of shape (n_images, side, side)
        Pixels of the textured object.
    """
    rng = np.random.default_rng(seed)
    labels = np.array(CLASSES)[np.arange(n_images) % len(CLASSES)]
    pairs = [_image(rng, side, label) for label in labels]
    images, masks = (np.stack(parts) for parts in zip(*pairs, strict=True))
    return images, labels, masks


def _image(rng, side, label):
    """Return an image and the mask of its object."""
    background = gaussian_filter(rng.normal(size=(side, side)), rng.uniform(1, 3))
    values = 0.5 + 0.1 * background / background.std()
    mask = np.zeros((side, side), bool)
    while not mask.any():
        masks = [_ellipse(rng, side) for _ in range(3)]
        mask = masks[0] & ~masks[1] & ~masks[2] if _are_apart(masks) else mask
    for number, one in enumerate(masks):
        waves = _texture(rng, side, label) if number == 0 else 0.0
        values[one] = (rng.uniform(0.35, 0.65) + 0.25 * waves + np.zeros((side, side)))[one]
    values += rng.normal(scale=0.03, size=(side, side))
    return np.clip(255 * values, 0, 255).astype(np.uint8), mask


def _ellipse(rng, side):
    radii = rng.uniform(0.12, 0.25, 2) * side
    center = rng.uniform(radii, side - 1 - radii)
    rows, columns = np.indices((side, side))
    return ((rows - center[0]) / radii[0]) ** 2 + ((columns - center[1]) / radii[1]) ** 2 <= 1


def _are_apart(masks):
    return not (masks[0] & (masks[1] | masks[2])).any()


def _texture(rng, side, label):
    rows, columns = np.indices((side, side)) + rng.uniform(0, 4, (2, 1, 1))
    frequency = 2 * np.pi / 4  # a period of 4 pixels
    waves = {
        "horizontal": np.sin(frequency * rows),
        "vertical": np.sin(frequency * columns),
        "diagonal": np.sin(frequency * (rows + columns) / np.sqrt(2)),
        "dots": np.sin(frequency * rows) * np.sin(frequency * columns) * 1.5,
    }
    return waves[label]


class PooledNetwork(nn.Module):
    """Three convolutions, global average pooling, and a linear layer."""

    def __init__(self, in_channels, height, width, n_outputs):
        super().__init__()
        sizes = [(in_channels, 16, 1), (16, 32, 2), (32, 32, 1)]
        self.maps = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False),
                    nn.BatchNorm2d(n_out),
                    nn.ReLU(inplace=True),
                )
                for n_in, n_out, stride in sizes
            )
        )
        self.output = nn.Linear(32, n_outputs)

    def forward(self, images):
        return self.output(self.maps(images).mean(dim=(2, 3)))


# ------------------------------------------------------------------------------------------------
# Maps that know nothing of the images


def gaussian_maps(n_images, side):
    """Return maps of a Gaussian in the center of the image, with a deviation of a quarter."""
    axis = np.arange(side) - (side - 1) / 2
    one = np.exp(-(axis**2) / (2 * (side / 4) ** 2))
    return np.broadcast_to(np.outer(one, one), (n_images, side, side))


def random_maps(n_images, side, seed=0):
    """Return maps of uniform random numbers."""
    return np.random.default_rng(seed).random((n_images, side, side))


# ------------------------------------------------------------------------------------------------
# Measures of place. Negative values are no evidence for the target, and count as 0.


def mass_accuracy(maps, masks):
    """Return the fraction of each map's sum that is inside the mask; 0 for maps without values.

    Arras, Osman and Samek, "CLEVR-XAI", Information Fusion 2022 (arXiv 2003.07258), section 3.3.
    """
    positive = np.maximum(maps, 0)
    total = positive.sum(axis=(1, 2))
    inside = (positive * masks).sum(axis=(1, 2))
    return np.divide(inside, total, out=np.zeros(len(maps)), where=total > 0)


def rank_accuracy(maps, masks, seed=0):
    """Return the fraction of the K largest values that are inside a mask of K pixels.

    Equal values are in random order. Arras, Osman and Samek 2022, section 3.3.
    """
    ties = np.random.default_rng(seed).random(maps.shape)
    found = []
    for one, tie, mask in zip(np.maximum(maps, 0), ties, masks, strict=True):
        order = np.lexsort((tie.ravel(), one.ravel()))[::-1]
        found.append(mask.ravel()[order[: mask.sum()]].mean())
    return np.array(found)


def pointing_game(maps, masks, tolerance=15 / 224):
    """Return whether the largest value of each map is in the mask, or near it.

    The tolerance is a distance as a fraction of the side. Maps without values miss. Zhang et al.,
    "Top-Down Neural Attention by Excitation Backprop", IJCV 2018 (arXiv 1608.00507), section 4.1.
    """
    hits = []
    for one, mask in zip(maps, masks, strict=True):
        point = np.unravel_index(one.argmax(), one.shape)
        distances = np.linalg.norm(np.argwhere(mask) - point, axis=1)
        hits.append(one.max() > 0 and distances.min() <= tolerance * len(mask))
    return np.array(hits)


# ------------------------------------------------------------------------------------------------
# Measures of faithfulness


def deletion_and_insertion(estimator, images, labels, maps, n_steps=16):
    """Return the areas under the curves of probabilities when pixels are deleted or inserted.

    The pixels with the largest values come first. A deleted pixel has the mean value of all images;
    insertion starts with the image blurred by a Gaussian with a deviation of an eighth of the side.
    Petsiuk, Das and Saenko, "RISE", BMVC 2018 (arXiv 1806.07421), section 4.2.
    """
    n_images, side = maps.shape[:2]
    columns = np.searchsorted(estimator.classes_, labels)
    order = np.argsort(-maps.reshape(n_images, -1), axis=1, kind="stable")
    ranks = np.argsort(order, axis=1).reshape(maps.shape)
    blurred = gaussian_filter(images.astype(np.float32), (0, side / 8, side / 8))
    areas = []
    for before, after in ((images, np.full_like(blurred, images.mean())), (blurred, images)):
        curve = []
        for n_changed in np.linspace(0, side * side, n_steps + 1):
            changed = np.where(ranks < n_changed, after, before)
            curve.append(estimator.predict_proba(changed)[np.arange(n_images), columns])
        areas.append(np.trapezoid(curve, dx=1 / n_steps, axis=0))
    return tuple(areas)


# ------------------------------------------------------------------------------------------------
# Randomization of the network


def randomized(estimator, n_layers, seed=0):
    """Return a copy of an estimator with random weights in the last layers with parameters.

    Weights are drawn as when a layer is made, and layers are taken from the output on, one after
    the other, as in Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018
    (arXiv 1810.03292), section 3.
    """
    changed = deepcopy(estimator)
    layers = layers_with_weights(changed)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        for layer in layers[len(layers) - n_layers :]:
            layer.reset_parameters()
    return changed


def layers_with_weights(estimator):
    """Return the convolutions and linear layers of a network, from the input on."""
    kinds = (nn.Conv2d, nn.Linear)
    return [layer for layer in estimator.module_.modules() if isinstance(layer, kinds)]


def similarity(maps, others):
    """Return Spearman's rank correlation of each pair of maps, with the signs of their values.

    Ranks need no normalization of the maps, and structural similarity would be high for any two
    smooth maps: both decide about the result of the test otherwise (Binder et al., "Shortcomings of
    Top-Down Randomization-Based Sanity Checks for Evaluations of Deep Neural Network Explanations",
    CVPR 2023, arXiv 2211.12486). The plain objects of the images are as salient as the one with a
    texture, so that maps of random networks have no reason to show that one (Yona and Greenfeld,
    "Revisiting Sanity Checks for Saliency Maps", 2021, arXiv 2110.14297). The similarity of a
    constant map to another one is 0.
    """
    pairs = zip(maps, others, strict=True)
    return np.array(
        [
            spearmanr(one.ravel(), other.ravel()).statistic if np.ptp(one) and np.ptp(other) else 0
            for one, other in pairs
        ]
    )
