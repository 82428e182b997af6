"""
Photos in folders: airplanes and motorbikes
===========================================

The airplanes and motorbikes of Caltech-101 are photos of different sizes, with one folder for each
class. A tutorial resizes them to 150 x 150 pixels, augments the training photos, and trains a
network of three convolutions for 5 epochs. Here it is one pipeline from paths to class labels. It
is compared with pipelines of a decision tree, a random forest, and a linear model on gradients.
`docs/benchmarks/tutorials.rst` has the results.

Without ``--data`` it runs in about a minute on pieces of two photos that come with scikit-image,
saved as files of different sizes. For the real data set (Fei-Fei, Fergus and Perona 2004,
https://data.caltech.edu/records/mzrjq-6wc02; about a minute on two cores for each network), or any
other::

    python plot_caltech101.py --data caltech101
    python plot_caltech101.py --data FOLDER --seeds 3 --lazy 100 --output results

FOLDER has two sub-folders, ``train`` and ``validation``, each with one sub-folder for each class.
The learning curves use a tenth of the photos in ``train`` for validation. The photos in
``validation`` are used for testing only.
"""

# %%
# The photos
# ----------
#
# `folders` calls :func:`~skcnn.load_image_folder` for each part, which returns the paths and takes
# the labels from the names of the folders.

import tempfile
from pathlib import Path

import numpy as np
import skimage.data
import skimage.io
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from tutorial import (
    chosen,
    command_line,
    compare,
    confusion_matrices,
    folders,
    learning_curves,
    save,
)

from skcnn import (
    CNNClassifier,
    HOGExtractor,
    ImageAugmenter,
    ImageFlattener,
    ImageReader,
    ImageResizer,
)

arguments = command_line(
    __doc__,
    data="a folder with the sub-folders train and validation (default: pieces of two photos)",
    files=True,
)


def write_pieces(folder, n_pieces):
    """Cut pieces of different sizes out of two photos, and save them in one folder per photo."""
    rng = np.random.default_rng(0)
    for name in ("chelsea", "coffee"):
        photo = getattr(skimage.data, name)()
        for part, n in n_pieces.items():
            Path(folder, part, name).mkdir(parents=True)
            for number in range(n):
                height, width = rng.integers(60, 120, 2)
                row, column = rng.integers((photo.shape[0] - height, photo.shape[1] - width))
                piece = photo[row : row + height, column : column + width]
                skimage.io.imsave(Path(folder, part, name, f"{number}.png"), piece)


made = tempfile.TemporaryDirectory()  # removed at the end
if arguments.data is None:
    write_pieces(made.name, {"train": 60, "validation": 30})
X_train, y_train, X_test, y_test = folders(arguments.data or made.name, "train", "validation")
print(
    f"{len(X_train)} training photos and {len(X_test)} test photos: {', '.join(np.unique(y_test))}"
)

# %%
# The models
# ----------
#
# Each pipeline reads and resizes the photos, so it can be saved and deployed as it is. The networks
# take `lazy` images if the photos do not fit into memory.


def pipeline(size, *steps, **options):
    """Build a pipeline that reads and resizes photos before the given steps."""
    size = size if arguments.data else size // 4
    resize = ImageResizer((size, size), **options)
    return Pipeline([("read", ImageReader()), ("resize", resize), *steps])


lazy = {} if arguments.lazy is None else {"lazy": True, "cache_size": arguments.lazy}


baselines = {
    "decision tree": pipeline(
        64, ("flatten", ImageFlattener()), ("model", DecisionTreeClassifier())
    ),
    "random forest": pipeline(
        64, ("flatten", ImageFlattener()), ("model", RandomForestClassifier(n_jobs=-1))
    ),
    "HOG, linear": pipeline(
        128,
        ("features", HOGExtractor()),
        ("scale", StandardScaler()),
        ("model", LogisticRegression(C=0.01, tol=1e-3, max_iter=300)),
    ),
}

# %%
# The tutorial's network, and a network with blocks of two convolutions on smaller images, which is
# trained longer. Learning rates and augmentation were chosen by cross-validation on the training
# photos.

networks = {
    "tutorial's network": pipeline(
        150,
        ("augment", ImageAugmenter(rotation=5, shift=0.05)),
        (
            "network",
            CNNClassifier(
                channels=(16, 32, 64),
                padding="valid",
                hidden_units=(128,),
                dropout=0.0,
                learning_rate=0.001,
                weight_decay=0.05,
                batch_size=16,
                max_epochs=5,
            ),
        ),
        **lazy,
    ),
    "fast network": pipeline(
        64,
        ("augment", ImageAugmenter(rotation=5, shift=0.05)),
        (
            "network",
            CNNClassifier(
                network="fast",
                channels=(32, 64, 128),
                learning_rate=0.1,
                batch_size=32,
                label_smoothing=0.1,
                test_time_augmentation="flip_shift",
            ),
        ),
        **lazy,
    ),
}

# %%
# Learning curves
# ---------------
#
# A tenth of the training photos is held out for validation after every epoch.

baselines, networks = chosen(arguments.only, baselines, networks)
curves = None
if networks and not arguments.no_curves:
    curves = learning_curves(networks, X_train, y_train)

# %%
# The comparison
# --------------
#
# Every model is trained on all training photos. The seconds include reading and resizing.

table, predictions = compare(
    baselines | networks,
    X_train,
    y_train,
    X_test,
    y_test,
    seeds=arguments.seeds,
)

# %%
# Confusion matrices
# ------------------

matrices = confusion_matrices(predictions, y_test)
save(arguments.output, table, curves=curves, confusion=matrices)
made.cleanup()
