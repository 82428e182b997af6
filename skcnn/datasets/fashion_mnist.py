"""fetch_fashion_mnist: 70,000 small gray images of clothes."""

from __future__ import annotations

import gzip
import math
import os
from typing import Any

import numpy as np
from sklearn.utils._param_validation import validate_params

from skcnn.datasets._fetch import PARAMETERS, collection, official_file, parts_of

# The README of https://github.com/zalandoresearch/fashion-mnist links to these files, and gives
# their MD5 only. The SHA-256 are those in TensorFlow Datasets (url_checksums/fashion_mnist.txt) and
# in torchvision (prototype/datasets/_builtin/mnist.py).
BASE_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
IMAGES = {"train": "train-images-idx3-ubyte.gz", "test": "t10k-images-idx3-ubyte.gz"}
LABELS = {"train": "train-labels-idx1-ubyte.gz", "test": "t10k-labels-idx1-ubyte.gz"}
SHA256 = {
    "train-images-idx3-ubyte.gz": (
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
    ),
    "train-labels-idx1-ubyte.gz": (
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
    ),
    "t10k-images-idx3-ubyte.gz": (
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
    ),
}
TARGET_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
DESCRIPTION = """\
Fashion-MNIST

70,000 gray images of 28 x 28 pixels, each of one article of Zalando's shop, in ten classes of the
same size: 60,000 images for training and 10,000 for testing. The values are between 0, the
background, and 255.

Source: https://github.com/zalandoresearch/fashion-mnist
License: MIT, copyright Zalando SE
Paper: Han Xiao, Kashif Rasul and Roland Vollgraf, "Fashion-MNIST: a Novel Image Dataset for
Benchmarking Machine Learning Algorithms", 2017, https://arxiv.org/abs/1708.07747
"""


@validate_params(PARAMETERS, prefer_skip_nested_validation=True)
def fetch_fashion_mnist(
    *,
    data_home: str | os.PathLike[str] | None = None,
    subset: str = "train",
    download_if_missing: bool = True,
    return_X_y: bool = False,
    n_retries: int = 3,
    delay: float = 1.0,
) -> Any:
    """Load Fashion-MNIST, 28 x 28 gray images of ten kinds of clothes, and download it if needed.

    The official files (31 MB) are stored unchanged in the folder ``fashion_mnist`` of
    scikit-learn's data home: `train-images-idx3-ubyte.gz`, `train-labels-idx1-ubyte.gz`,
    `t10k-images-idx3-ubyte.gz` and `t10k-labels-idx1-ubyte.gz`. On a machine without a network
    connection, put them there. Only the files of the subset are needed.

    Every call compares the SHA-256 of the files with the official ones. A file that differs is
    downloaded again, with a warning, and replaced when the download is complete. A failed
    download leaves no files behind.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder for data sets. The default is that of `sklearn.datasets.get_data_home`: the
        environment variable ``SCIKIT_LEARN_DATA``, or else ``~/scikit_learn_data``.
    subset : {"train", "test", "all"}, default="train"
        The 60,000 training images, the 10,000 test images, or both in this order.
    download_if_missing : bool, default=True
        Whether to download missing files. If False, a missing file raises an `OSError`.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a `Bunch`.
    n_retries : int, default=3
        Number of times that a download is tried again when the server does not answer, answers
        with an error, or sends a file with another checksum.
    delay : float, default=1.0
        Number of seconds between two tries.

    Returns
    -------
    data : Bunch or tuple of (array, array)
        A dictionary-like object with the attributes

        data : uint8 array of shape (n_images, 28, 28)
            The images in the official order, with values from 0, the background, to 255.
        target : str array of shape (n_images,)
            Class name of each image.
        target_names : str array of shape (10,)
            Class names in the order of the official labels 0 to 9.
        DESCR : str
            Description and source of the images.

    Raises
    ------
    OSError
        If a file is missing or has the wrong checksum and cannot be downloaded, if
        `download_if_missing` is False, or if a file cannot be written.

    See Also
    --------
    fetch_cifar10 : Color images of animals and vehicles.
    sklearn.datasets.fetch_openml : Many more data sets, as rows of pixels.

    References
    ----------
    .. [1] Han Xiao, Kashif Rasul and Roland Vollgraf, "Fashion-MNIST: a Novel Image Dataset for
       Benchmarking Machine Learning Algorithms", 2017. https://arxiv.org/abs/1708.07747

    Examples
    --------
    >>> from skcnn.datasets import fetch_fashion_mnist
    >>> clothes = fetch_fashion_mnist()  # doctest: +SKIP
    >>> clothes.data.shape  # doctest: +SKIP
    (60000, 28, 28)
    >>> X_test, y_test = fetch_fashion_mnist(subset="test", return_X_y=True)  # doctest: +SKIP
    """

    def read(name):
        return read_idx(
            official_file(
                f"{BASE_URL}/{name}",
                SHA256[name],
                "fashion_mnist",
                data_home=data_home,
                download_if_missing=download_if_missing,
                n_retries=n_retries,
                delay=delay,
            )
        )

    parts = parts_of(subset)
    images = [read(IMAGES[part]) for part in parts]
    codes = [read(LABELS[part]) for part in parts]
    return collection(images, codes, TARGET_NAMES, DESCRIPTION, return_X_y=return_X_y)


def read_idx(path):
    """Read a compressed file in the idx format of MNIST.

    The format is two zeros, the type code, the number of axes, the length of each axis as a
    big-endian integer of four bytes, and the values.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    values : read-only uint8 array
    """
    with gzip.open(path) as file:
        content = file.read()
    n_axes = int.from_bytes(content[3:4], "big") if content[:3] == b"\0\0\x08" else 0  # uint8
    start = 4 + 4 * n_axes
    shape = [int.from_bytes(content[k : k + 4], "big") for k in range(4, start, 4)]
    if not n_axes or len(content) != start + math.prod(shape):
        raise ValueError(f"{str(path)!r} is not a file of uint8 values in the idx format")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)
