"""
Groups of similar images
========================

:class:`~skcnn.ImageEmbedder` computes features of images with a pretrained network. The features of
similar images are close to each other. The clustering algorithms of scikit-learn then find groups
of similar images without labels.
"""

# %%
# The images
# ----------
#
# The images are patches of six photos of materials and objects. The clustering algorithms do not
# use the names of the photos. The names are used only to evaluate the clusters.

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
# The features of each image are scaled to unit norm, so that distances depend only on the
# directions of the feature vectors. The adjusted Rand index compares the clusters with the photos:
# it is 1 if each cluster contains all patches of one photo, and about 0 for random clusters.

clusterings = {}
for name, transformer in {"pixels": ImageFlattener(), "features": ImageEmbedder()}.items():
    model = make_pipeline(
        transformer, Normalizer(), KMeans(n_clusters=6, n_init=10, random_state=0)
    )
    clusterings[name] = model.fit_predict(X)
    index = adjusted_rand_score(y, clusterings[name])
    print(f"adjusted Rand index with {name}: {index:.2f}")

# %%
# Each row shows the images of one cluster that are closest to its center, sorted by the distance.

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
# HDBSCAN determines the number of clusters, and assigns the label -1 to images that belong to no
# cluster. It needs features with few dimensions. Here, they are principal components.

model = make_pipeline(
    ImageEmbedder(),
    Normalizer(),
    PCA(n_components=10, random_state=0),
    HDBSCAN(min_cluster_size=12, copy=True),
)
labels = model.fit_predict(X)
print(f"{labels.max() + 1} clusters, {np.mean(labels == -1):.0%} of the images in no cluster")
for cluster in range(labels.max() + 1):
    names, counts = np.unique(y[labels == cluster], return_counts=True)
    found = ", ".join(f"{count} {name}" for name, count in zip(names, counts, strict=True))
    print(f"cluster {cluster}: {found}")

# %%
# Some images that belong to no cluster:

figure, axes = plt.subplots(1, 10, figsize=(8, 1), layout="constrained")
for ax in axes:
    ax.axis("off")
for image, ax in zip(X[labels == -1][::5], axes, strict=False):
    ax.imshow(image, cmap="gray", vmin=0, vmax=1)
plt.show()
