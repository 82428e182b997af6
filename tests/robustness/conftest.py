"""Digits as uint8 images, and classifiers of them."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tests.robustness._classifiers import small_classifier

NAMES = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])


@pytest.fixture(scope="session")
def digits():
    """Images of shape (1797, 8, 8) with values from 0 to 240, and labels."""
    X, y = load_digits(return_X_y=True)
    return (X * 15).astype(np.uint8).reshape(-1, 8, 8), NAMES[y]


@pytest.fixture(scope="session")
def classifier(digits):
    """Classifier of these images."""
    X, y = digits
    return small_classifier().fit(X[:1000], y[:1000])


@pytest.fixture(scope="session")
def held_out(digits):
    """100 images and labels that the classifier was not fitted on."""
    X, y = digits
    return X[1000:1100], y[1000:1100]
