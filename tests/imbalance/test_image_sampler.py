"""ImageSampler: every form of images, checks of imbalanced-learn, and pipelines."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from imblearn.combine import SMOTEENN
from imblearn.over_sampling import ADASYN, SMOTE, BorderlineSMOTE, RandomOverSampler
from imblearn.pipeline import Pipeline, make_pipeline
from imblearn.under_sampling import ClusterCentroids, NearMiss, RandomUnderSampler, TomekLinks
from imblearn.utils.estimator_checks import estimator_checks_generator
from numpy.testing import assert_array_equal
from skimage.io import imsave
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from skcnn import CNNClassifier, ImageAugmenter, ImageReader, ImageResizer, LazyImages
from skcnn.imbalance import ImageSampler

RNG = np.random.default_rng(0)
CLASSES = RNG.permutation(np.repeat([0, 1], [24, 10]))
LABELS = np.array(["cat", "dog"])[CLASSES]
IMAGES = np.clip(RNG.normal(100 + 10 * CLASSES[:, None, None, None], 40, (34, 4, 5, 3)), 0, 255)
IMAGES = IMAGES.astype(np.uint8)
SELECTING = [
    RandomOverSampler(random_state=0),
    RandomUnderSampler(random_state=0),
    TomekLinks(sampling_strategy="all"),
    NearMiss(),
]
GENERATING = [
    SMOTE(random_state=0),
    BorderlineSMOTE(random_state=0),
    ADASYN(random_state=0),
    SMOTEENN(random_state=0),
    ClusterCentroids(random_state=0),
    RandomOverSampler(random_state=0, shrinkage=1.0),
]


class Unreadable:
    """Source of images that counts how many are read."""

    shape, dtype = (34, 4, 5, 3), np.dtype(np.uint8)

    def __init__(self):
        self.n_read = 0

    def __getitem__(self, rows):
        self.n_read += len(rows)
        return IMAGES[rows]


def expected_indices(sampler, images=IMAGES):
    """Return the indices that the sampler itself selects from rows of floats."""
    fitted = clone(sampler)
    fitted.fit_resample(images.reshape(len(images), -1).astype(float), LABELS)
    return fitted.sample_indices_


# --- samplers that select ----------------------------------------------------------------------


@pytest.mark.parametrize("sampler", SELECTING, ids=str)
@pytest.mark.parametrize("shape", [(4, 5, 3), (4, 15), (60,)])
def test_selected_images(sampler, shape):
    wrapped = ImageSampler(sampler)
    images = IMAGES.reshape(34, *shape)
    X, y = wrapped.fit_resample(images, LABELS)
    indices = expected_indices(sampler)
    assert_array_equal(wrapped.sample_indices_, indices)
    assert_array_equal(X, images[indices])
    assert X.dtype == np.uint8
    assert_array_equal(y, LABELS[indices])
    assert wrapped.sampling_strategy_ == wrapped.sampler_.sampling_strategy_
    assert wrapped.n_features_in_ == 60
    assert not hasattr(sampler, "sample_indices_")


@pytest.mark.parametrize("sampler", SELECTING, ids=str)
def test_lazy_images_stay_lazy(sampler):
    source = Unreadable()
    view = LazyImages(source)
    X, y = ImageSampler(sampler).fit_resample(view, LABELS)
    indices = expected_indices(sampler)
    assert isinstance(X, LazyImages)
    assert X.source is source
    assert (source.n_read == 0) == isinstance(sampler, (RandomOverSampler, RandomUnderSampler))
    assert_array_equal(X, IMAGES[indices])
    assert_array_equal(y, LABELS[indices])


@pytest.mark.parametrize("sampler", SELECTING[:2], ids=str)
def test_ragged_images_and_paths(sampler):
    indices = expected_indices(sampler)
    ragged = [np.full((3 + n % 3, 4), n, np.uint8) for n in range(34)]
    X, y = ImageSampler(sampler).fit_resample(ragged, LABELS)
    assert all(image is ragged[index] for image, index in zip(X, indices, strict=True))
    assert_array_equal(y, LABELS[indices])
    names = [f"image{n}.png" for n in range(34)]
    for paths in (names, np.array(names), pd.Series(names), pd.DataFrame({"path": names})):
        X, _ = ImageSampler(sampler).fit_resample(paths, LABELS)
        assert type(X) is type(paths)
        assert np.ravel(X).tolist() == [names[index] for index in indices]


def test_keys_of_repeated_images_differ():
    view = ImageAugmenter(shift=2, random_state=0).fit_transform(IMAGES)
    X, _ = ImageSampler(RandomOverSampler(random_state=0)).fit_resample(view, LABELS)
    assert len(X) == 48
    assert len(set(X.keys.tolist())) == 48
    assert_array_equal(X.keys[:34], np.arange(34))
    assert_array_equal(X.clean(), IMAGES[X.rows])


@pytest.mark.parametrize("wrap", [np.asarray, LazyImages])
def test_repeated_images_have_variants_of_their_own(wrap):
    sampler = ImageSampler(RandomOverSampler(sampling_strategy={"dog": 200}, random_state=0))
    augmenter = ImageAugmenter(noise=0.1, random_state=0)
    X, _ = sampler.fit_resample(wrap(IMAGES), LABELS)
    after = np.asarray(augmenter.fit_transform(X))
    before, _ = sampler.fit_resample(augmenter.fit_transform(wrap(IMAGES)), LABELS)
    for images in (after, np.asarray(before)):
        assert len(np.unique(images.reshape(len(images), -1), axis=0)) == len(images) == 224


def test_augmented_images_are_not_read_for_selection_by_values():
    clean = TomekLinks(sampling_strategy="all")
    view = ImageAugmenter(brightness=1.0, random_state=0).fit_transform(IMAGES)
    X, _ = ImageSampler(clean).fit_resample(view, LABELS)
    assert_array_equal(X.rows, expected_indices(clean))
    assert X.is_random


# --- samplers that generate --------------------------------------------------------------------


@pytest.mark.parametrize("sampler", GENERATING, ids=str)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
@pytest.mark.parametrize("wrap", [np.asarray, LazyImages])
def test_generated_images(sampler, dtype, wrap):
    images = IMAGES.astype(dtype)
    wrapped = ImageSampler(sampler)
    X, y = wrapped.fit_resample(wrap(images), LABELS)
    rows = images.reshape(34, -1).astype(np.float32)
    expected, y_expected = clone(sampler).fit_resample(rows, LABELS)
    if dtype != np.float32:
        expected = np.rint(expected)
    assert X.dtype == dtype
    assert_array_equal(X, expected.reshape(-1, 4, 5, 3).astype(dtype))
    assert_array_equal(y, y_expected)
    assert not hasattr(wrapped, "sample_indices_")
    if isinstance(sampler, (SMOTE, ADASYN)):
        assert_array_equal(X[:34], images)
        n_new = len(X) - 34
        assert n_new > 5
        assert (y[34:] == "dog").all()


def test_generated_rows_of_integers_do_not_overflow():
    dark, bright = np.full((6, 1), 5), np.full((6, 1), 250)
    X = np.repeat(np.vstack([np.tile(dark, (4, 1)), dark, bright]), 4, axis=1).astype(np.uint8)
    y = np.repeat([0, 1], [24, 12])
    for rows in (X, pd.DataFrame(X).add_prefix("pixel")):
        new, labels = ImageSampler(SMOTE(k_neighbors=11, random_state=0)).fit_resample(rows, y)
        assert type(new) is type(rows)
        values = np.asarray(new)[36:, 0]
        assert values.dtype == np.uint8
        assert (labels[36:] == 1).all()
        assert len(set(values.tolist())) > 2
        assert (values >= 5).all()
        assert (values <= 250).all()


@pytest.mark.parametrize("sampler", [SMOTE(), TomekLinks()], ids=str)
def test_pixel_values_are_needed(sampler):
    ragged = [np.full((3 + n % 3, 4), n, np.uint8) for n in range(34)]
    paths = [f"image{n}.png" for n in range(34)]
    name = type(sampler).__name__
    for X, found in ((ragged, "images of different sizes: put an ImageResizer"), (paths, "file")):
        with pytest.raises(ValueError, match=f"^{name} computes with pixel values.*holds {found}"):
            ImageSampler(sampler).fit_resample(X, LABELS)


def test_images_are_not_generated_from_augmented_images():
    view = ImageAugmenter(shift=1, random_state=0).fit_transform(IMAGES)
    with pytest.raises(ValueError, match="put the ImageAugmenter after the ImageSampler"):
        ImageSampler(SMOTE()).fit_resample(view, LABELS)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="'sampler' parameter of ImageSampler must be"):
        ImageSampler(CNNClassifier()).fit_resample(IMAGES, LABELS)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ImageSampler(RandomOverSampler()).fit_resample(IMAGES, LABELS[:5])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ImageSampler(RandomOverSampler()).fit(IMAGES, LABELS[:5])


# --- checks and pipelines ----------------------------------------------------------------------

CHECKED = [
    ImageSampler(RandomOverSampler(random_state=0)),
    ImageSampler(TomekLinks()),
    ImageSampler(SMOTE(random_state=0)),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("estimator", "check"),
    [pair for sampler in CHECKED for pair in estimator_checks_generator(sampler)],
    ids=lambda value: getattr(value, "func", value).__name__ if callable(value) else str(value),
)
def test_checks_of_imbalanced_learn(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(CHECKED)
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


def test_tags_are_those_of_the_sampler():
    tags = get_tags(ImageSampler(RandomOverSampler()))
    assert tags.sampler_tags.sample_indices
    assert tags.input_tags.three_d_array
    assert not get_tags(RandomOverSampler()).input_tags.three_d_array


def test_fit_learns_the_strategy_only():
    sampler = ImageSampler(SMOTE()).fit(IMAGES, LABELS)
    assert sampler.sampling_strategy_ == {"dog": 14}
    assert clone(sampler).get_params()["sampler__k_neighbors"] == 5
    assert pickle.loads(pickle.dumps(sampler)).sampling_strategy_ == {"dog": 14}


def test_attributes_of_an_earlier_fit_are_removed():
    frame = pd.DataFrame(IMAGES.reshape(34, -1)).add_prefix("pixel")
    sampler = ImageSampler(RandomOverSampler(random_state=0))
    sampler.fit_resample(frame, LABELS)
    assert {"sample_indices_", "feature_names_in_"} < set(vars(sampler))
    sampler.set_params(sampler=SMOTE(random_state=0)).fit_resample(IMAGES, LABELS)
    assert not {"sample_indices_", "feature_names_in_"} & set(vars(sampler))
    sampler.set_params(sampler=RandomOverSampler())
    sampler.fit_resample([f"image{n}.png" for n in range(34)], LABELS)
    assert not hasattr(sampler, "n_features_in_")


def test_tensors_are_resampled_as_arrays():
    for images in (IMAGES, IMAGES.reshape(34, -1)):
        expected, _ = ImageSampler(SMOTE(random_state=0)).fit_resample(images, LABELS)
        found, _ = ImageSampler(SMOTE(random_state=0)).fit_resample(
            torch.from_numpy(images), LABELS
        )
        assert found.dtype == np.uint8
        assert_array_equal(found, expected)


@pytest.mark.parametrize("sampler", [SELECTING[0], GENERATING[0]], ids=str)
def test_pipeline_resamples_in_fit_only(sampler):
    cnn = CNNClassifier(channels=(2,), hidden_units=(), max_epochs=2, random_state=0)
    pipe = make_pipeline(ImageSampler(sampler), ImageAugmenter(shift=1, random_state=0), cnn)
    assert pipe.fit(IMAGES, LABELS).predict(IMAGES).shape == (34,)
    X, y = ImageSampler(sampler).fit_resample(IMAGES, LABELS)
    view = ImageAugmenter(shift=1, random_state=0).fit_transform(X)
    expected = clone(cnn).fit(view, y).predict_proba(IMAGES)
    assert_array_equal(pipe.predict_proba(IMAGES), expected)


def test_search_and_metadata_routing():
    cnn = CNNClassifier(channels=(), hidden_units=(), max_epochs=1, random_state=0)
    pipe = Pipeline([("sample", ImageSampler(RandomOverSampler(random_state=0))), ("cnn", cnn)])
    grid = [{"sample": ["passthrough"]}, {"sample__sampler__sampling_strategy": [0.5, 0.9]}]
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(IMAGES, LABELS)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    with sklearn.config_context(enable_metadata_routing=True):
        assert np.isfinite(cross_val_score(pipe, IMAGES, LABELS, cv=2)).all()


def test_pipeline_from_paths(tmp_path):
    paths = [str(tmp_path / f"{row}.png") for row in range(34)]
    for path, image in zip(paths, IMAGES, strict=True):
        imsave(path, image, check_contrast=False)
    pipe = make_pipeline(
        ImageSampler(RandomOverSampler(random_state=0)),
        ImageReader(),
        ImageResizer((4, 4)),
        CNNClassifier(channels=(), hidden_units=(), max_epochs=1, random_state=0),
    )
    assert set(pipe.fit(paths, LABELS).predict(paths)) <= {"cat", "dog"}
