"""The same pixel values give the same results, whatever their dtype, byte order and layout."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skcnn import (
    CNNClassifier,
    CNNRegressor,
    ColorHistogramExtractor,
    ConvAutoencoder,
    HOGExtractor,
    ImageAugmenter,
    ImageFlattener,
    ImageNormalizer,
    ImageOutlierDetector,
    ImageResizer,
    LazyImages,
)
from skcnn.operations import Identity
from skcnn.pixels import dtype_range
from skcnn.preprocessing._resize import resized_dtype

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, size=(24, 8, 8, 3)).astype(np.uint8)
Y = np.arange(24) % 2
X[Y == 1, :4] //= 2


class Subclass(np.ndarray):
    """A subclass of arrays."""


def spaced(images):
    wide = np.zeros((len(images), 16, *images.shape[2:]), images.dtype)
    wide[:, ::2] = images
    return wide[:, ::2]


def read_only(images):
    images = images.copy()
    images.flags.writeable = False
    return images


def as_objects(images):
    objects = np.empty(len(images), dtype=object)
    objects[:] = list(images)
    return objects


DTYPES = ["u2", ">u2", "i2", ">i2", ">i4", "i8", ">i8", "u8", ">u8"]
DTYPES += ["f2", ">f2", "f4", ">f4", "f8", ">f8", "longdouble"]
LAYOUTS = {
    "Fortran": np.asfortranarray,
    "not contiguous": spaced,
    "reversed": lambda images: images[:, ::-1].copy()[:, ::-1],
    "read-only": read_only,
    "subclass": lambda images: images.view(Subclass),
    "big-endian subclass": lambda images: images.astype(">f8").view(Subclass),
    "objects": lambda images: images.astype(object),
    "object array of images": as_objects,
    "nested lists": lambda images: images.tolist(),
    "list": list,
    "list of big-endian": lambda images: list(images.astype(">f4")),
    "lazy": LazyImages,
    "lazy, big-endian": lambda images: LazyImages(images.astype(">i4")),
    "lazy, big-endian floats": lambda images: LazyImages(images.astype(">f8")),
}
FORMS = {**{code: lambda images, code=code: images.astype(code) for code in DTYPES}, **LAYOUTS}

OPTIONS = {
    "plain": {},
    "progressive_resizing": {"network": "fast", "progressive_resizing": 0.5},
    "mixup": {"mixup": 0.4},
    "test_time_augmentation": {"test_time_augmentation": "flip_shift"},
    "early_stopping": {"early_stopping": True, "validation_fraction": 0.25},
}
_EXPECTED = {}


def predictions(name, images):
    options = {"max_epochs": 2, "batch_size": 8, "random_state": 0, **OPTIONS[name]}
    channels = {} if name == "progressive_resizing" else {"channels": (4,), "hidden_units": ()}
    model = CNNClassifier(**channels, **options)
    return model.fit(images, Y).predict_proba(images)


# The options act on batches, after the dtype and the layout of the images were dealt with.
WITH_OPTIONS = [">u2", "f2", ">f8", "longdouble", "reversed", "objects", "lazy, big-endian"]


@pytest.mark.parametrize(
    ("name", "form"),
    [
        *(("plain", form) for form in FORMS),
        *((name, form) for name in OPTIONS if name != "plain" for form in WITH_OPTIONS),
    ],
)
def test_classifier(name, form):
    if name not in _EXPECTED:
        _EXPECTED[name] = predictions(name, X)
    assert_array_equal(predictions(name, FORMS[form](X)), _EXPECTED[name])


@pytest.mark.parametrize("form", [">u2", ">f8", "f2", "objects", "lazy, big-endian"])
def test_regressor(form):
    def predict(images):
        model = CNNRegressor(channels=(4,), max_epochs=1, random_state=0)
        return model.fit(images, Y * 1.5).predict(images)

    assert_array_equal(predict(FORMS[form](X)), predict(X))


@pytest.mark.parametrize("form", [">u2", ">f8", "f2", "objects", "lazy, big-endian"])
def test_autoencoder(form):
    def reconstruct(images):
        model = ConvAutoencoder(3, channels=(4,), max_epochs=1, random_state=0)
        return model.fit(images).reconstruct(images)

    assert_array_equal(reconstruct(FORMS[form](X)), reconstruct(X))


@pytest.mark.parametrize("form", FORMS)
def test_outlier_detector(form):
    def score(images):
        return ImageOutlierDetector().fit(images).score_samples(images)

    assert_array_equal(score(FORMS[form](X)), score(X))


@pytest.mark.parametrize("codes", [(">i8", "i8"), (">U2", "U2"), (">i2", "i2")])
def test_byte_order_of_labels(codes):
    swapped, own = (
        CNNClassifier(channels=(2,), max_epochs=1, random_state=0).fit(X, Y.astype(code))
        for code in codes
    )
    assert swapped.classes_.dtype == own.classes_.dtype == np.dtype(codes[1])
    assert swapped.predict(X).dtype.isnative
    assert_array_equal(swapped.predict(X), own.predict(X))
    part = CNNClassifier(channels=(2,), max_epochs=1).partial_fit(
        X, Y.astype(codes[0]), classes=np.arange(3).astype(codes[0])
    )
    assert part.classes_.dtype.isnative


@pytest.mark.parametrize("code", ["u2", "i4", "f4", "f8"])
def test_frames_have_the_byte_order_of_the_machine(code):
    rows = X.reshape(len(X), -1)
    frame = pd.DataFrame(rows.astype(">" + code))
    found = ImageFlattener(image_shape=X.shape[1:]).fit_transform(frame)
    assert found.dtype == np.dtype(code)
    assert_array_equal(found, rows)


TENSORS = {
    "uint8": torch.as_tensor,
    "requires a gradient": lambda images: torch.tensor(images * 1.0, requires_grad=True),
    "list": lambda images: list(torch.tensor(images * 1.0, requires_grad=True)),
    "bfloat16": lambda images: torch.tensor(images).bfloat16(),
}


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("flat", [False, True])
def test_tensors(name, flat):
    images = X.reshape(len(X), -1) if flat else X
    if name == "list" and flat:
        pytest.skip("a list of rows is not special")
    found = ImageFlattener(image_shape=X.shape[1:]).fit_transform(TENSORS[name](images))
    assert_array_equal(found, X.reshape(len(X), -1))


def test_memory_maps(tmp_path):
    path = tmp_path / "images"
    for code in ("u1", ">u2", ">f4"):
        X.astype(code).tofile(path)
        for mode in ("r", "r+"):
            images = np.memmap(path, code, mode, shape=X.shape)
            assert_array_equal(predictions("plain", images), predictions("plain", X))
            assert_array_equal(images, X)


def test_bool_images():
    images = X > 100
    assert_array_equal(predictions("plain", images), predictions("plain", images.astype(float)))


TRANSFORMERS = {
    "augmenter, moves": lambda: ImageAugmenter(horizontal_flip=True, shift=2, random_state=0),
    "augmenter, resamples": lambda: ImageAugmenter(rotation=20, zoom=0.1, random_state=0),
    "augmenter, values": lambda: ImageAugmenter(
        brightness=0.2, contrast=0.2, noise=0.1, erase=0.3, random_state=0
    ),
    "augmenter, nothing": ImageAugmenter,
    "color histogram": lambda: ColorHistogramExtractor(n_bins=3),
    "flattener": ImageFlattener,
    "hog": lambda: HOGExtractor(pixels_per_cell=(4, 4)),
    "normalizer": ImageNormalizer,
    "resizer": lambda: ImageResizer((5, 6)),
    "resizer, lazy": lambda: ImageResizer((5, 6), lazy=True),
    "resizer, same size": lambda: ImageResizer((8, 8)),
    "unit normalizer": lambda: ImageNormalizer("unit"),
}


@pytest.mark.parametrize("code", ["u2", "i2", "i4", "i8", "u8", "f2", "f4", "f8"])
@pytest.mark.parametrize("lazy", [np.asarray, LazyImages])
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_byte_order_makes_no_difference_to_transformers(name, lazy, code):
    expected = TRANSFORMERS[name]().fit_transform(X.astype(code))
    transformer = TRANSFORMERS[name]()
    for found in (
        transformer.fit_transform(lazy(X.astype(">" + code))),
        TRANSFORMERS[name]().fit(X.astype(code)).transform(lazy(X.astype(">" + code)))
        if not name.startswith("augmenter")
        else expected,
    ):
        assert found.dtype.isnative
        assert found.dtype == expected.dtype
        assert np.asarray(found).dtype == expected.dtype
        assert_array_equal(np.asarray(found), np.asarray(expected))
    for attribute in ("pixel_range_", "mean_", "scale_", "n_bins_"):
        if hasattr(transformer, attribute):
            fitted = TRANSFORMERS[name]().fit(X.astype(code))
            assert_array_equal(getattr(transformer, attribute), getattr(fitted, attribute))


@pytest.mark.parametrize("form", [form for form in FORMS if form not in ("u2", ">u2")])
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_dtypes_change_transformed_images_by_rounding_only(name, form):
    images = X.copy()
    images[0, 0, 0] = 0, 255, 0  # so that the range of the values is that of uint8
    expected = np.asarray(TRANSFORMERS[name]().fit_transform(images))
    found = np.asarray(TRANSFORMERS[name]().fit_transform(FORMS[form](images)))
    rounds = name.startswith(("augmenter", "resizer"))
    assert_allclose(
        found.astype(float), expected.astype(float), atol=0.5001 if rounds else 1e-6, rtol=1e-6
    )


@pytest.mark.parametrize(("code", "limits"), [("u1", (0, 255)), ("u2", (0, 65535)), ("i2", None)])
def test_the_range_of_a_dtype(code, limits):
    assert dtype_range(code) == dtype_range(">" + code) == dtype_range("<" + code) == limits


@pytest.mark.parametrize("code", ["u2", "f4", "f8"])
def test_resized_dtype(code):
    assert resized_dtype(">" + code) == resized_dtype("<" + code) == np.dtype(code)


def test_the_pixel_range_of_bool_images_is_made_of_numbers():
    augmenter = ImageAugmenter(noise=0.1).fit(X > 100)
    assert augmenter.pixel_range_ == (0, 1)
    assert all(type(limit) is int for limit in augmenter.pixel_range_)


def test_a_view_has_the_byte_order_of_the_machine_whatever_its_operations():
    view = LazyImages(X.astype(">u2"))
    for other in (view, view.then(Identity()), view[3:], view.at_epoch(1)):
        assert other.dtype == np.uint16
        assert other.read().dtype.isnative
        assert np.asarray(other).dtype.isnative
        assert other[0].dtype.isnative
