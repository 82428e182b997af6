"""Batch transforms: progressive resizing against scikit-image and naive means, and mixup."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from skimage.transform import resize as skimage_resize
from sklearn.base import clone

from skcnn import CNNClassifier
from skcnn.training.loader import Batch
from skcnn.training.options import TrainingOptions, TrainingParameters
from skcnn.training.transforms import (
    Cutmix,
    Mixup,
    Progress,
    ProgressiveResizing,
    RandomChoice,
    batch_transforms,
    resize,
)

RNG = np.random.default_rng(0)
IMAGES = torch.tensor(RNG.integers(0, 256, size=(3, 2, 12, 20)).astype(np.uint8))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.int64])
def test_fraction_of_one_returns_the_images(dtype):
    images = IMAGES.to(dtype)
    assert resize(images, 1.0) is images


@pytest.mark.parametrize(
    ("size", "share", "expected"),
    [
        ((12, 20), 0.5, (6, 10)),
        ((12, 20), 0.75, (9, 15)),
        ((12, 20), 0.33, (4, 7)),
        ((5, 7), 0.999, (5, 7)),
        ((28, 28), 0.01, (2, 2)),
        ((2, 9), 0.1, (2, 2)),
        ((1, 9), 0.5, (1, 4)),
        ((1, 9), 0.1, (1, 2)),
        ((1, 1), 0.2, (1, 1)),
    ],
)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64, torch.int32])
def test_sizes_and_dtypes(size, share, expected, dtype):
    images = torch.ones(2, 3, *size, dtype=dtype).contiguous(memory_format=torch.channels_last)
    found = resize(images, share)
    assert found.shape == (2, 3, *expected)
    assert found.dtype == torch.float32


@pytest.mark.parametrize("share", [0.2, 0.5, 0.77, 0.95])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_constant_images_stay_constant(share, dtype):
    images = torch.full((2, 3, 11, 9), 201, dtype=dtype)
    assert_allclose(resize(images, share), 201, rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_linear_images_stay_linear(dtype):
    ramp = torch.arange(0, 160, 4, dtype=dtype).expand(1, 1, 40, 40)
    found = resize(ramp, 0.5)[0, 0, :, 2:-2].double()
    assert_allclose(found.diff(dim=1), 8, atol=1e-4)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_half_the_size_equals_a_triangular_filter(memory_format):
    weights = np.array([1, 3, 3, 1]) / 8
    images = IMAGES.float().contiguous(memory_format=memory_format)
    found = resize(images, 0.5)[:, :, 1:-1, 1:-1]
    windows = np.lib.stride_tricks.sliding_window_view(IMAGES.numpy(), (4, 4), axis=(2, 3))
    expected = np.einsum("...ij,i,j->...", windows[:, :, 1::2, 1::2], weights, weights)
    assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.8])
def test_resize_is_close_to_scikit_image(share):
    rows, columns = np.mgrid[:40, :60]
    image = 100 + 80 * np.sin(rows / 8) * np.cos(columns / 9)
    found = resize(torch.tensor(image)[None, None], share)[0, 0].numpy()
    expected = skimage_resize(image, found.shape, anti_aliasing=True)
    assert abs(found - expected).max() < 4


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_resize_does_not_depend_on_the_dtype(share):
    for images in (IMAGES, IMAGES[:, :1].repeat(1, 3, 1, 1)):
        assert torch.equal(resize(images, share), resize(images.float(), share))


def test_resize_does_not_depend_on_the_other_images():
    assert_array_equal(resize(IMAGES[:1], 0.6), resize(IMAGES, 0.6)[:1])


# --- the list of transforms --------------------------------------------------------------------


class Recorder:
    """A batch transform that records the progress and inverts the images."""

    def __init__(self):
        self.seen = []

    def __call__(self, batch, net, progress):
        self.seen.append((progress, net.module_.training, len(batch.y)))
        return batch.replace(images=255 - batch.images.float())


def test_net_transforms_every_training_batch(monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr("skcnn.training.net.batch_transforms", lambda options: [recorder])
    X, y = IMAGES.numpy().transpose(0, 2, 3, 1).repeat(4, axis=0), np.arange(12) % 2
    cnn = CNNClassifier(channels=(), batch_size=6, max_epochs=2, random_state=0)
    inverted = clone(cnn).fit(X, y, X_val=X, y_val=y).module_
    assert recorder.seen == [(Progress(epoch, 2), True, 6) for epoch in (0, 0, 1, 1)]
    monkeypatch.undo()
    cnn = CNNClassifier(
        channels=(), batch_size=6, max_epochs=2, random_state=0, precision="float32"
    )
    module = cnn.fit(X, y).module_
    assert not torch.equal(module.network.output.weight, inverted.network.output.weight)


def test_options_select_the_transforms():
    def transform_types(**parameters):
        options = TrainingOptions.of(TrainingParameters(**parameters))
        return [type(transform) for transform in batch_transforms(options)]

    assert transform_types() == []
    assert transform_types(mixup=0.2) == [Mixup]
    assert transform_types(mixup=0.2, progressive_resizing=0.5) == [ProgressiveResizing, Mixup]
    assert transform_types(cutmix=0.2) == [Cutmix]
    assert transform_types(cutmix=0.2, mixup=0.1) == [RandomChoice]


@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 2.0, 0.5])])
def test_mixup_mixes_images_and_targets_equally(weights):
    images = IMAGES.float()
    batch = Batch(images, torch.arange(3), weights)
    torch.manual_seed(0)
    mixed = Mixup(0.4)(batch, None, Progress(0, 1))
    (own, y, w), (other, partner, partner_weights) = mixed.weighted_targets
    assert own + other == pytest.approx(1)
    assert torch.equal(y, batch.y)
    assert_allclose(mixed.images, own * images + other * images[partner], rtol=1e-6)
    if weights is None:
        assert w is partner_weights is None
    else:
        assert torch.equal(partner_weights, weights[partner])


def test_mixup_of_a_mixed_batch_keeps_the_weights_of_all_targets():
    batch = Batch(IMAGES.float(), torch.arange(3))
    twice = Mixup(1.0)(Mixup(1.0)(batch, None, Progress(0, 1)), None, Progress(0, 1))
    factors = [factor for factor, *_ in twice.weighted_targets]
    assert len(factors) == 4
    assert sum(factors) == pytest.approx(1)
    shown = sum(factor * batch.images[y] for factor, y, _ in twice.weighted_targets)
    assert_allclose(twice.images, shown, rtol=1e-5)


@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 2.0, 0.5])])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("alpha", [1e-5, 0.3, 1.0, 100.0])
def test_cutmix_weights_the_targets_by_the_areas(weights, dtype, alpha):
    images = torch.arange(3 * 2 * 6 * 10).reshape(3, 2, 6, 10).to(dtype)
    batch = Batch(images, torch.arange(3), weights)
    for seed in range(20):
        torch.manual_seed(seed)
        mixed = Cutmix(alpha)(batch, None, Progress(0, 1))
        (own, y, w), (other, partner, partner_weights) = mixed.weighted_targets
        assert torch.equal(y, batch.y)
        assert sorted(partner.tolist()) == [0, 1, 2]
        assert own + other == pytest.approx(1)
        assert mixed.images.dtype == dtype
        changed = (mixed.images != images).any(dim=1)
        for image, mask in enumerate(changed):
            if partner[image] == image:
                continue
            assert mask.float().mean() == pytest.approx(other)
            if mask.any():  # a rectangle that shows the partner
                rows, columns = mask.any(dim=1), mask.any(dim=0)
                assert torch.equal(mask, rows[:, None] & columns)
                assert torch.equal(mixed.images[image][:, mask], images[partner[image]][:, mask])
        assert (w is None) == (weights is None)
        if weights is not None:
            assert torch.equal(w, weights)
            assert torch.equal(partner_weights, weights[partner])
    assert torch.equal(batch.images, torch.arange(360).reshape(3, 2, 6, 10).to(dtype))


def test_mean_area_of_cutmix():
    batch = Batch(torch.zeros(2, 1, 32, 32), torch.arange(2))
    torch.manual_seed(0)
    areas = [Cutmix(1.0)(batch, None, Progress(0, 1)).weighted_targets[1][0] for _ in range(2000)]
    # The mean over uniform area fractions a and centers of (s - s**2 / 4)**2, where s = sqrt(a).
    sides = np.sqrt((np.arange(10_000) + 0.5) / 10_000)
    assert np.mean(areas) == pytest.approx(((sides - sides**2 / 4) ** 2).mean(), abs=0.02)


def test_random_choice_applies_one_of_the_transforms():
    transforms = batch_transforms(TrainingOptions.of(TrainingParameters(mixup=1.0, cutmix=1.0)))
    batch = Batch(torch.arange(24).reshape(2, 3, 2, 2), torch.arange(2))
    torch.manual_seed(0)
    dtypes = [transforms[0](batch, None, Progress(0, 1)).images.dtype for _ in range(100)]
    assert 30 < dtypes.count(torch.float32) < 70  # mixup converts the images, CutMix does not
    assert set(dtypes) == {torch.float32, torch.int64}
