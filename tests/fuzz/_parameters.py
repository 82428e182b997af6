"""Parameters of the public classes: small valid values, and values of every wrong kind."""

import pathlib
from decimal import Decimal
from fractions import Fraction

import numpy as np
import torch
from _callables import CALLBACKS, FUNCTIONS, NETWORKS, Pooled

from skcnn import (
    CNNClassifier,
    CNNRegressor,
    ColorHistogramExtractor,
    ConvAutoencoder,
    HOGExtractor,
    ImageAugmenter,
    ImageEmbedder,
    ImageFlattener,
    ImageNormalizer,
    ImageReader,
    ImageResizer,
    TransferClassifier,
    TransferRegressor,
)
from skcnn.robustness.corruptions import KINDS

JUNK = [
    None, "", "no", "auto", b"same", -1, 0, 1, 2, 3.5, 0.5, 1e-300, 5e-324, 1e39, 1e308,
    float("nan"), float("inf"), -float("inf"), -0.0, 2**31, 2**63, -(2**63), 2**64, 10**400,
    -(10**400), True, False, np.bool_(True), np.float32(0.5), np.int8(1), np.uint64(2**63),
    np.float64("nan"), np.float16(0.5), np.str_("max"), np.array(1), np.array([1, 2]),
    np.array([]), np.array(["a"], object), 1 + 2j, Fraction(1, 2), Decimal("0.5"), [], (), {},
    set(), [1, 2, 3], (0, 0), (2, -1), (3, 3), [4, 4], (2**40, 2**40), (10**400, 1), (1.5, 2),
    ("a", "b"), (None, None), (True, True), (np.int64(4), np.int64(4)), (np.float64("nan"), 1),
    [[1, 2], [3, 4]], {"a": 1}, {0: 1.0, 1: 2.0}, object(), int, len, print, slice(None),
    range(3), bytearray(b"a"), pathlib.Path("a"), torch.tensor(1.0), torch.device("cpu"),
    np.datetime64("2020-01-01"), np.random.RandomState(0), "\ud800",
    "cuda", "meta", "hpu", "cpu:7", "x" * 1000, frozenset({1}), NotImplemented,
    Ellipsis, torch.nn.Linear(2, 2), torch.float32, np.dtype("u1"),
]  # fmt: skip

# Values that are valid and ask for more time or memory than there is are not tried.
HUGE_REQUESTS = {
    "max_epochs": 10,
    "patience": 10**9,
    "channels": 512,
    "n_components": 512,
    "hidden_units": 512,
    "size": 512,
    "input_size": 64,
    "head_epochs": 10,
    "n_bins": 20,
    "orientations": 99,
    "n_jobs": 8,
    "n_retries": 0,
    "delay": 1,
}

TRAINING = {
    "optimizer": ["auto", "adam", "adamw", "sgd", "rmsprop", "muon"],
    "learning_rate": ["auto", 1e-3, 0.1, 1, 1e8, 1e30, 1e-300, np.float32(0.01)],
    "schedule": [None, "auto", "one_cycle", "cosine", "linear"],
    "weight_decay": ["auto", 0, 0.1, 1, 1e3, 1e30, 1e300],
    "batch_size": ["auto", 2, 4, 5, 64, np.int64(4)],
    "max_epochs": [1, 2, np.int16(1)],
    "mixup": [0, 0.2, 1, 1e-300, 1e300],
    "cutmix": [0, 0.2, 1, 1e-300, 1e300],
    "progressive_resizing": [1.0, 0.5, 1e-9, 1],
    "lookahead": [True, False],
    "test_time_augmentation": [None, "flip", "flip_shift"],
    "early_stopping": [True, False],
    "validation_fraction": [0.1, 0.3, 0.5, 0.999, 1e-300],
    "patience": [1, 2],
    "warm_start": [True, False],
    "callbacks": CALLBACKS,
    "device": ["auto", "cpu", torch.device("cpu"), "cuda", "meta"],
    "precision": ["auto", "float32", "bfloat16"],
    "random_state": [0, 1, 2**32 - 1, np.int64(3), None, np.random.RandomState(0)],
    "verbose": [0, 1, False],
    "image_shape": [None, (8, 8), (8, 8, 1), [8, 8], (9, 8, 3)],
}
NETWORK = {
    "network": ["plain", "fast", *NETWORKS],
    "channels": [(2,), (2, 3), [2], (), (np.int64(2),)],
    "kernel_size": [1, 2, 3, 5, 20],
    "stride": [1, 2, 3, 50],
    "padding": ["same", "valid"],
    "pooling": ["max", "avg", None],
    "pool_size": [1, 2, 3, 50],
    "activation": ["elu", "gelu", "leaky_relu", "relu", "silu", "tanh"],
    "batch_norm": [True, False],
    "dropout": [0, 0.5, (0.1, 0.2), (), 0.999999, (0.1,)],
    "hidden_units": [(), (4,), [3, 2]],
}
LITE = "efficientnet_lite0"
PRETRAINED = {
    "backbone": [LITE, *NETWORKS],
    "weights": ["imagenet", None, "no such file.pth", pathlib.Path("no such file.safetensors")],
    "input_size": [None, 8, (8, 9), [16, 8], np.int64(8), (1, 1)],
}
FINE_TUNING = {
    "fine_tune": [False, True, 0, 1, 2, np.int64(1), np.bool_(True), 99],
    "head_epochs": [0, 1, 2],
    "stage_decay": [0.7, 1, 1.0, 1e-300],
}
CLASS_WEIGHTS = [
    None, "balanced", {0: 1, 1: 2, 2: 3}, {"cat": 1, "dog": 0}, {0: 0.0, 1: 1.0}, {0: -1},
    {0: float("nan")}, {0: 1e308, 1: 1e308}, {"no": 1}, {}, {0: "a"}, {None: 1}, {0: 10**400},
]  # fmt: skip
CLASSES = {
    "loss": ["cross_entropy", "focal"],
    "focal_gamma": [0, 0.5, 2.0, 1e-300, 10],
    "label_smoothing": [0, 0.1, 0.999],
    "class_weight": CLASS_WEIGHTS,
    "sampling": [None, "balanced"],
    "logit_adjustment": [0, 0.5, 1, 1e-300],
}
NUMBER_LOSSES = {"loss": ["squared_error", "absolute_error", "huber"]}
MIXING = ("mixup", "cutmix", "progressive_resizing", "test_time_augmentation")
FRACTION = [0, 0.1, 0.5, 1, 1.0, 1e-300]
N_JOBS = ["auto", None, 1, 2, -1]
SHAPE = [None, (8, 8), (8, 8, 1), (4, 16)]
TABLES = {
    CNNClassifier: {**TRAINING, **NETWORK, **CLASSES},
    CNNRegressor: {**TRAINING, **NETWORK, **NUMBER_LOSSES},
    TransferClassifier: {**TRAINING, **PRETRAINED, **FINE_TUNING, **CLASSES},
    TransferRegressor: {**TRAINING, **PRETRAINED, **FINE_TUNING, **NUMBER_LOSSES},
    ConvAutoencoder: {
        **{name: values for name, values in TRAINING.items() if name not in MIXING},
        **NUMBER_LOSSES,
        "n_components": [None, 1, 3, np.int64(4)],
        "channels": [(2,), (2, 3), [2], (np.int64(2),)],
        "denoise": [0, 0.0, 0.1, 1, np.float32(0.5), 1e-300],
    },
    ImageEmbedder: {
        **PRETRAINED,
        "image_shape": [None, (8, 8), (8, 8, 1), (9, 8, 3)],
        "batch_size": ["auto", 1, 2, 5, np.int64(4)],
        "device": TRAINING["device"],
        "precision": TRAINING["precision"],
        "memory": [None, "cache", pathlib.Path("cache")],
        "memmap_folder": [None, "memmaps", pathlib.Path("memmaps")],
    },
    ImageReader: {
        "mode": ["RGB", "L", "I;16"],
        "root": [None, ".", "reader", pathlib.Path("reader")],
        "max_pixels": [None, 1, 64, 10**6],
        "n_jobs": N_JOBS,
    },
    ImageResizer: {
        "size": [(4, 4), (8, 8), [5, 7], (1, 1), (16, 1), (np.int64(3), 4)],
        "aspect": ["stretch", "pad", "crop"],
        "lazy": [True, False],
        "cache_size": [0, 1e-9, 1, 1e300, float("inf"), 1000],
        "n_jobs": N_JOBS,
        "image_shape": SHAPE,
    },
    ImageNormalizer: {"method": ["standardize", "unit"], "image_shape": SHAPE},
    ImageAugmenter: {
        "horizontal_flip": [True, False],
        "vertical_flip": [True, False],
        "rotation": [0, 10, 180, 1e-300],
        "shift": [0, 0.1, 2, 1.0, 100, 10**9, 1e-300],
        "zoom": [0, 0.2, 0.999, 1e-300],
        "brightness": FRACTION,
        "contrast": FRACTION,
        "noise": FRACTION,
        "erase": FRACTION,
        "corruption": [None, "fog", KINDS, ["shot_noise", "elastic_transform"]],
        "function": [None, *FUNCTIONS],
        "image_shape": SHAPE,
        "random_state": [0, 2**32 - 1, None],
    },
    ImageFlattener: {"image_shape": SHAPE},
    HOGExtractor: {
        "orientations": [1, 4, 9],
        "pixels_per_cell": [(2, 2), (4, 4), (1, 1), (100, 100), [3, 2]],
        "cells_per_block": [(1, 1), (2, 2), (100, 1)],
        "block_norm": ["L1", "L1-sqrt", "L2", "L2-Hys"],
        "transform_sqrt": [True, False],
        "n_jobs": N_JOBS,
        "image_shape": SHAPE,
    },
    ColorHistogramExtractor: {
        "n_bins": [1, 2, 8, (2, 3, 4), [4], (2, 2)],
        "color_space": ["hsv", "lab", "rgb"],
        "joint": [True, False],
        "n_jobs": N_JOBS,
        "image_shape": SHAPE,
    },
}
# Small and quick, whatever else is drawn.
QUICK = {"channels": (2,), "hidden_units": (4,), "max_epochs": 1, "random_state": 0, "dropout": 0.0}
QUICK_TRANSFER = {"backbone": Pooled, "max_epochs": 1, "head_epochs": 1, "random_state": 0}
REQUIRED = {
    ImageResizer: {"size": (4, 4)},
    CNNClassifier: QUICK,
    CNNRegressor: QUICK,
    ConvAutoencoder: {"n_components": 3, "channels": (2,), "max_epochs": 1, "random_state": 0},
    TransferClassifier: QUICK_TRANSFER,
    TransferRegressor: QUICK_TRANSFER,
    ImageEmbedder: {"backbone": Pooled},
}


def draw(rng, items):
    """Draw one item of a sequence."""
    return items[rng.integers(len(items))]


def draw_parameters(rng, kind, *, junk=0.3):
    """Draw parameters of a class: some from its table, at times one of a wrong kind."""
    table = TABLES[kind]
    parameters = dict(REQUIRED.get(kind, {}))
    if "backbone" in table and rng.random() < 0.3:
        parameters.update(backbone=LITE, input_size=draw(rng, [None, 32]))
    if "network" in table and rng.random() < 0.2:  # what only networks for any size can do
        parameters["network"] = draw(rng, ["fast", Pooled])
        parameters["progressive_resizing"] = draw(rng, [1.0, 0.5, 0.7])
    names = list(table)
    for name in rng.choice(names, rng.integers(0, min(5, len(names)) + 1), replace=False):
        parameters[str(name)] = draw(rng, table[name])
    if parameters.get("network") == "fast":
        parameters["channels"] = (2,)
    if rng.random() < junk:
        parameters.update(draw_junk(rng, kind))
    return parameters


def draw_junk(rng, kind):
    """Draw one parameter of any kind."""
    name = str(draw(rng, list(TABLES[kind])))
    while not is_small(name, value := draw(rng, JUNK)):
        pass
    return {name: value}


def is_small(name, value):
    """Return whether a value does not ask for more time or memory than there is."""
    limit = HUGE_REQUESTS.get(name)
    if limit is None:
        return True
    values = value if isinstance(value, (list, tuple)) else [value]
    if isinstance(value, str) and value == "auto":
        return name != "channels"
    return all(not isinstance(v, (int, float, np.number)) or abs(v) <= limit for v in values)
