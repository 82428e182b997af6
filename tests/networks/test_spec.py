"""The description of a network: plain data, and what is built from it."""

import pickle
import pickletools

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn
from torch.nn import functional

from skcnn.networks import BACKBONES, NETWORKS, NetworkSpec, Standardize, prediction_function
from skcnn.networks.spec import option_names

OWN = sorted(set(NETWORKS) - set(BACKBONES))  # test_backbones.py and test_pretrained.py test others


def seeded(spec, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return spec.build()


@pytest.mark.parametrize("name", OWN)
def test_a_built_module_standardizes_and_computes(name):
    module = seeded(NetworkSpec(name, 3, 9, 8, 4, {"channels": (5, 6)}))
    assert [child for child, _ in module.named_children()] == ["standardize", "network"]
    assert type(module.standardize) is Standardize
    assert type(module.network) is NETWORKS[name]
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}
    weights = [m.weight for m in module.modules() if isinstance(m, nn.Conv2d)]
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights)
    images = torch.randint(0, 256, (2, 3, 9, 8), dtype=torch.uint8)
    with torch.no_grad():
        before = module.eval()(images)
        assert_allclose(before, module.network(images.float()), rtol=1e-6)
        module.standardize.set_statistics([1.0, 2.0, 3.0], [2.0, 4.0, 8.0])
        scaled = (images - torch.tensor([1.0, 2.0, 3.0]).reshape(3, 1, 1)) / torch.tensor(
            [2.0, 4.0, 8.0]
        ).reshape(3, 1, 1)
        assert_allclose(module(images), module.network(scaled), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", OWN)
def test_the_state_of_a_module_goes_into_one_built_anew(name):
    spec = NetworkSpec(name, 1, 8, 8, 3)
    module, images = seeded(spec), torch.rand(4, 1, 8, 8) * 100
    module.standardize.set_statistics([40.0], [30.0])
    module(images)
    other = seeded(pickle.loads(pickle.dumps(spec)), seed=1)
    other.load_state_dict(module.state_dict())
    with torch.no_grad():
        assert torch.equal(other.eval()(images), module.eval()(images))


@pytest.mark.parametrize("name", OWN)
def test_a_module_with_an_input_size_resizes_images(name):
    spec = NetworkSpec(name, 3, 9, 8, 4, {"channels": (5, 6)}, input_size=np.array([18, 16]))
    assert spec.input_size == (18, 16)
    assert {type(axis) for axis in spec.input_size} == {int}
    module = seeded(spec).eval()
    assert [child for child, _ in module.named_children()] == ["standardize", "resize", "network"]
    images = torch.randint(0, 256, (2, 3, 9, 8), dtype=torch.uint8)
    with torch.no_grad():
        enlarged = functional.interpolate(images.float(), (18, 16), mode="bilinear")
        assert_allclose(module(images), module.network(enlarged), rtol=1e-5, atol=1e-4)
        assert_allclose(prediction_function(module)(images), module(images), rtol=1e-4, atol=1e-4)


def test_options_become_plain_data():
    options = {"channels": [np.int64(3), 4], "hidden_units": np.array([5, 6]), "dropout": 0.5}
    spec = NetworkSpec("plain", np.int64(3), 8, 8, np.int32(2), options)
    assert spec.options == {"channels": (3, 4), "hidden_units": (5, 6), "dropout": 0.5}
    sizes = (spec.in_channels, spec.n_outputs, *spec.options["channels"])
    assert {type(value) for value in sizes} == {int}
    assert spec == NetworkSpec("plain", 3, 8, 8, 2, dict(spec.options))
    assert spec != NetworkSpec("plain", 3, 8, 8, 2)
    options["dropout"] = 0.25
    assert spec.options["dropout"] == 0.5


def test_a_spec_of_our_networks_pickles_without_code():
    spec = NetworkSpec("plain", 3, 8, 8, 2, {"channels": np.array([3, 4])})
    strings = [text for _, text, _ in pickletools.genops(pickle.dumps(spec)) if text]
    assert not any("numpy" in str(text) or "torch" in str(text) for text in strings)
    assert pickle.loads(pickle.dumps(spec)) == spec


def test_option_names():
    assert OWN == ["fast", "plain"]
    assert option_names("fast") == ("channels",)
    assert {option_names(name) for name in BACKBONES} == {()}
    assert {"channels", "batch_norm", "dropout", "hidden_units"} < set(option_names("plain"))
    assert option_names(lambda *sizes: nn.Identity()) == ()


# --- callables ---------------------------------------------------------------------------------


def flat(in_channels, height, width, n_outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * height * width, n_outputs).double())


def test_a_callable_is_called_with_the_sizes():
    spec = NetworkSpec(flat, 2, 3, 4, 5)
    module = spec.build()
    assert module.network[1].weight.shape == (5, 24)
    assert module.network[1].weight.dtype == torch.float32
    assert module(torch.zeros(2, 2, 3, 4, dtype=torch.uint8)).shape == (2, 5)
    assert pickle.loads(pickle.dumps(spec)) == spec


def test_a_callable_that_returns_the_same_module_again_gives_two():
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    spec = NetworkSpec(lambda *sizes: network, 1, 2, 2, 2)
    first, second = spec.build().network, spec.build().network
    assert len({id(module[1].weight) for module in (network, first, second)}) == 3


@pytest.mark.parametrize(
    ("network", "error", "message"),
    [
        (lambda *sizes: 3, TypeError, "failed: it returns int, but must return a torch.nn.Module"),
        (lambda: nn.Identity(), TypeError, "failed: .*positional argument"),
        (lambda *sizes: nn.Conv2d(7, 2, 1), ValueError, "failed: .*channels"),
        (lambda *sizes: nn.Flatten(), ValueError, r"of shape \(2, 4\) for 2 images.*\(2, 3\)"),
    ],
)  # fmt: skip
def test_callables_that_do_not_fit(network, error, message):
    call = r"network\(in_channels=1, height=2, width=2, n_outputs=3\)"
    with pytest.raises(error, match=rf"^{call} .*{message}"):
        NetworkSpec(network, 1, 2, 2, 3).build()


def test_unknown_names():
    with pytest.raises(ValueError, match=r"network 'deep' is unknown.*'fast', .*'plain', "):
        NetworkSpec("deep", 1, 2, 2, 3).build()
    for weights, kind in ((None, "network"), ("imagenet", "backbone"), ("file.pth", "backbone")):
        spec = NetworkSpec("ResNet-18", 1, 2, 2, 3, weights=weights)
        with pytest.raises(ValueError, match=f"the {kind} 'ResNet-18' is unknown: .*'resnet18'"):
            spec.build(pretrained=True)
    with pytest.raises(ValueError, match="'plain' has no weights named 'imagenet'"):
        NetworkSpec("plain", 1, 2, 2, 3, weights="imagenet").build()
    with pytest.raises(ValueError, match="weights='imagenet' needs the name of a backbone"):
        NetworkSpec(flat, 1, 2, 2, 3, weights="imagenet").build()
