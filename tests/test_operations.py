"""Operations: numpy against torch, gradients, and where pixels come from."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skcnn import ImageAugmenter, ImageFlattener, ImageNormalizer, ImageResizer
from skcnn.operations import AffineMap, Identity, Operation, Reshape, round_with_gradient
from skcnn.preprocessing import ColorHistogramExtractor, HOGExtractor, ImageReader
from skcnn.preprocessing._resize_operation import Resize
from skcnn.preprocessing.augmentation import Augment, Ranges
from skcnn.preprocessing.normalizer import Normalize

RNG = np.random.default_rng(0)
ASPECTS = ["stretch", "pad", "crop"]
ONE, THREE = np.array([3.0]), np.array([3.0, 120.5, -7.0])


def tensor(images):
    """Channels-first pixel values, or flat rows as they are."""
    if images.ndim == 2:
        return torch.from_numpy(images.astype(np.float32))
    images = images[..., np.newaxis] if images.ndim == 3 else images
    return torch.from_numpy(images.astype(np.float32)).permute(0, 3, 1, 2)


def array(images, shape):
    """Undo `tensor`, for images of one output shape."""
    images = images.permute(0, 2, 3, 1) if images.ndim == 4 else images
    return images.reshape(-1, *shape).numpy()


OPERATIONS = [
    (Identity(), (7, 5, 3)),
    (Identity(), (105,)),
    (Reshape((105,)), (7, 5, 3)),
    (Reshape((7, 5, 3)), (105,)),
    (Reshape((35, 3)), (7, 5, 3)),
    (Reshape((7, 5, 1)), (7, 5)),
    (Reshape((7, 5)), (35,)),
    (Normalize(ONE, 2 * ONE), (7, 5)),
    (Normalize(ONE, 2 * ONE), (7, 5, 1)),
    (Normalize(THREE, abs(THREE)), (7, 5, 3)),
    (Normalize(THREE, abs(THREE)), (105,)),
    *[
        (Resize(size, aspect), shape)
        for size in [(4, 6), (20, 9), (7, 5), (1, 1)]
        for aspect in ASPECTS
        for shape in [(7, 5, 3), (40, 31)]
    ],
]


# ------------------------------------------------------------------------------------------------
# Numpy and torch


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.float32, np.float64, bool])
@pytest.mark.parametrize(("operation", "shape"), OPERATIONS, ids=str)
def test_torch_agrees_with_numpy(operation, shape, dtype):
    largest = {bool: 2, np.uint8: 256, np.uint16: 65_536, np.int64: 256}.get(dtype, 1)
    images = (largest * RNG.random((4, *shape))).astype(dtype)
    expected = operation(images, np.arange(4), 0)
    out_shape, out_dtype = operation.output(shape, np.dtype(dtype))
    assert expected.shape == (4, *out_shape)
    assert expected.dtype == out_dtype
    module = operation.to_torch(shape, np.dtype(dtype))
    found = module(tensor(images))
    assert found.dtype == torch.float32
    atol = 1.0 if out_dtype.kind == "u" else 1e-5 * max(1, abs(images.astype(float)).max())
    assert_allclose(array(found, out_shape), expected.astype(float), atol=atol)
    if out_dtype.kind == "u":  # almost all of them are rounded alike
        assert_array_equal(found, found.round())
        assert (array(found, out_shape) == expected).mean() > 0.98


@pytest.mark.parametrize(("operation", "shape"), OPERATIONS, ids=str)
def test_gradients_are_those_of_finite_differences(operation, shape):
    module = operation.to_torch(shape, np.float32).double()
    pixels = tensor(RNG.random((1, *shape))).double().requires_grad_()
    assert torch.autograd.gradcheck(module, pixels)
    # rounding does not change the gradient
    rounding = operation.to_torch(shape, np.uint8).double()
    weights = torch.arange(module(pixels).numel()).reshape(module(pixels).shape)
    gradients = [
        torch.autograd.grad((weights * one(pixels)).sum(), pixels)[0] for one in (module, rounding)
    ]
    assert torch.equal(*gradients)


def test_rounding_is_exact_and_differentiable():
    values = torch.tensor([-2.5, -0.5, 0.3, 0.5, 1.5, 2.49999, 254.7, 65534.6], requires_grad=True)
    rounded = round_with_gradient(values)
    assert torch.equal(rounded, values.detach().round())
    rounded.sum().backward()
    assert torch.equal(values.grad, torch.ones(8))


def test_what_cannot_be_converted_to_pytorch_is_named():
    class Sort(Operation):
        def __call__(self, batch, keys, epoch):
            return np.sort(batch)

        def __repr__(self):
            return "Sort()"

    for operation, name in [
        (Sort(), r"Sort\(\)"),
        (Augment(Ranges(True, rotation=3), None, (0, 1), 0), r"Augment\(horizontal_flip=True"),
    ]:
        with pytest.raises(ValueError, match=f"{name}.* cannot be converted to PyTorch"):
            operation.to_torch((4, 4), np.dtype(np.uint8))


def test_a_random_operation_has_no_geometry():
    with pytest.raises(ValueError, match=r"Augment.* moves pixels at random"):
        Augment(Ranges(rotation=3), None, (0, 1), 0).geometry((4, 4))


@pytest.mark.parametrize(
    ("before", "after"), [((4, 5), (3, 5)), ((20,), (4, 4)), ((4, 5, 3), (4, 5))]
)
def test_reshape_keeps_the_number_of_values(before, after):
    with pytest.raises(ValueError, match=r"images of shape .* cannot be reshaped to"):
        Reshape(after)(np.zeros((2, *before)), np.arange(2), 0)
    with pytest.raises(ValueError, match="cannot be reshaped"):
        Reshape(after).to_torch(before, np.dtype(np.uint8))


# ------------------------------------------------------------------------------------------------
# Geometry


def brightest(image):
    return np.array(np.unravel_index(image.argmax(), image.shape))


@pytest.mark.parametrize("aspect", ASPECTS)
@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((40, 60), (10, 15)),
        ((60, 40), (13, 17)),
        ((31, 20), (9, 9)),
        ((9, 7), (45, 40)),
        ((8, 12), (30, 31)),
        ((40, 8), (20, 24)),
        ((12, 12), (12, 12)),
    ],
)
def test_geometry_finds_a_bright_dot(shape, size, aspect):
    operation = Resize(size, aspect)
    geometry = operation.geometry(shape)
    scale = np.diag(geometry.matrix)
    assert scale.min() > 0
    n_seen = 0
    for dot in list(np.ndindex(*shape))[:: max(1, shape[0] * shape[1] // 300)]:
        image = np.zeros((1, *shape))
        image[0][dot] = 1
        resized = operation(image, np.zeros(1, int), 0)[0]
        expected = geometry.inverse()([dot])[0]
        # cut off by "crop", or too close to the edge, where mirrored pixels move the maximum
        if (expected < 0.5).any() or (expected > np.array(size) - 1.5).any():
            continue
        n_seen += 1
        assert abs(brightest(resized) - expected).max() <= 0.5 + 1 / scale.min() / 2
        assert abs(geometry([brightest(resized)])[0] - dot).max() <= 0.5 + scale.max() / 2
    assert n_seen > 10


@pytest.mark.parametrize("aspect", ASPECTS)
@pytest.mark.parametrize(("shape", "size"), [((40, 60), (10, 15)), ((60, 40), (12, 17))])
def test_geometry_keeps_the_center_of_a_smooth_spot(shape, size, aspect):
    operation = Resize(size, aspect)
    geometry = operation.geometry(shape)
    rows, columns = np.indices(shape)
    for center in [(30, 20), (28.3, 22.6), (27, 18.25)]:
        spot = np.exp(-((rows - center[0]) ** 2 + (columns - center[1]) ** 2) / (2 * 2.0**2))
        resized = operation(spot[np.newaxis], np.zeros(1, int), 0)[0]
        mass = [(axis * resized).sum() / resized.sum() for axis in np.indices(size)]
        assert_allclose(geometry([mass])[0], center, atol=0.05)


def test_stretch_maps_edges_to_edges():
    geometry = Resize((10, 15), "stretch").geometry((40, 45))
    assert_allclose(geometry([[-0.5, -0.5], [9.5, 14.5]]), [[-0.5, -0.5], [39.5, 44.5]])


def test_geometry_does_not_depend_on_channels_and_is_the_identity_elsewhere():
    assert Resize((4, 5), "pad").geometry((9, 8, 3)) == Resize((4, 5), "pad").geometry((9, 8))
    for operation in (Identity(), Reshape((72,)), Reshape((9, 8, 1)), Normalize(ONE, ONE)):
        assert operation.geometry((9, 8)) == AffineMap()
    with pytest.raises(ValueError, match=r"Reshape\(\(8, 9\)\) .* no map of coordinates"):
        Reshape((8, 9)).geometry((9, 8))


def test_two_resizings_compose():
    first, second = Resize((30, 20), "crop"), Resize((9, 12), "pad")
    composed = first.geometry((50, 44)).compose(second.geometry((30, 20)))
    rows, columns = np.indices((50, 44))
    spot = np.exp(-((rows - 25) ** 2 + (columns - 20) ** 2) / (2 * 3.0**2))[np.newaxis]
    keys = np.zeros(1, int)
    resized = second(first(spot, keys, 0), keys, 0)[0]
    mass = [(axis * resized).sum() / resized.sum() for axis in np.indices((9, 12))]
    assert_allclose(composed([mass])[0], [25, 20], atol=0.05)


# ------------------------------------------------------------------------------------------------
# AffineMap


FIRST = AffineMap(((2.0, 0.5), (-1.0, 3.0)), (4.0, -2.0))
SECOND = AffineMap(((0.0, 1.0), (1.0, 0.25)), (0.5, 7.0))
POINTS = RNG.normal(size=(5, 2))


def test_an_affine_map_maps_points():
    expected = [[2 * r + 0.5 * c + 4, -r + 3 * c - 2] for r, c in POINTS]
    assert_allclose(FIRST(POINTS), expected)
    assert_array_equal(AffineMap()(POINTS), POINTS)
    assert FIRST(np.empty((0, 2))).shape == (0, 2)


def test_composition_and_inverse():
    assert_allclose(FIRST.compose(SECOND)(POINTS), FIRST(SECOND(POINTS)))
    assert FIRST.compose(AffineMap()) == FIRST == AffineMap().compose(FIRST)
    assert_allclose(FIRST.inverse()(FIRST(POINTS)), POINTS)
    assert_allclose(FIRST.compose(FIRST.inverse())(POINTS), POINTS)


def test_an_affine_map_is_immutable_and_hashable():
    with pytest.raises(AttributeError):
        FIRST.offset = (0, 0)
    assert len({FIRST, AffineMap(FIRST.matrix, FIRST.offset), SECOND}) == 2


# ------------------------------------------------------------------------------------------------
# The operations of fitted transformers


@pytest.mark.parametrize(
    "transformer",
    [
        ImageResizer((4, 6)),
        ImageResizer((4, 6), aspect="pad", lazy=True),
        ImageNormalizer(),
        ImageNormalizer("unit"),
        ImageFlattener(),
        ImageAugmenter(rotation=20, noise=0.1),
    ],
    ids=str,
)
@pytest.mark.parametrize("shape", [(7, 5, 3), (7, 5)])
def test_the_operation_of_a_transformer_is_its_transform(transformer, shape):
    images = RNG.integers(0, 256, (6, *shape)).astype(np.uint8)
    operation = transformer.fit(images)._operation()
    assert isinstance(operation, Operation)
    assert not operation.random
    expected = np.asarray(transformer.transform(images))
    assert_array_equal(operation(images, np.arange(6), 0), expected, strict=True)


@pytest.mark.parametrize(
    "transformer", [ImageReader(), HOGExtractor(), ColorHistogramExtractor()], ids=str
)
def test_a_transformer_without_an_operation_is_named(transformer):
    with pytest.raises(
        ValueError, match=f"{type(transformer).__name__} .* cannot be converted to PyTorch"
    ):
        transformer._operation()
