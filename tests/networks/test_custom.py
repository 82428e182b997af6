"""Networks of the user that cannot be trained, or whose outputs cannot be used."""

import pickle

import numpy as np
import pytest
import torch
from torch import nn

from skcnn import CNNClassifier
from skcnn.networks import NetworkSpec

X = np.random.default_rng(0).integers(0, 256, size=(20, 4, 4)).astype(np.uint8)
y = np.arange(20) % 3


class Linear(nn.Module):
    """A linear network whose outputs a function changes."""

    def __init__(self, change=lambda outputs, module: outputs, n_outputs=3):
        super().__init__()
        self.layer = nn.Linear(16, n_outputs)
        self.change = change

    def forward(self, images):
        return self.change(self.layer(images.flatten(1)), self)


def frozen():
    return Linear().requires_grad_(False)


UNUSABLE = {
    "a tuple": (lambda out, m: (out, out), r"returns tuple for 2 images in eval mode"),
    "None": (lambda out, m: None, "returns NoneType for 2 images in eval mode"),
    "a dict": (lambda out, m: {"out": out}, "returns dict for 2 images in eval mode"),
    "a tuple in training": (
        lambda out, m: (out, out) if m.training else out,
        "returns tuple for 3 images in train mode, but must return a tensor of shape",
    ),
    "one dimension": (lambda out, m: out[:, 0], r"of shape \(2,\) for 2 images .* \(2, 3\)"),
    "a wrong shape in training": (
        lambda out, m: out[:, :2] if m.training else out,
        r"of shape \(3, 2\) for 3 images in train mode, .* \(3, 3\)",
    ),
    "a mean over the batch": (lambda out, m: out.mean(0), r"of shape \(3,\) for 2 images"),
    "a fixed batch size": (lambda out, m: out[:2], r"of shape \(2, 3\) for 3 images"),
    "complex numbers": (lambda out, m: out.to(torch.complex64), "dtype torch.complex64"),
    "integers": (lambda out, m: out.argsort(), "dtype torch.int64 .* must be floats"),
    "bools": (lambda out, m: out > 0, "dtype torch.bool .* must be floats"),
    "detached": (lambda out, m: out.detach(), "do not depend on its trainable parameters"),
    "detached in training": (
        lambda out, m: out.detach() if m.training else out,
        r"remove detach\(\) and torch.no_grad\(\)",
    ),
    "new parameters": (
        lambda out, m: nn.Parameter(out.detach()),
        "do not depend on its trainable parameters",
    ),
    "a sparse tensor": (lambda out, m: out.to_sparse(), r"in a sparse layout .*to_dense\(\)"),
    "an error in training": (
        lambda out, m: out.reshape(len(out), 99) if m.training else out,
        "shape .* is invalid",
    ),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_networks_with_unusable_outputs(case):
    change, message = UNUSABLE[case]
    call = r"^network\(in_channels=1, height=4, width=4, n_outputs=3\) failed: "
    with pytest.raises(ValueError, match=call + ".*" + message):
        CNNClassifier(lambda *sizes: Linear(change), max_epochs=1).fit(X, y)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (lambda *sizes: frozen(), r"its parameters are frozen \(requires_grad=False\)"),
        (lambda *sizes: nn.Sequential(nn.Flatten(), nn.AdaptiveAvgPool1d(3)), "do not exist"),
    ],
)
def test_networks_without_trainable_parameters(network, message):
    with pytest.raises(ValueError, match="cannot be trained, because .*" + message):
        CNNClassifier(network).fit(X, y)


def lazy(in_channels, height, width, n_outputs):
    return nn.Sequential(
        nn.LazyConv2d(4, 3, padding=1), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(n_outputs)
    )


def test_lazy_layers():
    cnn = CNNClassifier(lazy, max_epochs=2, random_state=0).fit(X, y)
    assert cnn.module_.network[3].weight.shape == (3, 64)
    loaded = pickle.loads(pickle.dumps(cnn))
    assert np.array_equal(loaded.predict_proba(X), cnn.predict_proba(X))


def three_axes(in_channels, height, width, n_outputs):
    return nn.Sequential(
        nn.Conv2d(in_channels, 2, 3),
        nn.Unflatten(1, (1, 2)),
        nn.Conv3d(1, 4, 2),
        nn.Flatten(),
        nn.Linear(4, n_outputs),
    )


def test_kernels_with_three_axes():
    cnn = CNNClassifier(three_axes, max_epochs=1, random_state=0).fit(X, y)
    loaded = pickle.loads(pickle.dumps(cnn))
    assert np.array_equal(loaded.predict_proba(X), cnn.predict_proba(X))


def test_checks_change_neither_random_numbers_nor_statistics():
    def network(*sizes):
        return nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten(), nn.Linear(16, 3)
        )

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network()
        expected = torch.rand(3)
        torch.manual_seed(0)
        module = NetworkSpec(network, 1, 4, 4, 3).build()
        assert torch.equal(torch.rand(3), expected)
    assert module.network[1].num_batches_tracked == 0


def test_building_in_inference_mode():
    with torch.inference_mode():
        module = NetworkSpec(lazy, 1, 4, 4, 3).build()
        assert module(torch.zeros(2, 1, 4, 4)).shape == (2, 3)


class OutOfMemory(nn.Linear):
    def forward(self, images):
        raise MemoryError


def out_of_memory(*sizes):
    raise MemoryError


@pytest.mark.parametrize("network", [out_of_memory, lambda *sizes: OutOfMemory(16, 3)])
def test_memory_errors_are_passed_on(network):
    with pytest.raises(MemoryError):
        NetworkSpec(network, 1, 4, 4, 3).build()


@pytest.mark.parametrize(
    "parameters", [{"channels": (2**31 - 1, 2**31 - 1)}, {"kernel_size": 2**31 - 1}]
)
def test_networks_that_are_too_large_for_the_memory(parameters):
    with pytest.raises(ValueError, match=r"network 'plain' .* is too large for the memory"):
        CNNClassifier(**parameters).fit(X, y)
