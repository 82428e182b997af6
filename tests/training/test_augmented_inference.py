"""Test-time augmentation against NumPy."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from skcnn.training.augmented_inference import TEST_TIME_AUGMENTATIONS, average_over_variants

RNG = np.random.default_rng(0)
SIZES = [(1, 1), (1, 6), (2, 2), (7, 5)]


def shift(images, step):
    padded = np.pad(images, [(0, 0), (0, 0), (1, 1), (1, 1)], mode="edge")
    height, width = images.shape[2:]
    return padded[:, :, 1 + step : 1 + step + height, 1 + step : 1 + step + width]


def naive_variants(name, images):
    if name == "flip":
        return [(0.5, images), (0.5, images[..., ::-1])]
    variants = []
    for step, weight in ((0, 0.25), (-1, 0.125), (1, 0.125)):
        moved = shift(images, step)
        variants += [(weight, moved), (weight, moved[..., ::-1])]
    return variants


@pytest.mark.parametrize("name", ["flip", "flip_shift"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_variants(name, size, dtype, memory_format):
    images = RNG.integers(0, 256, size=(3, 2, *size)).astype(dtype)
    tensor = torch.tensor(images).contiguous(memory_format=memory_format)
    found, expected = list(TEST_TIME_AUGMENTATIONS[name](tensor)), naive_variants(name, images)
    for (weight, variant), (share, moved) in zip(found, expected, strict=True):
        assert weight == share
        assert variant.dtype == tensor.dtype
        assert_array_equal(variant, moved)
    assert sum(weight for weight, _ in found) == 1
    assert_array_equal(tensor, images)


def test_names_of_the_augmentations():
    assert set(TEST_TIME_AUGMENTATIONS) == {"flip", "flip_shift"}


@pytest.mark.parametrize(("name", "n_passes"), [(None, 1), ("flip", 2), ("flip_shift", 6)])
@pytest.mark.parametrize("n_images", [1, 5])
def test_cost_is_the_number_of_variants(name, n_passes, n_images):
    passes = []

    def outputs(images):
        passes.append(len(images))
        return images.float().mean(dim=(1, 2, 3))

    average_over_variants(outputs, name)(torch.rand(n_images, 2, 4, 5))
    assert passes == [n_images] * n_passes
