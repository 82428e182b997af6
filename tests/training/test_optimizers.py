"""Parameter groups of the optimizers: smaller learning rates in wide layers."""

import numpy as np
import pytest
from skorch.callbacks import Callback
from torch import nn

from skcnn import CNNClassifier
from skcnn.training.optimizers import parameter_groups

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 80, 80, 1), dtype=np.uint8)
LABELS = np.arange(12) % 2


def wide_module():
    return nn.Sequential(nn.Flatten(), nn.Linear(8192, 4), nn.ReLU(), nn.Linear(4, 2))


def test_wide_layers_have_a_smaller_learning_rate():
    module = wide_module()
    usual, wide = parameter_groups(module, 0.1)
    assert wide == {"params": [module[1].weight], "lr": 0.025, "lr_scale": 0.25}
    assert (usual["lr"], usual["lr_scale"]) == (0.1, 1)
    rest = [module[1].bias, module[3].weight, module[3].bias]
    assert all(a is b for a, b in zip(usual["params"], rest, strict=True))


def test_one_group_without_wide_layers():
    module = nn.Linear(2048, 2)
    (group,) = parameter_groups(module, 0.1)
    assert group == {"params": list(module.parameters()), "lr": 0.1, "lr_scale": 1.0}


@pytest.mark.filterwarnings("ignore:.*deprecated:FutureWarning")
@pytest.mark.parametrize(
    "normalization",
    [
        nn.utils.parametrizations.weight_norm,
        nn.utils.parametrizations.spectral_norm,
        nn.utils.spectral_norm,
    ],
)
def test_normalized_weights_form_one_group(normalization):
    def network(n_channels, height, width, n_outputs):
        dense = nn.Linear(n_channels * height * width, n_outputs)
        return nn.Sequential(nn.Flatten(), normalization(dense))

    model = CNNClassifier(network, max_epochs=1, warm_start=True, random_state=0)
    model.fit(IMAGES, LABELS)
    (group,) = model.net_.optimizer_.param_groups
    assert all(a is b for a, b in zip(group["params"], model.module_.parameters(), strict=True))
    with pytest.raises(RuntimeError, match="on purpose"):
        model.set_params(callbacks=[FailingCallback()]).fit(IMAGES, LABELS)
    assert model.n_epochs_ == 1
    model.set_params(callbacks=None, weight_decay=0.1).fit(IMAGES, LABELS)
    assert model.n_epochs_ == 2


class FailingCallback(Callback):
    def on_epoch_end(self, net, **kwargs):
        raise RuntimeError("on purpose")


def test_learning_rates_of_the_groups_without_a_schedule():
    model = CNNClassifier(channels=(), max_epochs=1, random_state=0).fit(IMAGES, LABELS)
    net = model.net_
    net.set_params(lr=0.5)
    net.initialize_optimizer()
    assert [group["lr"] for group in net.optimizer_.param_groups] == [0.5, 0.5 * 2048 / 6400]


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_first_step_of_a_wide_layer(optimizer):
    """Adam's first step changes each weight with a gradient by the learning rate."""
    model = CNNClassifier(
        channels=(),
        hidden_units=(3,),
        dropout=0.0,
        optimizer=optimizer,
        learning_rate=0.01,
        schedule=None,
        batch_size=12,
        random_state=0,
    )
    first = model.partial_fit(IMAGES, LABELS, classes=[0, 1]).module_.state_dict()
    before = {name: value.clone() for name, value in first.items()}
    after = model.partial_fit(IMAGES, LABELS).module_.state_dict()
    moved = {name: (after[name] - before[name]).abs().max().item() for name in after}
    step = 0.01 * (0.04 if optimizer == "muon" else 1.0)
    assert moved["network.dense.0.weight"] == pytest.approx(step * 2048 / 6400, rel=0.2)
    assert moved["network.output.weight"] == pytest.approx(step, rel=0.2)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_network_with_a_wide_dense_layer_learns(optimizer):
    """With one learning rate for all layers, the outputs of such a layer explode."""
    images = RNG.integers(0, 128, (12, 160, 160, 1), dtype=np.uint8)
    bright = images + 100 * LABELS.astype(np.uint8)[:, None, None, None]
    shape = {"channels": (16,), "max_epochs": 8, "batch_size": 4}
    model = CNNClassifier(**shape, optimizer=optimizer, random_state=0)
    model.fit(bright, LABELS)
    assert max(epoch["train_loss"] for epoch in model.history_) < 1
    assert model.score(bright, LABELS) == 1


def test_warm_start_keeps_the_groups():
    model = CNNClassifier(channels=(), max_epochs=1, warm_start=True, random_state=0)
    model.fit(IMAGES, LABELS).fit(IMAGES, LABELS)
    assert [group["lr_scale"] for group in model.net_.optimizer_.param_groups] == [1, 2048 / 6400]
