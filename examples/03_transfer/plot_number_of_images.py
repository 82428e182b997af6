"""
How many images does a pretrained network need?
===============================================

If the images resemble the photos of ImageNet, a pretrained network improves the accuracy most when
there are few training images. This example compares :class:`~skcnn.TransferClassifier` with a
network that is trained from random weights, on two tasks: patches of photos, and handwritten
digits.
"""

# %%
# The images
# ----------
#
# * Gray patches of 32 x 32 pixels from eight photos. The class of a patch is its photo. The
#   training patches are from the left half of a photo, and the test patches from the right half.
# * The digits of scikit-learn, of 8 x 8 pixels. The training and test images are chosen at random,
#   so they can be from the same writer.

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
from skimage.color import rgb2gray
from skimage.transform import resize
from skimage.util import montage, view_as_blocks
from sklearn.datasets import load_digits, load_sample_images
from sklearn.model_selection import LearningCurveDisplay

from skcnn import CNNClassifier, TransferClassifier

temple, flower = load_sample_images().images
photos = {
    "brick": skimage.data.brick(),
    "cat": skimage.data.cat(),
    "coffee": skimage.data.coffee(),
    "flower": flower,
    "grass": skimage.data.grass(),
    "gravel": skimage.data.gravel(),
    "temple": temple,
    "tissue": skimage.data.immunohistochemistry(),
}
patches = []
for photo in photos.values():
    gray = resize(rgb2gray(photo) if photo.ndim == 3 else photo, (256, 256), anti_aliasing=True)
    patches.append(view_as_blocks(gray, (32, 32)))  # 8 rows and 8 columns of patches
patches = np.array(patches)
left, right = patches[:, :, :4].reshape(-1, 32, 32), patches[:, ::2, 5::2].reshape(-1, 32, 32)
digits = load_digits()

# Images, classes, and the number of those that are for training.
tasks = {
    "patches of photos": (
        np.concatenate([left, right]),
        np.concatenate([np.repeat(list(photos), 32), np.repeat(list(photos), 8)]),
        len(left),
    ),
    "digits": (digits.images[:1000], digits.target[:1000], 900),
}
figure, axes = plt.subplots(1, 2, figsize=(6.4, 3.6), layout="constrained")
for axis, (name, (X, *_)) in zip(axes, tasks.items(), strict=True):
    axis.imshow(montage(X[::7][:36], padding_width=1, fill=X.max()), cmap="gray")
    axis.set_title(name)
    axis.axis("off")
plt.show()

# %%
# The comparison
# --------------
#
# Each model is trained twice with 1, 4 and 16 images of each class, each time with different
# images. The network that is trained from random weights is ``CNNClassifier("fast")`` with fewer
# channels than by default, which saves time.
#
# :class:`~sklearn.model_selection.LearningCurveDisplay` takes the first images of each training
# set, so the images of the classes are put in turn. The error bars are standard deviations.

models = {
    "pretrained": TransferClassifier(random_state=0),
    "random weights": CNNClassifier("fast", channels=(32, 64, 128), random_state=0),
}


def splits(y, n_train):
    """Return two splits, whose training images are in random order, the classes in turn."""
    rng = np.random.default_rng(0)
    classes, test = np.unique(y), np.arange(n_train, len(y))
    for _ in range(2):
        of_class = [rng.permutation(np.flatnonzero(y[:n_train] == label))[:16] for label in classes]
        yield np.stack(of_class, axis=1).ravel(), test


figure, axes = plt.subplots(1, 2, figsize=(8, 4.4), sharey=True, layout="constrained")
for axis, (task, (X, y, n_train)) in zip(axes, tasks.items(), strict=True):
    n_classes = len(np.unique(y))
    for (name, model), style in zip(models.items(), ("o-", "s--"), strict=True):
        display = LearningCurveDisplay.from_estimator(
            model,
            X,
            y,
            train_sizes=[n_classes, 4 * n_classes, 16 * n_classes],
            cv=splits(y, n_train),
            score_type="test",
            std_display_style="errorbar",
            errorbar_kw={"fmt": style, "linewidth": 2, "markersize": 9, "capsize": 4},
            ax=axis,
        )
        display.errorbar_[0].set_label(name)
        print(f"{task:18} {name:15}", *display.test_scores.mean(axis=1).round(3), flush=True)
    axis.set_title(f"{task}, {n_classes} classes", fontsize="x-large")
    axis.set_xscale("log")
    axis.set_xticks(display.train_sizes, display.train_sizes)
    axis.minorticks_off()
    axis.set_xlabel("training images", fontsize="x-large")
    axis.set_ylabel("")
axes[0].set_ylabel("test accuracy", fontsize="x-large")
axes[1].legend(loc="lower right", fontsize="large")
axes[0].get_legend().remove()
plt.show()

# %%
# On the patches of photos, the pretrained network is more accurate with 4 images of each class than
# the other network with 16. On the digits, the network that is trained from random weights is the
# more accurate one with 16 images of each class.
