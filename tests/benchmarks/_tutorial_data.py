"""The data sets and the splits of the benchmark of the tutorials."""

from pathlib import Path

import numpy as np
from sklearn.cluster import AgglomerativeClustering
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from skcnn import ColorHistogramExtractor, ImageReader, ImageResizer, load_image_folder


def load_arrays(path):
    """Return the training images and classes, and the test images and classes of an .npz file."""
    with np.load(path) as file:
        return tuple(file[name] for name in ("X_train", "y_train", "X_test", "y_test"))


def load_folders(path, test):
    """Return the paths and classes in the folder `train` and in another one."""
    parts = (load_image_folder(path / part, return_X_y=True) for part in ("train", test))
    return tuple(array for part in parts for array in part)


def random_fifth(path, seed):
    """Hold a random fifth of the folder `train` out for testing."""
    paths, labels = load_image_folder(path / "train", return_X_y=True)
    held_out = train_test_split(paths, labels, test_size=0.2, stratify=labels, random_state=seed)
    X_train, X_test, y_train, y_test = held_out
    return X_train, y_train, X_test, y_test


def fifth_of_clusters(path):
    """Hold a fifth of the clusters of photos in the folder `train` out for testing."""
    paths, labels = load_image_folder(path / "train", return_X_y=True)
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    train, test = next(folds.split(paths, labels, clusters_of_photos(paths, labels)))
    return paths[train], labels[train], paths[test], labels[test]


def clusters_of_photos(paths, labels, n_bins=(12, 8, 16)):
    """Return the name of the cluster of each image.

    The files of the blood cells are named ``_NUMBER_X.jpeg``. The images of one number are not
    copies of one photo, but there are as many numbers as photos. Half as many clusters of color
    histograms keep copies together, and join photos of similar colors. Black is ignored, because it
    fills the corners of rotated copies.
    """
    images = ImageResizer((60, 80)).fit_transform(ImageReader().fit_transform(paths))
    histograms = ColorHistogramExtractor(n_bins).fit_transform(images)
    histograms = histograms.reshape(-1, *n_bins)[..., 2:]
    features = np.sqrt(histograms / histograms.sum(axis=(1, 2, 3), keepdims=True))
    found = np.empty(len(paths), dtype=object)
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels == label)
        n_photos = len({Path(path).name.rsplit("_", 1)[0] for path in paths[of_class]})
        ward = AgglomerativeClustering(max(5, n_photos // 2))
        numbers = ward.fit_predict(features[of_class].reshape(len(of_class), -1))
        found[of_class] = [f"{label} {number}" for number in numbers]
    return found
