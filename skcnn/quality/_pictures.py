"""Issues of single images: blank, dark, light, blurred, and unlike most images in form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skcnn.quality._issues import Issue
from skcnn.quality._kinds import RELATIVE
from skcnn.quality._scan import Scan

_SAME_SIZE = np.log(2)  # sides that differ by less than a factor of 2 are not odd
_WHOLE_SET = 0.5  # a kind that more images have is a property of the data


def picture_issues(scans: list[Scan], limits: dict[str, float]) -> tuple[list[Issue], list[str]]:
    """Return the issues of single images.

    Parameters
    ----------
    scans : list of Scan
        Statistics of all sets.
    limits : dict of {str: float}
        Thresholds of `check_images`, by name.

    Returns
    -------
    issues : list of Issue
        Issues.
    of_most : list of str
        Sentences about the kinds that more than half of all images have, and which are not issues.
    """
    facts = np.concatenate([scan.facts for scan in scans])
    where = [(number, row) for number, scan in enumerate(scans) for row in range(len(scan.facts))]
    issues, of_most = [], []
    n_readable = np.count_nonzero(facts["readable"])
    for kind, found, values, threshold, detail in _tests(facts, limits):
        rows = np.flatnonzero(found & facts["readable"])
        if kind in RELATIVE and len(rows) > _WHOLE_SET * n_readable:
            of_most.append(
                f"{kind}: {len(rows) / n_readable:.0%} of all images, which is a property of the "
                "data, so they are not listed"
            )
            continue
        issues += [
            Issue(*where[row], kind, float(values[row]), threshold, detail(facts[row]))
            for row in rows.tolist()
        ]
    return issues, of_most


def _tests(
    facts: NDArray, limits: dict[str, float]
) -> Iterator[tuple[str, NDArray, NDArray, float, Any]]:
    """Yield kind, mask, values, threshold and description of each kind of issue."""
    constant, spread = facts["constant"], facts["spread"]
    near = ~constant & (spread < limits["near_blank"])
    has_content = ~constant & ~near
    yield "blank", constant, spread, 0.0, _color
    yield "near_blank", near, spread, limits["near_blank"], _color
    dark, light = facts["light_end"], facts["dark_end"]
    yield (
        "dark",
        ~constant & (dark < limits["dark"]),
        dark,
        limits["dark"],
        lambda one: f"95% of the pixels are at most {one['light_end']:.0%} as bright as white",
    )
    yield (
        "light",
        ~constant & (light > limits["light"]),
        light,
        limits["light"],
        lambda one: f"95% of the pixels are at least {one['dark_end']:.0%} as bright as white",
    )
    blurred = has_content & (facts["blur"] > limits["blurred"])
    yield "blurred", blurred, facts["blur"], limits["blurred"], _plain("no fine details")
    entropy = facts["entropy"]
    limit = limits["low_information"]
    if facts["readable"].any():  # drawings, among drawings, are not an issue
        limit = min(limit, float(np.median(entropy[facts["readable"]])) / 2)
    yield (
        "low_information",
        has_content & (entropy < limit),
        entropy,
        limit,
        lambda one: f"{one['entropy']:.1f} bits of entropy",
    )
    yield _odd_size(facts, limits["odd_size"])
    ratio = np.minimum(facts["height"], facts["width"]) / np.maximum(
        1, np.maximum(facts["height"], facts["width"])
    )
    limit = limits["odd_aspect_ratio"]
    yield "odd_aspect_ratio", ratio < limit, ratio, limit, _size
    yield _odd_mode(facts, has_content)


def _odd_size(facts, factor):
    """Return the test of the size, which compares with the quartiles of all sizes."""
    sides = np.sqrt(facts["height"] * facts["width"].astype(float))
    logs = np.log(np.maximum(1, sides))
    readable = logs[facts["readable"]]
    low, high = np.quantile(readable, [0.25, 0.75]) if len(readable) else (0.0, 0.0)
    margin = max(factor * (high - low), _SAME_SIZE)
    found = (logs < low - margin) | (logs > high + margin)
    usual = np.exp((low + high) / 2)

    def describe(one):
        return f"{_size(one)}, most are about {usual:.0f} x {usual:.0f}"

    return "odd_size", found, sides, float("nan"), describe


def _odd_mode(facts, has_content):
    """Return the test of the color mode, which finds the less frequent one of gray and color."""
    shown = facts["readable"] & has_content
    gray, colored = facts["gray"] & shown, ~facts["gray"] & shown
    most_are_gray = np.count_nonzero(gray) > np.count_nonzero(colored)
    found, name = (colored, "color") if most_are_gray else (gray, "gray")
    share = np.count_nonzero(found) / max(1, np.count_nonzero(shown))
    text = f"{name}, as {share:.1%} of all images"
    return "odd_mode", found, np.full(len(facts), np.nan), float("nan"), _plain(text)


def _plain(text):
    return lambda one: text


def _size(one):
    return f"{one['height']} x {one['width']} pixels"


def _color(one):
    red, green, blue = one["thumbnail"].reshape(-1, 3).mean(axis=0).round().astype(int).tolist()
    return f"color ({red}, {green}, {blue})"
