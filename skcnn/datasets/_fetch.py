"""Official files of data sets in scikit-learn's data home."""

from __future__ import annotations

import os
from numbers import Integral, Real
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, StrOptions

from skcnn import download

PARAMETERS = {
    "data_home": [str, os.PathLike, None],
    "subset": [StrOptions({"train", "test", "all"})],
    "download_if_missing": ["boolean"],
    "return_X_y": ["boolean"],
    "n_retries": [Interval(Integral, 0, None, closed="left")],
    "delay": [Interval(Real, 0, None, closed="left")],
}


def official_file(url, sha256, folder, *, data_home, **parameters):
    """Return the path of an official file in a folder of the data home, and download it if needed.

    Returns
    -------
    path : Path
        File with the official checksum.
    """
    from sklearn.datasets import get_data_home  # imports half of scikit-learn

    path = Path(get_data_home(data_home), folder, url.rsplit("/", 1)[-1])
    return download.official_file(url, sha256, path, **parameters)


def parts_of(subset):
    """Return the official parts of a subset, in order."""
    return ("train", "test") if subset == "all" else (subset,)


def collection(images, codes, target_names, description, *, return_X_y):
    """Concatenate the parts of a data set, and replace class numbers by class names."""
    target_names = np.array(target_names)
    data, target = np.concatenate(images), target_names[np.concatenate(codes)]
    if return_X_y:
        return data, target
    return Bunch(data=data, target=target, target_names=target_names, DESCR=description)
