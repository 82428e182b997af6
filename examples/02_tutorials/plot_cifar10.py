"""
Small photos: a dense network and a convolutional one
=====================================================

CIFAR-10 (Krizhevsky 2009) has ten classes of color photos of 32 x 32 pixels. A tutorial trains a
dense network with two layers of 512 units on it for 20 epochs. This script compares the same
layers, with better optimization, and a convolutional network with a decision tree, a random forest,
and linear models on colors and on gradients. `docs/benchmarks/tutorials.rst` has the results.

Without ``--data`` it runs in about a minute on pieces of photos that come with scikit-learn and
scikit-image; the class of a piece is its photo. For the real data set of 170 MB (about ten minutes
on two cores for the fast network)::

    python plot_cifar10.py --data download
    python plot_cifar10.py --data cifar10.npz --seeds 3 --output results

The learning curves use a tenth of the training images for validation, on which the dense network
was chosen. The convolutional network is the recipe of the user guide, which was compared with a few
others on the test images. This script uses them for testing only.
"""

# %%
# The images
# ----------
#
# An array of shape (n_images, height, width, 3), and the names of the classes.

import numpy as np
import skimage.data
from sklearn.datasets import load_sample_images
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from tutorial import (
    ARRAYS,
    arrays,
    chosen,
    command_line,
    compare,
    confusion_matrices,
    learning_curves,
    save,
)

from skcnn import (
    CNNClassifier,
    ColorHistogramExtractor,
    HOGExtractor,
    ImageAugmenter,
    ImageFlattener,
)
from skcnn.datasets import fetch_cifar10

arguments = command_line(__doc__, f"{ARRAYS} (default: pieces of photos)")


def pieces_of_photos(size=32, n_pieces=80):
    """Cut photos into small squares, and label each with the name of its photo."""
    names = (
        "astronaut",
        "chelsea",
        "coffee",
        "hubble_deep_field",
        "immunohistochemistry",
        "rocket",
    )
    photos = {name: getattr(skimage.data, name)() for name in names}
    photos |= zip(("temple", "flower"), load_sample_images().images, strict=True)
    rng = np.random.default_rng(0)
    images, labels = [], []
    for name, photo in photos.items():
        rows, columns = (np.arange(0, length - size + 1, size) for length in photo.shape[:2])
        corners = np.stack(np.meshgrid(rows, columns), axis=-1).reshape(-1, 2)
        for row, column in rng.permutation(corners)[:n_pieces]:
            images.append(photo[row : row + size, column : column + size])
            labels.append(name)
    return np.stack(images), np.array(labels)


if arguments.data is None:
    X, y = pieces_of_photos()
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.3, stratify=y, random_state=0
    )
else:
    X_train, y_train, X_test, y_test = arrays(arguments.data, fetch_cifar10)
print(f"{len(X_train)} training images and {len(X_test)} test images of shape {X_train.shape[1:]}")

# %%
# The models
# ----------
#
# The linear models take hand-crafted features: histograms of the colors, and histograms of the
# directions of the edges.

baselines = {
    "decision tree": make_pipeline(ImageFlattener(), DecisionTreeClassifier()),
    "random forest": make_pipeline(ImageFlattener(), RandomForestClassifier(n_jobs=-1)),
    "colors, linear": make_pipeline(
        ColorHistogramExtractor(),
        StandardScaler(),
        LogisticRegression(C=0.01, tol=1e-3, max_iter=300),
    ),
    "HOG, linear": make_pipeline(
        HOGExtractor(), StandardScaler(), LogisticRegression(C=0.01, tol=1e-3, max_iter=300)
    ),
}

# %%
# The dense network has the layers of the tutorial. Its optimization is better: the pixels are
# standardized, the learning rate rises and falls, the weights decay, and the images are flipped and
# shifted at random in every epoch.

real = arguments.data is not None
networks = {
    "dense network": make_pipeline(
        ImageAugmenter(horizontal_flip=True, shift=2),
        CNNClassifier(
            channels=(),
            hidden_units=(512, 512),
            dropout=0.0,
            learning_rate=0.002,
            weight_decay=0.05,
            batch_size=128 if real else 32,
            max_epochs=20,
        ),
    ),
    "fast network": make_pipeline(
        ImageAugmenter(horizontal_flip=True, shift=2),
        CNNClassifier(
            network="fast",
            channels="auto" if real else (16, 32, 64),
            max_epochs="auto" if real else 6,
            label_smoothing=0.2,
            progressive_resizing=0.6,
            test_time_augmentation="flip_shift",
        ),
    ),
}

# %%
# Learning curves
# ---------------
#
# A tenth of the training images is held out for validation after every epoch.

baselines, networks = chosen(arguments.only, baselines, networks)
curves = None
if networks and not arguments.no_curves:
    curves = learning_curves(networks, X_train, y_train)

# %%
# The comparison
# --------------
#
# Every model is trained on all training images.

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
