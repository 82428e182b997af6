"""Exact and near duplicates among the descriptors of one or two collections."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skcnn.quality._descriptors import value_span
from skcnn.quality._duplicate_alignment import aligned_similarities
from skcnn.quality._duplicate_index import nearest_pairs
from skcnn.quality._duplicate_vectors import unit_vectors

N_NEIGHBORS = 5  # pairs of an image that are compared
_LEAST = 0.45  # similarity of vectors from which images are compared: rare for two random images

PAIR = np.dtype(
    [
        ("index", np.intp),
        ("in_test", bool),
        ("other_index", np.intp),
        ("other_in_test", bool),
        ("exact", bool),
        ("similarity", np.float64),
    ]
)


def match(
    rows: NDArray, rows_test: NDArray | None = None, *, threshold: float, n_jobs: Any = "auto"
) -> NDArray:
    """Find duplicates among descriptors.

    Parameters
    ----------
    rows : array of shape (n_images,) of dtype `DESCRIPTOR`
        Descriptors of the images, as `describe` returns them.
    rows_test : array of shape (n_test_images,) of dtype `DESCRIPTOR`, default=None
        Descriptors of the test images.
    threshold : float
        Smallest similarity of near duplicates.
    n_jobs : int, "auto" or None, default="auto"
        Number of threads.

    Returns
    -------
    pairs : array of shape (n_pairs,) of dtype `PAIR`
        Pairs, the most similar ones first: see `find_duplicates`.
    """
    sets = [rows] if rows_test is None else [rows, rows_test]
    exact, firsts = _exact_pairs(sets)
    spans = [value_span(one) for one in sets]
    vectors = unit_vectors(sets, firsts, spans)
    found = [exact]
    for one, other in [(0, 0), (1, 1), (1, 0)][: 3 if len(sets) == 2 else 1]:
        same = one == other
        if not len(firsts[one]) or not len(firsts[other]):  # all test images are copies
            continue
        queries, columns, flips = nearest_pairs(
            vectors[one], None if same else vectors[other], N_NEIGHBORS, _LEAST, n_jobs
        )
        index, other_index = firsts[one][queries], firsts[other][columns]
        similarities = aligned_similarities(
            sets[one],
            index,
            sets[other],
            other_index,
            flips,
            (spans[one], spans[other]),
            threshold,
            n_jobs,
        )
        near = similarities >= threshold
        pairs = np.zeros(np.count_nonzero(near), PAIR)
        pairs["similarity"] = similarities[near]
        # Training images first
        pairs["index"] = (index if same else other_index)[near]
        pairs["other_index"] = (other_index if same else index)[near]
        pairs["in_test"], pairs["other_in_test"] = same and one == 1, one == 1
        found.append(pairs)
    joined = np.concatenate(found)
    order = ["other_index", "index", "other_in_test", "in_test"]
    keys = [joined[name] for name in order] + [~joined["exact"], -joined["similarity"]]
    return joined[np.lexsort(keys)]


def _exact_pairs(sets):
    """Return the pairs of equal images, and the indices in each set of all others.

    Of several equal images, the first one is in a pair with each of the others.
    """
    digests = np.concatenate([one["digest"] for one in sets])
    digests = np.ascontiguousarray(digests).view(np.dtype([("", np.uint64)] * 2)).ravel()
    _, first, group = np.unique(digests, return_index=True, return_inverse=True)
    is_copy = np.ones(len(digests), bool)
    is_copy[first] = False
    copies = np.flatnonzero(is_copy)
    n_train = len(sets[0])
    pairs = np.zeros(len(copies), PAIR)
    pairs["exact"], pairs["similarity"] = True, 1
    for prefix, index in (("", first[group[copies]]), ("other_", copies)):
        in_test = index >= n_train
        pairs[f"{prefix}index"] = index - n_train * in_test
        pairs[f"{prefix}in_test"] = in_test
    kept = np.sort(first)
    return pairs, [kept[kept < n_train], kept[kept >= n_train] - n_train][: len(sets)]
