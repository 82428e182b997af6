"""Numeric parameters of transformers that are of an unusual type."""

from fractions import Fraction

import numpy as np
import pytest
from sklearn.utils._param_validation import Interval

from skcnn import (
    ColorHistogramExtractor,
    HOGExtractor,
    ImageAugmenter,
    ImageReader,
    ImageResizer,
)

X = np.arange(4 * 6 * 6).reshape(4, 6, 6)
TRANSFORMERS = [
    ColorHistogramExtractor(),
    HOGExtractor(),
    ImageAugmenter(),
    ImageReader(),
    ImageResizer((3, 3)),
]
NUMERIC = [
    pytest.param(transformer, name, id=f"{type(transformer).__name__}-{name}")
    for transformer in TRANSFORMERS
    for name, constraints in transformer._parameter_constraints.items()
    if any(isinstance(constraint, Interval) for constraint in constraints)
]


@pytest.mark.parametrize(("transformer", "name"), NUMERIC)
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (True, "must be a number, got True"),
        (np.True_, "must be a number, got"),
        (Fraction(1, 2), r"must be an int or a float, got a Fraction: use float\(1/2\)"),
    ],
)
def test_bools_and_fractions_are_refused(transformer, name, value, message):
    given = type(transformer)(**{**transformer.get_params(), name: value})
    with pytest.raises(ValueError, match=f"^{name} {message}"):
        given.fit(X)
