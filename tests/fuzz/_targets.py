"""Targets and weights of images: usual ones and odd ones."""

import numpy as np
import pandas as pd
import torch
from scipy import sparse

# Each function takes the number of images n and a random generator.
LABELS = {
    "int": lambda n, rng: np.arange(n) % 3,
    "list": lambda n, rng: [row % 2 for row in range(n)],
    "str": lambda n, rng: np.array(["cat", "dog", "owl"])[np.arange(n) % 3],
    "object str": lambda n, rng: np.array(["cat", "dog"], dtype=object)[np.arange(n) % 2],
    "bool": lambda n, rng: np.arange(n) % 2 == 0,
    "int8": lambda n, rng: (np.arange(n) % 2).astype(np.int8),
    "uint64": lambda n, rng: (np.arange(n) % 2).astype(np.uint64) + np.uint64(2**63),
    "negative": lambda n, rng: -(np.arange(n) % 3),
    "float": lambda n, rng: np.arange(n) % 2 * 1.0,
    "big-endian": lambda n, rng: (np.arange(n) % 3).astype(">i4"),
    "column": lambda n, rng: (np.arange(n) % 2).reshape(-1, 1),
    "Series": lambda n, rng: pd.Series(["a", "b"] * n)[:n],
    "Categorical": lambda n, rng: pd.Series(pd.Categorical((["a", "b"] * n)[:n])),
    "tensor": lambda n, rng: torch.arange(n) % 2,
    "indicators": lambda n, rng: (
        np.eye(3, dtype=int)[np.arange(n) % 3] | (rng.random((n, 3)) < 0.4)
    ),
    "one-hot": lambda n, rng: np.eye(3, dtype=int)[np.arange(n) % 3],
}
NUMBERS = {
    "float": lambda n, rng: rng.normal(size=n),
    "int": lambda n, rng: rng.integers(-9, 9, n),
    "two": lambda n, rng: rng.normal(size=(n, 2)),
    "column": lambda n, rng: rng.normal(size=(n, 1)),
    "list": lambda n, rng: rng.normal(size=n).tolist(),
    "float32": lambda n, rng: rng.normal(size=n).astype(np.float32),
    "big-endian": lambda n, rng: rng.normal(size=n).astype(">f8"),
    "Series": lambda n, rng: pd.Series(rng.normal(size=n)),
    "frame": lambda n, rng: pd.DataFrame(rng.normal(size=(n, 2))),
    "bool": lambda n, rng: np.arange(n) % 2 == 0,
}


def _one(value, kind=float):
    def change(n, rng):
        y = (np.arange(n) % 2).astype(kind)
        y[-1] = value
        return y

    return change


ODD_TARGETS = {
    "None": lambda n, rng: None,
    "NaN": _one(np.nan),
    "infinity": _one(np.inf),
    "None inside": _one(None, object),
    "NaN inside objects": _one(np.nan, object),
    "NA inside": lambda n, rng: pd.Series(["a", pd.NA] * n)[:n],
    "mixed": _one("a", object),
    "list of mixed": lambda n, rng: [*["a"] * (n - 1), 1],
    "huge": _one(1e308),
    "huge range": lambda n, rng: np.where(np.arange(n) % 2, 1.7e308, -1.7e308),
    "denormal": lambda n, rng: np.arange(n) * 1e-310,
    "tiny differences": lambda n, rng: 1e9 + np.arange(n) * 1e-7,
    "10**400": lambda n, rng: [10**400] * n,
    "2**70": _one(2**70, object),
    "continuous": lambda n, rng: rng.normal(size=n),
    "complex": lambda n, rng: np.arange(n) % 2 * 1j,
    "bytes": lambda n, rng: np.array([b"a", b"b"])[np.arange(n) % 2],
    "dates": lambda n, rng: (np.arange(n) % 2).astype("datetime64[D]"),
    "one class": lambda n, rng: np.zeros(n, int),
    "one class of text": lambda n, rng: ["a"] * n,
    "all different": lambda n, rng: np.arange(n),
    "rare class": _one(7, int),
    "too short": lambda n, rng: np.arange(n - 1) % 2,
    "too long": lambda n, rng: np.arange(n + 1) % 2,
    "empty": lambda n, rng: [],
    "scalar": lambda n, rng: 1,
    "str": lambda n, rng: "a" * n,
    "dict": lambda n, rng: {row: row % 2 for row in range(n)},
    "set": lambda n, rng: set(range(n)),
    "row": lambda n, rng: (np.arange(n) % 2).reshape(1, -1),
    "three axes": lambda n, rng: np.zeros((n, 2, 2), int),
    "no columns": lambda n, rng: np.zeros((n, 0)),
    "indicators -1, 1": lambda n, rng: np.where(rng.random((n, 3)) < 0.5, -1, 1),
    "indicators 1, 2": lambda n, rng: np.where(rng.random((n, 3)) < 0.5, 2, 1),
    "indicators 0, 5": lambda n, rng: np.where(rng.random((n, 3)) < 0.5, 0, 5),
    "indicators 0.5": lambda n, rng: np.where(rng.random((n, 3)) < 0.5, 0, 0.5),
    "indicators NaN": lambda n, rng: np.where(rng.random((n, 3)) < 0.5, np.nan, 1),
    "bool indicators": lambda n, rng: rng.random((n, 3)) < 0.5,
    "zero indicators": lambda n, rng: np.zeros((n, 3), int),
    "two columns of text": lambda n, rng: np.array([["a", "b"], ["b", "a"]] * n)[:n],
    "two columns of classes": lambda n, rng: rng.integers(0, 4, (n, 2)),
    "sparse indicators": lambda n, rng: sparse.csr_matrix(rng.random((n, 3)) < 0.5, dtype=int),
    "lists of labels": lambda n, rng: [["a"], ["a", "b"]] * (n // 2),
    "masked": lambda n, rng: np.ma.masked_array(np.arange(n) % 2, np.arange(n) == 1),
    "structured": lambda n, rng: np.zeros(n, dtype=[("a", int)]),
    "objects": lambda n, rng: [object() for _ in range(n)],
    "NaN text": lambda n, rng: ["nan", "inf"] * (n // 2),
    "long text": lambda n, rng: ["x" * 10_000, "y"] * (n // 2),
    "odd text": lambda n, rng: ["\ud800", "\0"] * (n // 2),
}

WEIGHTS = {
    "ones": lambda n, rng: np.ones(n),
    "random": lambda n, rng: rng.random(n) + 0.1,
    "some zeros": lambda n, rng: np.arange(n) % 3,
    "list": lambda n, rng: [1 + row % 2 for row in range(n)],
    "Series": lambda n, rng: pd.Series(rng.random(n) + 0.1),
    "float32": lambda n, rng: (rng.random(n) + 0.1).astype(">f4"),
    "bool": lambda n, rng: np.arange(n) % 4 > 0,
    "scalar": lambda n, rng: 2.0,
    "zeros": lambda n, rng: np.zeros(n),
    "one positive": lambda n, rng: np.arange(n) == 0,
    "negative": lambda n, rng: np.arange(n) - 1.0,
    "NaN": _one(np.nan),
    "infinity": _one(np.inf),
    "one huge": _one(1e307),
    "huge": lambda n, rng: np.full(n, 1e307),
    "largest": lambda n, rng: np.full(n, np.finfo(float).max),
    "tiny": lambda n, rng: np.full(n, 1e-300),
    "denormal": lambda n, rng: np.full(n, 5e-324),
    "one denormal": _one(5e-324),
    "wide": lambda n, rng: 10.0 ** rng.integers(-300, 300, n),
    "masked": lambda n, rng: np.ma.masked_array(np.ones(n), np.arange(n) == 0),
    "too short": lambda n, rng: np.ones(n - 1),
    "column": lambda n, rng: np.ones((n, 1)),
    "str": lambda n, rng: ["1"] * n,
    "a": lambda n, rng: "balanced",
    "None inside": _one(None, object),
    "complex": lambda n, rng: np.ones(n) * 1j,
    "10**400": lambda n, rng: [10**400] * n,
}


def draw_target(rng, n_images, usual, *, odd=0.25):
    """Draw a target: one of `usual`, or an odd one with the given probability."""
    table = ODD_TARGETS if rng.random() < odd else usual
    name = list(table)[rng.integers(len(table))]
    return name, table[name](n_images, rng)


def draw_weights(rng, n_images, *, some=0.3):
    """Draw weights, or None with the other probability."""
    if rng.random() >= some:
        return None
    name = list(WEIGHTS)[rng.integers(len(WEIGHTS))]
    return WEIGHTS[name](n_images, rng)
