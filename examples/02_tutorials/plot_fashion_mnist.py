"""
Fashion-MNIST: a dense network and a convolutional one
======================================================

A tutorial trains a dense network of 256 units for 10 epochs on Fashion-MNIST, gray images of ten
kinds of clothes. This example compares the same layers with a convolutional network and a random
forest. It uses the handwritten digits that come with scikit-learn, at random positions, so that it
runs in seconds without a download. :doc:`/benchmarks/tutorials` has the results on the real data
set.
"""

# %%
# The images
# ----------
#
# The images are an array of shape (n_images, height, width). Its values can have any range, because
# the networks standardize their input. Each digit of 8 x 8 pixels is put at a random place of an
# empty image.
#
# To run the example on Fashion-MNIST, a download of 31 MB, replace this cell, except for its
# imports, with::
#
#     from skcnn.datasets import fetch_fashion_mnist
#
#     X_train, y_train = fetch_fashion_mnist(subset="train", return_X_y=True)
#     X_test, y_test = fetch_fashion_mnist(subset="test", return_X_y=True)

# sphinx_gallery_thumbnail_number = 2

import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skcnn import CNNClassifier, ImageFlattener
from skcnn.inspection import HistoryDisplay

digits = load_digits()
places = np.random.default_rng(0).integers(0, 5, (len(digits.images), 2))
X = np.zeros((len(digits.images), 12, 12))
for image, digit, (row, column) in zip(X, digits.images, places, strict=True):
    image[row : row + 8, column : column + 8] = digit
X_train, X_test, y_train, y_test = train_test_split(
    X, digits.target, test_size=0.5, stratify=digits.target, random_state=0
)

# %%
# The first training images.

print(f"{len(X_train)} training images and {len(X_test)} test images of shape {X_train.shape[1:]}")
figure, axes = plt.subplots(2, 5, figsize=(6.4, 3), layout="constrained")
for axis, image, label in zip(axes.flat, X_train, y_train, strict=False):
    axis.imshow(image, cmap="gray")
    axis.set_title(label)
    axis.axis("off")
plt.show()

# %%
# The models
# ----------
#
# The tutorial's network has one hidden layer: ``channels=()`` omits the convolutions. Such a
# network learns the strokes of a digit separately at each place, whereas a convolution applies the
# same small filters everywhere. The network "fast" has blocks of two convolutions.

networks = {
    "dense network": CNNClassifier(
        channels=(), hidden_units=(256,), dropout=0.0, batch_size=32, max_epochs=10, random_state=0
    ),
    "convolutional network": CNNClassifier(
        network="fast", channels=(16, 32), batch_size=32, max_epochs=10, random_state=0
    ),
}
forest = make_pipeline(ImageFlattener(), RandomForestClassifier(random_state=0)).fit(
    X_train, y_train
)
print(f"random forest: test accuracy {forest.score(X_test, y_test):.3f}")
for name, network in networks.items():
    start = time.perf_counter()
    network.fit(X_train, y_train, X_val=X_test, y_val=y_test)
    seconds = time.perf_counter() - start
    print(f"{name}: test accuracy {network.score(X_test, y_test):.3f}, {seconds:.1f} s")

# %%
# The learning curves
# -------------------
#
# The loss and the accuracy of every epoch, on the training images and on `X_val`, which influences
# the training only with ``early_stopping=True``.

_, axis = plt.subplots(figsize=(7, 4.8))
HistoryDisplay.from_estimator(networks, ax=axis)
plt.show()

# %%
# The confusion matrices
# ----------------------
#
# Rows are true classes, columns are predicted ones.

figure, axes = plt.subplots(1, 2, figsize=(10, 5.2), layout="constrained")
for (name, network), axis in zip(networks.items(), axes, strict=True):
    ConfusionMatrixDisplay.from_estimator(
        network, X_test, y_test, xticks_rotation="vertical", colorbar=False, ax=axis
    )
    axis.set_title(name)
plt.show()
