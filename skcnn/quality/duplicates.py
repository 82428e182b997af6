"""find_duplicates: exact and near duplicates in a collection of images, or across two."""

from __future__ import annotations

from math import prod
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, validate_params

from skcnn._plotting import import_pandas
from skcnn._validation import IMAGE_SHAPE, N_JOBS
from skcnn.images import check_images, inspect_images
from skcnn.lazy import LazyImages
from skcnn.preprocessing import ImageReader
from skcnn.preprocessing._ragged import check_image
from skcnn.quality._descriptors import batches, describe
from skcnn.quality._duplicate_pairs import match
from skcnn.threads import read_ahead

THRESHOLD = 0.9
_READ = 1_000_000  # number of values that a thread reads at a time
_READ_FILES = 8  # images, where their sizes are not known


@validate_params(
    {
        "X": "no_validation",
        "X_test": "no_validation",
        "threshold": [Interval(Real, 0, 1, closed="right")],
        "image_shape": [IMAGE_SHAPE, None],
        "n_jobs": N_JOBS,
    },
    prefer_skip_nested_validation=True,
)
def find_duplicates(
    X: Any,
    X_test: Any = None,
    *,
    threshold: float = THRESHOLD,
    image_shape: tuple[int, ...] | None = None,
    n_jobs: int | str | None = "auto",
) -> Any:
    """Find exact and near duplicates in a collection of images, or across two.

    Near duplicates are copies that were compressed, resized, flipped, cropped or shifted by a few
    percent, or changed in color, brightness or contrast, and photos of the same scene that are
    almost the same. A test image with a duplicate among the training images makes the score on the
    test set too high.

    Parameters
    ----------
    X : images of shape (n_images, ...) or paths of shape (n_images,)
        Images in any form: array, flat rows, images of different sizes, `LazyImages`, or paths.
        Images in a list may differ in the number of channels. Each image is read once.
    X_test : images of shape (n_test_images, ...) or paths of shape (n_test_images,), default=None
        Test images. Duplicates are then found within both collections and across them.
    threshold : float, default=0.9
        Smallest similarity of near duplicates, above 0 and at most 1.
    image_shape : tuple of int, default=None
        Layout of flat rows, (height, width) or (height, width, n_channels). None takes a square
        number of features for a gray square.
    n_jobs : int, "auto" or None, default="auto"
        Number of threads. "auto" means all CPU cores, or one in a worker process of a parallel
        computation. None means 1 unless in a `joblib.parallel_config` context, and -1 means all CPU
        cores.

    Returns
    -------
    duplicates : pandas.DataFrame of shape (n_pairs, 6)
        One row for each pair, exact duplicates first, then by decreasing similarity. `index` and
        `other_index` are the positions of the two images. `set` and `other_set` are "train" for
        images of `X` and "test" for those of `X_test`; in a pair of both, the training image is the
        first one. `kind` is "exact" if all pixels have the same values, otherwise "near".
        `similarity` is 1 for exact duplicates.

    Raises
    ------
    ImportError
        If pandas is not installed.
    TypeError
        If a collection does not hold images.
    ValueError
        If a parameter is not valid, or a collection cannot be used as images.

    Notes
    -----
    Of several equal images, the first one is in a pair with each of the others, and only the first
    one is compared with images that are not equal.

    Every image is resized to 32 x 32 gray pixels. Histograms of oriented gradients [1]_, whitened
    by their covariance over the images, find up to five candidates for each image in each set, in
    any flip. The similarity of two candidates is the mean of two normalized correlations, of the
    gray pixels and of their details, where flip, shift and scale match best. In a group of more
    than six near duplicates, not every pair is found. A collection of more than 260,000 images is
    searched in parts, so that some pairs may be missed.

    The default threshold was chosen with CIFAR-10 and with changed copies of photos. On CIFAR-10,
    96 % of the test images that it pairs with a training image have a near duplicate there, as
    judged by eye. Images of similar objects before an empty background, such as clothes of
    Fashion-MNIST, are similar without being copies: use a higher threshold for them, such as 0.98.

    Images with fewer than 8 pixels along an axis, and images without structure such as a constant
    one, are only found as exact duplicates.

    References
    ----------
    .. [1] N. Dalal and B. Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR,
       2005.

    .. [2] B. Barz and J. Denzler, "Do We Train on Test Data? Purging CIFAR of Near-Duplicates",
       Journal of Imaging 6(6), 2020. https://arxiv.org/abs/1902.00423

    Examples
    --------
    >>> from sklearn.datasets import load_sample_images
    >>> from skcnn.quality import find_duplicates
    >>> china, flower = load_sample_images().images
    >>> train = [china, flower]
    >>> test = [flower[:, ::-1], china[10:-10, 10:-20], china]
    >>> duplicates = find_duplicates(train, test)
    >>> duplicates[["index", "set", "other_index", "other_set", "kind"]]
       index    set  other_index other_set   kind
    0      0  train            2      test  exact
    1      1  train            0      test   near
    2      0  train            1      test   near
    """
    import_pandas()
    sets = [
        _describe_all(one, image_shape, n_jobs) for one in [X, X_test][: 1 if X_test is None else 2]
    ]
    return pair_frame(match(*sets, threshold=threshold, n_jobs=n_jobs))


def pair_frame(pairs: NDArray) -> Any:
    """Return pairs as a frame.

    Parameters
    ----------
    pairs : array of shape (n_pairs,) of dtype `PAIR`
        Pairs, as `match` returns them.

    Returns
    -------
    frame : pandas.DataFrame of shape (n_pairs, 6)
        The pairs, see `find_duplicates`.
    """
    return import_pandas().DataFrame(
        {
            "index": pairs["index"],
            "set": np.where(pairs["in_test"], "test", "train"),
            "other_index": pairs["other_index"],
            "other_set": np.where(pairs["other_in_test"], "test", "train"),
            "kind": np.where(pairs["exact"], "exact", "near"),
            "similarity": pairs["similarity"],
        }
    )


def _describe_all(X, image_shape, n_jobs) -> NDArray:
    """Return the descriptors of images of any form, which are read part by part."""
    form, X = inspect_images(X)
    size = _READ_FILES
    if form == "paths":
        X = ImageReader(n_jobs=n_jobs).fit_transform(X)
    elif form == "ragged":
        for row, image in enumerate(X):
            check_image(row, image)
    elif None not in X.shape:
        X = check_images(_Images(image_shape), X, reset=True)
        size = max(1, _READ // prod(X.shape[1:]))
    if isinstance(X, LazyImages):
        X = X.clean()
    parts = [X[batch] for batch in batches(len(X), size)]
    return np.concatenate(list(read_ahead(_describe, parts, n_jobs)))


def _describe(part):
    return describe(part.read() if isinstance(part, LazyImages) else part)


class _Images(BaseEstimator):
    """Stand-in for an estimator, whose name `check_images` uses in its messages."""

    def __init__(self, image_shape=None):
        self.image_shape = image_shape


_Images.__name__ = "find_duplicates"
