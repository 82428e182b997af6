"""ImageEmbedder against the network itself, and in the tools of scikit-learn."""

import pickle
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from skimage.io import imsave
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn import functional

from skcnn import (
    CNNClassifier,
    CNNRegressor,
    ImageAugmenter,
    ImageEmbedder,
    ImageReader,
    ImageResizer,
    LazyImages,
)
from skcnn.estimators import embedder as embedder_module
from skcnn.networks import pretrained
from skcnn.networks.custom import copy_network
from skcnn.training.device import has_bfloat16

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 16, 20, 3), dtype=np.uint8)
LABELS = np.arange(12) % 2
EXACT = {"precision": "float32", "input_size": None}


@pytest.fixture(scope="module")
def photos():
    return IMAGES.copy()


@pytest.fixture(scope="module")
def cnn(photos):
    return CNNClassifier(channels=(4, 8), hidden_units=(7,), max_epochs=2, random_state=0).fit(
        photos, LABELS
    )


def features_of(module, images, size=None):
    """Compute features with the layers of the module themselves, in float64."""
    module = copy_network(module, 3, 16, 20).double().eval()
    values = torch.from_numpy(images.astype(np.float64)).permute(0, 3, 1, 2)
    values = (values - module.standardize.mean) * module.standardize.factor
    if size is not None:
        values = functional.interpolate(values, size, mode="bilinear")
    with torch.no_grad():
        return module.network.features(values).numpy()


class ThreeMeans(torch.nn.Module):
    """Network with the mean of each channel as its features."""

    def __init__(self, in_channels, height, width, n_outputs):
        super().__init__()
        self.output = torch.nn.Linear(in_channels, n_outputs)

    def features(self, images):
        return images.mean(dim=(2, 3))

    def forward(self, images):
        return self.output(self.features(images))


def dense(in_channels, height, width, n_outputs):
    n_pixels = in_channels * height * width
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(n_pixels, n_outputs))


# ------------------------------------------------------------------------------------------------
# Values


@pytest.mark.parametrize(
    ("input_size", "size"),
    [(None, None), ("auto", (80, 100)), (32, (32, 32)), ((20, 40), (20, 40))],
)
def test_features_are_those_of_the_pretrained_network(photos, input_size, size):
    embedder = ImageEmbedder(input_size=input_size, precision="float32").fit(photos)
    found = embedder.transform(photos)
    assert found.dtype == np.float32
    assert found.shape == (12, embedder.n_features_out_) == (12, 1280)
    expected = features_of(embedder.module_, photos, size)
    assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * abs(expected).max())
    state = pretrained.read_weights(pretrained.weights_file("efficientnet_lite0"), is_official=True)
    weight = embedder.module_.network._conv_stem.weight.detach()
    assert_array_equal(weight, state["_conv_stem.weight"])


@pytest.mark.parametrize(
    ("scale", "offset", "limits"),
    [(1, 0, (0, 255)), (1 / 255, 0, (0, 1)), (2 / 255, -1, (-1, 1))],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_range_of_the_pixel_values_makes_no_difference(photos, scale, offset, limits, dtype):
    expected = ImageEmbedder(**EXACT).fit_transform(photos)
    embedder = ImageEmbedder(**EXACT)
    found = embedder.fit_transform((photos * scale + offset).astype(dtype))
    assert embedder.pixel_range_ == limits
    assert_allclose(found, expected, atol=1e-4 * abs(expected).max())


def test_other_ranges_are_standardized(photos):
    embedder = ImageEmbedder(**EXACT).fit(photos.astype(float) * 7 - 300)
    assert embedder.pixel_range_ is None
    mean = embedder.module_.standardize.mean.flatten()
    assert_allclose(mean, photos.mean(axis=(0, 1, 2)) * 7 - 300, rtol=1e-5)


def test_gray_images_are_repeated_to_three_channels(photos):
    gray = photos[..., 0]
    expected = ImageEmbedder(**EXACT).fit_transform(np.repeat(gray[..., np.newaxis], 3, axis=3))
    assert_allclose(ImageEmbedder(**EXACT).fit_transform(gray), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", ["int64", "float64", "lazy", "flat", "frame", "list", "memmap"])
def test_every_form_of_images_gives_the_same_features(photos, form, tmp_path):
    X, image_shape = photos, None
    if form in ("int64", "float64"):
        X = photos.astype(form)
    elif form == "lazy":
        X = LazyImages(photos)
    elif form in ("flat", "frame"):
        X, image_shape = photos.reshape(12, -1), (16, 20, 3)
        X = pd.DataFrame(X).add_prefix("pixel") if form == "frame" else X
    elif form == "list":
        X = list(photos)
    else:
        np.save(tmp_path / "photos.npy", photos)
        X = np.load(tmp_path / "photos.npy", mmap_mode="r")
    embedder = ImageEmbedder(**EXACT, image_shape=image_shape)
    found = embedder.fit_transform(X)
    assert_array_equal(found, ImageEmbedder(**EXACT).fit_transform(photos))
    assert_array_equal(embedder.transform(X), found)


@pytest.mark.parametrize("precision", ["auto", "bfloat16", "float32"])
def test_features_do_not_depend_on_the_batch(photos, precision):
    embedder = ImageEmbedder(precision=precision, input_size=32).fit(photos)
    together = embedder.transform(photos)
    one_by_one = np.concatenate([embedder.transform(photos[[row]]) for row in range(12)])
    in_fives = embedder.set_params(batch_size=np.int8(5)).transform(photos)
    assert_allclose(one_by_one, together, rtol=1e-5, atol=1e-5)
    assert_allclose(in_fives, together, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("backbone", ["efficientnet_lite0", ThreeMeans])
def test_automatic_precision_changes_features_by_less_than_one_percent(photos, backbone):
    smooth = np.kron(photos[:, :4, :5], np.ones((1, 12, 12, 1), np.uint8))
    expected = ImageEmbedder(backbone, precision="float32").fit_transform(smooth)
    embedder = ImageEmbedder(backbone)
    errors = np.linalg.norm(embedder.fit_transform(smooth) - expected, axis=1)
    assert (errors <= 0.015 * np.linalg.norm(expected, axis=1)).all()
    faster = has_bfloat16(torch.device("cpu")) and backbone is ThreeMeans
    assert embedder.precision_ == ("bfloat16" if faster else "float32")
    embedder.set_params(precision="bfloat16").fit(smooth)
    found = embedder.transform(smooth)
    assert found.dtype == np.float32
    assert embedder.precision_ == "bfloat16"
    errors = np.linalg.norm(found - expected, axis=1)
    assert (errors < 0.25 * np.linalg.norm(expected, axis=1)).all()


def test_a_trained_network_computes_in_float32(photos, cnn):
    embedder = ImageEmbedder(cnn).fit(photos)
    assert embedder.precision_ == "float32"


def test_random_weights_are_the_same_in_each_fit_and_leave_the_global_state_alone(photos):
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    embedder = ImageEmbedder("squeezenet1_1", weights=None, **EXACT)
    first = embedder.fit_transform(np.kron(photos, np.ones((1, 2, 2, 1))))
    torch.rand(3)
    torch.set_rng_state(torch_state)
    again = clone(embedder).fit(np.kron(photos, np.ones((1, 2, 2, 1))))
    assert_array_equal(again.transform(np.kron(photos, np.ones((1, 2, 2, 1)))), first)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert_array_equal(np.random.get_state()[1], numpy_state)


def test_a_callable_builds_the_network(photos):
    found = ImageEmbedder(ThreeMeans).fit_transform(photos)
    mean, deviation = photos.mean(axis=(0, 1, 2)), photos.std(axis=(0, 1, 2))
    assert_allclose(found, (photos.mean(axis=(1, 2)) - mean) / deviation, rtol=1e-3, atol=1e-5)


# ------------------------------------------------------------------------------------------------
# Networks that the user trained

FITTED = {
    "plain": CNNClassifier(channels=(4, 8), hidden_units=(7,)),
    "dense": CNNClassifier(channels=(), hidden_units=(9, 5)),
    "linear": CNNClassifier(channels=(), hidden_units=()),
    "fast": CNNClassifier("fast", channels=(4, 8)),
    "resnet18": CNNClassifier("resnet18"),
    "regressor": CNNRegressor(channels=(4,)),
}


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("name", FITTED)
def test_features_of_a_fitted_estimator(photos, name, frozen):
    model = clone(FITTED[name]).set_params(max_epochs=1, random_state=0).fit(photos, LABELS)
    embedder = ImageEmbedder(FrozenEstimator(model) if frozen else model, precision="float32")
    found = embedder.fit_transform(photos)
    expected = features_of(model.module_, photos)
    assert found.shape == expected.shape
    assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * abs(expected).max())
    if name != "regressor":
        output = model.module_.network.stages()[-1]
        logits = output(torch.from_numpy(expected).float()).detach()
        assert_allclose(model.predict_proba(photos), logits.softmax(dim=1), atol=1e-4)


def test_images_of_fit_do_not_change_a_fitted_backbone(photos, cnn):
    expected = ImageEmbedder(cnn).fit(photos).transform(photos)
    embedder = ImageEmbedder(cnn).fit(photos // 2 + 9)
    assert_array_equal(embedder.transform(photos), expected)
    assert embedder.pixel_scale_ == cnn.pixel_scale_


def test_a_later_fit_of_the_backbone_does_not_change_the_features(photos):
    model = CNNClassifier(channels=(4,), max_epochs=1, random_state=0, warm_start=True)
    embedder = ImageEmbedder(model.fit(photos, LABELS)).fit(photos)
    expected = embedder.transform(photos)
    model.fit(photos, LABELS)
    assert_array_equal(embedder.transform(photos), expected)
    assert abs(embedder.fit_transform(photos) - expected).max() > 1e-4


def test_clone_keeps_the_fit_of_the_backbone(photos, cnn):
    embedder = ImageEmbedder(cnn, batch_size=7).set_output(transform="pandas")
    copy = clone(embedder.fit(photos))
    assert copy.backbone is cnn
    assert copy.get_params(deep=False) == embedder.get_params(deep=False)
    assert not hasattr(copy, "network_")
    pd.testing.assert_frame_equal(copy.fit_transform(photos), embedder.transform(photos))
    inside = clone(make_pipeline(ImageEmbedder(cnn), LogisticRegression()))
    assert inside[0].backbone is cnn


def test_meta_estimators_use_a_fitted_backbone(photos, cnn):
    pipe = make_pipeline(ImageEmbedder(cnn), LogisticRegression(max_iter=1000))
    scores = cross_val_score(pipe, photos, LABELS, cv=3, error_score="raise")
    assert scores.shape == (3,)
    grid = {"logisticregression__C": [1, 10]}
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(photos, LABELS)
    assert search.best_estimator_[0].backbone is cnn


def test_a_parameter_grid_contains_frozen_backbones(photos, cnn):
    pipe = make_pipeline(ImageEmbedder(input_size="auto"), LogisticRegression(max_iter=1000))
    grid = {"imageembedder__backbone": [FrozenEstimator(cnn), "efficientnet_lite0"]}
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(photos, LABELS)
    assert len(search.cv_results_["params"]) == 2
    grid["imageembedder__backbone"][0] = cnn  # is cloned, and loses its fit
    with pytest.raises(ValueError, match="in a parameter grid, wrap it in a FrozenEstimator"):
        GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(photos, LABELS)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (
            lambda cnn: ImageEmbedder(CNNClassifier()),
            ValueError,
            "backbone is a CNNClassifier that is not fitted: fit it before the ImageEmbedder",
        ),
        (
            lambda cnn: ImageEmbedder(LogisticRegression()),
            TypeError,
            "backbone is a LogisticRegression, which has no network: give a fitted estimator",
        ),
        (
            lambda cnn: ImageEmbedder(cnn, weights=None, input_size=32),
            ValueError,
            "weights=None and input_size=32 cannot be combined with a fitted estimator",
        ),
        (
            lambda cnn: ImageEmbedder(cnn, input_size=(32, 32)),
            ValueError,
            r"input_size=\(32, 32\) cannot be combined with a fitted estimator",
        ),
        (
            lambda cnn: ImageEmbedder(clone(cnn).fit(IMAGES[:, :9], LABELS)),
            ValueError,
            r"images of 16 x 20 pixels with 3 channel\(s\), but the CNNClassifier given as "
            r"backbone was fitted on 9 x 20 with 3: put an ImageResizer\(\(9, 20\)\)",
        ),
        (lambda cnn: ImageEmbedder("efficientnet"), ValueError, "'efficientnet' is unknown"),
        (lambda cnn: ImageEmbedder(backbone=3), ValueError, "The 'backbone' parameter"),
        (lambda cnn: ImageEmbedder(batch_size=0), ValueError, "The 'batch_size' parameter"),
        (lambda cnn: ImageEmbedder(precision="half"), ValueError, "The 'precision' parameter"),
        (lambda cnn: ImageEmbedder(cnn, device="cuda:9"), ValueError, "is not available"),
        (
            lambda cnn: ImageEmbedder(
                lambda *sizes: torch.nn.Sequential(
                    torch.nn.Conv2d(3, 1, (16, 20)), torch.nn.Flatten()
                )
            ),
            ValueError,
            "the outputs of the network are not those of a torch.nn.Linear layer",
        ),
        (
            lambda cnn: ImageEmbedder(dense(3, 16, 20, 1)),
            TypeError,
            r"backbone is an instance of Sequential: give a callable \(in_channels, height",
        ),
    ],
)
def test_bad_parameters_are_one_sentence(photos, cnn, make, kind, message):
    with pytest.raises(kind, match=message) as error:
        make(cnn).fit(photos)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "parameters", [{"batch_size": 0}, {"batch_size": "all"}, {"precision": "half"}, {"device": 1},
                   {"memmap_folder": 5}],
)  # fmt: skip
def test_bad_parameters_after_fit(photos, parameters):
    embedder = ImageEmbedder(ThreeMeans).fit(photos)
    with pytest.raises(ValueError, match=f"The '{next(iter(parameters))}' parameter"):
        embedder.set_params(**parameters).transform(photos)


def test_images_of_another_shape_are_one_sentence(photos):
    embedder = ImageEmbedder(**EXACT).fit(photos)
    with pytest.raises(ValueError, match=r"9 x 20 pixels with 3 channel.* is expecting 16 x 20"):
        embedder.transform(photos[:, :9])
    with pytest.raises(NotFittedError):
        ImageEmbedder().transform(photos)


def test_images_of_another_scale_cause_a_warning(photos, cnn):
    for embedder in (ImageEmbedder(**EXACT).fit(photos), ImageEmbedder(cnn).fit(photos)):
        with pytest.warns(UserWarning, match=r"The pixel values of X are about .* times smaller"):
            embedder.transform(photos / 255)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            embedder.transform(photos)


def test_features_are_never_nan(photos):
    huge = photos.astype(np.float32)
    huge[3] = 3e38
    with pytest.raises(ValueError, match="the features of image 3 are NaN or infinite"):
        ImageEmbedder(ThreeMeans).fit(photos).transform(huge)


# ------------------------------------------------------------------------------------------------
# Fits, pickles and threads


def test_fit_changes_no_parameter_and_a_failed_fit_keeps_the_last_one(photos):
    embedder = ImageEmbedder(**EXACT, batch_size=4)
    before = embedder.get_params()
    expected = embedder.fit_transform(photos)
    assert embedder.get_params() == before
    with pytest.raises(ValueError, match="unknown"):
        embedder.set_params(backbone="nothing").fit(photos[:, :9])
    assert embedder.image_shape_ == (16, 20, 3)
    assert_array_equal(embedder.transform(photos), expected)


def test_a_pickle_is_small_and_needs_no_package_of_weights(photos, monkeypatch, one_thread):
    embedder = ImageEmbedder(**EXACT)
    expected = embedder.fit_transform(photos)
    data = pickle.dumps(embedder)
    n_bytes = sum(4 * value.numel() for value in embedder.module_.state_dict().values())
    assert n_bytes < len(data) < 1.02 * n_bytes

    def missing(*args, **kwargs):
        raise ImportError

    monkeypatch.setattr(pretrained, "weights_file", missing)
    loaded = pickle.loads(data)
    assert_array_equal(loaded.transform(photos), expected)
    assert pickle.loads(pickle.dumps(loaded)).get_params() == embedder.get_params()
    with pytest.raises(ImportError):
        loaded.fit(photos)


def test_a_damaged_pickle_is_an_error(photos):
    data = bytearray(pickle.dumps(ImageEmbedder(**EXACT).fit(photos)))
    data[len(data) // 2] ^= 64
    with pytest.raises(ValueError, match="is damaged"):
        pickle.loads(bytes(data))


def test_a_pickle_with_a_fitted_backbone(photos, cnn, one_thread):
    embedder = ImageEmbedder(cnn).fit(photos)
    loaded = pickle.loads(pickle.dumps(embedder))
    assert_array_equal(loaded.transform(photos), embedder.transform(photos))
    assert_array_equal(loaded.backbone.predict_proba(photos), cnn.predict_proba(photos))


def test_threads_compute_the_same_features(photos):
    embedder = ImageEmbedder(**EXACT).fit(photos)
    expected = embedder.transform(photos)
    refits = threading.Thread(target=lambda: [embedder.fit(photos) for _ in range(3)])
    refits.start()
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: embedder.transform(photos), range(12)))
    refits.join()
    for found in results:
        assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


# ------------------------------------------------------------------------------------------------
# Lazy images and memory maps


class Source:
    """Source of lazy images that records how many are read."""

    def __init__(self, images):
        self.images, self.shape, self.dtype = images, images.shape, images.dtype
        self.read = []

    def __getitem__(self, rows):
        self.read.append(len(rows))
        return self.images[rows]


def test_lazy_images_are_read_in_batches():
    images = RNG.integers(0, 256, (40, 16, 20, 3), dtype=np.uint8)
    source = Source(images)
    embedder = ImageEmbedder(**EXACT, batch_size=4).fit(images)
    found = embedder.transform(LazyImages(source))
    assert_array_equal(found, embedder.transform(images))
    assert sum(source.read) == 40
    assert max(source.read) <= 5


def test_fit_transform_of_a_lazy_resizer_reads_every_image_once(photos):
    source = Source(np.kron(photos, np.ones((1, 2, 2, 1), np.uint8)))
    resized = ImageResizer((16, 20)).fit_transform(source.images)
    pipe = make_pipeline(ImageResizer((16, 20), lazy=True), ImageEmbedder(**EXACT))
    found = pipe.fit_transform(LazyImages(source))
    assert_array_equal(found, ImageEmbedder(**EXACT).fit_transform(resized))
    assert sum(source.read) == 12


def test_each_call_writes_a_memory_map_of_its_own(photos, tmp_path):
    folder = tmp_path / "features"
    expected = ImageEmbedder(**EXACT).fit_transform(photos)
    embedder = ImageEmbedder(**EXACT, memmap_folder=folder)
    results = [embedder.fit_transform(photos), embedder.transform(photos[:5])]
    assert all(isinstance(found, np.memmap) for found in results)
    files = {found.filename for found in results}
    assert len(files) == len(list(folder.iterdir())) == 2
    for found, rows in zip(results, (slice(None), slice(5)), strict=True):
        assert_array_equal(found, expected[rows])
        assert_array_equal(np.load(found.filename), expected[rows])
    pipe = make_pipeline(embedder, LogisticRegression())
    cross_val_score(pipe, photos, LABELS, cv=2, error_score="raise")
    assert len(list(folder.iterdir())) == 2 + 4
    assert_array_equal(results[0], expected)


def test_an_error_leaves_no_memory_map(photos, tmp_path):
    embedder = ImageEmbedder(ThreeMeans, memmap_folder=str(tmp_path)).fit(photos)
    with pytest.raises(ValueError, match="NaN or infinite"):
        embedder.transform(np.full((2, 16, 20, 3), 3e38))
    assert not list(tmp_path.iterdir())
    file = tmp_path / "file"
    file.write_text("no folder")
    with pytest.raises(ValueError, match="is not a folder in which files can be created"):
        embedder.set_params(memmap_folder=file).transform(photos)


# ------------------------------------------------------------------------------------------------
# Output, pipelines and tables


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_frames_have_the_names_of_the_features(photos, cnn, container):
    embedder = ImageEmbedder(cnn)
    expected = embedder.fit_transform(photos)
    frame = embedder.set_output(transform=container).transform(photos)
    names = [f"imageembedder{number}" for number in range(7)]
    assert list(frame.columns) == names == list(embedder.get_feature_names_out())
    assert_array_equal(frame.to_numpy(), expected)


def test_a_fit_whose_output_has_no_container_changes_nothing(photos):
    embedder = ImageEmbedder(ThreeMeans).fit(photos)
    expected = embedder.transform(photos)
    embedder.set_output(transform="no container")
    with pytest.raises(ValueError, match="no container"):
        embedder.fit_transform(photos[:, :9, :, :1])
    assert_array_equal(embedder.set_output(transform="default").transform(photos), expected)


@pytest.fixture
def n_embedded(monkeypatch):
    """Record the number of images in each forward pass over a collection."""
    counts = []
    compute = embedder_module.compute_features

    def counted(module, dataset, **options):
        counts.append(len(dataset))
        return compute(module, dataset, **options)

    monkeypatch.setattr(embedder_module, "compute_features", counted)
    return counts


@pytest.mark.parametrize("fitted", [False, True])
def test_a_cached_pipeline_embeds_each_training_set_once(photos, cnn, tmp_path, n_embedded, fitted):
    embedder = ImageEmbedder(cnn if fitted else ThreeMeans)
    memory = joblib.Memory(tmp_path, verbose=0)
    steps = [("embed", embedder), ("classify", LogisticRegression(max_iter=1000))]
    grid = {"classify__C": [0.1, 1, 10]}
    pipe = Pipeline(steps, memory=memory)
    search = GridSearchCV(pipe, grid, cv=3, error_score="raise").fit(photos, LABELS)
    # The training images of three splits, those of the final fit, and for each candidate the
    # validation images, because a Pipeline caches the results of `fit_transform` only.
    assert sorted(n_embedded) == [4] * 9 + [8] * 3 + [12]
    n_embedded.clear()
    again = GridSearchCV(Pipeline(steps), grid, cv=3).fit(photos, LABELS)
    assert sorted(n_embedded) == [4] * 9 + [8] * 9 + [12]
    assert_allclose(search.cv_results_["mean_test_score"], again.cv_results_["mean_test_score"])


@pytest.mark.parametrize("lazy", [False, True])
def test_a_cache_embeds_all_images_once(photos, cnn, tmp_path, n_embedded, lazy):
    images = LazyImages(photos) if lazy else photos
    memory = joblib.Memory(tmp_path, verbose=0) if lazy else str(tmp_path)
    grid = {"logisticregression__C": [0.1, 1, 10]}
    searches = []
    for embedder in (ImageEmbedder(cnn, memory=memory), ImageEmbedder(cnn)):
        pipe = make_pipeline(embedder, LogisticRegression(max_iter=1000))
        searches.append(GridSearchCV(pipe, grid, cv=3, error_score="raise").fit(images, LABELS))
        if len(searches) == 1:
            assert sorted(n_embedded) == [4] * 3 + [8] * 3 + [12]
    scores = [search.cv_results_["mean_test_score"] for search in searches]
    assert_allclose(*scores)


def test_a_cache_distinguishes_networks_precisions_and_images(photos, cnn, tmp_path, n_embedded):
    memory = joblib.Memory(tmp_path, verbose=0)
    first = ImageEmbedder(**EXACT, memory=memory).fit(photos)
    expected = ImageEmbedder(**EXACT).fit_transform(photos)
    n_embedded.clear()
    for _ in range(2):
        assert_array_equal(first.transform(photos), expected)
    assert_array_equal(
        ImageEmbedder(**EXACT, memory=memory).fit(photos).transform(photos), expected
    )
    assert len(n_embedded) == 1
    first.transform(photos[:5])
    ImageEmbedder(**{**EXACT, "precision": "bfloat16"}, memory=memory).fit_transform(photos)
    ImageEmbedder(cnn, memory=memory).fit_transform(photos)
    ImageEmbedder(**EXACT, memory=memory).fit_transform(photos / 255.0)
    assert len(n_embedded) == 5
    assert len(pickle.dumps(first)) < len(pickle.dumps(ImageEmbedder(**EXACT).fit(photos))) + 1000


def test_a_cache_of_memory_maps(photos, cnn, tmp_path):
    memory = joblib.Memory(tmp_path, mmap_mode="r", verbose=0)
    embedder = ImageEmbedder(cnn, memory=memory).fit(photos)
    assert isinstance(embedder.transform(photos), np.memmap)
    assert_array_equal(embedder.transform(photos), ImageEmbedder(cnn).fit_transform(photos))
    with pytest.raises(ValueError, match="memory and memmap_folder cannot be combined"):
        ImageEmbedder(cnn, memory=memory, memmap_folder=tmp_path).fit(photos)
    for parameters, images in (
        ({"backbone": lambda *sizes: ThreeMeans(*sizes)}, photos),
        ({}, ImageAugmenter(function=lambda batch, _: batch).fit_transform(photos)),
    ):
        with pytest.raises(ValueError, match=r"features cannot be cached, because .* use memory="):
            ImageEmbedder(**{**EXACT, **parameters}, memory=memory).fit_transform(images)


def save_photos(photos, folder):
    paths = [str(folder / f"{row}.png") for row in range(len(photos))]
    for path, photo in zip(paths, photos, strict=True):
        imsave(path, photo, check_contrast=False)
    return paths


@pytest.mark.parametrize("columns", ["path", ["path"]])
@pytest.mark.parametrize("lazy", [False, True])
def test_images_and_tabular_columns(photos, tmp_path, columns, lazy):
    smooth = np.where(LABELS[:, None, None, None], photos, photos[:, :1, :1])
    paths = save_photos(smooth, tmp_path)
    frame = pd.DataFrame({"age": np.arange(12.0) % 3, "path": paths, "price": np.ones(12)})
    embedder = ImageEmbedder(input_size=(32, 40), precision="float32")
    photo = make_pipeline(ImageReader(), ImageResizer((16, 20), lazy=lazy), embedder)
    table = ColumnTransformer(
        [("photo", photo, columns), ("rest", StandardScaler(), ["age", "price"])]
    )
    model = make_pipeline(table, LogisticRegression(max_iter=1000))
    shuffled = frame.set_index(np.arange(12)[::-1] + 100)
    assert cross_val_score(model, shuffled, LABELS, cv=3, error_score="raise").mean() == 1
    expected = ImageEmbedder(input_size=(32, 40), precision="float32").fit_transform(smooth)
    for container in ("pandas", "polars"):
        found = table.set_output(transform=container).fit_transform(frame)
        names = [f"photo__imageembedder{number}" for number in range(1280)]
        assert list(found.columns) == [*names, "rest__age", "rest__price"]
        assert_allclose(found.to_numpy()[:, :1280], expected, rtol=1e-5, atol=1e-5)
