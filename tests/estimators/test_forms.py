"""Classifier and regressor on every form of images."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from joblib import Parallel, delayed
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.utils import estimator_html_repr
from sklearn.utils.validation import check_is_fitted

from skcnn import CNNClassifier, CNNRegressor, ImageAugmenter, LazyImages

N_IMAGES = 48
QUICK = {"channels": (8,), "max_epochs": 3, "batch_size": 16, "random_state": 0}


def make_estimator(kind, **parameters):
    return {"classes": CNNClassifier, "labels": CNNClassifier, "numbers": CNNRegressor}[kind](
        **{**QUICK, **parameters}
    )


def make_targets(kind):
    number = np.arange(N_IMAGES) % 3
    return {"classes": number, "labels": np.array(["cat", "dog", "eel"])[number]}.get(
        kind, number * 1.5
    )


def make_images(form):
    rng = np.random.default_rng(0)
    X = (
        rng.integers(0, 40, (N_IMAGES, 6, 8, 3))
        + 60 * (np.arange(N_IMAGES) % 3)[:, None, None, None]
    ).astype(np.uint8)
    return {
        "flat": X[..., 0].reshape(N_IMAGES, 48),
        "3-D": X[..., 0],
        "4-D": X,
        "4-D gray": X[..., :1],
        "lazy": LazyImages(X),
        "lazy gray": LazyImages(X[..., 0]),
        "frame": pd.DataFrame(X[..., 0].reshape(N_IMAGES, 48)).add_prefix("pixel"),
        "list": list(X),
    }[form]


FORMS = ["flat", "3-D", "4-D", "4-D gray", "lazy", "lazy gray", "frame", "list"]
KINDS = ["classes", "labels", "numbers"]
every_form = pytest.mark.parametrize("form", FORMS)
every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
@every_form
def test_fit_predict_score(kind, form):
    X, y = make_images(form), make_targets(kind)
    estimator = make_estimator(kind, max_epochs=15)
    assert estimator.fit(X, y) is estimator
    prediction = estimator.predict(X)
    assert prediction.shape == y.shape
    if is_classifier(estimator):
        assert prediction.dtype == y.dtype
        proba = estimator.predict_proba(X)
        assert_allclose(proba.sum(axis=1), 1)
        assert_allclose(estimator.predict_log_proba(X), np.log(proba))
        assert_array_equal(estimator.classes_[proba.argmax(axis=1)], prediction)
    else:
        assert prediction.dtype == np.float64
    assert estimator.score(X, y) > 0.9
    height, width, channels = estimator.image_shape_
    assert estimator.n_features_in_ == height * width * channels == np.size(np.asarray(X[:1]))


@every_kind
@every_form
def test_random_state_determines_the_weights(kind, form):
    X, y = make_images(form), make_targets(kind)
    first = make_estimator(kind, dropout=0.2, mixup=0.2).fit(X, y)
    np.random.seed(1)
    torch.manual_seed(1)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    second = clone(first).fit(X, y)
    assert_array_equal(np.random.get_state()[1], before[0])
    assert torch.equal(torch.get_rng_state(), before[1])
    for a, b in zip(first.module_.parameters(), second.module_.parameters(), strict=True):
        assert torch.equal(a, b)
    other = make_estimator(kind, random_state=1).fit(X, y)
    assert not np.array_equal(other._outputs(X), first._outputs(X))


@every_kind
def test_random_state_none_draws_a_seed_from_numpy(kind):
    X, y = make_images("4-D"), make_targets(kind)
    np.random.seed(3)
    first = make_estimator(kind, random_state=None).fit(X, y)._outputs(X)
    second = make_estimator(kind, random_state=None).fit(X, y)._outputs(X)
    np.random.seed(3)
    again = make_estimator(kind, random_state=None).fit(X, y)._outputs(X)
    assert_array_equal(first, again)
    assert not np.array_equal(first, second)


@every_kind
def test_refit_starts_from_scratch(kind):
    X, y = make_images("4-D"), make_targets(kind)
    estimator = make_estimator(kind).fit(X, y)
    first = estimator._outputs(X)
    assert_array_equal(estimator.fit(X, y)._outputs(X), first)
    estimator.fit(make_images("3-D"), y)
    assert estimator.image_shape_ == (6, 8, 1)


@every_kind
@pytest.mark.parametrize("dtype", [np.int64, np.float64, np.float32, np.uint16, np.int8])
def test_dtype_does_not_matter(kind, dtype):
    X, y = make_images("4-D") // 2, make_targets(kind)
    as_bytes = make_estimator(kind).fit(X, y)._outputs(X)
    assert_array_equal(make_estimator(kind).fit(X.astype(dtype), y)._outputs(X), as_bytes)
    assert_array_equal(make_estimator(kind).fit(X, y)._outputs(X.astype(dtype)), as_bytes)


@every_kind
def test_scale_of_the_pixels_does_not_matter(kind):
    X, y = make_images("4-D").astype(np.float64), make_targets(kind)
    plain = make_estimator(kind, precision="float32").fit(X, y)._outputs(X)
    scaled = make_estimator(kind, precision="float32").fit(1e4 + 50 * X, y)._outputs(1e4 + 50 * X)
    assert_allclose(scaled, plain, atol=0.02)


@every_kind
def test_all_forms_give_the_same_outputs(kind):
    y = make_targets(kind)
    outputs = [
        make_estimator(kind, image_shape=(6, 8)).fit(X, y)._outputs(X)
        for X in (make_images("flat"), make_images("frame"))
    ]
    outputs += [
        make_estimator(kind).fit(make_images(form), y)._outputs(make_images(form))
        for form in ("3-D", "4-D gray", "lazy gray")
    ]
    for output in outputs[1:]:
        assert_array_equal(output, outputs[0])
    fitted = make_estimator(kind).fit(make_images("3-D"), y)
    assert_array_equal(fitted._outputs(make_images("flat")), outputs[0])


@every_kind
@pytest.mark.parametrize("channels", [(), "auto"])
def test_predictions_do_not_depend_on_the_batch_size(kind, channels):
    X, y = make_images("4-D"), make_targets(kind)
    estimator = make_estimator(kind, channels=channels).fit(X, y)
    whole = estimator._outputs(X)
    for size in (1, 2, 7, 17):
        parts = [estimator._outputs(X[start : start + size]) for start in range(0, N_IMAGES, size)]
        assert_array_equal(np.concatenate(parts), whole)
    order = np.random.default_rng(0).permutation(N_IMAGES)
    assert_array_equal(estimator._outputs(X[order]), whole[order])


@every_kind
@every_form
def test_clone_parameters_and_pickle(kind, form):
    X, y = make_images(form), make_targets(kind)
    estimator = make_estimator(kind)
    before = estimator.get_params()
    estimator.fit(X, y)
    assert estimator.get_params() == before
    again = type(estimator)().set_params(**clone(estimator).get_params())
    assert again.get_params() == before
    loaded = pickle.loads(pickle.dumps(estimator))
    assert_array_equal(loaded._outputs(X), estimator._outputs(X))


@every_kind
@pytest.mark.usefixtures("one_thread")
def test_two_processes_equal_one_process(kind):
    X, y = make_images("4-D"), make_targets(kind)
    alone = cross_val_score(make_estimator(kind), X, y, cv=2)
    assert_array_equal(cross_val_score(make_estimator(kind), X, y, cv=2, n_jobs=2), alone)
    estimator = make_estimator(kind).fit(X, y)
    halves = Parallel(n_jobs=2)(delayed(estimator.predict)(X[rows::2]) for rows in (0, 1))
    assert_array_equal(halves[1], estimator.predict(X[1::2]))


@every_kind
def test_input_is_not_changed(kind):
    for form in ("flat", "3-D", "4-D"):
        X, y = make_images(form), make_targets(kind)
        copy_of_x, copy_of_y = X.copy(), y.copy()
        X.setflags(write=False)
        make_estimator(kind).fit(X, y).predict(X)
        assert_array_equal(X, copy_of_x)
        assert_array_equal(y, copy_of_y)


@every_kind
def test_memory_mapped_images(kind, tmp_path):
    X, y = make_images("4-D"), make_targets(kind)
    np.save(tmp_path / "images.npy", X)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert_array_equal(
        make_estimator(kind).fit(mapped, y)._outputs(mapped),
        make_estimator(kind).fit(X, y)._outputs(X),
    )


@every_kind
def test_not_fitted_error(kind):
    estimator = make_estimator(kind)
    for method in ("predict", "score"):
        arguments = (make_images("4-D"), make_targets(kind))[: 1 + (method == "score")]
        with pytest.raises(NotFittedError):
            getattr(estimator, method)(*arguments)
    with pytest.raises(NotFittedError):
        check_is_fitted(estimator)
    with pytest.raises(NotFittedError):
        _ = estimator.module_


@every_kind
def test_repr_and_html_repr(kind):
    estimator = make_estimator(kind).fit(make_images("4-D"), make_targets(kind))
    assert repr(make_estimator(kind)).startswith(
        type(estimator).__name__ + "(batch_size=16, channels=(8,), max_epochs=3"
    )
    assert "Fitted" in estimator_html_repr(estimator)


@every_kind
def test_only_training_reads_augmented_images(kind):
    X, y = make_images("4-D"), make_targets(kind)
    seen = []

    def record(batch, generators):
        seen.append(batch.copy())
        return 255 - batch if len(seen) % 2 else batch

    augmenter = ImageAugmenter(function=record, random_state=0)
    view = augmenter.fit_transform(X)
    estimator = make_estimator(kind, batch_size=N_IMAGES, max_epochs=2).fit(
        view, y, X_val=X, y_val=y
    )
    assert len(seen) == 2  # one batch per epoch, and none for statistics or validation
    seen.clear()
    estimator.predict(augmenter.transform(X))
    estimator.score(augmenter.transform(X), y)
    estimator.predict(view)
    assert not seen
    make_estimator(kind, batch_size=N_IMAGES, max_epochs=2, early_stopping=True).fit(view, y)
    assert [len(batch) for batch in seen] == [43, 43]
    clean = make_estimator(kind, precision="float32").fit(X, y)
    assert_array_equal(
        make_estimator(kind).fit(view, y).module_.standardize.mean, clean.module_.standardize.mean
    )
