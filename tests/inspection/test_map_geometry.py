"""Maps in the geometry of the original images: resampling, and pipelines that resize."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import map_coordinates
from skimage.io import imsave
from sklearn.pipeline import make_pipeline
from torch import nn

from skcnn import (
    CNNClassifier,
    ImageAugmenter,
    ImageFlattener,
    ImageNormalizer,
    ImageReader,
    ImageResizer,
)
from skcnn.inspection import class_activation_map
from skcnn.inspection._map_geometry import project_maps
from skcnn.operations import AffineMap
from skcnn.preprocessing._resize_operation import Resize

RNG = np.random.default_rng(0)
SIZE = (32, 32)


class Brightness(nn.Module):
    """The feature map is the image, averaged over cells of `cell` pixels, with a linear head."""

    def __init__(self, in_channels, n_outputs, cell):
        super().__init__()
        self.maps = nn.Sequential(nn.Conv2d(in_channels, 1, 1), nn.AvgPool2d(cell))
        nn.init.ones_(self.maps[0].weight)
        nn.init.zeros_(self.maps[0].bias)
        self.head = nn.Linear(1, n_outputs)
        with torch.no_grad():
            self.head.weight.copy_(torch.tensor([[-1.0], [1.0]]))

    def forward(self, images):
        return self.head(self.maps(images).mean(dim=(2, 3)))


def fine(in_channels, height, width, n_outputs):
    return Brightness(in_channels, n_outputs, 1)


def coarse(in_channels, height, width, n_outputs):
    return Brightness(in_channels, n_outputs, 4)


def blob(shape, center, sigma):
    """Return a gray image of a bright blob on black."""
    rows, columns = np.indices(shape)
    squares = (rows - center[0]) ** 2 + (columns - center[1]) ** 2
    return np.exp(-squares / (2 * sigma**2)) * 255


def centroid(values):
    rows, columns = np.indices(values.shape)
    return np.array([(values * rows).sum(), (values * columns).sum()]) / values.sum()


def stretched(n_cells, n_pixels):
    """Return the geometry of cells that cover an image."""
    down, across = (pixels / cells for cells, pixels in zip(n_cells, n_pixels, strict=True))
    return AffineMap(((down, 0.0), (0.0, across)), ((down - 1) / 2, (across - 1) / 2))


def fitted(network, *steps, shape=(40, 60), X=None):
    """Return a fitted pipeline whose network stays as it was made."""
    X = RNG.integers(0, 80, (8, *shape)) if X is None else X
    cnn = CNNClassifier(network, learning_rate=1e-12, max_epochs=1, random_state=0)
    return make_pipeline(*steps, cnn).fit(X, [0, 1] * (len(X) // 2))


@pytest.mark.parametrize("n_cells", [(1, 1), (3, 5), (12, 20), (24, 40)])
@pytest.mark.parametrize("aspect", ["stretch", "pad", "crop"])
def test_projection_interpolates(n_cells, aspect):
    image_shape, input_shape = (61, 45), (24, 40)
    geometry = Resize(input_shape, aspect).geometry(image_shape)
    maps = RNG.random((2, *n_cells))
    found = project_maps(maps, stretched(n_cells, input_shape), input_shape, geometry, image_shape)
    points = np.stack(np.indices(image_shape), axis=-1).reshape(-1, 2)
    positions = geometry.inverse()(points)
    cells = (positions + 0.5) * n_cells / np.array(input_shape) - 0.5
    inside = ((positions >= -0.5) & (positions <= np.array(input_shape) - 0.5)).all(axis=1)
    assert inside.all() == (aspect != "crop")
    for one, expected in zip(found, maps, strict=True):
        values = map_coordinates(expected, cells.T, order=1, mode="nearest") * inside
        assert_allclose(one.ravel(), values, atol=1e-12)


def test_projection_averages_where_pixels_are_larger_than_cells():
    maps = np.zeros((1, 40, 40))
    maps[0, 17, 22] = 1.0
    geometry = Resize((40, 40), "stretch").geometry((10, 10))
    found = project_maps(maps, AffineMap(), (40, 40), geometry, (10, 10))
    assert_allclose(found.sum(), 1 / 16, rtol=0.02)  # the mean over the image is the same
    assert_allclose(centroid(found[0]), [(17 - 1.5) / 4, (22 - 1.5) / 4], atol=0.05)


def test_rotations_are_refused():
    turned = AffineMap(((0.0, 1.0), (1.0, 0.0)))
    with pytest.raises(ValueError, match="along each axis only"):
        project_maps(np.zeros((1, 2, 2)), AffineMap(), (4, 4), turned, (4, 4))


@pytest.mark.parametrize("network", [fine, coarse])
@pytest.mark.parametrize("aspect", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("shape", [(64, 96), (90, 50), (20, 28)])
def test_maps_are_in_the_place_of_the_object(network, aspect, shape):
    center = np.array([shape[0] * 0.55, shape[1] * 0.47])
    sigma = min(shape) / 12
    image = blob(shape, center, sigma)
    pipe = fitted(network, ImageResizer(SIZE, aspect=aspect), shape=shape)
    maps = class_activation_map(pipe, image[np.newaxis], 1)
    assert maps.shape == (1, *shape)
    assert_allclose(centroid(maps[0]), center, atol=0.02 * min(shape))  # less than half a cell
    if network is fine and min(shape) > 32:
        assert_allclose(centroid(maps[0]), center, atol=0.1)
        assert np.abs(np.unravel_index(maps.argmax(), shape) - center).max() <= 1


def test_other_steps_keep_the_place():
    shape, center = (64, 96), (30.3, 60.8)
    image = blob(shape, center, 5.0)[np.newaxis]
    steps = (ImageResizer(SIZE), ImageNormalizer(), ImageAugmenter(rotation=20, random_state=0))
    maps = class_activation_map(fitted(fine, *steps, shape=shape), image, 1)
    assert_allclose(centroid(maps[0]), center, atol=0.1)
    rows = RNG.integers(0, 80, (8, 64 * 96))
    steps = (ImageResizer(SIZE, image_shape=shape), ImageFlattener())
    flat = fitted(fine, *steps, X=rows)
    maps = class_activation_map(flat, image.reshape(1, -1), 1)
    assert maps.shape == (1, *shape)
    assert_allclose(centroid(maps[0]), center, atol=0.1)


def test_cropped_pixels_are_zero():
    image = np.full((1, 40, 100), 255) - RNG.integers(0, 2, (1, 40, 100))
    pipe = fitted(fine, ImageResizer(SIZE, aspect="crop"), shape=(40, 100))
    maps = class_activation_map(pipe, image, 1)[0]
    assert_array_equal(np.flatnonzero(maps.any(axis=0)), np.arange(30, 70))
    assert (maps[:, 30:70] > 0).all()


def test_images_of_different_sizes_and_paths(tmp_path):
    shapes = [(64, 96), (90, 50), (64, 96), (33, 32)]
    images = [blob(shape, (np.array(shape) * 0.45), 5.0) for shape in shapes]
    images = [image.astype(np.uint8) for image in images]
    resizer = ImageResizer(SIZE, aspect="pad")
    pipe = fitted(fine, resizer, X=images)
    maps = class_activation_map(pipe, images, 1)
    assert maps.dtype == object
    for one, image in zip(maps, images, strict=True):
        assert one.shape == image.shape
        assert_allclose(centroid(one), centroid(np.maximum(image.astype(float), 0)), atol=0.3)
    assert class_activation_map(pipe, [images[0], images[2]], 1).shape == (2, 64, 96)
    paths = [str(tmp_path / f"{number}.png") for number in range(4)]
    for path, image in zip(paths, images, strict=True):
        imsave(path, image, check_contrast=False)
    by_path = fitted(fine, ImageReader("L"), resizer, X=paths)
    view = ImageReader("L").fit_transform(paths)
    for found in (
        class_activation_map(by_path, paths, 1, batch_size=3),
        class_activation_map(pipe, view, 1),
    ):
        for one, expected in zip(found, maps, strict=True):
            assert_allclose(one, expected, rtol=1e-4, atol=1e-5)
