"""Values that a network can use, and those that are refused."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skcnn import CNNClassifier, CNNRegressor, ImageResizer
from skcnn.lazy import LazyImages
from skcnn.preprocessing import (
    ColorHistogramExtractor,
    HOGExtractor,
    ImageAugmenter,
    ImageFlattener,
    ImageNormalizer,
)
from skcnn.values import (
    check_arguments,
    check_numbers,
    check_pixel_values,
    native,
    native_dtype,
    no_overflow,
    refuse_masked,
)

RNG = np.random.default_rng(0)
X = RNG.integers(0, 200, size=(12, 8, 8)).astype(np.uint8)
Y = np.arange(12) % 2
HUGE = 10**400
MASKED = np.ma.masked_greater(X, 150)
TRANSFORMERS = {
    "augmenter": lambda: ImageAugmenter(rotation=5, random_state=0),
    "color histogram": lambda: ColorHistogramExtractor(n_bins=3),
    "flattener": ImageFlattener,
    "hog": lambda: HOGExtractor(pixels_per_cell=(4, 4)),
    "normalizer": ImageNormalizer,
    "resizer": lambda: ImageResizer((4, 4)),
    "lazy resizer": lambda: ImageResizer((4, 4), lazy=True),
    "unit normalizer": lambda: ImageNormalizer("unit"),
}


def classifier(**parameters):
    return CNNClassifier(channels=(2,), max_epochs=1, random_state=0, **parameters)


# --- byte order ---------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["u2", "i8", "f2", "f4", "f8"])
def test_native(code):
    swapped = np.arange(6).astype(">" + code)
    assert native(swapped).dtype == np.dtype(code) == native_dtype(swapped.dtype)
    assert native(swapped).dtype.isnative
    assert_array_equal(native(swapped), np.arange(6))
    already = np.arange(6).astype(code)
    assert native(already) is already


# --- masked values ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "n_masked"),
    [
        (np.ma.array([1, 2], mask=[0, 1]), 1),
        ([np.ma.array([1, 2], mask=[1, 1]), np.zeros(2)], 2),
        ([[1, np.ma.masked], [2, 3]], 1),
        ((0, [1, [np.ma.masked]]), 1),
        (np.array([np.zeros(2), np.ma.array([1, 2, 3], mask=[0, 0, 1])], dtype=object), 1),
    ],
)
def test_masked_values_are_refused(values, n_masked):
    with pytest.raises(ValueError, match=rf"y is a masked array with {n_masked} masked value"):
        refuse_masked(values, "y")


@pytest.mark.parametrize(
    "values", [None, 3, "text", [], [1, "a"], X, np.ma.array(X), np.ma.array(X, mask=X < 0), {1: 2}]
)
def test_values_without_a_mask_are_accepted(values):
    refuse_masked(values, "y")


FORMS = {
    "array": lambda: MASKED,
    "rows": lambda: MASKED.reshape(12, -1),
    "list": lambda: list(MASKED),
    "objects": lambda: np.array([*MASKED[:11], MASKED[11, :4]], dtype=object),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_transformers_refuse_masked_images(name, form):
    transformer = TRANSFORMERS[name]()
    with pytest.raises(ValueError, match="X is a masked array"):
        transformer.fit(FORMS[form]())
    with pytest.raises(ValueError, match="X is a masked array"):
        transformer.fit(X).transform(FORMS[form]())


@pytest.mark.parametrize("form", FORMS)
def test_estimators_refuse_masked_images(form):
    model = classifier()
    for call in (
        lambda: model.fit(FORMS[form](), Y),
        lambda: model.partial_fit(FORMS[form](), Y),
        lambda: model.fit(X, Y, X_val=FORMS[form](), y_val=Y),
        lambda: model.fit(X, Y).predict(FORMS[form]()),
        lambda: model.fit(X, Y).score(FORMS[form](), Y),
    ):
        with pytest.raises(ValueError, match="X is a masked array"):
            call()


def test_lazy_images_refuse_masked_images():
    with pytest.raises(ValueError, match="source is a masked array"):
        LazyImages(MASKED)

    class Source:
        shape, dtype = X.shape, X.dtype

        def __getitem__(self, rows):
            return MASKED[rows]

    with pytest.raises(ValueError, match="the source of LazyImages is a masked array"):
        classifier().fit(LazyImages(Source()), Y)


@pytest.mark.parametrize("make", [classifier, lambda: CNNRegressor(channels=(2,), max_epochs=1)])
@pytest.mark.parametrize("name", ["y", "sample_weight", "y_val", "sample_weight_val"])
@pytest.mark.parametrize("kind", ["array", "list"])
def test_masked_targets_and_weights_are_refused(make, name, kind):
    masked = np.ma.array(Y + 1.0, mask=Y == 1)
    arguments = {"y": Y, "X_val": X, "y_val": Y, name: list(masked) if kind == "list" else masked}
    with pytest.raises(ValueError, match=f"{name} is a masked array"):
        make().fit(X, **arguments)


@pytest.mark.parametrize("make", [classifier, lambda: CNNRegressor(channels=(2,), max_epochs=1)])
@pytest.mark.parametrize("name", ["y", "sample_weight"])
def test_masked_and_huge_values_are_refused_in_score(make, name):
    model = make().fit(X, Y)
    with pytest.raises(ValueError, match=f"{name} is a masked array"):
        model.score(X, **{"y": Y, name: np.ma.array(Y, mask=Y == 1)})
    with pytest.raises(ValueError, match=f"{name} contains an integer too large"):
        model.score(X, **{"y": Y, name: [HUGE, *Y[1:]]})
    assert model.score(X, Y, Y + 1.0) <= 1


def test_an_empty_mask_changes_nothing():
    expected = classifier().fit(X, Y, Y + 1.0).predict_proba(X)
    masks = np.ma.array(X), np.ma.array(Y), np.ma.array(Y + 1.0)
    model = classifier().fit(*masks)
    assert_array_equal(model.predict_proba(np.ma.array(X, mask=np.zeros(X.shape))), expected)


# --- values that float32 cannot hold ------------------------------------------------------------

WRONG = {"NaN": np.nan, "infinity": np.inf, r"too large for float32 \(-1e\+39\)": -1e39}


def lazy(value):
    images = X.astype(float)
    images[7, 2, 2] = value
    return LazyImages(images)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f8", "longdouble", "i8", "u8", "?"])
def test_pixel_values_within_float32(dtype):
    check_pixel_values(np.array([[0, 1], [2, 60_000]]).astype(dtype), range(2), "X")
    check_pixel_values(np.empty((0, 3), dtype), range(0), "X")
    check_pixel_values([np.ones(3, dtype), np.ones(2, dtype)], range(2), "X")


@pytest.mark.parametrize("as_list", [False, True])
@pytest.mark.parametrize("message", WRONG)
def test_wrong_pixel_values_name_their_image(message, as_list):
    images = np.zeros((3, 2, 2))
    images[2, 0, 1] = WRONG[message]
    with pytest.raises(ValueError, match=rf"Input X contains .*{message}.*, in image 9 of folder"):
        check_pixel_values(list(images) if as_list else images, [5, 7, 9], "folder")


@pytest.mark.parametrize("message", WRONG)
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_transformers_refuse_wrong_pixels_of_lazy_images(name, message):
    pattern = f"Input X contains .*{message}.*, in image 7 of the source"
    with pytest.raises(ValueError, match=pattern):
        np.asarray(TRANSFORMERS[name]().fit_transform(lazy(WRONG[message])))
    transformer = TRANSFORMERS[name]().fit(X)
    with pytest.raises(ValueError, match=pattern):
        np.asarray(transformer.transform(lazy(WRONG[message])))


@pytest.mark.parametrize("message", WRONG)
def test_estimators_refuse_wrong_pixels_of_lazy_images(message):
    pattern = f"Input X contains .*{message}.*, in image 7 of the source"
    wrong, model = lazy(WRONG[message]), classifier().fit(X, Y)
    augmented = ImageAugmenter(horizontal_flip=True, random_state=0).fit(X)
    for call in (
        lambda: classifier().fit(wrong, Y),
        lambda: classifier().fit(X, Y, X_val=wrong, y_val=Y),
        lambda: model.predict(wrong),
        lambda: model.predict_proba(wrong[::-1]),
        lambda: model.score(wrong, Y),
        lambda: model.predict(augmented.transform(wrong)),
        lambda: classifier().fit(LazyImages(wrong.source.reshape(12, -1)), Y),
    ):
        with pytest.raises(ValueError, match=pattern):
            call()


def test_an_operation_may_remove_wrong_pixels():
    class Replace:
        random = False

        def __call__(self, batch, keys, epoch):
            return np.nan_to_num(batch)

        def output(self, shape, dtype):
            return shape, dtype

    assert np.asarray(lazy(np.nan).then(Replace()))[7, 2, 2] == 0


# --- integers beyond float64 --------------------------------------------------------------------


@pytest.mark.parametrize(
    "images",
    [[[[HUGE, 1], [2, 3]]] * 12, X.astype(object) * HUGE, [[HUGE, 1, 2, 3]] * 12],
    ids=["nested", "images", "rows"],
)
def test_huge_pixels(images):
    for call in (
        lambda: classifier().fit(images, Y),
        lambda: ImageNormalizer().fit(images),
        lambda: ImageResizer((2, 2)).fit(images),
    ):
        with pytest.raises(ValueError, match="X contains an integer too large for float64"):
            call()


@pytest.mark.parametrize("make", [classifier, lambda: CNNRegressor(channels=(2,), max_epochs=1)])
@pytest.mark.parametrize("name", ["y", "sample_weight", "y_val", "sample_weight_val"])
def test_huge_targets_and_weights(make, name):
    arguments = {"y": Y, "X_val": X, "y_val": Y, name: [HUGE, *Y[1:].tolist()]}
    with pytest.raises(ValueError, match=f"{name} contains an integer too large for float64"):
        make().fit(X, **arguments)


def test_arguments_that_are_accepted():
    check_arguments(a=None, b=[1, "x"], c=[[1, 2], [3]], d=X, e=[2**1023], f={"a": 1})
    with no_overflow("X"):
        float(2**1023)


@pytest.mark.parametrize("value", [HUGE, -HUGE, (HUGE, 1), [2, HUGE], {0: HUGE}, 2**63])
def test_huge_parameters(value):
    with pytest.raises(ValueError, match=r"hidden_units contains an integer of \d+ digits"):
        check_numbers(CNNClassifier(hidden_units=value))


@pytest.mark.parametrize("name", ["learning_rate", "weight_decay", "mixup", "batch_size"])
def test_huge_parameters_are_refused_in_fit(name):
    with pytest.raises(ValueError, match=f"{name} contains an integer of 401 digits"):
        classifier(**{name: HUGE}).fit(X, Y)
    with pytest.raises(ValueError, match="size contains an integer of 401 digits"):
        ImageResizer((HUGE, 4), lazy=True).fit_transform(X)
