"""
Clothes: a dense network and a convolutional one
================================================

Fashion-MNIST (Xiao et al. 2017, arXiv 1708.07747) has ten kinds of clothes in gray images of
28 x 28 pixels. A tutorial trains a dense network of 256 units on it for 10 epochs. This script
compares the same network, trained on standardized pixels with another optimizer, with a decision
tree, a random forest, a linear model on histograms of gradients, and a small convolutional network.
`docs/benchmarks/tutorials.rst` has the results.

Without ``--data`` it runs in about a minute on the handwritten digits that come with scikit-learn.
For the real data set of 31 MB (some minutes on two cores for the fast network)::

    python plot_fashion_mnist.py --data download
    python plot_fashion_mnist.py --data fashion_mnist.npz --seeds 3 --output results

The learning curves use a tenth of the training images for validation, on which the networks were
also chosen. The test images are used for testing only.
"""

# %%
# The images
# ----------
#
# An array of shape (n_images, height, width), of `uint8` or of any other numbers: the networks
# standardize their input.

from sklearn.datasets import load_digits
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

from skcnn import CNNClassifier, HOGExtractor, ImageAugmenter, ImageFlattener
from skcnn.datasets import fetch_fashion_mnist

arguments = command_line(__doc__, f"{ARRAYS} (default: scikit-learn's digits)")
if arguments.data is None:
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X.reshape(-1, 8, 8), y, test_size=0.3, random_state=0
    )
else:
    X_train, y_train, X_test, y_test = arrays(arguments.data, fetch_fashion_mnist)
print(f"{len(X_train)} training images and {len(X_test)} test images of shape {X_train.shape[1:]}")

# %%
# The models
# ----------
#
# Trees take rows of pixels. The linear model takes histograms of oriented gradients, which count
# the directions of the edges in each cell of the image.

cell = (4, 4) if X_train.shape[1] >= 16 else (2, 2)
baselines = {
    "decision tree": make_pipeline(ImageFlattener(), DecisionTreeClassifier()),
    "random forest": make_pipeline(ImageFlattener(), RandomForestClassifier(n_jobs=-1)),
    "HOG, linear": make_pipeline(
        HOGExtractor(pixels_per_cell=cell),
        StandardScaler(),
        LogisticRegression(C=0.01, tol=1e-3, max_iter=300),
    ),
}

# %%
# The tutorial's network has one hidden layer: `channels=()` omits the convolutions. The
# convolutional network is trained on images that are flipped and shifted by up to two pixels at
# random in every epoch, starts with smaller images, and averages its predictions over variants of
# an image. Digits are not flipped, because the mirror image of a digit is not a digit.

real = arguments.data is not None
networks = {
    "dense network": make_pipeline(
        CNNClassifier(
            channels=(),
            hidden_units=(256,),
            dropout=0.0,
            learning_rate=0.002,
            weight_decay=0.05,
            batch_size=32,
            max_epochs=10,
        )
    ),
    "fast network": make_pipeline(
        ImageAugmenter(horizontal_flip=real, shift=2 if real else 1),
        CNNClassifier(
            network="fast",
            channels=(64, 128, 256) if real else (16, 32),
            max_epochs=14 if real else 10,
            label_smoothing=0.2,
            progressive_resizing=0.6 if real else 1.0,
            test_time_augmentation="flip_shift" if real else None,
        ),
    ),
}

# %%
# Learning curves
# ---------------
#
# A tenth of the training images is held out for validation after every epoch. The curves show how
# many epochs a network needs.

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
