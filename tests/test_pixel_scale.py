"""Warnings about images of another scale than in fit."""

import copy
import pickle
import warnings
from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline

from skcnn import CNNClassifier, CNNRegressor, ImageAugmenter, ImageNormalizer, LazyImages
from skcnn.pixel_scale import PixelScale, ScaleMonitor, image_magnitudes, scale_ratio

RNG = np.random.default_rng(0)
Y = np.arange(40) % 2
X = RNG.integers(0, 256, size=(40, 8, 8, 3)).astype(np.uint8)
X[Y == 1, :4] //= 2
PHOTO = 128.0  # typical magnitude


def scales_warned(function):
    """Return the names of the arguments about which the function warned."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function()
    assert all(entry.category is UserWarning for entry in caught)
    return [str(entry.message).split()[4] for entry in caught]


def monitor_of(*batches):
    monitor = ScaleMonitor()
    for batch in batches:
        monitor.add(batch)
    return monitor


# --- magnitudes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["u1", "u2", "i8", "f2", "f4", ">f8"])
@pytest.mark.parametrize("shape", [(8, 8, 3), (8, 8), (192,), (1, 1)])
def test_magnitudes_are_root_mean_squares(dtype, shape):
    images = RNG.integers(0, 200, size=(5, *shape)).astype(dtype)
    expected = np.sqrt((images.reshape(5, -1).astype(float) ** 2).mean(axis=1))
    if shape == (1, 1):
        expected[:] = 0  # a constant image
    assert_allclose(image_magnitudes(images), expected, rtol=1e-12)


def test_constant_images_have_no_magnitude():
    images = np.stack([np.full((4, 4), 7.0), np.zeros((4, 4)), np.eye(4)])
    assert_allclose(image_magnitudes(images), [0, 0, 0.5])


def test_magnitudes_of_a_sample():
    images = RNG.normal(size=(1000, 70, 70, 3))
    found = image_magnitudes(images)
    assert len(found) <= 64
    assert_allclose(found, 1, atol=0.2)
    assert len(image_magnitudes(images[:0])) == 0


# --- comparison ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("magnitudes", "expected"),
    [
        ([PHOTO], 1),
        ([PHOTO / 255], 1 / 255),
        ([PHOTO / 255] * 7 + [PHOTO], 1),
        ([PHOTO / 255, 0, 0], 1 / 255),
        ([PHOTO / 4, PHOTO / 20], 1),
        ([0, 0], 1),
        ([], 1),
        ([PHOTO * 257], 257),
        ([PHOTO * 257, PHOTO * 257, PHOTO], 257),
        ([PHOTO * 257, PHOTO, PHOTO], 1),
    ],
)
def test_ratio(magnitudes, expected):
    found = scale_ratio(np.array(magnitudes, float), PixelScale(PHOTO / 2, PHOTO * 2, False))
    assert found == pytest.approx(expected)


def test_no_ratio_to_constant_images():
    assert scale_ratio(np.array([5.0]), PixelScale(0.0, 0.0, False)) == 1


def test_scale_of_images():
    monitor = monitor_of(X[:10], X[10:], np.zeros_like(X))
    magnitudes = np.sqrt((X.reshape(40, -1).astype(float) ** 2).mean(axis=1))
    low, high = np.quantile(magnitudes, [0.05, 0.95])
    assert monitor.scale() == (pytest.approx(low), pytest.approx(high), False)
    assert monitor_of(X > 100).scale().few_levels
    assert monitor_of().scale() == (0, 0, True)


def test_black_images_with_noise_do_not_warn_but_binary_images_do():
    noise = RNG.integers(0, 3, size=(4, 8, 8, 3))
    assert not monitor_of(noise).differs(monitor_of(X).scale())
    binary = (X > 100) * 255
    assert monitor_of(X > 100).differs(monitor_of(binary).scale())


def test_the_message_says_by_how_much():
    with pytest.warns(UserWarning, match=r"values of X_val are about 25\d times smaller than"):
        monitor_of(X / 255).warn(monitor_of(X).scale(), "X_val")
    with pytest.warns(UserWarning, match=r"pixel values of X are about 25\d times larger than"):
        monitor_of(X).warn(monitor_of(X / 255).scale())


# --- estimators ---------------------------------------------------------------------------------


def classifier(**parameters):
    return CNNClassifier(channels=(2,), max_epochs=1, random_state=0, **parameters)


SCALES = {"0 to 255": 1.0, "0 to 1": 1 / 255, "16 bits": 257.0}
FORMS = {
    "array": np.asarray,
    "rows": lambda images: images.reshape(len(images), -1),
    "lazy": LazyImages,
    "augmented": lambda images: ImageAugmenter(shift=0.1).fit(X).transform(LazyImages(images)),
}


@cache
def fitted_on(scale):
    return classifier(image_shape=X.shape[1:]).fit(X * SCALES[scale], Y)


@pytest.mark.parametrize("n_images", [1, 3, 40])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("after", SCALES)
@pytest.mark.parametrize("before", SCALES)
def test_predictions_warn_once_about_another_scale(before, after, form, n_images):
    model = fitted_on(before)
    images = FORMS[form](X[:n_images] * SCALES[after])
    for predict in (
        model.predict,
        model.predict_proba,
        model.predict_log_proba,
        lambda images: model.score(images, Y[:n_images]),
        pickle.loads(pickle.dumps(model)).predict,
        copy.deepcopy(model).predict,
    ):
        warned = scales_warned(lambda predict=predict: predict(images))
        assert warned == ([] if before == after else ["X"])


def test_a_regressor_warns():
    model = CNNRegressor(channels=(2,), max_epochs=1).fit(X, Y * 1.0)
    assert scales_warned(lambda: model.predict(X / 255)) == ["X"]


@pytest.mark.parametrize("factor", [1, 0.5, 0.25, 0.1, 2, 4])
@pytest.mark.parametrize("dtype", [float, np.uint8, np.uint16])
def test_dark_and_bright_images_do_not_warn(factor, dtype):
    model = classifier().fit(X, Y)
    images = np.clip(X * factor, 0, np.iinfo(dtype).max if dtype is not float else None)
    for batch in (images, images[:1], images[:7]):
        assert scales_warned(lambda batch=batch: model.predict(batch.astype(dtype))) == []


def test_constant_images_do_not_warn_and_do_not_hide_another_scale():
    model = classifier().fit(X, Y)
    constant = [np.full_like(X[:4], value) for value in (0, 1, 2, 255)]
    for images in (*constant, np.concatenate(constant), np.concatenate([X[:1], *constant])):
        assert scales_warned(lambda images=images: model.predict(images)) == []
    assert scales_warned(lambda: model.predict(np.concatenate([X / 255, constant[0]]))) == ["X"]


def test_lazy_images_are_read_once():
    class Source:
        shape, dtype, reads = X.shape, np.dtype(float), 0

        def __getitem__(self, rows):
            self.reads += len(rows)
            return X[rows] / 255

    source, model = Source(), classifier().fit(X, Y)
    assert scales_warned(lambda: model.predict(LazyImages(source))) == ["X"]
    assert source.reads == len(X)


def test_validation_images_and_later_training_images_warn():
    model = classifier(warm_start=True)
    assert scales_warned(lambda: model.fit(X, Y, X_val=X / 255, y_val=Y)) == ["X_val"]
    assert scales_warned(lambda: model.fit(X / 255, Y, X_val=X, y_val=Y)) == ["X"]
    assert scales_warned(lambda: classifier().fit(X, Y).fit(X / 255, Y)) == []
    model = classifier().partial_fit(X, Y)
    assert scales_warned(lambda: model.partial_fit(X, Y)) == []
    assert scales_warned(lambda: model.partial_fit(X / 255, Y)) == ["X"]


def test_the_scale_is_that_of_the_images_with_weight_and_the_first_call():
    images = np.concatenate([X, X / 255])
    weights = np.repeat([1.0, 0.0], 40)
    model = classifier().fit(images, np.tile(Y, 2), weights)
    assert model.pixel_scale_ == classifier().fit(X, Y).pixel_scale_
    scale = classifier().partial_fit(X, Y).pixel_scale_
    assert classifier().partial_fit(X, Y).partial_fit(X * 2.0, Y).pixel_scale_ == scale


# --- normalizer ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_the_normalizer_warns(form):
    normalizer = ImageNormalizer(image_shape=X.shape[1:]).fit(X)
    transform = lambda images: np.asarray(normalizer.transform(FORMS[form](images)))  # noqa: E731
    assert scales_warned(lambda: transform(X / 255)) == ["X"]
    assert scales_warned(lambda: transform(X * 257.0)) == ["X"]
    assert scales_warned(lambda: transform(X * 0.25)) == []
    assert scales_warned(lambda: normalizer.fit_transform(X)) == []
    assert scales_warned(lambda: normalizer.inverse_transform(transform(X))) == []


def test_the_normalizer_warns_once_in_a_lazy_view():
    view = ImageNormalizer().fit(X).transform(LazyImages(X / 255, n_jobs=1))
    assert scales_warned(lambda: [len(part) for part in view.read_parts(4)]) == ["X"]


@pytest.mark.parametrize("method", ["standardize", "unit"])
def test_a_pipeline_with_a_normalizer_warns(method):
    pipe = make_pipeline(ImageNormalizer(method), classifier()).fit(X, Y)
    assert scales_warned(lambda: pipe.predict(X / 255)) == ["X"]
    assert scales_warned(lambda: pipe.predict(X)) == []


def test_the_normalizer_forgets_the_scale_with_another_method():
    normalizer = ImageNormalizer().fit(X)
    assert_array_equal(normalizer.pixel_scale_, monitor_of(X).scale())
    normalizer.set_params(method="unit").fit(X)
    assert not hasattr(normalizer, "pixel_scale_")
