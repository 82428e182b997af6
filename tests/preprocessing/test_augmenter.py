"""ImageAugmenter: variants for whoever trains, clean images for everybody else, in every form."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import check_random_state
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_get_feature_names_out_error,
    check_param_validation,
    check_set_output_transform,
    check_transformer_get_feature_names_out,
    check_transformer_get_feature_names_out_pandas,
    parametrize_with_checks,
)

from skcnn.lazy import LazyImages
from skcnn.preprocessing import ImageAugmenter
from skcnn.preprocessing._base import ImageTransformer

OPERATIONS = {
    "horizontal_flip": True,
    "vertical_flip": True,
    "rotation": 20,
    "shift": 0.2,
    "zoom": 0.2,
    "brightness": 0.2,
    "contrast": 0.5,
    "noise": 0.1,
    "erase": 0.5,
    "corruption": ["shot_noise", "fog", "occlusion"],
}
SHAPE = (6, 8, 3)
UNLIKE = dict.fromkeys(
    ["check_transformer_general", "check_transformer_data_not_an_array"],
    "fit_transform unlike transform, for an augmenter that augments",
)


def photos(n=20, shape=SHAPE, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 256, (n, *shape)).astype(dtype)


def augmenter(**parameters):
    return ImageAugmenter(**(OPERATIONS | {"random_state": 0} | parameters))


def add_own_noise(images, generators):
    for image, generator in zip(images, generators, strict=True):
        image += generator.normal(scale=20, size=image.shape)
    return images


class Files:
    """Images that can only be read a few at a time."""

    dtype = np.dtype(np.float64)

    def __init__(self, images):
        self.images, self.shape, self.most = images.astype(float), images.shape, 0

    def __getitem__(self, indices):
        self.most = max(self.most, len(indices))
        return self.images[indices]


class Doubler(TransformerMixin, BaseEstimator):
    """A transformer that knows nothing of lazy images."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return 2 * np.asarray(X, dtype=float)


# ------------------------------------------------------------------------------------------------
# scikit-learn's own checks


def expected_failures(estimator):
    return UNLIKE if estimator.horizontal_flip or estimator.rotation else {}


@parametrize_with_checks(
    [
        ImageAugmenter(),
        ImageAugmenter(horizontal_flip=True),
        ImageAugmenter(rotation=10, brightness=0.1),
    ],
    expected_failed_checks=expected_failures,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "check",
    [
        check_param_validation,
        check_dataframe_column_names_consistency,
        check_get_feature_names_out_error,
        check_set_output_transform,
        check_transformer_get_feature_names_out,
        check_transformer_get_feature_names_out_pandas,
    ],
)
def test_checks_that_scikit_learn_does_not_run_by_itself(check):
    check("ImageAugmenter", ImageAugmenter())


@pytest.mark.parametrize(
    "parameters",
    [
        {"horizontal_flip": 3},
        {"vertical_flip": "yes"},
        {"rotation": -1},
        {"rotation": 181},
        {"shift": -0.1},
        {"shift": 1.1},
        {"zoom": 1},
        {"zoom": -0.1},
        {"brightness": 1.5},
        {"contrast": -1},
        {"noise": -0.5},
        {"erase": 1.5},
        {"erase": "random"},
        {"function": 5},
        {"image_shape": 8},
        {"random_state": "seed"},
    ],
    ids=str,
)
def test_bad_parameters_are_refused(parameters):
    (name,) = parameters
    for method in ("fit", "fit_transform"):
        with pytest.raises(ValueError, match=f"The '{name}' parameter of ImageAugmenter must be"):
            getattr(ImageAugmenter(**parameters), method)(photos())


def test_parameters_round_trip():
    original = augmenter(function=add_own_noise, image_shape=(6, 8, 3))
    copy = clone(original).fit(photos())
    assert copy.get_params() == original.get_params()


# ------------------------------------------------------------------------------------------------
# Every form in, the same form out


FORMS = {
    "color": lambda images: images,
    "gray": lambda images: images[..., 0],
    "one channel": lambda images: images[..., :1],
    "flat": lambda images: images.reshape(len(images), -1),
    "list": list,
    "lazy": LazyImages,
    "lazy gray": lambda images: LazyImages(images[..., 0]),
    "lazy flat": lambda images: LazyImages(images.reshape(len(images), -1)),
    "lazy subset": lambda images: LazyImages(images)[::-2],
}


@pytest.mark.parametrize("form", FORMS)
def test_the_form_is_kept(form):
    X = FORMS[form](photos())
    values = np.asarray(X)
    image_shape = SHAPE if "flat" in form else None
    view = augmenter(image_shape=image_shape).fit_transform(X)
    assert isinstance(view, LazyImages)
    assert view.is_random
    assert (view.shape, view.dtype) == (values.shape, np.uint8)
    assert np.asarray(view).shape == values.shape
    assert_array_equal(view.clean(), values)
    assert not np.array_equal(view, values)
    fitted = augmenter(image_shape=image_shape).fit(X)
    assert_array_equal(fitted.transform(X), values)
    assert isinstance(fitted.transform(X), type(X) if "lazy" in form else np.ndarray)
    assert fitted.image_shape_ == (6, 8, 1 if form in ("gray", "one channel", "lazy gray") else 3)
    assert_array_equal(ImageAugmenter(image_shape=image_shape).fit_transform(X), values)


def test_forms_show_the_same_variants():
    images = photos()
    expected = np.asarray(augmenter().fit_transform(images))
    rows = augmenter(image_shape=SHAPE).fit_transform(images.reshape(20, -1))
    assert_array_equal(np.asarray(rows).reshape(images.shape), expected)
    assert_array_equal(augmenter().fit_transform(LazyImages(images)), expected)
    gray = np.asarray(augmenter().fit_transform(images[..., :1]))
    assert_array_equal(augmenter().fit_transform(images[..., 0]), gray[..., 0])


def test_a_memory_map_stays_on_disk(tmp_path):
    images = photos()
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    view = augmenter().fit_transform(mapped)
    assert_array_equal(view, augmenter().fit_transform(images))
    assert np.shares_memory(view.source, mapped)


def test_frames_of_flat_rows():
    frame = pd.DataFrame(photos().reshape(20, -1)).add_prefix("pixel")
    model = augmenter(image_shape=SHAPE)
    view = model.fit_transform(frame)
    assert view.shape == (20, 144)
    assert isinstance(model.transform(frame), np.ndarray)
    assert_array_equal(model.get_feature_names_out(), frame.columns)
    wrapped = model.set_output(transform="pandas").fit_transform(frame)
    assert_array_equal(wrapped, view)
    assert_array_equal(wrapped.columns, frame.columns)
    pd.testing.assert_frame_equal(model.transform(frame), frame)


def test_a_global_frame_output_passes_images_through():
    with config_context(transform_output="pandas"):
        view = augmenter().fit_transform(photos())
        assert isinstance(view, LazyImages)
        assert isinstance(augmenter().fit(photos()).transform(photos()), np.ndarray)


def test_pixels_of_images_have_names():
    names = augmenter().fit(photos()).get_feature_names_out()
    assert list(names[:4]) == ["pixel_0_0_0", "pixel_0_0_1", "pixel_0_0_2", "pixel_0_1_0"]
    assert len(names) == 6 * 8 * 3


@pytest.mark.parametrize("parameters", [{}, {"function": add_own_noise}])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_input_is_never_changed(parameters, dtype):
    images = photos(dtype=dtype)
    before = images.copy()
    view = augmenter(**parameters).fit_transform(images)
    np.asarray(view)
    view[3]
    view.at_epoch(1).read()
    assert_array_equal(images, before)
    images.flags.writeable = False
    np.asarray(augmenter(**parameters).fit_transform(images))


def test_nothing_enabled_gives_back_the_input():
    lazy = LazyImages(photos())
    assert ImageAugmenter().fit_transform(lazy) is lazy
    assert np.shares_memory(ImageAugmenter().fit_transform(lazy.source), lazy.source)


def test_images_of_another_size_are_refused():
    fitted = augmenter().fit(photos())
    with pytest.raises(ValueError, match="ImageAugmenter is expecting 6 x 8 with 3"):
        fitted.transform(photos(shape=(8, 6, 3)))
    with pytest.raises(ValueError, match="put an ImageResizer before it"):
        augmenter().fit([photos()[0], photos()[0, 1:]])


# ------------------------------------------------------------------------------------------------
# Variants are a function of seed, epoch and row


def test_two_epochs_show_different_variants():
    view = augmenter().fit_transform(photos())
    assert_array_equal(view, view.at_epoch(0))
    epochs = [np.asarray(view.at_epoch(epoch)) for epoch in range(4)]
    for row in range(len(view)):
        assert len({epoch[row].tobytes() for epoch in epochs}) == 4
    assert_array_equal(view.at_epoch(3), epochs[3])


@pytest.mark.parametrize("epoch", [0, 5])
def test_a_variant_does_not_depend_on_what_is_read_with_it(epoch):
    view = augmenter(function=add_own_noise).fit_transform(photos(n=150)).at_epoch(epoch)
    expected = np.asarray(view)
    for size in (1, 7, 64):
        read = [view[start : start + size].read() for start in range(0, len(view), size)]
        assert_array_equal(np.concatenate(read), expected)
    order = np.random.default_rng(1).permutation(len(view))
    assert_array_equal(view[order], expected[order])
    assert_array_equal(view[::-3], expected[::-3])
    bright = expected.mean(axis=(1, 2, 3)) > 120
    assert_array_equal(view[bright], expected[bright])
    assert_array_equal(view[17], expected[17])


def test_worker_processes_read_the_same_variants():
    view = augmenter(function=add_own_noise).fit_transform(photos()).at_epoch(2)
    parts = joblib.Parallel(n_jobs=2)(
        joblib.delayed(np.asarray)(view[start : start + 5]) for start in range(0, len(view), 5)
    )
    assert_array_equal(np.concatenate(parts), view)


def test_a_view_and_an_augmenter_pickle():
    model = augmenter(function=add_own_noise)
    view = model.fit_transform(photos())
    assert_array_equal(pickle.loads(pickle.dumps(view)).at_epoch(1), view.at_epoch(1))
    assert len(pickle.dumps(model)) < 2000
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.transform(photos()), photos())


def test_the_seed_decides():
    images = photos()
    first = np.asarray(augmenter().fit_transform(images))
    assert_array_equal(augmenter().fit_transform(images), first)
    assert not np.array_equal(augmenter(random_state=1).fit_transform(images), first)
    shared = np.random.RandomState(0)
    assert_array_equal(augmenter(random_state=shared).fit_transform(images), first)
    assert not np.array_equal(augmenter(random_state=shared).fit_transform(images), first)


def test_an_int_leaves_the_global_random_states_alone():
    numpys, torchs = check_random_state(None).get_state()[1].copy(), torch.get_rng_state()
    np.asarray(augmenter(function=add_own_noise).fit_transform(photos()))
    assert_array_equal(check_random_state(None).get_state()[1], numpys)
    assert torch.equal(torch.get_rng_state(), torchs)


def test_none_draws_one_seed_from_the_global_random_state():
    everywhere = check_random_state(None)
    before = everywhere.get_state()
    model = augmenter(random_state=None)
    view = model.fit_transform(photos())
    first = np.asarray(view)
    assert_array_equal(view, first)
    after = everywhere.get_state()
    everywhere.set_state(before)
    assert model.seed_ == everywhere.randint(np.iinfo(np.int32).max)
    assert everywhere.get_state()[2] == after[2]
    assert not np.array_equal(augmenter(random_state=None).fit_transform(photos()), first)


def test_a_second_augmenter_does_not_repeat_the_draws_of_the_first():
    images = np.tile(np.arange(8, dtype=np.uint8), (200, 1, 1))
    flip = ImageAugmenter(horizontal_flip=True, random_state=0)
    once = flip.fit_transform(images)
    twice = clone(flip).fit_transform(once)
    unchanged = (np.asarray(twice) == images).all(axis=(1, 2)).mean()
    assert 0.4 < unchanged < 0.6
    assert_array_equal(twice.clean(), images)


# ------------------------------------------------------------------------------------------------
# The pixel range


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (np.uint8, (0, 255)),
        (np.uint16, (0, 65535)),
        (np.int64, (3, 200)),
        (np.float32, (3.0, 200.0)),
        (np.float64, (3.0, 200.0)),
    ],
)
@pytest.mark.parametrize("form", [np.asarray, LazyImages])
def test_the_pixel_range_is_that_of_the_dtype_or_of_the_training_images(dtype, expected, form):
    images = photos(n=150).clip(3, 200).astype(dtype)
    model = augmenter().fit(form(images))
    assert model.pixel_range_ == expected
    assert all(type(value) in (int, float) for value in model.pixel_range_)
    variants = np.asarray(model.fit_transform(form(images)))
    assert variants.dtype == dtype
    assert variants.min() >= expected[0]
    assert variants.max() <= expected[1]


def test_lazy_images_are_read_a_few_at_a_time_and_clean(monkeypatch):
    monkeypatch.setattr("skcnn.pixels._CHUNK", 64 * np.prod(SHAPE))
    files = Files(photos(n=200))
    model = augmenter()
    model.fit(model.fit_transform(LazyImages(files)))
    assert model.pixel_range_ == (0.0, 255.0)
    assert files.most <= 64
    files.images[7, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="X contains NaN, in image 7 of the source"):
        model.fit(LazyImages(files))


def test_bool_images_become_float32():
    images = photos() > 127
    view = augmenter().fit_transform(images)
    assert view.dtype == np.float32
    assert_array_equal(view.clean(), images)
    assert 0 <= np.asarray(view).min() <= np.asarray(view).max() <= 1


def test_a_function_gets_images_and_one_generator_each():
    seen = []

    def function(images, generators):
        seen.append((images.dtype, images.shape, len(generators)))
        return 255 - images

    images = photos(dtype=np.int64)
    view = ImageAugmenter(function=function).fit_transform(images.reshape(20, -1)[:, :36])
    assert_array_equal(view, 255 - images.reshape(20, -1)[:, :36])
    assert seen == [(np.float32, (20, 6, 6, 1), 20)]


# ------------------------------------------------------------------------------------------------
# In a pipeline


def test_a_pipeline_predicts_from_clean_images():
    X, y = load_digits(return_X_y=True)
    tree = DecisionTreeClassifier(random_state=0)
    model = make_pipeline(augmenter(horizontal_flip=False, vertical_flip=False), tree)
    model.fit(X[:200], y[:200])
    rows = np.asarray(clone(model[0]).fit_transform(X[:200]))
    by_hand = clone(tree).fit(rows, y[:200])
    assert_array_equal(model.predict(X[200:300]), by_hand.predict(X[200:300]))
    assert not np.array_equal(rows, X[:200])
    scores = cross_val_score(make_pipeline(ImageAugmenter(shift=0.1), tree), X[:300], y[:300], cv=3)
    assert scores.mean() > 0.3


def test_a_pipeline_with_memory_and_a_transformer_after_it(tmp_path):
    X, y = load_digits(return_X_y=True)
    X, y = X[:100], y[:100]
    steps = [
        ("augment", augmenter()),
        ("double", Doubler()),
        ("tree", DecisionTreeClassifier(random_state=0)),
    ]
    expected = clone(Pipeline(steps)).fit(X, y).predict(X)
    for _ in range(2):  # computed, then read from disk
        cached = clone(Pipeline(steps, memory=str(tmp_path))).fit(X, y)
        assert_array_equal(cached.predict(X), expected)
    doubled = Pipeline(steps[:2], memory=str(tmp_path)).fit_transform(X)
    assert_allclose(doubled, 2 * np.asarray(augmenter().fit_transform(X)))


class EpochReader(BaseEstimator):
    """A final step that trains on three epochs of what it is given."""

    def fit(self, X, y=None):
        self.seen_ = [np.asarray(X.at_epoch(epoch)) for epoch in range(3)]
        self.clean_ = np.asarray(X.clean())
        return self


def test_an_estimator_reads_new_variants_in_every_epoch_also_from_a_cache(tmp_path):
    images = photos()
    seen = []
    for _ in range(2):
        model = Pipeline([("augment", augmenter()), ("read", EpochReader())], memory=str(tmp_path))
        model.fit(images)
        seen.append(model["read"].seen_)
        assert_array_equal(model["read"].clean_, images)
    assert_array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[0][0], seen[0][1])


def test_it_is_an_image_transformer():
    assert issubclass(ImageAugmenter, ImageTransformer)
    assert not {"fit", "transform", "fit_transform"} & set(vars(ImageAugmenter))


def test_whole_shifts_move_pixels_and_repeat_the_edge():
    images = np.random.default_rng(0).integers(0, 256, size=(60, 6, 7, 3)).astype(np.uint8)
    view = ImageAugmenter(shift=2, random_state=0).fit_transform(images)
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    seen = set()
    for image, variants in zip(padded, np.asarray(view), strict=True):
        places = [(y, x) for y in range(5) for x in range(5)]
        fitting = [p for p in places if (image[p[0] :, p[1] :][:6, :7] == variants).all()]
        assert len(fitting) == 1
        seen.update(fitting)
    assert {y for y, _ in seen} == {x for _, x in seen} == set(range(5))


def test_whole_shifts_combine_with_rotation_as_fractions_do():
    images = np.random.default_rng(0).integers(0, 256, size=(5, 8, 8)).astype(np.float32)
    still = ImageAugmenter(shift=0, rotation=20, random_state=0).fit_transform(images)
    moved = ImageAugmenter(shift=3, rotation=20, random_state=0).fit_transform(images)
    for one, other in zip(np.asarray(still), np.asarray(moved), strict=True):
        shifts = [(y, x) for y in range(-3, 4) for x in range(-3, 4)]
        errors = [
            abs(np.roll(one, shift, axis=(0, 1))[3:5, 3:5] - other[3:5, 3:5]).max()
            for shift in shifts
        ]
        assert min(errors) < 1e-2


@pytest.mark.parametrize(("horizontal", "vertical"), [(True, False), (False, True), (True, True)])
def test_flips_take_turns(horizontal, vertical):
    images = np.arange(20 * 6).reshape(20, 2, 3)
    augmenter = ImageAugmenter(horizontal_flip=horizontal, vertical_flip=vertical, random_state=1)
    view = augmenter.fit_transform(images)
    epochs = np.stack([np.asarray(view.at_epoch(epoch)) for epoch in range(4)], axis=1)
    n_variants = 2 ** (horizontal + vertical)
    for variants in epochs:
        assert len({variant.tobytes() for variant in variants}) == n_variants
    starts = {(epochs[row, 0] == images[row]).all() for row in range(20)}
    assert starts == {True, False}
