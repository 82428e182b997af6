"""
CIFAR-10: features, dense layers and convolutions
=================================================

CIFAR-10 has ten classes of color photos of 32 x 32 pixels. A tutorial trains a dense network with
two layers of 512 units on it. This example compares the same layers with linear models on colors
and edges, and with a convolutional network. It uses pieces of photos that come with scikit-learn
and scikit-image, so that it runs in seconds without a download. :doc:`/benchmarks/tutorials` has
the results on the real data set.
"""

# %%
# The images
# ----------
#
# The class of a piece is its photo. The training pieces are from the left half of a photo, and the
# test pieces from the right half. To run the example on CIFAR-10, a download of 170 MB, replace
# this cell, except for its imports, with::
#
#     from skcnn.datasets import fetch_cifar10
#
#     X_train, y_train = fetch_cifar10(subset="train", return_X_y=True)
#     X_test, y_test = fetch_cifar10(subset="test", return_X_y=True)

# sphinx_gallery_thumbnail_number = 2

import time

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
from sklearn.datasets import load_sample_images
from sklearn.feature_extraction.image import extract_patches_2d
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcnn import CNNClassifier, ColorHistogramExtractor, HOGExtractor, ImageAugmenter

temple, flower = load_sample_images().images
photos = {
    "astronaut": skimage.data.astronaut(),
    "cat": skimage.data.cat(),
    "coffee": skimage.data.coffee(),
    "flower": flower,
    "retina": skimage.data.retina(),
    "rocket": skimage.data.rocket(),
    "temple": temple,
    "tissue": skimage.data.immunohistochemistry(),
}


def pieces(halves, n_pieces):
    """Cut random pieces out of each photo."""
    images = [
        extract_patches_2d(half, (32, 32), max_patches=n_pieces, random_state=0) for half in halves
    ]
    return np.concatenate(images), np.repeat(list(photos), n_pieces)


X_train, y_train = pieces([photo[:, : photo.shape[1] // 2] for photo in photos.values()], 60)
X_test, y_test = pieces([photo[:, photo.shape[1] // 2 :] for photo in photos.values()], 40)

# %%
# Four training images of each class.

print(f"{len(X_train)} training images and {len(X_test)} test images of shape {X_train.shape[1:]}")
classes = np.unique(y_train)
figure, axes = plt.subplots(4, len(classes), figsize=(8, 4.4), layout="constrained")
for name, column in zip(classes, axes.T, strict=True):
    column[0].set_title(name, fontsize="medium")
    for image, axis in zip(X_train[y_train == name], column, strict=False):
        axis.imshow(image)
        axis.axis("off")
plt.show()

# %%
# The models
# ----------
#
# * linear models on histograms of the colors, and on histograms of the directions of the edges;
# * the dense layers of the tutorial, without convolutions (``channels=()``);
# * the network "fast", which has blocks of two convolutions.
#
# In every epoch, the training images of the networks are flipped and shifted at random again.

models = {
    "edges, linear": make_pipeline(HOGExtractor(), StandardScaler(), LogisticRegression(C=0.01)),
    "colors, linear": make_pipeline(
        ColorHistogramExtractor(), StandardScaler(), LogisticRegression(C=0.01)
    ),
    "dense network": make_pipeline(
        ImageAugmenter(horizontal_flip=True, shift=2, random_state=0),
        CNNClassifier(
            channels=(), hidden_units=(512, 512), dropout=0.0, max_epochs=20, random_state=0
        ),
    ),
    "fast network": make_pipeline(
        ImageAugmenter(horizontal_flip=True, shift=2, random_state=0),
        CNNClassifier(
            network="fast", channels=(16, 32, 64), max_epochs=8, label_smoothing=0.2, random_state=0
        ),
    ),
}

accuracy = {}
for name, model in models.items():
    start = time.perf_counter()
    model.fit(X_train, y_train)
    accuracy[name] = model.score(X_test, y_test)
    seconds = time.perf_counter() - start
    print(f"{name:15} test accuracy {accuracy[name]:.3f}, {seconds:.1f} s")

# %%
# The comparison
# --------------

figure, axis = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
bars = axis.barh(list(accuracy), list(accuracy.values()), color=["C7", "C7", "C0", "C0"])
axis.bar_label(bars, fmt="%.2f", padding=4, fontsize="x-large")
axis.set_xlim(0, 1.1)
axis.tick_params(axis="y", labelsize="x-large")
axis.set_xlabel("test accuracy", fontsize="x-large")
axis.invert_yaxis()
plt.show()

# %%
# The confusion matrix of the fast network
# ----------------------------------------
#
# Rows are true classes, columns are predicted ones.

figure, axis = plt.subplots(figsize=(6.4, 5.8), layout="constrained")
ConfusionMatrixDisplay.from_estimator(
    models["fast network"], X_test, y_test, xticks_rotation=45, colorbar=False, ax=axis
)
plt.show()
