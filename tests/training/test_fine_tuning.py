"""Fine-tuning: frozen stages, and datasets that are read for features."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from torch import nn

from skcnn.lazy import LazyImages
from skcnn.networks import NetworkSpec
from skcnn.operations import Operation
from skcnn.training.fine_tuning import frozen
from skcnn.training.loader import ImageDataset, warn_of_other_scale

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("trained", [1, 2, 5, np.inf, None])
def test_frozen_stages(trained):
    module = NetworkSpec("resnet18", 3, 32, 32, 2).build()
    module.network.stages()[0].requires_grad_(False)  # the user's choice is restored
    before = [parameter.requires_grad for parameter in module.parameters()]
    stages = module.network.stages()
    with frozen(module, trained) as layers:
        n_trained = len(stages) if trained is None else int(min(trained, len(stages)))
        for number, stage in enumerate(stages):
            requires = {parameter.requires_grad for parameter in stage.parameters()}
            assert requires == {len(stages) - number <= n_trained and number > 0}
        parts = {part for layer in layers for part in layer.modules()}
        norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
        assert all((norm in parts) == (trained is not None) for norm in norms)
    assert [parameter.requires_grad for parameter in module.parameters()] == before


def test_an_exception_unfreezes():
    module = NetworkSpec("squeezenet1_1", 3, 32, 32, 2).build()
    with pytest.raises(KeyError), frozen(module, 1):
        raise KeyError
    assert all(parameter.requires_grad for parameter in module.parameters())


# --- datasets ----------------------------------------------------------------------------------


class Negate(Operation):
    random = True

    def __call__(self, batch, keys, epoch):
        return -batch

    def output(self, shape, dtype):
        return shape, dtype


def test_a_clean_dataset_has_the_same_monitor():
    images = RNG.random((4, 2, 2, 1)) + 1000
    dataset = ImageDataset(LazyImages(images, [Negate()]))
    fitted = type("Fitted", (), {"low": 1.0, "high": 1.0, "few_levels": False})()
    with pytest.warns(UserWarning, match="larger"), warn_of_other_scale(fitted, X=dataset):
        clean = dataset.clean().batch(np.arange(4))
    assert_array_equal(clean.images.numpy()[:, 0], images[..., 0].astype(np.float32))
