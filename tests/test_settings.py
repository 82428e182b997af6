"""Global settings of a caller: they change no result, and are as before afterwards."""

import contextlib
import os
import pickle
import random
import sys
import threading
import warnings

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.pipeline import make_pipeline

from skcnn import (
    CNNClassifier,
    CNNRegressor,
    ColorHistogramExtractor,
    HOGExtractor,
    ImageAugmenter,
    ImageNormalizer,
    ImageResizer,
)
from skcnn.networks import NetworkSpec
from skcnn.pipeline_graph import torch_pipeline
from skcnn.settings import _process, fixed_settings

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, size=(24, 8, 8, 3)).astype(np.uint8)
Y = np.arange(24) % 2
X[Y == 1, :4] //= 2


@contextlib.contextmanager
def changed(set_value, during, after):
    set_value(during)
    try:
        yield
    finally:
        set_value(after)


@contextlib.contextmanager
def warnings_as_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@contextlib.contextmanager
def other_seeds():
    np.random.seed(5)
    random.seed(5)
    torch.manual_seed(9)
    yield


def without(name):
    return lambda: changed(lambda value: setattr(sys, name, value), None, getattr(sys, name))


def matmul_precision(value):
    return changed(torch.set_float32_matmul_precision, value, "highest")


SETTINGS = {
    "default dtype float64": lambda: changed(torch.set_default_dtype, torch.float64, torch.float32),
    "default dtype bfloat16": lambda: changed(
        torch.set_default_dtype, torch.bfloat16, torch.float32
    ),
    "default device": lambda: changed(torch.set_default_device, "meta", None),
    "device context": lambda: torch.device("meta"),
    "floating-point errors": lambda: np.errstate(all="raise"),
    "warnings as errors": warnings_as_errors,
    "no stdout": without("stdout"),
    "no stderr": without("stderr"),
    "no gradients": lambda: torch.set_grad_enabled(False),
    "inference mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "deterministic algorithms": lambda: changed(torch.use_deterministic_algorithms, True, False),
    "without oneDNN": lambda: changed(
        lambda value: setattr(torch.backends.mkldnn, "enabled", value), False, True
    ),
    "float32 products in bfloat16": lambda: matmul_precision("medium"),
    "other seeds": other_seeds,
    "numpy print options": lambda: np.printoptions(precision=1),
}


def flat_network(in_channels, height, width, n_outputs):
    linear = torch.nn.Linear(in_channels * height * width, n_outputs)
    return torch.nn.Sequential(torch.nn.Flatten(), linear)


def classifier(**parameters):
    options = {"channels": (4,), "max_epochs": 2, "batch_size": 8, "random_state": 0}
    return CNNClassifier(**{**options, **parameters})


def fast():
    options = {"channels": (8, 8, 8), "mixup": 0.3, "progressive_resizing": 0.5, "lookahead": True}
    options |= {"optimizer": "muon", "test_time_augmentation": "flip_shift"}
    return classifier(network="fast", **options).fit(X, Y).predict_proba(X)


def spec_parameters():
    torch.default_generator.manual_seed(0)
    module = NetworkSpec("plain", 3, 8, 8, n_outputs=2, options={"channels": (4,)}).build()
    assert not any(parameter.is_inference() for parameter in module.parameters())
    return np.concatenate([parameter.detach().ravel() for parameter in module.parameters()])


def graph_outputs():
    graph = torch_pipeline(PIPELINE, X.shape[1:], X.dtype)
    assert not any(tensor.is_inference() for tensor in graph.module.state_dict().values())
    with fixed_settings(), torch.autocast("cpu", enabled=False):
        pixels = torch.from_numpy(X.transpose(0, 3, 1, 2).astype(np.float32))
        return graph.module(pixels).numpy()


FITTED = classifier(warm_start=True).fit(X, Y)
SAVED = pickle.dumps(FITTED)
PIPELINE = make_pipeline(ImageResizer((6, 6)), classifier()).fit(X, Y)
AUGMENTER = ImageAugmenter(rotation=10, brightness=0.2, noise=0.1, erase=0.2, random_state=0)
RESULTS = {
    "fit": lambda: classifier(dropout=0.3, hidden_units=(8,)).fit(X, Y).predict_proba(X),
    "fit of the fast network": fast,
    "fit of a custom network": lambda: (
        classifier(network=flat_network, channels="auto").fit(X, Y).predict_log_proba(X)
    ),
    "fit with validation": lambda: classifier(early_stopping=True).fit(X, Y).predict_proba(X),
    "partial_fit": lambda: classifier().partial_fit(X, Y).partial_fit(X, Y).predict_proba(X),
    "fit of constant images": lambda: classifier().fit(0 * X, Y).predict_proba(0 * X),
    "regressor": lambda: CNNRegressor(max_epochs=1, random_state=0).fit(X, Y * 3.0).predict(X),
    "predict_proba": lambda: FITTED.predict_proba(X),
    "predict_proba of one": lambda: FITTED.predict_proba(X[:1]),
    "score": lambda: np.array(FITTED.score(X, Y)),
    "forward of the net": lambda: FITTED.net_.forward(X).numpy(),
    "unpickled": lambda: pickle.loads(SAVED).predict_proba(X),
    "unpickled and fitted": lambda: pickle.loads(SAVED).fit(X, Y).predict_proba(X),
    "spec": spec_parameters,
    "graph": graph_outputs,
    "augmented": lambda: np.asarray(AUGMENTER.fit_transform(X)),
    "one augmented image": lambda: AUGMENTER.fit_transform(X)[3],
    "augmented fit": lambda: (
        make_pipeline(ImageResizer((6, 6), lazy=True), AUGMENTER, classifier())
        .fit(X, Y)
        .predict_proba(X)
    ),
    "resized": lambda: ImageResizer((5, 5)).fit_transform(X),
    "normalized": lambda: ImageNormalizer().fit_transform(X),
    "normalized back": lambda: ImageNormalizer().fit(X).inverse_transform(X),
    "hog": lambda: HOGExtractor(pixels_per_cell=(4, 4)).fit_transform(X),
    "hog of constant images": lambda: HOGExtractor(pixels_per_cell=(4, 4)).fit_transform(0 * X),
    "colors": lambda: ColorHistogramExtractor(3, color_space="lab").fit_transform(X),
}
_EXPECTED = {}


def state():
    return (
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.mkldnn.enabled,
        torch.get_float32_matmul_precision(),
        np.geterr(),
    )


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", RESULTS)
def test_settings_of_the_caller_change_nothing(name, setting):
    if name not in _EXPECTED:
        _EXPECTED[name] = RESULTS[name]()
    with SETTINGS[setting]():
        before = state()
        found = RESULTS[name]()
        assert state() == before
    assert found.dtype == _EXPECTED[name].dtype
    assert_array_equal(found, _EXPECTED[name])


def test_settings_are_restored_after_an_error():
    before = state()
    with SETTINGS["default dtype float64"](), SETTINGS["without oneDNN"]():
        during = state()
        with pytest.raises(ValueError, match="NaN"):
            classifier().fit(np.full(X.shape, np.nan), Y)
        assert state() == during
    assert state() == before


@pytest.mark.skipif(
    not hasattr(getattr(torch.backends.mkldnn, "matmul", None), "fp32_precision"),
    reason="PyTorch before 2.9",
)
def test_an_inherited_precision_remains_inherited():
    def set_all(value):
        mkldnn.fp32_precision = value

    def set_products(value):
        mkldnn.matmul.fp32_precision = value

    mkldnn = torch.backends.mkldnn
    with changed(set_products, "none", mkldnn.matmul.fp32_precision):
        for set_value in (set_all, set_products):
            with changed(set_value, "bf16", "none"):
                with fixed_settings():
                    assert mkldnn.matmul.fp32_precision == "ieee"
                assert mkldnn.matmul.fp32_precision == "bf16"
            assert mkldnn.matmul.fp32_precision == "none"


def test_convolutions_on_a_gpu_do_not_use_tensor_float_32():
    cudnn = torch.backends.cudnn
    assert cudnn.allow_tf32
    with fixed_settings():
        assert not cudnn.allow_tf32
        if hasattr(cudnn, "conv"):  # PyTorch 2.9
            assert cudnn.conv.fp32_precision != "tf32"
    assert cudnn.allow_tf32
    with changed(lambda value: setattr(cudnn, "allow_tf32", value), False, True):
        with fixed_settings():
            assert not cudnn.allow_tf32
        assert not cudnn.allow_tf32


def test_the_last_of_several_threads_restores_the_settings():
    entered, leave = threading.Event(), threading.Event()

    def wait_inside():
        with fixed_settings():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=wait_inside)
    with SETTINGS["default dtype float64"]():
        with fixed_settings():
            thread.start()
            assert entered.wait(10)
        assert torch.get_default_dtype() == torch.float32  # the other thread is still inside
        leave.set()
        thread.join()
        assert torch.get_default_dtype() == torch.float64


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_does_not_wait_for_threads_that_it_does_not_have():
    entered, leave = threading.Event(), threading.Event()

    def hold():
        with fixed_settings(), _process._lock:
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    with SETTINGS["default dtype float64"]():
        thread.start()
        assert entered.wait(10)
        child = os.fork()
        if child == 0:
            free = _process._lock.acquire(blocking=False)
            restored = torch.get_default_dtype() == torch.float64
            os._exit(0 if free and restored else 1)
        leave.set()
        thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
