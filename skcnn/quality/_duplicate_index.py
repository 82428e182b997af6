"""Search for the most similar images of a collection, flipped ones included."""

from __future__ import annotations

from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from skcnn.preprocessing._blas import one_blas_thread
from skcnn.quality._descriptors import batches
from skcnn.quality._duplicate_vectors import GROUP
from skcnn.threads import count_threads

_BATCH = 4096
_QUERIES, _COLUMNS = 256, 512  # of a block of similarities, which stays in the cache
_CELL = 16_384  # images of a cell, on average
_PROBES = 8  # cells that are searched for each image
_SAMPLE = 50  # images per cell from which the cells are learned
_NOTHING = np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0, np.float32)
_GROUPS = [slice(start, start + GROUP) for start in range(0, 4 * GROUP, GROUP)]


def nearest_pairs(
    queries: NDArray[np.float32],
    database: NDArray[np.float32] | None,
    n_neighbors: int,
    least: float,
    n_jobs: Any = "auto",
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.int8]]:
    """Return the pairs of a query and one of the most similar images of a database.

    A database of more than 260,000 images is cut into cells of similar images, of which the eight
    nearest ones are searched for each query. A smaller one is searched completely.

    Parameters
    ----------
    queries : float32 array of shape (n_queries, n_columns)
        Vectors.
    database : float32 array of shape (n_images, n_columns) or None
        Vectors. None searches among the queries, each of which is not similar to itself.
    n_neighbors : int
        Largest number of pairs of a query.
    least : float
        Smallest similarity of a pair.
    n_jobs : int, "auto" or None
        Number of threads.

    Returns
    -------
    rows : int array of shape (n_pairs,)
        Queries.
    columns : int array of shape (n_pairs,)
        Images of the database. Without one, each pair occurs once and `rows` is smaller.
    flips : int8 array of shape (n_pairs,)
        Flip that makes the two most similar: 0 for none, 1 for left to right, 2 for top to bottom,
        3 for both.
    """
    same = database is None
    images = queries if database is None else database
    with one_blas_thread():
        parts = Parallel(n_jobs=count_threads(n_jobs), require="sharedmem")(
            delayed(_search)(queries, asking[part], images, cell, n_neighbors, least, same)
            for asking, cell in _cells(queries, images)
            for part in batches(len(asking), _QUERIES)
        )
    rows, columns, _ = _largest([_NOTHING, *parts], n_neighbors)
    if same:
        pairs = np.unique(np.sort(np.stack([rows, columns], axis=1), axis=1), axis=0)
        rows, columns = pairs[:, 0], pairs[:, 1]
    flips = [
        _flips(queries[rows[part]], images[columns[part]]) for part in batches(len(rows), _BATCH)
    ]
    return rows, columns, np.concatenate([np.zeros(0, np.int8), *flips])


def _cells(queries, images):
    """Return for each cell the rows of the queries that search it, and the rows of its images."""
    from sklearn.cluster import MiniBatchKMeans  # takes long to import

    n_cells = len(images) // _CELL
    if n_cells < 2 * _PROBES:
        return [(np.arange(len(queries)), np.arange(len(images)))]
    queries, images = queries[:, _GROUPS[0]], images[:, _GROUPS[0]]  # the same for all flips
    sample = images[:: len(images) // (n_cells * _SAMPLE)]
    model = MiniBatchKMeans(n_cells, n_init=1, random_state=0).fit(sample)
    searched = [
        np.argpartition(model.transform(queries[part]), _PROBES - 1)[:, :_PROBES]
        for part in batches(len(queries), _BATCH)
    ]
    searched, own = np.concatenate(searched), model.predict(images)
    return [
        (np.flatnonzero((searched == cell).any(axis=1)), np.flatnonzero(own == cell))
        for cell in range(n_cells)
    ]


def _search(queries, asking, images, cell, n_neighbors, least, same):
    """Return the most similar images of a cell for some of the queries: rows, columns, values."""
    limits = np.full(len(asking), least, np.float32)
    found, waiting = _NOTHING, []
    vectors = queries[asking]
    for part in batches(len(cell), _COLUMNS):
        similarities = _similarities(vectors, images[cell[part]])
        hits = np.flatnonzero(similarities > limits[:, np.newaxis])
        rows, columns = np.divmod(hits, similarities.shape[1])
        columns, values = cell[part][columns], similarities.ravel()[hits]
        if same:
            others = asking[rows] != columns
            rows, columns, values = rows[others], columns[others], values[others]
        waiting.append((rows, columns, values))
        if sum(len(rows) for rows, _, _ in waiting) > len(asking) * n_neighbors:
            found, waiting = _largest([found, *waiting], n_neighbors), []
            rows, _, values = found
            # A row that is full ends `n_neighbors - 1` places after its start.
            full = rows[n_neighbors - 1 :] == rows[: len(rows) - n_neighbors + 1]
            limits[rows[n_neighbors - 1 :][full]] = values[n_neighbors - 1 :][full]
    rows, columns, values = _largest([found, *waiting], n_neighbors)
    return asking[rows], columns, values


def _largest(parts, n_largest):
    """Return the largest values of each row, sorted by row and value, with rows and columns."""
    rows, columns, values = map(np.concatenate, zip(*parts, strict=True))
    order = np.lexsort((columns, -values, rows))
    starts = np.flatnonzero(np.append(True, np.diff(rows[order]) != 0)[: len(rows)])
    rank = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))
    order = order[rank < n_largest]
    return rows[order], columns[order], values[order]


def _similarities(first, second):
    """Return the similarities of all pairs of rows, each the largest of the four flips."""
    even, odd_x, odd_y, odd_both = (first[:, part] @ second[:, part].T for part in _GROUPS)
    either = np.abs(odd_x + odd_y)
    either += odd_both
    odd_x -= odd_y
    np.abs(odd_x, out=odd_x)
    odd_x -= odd_both
    even += np.maximum(either, odd_x, out=either)
    return even


def _flips(first, second):
    """Return the flips with the largest similarity of each pair of rows."""
    odd_x, odd_y, odd_both = (
        np.einsum("ij,ij->i", first[:, part], second[:, part]) for part in _GROUPS[1:]
    )
    similarities = [
        odd_x + odd_y + odd_both,
        -odd_x + odd_y - odd_both,
        odd_x - odd_y - odd_both,
        -odd_x - odd_y + odd_both,
    ]
    return np.argmax(similarities, axis=0).astype(np.int8)
