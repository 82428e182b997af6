"""Both estimators on every form of images: scikit-learn's checks, in the package's own form."""

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

N = 48


def make(kind, **parameters):
    return {"classes": CNNClassifier, "labels": CNNClassifier, "numbers": CNNRegressor}[kind](
        **{"max_epochs": 3, "batch_size": 16, "random_state": 0, **parameters}
    )


def targets(kind):
    number = np.arange(N) % 3
    return {"classes": number, "labels": np.array(["cat", "dog", "eel"])[number]}.get(
        kind, number * 1.5
    )


def images(form):
    rng = np.random.default_rng(0)
    X = (rng.integers(0, 40, (N, 6, 8, 3)) + 60 * (np.arange(N) % 3)[:, None, None, None]).astype(
        np.uint8
    )
    return {
        "flat": X[..., 0].reshape(N, 48),
        "3-D": X[..., 0],
        "4-D": X,
        "4-D grey": X[..., :1],
        "lazy": LazyImages(X),
        "lazy grey": LazyImages(X[..., 0]),
        "frame": pd.DataFrame(X[..., 0].reshape(N, 48)).add_prefix("pixel"),
        "list": list(X),
    }[form]


FORMS = ["flat", "3-D", "4-D", "4-D grey", "lazy", "lazy grey", "frame", "list"]
KINDS = ["classes", "labels", "numbers"]
every_form = pytest.mark.parametrize("form", FORMS)
every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
@every_form
def test_fit_predict_score(kind, form):
    X, y = images(form), targets(kind)
    estimator = make(kind, max_epochs=15)
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
def test_same_seed_same_network_whatever_was_run_before(kind, form):
    X, y = images(form), targets(kind)
    first = make(kind, dropout=0.2, mixup=0.2).fit(X, y)
    np.random.seed(1)
    torch.manual_seed(1)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    second = clone(first).fit(X, y)
    assert_array_equal(np.random.get_state()[1], before[0])
    assert torch.equal(torch.get_rng_state(), before[1])
    for a, b in zip(first.module_.parameters(), second.module_.parameters(), strict=True):
        assert torch.equal(a, b)
    other = make(kind, random_state=1).fit(X, y)
    assert not np.array_equal(other._outputs(X), first._outputs(X))


@every_kind
def test_none_draws_its_seed_from_numpy(kind):
    X, y = images("4-D"), targets(kind)
    np.random.seed(3)
    first = make(kind, random_state=None).fit(X, y)._outputs(X)
    second = make(kind, random_state=None).fit(X, y)._outputs(X)
    np.random.seed(3)
    again = make(kind, random_state=None).fit(X, y)._outputs(X)
    assert_array_equal(first, again)
    assert not np.array_equal(first, second)


@every_kind
def test_refitting_starts_anew(kind):
    X, y = images("4-D"), targets(kind)
    estimator = make(kind).fit(X, y)
    first = estimator._outputs(X)
    assert_array_equal(estimator.fit(X, y)._outputs(X), first)
    estimator.fit(images("3-D"), y)
    assert estimator.image_shape_ == (6, 8, 1)


@every_kind
@pytest.mark.parametrize("dtype", [np.int64, np.float64, np.float32, np.uint16, np.int8])
def test_dtype_makes_no_difference(kind, dtype):
    X, y = images("4-D") // 2, targets(kind)
    as_bytes = make(kind).fit(X, y)._outputs(X)
    assert_array_equal(make(kind).fit(X.astype(dtype), y)._outputs(X), as_bytes)
    assert_array_equal(make(kind).fit(X, y)._outputs(X.astype(dtype)), as_bytes)


@every_kind
def test_the_scale_of_the_pixels_makes_no_difference(kind):
    X, y = images("4-D").astype(np.float64), targets(kind)
    plain = make(kind, precision="float32").fit(X, y)._outputs(X)
    scaled = make(kind, precision="float32").fit(1e4 + 50 * X, y)._outputs(1e4 + 50 * X)
    assert_allclose(scaled, plain, atol=0.02)


@every_kind
def test_all_forms_of_the_same_images_agree(kind):
    y = targets(kind)
    outputs = [
        make(kind, image_shape=(6, 8)).fit(X, y)._outputs(X)
        for X in (images("flat"), images("frame"))
    ]
    outputs += [
        make(kind).fit(images(form), y)._outputs(images(form))
        for form in ("3-D", "4-D grey", "lazy grey")
    ]
    for output in outputs[1:]:
        assert_array_equal(output, outputs[0])
    fitted = make(kind).fit(images("3-D"), y)
    assert_array_equal(fitted._outputs(images("flat")), outputs[0])


@every_kind
@pytest.mark.parametrize("channels", [(), "auto"])
def test_predictions_do_not_depend_on_the_batch(kind, channels):
    X, y = images("4-D"), targets(kind)
    estimator = make(kind, channels=channels).fit(X, y)
    whole = estimator._outputs(X)
    for size in (1, 2, 7, 17):
        parts = [estimator._outputs(X[start : start + size]) for start in range(0, N, size)]
        assert_array_equal(np.concatenate(parts), whole)
    order = np.random.default_rng(0).permutation(N)
    assert_array_equal(estimator._outputs(X[order]), whole[order])


@every_kind
@every_form
def test_clone_parameters_and_pickle(kind, form):
    X, y = images(form), targets(kind)
    estimator = make(kind)
    before = estimator.get_params()
    estimator.fit(X, y)
    assert estimator.get_params() == before
    again = type(estimator)().set_params(**clone(estimator).get_params())
    assert again.get_params() == before
    loaded = pickle.loads(pickle.dumps(estimator))
    assert_array_equal(loaded._outputs(X), estimator._outputs(X))


@every_kind
@pytest.mark.usefixtures("one_thread")
def test_two_processes(kind):
    X, y = images("4-D"), targets(kind)
    alone = cross_val_score(make(kind), X, y, cv=2)
    assert_array_equal(cross_val_score(make(kind), X, y, cv=2, n_jobs=2), alone)
    estimator = make(kind).fit(X, y)
    halves = Parallel(n_jobs=2)(delayed(estimator.predict)(X[rows::2]) for rows in (0, 1))
    assert_array_equal(halves[1], estimator.predict(X[1::2]))


@every_kind
def test_input_is_not_changed(kind):
    for form in ("flat", "3-D", "4-D"):
        X, y = images(form), targets(kind)
        copy_of_x, copy_of_y = X.copy(), y.copy()
        X.setflags(write=False)
        make(kind).fit(X, y).predict(X)
        assert_array_equal(X, copy_of_x)
        assert_array_equal(y, copy_of_y)


@every_kind
def test_memory_mapped_images(kind, tmp_path):
    X, y = images("4-D"), targets(kind)
    np.save(tmp_path / "images.npy", X)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert_array_equal(make(kind).fit(mapped, y)._outputs(mapped), make(kind).fit(X, y)._outputs(X))


@every_kind
def test_unfitted(kind):
    estimator = make(kind)
    for method in ("predict", "score"):
        arguments = (images("4-D"), targets(kind))[: 1 + (method == "score")]
        with pytest.raises(NotFittedError):
            getattr(estimator, method)(*arguments)
    with pytest.raises(NotFittedError):
        check_is_fitted(estimator)
    with pytest.raises(NotFittedError):
        _ = estimator.module_


@every_kind
def test_representations(kind):
    estimator = make(kind).fit(images("4-D"), targets(kind))
    assert repr(make(kind)).startswith(type(estimator).__name__ + "(batch_size=16, max_epochs=3")
    assert "Fitted" in estimator_html_repr(estimator)


@every_kind
def test_training_sees_new_variants_and_everything_else_clean_ones(kind):
    X, y = images("4-D"), targets(kind)
    seen = []

    def record(batch, generators):
        seen.append(batch.copy())
        return 255 - batch if len(seen) % 2 else batch

    augmenter = ImageAugmenter(function=record, random_state=0)
    view = augmenter.fit_transform(X)
    estimator = make(kind, batch_size=N, max_epochs=2).fit(view, y, X_val=X, y_val=y)
    assert len(seen) == 2  # one batch an epoch, and none for statistics or validation
    seen.clear()
    estimator.predict(augmenter.transform(X))
    estimator.score(augmenter.transform(X), y)
    estimator.predict(view)
    assert not seen
    make(kind, batch_size=N, max_epochs=2, early_stopping=True).fit(view, y)
    assert [len(batch) for batch in seen] == [43, 43]
    clean = make(kind, precision="float32").fit(X, y)
    assert_array_equal(
        make(kind).fit(view, y).module_.standardize.mean, clean.module_.standardize.mean
    )
