"""
Remedies for class imbalance
============================

If some classes have few training images, a network predicts them too seldom. This example compares
remedies on the digits of scikit-learn: the most frequent digit has 120 training images, the rarest
has 6. The test images are equally frequent, and the score is the balanced accuracy, which is the
mean of the recalls of all classes. The samplers need the extra ``skcnn[imbalance]``.
"""

# %%
# The training images
# -------------------
#
# The number of images decreases exponentially from the digit 0 to the digit 9.

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import make_pipeline
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import recall_score

from skcnn import CNNClassifier, ImageAugmenter, ImageEmbedder
from skcnn.imbalance import ImageSampler, LogitAdjustedClassifier

X, y = load_digits(return_X_y=True)
X = X.reshape(-1, 8, 8)
X_test, y_test = X[1300:], y[1300:]
sizes = (120 * 20 ** (-np.arange(10) / 9)).astype(int)
train = np.concatenate([np.flatnonzero(y[:1300] == digit)[: sizes[digit]] for digit in range(10)])
X_train, y_train = X[train], y[train]

figure, ax = plt.subplots(figsize=(6, 3), layout="constrained")
bars = ax.bar(range(10), np.bincount(y_train), color="#0072B2")
ax.bar_label(bars)
ax.margins(y=0.1)
_ = ax.set(xlabel="digit", ylabel="training images", xticks=range(10))

# %%
# Remedies in training
# --------------------
#
# * ``class_weight="balanced"`` multiplies the losses of rare classes.
# * :class:`~skcnn.imbalance.ImageSampler` applies a sampler of imbalanced-learn: here it repeats
#   images at random, or generates images between two images of a class (SMOTE).
# * ``sampling="balanced"`` draws the same number of images of each class in every epoch. Repeated
#   images have augmented variants of their own, and no image is copied.
# * ``logit_adjustment=1`` adds the log frequencies of the classes to the outputs in the loss, so
#   that the outputs alone are right for classes that are equally frequent.
#
# All networks have the same augmentation. Oversampling triples the number of images, and a third of
# the epochs has as many steps.

augmenter = ImageAugmenter(shift=1, rotation=10, random_state=0)


def network(max_epochs=45, **parameters):
    """Return a pipeline with a small network."""
    cnn = CNNClassifier(channels=(16, 32), max_epochs=max_epochs, random_state=0, **parameters)
    return make_pipeline(augmenter, cnn)


def resampled(sampler):
    """Return a pipeline that resamples the training images first."""
    return make_pipeline(ImageSampler(sampler), *network(max_epochs=15))


models = {
    "none": network(),
    "class_weight": network(class_weight="balanced"),
    "RandomOverSampler": resampled(RandomOverSampler(random_state=0)),
    "SMOTE": resampled(SMOTE(random_state=0)),
    "sampling": network(sampling="balanced"),
    "logit_adjustment": network(logit_adjustment=1.0),
}
for model in models.values():
    model.fit(X_train, y_train)

# %%
# Remedies after training
# -----------------------
#
# A network that is already trained can be improved without training it again:
#
# * :class:`~skcnn.imbalance.LogitAdjustedClassifier` divides the probabilities by the frequencies
#   of the classes.
# * A new classifier is trained on the features of the network, with balanced sampling. The features
#   of rare classes are often good enough, and only the last layer prefers the frequent classes.

cnn = models["none"][-1]
adjusted = LogitAdjustedClassifier(FrozenEstimator(cnn)).fit(X_train, y_train)
models["adjusted afterwards"] = adjusted

head = CNNClassifier(
    channels=(), hidden_units=(), sampling="balanced", image_shape=(1, 128), random_state=0
)
models["new classifier"] = make_pipeline(ImageEmbedder(cnn), head).fit(X_train, y_train)

# %%
# Recall of each class
# --------------------
#
# Without a remedy, most images of the rarest digits are classified as other digits. All remedies
# improve their recall, some at the cost of frequent digits. The differences between the remedies
# depend on the data and on the seed: compare them on your own validation images.

recalls = {
    name: recall_score(y_test, m.predict(X_test), average=None) for name, m in models.items()
}
figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
ax.imshow(list(recalls.values()), vmin=0, vmax=1, cmap="cividis", aspect="auto")
for row, values in enumerate(recalls.values()):
    for digit, recall in enumerate(values):
        color = "white" if recall < 0.5 else "black"
        ax.text(digit, row, f"{100 * recall:.0f}", ha="center", va="center", color=color)
labels = [f"{name}: {100 * values.mean():.1f}" for name, values in recalls.items()]
ax.set_yticks(range(len(labels)), labels)
ax.set_xticks(range(10), [f"{digit}\n{size}" for digit, size in enumerate(sizes)])
ax.set_xlabel("digit, and number of training images")
_ = ax.set_title("Recall of each digit, and balanced accuracy, in %")
