"""
How many images does a pretrained network need?
===============================================

If the images resemble photos, a pretrained network improves the accuracy most when there are few
training images. This example compares :class:`~skcnn.TransferClassifier` with a network that is
trained from random weights, on two tasks: patches of photos, and handwritten digits.
"""

# sphinx_gallery_thumbnail_number = 2

# %%
# The images
# ----------
#
# * Gray patches of 32 x 32 pixels from twelve photos. The class of a patch is its photo. The
#   training patches are from the left half of a photo, and the test patches from the right half.
# * The digits of scikit-learn, of 8 x 8 pixels. The training and test images are chosen at random,
#   so they can be from the same writer.

import matplotlib.pyplot as plt
import numpy as np
from photo_patches import load_patches
from sklearn.datasets import load_digits

from skcnn import CNNClassifier, TransferClassifier

digits = load_digits()
tasks = {
    "patches of photos, 32 x 32": load_patches(32),
    "digits, 8 x 8": [
        part[index]
        for part in (digits.images, digits.target)
        for index in np.split(np.random.default_rng(0).permutation(len(digits.target)), [900])
    ],
}

figure, axes = plt.subplots(1, 2, figsize=(7, 3.6), layout="constrained")
for axis, (name, (X_train, *_)) in zip(axes, tasks.items(), strict=True):
    some = X_train[:: len(X_train) // 36][:36]
    some = np.pad(some, ((0, 0), (1, 1), (1, 1)), constant_values=some.max())
    axis.imshow(np.vstack([np.hstack(some[row : row + 6]) for row in range(0, 36, 6)]), cmap="gray")
    axis.set_title(name)
    axis.axis("off")
plt.show()

# %%
# The comparison
# --------------
#
# For each number of images per class, each model is trained three times, on different images and
# with a different ``random_state``. The network that is trained from random weights is
# ``CNNClassifier("fast")`` with fewer channels than by default, which saves time.


def sample(y, n_images, seed):
    """Return the rows of `n_images` random images of each class."""
    rng = np.random.default_rng(seed)
    rows = [
        rng.choice(np.flatnonzero(y == label), n_images, replace=False) for label in np.unique(y)
    ]
    return np.concatenate(rows)


numbers = (1, 4, 16)
seeds = range(3)
results = {}
for task, (X_train, X_test, y_train, y_test) in tasks.items():
    test = sample(y_test, 10, seed=0)
    for n_images in numbers:
        for seed in seeds:
            rows = sample(y_train, n_images, seed)
            for name, model in {
                "pretrained": TransferClassifier(random_state=seed),
                "random weights": CNNClassifier("fast", channels=(32, 64, 128), random_state=seed),
            }.items():
                model.fit(X_train[rows], y_train[rows])
                score = model.score(X_test[test], y_test[test])
                results.setdefault((task, name), []).append(score)

# %%
# The result
# ----------
#
# The error bars are the standard deviations over the three fits.
#
# On the patches of photos, the pretrained network is more accurate with 4 images of each class than
# the other network with 16. On the digits, the network that is trained from random weights is more
# accurate with 4 and 16 images of each class: strokes have little in common with the photos of
# ImageNet, and few images are enough to learn them.

figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
for axis, task in zip(axes, tasks, strict=True):
    for name in ("pretrained", "random weights"):
        scores = np.reshape(results[task, name], (len(numbers), len(seeds)))
        print(f"{task:27} {name:15}", *np.round(scores.mean(axis=1), 3))
        axis.errorbar(
            numbers, scores.mean(axis=1), scores.std(axis=1), marker="o", capsize=3, label=name
        )
    axis.set_title(task)
    axis.set_xscale("log")
    axis.set_xticks(numbers, list(map(str, numbers)))
    axis.minorticks_off()
    axis.set_xlabel("training images of each class")
axes[0].set_ylabel("test accuracy")
axes[0].legend()
plt.show()
