"""ONNX files: the same results as the pipeline, on photos and on made images of every form."""

import json
import logging
import sys
import warnings
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from skimage import data
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skcnn
from skcnn import (
    CNNClassifier,
    CNNRegressor,
    ConvAutoencoder,
    ImageAugmenter,
    ImageEmbedder,
    ImageFlattener,
    ImageNormalizer,
    ImageOutlierDetector,
    ImageReader,
    ImageResizer,
    TransferClassifier,
)
from skcnn.export import to_onnx
from skcnn.export._onnx_check import _is_half, batches_for_check, check_model
from skcnn.export._onnx_graph import Graph
from skcnn.imbalance import LogitAdjustedClassifier

SMALL = {"channels": (4,), "hidden_units": (8,), "max_epochs": 2, "random_state": 0}
RNG = np.random.default_rng(0)
CLASSES = np.array(["Astronaut", "café", "cat", "rocket"])[np.arange(12) % 4]


def photos(n=12, low=20, high=70):
    """Crops of four photos, of different sizes."""
    sources = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
    crops = []
    for number in range(n):
        photo = sources[number % 4]
        height, width = RNG.integers(low, high, 2)
        row, column = (
            RNG.integers(0, a - b) for a, b in zip(photo.shape, (height, width), strict=False)
        )
        crops.append(photo[row : row + height, column : column + width])
    return crops


def images(shape, dtype=np.uint8, n=12):
    """Crops of photos of one size, of any number of channels and any dtype."""
    size = (*shape, 1)[:2]
    crops = ImageResizer(size).fit_transform(photos(n))
    channels = [crops.mean(axis=3), crops[..., 0], crops[..., 1], crops[..., 2]]
    crops = channels[0] if len(shape) == 2 else np.stack(channels[-shape[2] :], axis=-1)
    top = {"f": 1.0, "u": np.iinfo(np.uint8).max}[np.dtype(dtype).kind]
    return (crops / 255 * top).astype(dtype)


@pytest.fixture
def exported(tmp_path):
    """A function that exports, and returns a function from images to the results."""

    def export(estimator, **options):
        path = tmp_path / "model.onnx"
        to_onnx(estimator, path, **options)
        assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
        assert b".py" not in path.read_bytes()  # no paths of code
        onnx.checker.check_model(path, full_check=True)
        session = onnxruntime.InferenceSession(path)

        def run(images):
            names = [output.name for output in session.get_outputs()]
            return dict(zip(names, session.run(None, {"images": images}), strict=True))

        run.session = session
        return run

    return export


def test_photos_of_all_sizes_from_files(exported, tmp_path_factory):
    crops = photos()
    folder = tmp_path_factory.mktemp("photos")
    paths = [folder / f"{number}.png" for number in range(12)]
    for path, crop in zip(paths, crops, strict=True):
        Image.fromarray(crop).save(path)
    pipe = make_pipeline(
        ImageReader(),
        make_pipeline(ImageResizer((16, 18)), "passthrough", ImageNormalizer("unit")),
        ImageAugmenter(rotation=10, random_state=0),
        CNNClassifier(**SMALL),
    )
    search = GridSearchCV(pipe, {"cnnclassifier__channels": [(5,)]}, cv=2)
    search.fit(paths, CLASSES)
    run = exported(search, X=paths)
    expected = search.predict_proba(paths)
    for crop, label, probabilities in zip(crops, search.predict(paths), expected, strict=True):
        found = run(crop[np.newaxis])
        assert_allclose(found["probabilities"][0], probabilities, atol=1e-4)
        assert found["label"].tolist() == [label]
    for shape in [(3, 1, 90, 3), (2, 16, 18, 3), (1, 200, 7, 3)]:
        batch = RNG.integers(0, 256, shape, dtype=np.uint8)
        found = run(batch)["probabilities"]
        assert_allclose(found, search.best_estimator_[1:].predict_proba(batch), atol=1e-4)
    (source,), outputs = run.session.get_inputs(), run.session.get_outputs()
    assert (source.name, source.shape) == ("images", ["n_images", "height", "width", 3])
    assert [output.shape for output in outputs] == [["n_images"], ["n_images", 4]]
    about = run.session.get_modelmeta()
    assert (about.producer_name, about.graph_name) == ("skcnn", "CNNClassifier")
    metadata = about.custom_metadata_map
    assert metadata["skcnn_version"] == skcnn.__version__
    assert metadata["torch_version"] == torch.__version__
    assert json.loads(metadata["classes"]) == search.classes_.tolist()


def test_gray_floats_of_all_sizes_and_a_regressor(exported):
    grays = [crop.mean(axis=2, dtype=np.float32) for crop in photos()]
    y = 1e9 + np.array([gray.mean() for gray in grays])
    pipe = make_pipeline(ImageResizer((14, 9), aspect="pad"), CNNRegressor(**SMALL)).fit(grays, y)
    run = exported(pipe, dtype=np.float32)
    found = [run(gray[np.newaxis])["predictions"] for gray in grays]
    assert_allclose(np.concatenate(found), pipe.predict(grays), rtol=0, atol=1e-3)
    assert run.session.get_inputs()[0].shape == ["n_images", "height", "width"]


CASES = {
    "channels, crop, fast, flips": (
        (20, 24, 4),
        np.uint8,
        lambda: make_pipeline(
            ImageResizer((12, 12), aspect="crop"),
            CNNClassifier(
                "fast",
                channels=(4, 6),
                max_epochs=2,
                random_state=0,
                test_time_augmentation="flip",
            ),
        ),
        np.arange(12) % 4 - 7,
    ),
    "gray float64, normalized": (
        (11, 9),
        np.float64,
        lambda: make_pipeline(
            ImageNormalizer(), ImageFlattener(), CNNClassifier(**SMALL, image_shape=(11, 9))
        ),
        np.arange(12) % 2 == 1,
    ),
    "uint16, indicators": (
        (11, 9, 3),
        np.uint16,
        lambda: CNNClassifier(**SMALL),
        RNG.integers(0, 2, (12, 3)),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_classifiers_of_images_of_one_size(case, exported):
    shape, dtype, make, y = CASES[case]
    X = images(shape, dtype)
    pipe = make().fit(X, y)
    run = exported(pipe, dtype=dtype, image_shape=shape)
    for batch in (X, X[:1], X[:7]):
        found = run(batch)
        assert_allclose(found["probabilities"], pipe.predict_proba(batch), atol=1e-4)
        assert_array_equal(found["label"], pipe.predict(batch))
        assert found["label"].dtype.kind == pipe.predict(batch).dtype.kind.replace("U", "O")
    assert len(run(X[:0])["label"]) == 0


def test_adjusted_probabilities(exported):
    X, y = images((11, 9)), np.array(["cat", "dog", "owl"])[np.repeat([0, 1, 2], [8, 3, 1])]
    cnn = CNNClassifier(**SMALL)
    inner = make_pipeline(ImageNormalizer(), cnn).fit(X / 255, y)
    adjusted = LogitAdjustedClassifier(FrozenEstimator(inner), tau=3.0)
    model = make_pipeline(ImageNormalizer("unit"), adjusted).fit(X, y)
    run = exported(model)
    found = run(X)
    assert_allclose(found["probabilities"], model.predict_proba(X), atol=1e-4)
    assert_array_equal(found["label"], model.predict(X))
    assert np.abs(found["probabilities"] - inner.predict_proba(X / 255)).max() > 0.1
    metadata = run.session.get_modelmeta().custom_metadata_map
    assert metadata["estimator"] == "LogitAdjustedClassifier"


def test_pretrained_network_for_photos(exported):
    X = images((40, 50, 3))
    model = TransferClassifier(input_size=(64, 64), max_epochs=2, random_state=0).fit(X, CLASSES)
    found = exported(model, X=X)(X)
    assert_allclose(found["probabilities"], model.predict_proba(X), atol=1e-4)
    assert_array_equal(found["label"], model.predict(X))


def test_features_codes_and_several_targets(exported):
    X = images((10, 8, 3))
    regressor = CNNRegressor(**SMALL).fit(X, X[:, :2, 0, 0].astype(float))
    assert_allclose(exported(regressor)(X)["predictions"], regressor.predict(X), rtol=1e-4)
    embedder = ImageEmbedder(regressor).fit(X)
    assert_allclose(exported(embedder)(X)["features"], embedder.transform(X), atol=1e-4)
    autoencoder = ConvAutoencoder(3, channels=(3,), max_epochs=1, random_state=0).fit(X)
    assert_allclose(exported(autoencoder)(X)["codes"], autoencoder.transform(X), atol=1e-4)


@pytest.fixture(scope="module")
def pipe():
    model = make_pipeline(ImageResizer((8, 9)), CNNClassifier(**SMALL))
    return model.fit(images((11, 9, 3)), CLASSES)


def state():
    return (
        list(warnings.filters),
        logging.getLogger("torch").level,
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.get_rng_state().tolist(),
        np.random.get_state()[1].tolist(),
    )


def test_a_model_that_differs_is_not_saved(pipe, tmp_path, capfd, monkeypatch):
    other = make_pipeline(ImageResizer((8, 9)), CNNClassifier(**{**SMALL, "random_state": 1}))
    other.fit(images((11, 9, 3)), CLASSES)
    cropped = make_pipeline(ImageResizer((8, 9), aspect="crop").fit(images((11, 9, 3))), pipe[-1])
    before = state()
    graph = Graph.of(pipe, (11, 9, 3), None)
    model = graph.to_onnx()
    assert state() == before
    assert capfd.readouterr() == ("", "")
    batches = batches_for_check(graph)
    assert [value.name for value in check_model(graph, model, batches).graph.output] == [
        "label",
        "probabilities",
    ]
    with pytest.raises(RuntimeError, match="not saved, because its output 'probabilities' differs"):
        check_model(Graph.of(other, (11, 9, 3), None), model, batches)
    with pytest.raises(RuntimeError, match=r"of 6\d\d preprocessed pixel values differ"):
        check_model(Graph.of(cropped, (11, 9, 3), None), model, batches)
    monkeypatch.setattr(Graph, "to_onnx", lambda self: model)
    (tmp_path / "model.onnx").write_text("former")
    with pytest.raises(RuntimeError, match="not saved"):
        to_onnx(other, tmp_path / "model.onnx", image_shape=(11, 9, 3))
    assert (tmp_path / "model.onnx").read_text() == "former"
    assert len(list(tmp_path.iterdir())) == 1


def test_pixels_that_float32_rounds_are_part_of_the_check(tmp_path):
    X, y = 1e5 + np.random.default_rng(0).random((24, 9, 8)), np.arange(24) % 2
    model = make_pipeline(ImageResizer((6, 6)), CNNClassifier(**{**SMALL, "max_epochs": 5}))
    with pytest.raises(RuntimeError, match="not saved, because its output 'probabilities' differs"):
        to_onnx(model.fit(X, y), tmp_path / "model.onnx", dtype=np.float64, X=X)
    assert not list(tmp_path.iterdir())


def test_pixels_between_two_integers_may_be_rounded_up_or_down():
    halved = SimpleNamespace(pipeline=SimpleNamespace(network_input=lambda images: images / 2))
    images = np.array([1, 1, 1, 2, 3], np.uint8)
    pixels, expected = np.array([0, 1, 0, 2, 1.0]), np.array([1, 0, 0, 1, 3.0])
    found = _is_half(halved, images, pixels, expected, 1e-3)
    assert found.tolist() == [True, True, False, False, False]


def fitted(*steps, dtype=np.uint8):
    return make_pipeline(*steps).fit(images((9, 9), dtype), np.arange(12) % 2)


REFUSED = {
    "PCA": (
        lambda: fitted(ImageFlattener(), PCA(4), CNNClassifier(**SMALL)),
        {},
        TypeError,
        "'pca': PCA cannot be converted to PyTorch: use only",
    ),
    "scaler": (
        lambda: make_pipeline(StandardScaler(), CNNClassifier(**SMALL)).fit(
            images((9, 9)).reshape(12, -1), np.arange(12) % 2
        ),
        {},
        TypeError,
        "'standardscaler': StandardScaler cannot be converted to PyTorch: use only",
    ),
    "outliers": (
        lambda: fitted(ImageOutlierDetector(n_neighbors=2)),
        {},
        TypeError,
        "ImageOutlierDetector cannot be exported to ONNX",
    ),
    "calibrated": (
        lambda: CalibratedClassifierCV(CNNClassifier(**SMALL), cv=2).fit(
            images((9, 9)), np.arange(12) % 2
        ),
        {},
        TypeError,
        "CalibratedClassifierCV cannot be exported to ONNX: .*register_skl2onnx",
    ),
    "adjusted logistic regression": (
        lambda: fitted(ImageFlattener(), LogitAdjustedClassifier(LogisticRegression(C=1e-9))),
        {},
        TypeError,
        "LogisticRegression cannot be exported to ONNX",
    ),
    "naive Bayes": (
        lambda: fitted(ImageFlattener(), GaussianNB()),
        {},
        TypeError,
        "GaussianNB cannot be exported to ONNX",
    ),
    "label": (
        lambda: CNNClassifier(**SMALL).fit(images((9, 9)), ["a", "b\udcff"] * 6),
        {},
        ValueError,
        r"the label 'b\\udcff' is not valid Unicode, which ONNX requires",
    ),
    "large label": (
        lambda: CNNClassifier(**SMALL).fit(images((9, 9)), np.uint64([1, 2**63] * 6)),
        {},
        ValueError,
        "the label 9223372036854775808 is larger than 9223372036854775807, the largest integer of",
    ),
    "dates": (
        lambda: CNNClassifier(**SMALL).fit(
            images((9, 9)), np.array(["2026-01-01", "2026-02-01"] * 6, "M8[D]")
        ),
        {},
        ValueError,
        r"ONNX has no type for labels of dtype datetime64\[D\]: fit the estimator with strings",
    ),
    "not fitted": (lambda: CNNClassifier(), {}, NotFittedError, "not fitted"),
    "scale": (
        lambda: fitted(CNNClassifier(**SMALL), dtype=np.float32),
        {},
        ValueError,
        "was not fitted on uint8 images with values from 0 to 255: set dtype",
    ),
    "dtype": (
        lambda: fitted(CNNClassifier(**SMALL)),
        {"dtype": "complex64"},
        ValueError,
        "dtype='complex64' is not supported: it must be one of",
    ),
    "size": (
        lambda: fitted(CNNClassifier(**SMALL)),
        {"image_shape": (9, 8)},
        ValueError,
        "images of 9 x 8 pixels .* reach CNNClassifier|images of 9 x 8 pixels .* reach",
    ),
    "dtype of X": (
        lambda: fitted(CNNClassifier(**SMALL)),
        {"X": np.zeros((1, 9, 9))},
        ValueError,
        r"shape \(9, 9\) and dtype float64, but the model takes images of shape \(9, 9\) and dtype",
    ),
    "shape of X": (
        lambda: fitted(ImageResizer((8, 8)), CNNClassifier(**SMALL)),
        {"X": np.zeros((1, 9, 9, 3), np.uint8)},
        ValueError,
        r"shape \(9, 9, 3\) and dtype uint8, but the model takes images of shape \(any, any\)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_exported_is_named(case, tmp_path):
    make, options, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        to_onnx(make(), tmp_path / "model.onnx", **options)
    assert not list(tmp_path.iterdir())


class DependsOnPixels(torch.nn.Module):
    """A network that calls a layer only for some images."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.head = torch.nn.Linear(n_features, n_outputs)

    def forward(self, images):
        features = images.flatten(1)
        return self.head(features) if features.mean() < 100 else self.head(-features)


def test_a_network_that_pytorch_cannot_export(tmp_path, capfd):
    def network(in_channels, height, width, n_outputs):
        return DependsOnPixels(in_channels * height * width, n_outputs)

    model = fitted(CNNClassifier(network, max_epochs=1, random_state=0))
    with pytest.raises(ValueError, match=r"^PyTorch cannot export .*CNNClassifier to ONNX: .*data"):
        to_onnx(model, tmp_path / "model.onnx")
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())


def test_missing_folder_and_package(pipe, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"the folder of path=.* does not exist"):
        to_onnx(pipe, tmp_path / "no" / "model.onnx")
    with pytest.raises(IsADirectoryError, match=r"path=.* is a folder: pass the name of a file"):
        to_onnx(pipe, tmp_path)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ImportError, match=r'requires onnxscript: pip install "skcnn\[onnx\]"'):
        to_onnx(pipe, tmp_path / "model.onnx")
