"""The same network in PyTorch, skorch and skcnn, and functions that train it with each of them.

These functions return the seconds of all epochs but the first, which is a warm-up.
"""

import time
from itertools import pairwise

import numpy as np
import skorch
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from skcnn import CNNClassifier

LEARNING_RATE = 0.001


def build_module(network):
    """Build a network of plain PyTorch layers that returns logits."""
    layers, n_in = [], network.shape[2]
    for n_out in network.channels:
        padding = 1 if network.padding == "same" else 0
        layers += [nn.Conv2d(n_in, n_out, 3, padding=padding), nn.ReLU(), nn.MaxPool2d(2)]
        n_in = n_out
    layers.append(nn.Flatten())
    sizes = network.layer_sizes()
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Dropout(network.dropout)] if network.dropout else []
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    module = nn.Sequential(*layers[:-1])  # no ReLU after the last layer
    check_n_parameters(network, "PyTorch", sum(weights.numel() for weights in module.parameters()))
    return module


def check_n_parameters(network, name, n_parameters):
    """Raise an error if a network does not have the expected number of parameters."""
    expected = network.n_parameters()
    if n_parameters != expected:
        raise RuntimeError(f"{name}: {network.name}: {n_parameters} weights, not {expected}")


def channels_first(images):
    """Return images as float32 arrays from 0 to 1, channels first."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32) / np.float32(255)


def skorch_net(network, max_epochs):
    """Return a classifier as in skorch's documentation."""
    return skorch.NeuralNetClassifier(
        build_module(network),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=LEARNING_RATE,
        batch_size=network.batch_size,
        max_epochs=max_epochs,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
    )


def train_skorch(network, X, y, epochs):
    """Train with skorch, and return the seconds of all epochs but the first."""
    net = skorch_net(network, 1 + epochs).fit(X, y)
    return sum(net.history[1:, "dur"])


def train_plain(network, X, y, epochs):
    """Train with a plain PyTorch loop, and return the seconds of all epochs but the first."""
    data = TensorDataset(torch.from_numpy(X), torch.from_numpy(y))
    loader = DataLoader(data, batch_size=network.batch_size, shuffle=True)
    model = build_module(network)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    model.train()
    for epoch in range(1 + epochs):
        if epoch == 1:
            start = time.perf_counter()
        running_loss = 0.0
        n_right = 0
        for images, labels in loader:
            optimizer.zero_grad()
            outputs = model(images)
            loss = criterion(outputs, labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
            n_right += (outputs.argmax(1) == labels).sum().item()
    return time.perf_counter() - start


def classifier(network, max_epochs, precision="auto"):
    """Return a `CNNClassifier` of the same network."""
    return CNNClassifier(
        channels=network.channels,
        padding=network.padding,
        batch_norm=False,
        dropout=network.dropout,
        hidden_units=network.hidden_units,
        optimizer="adam",
        learning_rate=LEARNING_RATE,
        schedule=None,
        batch_size=network.batch_size,
        max_epochs=max_epochs,
        precision=precision,
        device="cpu",
        random_state=0,
    )


def train_skcnn(network, images, y, epochs, precision):
    """Train with skcnn, and return the seconds of all epochs but the first."""
    cnn = classifier(network, 1 + epochs, precision).fit(images, y)
    check_n_parameters(
        network, "skcnn", sum(weights.numel() for weights in cnn.module_.parameters())
    )
    return sum(epoch["seconds"] for epoch in cnn.history_[1:])
