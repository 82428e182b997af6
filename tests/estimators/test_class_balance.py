"""Parameters of classifiers that balance classes: their effect, combinations and errors."""

import pickle
from dataclasses import fields

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skorch.callbacks import Callback

from skcnn import CNNClassifier, CNNRegressor, ImageAugmenter, LazyImages, TransferClassifier
from skcnn.networks import PlainNetwork
from skcnn.training.options import TrainingOptions

COUNTS = [40, 12, 4]
RNG = np.random.default_rng(0)
LABELS = np.array(["cat", "dog", "owl"])
CLASSES = np.repeat(np.arange(3), COUNTS)
y = LABELS[CLASSES]
X = np.clip(100 + 15 * CLASSES[:, None, None] + RNG.normal(0, 25, (56, 4, 4)), 0, 255).astype("u1")
X_TEST = np.clip(
    100 + 15 * np.arange(3).repeat(60)[:, None, None] + RNG.normal(0, 25, (180, 4, 4)), 0, 255
)
X_TEST = X_TEST.astype("u1")
SMALL = {"channels": (4,), "hidden_units": (8,), "max_epochs": 8, "batch_size": 8}
SMALL |= {"random_state": 0, "device": "cpu"}
BALANCED = [{"sampling": "balanced"}, {"logit_adjustment": 1.0}]


def small(**parameters):
    return CNNClassifier(**{**SMALL, **parameters})


class Targets(Callback):
    """Record the class indices of the training batches, by epoch."""

    seen: list = []  # shared, since callbacks are copied

    def on_batch_begin(self, net, batch, training, **kwargs):
        if training:
            self.seen.append((len(net.history) - 1, *batch.y.tolist()))


def drawn_classes(estimator, *data, **keywords):
    """Fit, and return the number of images of each class in each epoch."""
    Targets.seen.clear()
    estimator.set_params(callbacks=[Targets()]).fit(*data, **keywords)
    epochs = {}
    for epoch, *y in Targets.seen:
        epochs.setdefault(epoch, []).extend(y)
    return [np.bincount(y, minlength=3).tolist() for y in epochs.values()]


# --- effect ------------------------------------------------------------------------------------


@pytest.mark.parametrize("parameters", BALANCED)
def test_rare_classes_are_predicted_more_often(parameters):
    plain, balanced = (small(**p, max_epochs=15).fit(X, y) for p in ({}, parameters))
    counts = [np.mean(model.predict(X_TEST) == "cat") for model in (plain, balanced)]
    assert counts[1] < counts[0]
    assert balanced.classes_.tolist() == LABELS.tolist()


@pytest.mark.parametrize("wrap", [np.asarray, LazyImages])
def test_balanced_sampling_draws_the_same_number_of_each_class(wrap):
    for counts in drawn_classes(small(sampling="balanced", max_epochs=3), wrap(X), y):
        assert sorted(counts) == [18, 19, 19]
    assert drawn_classes(small(max_epochs=2), wrap(X), y) == [COUNTS, COUNTS]


def test_validation_images_are_not_drawn():
    cnn = small(sampling="balanced", early_stopping=True, validation_fraction=0.25)
    natural = small(early_stopping=True, validation_fraction=0.25)
    for counts in drawn_classes(cnn, X, y):
        assert sum(counts) == 42
        assert np.ptp(counts) <= 1
    assert drawn_classes(natural, X, y)[0] == [30, 9, 3]
    cnn = small(sampling="balanced", max_epochs=1).fit(X, y, X_val=X, y_val=y)
    assert cnn.history_[0]["valid_score"] == cnn.score(X, y)


def test_images_of_weight_zero_are_not_drawn():
    counts = drawn_classes(small(sampling="balanced", max_epochs=1), X, y, (y != "owl") * 1.0)
    assert counts == [[26, 26, 0]]


def test_sampled_images_keep_their_weights():
    weights = np.where(y == "owl", 5.0, 1.0)
    cnn = small(sampling="balanced", max_epochs=1).fit(X, y, weights)
    assert cnn.weight_scale_ == pytest.approx((1 + 1 + 5) / 3)  # the mean of the drawn images
    by_class = small(sampling="balanced", max_epochs=1, class_weight={"owl": 5.0}).fit(X, y)
    assert_array_equal(by_class.predict_proba(X), cnn.predict_proba(X))
    plain = small(sampling="balanced", max_epochs=1).fit(X, y)
    assert (plain.predict_proba(X) != cnn.predict_proba(X)).any()


def test_logit_adjustment_uses_weighted_frequencies():
    given = {"logit_adjustment": 0.7, "max_epochs": 1}
    weights = RNG.uniform(0.1, 2, size=56)
    cnn = small(**given, class_weight={"dog": 3.0}).fit(X, y, weights)
    weights *= np.where(y == "dog", 3.0, 1.0)
    totals = np.array([weights[y == label].sum() for label in LABELS])
    expected = 0.7 * np.log(totals / totals.sum())
    assert_allclose(cnn.net_.criterion_.adjustment, expected, rtol=1e-5)


def test_losses_are_adjusted_and_predictions_are_not(monkeypatch):
    cnn = small(logit_adjustment=1.0, max_epochs=1, dropout=0.0, precision="float32")
    cnn.fit(X, y, X_val=X, y_val=y)
    outputs = np.log(cnn.predict_proba(X)) + np.log(np.array(COUNTS) / 56)
    log_probabilities = outputs - np.log(np.exp(outputs).sum(axis=1, keepdims=True))
    expected = -log_probabilities[np.arange(56), CLASSES].mean()
    assert cnn.history_[0]["valid_loss"] == pytest.approx(expected, rel=1e-4)


def test_focal_gamma_of_zero_is_the_cross_entropy():
    plain, focal = (
        small(max_epochs=2, **p).fit(X, y) for p in ({}, {"loss": "focal", "focal_gamma": 0.0})
    )
    assert_allclose(focal.predict_proba(X), plain.predict_proba(X), rtol=1e-4)
    strong = small(max_epochs=2, loss="focal", focal_gamma=5.0).fit(X, y)
    assert abs(strong.predict_proba(X) - plain.predict_proba(X)).max() > 1e-3


@pytest.mark.parametrize("cls", [CNNClassifier, CNNRegressor])
def test_cutmix_trains_on_mixed_images(cls):
    seen = []

    class Watch(PlainNetwork):
        def forward(self, x):
            seen.append(x.detach().clone())
            return super().forward(x)

    def network(in_channels, height, width, n_outputs):
        return Watch(in_channels, height, width, n_outputs, channels=(2,), hidden_units=())

    images = np.zeros((8, 4, 4), np.uint8)
    images[::2] = 200
    quick = {"max_epochs": 1, "batch_size": 8, "random_state": 0, "precision": "float32"}
    cls(network, cutmix=1.0, **quick).fit(images, np.arange(8) % 2)
    mixed = [x for x in seen if len(x) == 8 and len(x.unique()) == 2]
    assert any(len(image.unique()) == 2 for x in mixed for image in x)


# --- reproducibility and pickles ---------------------------------------------------------------


@pytest.mark.parametrize("parameters", [*BALANCED, {"cutmix": 1.0}, {"cutmix": 1.0, "mixup": 0.2}])
def test_seed_determines_the_weights(parameters):
    view = ImageAugmenter(shift=1, random_state=0).fit_transform(X)
    first, again, other = (
        small(max_epochs=2, **{**parameters, "random_state": seed}).fit(view, y)
        for seed in (0, 0, 1)
    )
    assert_array_equal(first.predict_proba(X), again.predict_proba(X))
    assert (first.predict_proba(X) != other.predict_proba(X)).any()


@pytest.mark.parametrize("parameters", BALANCED)
def test_pickles_continue_the_training(parameters):
    cnn = small(max_epochs=2, warm_start=True, **parameters).fit(X, y)
    loaded = pickle.loads(pickle.dumps(cnn))
    assert loaded.net_.options == cnn.net_.options
    for model in (cnn, loaded):
        model.fit(X, y)
    assert_array_equal(loaded.predict_proba(X), cnn.predict_proba(X))


def test_options_of_older_versions_have_defaults():
    options = small().fit(X, y).net_.options
    for name in ("cutmix", "focal_gamma", "sampling", "logit_adjustment"):
        vars(options).pop(name)  # as in a pickle of a version without the option
    old = pickle.loads(pickle.dumps(options))
    defaults = {field.name: field.default for field in fields(TrainingOptions)}
    assert (old.cutmix, old.sampling, old.logit_adjustment) == (0.0, None, 0.0)
    assert old.focal_gamma == defaults["focal_gamma"] == 2.0


# --- transfer ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, np.log([41, 13, 5])),
        ({"sampling": "balanced"}, [0, 0, 0]),
        ({"logit_adjustment": 1.0}, [0, 0, 0]),
        ({"logit_adjustment": 0.5}, 0.5 * np.log([41, 13, 5])),
        ({"sampling": "balanced", "class_weight": {"owl": 3.0}}, None),
    ],
)
def test_head_starts_at_the_best_constant_outputs(parameters, expected):
    model = TransferClassifier(
        input_size=32, learning_rate=1e-30, weight_decay=0.0, max_epochs=1, **parameters
    ).fit(X, y)
    outputs = np.log(model.predict_proba(X[:1]))[0]
    if expected is None:
        assert outputs[2] > outputs[0] == pytest.approx(outputs[1], abs=0.05)
    else:
        assert_allclose(outputs - outputs[0], np.array(expected) - expected[0], atol=1e-4)


def test_cutmix_of_a_frozen_backbone_mixes_images():
    quick = {"input_size": 32, "max_epochs": 1, "random_state": 0}
    plain, mixed = (TransferClassifier(**quick, cutmix=alpha).fit(X, y) for alpha in (0.0, 1.0))
    assert (plain.predict_proba(X) != mixed.predict_proba(X)).any()


# --- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        (
            {"sampling": "balanced", "logit_adjustment": 1.0},
            r'sampling="balanced" and logit_adjustment=1 ',
        ),
        (
            {"sampling": "balanced", "class_weight": "balanced"},
            r'class_weight="balanced" and sampling="balanced" ',
        ),
        (
            {"class_weight": "balanced", "logit_adjustment": np.float64(0.5)},
            r'class_weight="balanced" and logit_adjustment=0\.5 ',
        ),
    ],
)
def test_two_corrections_of_the_frequencies_are_an_error(parameters, named):
    cnn = small(**parameters)
    with pytest.raises(ValueError, match=f"^{named}each correct the frequencies.*use one of them"):
        cnn.fit(X, y)
    assert not hasattr(cnn, "net_")


@pytest.mark.parametrize("parameters", BALANCED)
def test_partial_fit_does_not_know_the_frequencies(parameters):
    name = next(iter(parameters))
    with pytest.raises(ValueError, match=f"partial_fit does not see all images, so {name}="):
        small(**parameters).partial_fit(X, y)
    small(loss="focal", focal_gamma=1, cutmix=1.0).partial_fit(X, y)


@pytest.mark.parametrize("parameters", BALANCED)
def test_indicators_of_labels_have_no_classes_to_balance(parameters):
    indicators = RNG.integers(0, 2, size=(56, 3))
    with pytest.raises(ValueError, match=f"{next(iter(parameters))} is not supported for an ind"):
        small(**parameters).fit(X, indicators)
    small(loss="focal", focal_gamma=0.5, cutmix=1.0, max_epochs=1).fit(X, indicators)


@pytest.mark.parametrize(
    "parameters",
    [
        {"sampling": "oversample"},
        {"logit_adjustment": -1.0},
        {"focal_gamma": -0.5},
        {"cutmix": -0.1},
        {"logit_adjustment": "auto"},
    ],
)
def test_invalid_values(parameters):
    with pytest.raises(ValueError, match=f"'{next(iter(parameters))}' parameter of CNNClassifier"):
        small(**parameters).fit(X, y)


@pytest.mark.parametrize("parameters", BALANCED)
@pytest.mark.filterwarnings("ignore:all training images")
def test_one_class(parameters):
    assert set(small(max_epochs=1, **parameters).fit(X, np.full(56, "cat")).predict(X)) == {"cat"}
