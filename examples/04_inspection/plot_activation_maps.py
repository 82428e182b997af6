"""
Where a network finds a class
=============================

:func:`~skcnn.inspection.class_activation_map` computes for each pixel of an image how much it
contributes to an output of a network, and :class:`~skcnn.inspection.ActivationMapDisplay` draws
such maps over the images. The methods are compared here on images where the answer is known. The
extra ``skcnn[explain]`` is needed for two of them.
"""

# sphinx_gallery_thumbnail_number = 2

# %%
# Images where the answer is known
# --------------------------------
#
# Each image has one digit from 0 to 3 in a random place, and four tiles with the same pixels in
# random order. Only the digit tells the class, and its place is stored as a mask.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from skimage import data
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline

from skcnn import CNNClassifier, ImageResizer, TransferClassifier
from skcnn.inspection import ActivationMapDisplay, class_activation_map

rng = np.random.default_rng(0)
digits, labels = load_digits(n_class=4, return_X_y=True)
digits = digits.reshape(-1, 8, 8)


def scene(digit):
    """Return an image of 40 x 40 pixels with a digit, and the mask of the digit."""
    image, mask = rng.normal(3, 1, (40, 40)), np.zeros((40, 40), bool)
    cells = rng.choice(16, 5, replace=False)  # of 4 x 4 places
    for number, cell in enumerate(cells):
        top, left = np.array(divmod(cell, 4)) * 10 + rng.integers(0, 3, 2)
        tile = digit if number == 0 else rng.permutation(digit.ravel()).reshape(8, 8)
        image[top : top + 8, left : left + 8] += tile
        mask[top : top + 8, left : left + 8] = number == 0
    return image, mask


X, masks = map(np.stack, zip(*map(scene, digits), strict=True))
X_train, X_test = X[:-60], X[-60:]
y_train, y_test, masks = labels[:-60], labels[-60:], masks[-60:]
cnn = CNNClassifier("fast", channels=(16, 32), max_epochs=15, random_state=0)
print(f"accuracy: {cnn.fit(X_train, y_train).score(X_test, y_test):.2f}")

# %%
# Grad-CAM, the default method, weights the maps of the last layer with feature maps. It shows where
# the evidence for a class is, coarsely.

_ = ActivationMapDisplay.from_estimator(cnn, X_test, y_test)

# %%
# The methods side by side
# ------------------------
#
# Six of the seven methods: "cam" needs a network with global average pooling before the last layer.
# Maps of single pixels are finer. Those of occlusion and integrated gradients have signs; only
# evidence for the class is shown here.

methods = ["grad_cam", "grad_cam++", "score_cam", "occlusion", "saliency", "integrated_gradients"]
maps = {method: class_activation_map(cnn, X_test, y_test, method=method) for method in methods}

figure, axes = plt.subplots(3, 7, figsize=(11, 5), layout="constrained")
for row, axes_of_image in zip((0, 5, 12), axes, strict=True):
    axes_of_image[0].imshow(X_test[row], cmap="gray")
    for ax, method in zip(axes_of_image[1:], methods, strict=True):
        shown = np.maximum(maps[method][row], 0)
        ax.imshow(X_test[row], cmap="gray")
        ax.imshow(shown, cmap="inferno", alpha=np.clip(2 * shown / shown.max(), 0, 0.85))
for ax, title in zip(axes[0], ["image", *methods], strict=True):
    ax.set_title(title.replace("_", " "), fontsize=9)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])

# %%
# The known place makes the comparison a matter of numbers: the fraction of images in which the
# largest value is on the tile of the digit, which covers 4 % of the image, and the fraction of all
# positive values that are there.


def scores(found):
    """Return how well maps find the digit."""
    positive = np.maximum(found, 0).reshape(len(found), -1)
    inside = masks.reshape(len(masks), -1)
    hits = inside[np.arange(len(found)), positive.argmax(axis=1)]
    return {
        "largest value on the digit": hits.mean(),
        "sum on the digit": ((positive * inside).sum(axis=1) / positive.sum(axis=1)).mean(),
    }


pd.DataFrame({method: scores(found) for method, found in maps.items()}).T.round(2)

# %%
# What a pretrained network looks at
# ----------------------------------
#
# A head on the pretrained EfficientNet-Lite0 learns to tell four photos apart from crops of them.
# Is it the cup that makes a crop a crop of the coffee? A collage of all four photos has a known
# answer: the map of each photo should be in its own quarter.

photos = {
    "cat": data.chelsea(),
    "coffee": data.coffee(),
    "astronaut": data.astronaut(),
    "rocket": data.rocket(),
}
crops, names = [], []
for name, photo in photos.items():
    for _ in range(15):
        side = rng.integers(150, 290)
        top, left = (rng.integers(0, n - side + 1) for n in photo.shape[:2])
        crops.append(photo[top : top + side, left : left + side])
        names.append(name)
model = make_pipeline(ImageResizer((192, 192)), TransferClassifier(random_state=0))
model.fit(crops, names)

tiles = list(ImageResizer((240, 320), aspect="crop").fit_transform(list(photos.values())))
collage = np.vstack([np.hstack(tiles[:2]), np.hstack(tiles[2:])])
style = {"n_columns": 2, "cell_size": (3.2, 2.5), "show_images": False}
_ = ActivationMapDisplay.from_estimator(model, [collage] * 4, target=list(photos), **style)

# %%
# The collage is shown in its own size and proportions, although the network gets squares of
# 192 x 192 pixels. ``target`` chooses the photo: without it, the predicted one is explained. Each
# map is largest in the right quarter, but the one of the coffee is on the table, not on the cup:
# the table alone tells crops of this photo from others.
#
# Occlusion asks another question: what changes the output when it is covered? Orange parts are
# evidence for the photo, blue ones against it.

_ = ActivationMapDisplay.from_estimator(
    model, [collage] * 4, target=list(photos), method="occlusion", window=64, **style
)

# %%
# A map shows what an output depends on, and not why. A network that learned the background instead
# of the object has maps as well: they are in the background. Other parts of an image may support
# the same output when these are covered, and a small change of an image can change a map more than
# the prediction.
