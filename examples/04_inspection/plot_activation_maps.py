"""
Where a network finds a class
=============================

:func:`~skcnn.inspection.class_activation_map` computes for each pixel of an image how much it
contributes to an output of a network, and :class:`~skcnn.inspection.ActivationMapDisplay` draws
such maps over the images. This example compares the methods on images where the place of the
evidence is known. Two methods need the extra ``skcnn[explain]``, and the pretrained network needs
``skcnn[pretrained]``.
"""

# %%
# Images where the place of the evidence is known
# -----------------------------------------------
#
# Each image has one digit from 0 to 3 in a random place, and four tiles with the same pixels in
# random order. The class is the digit, and its place is stored as a mask.

# sphinx_gallery_thumbnail_number = 2

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
# Grad-CAM, the default method, is a weighted sum of the feature maps of the last convolution. These
# have few pixels, so the map is coarse. The color bar ends at the 99 % quantile of each map.

_ = ActivationMapDisplay.from_estimator(cnn, X_test, y_test)

# %%
# The methods side by side
# ------------------------
#
# Six of the seven methods: "cam" needs a network with global average pooling before the last layer.
# Saliency and integrated gradients compute a value for each pixel, and are finer. The maps of
# occlusion and integrated gradients also have negative values, for evidence against the class. Only
# positive values are shown here.

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
# Because the place of the digit is known, the methods can be compared by numbers: the fraction of
# images in which the largest value of the map is on the tile of the digit, which covers 4 % of the
# image, and the fraction of the sum of the positive values that is there.


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
# A pretrained network
# --------------------
#
# A new last layer of the pretrained EfficientNet-Lite0 learns to classify crops of four photos: the
# class of a crop is its photo. In a collage of all four photos, the map of each photo should be
# large in the quarter of this photo.

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
# 192 x 192 pixels. ``target`` chooses the photo. Without it, the maps explain the predicted one.
# Each map is largest in the quarter of its photo, but that of the coffee is largest on the table,
# and not on the cup.
#
# Occlusion measures how much the output decreases when a part is covered. Orange parts are evidence
# for the photo, and blue parts are evidence against it.

_ = ActivationMapDisplay.from_estimator(
    model, [collage] * 4, target=list(photos), method="occlusion", window=64, **style
)

# %%
# A map shows what an output depends on, and not why. If a network learned the background instead of
# the object, its maps are large in the background. A prediction may stay the same when the parts
# with large values are covered, because other parts are evidence for the same class.
