"""CNNClassifier: labels, weights, early stopping, warm starts and partial_fit."""

import warnings

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed, parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.datasets import make_multilabel_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import compute_class_weight
from skorch.callbacks import Callback
from torch import nn

from skcnn import CNNClassifier, ImageResizer
from skcnn.training.losses import LOSSES

TINY = {"channels": (8,), "hidden_units": (16,)}
QUICK = {"max_epochs": 3, "batch_size": 16, "random_state": 0}


def quick_classifier(**parameters):
    network = {} if "network" in parameters else TINY
    return CNNClassifier(**{**network, **QUICK, **parameters})


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["zebra", "ape", "yak"]),
        np.array(["zebra", "ape", "yak"], dtype=object),
        np.array([30, -1, 7]),
        np.array([2.0, 0.0, 1.0]),
        np.array([True, False]),
    ],
    ids=lambda labels: str(labels.dtype),
)
def test_predictions_have_the_dtype_of_the_labels(digits, labels):
    X, y = digits
    y = labels[y % len(labels)]
    cnn = quick_classifier().fit(X, y)
    assert_array_equal(cnn.classes_, np.unique(y))
    assert cnn.classes_.dtype == y.dtype
    prediction = cnn.predict(X)
    assert prediction.dtype == y.dtype
    assert cnn.predict_proba(X).shape == (len(X), len(labels))
    assert cnn.score(X, y) == accuracy_score(y, prediction)
    assert cnn.fit(X, y.tolist()).predict(X).dtype.kind == np.asarray(y.tolist()).dtype.kind


@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop", "sgd"])
def test_network_learns_with_every_loss_and_optimizer(bars, loss, optimizer):
    X, y = bars
    rate = 0.02 if optimizer == "sgd" else 0.01
    cnn = quick_classifier(loss=loss, optimizer=optimizer, learning_rate=rate, max_epochs=10)
    assert cnn.fit(X[:60], y[:60]).score(X[60:], y[60:]) == 1
    assert isinstance(cnn.net_.optimizer_, torch.optim.Optimizer)


@pytest.mark.parametrize(
    "parameters",
    [
        {"schedule": None},
        {"schedule": "cosine"},
        {"schedule": "one_cycle"},
        {"label_smoothing": 0.1},
        {"mixup": 0.2},
        {"cutmix": 1.0},
        {"mixup": 0.2, "cutmix": 1.0},
        {"sampling": "balanced"},
        {"logit_adjustment": 1.0},
        {"loss": "focal", "focal_gamma": 0.5},
        {"dropout": 0.3},
        {"weight_decay": 0.01},
        {"channels": ()},
        {"channels": (), "hidden_units": (16, 16)},
        {"channels": (8,), "hidden_units": ()},
        {"channels": (8,), "kernel_size": 5, "stride": 2, "padding": "valid"},
        {"pooling": "avg"},
        {"pooling": None},
        {"pool_size": 3},
        {"activation": "gelu"},
        {"batch_norm": False},
        {"precision": "float32"},
        {"precision": "bfloat16"},
    ],
    ids=str,
)
def test_network_learns_with_every_parameter(bars, parameters):
    X, y = bars
    cnn = quick_classifier(max_epochs=15, learning_rate=0.003, **parameters).fit(X[:60], y[:60])
    assert cnn.score(X[60:], y[60:]) > 0.7
    assert cnn.history_[-1]["train_loss"] < cnn.history_[0]["train_loss"]


def test_defaults_beat_trees_on_digits():
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    ours = cross_val_score(CNNClassifier(random_state=0), X, y, cv=3).mean()
    assert ours >= 0.97
    for rival in (DecisionTreeClassifier(random_state=0), RandomForestClassifier(random_state=0)):
        assert ours > cross_val_score(rival, X, y, cv=3).mean()


def test_single_class_is_always_predicted(digits):
    X, _ = digits
    cnn = quick_classifier().fit(X, np.full(len(X), "cat"))
    assert_array_equal(cnn.classes_, ["cat"])
    assert set(cnn.predict(X)) == {"cat"}
    assert_array_equal(cnn.predict_proba(X), np.ones((len(X), 1)))


def test_column_of_labels_warns(digits):
    X, y = digits
    with pytest.warns(DataConversionWarning, match="column-vector"):
        cnn = quick_classifier().fit(X, y[:, np.newaxis])
    assert_array_equal(cnn.predict(X), quick_classifier().fit(X, y).predict(X))


class TestMultilabel:
    def data(self):
        X, y = make_multilabel_classification(200, n_features=16, n_classes=3, random_state=0)
        return X, y

    def test_interface_equals_that_of_mlp_classifier(self):
        X, y = self.data()
        mlp = MLPClassifier(random_state=0, max_iter=20)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mlp.fit(X, y)
        cnn = quick_classifier(max_epochs=20, learning_rate=0.01).fit(X, y)
        assert_array_equal(cnn.classes_, mlp.classes_)
        for method in ("predict", "predict_proba", "predict_log_proba"):
            ours, theirs = getattr(cnn, method)(X), getattr(mlp, method)(X)
            assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        assert_array_equal(cnn.predict(X), cnn.predict_proba(X) > 0.5)
        assert cnn.score(X, y) == (cnn.predict(X) == y).all(axis=1).mean()
        assert cnn.score(X, y) > 0.5
        assert cnn.history_[-1]["train_score"] > cnn.history_[0]["train_score"]

    def test_focal_loss_smoothing_validation_and_partial_fit(self):
        X, y = self.data()
        cnn = quick_classifier(loss="focal", label_smoothing=0.1, early_stopping=True).fit(X, y)
        assert "valid_score" in cnn.history_[-1]
        cnn = quick_classifier().partial_fit(X, y).partial_fit(X, y)
        assert cnn.n_epochs_ == 2

    def test_errors(self):
        X, y = self.data()
        with pytest.raises(
            ValueError, match="class_weight is not supported for an indicator matrix"
        ):
            quick_classifier(class_weight="balanced").fit(X, y)
        cnn = quick_classifier().partial_fit(X, y)
        with pytest.raises(ValueError, match="indicators of 2 labels"):
            cnn.partial_fit(X, y[:, :2])
        with pytest.raises(ValueError, match="fit was given an indicator matrix"):
            cnn.partial_fit(X, y[:, 0])


class TestWeights:
    def test_sample_weights_equal_repetition_in_the_full_batch(self, digits):
        X, y = digits
        X, y = X[:40], y[:40]
        weights = np.random.default_rng(0).integers(0, 4, size=40)
        parameters = {"batch_norm": False, "dropout": 0.0, "precision": "float32"}
        parameters |= {"batch_size": 200, "max_epochs": 1, "schedule": None}
        weighted, repeated = quick_classifier(**parameters), quick_classifier(**parameters)
        weighted.fit(X, y, sample_weight=weights)
        repeated.fit(X.repeat(weights, axis=0), y.repeat(weights))
        # Both need every class, so that the networks have the same outputs.
        assert_array_equal(weighted.classes_, repeated.classes_)
        assert_allclose(
            weighted.module_.standardize.mean, repeated.module_.standardize.mean, rtol=1e-6
        )
        assert_allclose(
            weighted.history_[0]["train_loss"], repeated.history_[0]["train_loss"], rtol=1e-5
        )
        # Adam's first step divides by the size of the gradient, so only its direction is compared.
        change = weighted._outputs(X) - repeated._outputs(X)
        assert abs(change).max() < 1e-2

    def test_rows_of_weight_zero_are_dropped(self, digits):
        X, y = digits
        weights = (np.arange(len(X)) % 2).astype(float)
        dropped = quick_classifier().fit(X[1::2], y[1::2])
        weighted = quick_classifier().fit(X, y, sample_weight=weights)
        assert_array_equal(weighted.predict_proba(X), dropped.predict_proba(X))

    def test_scale_of_sample_weights_does_not_matter(self, digits):
        X, y = digits
        weights = np.random.default_rng(0).uniform(0.5, 2, len(X))
        first = quick_classifier(precision="float32").fit(X, y, sample_weight=weights)
        second = quick_classifier(precision="float32").fit(X, y, sample_weight=1024 * weights)
        assert_allclose(first.predict_proba(X), second.predict_proba(X), atol=1e-4)

    def test_class_weights_multiply_sample_weights(self, digits):
        X, y = digits[0], digits[1] % 2
        by_class = quick_classifier(class_weight={0: 3.0, 1: 0.5}).fit(
            X, y, sample_weight=1.0 + (y == 1)
        )
        by_image = quick_classifier().fit(X, y, sample_weight=np.where(y == 1, 1.0, 3.0))
        assert_array_equal(by_class.predict_proba(X), by_image.predict_proba(X))
        assert_array_equal(by_class.class_weight_, [3.0, 0.5])

    def test_balanced_class_weights(self, digits):
        X, y = digits[0], digits[1] == 3
        cnn = quick_classifier(class_weight="balanced").fit(X, y)
        assert_allclose(cnn.class_weight_, len(y) / (2 * np.bincount(y)))
        assert cnn.predict(X).mean() > quick_classifier().fit(X, y).predict(X).mean() - 1e-9


class TestEarlyStopping:
    def test_validation_images_are_recorded_without_early_stopping(self, digits):
        X, y = digits
        cnn = quick_classifier().fit(X[:150], y[:150], X_val=X[150:], y_val=y[150:])
        assert [record["epoch"] for record in cnn.history_] == [1, 2, 3]
        assert set(cnn.history_[0]) == {
            "epoch", "train_loss", "train_score", "valid_loss", "valid_score", "best", "seconds",
        }  # fmt: skip
        last = cnn.history_[-1]
        assert last["valid_score"] == cnn.score(X[150:], y[150:])
        proba = cnn.predict_proba(X[150:])
        assert_allclose(last["valid_loss"], log_loss(y[150:], proba), rtol=1e-5)
        alone = quick_classifier().fit(X[:150], y[:150])
        assert_array_equal(alone.predict_proba(X), cnn.predict_proba(X))
        assert set(alone.history_[0]) == {"epoch", "train_loss", "train_score", "seconds"}

    def test_sample_weight_val(self, digits):
        X, y = digits
        weights = np.random.default_rng(0).uniform(0, 2, 50)
        cnn = quick_classifier().fit(
            X[:150], y[:150], X_val=X[150:], y_val=y[150:], sample_weight_val=weights
        )
        expected = log_loss(y[150:], cnn.predict_proba(X[150:]), sample_weight=weights)
        assert_allclose(cnn.history_[-1]["valid_loss"], expected, rtol=1e-4)

    @pytest.mark.parametrize("given", [True, False])
    def test_best_weights_are_restored(self, digits, given):
        X, y = digits
        rng = np.random.default_rng(0)
        noisy = np.where(rng.random(len(y)) < 0.5, rng.integers(0, 10, len(y)), y)
        cnn = quick_classifier(
            early_stopping=True, patience=2, max_epochs=40, schedule=None, learning_rate=0.003
        )
        validation = {"X_val": X[150:], "y_val": noisy[150:]} if given else {}
        cnn.fit(X[:150], noisy[:150], **validation)
        losses = [record["valid_loss"] for record in cnn.history_]
        assert cnn.n_epochs_ == len(losses) == np.argmin(losses) + 3 < 40
        if given:
            proba = cnn.predict_proba(X[150:])
            assert_allclose(log_loss(noisy[150:], proba), min(losses), rtol=1e-5)

    def test_validation_data_are_routed_through_a_pipeline(self, digits):
        X, y = digits
        with config_context(enable_metadata_routing=True):
            cnn = quick_classifier().set_fit_request(X_val=True, y_val=True)
            pipe = Pipeline(
                [("resize", ImageResizer((6, 6))), ("cnn", cnn)], transform_input=["X_val"]
            )
            pipe.fit(X[:150], y[:150], X_val=X[150:], y_val=y[150:])
            assert pipe[-1].history_[-1]["valid_score"] == pipe.score(X[150:], y[150:])
            assert pipe[-1].image_shape_ == (6, 6, 1)
        pipe = Pipeline([("resize", ImageResizer((6, 6))), ("cnn", quick_classifier())])
        with pytest.raises(ValueError, match="transform_input"):
            pipe.fit(X[:150], y[:150], cnn__X_val=X[150:], cnn__y_val=y[150:])


class TestContinuedTraining:
    def test_partial_fit_trains_for_one_epoch(self, digits):
        X, y = digits
        cnn = quick_classifier()
        for _ in range(3):
            assert cnn.partial_fit(X, y, classes=np.arange(12)) is cnn
        assert cnn.n_epochs_ == len(cnn.history_) == 3
        assert_array_equal(cnn.classes_, np.arange(12))
        assert cnn.history_[2]["train_loss"] < cnn.history_[0]["train_loss"]
        mean = cnn.module_.standardize.mean.clone()
        cnn.partial_fit(255 - X, y)
        assert torch.equal(cnn.module_.standardize.mean, mean)

    def test_partial_fit_continues_after_fit(self, digits):
        X, y = digits
        cnn = quick_classifier(learning_rate=1e-4).fit(X, y)
        before = cnn.predict_proba(X)
        cnn.partial_fit(X, y)
        assert 0 < abs(cnn.predict_proba(X) - before).max() < 0.2
        assert cnn.n_epochs_ == 4

    def test_partial_fit_rejects_unknown_labels(self, digits):
        X, y = digits
        cnn = quick_classifier().partial_fit(X, y)
        with pytest.raises(ValueError, match=r"labels that were not seen in fit: \[77\]"):
            cnn.partial_fit(X, np.where(y == 3, 77, y))
        assert cnn.n_epochs_ == 1

    def test_warm_start(self, digits):
        X, y = digits
        cnn = quick_classifier(warm_start=True).fit(X, y)
        loss = cnn.history_[-1]["train_loss"]
        cnn.set_params(max_epochs=2).fit(X, y)
        assert cnn.n_epochs_ == 5
        assert cnn.history_[3]["train_loss"] < 1.5 * loss
        assert quick_classifier().fit(X, y).fit(X, y).n_epochs_ == 3

    def test_warm_start_uses_changed_parameters(self, digits):
        X, y = digits
        cnn = quick_classifier(warm_start=True, callbacks=[BatchCounter()]).fit(X, y)
        assert dict(cnn.net_.callbacks_)["BatchCounter"].n_batches == 3 * 13
        cnn.set_params(batch_size=100, max_epochs=1, precision="float32", mixup=0.3).fit(X, y)
        assert dict(cnn.net_.callbacks_)["BatchCounter"].n_batches == 2
        assert (cnn.net_.options.precision, cnn.net_.options.mixup) == ("float32", 0.3)
        for optimizer in ("sgd", "rmsprop", "adam"):
            cnn.set_params(optimizer=optimizer, weight_decay=0.1).fit(X, y)
            assert type(cnn.net_.optimizer_).__name__.lower() == optimizer
            assert cnn.net_.optimizer_.param_groups[0]["weight_decay"] == 0.1
        for optimizer, decay in (("adamw", 0.5), ("adam", 0.0), ("sgd", 0.0), ("rmsprop", 0.0)):
            cnn.set_params(optimizer=optimizer, weight_decay="auto").fit(X, y)
            assert cnn.net_.optimizer_.param_groups[0]["weight_decay"] == decay

    def test_warm_start_uses_changed_loss_and_class_weights(self, digits):
        X, y = digits
        cnn = quick_classifier(warm_start=True).fit(X, y)
        cnn.set_params(loss="focal", class_weight={3: 5.0}).fit(X, y)
        assert cnn.net_.criterion_.loss.func is LOSSES["multiclass"]["focal"]
        assert cnn.class_weight_.tolist() == [1, 1, 1, 5, 1, 1, 1, 1, 1, 1]

    def test_warm_start_rejects_other_network_parameters(self, digits):
        X, y = digits
        cnn = quick_classifier(warm_start=True, dropout=[0.5, 0.2]).fit(X, y)
        cnn.set_params(dropout=(0.5, 0.2)).fit(X, y)  # the same network
        cnn.set_params(channels=(4,))
        with pytest.raises(
            ValueError, match=r"built with channels=\(8,\) and its .* cannot continue"
        ):
            cnn.fit(X, y)

    def test_rejected_labels_do_not_change_the_estimator(self, digits):
        X, y = digits
        first, second = (quick_classifier().partial_fit(X, y).partial_fit(X, y) for _ in range(2))
        with pytest.raises(ValueError, match="labels that were not seen in fit"):
            first.partial_fit(X, y + 100)
        assert_array_equal(
            first.partial_fit(X, y).predict_proba(X), second.partial_fit(X, y).predict_proba(X)
        )

    def test_partial_fit_applies_class_weights_to_every_chunk(self, digits):
        X, y = digits[0], digits[1] % 2
        plain, weighted = quick_classifier(), quick_classifier(class_weight={0: 1.0, 1: 100.0})
        for cnn in (plain, weighted):
            cnn.partial_fit(X[:50], y[:50])
            for label in (0, 1, 0, 1):
                cnn.partial_fit(X[y == label], y[y == label])
        assert weighted.predict_proba(X)[:, 1].mean() > plain.predict_proba(X)[:, 1].mean() + 0.01

    def test_divergence_in_the_last_step_keeps_the_weights(self, digits):
        X, y = digits
        cnn = quick_classifier(batch_norm=False, batch_size=512).partial_fit(X, y)
        before = cnn.predict_proba(X)
        with pytest.raises(ValueError, match=r"weights became nan .* learning_rate=1e\+38"):
            cnn.set_params(learning_rate=1e38).partial_fit(X, y)
        assert_array_equal(cnn.predict_proba(X), before)

    def test_failed_warm_start_keeps_the_fitted_estimator(self, digits):
        X, y = digits
        good, failed = (quick_classifier(warm_start=True, max_epochs=1).fit(X, y) for _ in range(2))
        with pytest.raises(ValueError, match="loss became"):
            failed.set_params(learning_rate=1e38, optimizer="sgd").fit(X, y)
        for cnn in (good, failed):
            assert_array_equal(cnn.predict_proba(X), good.predict_proba(X))
            assert len(cnn.net_.history) == cnn.n_epochs_ == 1
        failed.set_params(learning_rate=0.003).fit(X, y)
        assert np.isfinite(failed.predict_proba(X)).all()


class BatchCounter(Callback):
    """Count the training batches of one call of fit."""

    def on_train_begin(self, net, **kwargs):
        self.n_batches = 0

    def on_batch_end(self, net, training, **kwargs):
        self.n_batches += training


def test_refit_does_not_depend_on_the_previous_fit(digits):
    X, y = digits
    indicators = np.column_stack([y % 2, y > 4])
    validation = {"X_val": X[:50], "y_val": y[:50]}
    assert (
        quick_classifier().fit(X, indicators).fit(X, y, **validation).target_type_ == "multiclass"
    )
    cnn = quick_classifier().fit(X, y).fit(X, indicators, X_val=X[:50], y_val=indicators[:50])
    assert cnn.target_type_ == "multilabel"
    with pytest.raises(ValueError, match="fit was given an indicator matrix"):
        quick_classifier().fit(X, indicators, **validation)
    with pytest.raises(ValueError, match="indicators of 2 labels, but fit was given 10 classes"):
        quick_classifier().fit(X, y, X_val=X[:50], y_val=indicators[:50])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (dict.fromkeys(range(10), 0.0), "gives every image a weight of 0"),
        ({0: -1.0}, "contains a weight that is negative, not finite or not a number"),
        ({0: np.nan}, "contains a weight that is negative, not finite or not a number"),
        ({0: np.inf}, "contains a weight that is negative, not finite or not a number"),
    ],
)
def test_invalid_class_weights(digits, weights, message):
    with pytest.raises(ValueError, match=message):
        quick_classifier(class_weight=weights).fit(*digits)


def test_balanced_class_weights_with_a_class_of_weight_zero(digits):
    X, y = digits
    counts = y != 3
    cnn = quick_classifier(class_weight="balanced", warm_start=True).fit(
        X, y, sample_weight=1.0 * counts
    )
    expected = compute_class_weight("balanced", classes=np.unique(y[counts]), y=y[counts])
    assert_allclose(np.delete(cnn.class_weight_, 3), expected)
    assert np.isfinite(cnn.fit(X[counts], y[counts]).history_[-1]["train_loss"])


def test_validation_images_of_weight_zero(digits):
    X, y = digits
    with pytest.raises(ValueError, match="gives every image a weight of 0"):
        quick_classifier(class_weight={0: 0.0}).fit(X, y, X_val=X[y == 0], y_val=y[y == 0])


def test_random_state_none_draws_one_seed(digits):
    draws = []
    for early_stopping in (False, True):
        np.random.seed(0)
        quick_classifier(random_state=None, early_stopping=early_stopping).fit(*digits)
        draws.append(np.random.rand())
    assert draws[0] == draws[1]


def test_module_is_ready_for_prediction_after_fit(digits):
    X, y = digits
    cnn = quick_classifier().fit(X, y)
    assert not cnn.module_.training
    with torch.no_grad():
        logits = cnn.module_(torch.from_numpy(X)[:, None])
    assert_allclose(logits.softmax(dim=1), cnn.predict_proba(X), atol=1e-6)


def test_torch_settings_of_the_caller_do_not_matter(digits):
    X, y = digits
    expected = quick_classifier().fit(X, y).predict_proba(X)
    torch.set_default_dtype(torch.float64)
    try:
        assert quick_classifier().fit(X, y).module_.network.output.weight.dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)
    cnn = quick_classifier().fit(X, y)
    with torch.autocast("cpu", torch.bfloat16):
        assert_array_equal(cnn.predict_proba(X), expected)


def test_module_returned_twice_is_copied(digits):
    X, y = digits
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    before = module[1].weight.clone()
    first = quick_classifier(network=lambda *shape: module).fit(X, y)
    expected = first.predict_proba(X)
    quick_classifier(network=lambda *shape: module).fit(X, y[::-1])
    assert_array_equal(first.predict_proba(X), expected)
    assert torch.equal(module[1].weight, before)


def test_image_shape_allows_images_that_look_channels_first():
    X, y = np.random.default_rng(0).random((20, 4, 8, 6)), np.arange(20) % 2
    with pytest.raises(ValueError, match=r"image_shape=\(4, 8, 6\)"):
        quick_classifier().fit(X, y)
    cnn = quick_classifier(image_shape=(4, 8, 6)).fit(X, y)
    assert cnn.image_shape_ == (4, 8, 6)
    assert cnn.predict(X).shape == (20,)


def test_parallel_fits_in_threads_equal_serial_fits(digits):
    X, y = digits
    alone = [quick_classifier(random_state=seed).fit(X, y).predict_proba(X) for seed in range(4)]
    with parallel_config(backend="threading"):
        together = Parallel(n_jobs=4)(
            delayed(quick_classifier(random_state=s).fit)(X, y) for s in range(4)
        )
    for cnn, expected in zip(together, alone, strict=True):
        assert_array_equal(cnn.predict_proba(X), expected)


def test_sample_weights_are_routed(digits):
    X, y = digits
    weights = np.random.default_rng(0).uniform(size=len(X))
    with config_context(enable_metadata_routing=True):
        cnn = (
            quick_classifier()
            .set_fit_request(sample_weight=True)
            .set_score_request(sample_weight=True)
        )
        pipe = Pipeline([("resize", ImageResizer((6, 6))), ("cnn", cnn)])
        weighted = cross_val_score(pipe, X, y, cv=2, params={"sample_weight": weights})
        plain = cross_val_score(pipe, X, y, cv=2, params={"sample_weight": np.ones(len(X))})
    assert not np.array_equal(weighted, plain)


def test_callable_network(digits):
    X, y = digits

    def build(in_channels, height, width, n_outputs):
        assert (in_channels, height, width, n_outputs) == (1, 8, 8, 10)
        return nn.Sequential(nn.Flatten(), nn.Linear(height * width * in_channels, n_outputs))

    cnn = quick_classifier(network=build, max_epochs=30, learning_rate=0.01).fit(X, y)
    assert cnn.score(X, y) > 0.9
    assert isinstance(cnn.module_.network[1], nn.Linear)


def test_parameters_build_dense_and_convolutional_networks(digits):
    X, y = digits
    dense = quick_classifier(channels=(), hidden_units=(256,)).fit(X, y)
    assert len(dense.module_.network.blocks) == 0
    three = quick_classifier(channels=(16, 32, 64), batch_norm=False).fit(X, y)
    three = three.module_.network.blocks
    assert [block[0].out_channels for block in three] == [16, 32, 64]
