"""Invalid input and parameters raise errors with clear messages, and change nothing."""

import pickle
import signal

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array
from sklearn.callback import ProgressBar
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback, EpochScoring, LRScheduler
from torch import nn

from skcnn import CNNClassifier, CNNRegressor, ImageReader, ImageResizer, load_image_folder

X = np.random.default_rng(0).integers(0, 256, size=(20, 9, 12, 3)).astype(np.uint8)
y = np.arange(20) % 2


def images_with_value(value):
    images = X.astype(float)
    images[3, 2, 1, 0] = value
    return images


def quick_classifier(**parameters):
    return CNNClassifier(**{"max_epochs": 1, "random_state": 0, **parameters})


INVALID_IN_FIT = {
    "NaN": (images_with_value(np.nan), y, "contains NaN"),
    "infinity": (images_with_value(np.inf), y, "contains infinity"),
    "too large": (
        images_with_value(1e300),
        y,
        r"too large for float32 \(1e\+300\), in image \d+ of X",
    ),
    "ragged list": ([X[0], X[1, :5]], y[:2], "images of different sizes: put an ImageResizer"),
    "ragged array": (
        np.array([X[0], X[1, :5]], dtype=object),
        y[:2],
        "images of different sizes: put an ImageResizer",
    ),
    "paths": (["a.png", "b.png"], y[:2], "file paths such as 'a.png': put an ImageReader"),
    "channels first": (np.moveaxis(X, -1, 1), y, r"looks like channels first.*moveaxis"),
    "channels first, gray": (
        np.moveaxis(X[..., :1], -1, 1),
        y,
        r"\(20, 1, 9, 12\) looks like channels first",
    ),
    "no images": (X[:0], y[:0], r"Found 0 image\(s\)"),
    "empty list": ([], [], r"0 image\(s\)|0 sample\(s\)"),
    "lengths": (X, y[:-1], r"inconsistent numbers of samples: \[20, 19\]"),
    "one image": (X[:1], y[:1], r"Found 1 image\(s\).* minimum of 2 is required"),
    "one row": (X[:1].reshape(1, -1)[:, :64], y[:1], r"Found array with 1 sample\(s\)"),
    "rows that are not square": (X.reshape(20, -1), y, r"rows of 324 values|image_shape=\(height"),
    "sparse": (csr_array(X[..., 0].reshape(20, -1)), y, "Sparse data was passed"),
    "objects": (np.array([{}] * 20, dtype=object), y, "type dict, which is not an image"),
    "strings of pixels": (X.astype(str), y, "pixels|could not convert"),
    "a dict": ({"data": X}, y, "X is a dict, not a collection of images: pass its data"),
    "one photo": (X[0].repeat(2, axis=1), y[:9], r"\(9, 24, 3\) looks like one image"),
    "offset": (X + 1e9, y, "float32 cannot represent: put an ImageNormalizer"),
    "complex": (X.astype(complex), y, "Complex data not supported"),
    "five axes": (X[np.newaxis], y, "5 axes"),
    "no pixels": (X[:, :0], y, "images without pixels"),
    "y is None": (X, None, "requires y to be passed"),
    "y is NaN": (X, np.where(y, np.nan, 1.0), "contains NaN"),
    "y is continuous": (X, y + 0.5, "Unknown label type"),
}


@pytest.mark.parametrize("case", INVALID_IN_FIT)
def test_invalid_input_in_fit(case):
    images, labels, message = INVALID_IN_FIT[case]
    if case == "rows that are not square":
        images = images[:, :323]
    cnn = quick_classifier()
    with pytest.raises((ValueError, TypeError), match=message):
        cnn.fit(images, labels)
    assert [name for name in vars(cnn) if name.endswith("_")] == []
    with pytest.raises(NotFittedError):
        cnn.predict(X)


@pytest.mark.parametrize("case", [case for case in INVALID_IN_FIT if not case.startswith("y ")])
def test_invalid_input_in_fit_keeps_the_fitted_estimator(case):
    images, labels, message = INVALID_IN_FIT[case]
    if case == "rows that are not square":
        images = images[:, :323]
    cnn = quick_classifier().fit(X, y)
    before = cnn.predict_proba(X)
    with pytest.raises((ValueError, TypeError), match=message):
        cnn.fit(images, labels)
    assert_array_equal(cnn.predict_proba(X), before)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (X[:, :8], r"8 x 12 pixels with 3 channel\(s\).*expecting 9 x 12.*ImageResizer\(\(9, 12\)"),
        (X[:, :, :8], "9 x 8 pixels"),
        (X[..., :1], r"with 1 channel\(s\).*ImageReader\(mode"),
        (X[..., 0], r"with 1 channel\(s\)"),
        (X[0, :, :, 0].reshape(9, 12), "X has 12 features|looks like one image"),
        (X[0], r"looks like one image: pass a collection of one, X\[np.newaxis\]"),
        (X.reshape(20, -1)[:, :300], "X has 300 features, but CNNClassifier is expecting 324"),
        (images_with_value(np.nan), "contains NaN"),
        (np.moveaxis(X, -1, 1), "channels first"),
        (["a.png"], "put an ImageReader"),
        ([X[0], X[1, :5]], "put an ImageResizer"),
        (X[:0], r"Found 0 image\(s\)"),
    ],
)
def test_invalid_input_in_predict(images, message):
    cnn = quick_classifier().fit(X, y)
    for method in (cnn.predict, cnn.predict_proba, lambda images: cnn.score(images, y)):
        with pytest.raises(ValueError, match=message):
            method(images)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"network": "resnet-18"}, r"the network 'resnet-18' is unknown: did you mean 'resnet18'"),
        ({"network": "timm/vit_tiny"}, r"use Transfer.*\('timm/vit_tiny', weights=None\)"),
        ({"network": 3}, "'network' parameter"),
        ({"optimizer": "lbfgs"}, "'adam', 'adamw', 'rmsprop', 'sgd'|a str among"),
        ({"loss": "hinge"}, "'cross_entropy'"),
        ({"schedule": "step"}, "'one_cycle'"),
        ({"activation": "swish"}, "'silu'"),
        ({"padding": "full"}, "'valid'"),
        ({"pooling": "min"}, "'max'"),
        ({"precision": "float16"}, "'bfloat16'"),
        ({"class_weight": "fair"}, "'balanced'"),
        ({"learning_rate": 0}, "'learning_rate' parameter"),
        ({"batch_size": 1}, r"'batch_size' parameter .* in the range \[2, inf\)"),
        ({"max_epochs": 0}, "'max_epochs' parameter"),
        ({"dropout": 1.0}, "'dropout' parameter"),
        ({"dropout": (0.5, 1.0)}, r"'dropout' parameter .* tuple of floats in the range \[0, 1\)"),
        (
            {"dropout": (0.5,)},
            "is 1, and there are 2 dense layers, the last one included: give one number",
        ),
        ({"device": "tpu9"}, "device='tpu9' is not available.*device=\"auto\""),
        ({"image_shape": (4, 4)}, "but image_shape is .4, 4.: image_shape describes"),
        ({"image_shape": (4,)}, "'image_shape' parameter .*height, width"),
        ({"channels": (8, -1)}, "'channels' parameter .* positive integers"),
        ({"hidden_units": (0,)}, "'hidden_units' parameter .* positive integers"),
    ],
    ids=str,
)
def test_invalid_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        quick_classifier(**parameters).fit(X, y)


def test_images_too_small_for_unpadded_convolutions():
    message = r'9 x 12 pixels are too small .* kernel_size=3; use padding="same", fewer channels'
    with pytest.raises(ValueError, match=message):
        quick_classifier(channels=(4, 4, 4), padding="valid").fit(X, y)


def test_validation_split_with_a_class_of_one_image():
    labels = np.array(["a"] * 19 + ["b"])
    with pytest.raises(ValueError, match=r"class 'b' has only 1 image.*X_val"):
        quick_classifier(early_stopping=True).fit(X, labels)
    quick_classifier().fit(X, labels)


def test_inconsistent_validation_data():
    with pytest.raises(
        ValueError, match="X_val and y_val belong together, also for sample_weight_val"
    ):
        quick_classifier().fit(X, y, X_val=X)
    for alone in ({"y_val": y}, {"sample_weight_val": np.ones(20)}):
        with pytest.raises(ValueError, match="belong together"):
            quick_classifier().fit(X, y, **alone)
    with pytest.raises(ValueError, match="9 x 8 pixels"):
        quick_classifier().fit(X, y, X_val=X[:, :, :8], y_val=y)
    with pytest.raises(ValueError, match=r"X_val cannot be used.*'a.png'.*transform_input"):
        quick_classifier().fit(X, y, X_val=["a.png"], y_val=y[:1])
    with pytest.raises(ValueError, match=r"labels that were not seen in fit: \[5\]"):
        quick_classifier().fit(X, y, X_val=X, y_val=y * 5)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.zeros(20), "at least one non-zero"),
        (-np.ones(20), "Negative values"),
        (np.ones(19), r"sample_weight.shape == \(19,\)"),
        (np.full(20, np.nan), "NaN"),
    ],
)
def test_invalid_sample_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        quick_classifier().fit(X, y, sample_weight=weights)


def test_too_few_training_images():
    with pytest.raises(ValueError, match="1 of 20 images have a weight above 0"):
        quick_classifier().fit(X, y, sample_weight=np.eye(20)[3])
    for estimator in (quick_classifier(early_stopping=True), CNNRegressor(early_stopping=True)):
        with pytest.raises(ValueError, match=r"validation_fraction=0.95 of 20 images leaves"):
            estimator.set_params(validation_fraction=0.95).fit(X, y)
    with pytest.raises(ValueError, match="fewer than 2 training images"):
        CNNRegressor(early_stopping=True).fit(X[:2], y[:2])


def test_partial_fit_with_other_classes():
    cnn = quick_classifier().partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match=r"classes=\[0, 1, 2\] differs from the classes"):
        cnn.partial_fit(X, y, classes=[0, 1, 2])


def test_learning_rate_scheduler_with_a_schedule():
    scheduler = LRScheduler("StepLR", step_size=1)
    with pytest.raises(ValueError, match="schedule='auto' also sets the learning rate"):
        quick_classifier(callbacks=[scheduler]).fit(X, y)
    quick_classifier(callbacks=[scheduler], schedule=None).fit(X, y)
    quick_classifier(callbacks=[scheduler]).partial_fit(X, y)  # which uses no schedule


def test_module_instance_as_network():
    module = nn.Sequential(nn.Flatten(), nn.Linear(324, 2))
    with pytest.raises(TypeError, match=r"network is an instance of Sequential.* give a callable"):
        quick_classifier(network=module).fit(X, y)


@pytest.mark.parametrize(
    ("network", "error", "message"),
    [
        (
            lambda *shape: "a network",
            TypeError,
            "network.in_channels=3, height=9.* it returns str, but must return a torch.nn.Module",
        ),
        (
            lambda c, h, w, n: nn.Sequential(nn.Flatten(), nn.Linear(c * h * w, n + 1)),
            ValueError,
            r"outputs of shape \(2, 3\) for 2 images in eval mode, but must return .* \(2, 2\)",
        ),
    ],
)
def test_callable_returns_an_invalid_network(network, error, message):
    with pytest.raises(error, match=message):
        quick_classifier(network=network).fit(X, y)


def test_lambda_as_network_fits_but_does_not_pickle():
    network = lambda c, h, w, n: nn.Sequential(nn.Flatten(), nn.Linear(c * h * w, n))  # noqa: E731
    cnn = quick_classifier(network=network).fit(X, y)
    cnn.predict(X)
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(cnn)


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        ([ProgressBar()], r"ProgressBar is a callback of scikit-learn.*set_callbacks\(ProgressBar"),
        ([print], "instances of skorch.callbacks.Callback"),
        ([()], r"callbacks contains \(\), but each item must be .* a pair \(name, callback\)"),
        ([("a",)], r"callbacks contains \('a',\), but each item"),
        ([(1, Callback())], r"callbacks contains \(1, .*whose name is a str"),
        ([(Callback(), "a")], "whose name is a str"),
        ([("a", Callback(), 3)], "callbacks contains .* a pair"),
        ([Callback], r"contains the class Callback: pass an instance, Callback\(...\)"),
        ([("a", EpochScoring)], r"contains the class EpochScoring: pass an instance"),
        ([ProgressBar], r"contains the class ProgressBar: pass an instance"),
        ([None], "instances of skorch.callbacks.Callback.*got None"),
        (["a"], "instances of skorch.callbacks.Callback.*got 'a'"),
    ],
)
def test_callbacks_must_be_skorch_callbacks(callbacks, message):
    with pytest.raises(TypeError, match=message):
        quick_classifier(callbacks=callbacks).fit(X, y)


def test_callbacks_given_twice():
    callback = Callback()
    for callbacks in ([callback, callback], [("a", callback), ("b", callback)]):
        with pytest.raises(ValueError, match="the same Callback twice"):
            quick_classifier(callbacks=callbacks).fit(X, y)
    with pytest.raises(ValueError, match="contains the name 'a' twice: use unique names"):
        quick_classifier(callbacks=[("a", callback), ("a", Callback())]).fit(X, y)
    quick_classifier(callbacks=[callback, Callback(), ("a", Callback())]).fit(X, y)


@pytest.mark.parametrize("estimator", [CNNClassifier, CNNRegressor])
def test_diverging_loss(estimator):
    diverging = estimator(
        learning_rate=1e30, optimizer="sgd", max_epochs=20, batch_norm=False, random_state=0
    )
    message = r"training loss became (nan|inf) in epoch \d+ with learning_rate=1e\+30: a smaller"
    with pytest.raises(ValueError, match=message):
        diverging.fit(X, y)
    with pytest.raises(NotFittedError):
        diverging.predict(X)
    good = estimator(max_epochs=1, random_state=0, warm_start=True).fit(X, y)
    before = good.predict(X)
    with pytest.raises(ValueError, match="loss became"):
        good.set_params(optimizer="sgd", learning_rate=1e30, max_epochs=20).fit(X, y)
    assert_array_equal(good.predict(X), before)
    assert good.n_epochs_ == 1


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "muon", "rmsprop", "sgd"])
def test_weight_decay_beyond_float32(optimizer):
    classifier = quick_classifier(optimizer=optimizer, weight_decay=1e300)
    with pytest.raises(ValueError, match=r"became nan .* and weight_decay=1e\+300: a smaller"):
        classifier.fit(X, y)


def test_partial_fit_errors():
    with pytest.raises(ValueError, match=r"partial_fit .* does not support early_stopping=True"):
        quick_classifier(early_stopping=True).partial_fit(X, y)
    with pytest.raises(ValueError, match='class_weight="balanced" is not supported'):
        quick_classifier(class_weight="balanced").partial_fit(X, y)
    with pytest.raises(ValueError, match="labels that were not seen in fit"):
        quick_classifier().partial_fit(X, y, classes=[0])
    cnn = quick_classifier().partial_fit(X, y)
    with pytest.raises(ValueError, match="9 x 8 pixels"):
        cnn.partial_fit(X[:, :, :8], y)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "broken.png"),
        (b"", "broken.png"),
        (b"no image at all", "broken.png"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "broken.png"),
    ],
    ids=["missing", "empty", "not an image", "truncated"],
)
def test_errors_name_the_file(content, message, tmp_path):
    path = tmp_path / "broken.png"
    if content is not None:
        path.write_bytes(content)
    pipe = make_pipeline(ImageReader(), ImageResizer((8, 8)), quick_classifier())
    with pytest.raises((ValueError, OSError), match=message):
        pipe.fit([path, path], [0, 1])


def test_folder_without_subfolders(tmp_path):
    (tmp_path / "image.png").write_bytes(b"")
    with pytest.raises(ValueError, match="sub-folder"):
        load_image_folder(tmp_path)


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_batch_end", "on_grad_computed"])
def test_callback_stops_training_from_any_method(hook):
    class Stop(Callback):
        pass

    def stop(self, net, training=True, **kwargs):
        if len(net.history) == 3:
            raise KeyboardInterrupt

    setattr(Stop, hook, stop)
    cnn = quick_classifier(callbacks=[Stop()], max_epochs=9).fit(X, y)
    assert cnn.n_epochs_ == len(cnn.history_) == 2


def test_ctrl_c_during_scoring_ends_fit():
    def slow(net, images, targets):
        signal.raise_signal(signal.SIGINT)
        return 0.0

    # A process that was started in the background may ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            quick_classifier(callbacks=[EpochScoring(slow, name="slow", on_train=True)]).fit(X, y)
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_in_the_network_ends_fit():
    class Interrupted(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(324, 2)

        def forward(self, images):
            if self.training:
                raise KeyboardInterrupt
            return self.layer(images.flatten(1))

    cnn = quick_classifier(network=lambda *shape: Interrupted())
    with pytest.raises(KeyboardInterrupt):
        cnn.fit(X, y)
    with pytest.raises(NotFittedError):
        cnn.predict(X)
    assert torch.is_grad_enabled()
