"""Activation functions by name."""

from torch import nn

ACTIVATIONS = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "leaky_relu": nn.LeakyReLU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}
MONOTONE = ("elu", "leaky_relu", "relu", "tanh")  # commute with max pooling
