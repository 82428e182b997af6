"""
Compress images to a few numbers
================================

:class:`~skcnn.ConvAutoencoder` compresses each image to a code of a few numbers, and reconstructs
the image from the code. It needs no labels. This example compresses scanned digits, shows the
reconstructions, uses the codes as features instead of the pixels, generates new images by
interpolation, and finds unusual images.
"""

# %%
# Codes and reconstructions
# -------------------------
#
# `transform` returns the codes, and `inverse_transform` the images that the network reconstructs
# from them. The test images were not used in training.

# sphinx_gallery_thumbnail_number = 1

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcnn import ConvAutoencoder, ImageFlattener

X, y = load_digits(return_X_y=True)
X = X.reshape(-1, 8, 8)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=400, random_state=0)

autoencoder = ConvAutoencoder(n_components=8, random_state=0).fit(X_train)
codes = autoencoder.transform(X_test)
restored = autoencoder.inverse_transform(codes)
print(f"{X_test[0].size} pixels, {codes.shape[1]} numbers in a code")

# %%
# Principal component analysis (PCA) compresses images too, with linear functions of the pixels. Its
# error with the same number of components is larger.

pca = make_pipeline(ImageFlattener(), PCA(n_components=8, random_state=0)).fit(X_train)
linear = pca.inverse_transform(pca.transform(X_test))

rows = {"original": X_test, "autoencoder": restored, "PCA": linear}
figure, axes = plt.subplots(3, 12, figsize=(8, 2.4), layout="constrained")
for (name, images), row in zip(rows.items(), axes, strict=True):
    for image, ax in zip(images, row, strict=False):
        ax.imshow(image, cmap="gray", vmin=0, vmax=16)
        ax.set(xticks=[], yticks=[])
    row[0].set_ylabel(name, rotation=0, ha="right", va="center")

for name in ("autoencoder", "PCA"):
    print(f"mean squared error of {name}: {((rows[name] - X_test) ** 2).mean():.2f}")

# %%
# Codes as features
# -----------------
#
# Any estimator can use the codes instead of the pixels. Here, a logistic regression is trained on
# the codes of 100 images with labels. The autoencoder and PCA were fitted on all training images,
# without labels.

for name, transformer in {"autoencoder": autoencoder, "PCA": pca}.items():
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    classifier.fit(transformer.transform(X_train[:100]), y_train[:100])
    accuracy = classifier.score(transformer.transform(X_test), y_test)
    print(f"accuracy with codes of {name}: {accuracy:.2f}")

# %%
# Interpolation between images
# ----------------------------
#
# The first and the third row show images that are reconstructed from codes between the codes of two
# images. The second and the fourth row show weighted means of the pixels of the same two images, in
# which both images are visible at the same time.

steps = np.linspace(0, 1, 9)[:, np.newaxis]
figure, axes = plt.subplots(4, 9, figsize=(7, 3.3), layout="constrained")
for number, (first, last) in enumerate([(0, 1), (2, 3)]):
    between = autoencoder.inverse_transform(codes[first] + steps * (codes[last] - codes[first]))
    means = X_test[first] + steps[..., np.newaxis] * (X_test[last] - X_test[first])
    for images, row in zip((between, means), axes[2 * number :], strict=False):
        for image, ax in zip(images, row, strict=True):
            ax.imshow(image, cmap="gray", vmin=0, vmax=16)
            ax.axis("off")

# %%
# Unusual images
# --------------
#
# `score_samples` returns the negative mean squared error of each image. Images that differ from the
# training images have larger errors. Here, half of the test images are rotated by 180 degrees.

scores = {
    "upright": autoencoder.score_samples(X_test[::2]),
    "upside down": autoencoder.score_samples(X_test[1::2, ::-1, ::-1]),
}
figure, ax = plt.subplots(figsize=(6, 3), layout="constrained")
for name, values in scores.items():
    ax.hist(-values, bins=np.linspace(0, 25, 40), alpha=0.6, label=name)
ax.set(xlabel="mean squared error", ylabel="images")
ax.legend()
plt.show()
