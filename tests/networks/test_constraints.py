"""Wrong sizes and options of networks are named before anything is built."""

import numpy as np
import pytest

from skcnn import CNNClassifier
from skcnn.networks import FastNetwork, NetworkSpec, PlainNetwork, automatic_channels
from skcnn.networks.plain import CONSTRAINTS

WRONG_SIZES = [0, -1, 1.5, None, "8", [8], float("nan"), 10**400]
WRONG_OPTIONS = [
    ("channels", 32),
    ("channels", (0,)),
    ("channels", (-1,)),
    ("channels", (1.5,)),
    ("channels", (10**400,)),
    ("channels", "no"),
    ("kernel_size", 0),
    ("kernel_size", 10**400),
    ("stride", 0),
    ("stride", 2**63),
    ("padding", "no"),
    ("pooling", "mean"),
    ("pool_size", 0),
    ("pool_size", None),
    ("activation", "no"),
    ("batch_norm", "no"),
    ("dropout", 1.0),
    ("dropout", float("nan")),
    ("dropout", (0.5, 2.0)),
    ("hidden_units", 5),
    ("hidden_units", (0,)),
]


@pytest.mark.parametrize("network", [PlainNetwork, FastNetwork])
@pytest.mark.parametrize("position", range(4))
@pytest.mark.parametrize("value", WRONG_SIZES)
def test_wrong_sizes_of_networks(network, position, value):
    sizes, names = [3, 8, 8, 2], ["in_channels", "height", "width", "n_outputs"]
    sizes[position] = value
    with pytest.raises(ValueError, match=f"'{names[position]}' parameter of {network.__name__}"):
        network(*sizes, channels=(2,))


@pytest.mark.parametrize(("name", "value"), WRONG_OPTIONS)
def test_wrong_options_of_networks(name, value):
    with pytest.raises(ValueError, match=f"'{name}' parameter of PlainNetwork"):
        PlainNetwork(3, 8, 8, 2, **{name: value})
    with pytest.raises(ValueError, match=f"'{name}' parameter of CNNClassifier|^{name} contains"):
        CNNClassifier(**{name: value}).fit(np.zeros((4, 8, 8)), [0, 1, 0, 1])
    if name == "channels":
        with pytest.raises(ValueError, match="'channels' parameter of FastNetwork"):
            FastNetwork(3, 8, 8, 2, channels=value)


@pytest.mark.parametrize("name", ["in_channels", "height", "width", "n_outputs"])
@pytest.mark.parametrize("value", [0, -1, 1.5, None, "8", [8], float("nan"), True, 2**31])
def test_wrong_sizes_of_a_spec(name, value):
    sizes = {"in_channels": 3, "height": 8, "width": 8, "n_outputs": 2, name: value}
    with pytest.raises(ValueError, match=f"^{name}=.* must be a positive integer"):
        NetworkSpec("plain", **sizes)


@pytest.mark.parametrize("value", WRONG_SIZES)
def test_wrong_sizes_for_automatic_channels(value):
    with pytest.raises(ValueError, match="'height' parameter of automatic_channels"):
        automatic_channels(value, 8)


def test_estimators_have_the_constraints_of_the_network():
    constraints = CNNClassifier._parameter_constraints
    assert all(constraints[name] is CONSTRAINTS[name] for name in CONSTRAINTS)


@pytest.mark.parametrize("integer", [int, np.int16, np.uint64])
def test_sizes_may_be_integers_of_numpy(integer):
    spec = NetworkSpec("plain", *map(integer, (3, 8, 9, 2)), {"channels": np.array([2, 3])})
    assert (spec.in_channels, spec.height, spec.width, spec.n_outputs) == (3, 8, 9, 2)
    assert len(PlainNetwork(*map(integer, (3, 8, 9, 2)), channels=[integer(2)]).blocks) == 1
