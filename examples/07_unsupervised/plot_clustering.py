"""
Groups of similar images
========================

:class:`~skcnn.ImageEmbedder` turns images into features of a pretrained network, in which similar
images are close to each other. The cluster algorithms of scikit-learn then find groups of images
without labels.
"""

# %%
# The images
# ----------
#
# Patches of six photos of materials and objects. The cluster algorithms do not get the names of the
# photos, which only serve to judge the result.

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
from skimage.color import rgb2gray
from skimage.transform import resize
from skimage.util import view_as_blocks
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from skcnn import ImageEmbedder, ImageFlattener

photos = {
    "brick": skimage.data.brick(),
    "cat": skimage.data.cat(),
    "coffee": skimage.data.coffee(),
    "grass": skimage.data.grass(),
    "gravel": skimage.data.gravel(),
    "tissue": skimage.data.immunohistochemistry(),
}
X = []
for photo in photos.values():
    gray = resize(rgb2gray(photo) if photo.ndim == 3 else photo, (384, 384), anti_aliasing=True)
    X.extend(view_as_blocks(gray, (64, 64)).reshape(-1, 64, 64))
X, y = np.array(X), np.repeat(list(photos), 36)

figure, axes = plt.subplots(3, 6, figsize=(7, 3.9), layout="constrained")
for name, column in zip(photos, axes.T, strict=True):
    column[0].set_title(name)
    for patch, ax in zip(X[y == name][::15], column, strict=True):
        ax.imshow(patch, cmap="gray", vmin=0, vmax=1)
        ax.axis("off")

# %%
# K-means
# -------
#
# The features are scaled to length 1, so that distances depend on directions only. The adjusted
# Rand index compares the clusters with the photos: it is 1 if they agree, and about 0 for random
# clusters.

clusterings = {}
for name, transformer in {"pixels": ImageFlattener(), "features": ImageEmbedder()}.items():
    model = make_pipeline(
        transformer, Normalizer(), KMeans(n_clusters=6, n_init=10, random_state=0)
    )
    clusterings[name] = model.fit_predict(X)
    index = adjusted_rand_score(y, clusterings[name])
    print(f"adjusted Rand index with {name}: {index:.2f}")

# %%
# Each row shows images of one cluster: the ones that are closest to its center first.

distances = model.transform(X)
labels = clusterings["features"]
figure, axes = plt.subplots(6, 10, figsize=(8, 5), layout="constrained")
for cluster, row in enumerate(axes):
    members = np.flatnonzero(labels == cluster)
    members = members[distances[members, cluster].argsort()]
    for ax in row:
        ax.axis("off")
    for image, ax in zip(X[members], row, strict=False):
        ax.imshow(image, cmap="gray", vmin=0, vmax=1)

# %%
# HDBSCAN
# -------
#
# HDBSCAN chooses the number of clusters, and leaves images between them without a cluster, with the
# label -1. It needs features of low dimension, here principal components.

model = make_pipeline(
    ImageEmbedder(),
    Normalizer(),
    PCA(n_components=10, random_state=0),
    HDBSCAN(min_cluster_size=12, copy=True),
)
labels = model.fit_predict(X)
print(f"{labels.max() + 1} clusters, {np.mean(labels == -1):.0%} of the images in none of them")
for cluster in range(labels.max() + 1):
    names, counts = np.unique(y[labels == cluster], return_counts=True)
    found = ", ".join(f"{count} {name}" for name, count in zip(names, counts, strict=True))
    print(f"cluster {cluster}: {found}")

# %%
# Images without a cluster:

figure, axes = plt.subplots(1, 10, figsize=(8, 1), layout="constrained")
for ax in axes:
    ax.axis("off")
for image, ax in zip(X[labels == -1][::5], axes, strict=False):
    ax.imshow(image, cmap="gray", vmin=0, vmax=1)
plt.show()
