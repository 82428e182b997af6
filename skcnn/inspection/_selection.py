"""Which predictions a grid shows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from skcnn._validation import check_positive_int

SELECTIONS = ("random", "wrong", "least_confident", "most_confused")
N_PER_PAIR = 4  # images of each pair of classes


@dataclass(frozen=True)
class Selection:
    """Rows to show, and what they are.

    Parameters
    ----------
    rows : int array of shape (n_shown,)
        Rows, in the order in which they are shown.
    title : str
        What they are.
    counts : int array of shape (n_shown,), default=None
        How often the true class of each is confused with the predicted class. None unless they are
        selected by this number.
    """

    rows: np.ndarray
    title: str
    counts: np.ndarray | None = None


def check_selection(select: str, n_images: Any, *, has_truth: bool, is_regression: bool) -> None:
    """Raise an error if images cannot be selected like this.

    Parameters
    ----------
    select : {"random", "wrong", "least_confident", "most_confused"}
        Kind of selection.
    n_images : int
        Number of images.
    has_truth : bool
        Whether the true labels are known.
    is_regression : bool
        Whether numbers are predicted.

    Raises
    ------
    ValueError
        If it does not exist, `n_images` is not positive, or it needs classes or true labels.
    """
    if select not in SELECTIONS:
        raise ValueError(f"select={select!r} must be one of {', '.join(map(repr, SELECTIONS))}")
    check_positive_int("n_images", n_images)
    if is_regression and select not in ("random", "wrong"):
        raise ValueError(
            f'select={select!r} needs classes, but numbers are predicted: use "random", or "wrong" '
            "for the largest errors"
        )
    if select in ("wrong", "most_confused") and not has_truth:
        raise ValueError(f"select={select!r} needs the true labels, but y is None: pass y")


def random_rows(n_total: int, n_images: int, random_state: Any) -> Selection:
    """Select images at random.

    Parameters
    ----------
    n_total : int
        Number of images.
    n_images : int
        Maximum number of images to select.
    random_state : int, RandomState instance or None
        Source of randomness.

    Returns
    -------
    selection : Selection
        Random rows in random order.
    """
    rows = check_random_state(random_state).permutation(n_total)[:n_images]
    return Selection(rows, f"{_of(len(rows), n_total)} {_images(n_total)}")


def largest_errors(errors: np.ndarray, n_images: int) -> Selection:
    """Select the images with the largest errors.

    Parameters
    ----------
    errors : float array of shape (n_images,)
        Absolute errors; NaN counts as the largest one.
    n_images : int
        Maximum number of images to select.

    Returns
    -------
    selection : Selection
        Rows from the largest error on.
    """
    errors = np.where(np.isnan(errors), np.inf, errors)
    rows = np.argsort(-errors, kind="stable")[:n_images]
    return Selection(rows, f"the {len(rows)} largest errors among {_total(len(errors))}")


def least_confident(probability: np.ndarray | None, n_images: int) -> Selection:
    """Select the images whose predicted class has the lowest probability.

    Parameters
    ----------
    probability : float array of shape (n_images,) or None
        Probability of the predicted class.
    n_images : int
        Maximum number of images to select.

    Returns
    -------
    selection : Selection
        Rows from the lowest probability on.

    Raises
    ------
    ValueError
        If there are no probabilities.
    """
    if probability is None:
        raise ValueError(
            'select="least_confident" needs probabilities: use a classifier with predict_proba, or '
            "pass y_proba"
        )
    rows = np.argsort(probability, kind="stable")[:n_images]
    total = _total(len(probability))
    return Selection(rows, f"the {len(rows)} least confident predictions among {total}")


def wrong(
    is_wrong: np.ndarray, probability: np.ndarray | None, n_images: int, random_state: Any
) -> Selection:
    """Select wrong predictions.

    Parameters
    ----------
    is_wrong : bool array of shape (n_images,)
        Whether each prediction is wrong.
    probability : float array of shape (n_images,) or None
        Probability of the predicted class.
    n_images : int
        Maximum number of images to select.
    random_state : int, RandomState instance or None
        Source of randomness, which is used without probabilities.

    Returns
    -------
    selection : Selection
        Rows, the most confident prediction first, or without probabilities random ones.
    """
    found = np.flatnonzero(is_wrong)
    if probability is None:
        order = check_random_state(random_state).permutation(len(found))
    else:
        order = np.argsort(-probability[found], kind="stable")
    rows = found[order[:n_images]]
    return Selection(rows, _title_of_wrong(len(rows), len(found), len(is_wrong)))


def most_confused(
    true: np.ndarray, predicted: np.ndarray, probability: np.ndarray | None, n_images: int
) -> Selection:
    """Select wrong predictions of the classes that are confused most often.

    Parameters
    ----------
    true, predicted : int array of shape (n_images,)
        Positions of the true and of the predicted class in their order.
    probability : float array of shape (n_images,) or None
        Probability of the predicted class.
    n_images : int
        Maximum number of images to select.

    Returns
    -------
    selection : Selection
        Up to 4 rows of each pair (true class, predicted class), the most frequent pair first, then
        in the order of the true and of the predicted class. Within a pair, the most confident
        prediction is first.
    """
    found = np.flatnonzero(true != predicted)
    pairs = list(zip(true[found].tolist(), predicted[found].tolist(), strict=True))
    counts = Counter(pairs)
    rows: list[int] = []
    for pair in sorted(counts, key=lambda pair: (-counts[pair], pair)):
        if len(rows) >= n_images:
            break
        of_pair = found[[one == pair for one in pairs]]
        if probability is not None:
            of_pair = of_pair[np.argsort(-probability[of_pair], kind="stable")]
        rows += of_pair[:N_PER_PAIR].tolist()
    shown = np.array(rows[:n_images], dtype=int)
    times = np.array([counts[int(true[row]), int(predicted[row])] for row in shown], dtype=int)
    title = _title_of_wrong(len(shown), len(found), len(true))
    if len(shown):
        title += ", the most frequent confusions first"
    return Selection(shown, title, times)


def _title_of_wrong(n_shown, n_wrong, n_total):
    if not n_wrong:
        return f"no wrong predictions among {_total(n_total)}"
    noun = "wrong prediction" if n_wrong == 1 else "wrong predictions"
    return f"{_of(n_shown, n_wrong)} {noun} among {_total(n_total)}"


def _of(n_shown, n_total):
    return f"{n_shown:,} of {n_total:,}" if n_shown < n_total else f"{n_total:,}"


def _images(n_total):
    return "image" if n_total == 1 else "images"


def _total(n_total):
    return f"{n_total:,} {_images(n_total)}"
