"""Search for the most similar images of a collection, flipped ones included."""

from __future__ import annotations

from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from sklearn.utils import gen_batches

from skcnn.preprocessing._blas import one_blas_thread
from skcnn.quality._duplicate_vectors import GROUP
from skcnn.threads import count_threads

_BATCH = 4096
_QUERIES, _COLUMNS = 256, 2048  # of a block of similarities: 2 MB, which stay in the cache
_CELL = 8192  # images of a cell, on average
_PROBES = 4  # cells that are searched for each image
_SAMPLE = 50  # images per cell from which the cells are learned
_GROUPS = [slice(start, start + GROUP) for start in range(0, 4 * GROUP, GROUP)]


def nearest_pairs(
    queries: NDArray[np.float32],
    database: NDArray[np.float32] | None,
    n_neighbors: int,
    least: float,
    n_jobs: Any = "auto",
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.int8]]:
    """Return the pairs of a query and one of the most similar images of a database.

    A database of more than about 16,000 images is cut into cells of similar images, of which the
    four nearest ones are searched for each query. A smaller one is searched completely.

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
    database = queries if same else database
    tasks = _cells(queries, database)
    with one_blas_thread():
        parts = Parallel(n_jobs=count_threads(n_jobs), require="sharedmem")(
            delayed(_search)(queries, asking[part], database, cell, n_neighbors, least, same)
            for asking, cell in tasks
            for part in gen_batches(len(asking), _QUERIES)
        )
    rows, columns, values = (np.concatenate(part) for part in zip(*parts, strict=True))
    rows, columns, _ = _largest(rows, columns, values, n_neighbors)
    if same:
        pairs = np.unique(np.sort(np.stack([rows, columns], axis=1), axis=1), axis=0)
        rows, columns = pairs[:, 0], pairs[:, 1]
    flips = [
        _flips(queries[rows[part]], database[columns[part]])
        for part in gen_batches(len(rows), _BATCH)
    ]
    return rows, columns, np.concatenate([np.zeros(0, np.int8), *flips])


def _cells(queries, database):
    """Return the pairs of the rows of the queries that search a cell, and the rows of the cell."""
    n_cells = len(database) // _CELL
    if n_cells < 2:
        return [(np.arange(len(queries)), np.arange(len(database)))]
    sample = database[:: max(1, len(database) // (n_cells * _SAMPLE))]
    # Absolute values are the same for all flips.
    cells = MiniBatchKMeans(n_cells, n_init=1, random_state=0).fit(np.abs(sample))
    probes = min(_PROBES, n_cells)
    nearest = [
        np.argpartition(cells.transform(np.abs(queries[part])), probes - 1)[:, :probes]
        for part in gen_batches(len(queries), _BATCH)
    ]
    nearest = np.concatenate(nearest)
    own = np.concatenate(
        [cells.predict(np.abs(database[part])) for part in gen_batches(len(database), _BATCH)]
    )
    return [
        (np.flatnonzero((nearest == cell).any(axis=1)), np.flatnonzero(own == cell))
        for cell in range(n_cells)
    ]


def _search(queries, asking, database, cell, n_neighbors, least, same):
    """Return the most similar images of a cell for some of the queries: rows, columns, values."""
    found = np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0, np.float32)
    limits = np.full(len(asking), least, np.float32)
    vectors = queries[asking]
    for part in gen_batches(len(cell), _COLUMNS):
        similarities = _similarities(vectors, database[cell[part]])
        hits = np.flatnonzero(similarities > limits[:, np.newaxis])
        rows, columns = np.divmod(hits, similarities.shape[1])
        new = rows, cell[part][columns], similarities.ravel()[hits]
        if same:
            others = asking[rows] != new[1]
            new = tuple(one[others] for one in new)
        if not len(new[0]):
            continue
        found = _largest(*map(np.concatenate, zip(found, new, strict=True)), n_neighbors)
        is_full = np.bincount(found[0], minlength=len(asking)) == n_neighbors
        last = np.append(found[0][1:] != found[0][:-1], True)  # the smallest value of each row
        smallest = np.full(len(asking), least, np.float32)
        smallest[found[0][last]] = found[2][last]
        limits = np.where(is_full, smallest, limits)
    return asking[found[0]], found[1], found[2]


def _largest(rows, columns, values, n_largest):
    """Return the largest values of each row, sorted by row and value, with rows and columns."""
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
