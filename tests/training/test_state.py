"""The state of a fitted net: plain data and arrays, without nested pickles or code."""

import io
import pickle
import pickletools

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import nn

from skcnn import CNNClassifier, CNNRegressor
from skcnn.networks import NetworkSpec
from skcnn.training.options import TrainingOptions
from skcnn.training.state import to_arrays, to_columns, to_records, to_tensors

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (24, 8, 8), dtype=np.uint8)
LABELS = np.arange(24) % 2
NETWORKS = [
    {},
    {"channels": ()},
    {"batch_norm": False, "activation": "gelu"},
    {"network": "fast", "channels": (8, 8)},
]


def fit_estimator(estimator=CNNClassifier, **parameters):
    return estimator(max_epochs=1, random_state=0, **parameters).fit(IMAGES, LABELS)


def is_plain_data(value):
    """Return whether a value consists of builtin types, arrays, NetworkSpec and TrainingOptions."""
    if isinstance(value, dict):
        return all(
            isinstance(key, (str, int)) and is_plain_data(item) for key, item in value.items()
        )
    if isinstance(value, (list, tuple)):
        return all(map(is_plain_data, value))
    if isinstance(value, (NetworkSpec, TrainingOptions)):
        return is_plain_data(vars(value))
    return value is None or isinstance(value, (str, int, float, bool, np.ndarray))


@pytest.mark.parametrize("estimator", [CNNClassifier, CNNRegressor])
@pytest.mark.parametrize("parameters", NETWORKS)
@pytest.mark.parametrize("warm_start", [False, True])
def test_state_is_plain_data_and_arrays(estimator, parameters, warm_start):
    net = fit_estimator(estimator, warm_start=warm_start, **parameters).net_
    state = net.__getstate__()
    assert is_plain_data(state)
    assert set(state["weights"]) == set(net.module_.state_dict())
    assert (state["optimizer"] is not None) == warm_start


class Recorder(pickle.Unpickler):
    """An unpickler that records which classes and functions a pickle names."""

    def __init__(self, file):
        super().__init__(file)
        self.names = set()

    def find_class(self, module, name):
        self.names.add((module.split(".")[0], name))
        return super().find_class(module, name)


# Weights may begin with the first byte by chance.
PICKLE_STARTS = [pickle.PROTO + bytes([protocol]) for protocol in range(2, 6)]


@pytest.mark.parametrize("parameters", NETWORKS)
def test_pickle_contains_no_nested_pickle_and_no_torch_objects(parameters):
    data = pickle.dumps(fit_estimator(**parameters))
    recorder = Recorder(io.BytesIO(data))
    recorder.load()
    assert {module for module, _ in recorder.names} <= {"skcnn", "numpy"}
    for _, argument, _ in pickletools.genops(data):
        if isinstance(argument, bytes):
            is_pickle = argument[:2] in PICKLE_STARTS and argument.endswith(pickle.STOP)
            assert not is_pickle
            assert not argument.startswith((b"x\x9c", b"x\xda"))  # compressed by zlib


@pytest.mark.parametrize("parameters", NETWORKS)
def test_loading_restores_the_net_and_keeps_the_random_state(parameters):
    cnn = fit_estimator(**parameters)
    data = pickle.dumps(cnn)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    loaded = pickle.loads(data)
    assert torch.equal(torch.get_rng_state(), before)
    for name, value in cnn.module_.state_dict().items():
        assert torch.equal(loaded.module_.state_dict()[name], value)
    assert_array_equal(loaded.predict_proba(IMAGES), cnn.predict_proba(IMAGES))
    assert loaded.history_ == cnn.history_
    assert loaded.net_.options == cnn.net_.options


class UserNetwork(nn.Module):
    """A user-defined network."""

    n_hidden = 4

    def __init__(self, in_channels, height, width, n_outputs):
        super().__init__()
        self.hidden = nn.Linear(in_channels * height * width, self.n_hidden)
        self.output = nn.Linear(self.n_hidden, n_outputs)

    def forward(self, images):
        return self.output(self.hidden(images.flatten(1)).relu())


def test_user_defined_network_is_pickled_by_reference(monkeypatch):
    cnn = fit_estimator(network=UserNetwork)
    data = pickle.dumps(cnn)
    assert_array_equal(pickle.loads(data).predict_proba(IMAGES), cnn.predict_proba(IMAGES))
    monkeypatch.setattr(UserNetwork, "n_hidden", 5)
    with pytest.raises(ValueError, match="the saved weights do not fit the network: its class"):
        pickle.loads(data)


def test_parameters_set_on_the_net_are_pickled():
    net = fit_estimator().net_
    net.set_params(batch_size=7, predict_nonlinearity=None)
    loaded = pickle.loads(pickle.dumps(net))
    assert (loaded.batch_size, loaded.predict_nonlinearity) == (7, None)
    assert_array_equal(loaded.predict_proba(IMAGES), net.forward(IMAGES))


def test_tensors_and_arrays():
    state = {"a": [torch.eye(2), 3], "b": (torch.tensor(True), None, {"c": torch.arange(2)})}
    arrays = to_arrays(state)
    assert isinstance(arrays["a"][0], np.ndarray)
    assert isinstance(arrays["b"], tuple)
    tensors = to_tensors(arrays)
    assert torch.equal(tensors["a"][0], torch.eye(2))
    assert tensors["b"][0].dtype == torch.bool
    assert tensors["a"][1] == 3
    assert tensors["b"][1] is None


@pytest.mark.parametrize(
    "records",
    [[], [{"a": 1}], [{"a": 1, "b": [2]}, {"a": None}, {"b": 3, "a": 0.5}]],
)
def test_columns_and_records(records):
    assert to_records(to_columns(records)) == records
