"""Small images that networks learn quickly."""

import numpy as np
import pytest
from sklearn.datasets import load_digits


@pytest.fixture(scope="session")
def digits():
    """Return 200 digits as images of shape (200, 8, 8), and their labels."""
    X, y = load_digits(return_X_y=True)
    return X[:200].reshape(-1, 8, 8).astype(np.uint8), y[:200]


@pytest.fixture(scope="session")
def bars():
    """Return 80 color images of a vertical or horizontal bar, and the orientations as labels."""
    rng = np.random.default_rng(0)
    y = np.array(["horizontal", "vertical"])[np.arange(80) % 2]
    X = rng.integers(0, 60, size=(80, 10, 12, 3)).astype(np.uint8)
    for image, label, start in zip(X, y, rng.integers(1, 8, size=80), strict=True):
        if label == "vertical":
            image[:, start : start + 2] += 150
        else:
            image[start : start + 2] += 150
    return X, y
