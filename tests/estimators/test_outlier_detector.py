"""ImageOutlierDetector against naive references, and in the tools of scikit-learn."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skimage.io import imsave
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer
from torch import nn

from skcnn import (
    CNNClassifier,
    ConvAutoencoder,
    HOGExtractor,
    ImageAugmenter,
    ImageEmbedder,
    ImageFlattener,
    ImageOutlierDetector,
    ImageReader,
    ImageResizer,
    LazyImages,
)
from skcnn.estimators import embedder as embedder_module
from skcnn.estimators import outlier_detector

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (30, 6, 7, 3), dtype=np.uint8)
NEW = np.concatenate([RNG.integers(0, 256, (8, 6, 7, 3), dtype=np.uint8), IMAGES[:2]])

AUTOENCODER = ConvAutoencoder(3, channels=(4,), max_epochs=2, random_state=0)


class ThreeMeans(nn.Module):
    """Network with the mean of each channel as its features."""

    def __init__(self, in_channels, height, width, n_outputs):
        super().__init__()
        self.output = nn.Linear(in_channels, n_outputs)

    def features(self, images):
        return images.mean(dim=(2, 3)) + 3

    def forward(self, images):
        return self.output(self.features(images))


def naive_scores(train, rows, n_neighbors):
    """Compute scores one by one, in float64."""
    train, rows = train.astype(float), rows.astype(float)
    scale = np.sqrt(train.var(axis=0) + train.var(axis=0).mean())
    scores = []
    for row in rows:
        distances = sorted(np.sqrt((((row - other) / scale) ** 2).mean()) for other in train)
        if distances[0] < 1e-9:  # the products of matrices depend on the number of rows
            distances = distances[1:]
        scores.append(-np.mean(distances[:n_neighbors]))
    return np.array(scores)


def flat(images):
    return images.reshape(len(images), -1)


# ------------------------------------------------------------------------------------------------
# Scores


@pytest.mark.parametrize("n_neighbors", [1, 3, 29])
def test_scores_of_pixels_are_those_of_the_naive_reference(n_neighbors):
    detector = ImageOutlierDetector(n_neighbors=n_neighbors).fit(IMAGES)
    for images in (IMAGES, NEW):
        found = detector.score_samples(images)
        assert found.dtype == np.float64
        assert_allclose(found, naive_scores(flat(IMAGES), flat(images), n_neighbors), rtol=1e-5)


@pytest.mark.parametrize("n_features", [2, 200])  # found by a tree, and by comparing all
@pytest.mark.parametrize("offset", [0, 1e9])
def test_scores_of_any_transformer_are_those_of_the_naive_reference(n_features, offset):
    matrix = RNG.normal(size=(6 * 7 * 3, n_features))

    def project(images):
        return flat(images) @ matrix + offset

    detector = ImageOutlierDetector(FunctionTransformer(project), n_neighbors=2).fit(IMAGES)
    for images in (IMAGES, NEW):
        expected = naive_scores(project(IMAGES), project(images), 2)
        assert_allclose(detector.score_samples(images), expected, rtol=1e-3)


def test_features_of_an_embedder_are_divided_by_their_norms():
    detector = ImageOutlierDetector(ImageEmbedder(ThreeMeans), n_neighbors=2).fit(IMAGES)
    features = ImageEmbedder(ThreeMeans).fit(IMAGES)
    rows = [Normalizer().fit_transform(features.transform(images)) for images in (IMAGES, NEW)]
    assert_allclose(detector.score_samples(NEW), naive_scores(*rows, 2), rtol=1e-3)
    frozen = ImageOutlierDetector(FrozenEstimator(features), n_neighbors=2).fit(IMAGES)
    assert_array_equal(frozen.score_samples(NEW), detector.score_samples(NEW))
    assert frozen.features_[0].estimator is features
    plain = ImageOutlierDetector(make_pipeline(ImageEmbedder(ThreeMeans)), n_neighbors=2)
    expected = naive_scores(features.transform(IMAGES), features.transform(NEW), 2)
    assert_allclose(plain.fit(IMAGES).score_samples(NEW), expected, rtol=1e-3)


def naive_errors(autoencoder, train, images):
    """Compute the scores of reconstructions in float64."""
    errors, own = (flat(part - autoencoder.reconstruct(part)) for part in (images, train))
    scale = np.sqrt(own.var(axis=0) + own.var(axis=0).mean())
    return -np.sqrt((((errors - own.mean(axis=0)) / scale) ** 2).mean(axis=1))


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("lazy", [np.asarray, LazyImages])
def test_scores_of_an_autoencoder_are_those_of_the_naive_reference(frozen, lazy, monkeypatch):
    monkeypatch.setattr(outlier_detector, "_VALUES", 6 * 7 * 3 * 4)  # 4 images at a time
    autoencoder = AUTOENCODER.fit(IMAGES)
    features = FrozenEstimator(autoencoder) if frozen else clone(autoencoder)
    detector = ImageOutlierDetector(features).fit(lazy(IMAGES))
    assert not hasattr(detector, "training_features_")
    for images in (IMAGES, NEW):
        found = detector.score_samples(lazy(images))
        assert found.dtype == np.float64
        assert_allclose(found, naive_errors(autoencoder, IMAGES, images), rtol=1e-4)


def test_another_fit_forgets_the_neighbors():
    detector = ImageOutlierDetector().fit(IMAGES)
    detector.set_params(features=AUTOENCODER).fit(IMAGES)
    assert not hasattr(detector, "training_features_")
    expected = ImageOutlierDetector(AUTOENCODER).fit(IMAGES).decision_function(NEW)
    assert_array_equal(detector.decision_function(NEW), expected)


def test_an_autoencoder_is_trained_on_random_operations():
    augmented = ImageAugmenter(shift=2, random_state=0).fit_transform(IMAGES)
    detector = ImageOutlierDetector(AUTOENCODER).fit(augmented)
    autoencoder = clone(AUTOENCODER).fit(augmented)
    assert_allclose(
        detector.score_samples(augmented), naive_errors(autoencoder, IMAGES, IMAGES), rtol=1e-4
    )


def test_large_images_are_reduced():
    images = RNG.integers(0, 256, (8, 70, 20), dtype=np.uint8)
    detector = ImageOutlierDetector(n_neighbors=1).fit(images)
    rows = flat(ImageResizer((32, 20)).fit_transform(images))
    assert_allclose(detector.score_samples(images), naive_scores(rows, rows, 1), rtol=1e-5)
    assert detector.training_features_.shape == (8, 32 * 20)


def test_a_second_copy_is_a_neighbor():
    images = np.concatenate([IMAGES, IMAGES[:1]])
    scores = ImageOutlierDetector(n_neighbors=1).fit(images).score_samples(images)
    assert_allclose(scores[[0, 30]], 0, atol=1e-6)
    assert (scores[1:30] < -0.1).all()


def test_new_parameters_have_no_effect_before_the_next_fit():
    detector = ImageOutlierDetector(n_neighbors=1).fit(IMAGES)
    expected = detector.decision_function(NEW)
    found = detector.set_params(n_neighbors=3, contamination=0.5).decision_function(NEW)
    assert_array_equal(found, expected)


def test_constant_images():
    images = np.full((7, 4, 4), 9)
    detector = ImageOutlierDetector().fit(images)
    assert_array_equal(detector.score_samples(images), np.zeros(7))
    assert_array_equal(detector.predict(np.concatenate([images, images + 1])), [1] * 7 + [-1] * 7)


def test_scores_do_not_depend_on_the_batch():
    detector = ImageOutlierDetector(ImageEmbedder(ThreeMeans)).fit(IMAGES)
    one_by_one = [detector.score_samples(IMAGES[[row]])[0] for row in range(len(IMAGES))]
    assert_allclose(one_by_one, detector.score_samples(IMAGES), rtol=1e-3)


@pytest.mark.parametrize(
    "features",
    [
        None,
        HOGExtractor(pixels_per_cell=(2, 2)),
        ConvAutoencoder(4, channels=(16,), max_epochs=20, random_state=0),
    ],
)
def test_other_digits_are_outliers(digits, features):
    X, y = digits
    zeros = X[y == 0]
    detector = ImageOutlierDetector(features).fit(zeros[::2])
    test = np.concatenate([zeros[1::2], X[y != 0]])
    is_zero = np.arange(len(test)) < len(zeros[1::2])
    assert roc_auc_score(is_zero, detector.score_samples(test)) > 0.99
    assert (detector.predict(X[y != 0]) == -1).mean() > 0.9


# ------------------------------------------------------------------------------------------------
# Threshold


def test_the_automatic_threshold_is_that_of_boxplots():
    detector = ImageOutlierDetector(n_neighbors=2).fit(IMAGES)
    lower, upper = np.percentile(naive_scores(flat(IMAGES), flat(IMAGES), 2), [25, 75])
    assert_allclose(detector.offset_, lower - 1.5 * (upper - lower), rtol=1e-5)
    scores = detector.score_samples(NEW)
    assert_array_equal(detector.decision_function(NEW), scores - detector.offset_)
    assert_array_equal(detector.predict(NEW), np.where(scores >= detector.offset_, 1, -1))
    assert detector.predict(NEW).dtype.kind == "i"


@pytest.mark.parametrize("contamination", [0.1, 0.5])
@pytest.mark.parametrize("features", [None, ImageEmbedder(ThreeMeans), AUTOENCODER])
def test_contamination_is_the_fraction_of_outliers_in_fit(contamination, features):
    detector = ImageOutlierDetector(features, contamination=contamination)
    found = detector.fit_predict(IMAGES)
    assert_array_equal(found, detector.predict(IMAGES))
    assert (found == -1).sum() == 30 * contamination
    scores = detector.score_samples(IMAGES)
    assert scores[found == -1].max() < scores[found == 1].min()


# ------------------------------------------------------------------------------------------------
# Forms of images, pipelines, copies


@pytest.mark.parametrize("form", ["int64", "float64", "lazy", "flat", "frame", "list", "memmap"])
def test_every_form_of_images_gives_the_same_scores(form, tmp_path):
    X, image_shape = IMAGES, None
    if form in ("int64", "float64"):
        X = IMAGES.astype(form)
    elif form == "lazy":
        X = LazyImages(IMAGES)
    elif form in ("flat", "frame"):
        X, image_shape = flat(IMAGES), (6, 7, 3)
        X = pd.DataFrame(X).add_prefix("pixel") if form == "frame" else X
    elif form == "list":
        X = list(IMAGES)
    else:
        np.save(tmp_path / "images.npy", IMAGES)
        X = np.load(tmp_path / "images.npy", mmap_mode="r")
    detector = ImageOutlierDetector(image_shape=image_shape).fit(X)
    expected = ImageOutlierDetector().fit(IMAGES).score_samples(IMAGES)
    assert_array_equal(detector.score_samples(X), expected)


def test_random_operations_are_not_applied():
    augmented = ImageAugmenter(noise=0.5, random_state=0).fit_transform(IMAGES)
    detector = ImageOutlierDetector().fit(augmented)
    expected = ImageOutlierDetector().fit(IMAGES).score_samples(IMAGES)
    assert_array_equal(detector.score_samples(IMAGES), expected)
    assert_array_equal(detector.score_samples(augmented), expected)


def test_features_may_be_frames():
    embedder = ImageEmbedder(ThreeMeans).set_output(transform="pandas")
    detector = ImageOutlierDetector(embedder).fit(IMAGES)
    expected = ImageOutlierDetector(ImageEmbedder(ThreeMeans)).fit(IMAGES)
    assert_array_equal(detector.score_samples(NEW), expected.score_samples(NEW))


def test_a_pipeline_reads_paths_and_keeps_no_images(tmp_path):
    images = RNG.integers(0, 256, (12, 40, 50, 3), dtype=np.uint8)
    paths = [str(tmp_path / f"{row}.png") for row in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        imsave(path, image, check_contrast=False)
    detector = ImageOutlierDetector(ImageEmbedder(ThreeMeans), contamination=0.25)
    pipe = make_pipeline(ImageReader(), ImageResizer((40, 50), lazy=True), detector)
    found = pipe.fit_predict(paths)
    assert (found == -1).sum() == 3
    assert_array_equal(pipe.predict(paths), found)
    expected = clone(detector).fit(images)
    assert_array_equal(pipe.score_samples(paths), expected.score_samples(images))
    assert len(pickle.dumps(pipe)) < 20_000 < images.nbytes


class Source:
    """Source of lazy images that records how many are read."""

    def __init__(self, images):
        self.images, self.shape, self.dtype = images, images.shape, images.dtype
        self.n_read = 0

    def __getitem__(self, rows):
        self.n_read += len(rows)
        return self.images[rows]


@pytest.mark.parametrize(
    "features", [None, FunctionTransformer(lambda images: flat(images.read()))]
)
def test_every_image_is_read_once(features):
    source = Source(IMAGES)
    detector = ImageOutlierDetector(features).fit(LazyImages(source))
    assert source.n_read == 30
    detector.predict(LazyImages(source))
    assert source.n_read == 60


def test_features_are_computed_once(monkeypatch):
    counts = []
    compute = embedder_module.compute_features

    def counted(module, dataset, **options):
        counts.append(len(dataset))
        return compute(module, dataset, **options)

    monkeypatch.setattr(embedder_module, "compute_features", counted)
    detector = ImageOutlierDetector(ImageEmbedder(ThreeMeans))
    detector.fit_predict(IMAGES)
    assert counts == [30]
    detector.predict(NEW)
    assert counts == [30, 10]


@pytest.mark.parametrize("features", [None, ImageEmbedder(ThreeMeans), AUTOENCODER])
def test_a_loaded_detector_gives_the_same_scores(features):
    detector = ImageOutlierDetector(features).fit(IMAGES)
    loaded = pickle.loads(pickle.dumps(detector))
    assert_array_equal(loaded.decision_function(NEW), detector.decision_function(NEW))
    again = clone(loaded).fit(IMAGES)
    assert_array_equal(again.score_samples(NEW), detector.score_samples(NEW))


def test_a_search_selects_the_features():
    y = np.arange(30) % 2
    grid = {"features": [None, HOGExtractor(pixels_per_cell=(3, 3))], "n_neighbors": [1, 2]}

    def score(detector, X, y):
        return roc_auc_score(y, detector.score_samples(X))

    search = GridSearchCV(ImageOutlierDetector(), grid, scoring=score, cv=2, error_score="raise")
    assert len(search.fit(IMAGES, y).cv_results_["params"]) == 4


# ------------------------------------------------------------------------------------------------
# Bad input


@pytest.mark.parametrize(
    ("detector", "kind", "message"),
    [
        (ImageOutlierDetector(n_neighbors=0), ValueError, "The 'n_neighbors' parameter"),
        (ImageOutlierDetector(n_neighbors=True), ValueError, "n_neighbors must be a number"),
        (
            ImageOutlierDetector(n_neighbors=30),
            ValueError,
            "n_neighbors=30 must be less than the number of training images, but X holds 30: set "
            "n_neighbors to at most 29",
        ),
        (ImageOutlierDetector(contamination=0.0), ValueError, "The 'contamination' parameter"),
        (ImageOutlierDetector(contamination=0.6), ValueError, "The 'contamination' parameter"),
        (ImageOutlierDetector("resnet18"), ValueError, "The 'features' parameter"),
        (ImageOutlierDetector(LogisticRegression()), ValueError, "The 'features' parameter"),
        (
            ImageOutlierDetector(ImageResizer((3, 3))),
            ValueError,
            r"ImageResizer returns an array of shape \(30, 3, 3, 3\) for 30 images, .* "
            "put an ImageFlattener after it",
        ),
        (
            ImageOutlierDetector(FunctionTransformer(lambda images: flat(images)[1:])),
            ValueError,
            r"returns an array of shape \(29, 126\) for 30 images",
        ),
        (
            ImageOutlierDetector(FunctionTransformer(lambda images: flat(images) + np.inf)),
            ValueError,
            "the features of image 0 that FunctionTransformer returns are NaN",
        ),
        (
            ImageOutlierDetector(FunctionTransformer(lambda images: flat(images).astype(str))),
            ValueError,
            "FunctionTransformer returns values of dtype <U3: they must be numbers",
        ),
        (ImageOutlierDetector(ImageEmbedder(CNNClassifier())), ValueError, "that is not fitted"),
    ],
)
def test_bad_parameters_are_one_sentence(detector, kind, message):
    with pytest.raises(kind, match=message) as error:
        detector.fit(IMAGES)
    assert "\n" not in str(error.value)
    assert not hasattr(detector, "features_")


def test_bad_images_are_one_sentence():
    detector = ImageOutlierDetector().fit(IMAGES)
    with pytest.raises(ValueError, match=r"5 x 7 pixels with 3 channel.* is expecting 6 x 7"):
        detector.predict(IMAGES[:, :5])
    with pytest.raises(ValueError, match=r"Found 1 image.* minimum of 2 is required"):
        ImageOutlierDetector().fit(IMAGES[:1])
    with pytest.raises(ValueError, match="put an ImageReader and an ImageResizer before it"):
        detector.predict(["a.png"])
    with pytest.raises(NotFittedError):
        ImageOutlierDetector().predict(IMAGES)


@pytest.mark.parametrize("features", [ImageFlattener(), AUTOENCODER], ids=["pixels", "errors"])
def test_scores_are_finite_whatever_the_scale(features):
    detector = ImageOutlierDetector(features).fit(IMAGES * 1e-29)
    scores = detector.score_samples(IMAGES * 1e3)
    assert np.isfinite(scores).all()
    assert (scores < 1e6 * detector.offset_).all()


def test_a_failed_fit_changes_nothing():
    detector = ImageOutlierDetector().fit(IMAGES)
    expected = detector.score_samples(NEW)
    detector.set_params(features=make_pipeline(ImageFlattener(), PCA(500)))
    with pytest.raises(ValueError, match="n_components=500"):
        detector.fit(IMAGES[:, :4])
    assert_array_equal(detector.score_samples(NEW), expected)
