"""The five networks of the benchmarks, their images, and the number of their operations.

The module requires only NumPy, since the interpreter that runs Keras imports it too.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod

import numpy as np


@dataclass(frozen=True)
class Network:
    """A network, the size of its images and batches, and the training goals.

    Each convolution is 3 x 3, followed by ReLU and 2 x 2 max pooling; each dense layer but the last
    is followed by ReLU. Dropout is applied before each dense layer, including the last.
    `training_goals` has the factors by which training should be faster than with other packages.
    """

    name: str
    shape: tuple[int, int, int]
    n_classes: int
    batch_size: int
    n_images: int
    channels: tuple[int, ...] = ()
    padding: str = "same"
    dropout: float = 0.0
    hidden_units: tuple[int, ...] = (128,)
    training_goals: tuple[tuple[str, float], ...] = ()

    def layer_sizes(self):
        """Return the number of inputs of the first dense layer, and the outputs of each."""
        height, width, n_channels = self.shape
        for out_channels in self.channels:
            border = 2 if self.padding == "valid" else 0
            height, width, n_channels = (height - border) // 2, (width - border) // 2, out_channels
        return (height * width * n_channels, *self.hidden_units, self.n_classes)

    def multiply_adds(self):
        """Return the multiply-adds of each layer for one image in a forward pass."""
        height, width, n_channels = self.shape
        counts = []
        for out_channels in self.channels:
            border = 2 if self.padding == "valid" else 0
            height, width = height - border, width - border
            counts.append(height * width * out_channels * 9 * n_channels)
            height, width, n_channels = height // 2, width // 2, out_channels
        return counts + [prod(pair) for pair in pairwise(self.layer_sizes())]

    def training_flop(self):
        """Return the number of operations of a training step for one image.

        Each layer has three products: outputs, gradient of the weights and gradient of the inputs.
        The gradient of the images is not needed.
        """
        counts = self.multiply_adds()
        return 2 * (3 * sum(counts) - counts[0])

    def prediction_flop(self):
        """Return the number of operations of a prediction for one image."""
        return 2 * sum(self.multiply_adds())

    def n_parameters(self):
        """Return the number of weights and biases."""
        n_kernels = sum((9 * n + 1) * m for n, m in pairwise((self.shape[2], *self.channels)))
        return n_kernels + sum((n + 1) * m for n, m in pairwise(self.layer_sizes()))

    def data(self, n_images):
        """Return random uint8 images, channels last, and labels: the same in every call."""
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (n_images, *self.shape), dtype=np.uint8)
        return images, np.arange(n_images) % self.n_classes


def convolutional_goals(factor):
    return (("skorch", factor), ("plain loop", factor), ("Keras", 2.0))


DENSE_GOALS = (("skorch", 2.0), ("Keras", 1.5))
TWO_BLOCKS = Network(
    "conv 32-32, 200x200x3",
    (200, 200, 3),
    4,
    batch_size=16,
    n_images=192,
    channels=(32, 32),
    dropout=0.5,
    training_goals=convolutional_goals(4.0),
)
NETWORKS = {
    "dense-28": Network(
        "dense 256, 28x28x1",
        (28, 28, 1),
        10,
        batch_size=32,
        n_images=12_800,
        hidden_units=(256,),
        training_goals=DENSE_GOALS,
    ),
    "dense-32": Network(
        "dense 512-512, 32x32x3",
        (32, 32, 3),
        10,
        batch_size=32,
        n_images=6_400,
        hidden_units=(512, 512),
        training_goals=DENSE_GOALS,
    ),
    "conv-150": Network(
        "conv 16-32-64, 150x150x3",
        (150, 150, 3),
        2,
        batch_size=16,
        n_images=320,
        channels=(16, 32, 64),
        padding="valid",
        training_goals=convolutional_goals(3.0),
    ),
    "conv-200": TWO_BLOCKS,
    "conv-28": replace(
        TWO_BLOCKS,
        name="conv 32-32, 28x28x1",
        shape=(28, 28, 1),
        n_classes=10,
        batch_size=128,
        n_images=5_120,
        training_goals=convolutional_goals(2.5),
    ),
}


def get_network(key, quick=False):
    """Return a network by its key; with `quick`, for a few images of a quarter of the size."""
    network = NETWORKS[key]
    if not quick:
        return network
    height, width, n_channels = network.shape
    return replace(
        network,
        name=f"{network.name}, quarter size",
        shape=(height // 4, width // 4, n_channels),
        n_images=3 * network.batch_size,
    )
