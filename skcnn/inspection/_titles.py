"""The lines of text about a prediction."""

from __future__ import annotations

from math import floor, log10
from typing import Any

import numpy as np


def percent(fraction: float, n_decimals: int = 0) -> str:
    """Return a fraction as text in percent, with the decimals that tell it from 100 percent.

    Parameters
    ----------
    fraction : float
        From 0 to 1.
    n_decimals : int, default=0
        Number of decimals of fractions that are not close to 1.

    Returns
    -------
    text : str
        Such as "87%", "99.7%", "99.96%", ">99.99%" or "100%".
    """
    texts = [f"{fraction:.{n_decimals + n}%}" for n in range(3)]
    if fraction == 1:
        return texts[0]
    at_least = f">99.{'9' * (n_decimals + 2)}%"
    return next((text for text in texts if not text.startswith("100")), at_least)


def number_format(values: Any) -> str:
    """Return the format of numbers that shows three digits of the range of the values.

    Parameters
    ----------
    values : float array of shape (n_values,)
        Numbers.

    Returns
    -------
    format : str
        Format specification.
    """
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    spread = float(np.ptp(values)) if len(values) else 0.0
    spread = spread or (float(abs(values).max()) if len(values) else 0.0) or 1.0
    n_decimals = max(0, 2 - floor(log10(spread)))
    return f".{n_decimals}f" if n_decimals <= 6 else ".3g"


def prediction_lines(
    predicted: str, probability: float | None, true: str | None, count: int | None, fit: Any
) -> list[str]:
    """Return the lines of text about a prediction.

    Parameters
    ----------
    predicted : str
        Predicted label or number.
    probability : float or None
        Probability of the predicted label.
    true : str or None
        True label or number, None for no second line.
    count : int or None
        How often the true label is confused with the predicted one.
    fit : callable
        Called as ``fit(name, template)``, returns the template with a name that fits.

    Returns
    -------
    lines : list of str
        One or two lines.
    """
    after = "" if probability is None else f" ({percent(probability)})"
    lines = [fit(predicted, "{}" + after)]
    if true is not None:
        after = "" if count is None else f" ({count}\N{MULTIPLICATION SIGN})"
        lines.append(fit(true, "true: {}" + after))
    return lines
