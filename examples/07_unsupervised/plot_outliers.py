"""
Detect images that are unlike the others
========================================

:class:`~skcnn.ImageOutlierDetector` is trained on normal images, without labels, and detects images
that are unlike them. This example distinguishes faces from other images after training on faces
only, with four kinds of features, and finds wrong images in a set of digits.
"""

# %%
# Faces, and other images
# -----------------------
#
# scikit-image contains 100 faces and 100 other pieces of photos, of 25 x 25 pixels each. The
# detectors are trained on 70 faces. The images in the figure are test images.

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np
from skimage.data import lfw_subset
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from skcnn import ConvAutoencoder, HOGExtractor, ImageEmbedder, ImageOutlierDetector

images = lfw_subset()
X_train, X_test = images[:70], images[70:]
is_face = np.arange(len(X_test)) < 30

figure, axes = plt.subplots(2, 10, figsize=(8, 1.8), layout="constrained")
for row, kind in zip(axes, (True, False), strict=True):
    for image, ax in zip(X_test[is_face == kind], row, strict=False):
        ax.imshow(image, cmap="gray")
        ax.axis("off")

# %%
# Features
# --------
#
# By default, pixel values are compared, which needs no network. Other features are passed to the
# detector: histograms of oriented gradients (HOG), which do not depend on the brightness, or those
# of a pretrained network. With an autoencoder, the score of an image is the error of its
# reconstruction. An area under the ROC curve of 1 means that all faces have a higher score than all
# other images.
#
# `predict` returns 1 for normal images and -1 for outliers. The threshold follows from the scores
# of the training images.

detectors = {
    "pixels": ImageOutlierDetector(),
    "HOG": ImageOutlierDetector(HOGExtractor(pixels_per_cell=(5, 5))),
    "pretrained network": ImageOutlierDetector(ImageEmbedder()),
    "autoencoder": ImageOutlierDetector(ConvAutoencoder(random_state=0)),
}
for name, detector in detectors.items():
    detector.fit(X_train)
    area = roc_auc_score(is_face, detector.score_samples(X_test))
    outliers = detector.predict(X_test) == -1
    print(
        f"{name:18} area {area:.3f}, outliers: {outliers[is_face].sum()} of 30 faces, "
        f"{outliers[~is_face].sum()} of 100 other images"
    )

# %%
# `decision_function` returns the scores relative to the threshold, negative for outliers.

figure, axes = plt.subplots(2, 2, figsize=(8, 4.5), layout="constrained")
for (name, detector), ax in zip(detectors.items(), axes.flat, strict=True):
    scores = detector.decision_function(X_test)
    bins = np.linspace(scores.min(), scores.max(), 30)
    ax.hist(scores[is_face], bins, label="faces", color="#0072B2", alpha=0.7)
    ax.hist(scores[~is_face], bins, label="other images", color="#D55E00", alpha=0.7)
    ax.axvline(0, color="black", linestyle="--", label="threshold")
    ax.set(title=name, xlabel="score", ylabel="images")
axes[0, 0].legend()

# %%
# Wrong images in a data set
# --------------------------
#
# A data set often contains some images that do not belong to it. Here, these are 9 other digits
# among 179 sevens. If their fraction is known approximately, it is the parameter `contamination`.
# `fit_predict` returns which of the training images are outliers. A training image is not compared
# with itself.

X, y = load_digits(return_X_y=True)
others = np.random.default_rng(0).choice(np.flatnonzero(y != 7), 9, replace=False)
rows = np.concatenate([np.flatnonzero(y == 7), others])
digits, labels = X[rows].reshape(-1, 8, 8), y[rows]

detector = ImageOutlierDetector(contamination=0.05)
found = np.flatnonzero(detector.fit_predict(digits) == -1)
print(f"{(labels[found] != 7).sum()} of 9 other digits are among the {len(found)} outliers")

# %%
# The images with the lowest scores, and for comparison those with the highest.

order = detector.score_samples(digits).argsort()
figure, axes = plt.subplots(2, 10, figsize=(8, 2), layout="constrained")
for row, selected in zip(axes, (order[:10], order[:-11:-1]), strict=True):
    for image, label, ax in zip(digits[selected], labels[selected], row, strict=True):
        ax.imshow(image, cmap="gray_r", vmin=0, vmax=16)
        ax.set_title(label, fontsize=10)
        ax.set(xticks=[], yticks=[])
axes[0, 0].set_ylabel("lowest")
axes[1, 0].set_ylabel("highest")
