"""ResizeAnySize against the matrices of images of one size, and against the resizer."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from skcnn.preprocessing._resize import resize_images, scaled_axes
from skcnn.preprocessing._resize_any_size import ResizeAnySize
from skcnn.preprocessing._resize_operation import Resize, axis_matrix

SHAPES = [(1, 1), (1, 7), (9, 8), (300, 17), (120, 160), (8, 10), (3, 1000)]
SIZES = [(8, 10), (1, 1), (2, 3), (64, 64), (5, 64)]


@pytest.mark.parametrize("aspect", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("size", SIZES)
def test_matrices_are_those_of_one_size(size, aspect):
    module = ResizeAnySize(size, aspect, rounds=False)
    for shape in SHAPES:
        images = torch.rand(2, 3, *shape, generator=torch.Generator().manual_seed(0))
        down, across = map(axis_matrix, scaled_axes(shape, size, aspect))
        expected = down @ images.numpy() @ across.T
        assert_allclose(module(images), expected, atol=1e-6, err_msg=str(shape))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("aspect", ["stretch", "pad", "crop"])
def test_operation_for_images_of_any_size(aspect, dtype):
    module = Resize((8, 10), aspect).to_torch((None, None, 3), np.dtype(dtype))
    rng = np.random.default_rng(0)
    for shape in SHAPES:
        images = rng.integers(0, 256, (2, *shape, 3)).astype(dtype)
        tensor = torch.from_numpy(images.astype(np.float32)).permute(0, 3, 1, 2)
        found = module(tensor).permute(0, 2, 3, 1).numpy()
        expected = resize_images(images, (8, 10), aspect)
        assert_allclose(found, expected, atol=1 if dtype == np.uint8 else 1e-3)
        assert (abs(found - expected) > 1e-3).mean() < 0.01  # values near a half
