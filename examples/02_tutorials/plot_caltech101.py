"""
Caltech-101: photos in folders, from files to class labels
==========================================================

A tutorial resizes the airplanes and motorbikes of Caltech-101, photos of different sizes, augments
them, and trains a network of three convolutions for 5 epochs. This example does all of it in one
pipeline, which takes the paths of the files. It uses pieces of two photos that come with
scikit-image, so that it runs in seconds without a download. :doc:`/benchmarks/tutorials` has the
results on the real data set.
"""

# %%
# The files
# ---------
#
# Each class has its own folder. Here, the folders are filled with pieces of different sizes of two
# photos: the training pieces are from the left part of a photo, the test pieces from the right.

import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
import skimage.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skcnn import (
    CNNClassifier,
    HOGExtractor,
    ImageAugmenter,
    ImageFlattener,
    ImageReader,
    ImageResizer,
    load_image_folder,
)
from skcnn.inspection import PredictionGridDisplay

temporary = tempfile.TemporaryDirectory()
rng = np.random.default_rng(0)
for name, photo in (("cat", skimage.data.cat()), ("coffee", skimage.data.coffee())):
    left, right = np.array_split(photo, 2, axis=1)
    for part, half, n_pieces in (("train", left, 60), ("validation", right, 30)):
        folder = Path(temporary.name, part, name)
        folder.mkdir(parents=True)
        for number in range(n_pieces):
            height, width = rng.integers(60, 120, 2)
            row, column = rng.integers((half.shape[0] - height, half.shape[1] - width))
            piece = half[row : row + height, column : column + width]
            skimage.io.imsave(folder / f"{number}.png", piece)

# %%
# The paths
# ---------
#
# :func:`~skcnn.load_image_folder` returns the paths of the files, and the names of their folders as
# class labels. For photos of your own, set ``root`` to a folder with the sub-folders ``train`` and
# ``validation``, such as ``"caltech101"``, and the size of the images below to 150 x 150 pixels.

root = temporary.name
paths_train, y_train = load_image_folder(Path(root, "train"), return_X_y=True)
paths_test, y_test = load_image_folder(Path(root, "validation"), return_X_y=True)
print(f"{len(paths_train)} training photos and {len(paths_test)} test photos")

# %%
# The pipelines
# -------------
#
# Every pipeline reads and resizes the photos, so it can be saved and deployed as it is. The
# augmenter changes only the training photos. Use ``ImageResizer(size, lazy=True)`` for photos that
# do not fit into memory.

size = (36, 36)
models = {
    "decision tree": make_pipeline(
        ImageReader(), ImageResizer(size), ImageFlattener(), DecisionTreeClassifier(random_state=0)
    ),
    "edges, linear": make_pipeline(
        ImageReader(),
        ImageResizer(size),
        HOGExtractor(),
        StandardScaler(),
        LogisticRegression(C=0.01),
    ),
    "network": make_pipeline(
        ImageReader(),
        ImageResizer(size),
        ImageAugmenter(rotation=5, shift=0.05, random_state=0),
        CNNClassifier(
            channels=(16, 32, 64),
            padding="valid",
            hidden_units=(128,),
            dropout=0.0,
            learning_rate=0.001,
            weight_decay=0.05,
            batch_size=16,
            max_epochs=5,
            random_state=0,
        ),
    ),
}
for name, model in models.items():
    start = time.perf_counter()
    model.fit(paths_train, y_train)
    seconds = time.perf_counter() - start
    print(f"{name:15} test accuracy {model.score(paths_test, y_test):.3f}, {seconds:.1f} s")

# %%
# Predictions
# -----------
#
# :class:`~skcnn.inspection.PredictionGridDisplay` shows original photos with the predicted class
# and its probability, here those with the lowest probabilities. Wrong predictions have a colored
# frame.

PredictionGridDisplay.from_estimator(
    models["network"], paths_test, y_test, select="least_confident", n_images=8
)
plt.show()

temporary.cleanup()
