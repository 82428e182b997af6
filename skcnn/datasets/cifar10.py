"""fetch_cifar10: 60,000 small color images of animals and vehicles."""

from __future__ import annotations

import os
import tarfile
from typing import Any

import numpy as np
from sklearn.utils._param_validation import validate_params

from skcnn.datasets._fetch import PARAMETERS, collection, official_file, parts_of

# https://www.cs.toronto.edu/~kriz/cifar.html links to this file, the binary version, which needs no
# pickle, and gives its MD5 only. The SHA-256 is the one in TensorFlow Datasets
# (url_checksums/cifar10.txt) and in MLDatasets.jl (src/datasets/vision/cifar10.jl).
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
BATCHES = {
    "train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    "test": ("test_batch.bin",),
}
TARGET_NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
SHAPE = (3, 32, 32)  # in the file
DESCRIPTION = """\
CIFAR-10

60,000 color images of 32 x 32 pixels in ten classes of the same size, four kinds of vehicles and
six of animals: 50,000 images for training and 10,000 for testing.

Source: https://www.cs.toronto.edu/~kriz/cifar.html, which asks to cite the report
Report: Alex Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009,
https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf
"""


@validate_params(PARAMETERS, prefer_skip_nested_validation=True)
def fetch_cifar10(
    *,
    data_home: str | os.PathLike[str] | None = None,
    subset: str = "train",
    download_if_missing: bool = True,
    return_X_y: bool = False,
    n_retries: int = 3,
    delay: float = 1.0,
) -> Any:
    """Load CIFAR-10, 32 x 32 color images of animals and vehicles, and download it if needed.

    The official file, `cifar-10-binary.tar.gz` (170 MB), is stored unchanged in the folder
    ``cifar10`` of scikit-learn's data home. On a machine without a network connection, put it
    there. It is read into memory without being unpacked on disk.

    Every call compares the SHA-256 of the file with the official one. A file that differs is
    downloaded again, with a warning, and replaced when the download is complete. A failed
    download leaves no files behind.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder for data sets. The default is that of `sklearn.datasets.get_data_home`: the
        environment variable ``SCIKIT_LEARN_DATA``, or else ``~/scikit_learn_data``.
    subset : {"train", "test", "all"}, default="train"
        The 50,000 training images, the 10,000 test images, or both in this order.
    download_if_missing : bool, default=True
        Whether to download the file if it is missing. If False, a missing file raises an
        `OSError`.
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

        data : uint8 array of shape (n_images, 32, 32, 3)
            The images in the official order, with channels red, green and blue from 0 to 255.
        target : str array of shape (n_images,)
            Class name of each image.
        target_names : str array of shape (10,)
            Class names in the order of the official labels 0 to 9.
        DESCR : str
            Description and source of the images.

    Raises
    ------
    OSError
        If the file is missing or has the wrong checksum and cannot be downloaded, if
        `download_if_missing` is False, or if the file cannot be written.

    See Also
    --------
    fetch_fashion_mnist : Gray images of clothes.
    sklearn.datasets.fetch_openml : Many more data sets, as rows of pixels.

    References
    ----------
    .. [1] Alex Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
       https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf

    Examples
    --------
    >>> from skcnn.datasets import fetch_cifar10
    >>> photos = fetch_cifar10()  # doctest: +SKIP
    >>> photos.data.shape  # doctest: +SKIP
    (50000, 32, 32, 3)
    >>> X_test, y_test = fetch_cifar10(subset="test", return_X_y=True)  # doctest: +SKIP
    """
    path = official_file(
        URL,
        SHA256,
        "cifar10",
        data_home=data_home,
        download_if_missing=download_if_missing,
        n_retries=n_retries,
        delay=delay,
    )
    batches = read_batches(path, [name for part in parts_of(subset) for name in BATCHES[part]])
    images = [batch[:, 1:].reshape(-1, *SHAPE).transpose(0, 2, 3, 1).copy() for batch in batches]
    codes = [batch[:, 0] for batch in batches]
    return collection(images, codes, TARGET_NAMES, DESCRIPTION, return_X_y=return_X_y)


def read_batches(path, names):
    """Read batches from the archive in one pass, because seeking back would unpack it again.

    A batch is a sequence of records: one byte for the label, then the red, green and blue values
    of an image, row by row.

    Parameters
    ----------
    path : Path
        The archive.
    names : list of str
        Names of the files in the archive, without their folder.

    Returns
    -------
    batches : list of uint8 arrays of shape (n_images, 3073), read-only
    """
    length = 1 + int(np.prod(SHAPE))
    found = {}
    with tarfile.open(path, "r|gz") as archive:
        for member in archive:
            name = member.name.rsplit("/", 1)[-1]
            if name in names:
                content = archive.extractfile(member).read()
                if len(content) % length:
                    raise ValueError(
                        f"{name!r} in {str(path)!r} does not consist of records of {length} bytes"
                    )
                found[name] = np.frombuffer(content, np.uint8).reshape(-1, length)
            if len(found) == len(names):
                break
    if missing := [name for name in names if name not in found]:
        raise ValueError(f"{str(path)!r} has no file {missing[0]!r}")
    return [found[name] for name in names]
