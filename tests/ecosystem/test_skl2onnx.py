"""skl2onnx converts pipelines in which steps of this package and of scikit-learn are mixed."""

from functools import partial

import numpy as np
import onnxruntime
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skimage import data
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcnn import (
    CNNClassifier,
    CNNRegressor,
    ImageAugmenter,
    ImageEmbedder,
    ImageFlattener,
    ImageNormalizer,
    ImageResizer,
)
from skcnn.export import register_skl2onnx
from skcnn.imbalance import LogitAdjustedClassifier

skl2onnx = pytest.importorskip("skl2onnx")
from skl2onnx.common.data_types import FloatTensorType, UInt8TensorType  # noqa: E402

SMALL = {"channels": (4,), "hidden_units": (6,), "max_epochs": 2, "random_state": 0}
RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(30, 48)).astype(np.float32)
NAMES = np.array(["one", "three", "two"])[np.arange(30) % 3]


@pytest.fixture(autouse=True, scope="module")
def registered():
    register_skl2onnx()


def run(model, X):
    session = onnxruntime.InferenceSession(model.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"X": X}), strict=True))


def classifier():
    return CNNClassifier(**SMALL, image_shape=(4, 4, 3))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("zipmap", [True, False])
def test_rows_and_a_scaler(zipmap, dtype):
    pipe = make_pipeline(StandardScaler(), ImageNormalizer(image_shape=(4, 4, 3)), classifier())
    pipe.fit(ROWS, NAMES)
    rows = ROWS.astype(dtype)
    model = skl2onnx.to_onnx(pipe, rows[:1], options={"zipmap": zipmap})
    found = run(model, rows)
    probabilities = found["output_probability" if zipmap else "probabilities"]
    if zipmap:
        probabilities = [[row[name] for name in pipe.classes_] for row in probabilities]
    assert_allclose(probabilities, pipe.predict_proba(ROWS), atol=1e-4)
    assert_array_equal(found["output_label" if zipmap else "label"], pipe.predict(ROWS))


def test_photos_of_any_size():
    photo = data.chelsea()
    photos = [photo[row : row + 60, row : row + 90 - row] for row in range(30)]
    y = np.arange(30.0) + 100
    pipe = make_pipeline(
        ImageResizer((8, 9), aspect="crop"),
        ImageAugmenter(horizontal_flip=True, random_state=0),
        ImageFlattener(),
        ImageNormalizer("unit", image_shape=(8, 9, 3)),
        CNNRegressor(**SMALL, image_shape=(8, 9, 3)),
    ).fit(photos, y)
    types = [("X", UInt8TensorType([None, None, None, 3]))]
    model = skl2onnx.to_onnx(pipe, initial_types=types)
    found = np.concatenate([run(model, photo[np.newaxis])["variable"][0] for photo in photos])
    assert_allclose(found, pipe.predict(photos), rtol=1e-4)


def test_features_and_calibrated_probabilities():
    network = CNNRegressor(**SMALL, image_shape=(4, 4, 3)).fit(ROWS, ROWS[:, 0])
    pipe = make_pipeline(ImageEmbedder(network, image_shape=(4, 4, 3)), LogisticRegression())
    calibrated = CalibratedClassifierCV(classifier(), ensemble=False, cv=2)
    for model in (pipe, calibrated):
        model.fit(ROWS, NAMES)
        for rows in (ROWS, ROWS.astype(np.float64)):
            found = run(skl2onnx.to_onnx(model, rows[:1], options={"zipmap": False}), rows)
            assert_allclose(found["probabilities"], model.predict_proba(rows), atol=1e-4)
            assert found["probabilities"].dtype == rows.dtype


@pytest.mark.parametrize("classes", [["one", "three", "two"], [-3, 0, 7], [False, True, True]])
@pytest.mark.parametrize(
    "make",
    [
        lambda y: LogitAdjustedClassifier(FrozenEstimator(classifier().fit(ROWS, y)), tau=2.0),
        lambda y: LogitAdjustedClassifier(make_pipeline(StandardScaler(), classifier())),
        lambda y: make_pipeline(StandardScaler(), LogitAdjustedClassifier(LogisticRegression())),
        lambda y: CalibratedClassifierCV(LogitAdjustedClassifier(classifier()), cv=2),
    ],
)
def test_adjusted_probabilities(make, classes):
    y = np.array(classes)[np.repeat([0, 1, 2], [18, 8, 4])]
    model = make(y).fit(ROWS, y)
    found = run(skl2onnx.to_onnx(model, ROWS[:1], options={"zipmap": False}), ROWS)
    assert_allclose(found["probabilities"], model.predict_proba(ROWS), atol=1e-4)
    assert_array_equal(found["label"], model.predict(ROWS))


def test_a_map_of_adjusted_probabilities():
    adjusted = LogitAdjustedClassifier(classifier()).fit(ROWS, np.repeat(["a", "b"], [20, 10]))
    found = run(skl2onnx.to_onnx(adjusted, ROWS[:1]), ROWS)
    probabilities = [[row["a"], row["b"]] for row in found["output_probability"]]
    assert_allclose(probabilities, adjusted.predict_proba(ROWS), atol=1e-4)


def test_labels_that_are_no_keys_of_a_map():
    pipe = make_pipeline(classifier()).fit(ROWS, NAMES == "one")
    with pytest.raises(ValueError, match=r"the classes \[False, True\] cannot be the keys of"):
        skl2onnx.to_onnx(pipe, ROWS[:1])
    found = run(skl2onnx.to_onnx(pipe, ROWS[:1], options={"zipmap": False}), ROWS)
    assert_array_equal(found["label"], pipe.predict(ROWS))


def test_what_cannot_be_converted_is_named():
    pipe = make_pipeline(classifier()).fit(ROWS, NAMES)
    with pytest.raises(ValueError, match="target_opset is 12, but steps of skcnn need at least"):
        skl2onnx.to_onnx(pipe, ROWS[:1], target_opset=12, options={"zipmap": False})
    types = [("X", FloatTensorType([None, 47]))]
    with pytest.raises(ValueError, match=r"shape \(None, 47\), but it was fitted on images of 4 x"):
        skl2onnx.to_onnx(pipe, initial_types=types)
    resizer = ImageResizer((3, 3)).fit([np.zeros((4, 4)), np.zeros((5, 5))])
    with pytest.raises(ValueError, match="has rows, but it was fitted on images of different size"):
        skl2onnx.to_onnx(resizer, ROWS[:1])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (TunedThresholdClassifierCV, "ignores the threshold of TunedThresholdClassifierCV: conv"),
        (partial(CalibratedClassifierCV, method="isotonic"), "not interpolate between the values"),
        (CalibratedClassifierCV, "calibrates the probabilities of a pipeline, but scikit-learn"),
        (
            lambda pipe, cv: CalibratedClassifierCV(OneVsRestClassifier(pipe), cv=cv),
            "calibrates the probabilities of a pipeline, but scikit-learn",
        ),
        (
            lambda pipe, cv: CalibratedClassifierCV(GridSearchCV(pipe, {}, cv=cv), cv=cv),
            "calibrates the probabilities of a pipeline, .* the best estimator of a search",
        ),
    ],
)
def test_what_skl2onnx_converts_to_other_results(make, message):
    network = CNNRegressor(**SMALL, image_shape=(4, 4, 3)).fit(ROWS, ROWS[:, 0])
    pipe = make_pipeline(ImageEmbedder(network, image_shape=(4, 4, 3)), LogisticRegression())
    model = make(pipe, cv=2).fit(ROWS, NAMES == "one")
    with pytest.raises(ValueError, match=message):
        skl2onnx.to_onnx(model, ROWS[:1], options={"zipmap": False})
