"""Write the fingerprints of the reference implementations of the backbones.

A fingerprint has a hash of the names and shapes of the parameters, their number, and outputs in
double precision for seeded weights and images. The script needs the packages torchvision and
efficientnet-lite-pytorch, and runs in the folder of the repository::

    python -m tests.networks.make_fingerprints
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch

from skcnn.networks import BACKBONES

PATH = Path(__file__).with_name("fingerprints.json")
SIZE = 64
N_OUTPUTS = 1000
N_STORED = 8  # outputs of each image


def seeded_state(state):
    """Draw weights with which activations neither vanish nor explode.

    Parameters
    ----------
    state : dict of {str: tensor}
        State dict, of which only names, shapes and dtypes are used.

    Returns
    -------
    state : dict of {str: tensor}
    """
    random, drawn = np.random.default_rng(0), {}
    for name, value in state.items():
        if not value.is_floating_point():
            drawn[name] = torch.zeros(value.shape, dtype=value.dtype)
            continue
        values = random.random(value.shape, dtype=np.float32) - np.float32(0.5)
        if value.ndim in (2, 4):  # a standard deviation of sqrt(2 / number of inputs)
            values *= np.float32(np.sqrt(24 / values[0].size))
        elif name.endswith(("weight", "running_var", "layer_scale")):
            values += np.float32(1)
        drawn[name] = torch.from_numpy(values)
    return drawn


def seeded_images(n_images=4, size=SIZE):
    """Draw standardized images."""
    values = np.random.default_rng(1).standard_normal((n_images, 3, size, size), np.float32)
    return torch.from_numpy(values)


def seeded_network(build):
    """Build a network with seeded weights in evaluation mode."""
    with torch.device("meta"):
        network = build()
    network.load_state_dict(seeded_state(network.state_dict()), assign=True)
    return network.eval()


def description(state):
    """Return the number of values of the parameters, and a hash of names and shapes.

    The head of SqueezeNet is a convolution in torchvision, and its kernel of one pixel counts as a
    dense layer.
    """
    learned = {name: value for name, value in state.items() if value.is_floating_point()}
    shapes = {
        name: list(value.shape[:2] if name == "classifier.1.weight" else value.shape)
        for name, value in state.items()
    }
    text = json.dumps(sorted(shapes.items()))
    is_statistic = ("running_mean", "running_var")
    return {
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "n_parameters": sum(
            value.numel() for name, value in learned.items() if not name.endswith(is_statistic)
        ),
    }


def reference(name, n_outputs=N_OUTPUTS, size=SIZE):
    """Build the reference implementation of a backbone."""
    if name.startswith("efficientnet_lite"):
        from efficientnet_lite_pytorch import EfficientNet

        options = {"num_classes": n_outputs, "image_size": size}
        return EfficientNet.from_name(name.replace("_", "-"), **options)
    from torchvision import models

    return models.get_model(name, num_classes=n_outputs)


def reference_outputs(network, images):
    """Compute the outputs of a reference, for SqueezeNet before its last activation."""
    if type(network).__name__ == "SqueezeNet":
        return network.classifier[1](network.features(images)).mean((2, 3))
    return network(images)


def main():
    fingerprints = {}
    for name in BACKBONES:
        network = seeded_network(lambda name=name: reference(name)).double()
        with torch.no_grad():
            outputs = reference_outputs(network, seeded_images().double())[:, :N_STORED]
        fingerprints[name] = {
            **description(network.state_dict()),
            "outputs": [[float(f"{value:.7g}") for value in row] for row in outputs],
        }
        print(name, fingerprints[name])
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in fingerprints.items()]
    PATH.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
