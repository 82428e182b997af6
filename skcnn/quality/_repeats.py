"""Issues of repeated images: copies, leaks, conflicting labels and placeholders."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from skcnn.quality._image_set import ImageSet
from skcnn.quality._issues import NAMES, Issue

_WHOLE_SET = 0.5  # if more images are in pairs of almost equal ones, this is how the data are


def repeat_issues(
    pairs: NDArray, sets: list[ImageSet], min_copies: int, threshold: float
) -> tuple[list[Issue], list[str]]:
    """Return the issues of images that are equal or almost equal to others.

    Parameters
    ----------
    pairs : array of shape (n_pairs,) of dtype `PAIR`
        Pairs of images, as `match` returns them.
    sets : list of ImageSet
        Training set, and test set if there is one.
    min_copies : int
        Number of equal images from which they are placeholders.
    threshold : float
        Smallest similarity of almost equal images.

    Returns
    -------
    issues : list of Issue
        Issues.
    notes : list of str
        A sentence about almost equal images if most images are, which are not issues then.
    """
    issues: list[Issue] = []
    for group in _groups(pairs[pairs["exact"]]):
        issues += _of_group(group, sets, min_copies)
    known = {(one.set, one.index) for one in issues}
    near = [_images_of(pair) + (float(pair["similarity"]),) for pair in pairs[~pairs["exact"]]]
    share = len({image for pair in near for image in pair[:2]}) / sum(map(len, sets))
    if share > _WHOLE_SET:
        return issues, [
            f"near_duplicate: {share:.0%} of all images, which is a property of the data, so they "
            "are not listed: see duplicates_, or increase near_duplicate"
        ]
    # Leaks first: an image in several pairs has one issue, and a leak is worse than a copy.
    for kind in ("near_leak", "near_duplicate"):
        for first, second, similarity in near:  # the most similar ones first
            if (first[0] != second[0]) != (kind == "near_leak"):
                continue
            image, other = (first, second) if kind == "near_leak" else (second, first)
            if image not in known:
                known.add(image)
                text = f"almost equal to {_name(other, sets)}"
                issues.append(Issue(*image, kind, similarity, threshold, text))
    return issues, []


def _images_of(pair) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return set and row of both images of a pair."""
    first = int(pair["in_test"]), int(pair["index"])
    return first, (int(pair["other_in_test"]), int(pair["other_index"]))


def _groups(pairs) -> Iterator[list[tuple[int, int]]]:
    """Yield the groups of equal images. The first image of a group is in all of its pairs."""
    groups: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for pair in pairs:
        first, other = _images_of(pair)
        groups.setdefault(first, [first]).append(other)
    for group in groups.values():
        yield sorted(group)


def _of_group(group, sets, min_copies):
    """Return the issues of a group of equal images."""
    labels = [sets[one].labels[row] if sets[one].labels else None for one, row in group]
    distinct = [label for label in dict.fromkeys(labels) if label is not None]
    if len(group) >= min_copies:
        text = f"{len(group)} equal images"
        text += f" in {len(distinct)} classes" if len(distinct) > 1 else ""
        return [Issue(*image, "placeholder", len(group), min_copies, text) for image in group]
    if len(distinct) > 1:
        names = ", ".join(map(repr, distinct))
        return [
            Issue(*image, "conflicting_labels", len(distinct), 1, f"equal images, labels {names}")
            for image, label in zip(group, labels, strict=True)
            if label is not None
        ]
    of_set: tuple[list, list] = ([], [])
    for image in group:
        of_set[image[0]].append(image)
    issues = [
        Issue(*image, "exact_duplicate", 1.0, 1.0, f"equal to {_name(images[0], sets)}")
        for images in of_set
        for image in images[1:]
    ]
    if of_set[1]:
        text = f"equal to {_name(of_set[1][0], sets)}"
        issues += [Issue(*image, "leak", 1.0, 1.0, text) for image in of_set[0]]
    return issues


def _name(image, sets):
    """Return the name of an image for a description."""
    one, row = image
    paths = sets[one].paths
    return f"{NAMES[one]} image {row}" + (f" ({paths[row]})" if paths else "")


def to_original_rows(pairs: NDArray, rows: list[NDArray]) -> NDArray:
    """Return pairs of selected images as pairs of all images.

    Parameters
    ----------
    pairs : array of shape (n_pairs,) of dtype `PAIR`
        Pairs of the selected images.
    rows : list of int arrays
        Rows that were selected from each set.

    Returns
    -------
    pairs : array of shape (n_pairs,) of dtype `PAIR`
        The pairs with rows of the sets.
    """
    pairs = pairs.copy()
    train, test = [*rows, rows[0]][:2]
    for prefix in ("", "other_"):
        index, in_test = pairs[f"{prefix}index"], pairs[f"{prefix}in_test"]
        pairs[f"{prefix}index"] = np.concatenate([train, test])[index + len(train) * in_test]
    return pairs
