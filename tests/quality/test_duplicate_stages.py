"""The stages of find_duplicates against simple references."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skcnn.quality import _duplicate_alignment as alignment
from skcnn.quality import _duplicate_index as index
from skcnn.quality._descriptors import DESCRIPTOR, SIDE, describe, luminance, value_span
from skcnn.quality._duplicate_vectors import GROUP, unit_vectors

# Signs of the four groups of columns for each flip.
SIGNS = np.repeat([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], GROUP, axis=1)


def random_vectors(n_vectors, seed=0):
    vectors = np.random.RandomState(seed).normal(size=(n_vectors, 4 * GROUP)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def blobs(n_images, seed=0):
    noise = np.random.RandomState(seed).normal(size=(n_images, SIDE + 8, SIDE + 8))
    kernel = np.exp(-0.5 * (np.arange(-4, 5) / 1.5) ** 2)
    for axis in (1, 2):
        noise = np.apply_along_axis(np.convolve, axis, noise, kernel, mode="valid")
    return noise


def naive_pairs(queries, database, n_neighbors, least, *, same):
    """Return the pairs of `nearest_pairs` and their flips, one query after the other."""
    pairs = {}
    for row, query in enumerate(queries):
        similarities = (query * SIGNS) @ database.T
        best = similarities.max(axis=0)
        if same:
            best[row] = -1
        for column in np.argsort(-best)[:n_neighbors]:
            if best[column] > least:
                pair = (min(row, column), max(row, column)) if same else (row, column)
                pairs[pair] = similarities[:, column].argmax()
    return pairs


@pytest.mark.parametrize("n_neighbors", [1, 4])
@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_nearest_pairs_are_those_of_a_search_of_all(n_neighbors, same, n_jobs):
    queries, database = random_vectors(700), random_vectors(1100, seed=1)
    found = index.nearest_pairs(queries, None if same else database, n_neighbors, 0.2, n_jobs)
    database = queries if same else database
    expected = naive_pairs(queries, database, n_neighbors, 0.2, same=same)
    assert len(found[0]) == len(expected) > 100
    pairs = zip(found[0].tolist(), found[1].tolist(), strict=True)
    assert dict(zip(pairs, found[2].tolist(), strict=True)) == expected


def test_nearest_pairs_of_nothing():
    vectors, nothing = random_vectors(3), random_vectors(0)
    for queries, database in [(nothing, vectors), (vectors, nothing), (nothing, None)]:
        assert [len(part) for part in index.nearest_pairs(queries, database, 5, 0.2)] == [0, 0, 0]


def test_cells_find_copies(monkeypatch):
    monkeypatch.setattr(index, "_CELL", 100)
    vectors = random_vectors(2000)
    copies = vectors[:200] * SIGNS[np.arange(200) % 4] + 0.2 * random_vectors(200, seed=1)
    copies /= np.linalg.norm(copies, axis=1, keepdims=True)
    assert len(index._cells(vectors, vectors)) == 20
    rows, columns, flips = index.nearest_pairs(copies.astype(np.float32), vectors, 1, 0.8, 1)
    assert_array_equal(rows, columns)
    assert_array_equal(flips, rows % 4)
    assert len(rows) >= 190


def test_flips_change_signs_of_vectors():
    images = blobs(6)
    views = [images, images[:, :, ::-1], images[:, ::-1], images[:, ::-1, ::-1]]
    rows = [describe(view) for view in views]
    vectors = unit_vectors(rows, [np.arange(6)] * 4, [value_span(rows[0])] * 4)
    for flipped, signs in zip(vectors, SIGNS, strict=True):
        assert_allclose(flipped, vectors[0] * signs, atol=1e-2)
    assert_allclose(np.linalg.norm(vectors[0], axis=1), 1, atol=0.15)


@pytest.mark.parametrize("shift", [(0, 0), (2, -3), (-4, 1)])
def test_similarity_is_that_of_the_best_scale_and_shift(shift, monkeypatch):
    monkeypatch.setattr(alignment, "_GAIN", -np.inf)  # rough scales and shifts only
    big = blobs(1, seed=3)[0]
    big = np.pad(big, 4, mode="reflect")
    y, x = 4 + shift[0], 4 + shift[1]
    pair = np.stack([big[4 : 4 + SIDE, 4 : 4 + SIDE], big[y : y + SIDE, x : x + SIDE]])
    pair[1] += 0.5 * blobs(1, seed=4)[0]
    rows = describe(pair)
    span = value_span(rows)
    found = alignment.aligned_similarities(
        rows, np.array([0]), rows, np.array([1]), np.zeros(1, np.int8), (span, span)
    )
    first, second = luminance(rows, span).astype(float)
    kinds = [(first, second), tuple(alignment._details(np.stack([first, second])))]
    middle = slice(4, SIDE - 4)
    expected = max(
        np.mean(
            [
                np.corrcoef(one[middle, middle].ravel(), two[y : y + 24, x : x + 24].ravel())[0, 1]
                for one, two in kinds
            ]
        )
        for y, x in product(range(9), repeat=2)
    )
    assert found.item() == pytest.approx(expected, abs=0.01)  # the noise of pixels is added


@pytest.mark.parametrize("flip", range(4))
def test_similarity_of_flipped_images(flip):
    images = blobs(4)
    flipped = images[:, :: -1 if flip // 2 else 1, :: -1 if flip % 2 else 1]
    rows, others = describe(images), describe(3 * flipped - 7)
    spans = value_span(rows), value_span(others)
    pairs = np.arange(4)
    right = alignment.aligned_similarities(
        rows, pairs, others, pairs, np.full(4, flip, np.int8), spans
    )
    wrong = alignment.aligned_similarities(
        rows, pairs, others, pairs, np.full(4, 3 - flip, np.int8), spans
    )
    assert right.min() > 0.99
    assert wrong.max() < 0.8


@pytest.mark.parametrize("n_channels", [1, 2, 3, 4])
def test_descriptors(n_channels):
    images = np.random.RandomState(0).randint(0, 256, (3, SIDE, SIDE, n_channels)).astype(np.uint8)
    rows = describe(images)
    assert rows.dtype == DESCRIPTOR
    weights = [0.299, 0.587, 0.114, 0][:n_channels] if n_channels > 2 else [1 / n_channels] * 2
    gray = images @ np.array(weights[:n_channels])
    gray -= gray.min(axis=(1, 2), keepdims=True)
    assert_allclose(luminance(rows, 1.0), gray, atol=0.51)
    for batch in (list(images), [image.astype(float) for image in images]):
        assert_array_equal(describe(batch), rows)
    assert_array_equal(np.concatenate([describe(images[:1]), describe(images[1:])]), rows)


def test_digests_differ_for_any_change_of_values_or_shape():
    image = np.zeros((8, 12), np.uint8)
    changed = image.copy()
    changed[7, 11] = 1
    images = [image, changed, image.T, image[:, :6], image + 0.5, image + 256.0, image - 1.0]
    digests = {tuple(row["digest"]) for row in describe(images)}
    assert len(digests) == len(images)
    same = describe([image, image[..., np.newaxis], image.astype(bool), image.astype(np.float32)])
    assert len(np.unique(same["digest"], axis=0)) == 1
