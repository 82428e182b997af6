"""
Features of a pretrained network in a pipeline
==============================================

:class:`~skcnn.ImageEmbedder` turns each image into a row of numbers, the features of a network that
was trained on the 1.3 million photos of ImageNet. A logistic regression on these features
distinguishes patches of eight photos of materials and objects, with 16 training patches of each. A
grid search chooses the regularization of the logistic regression, and the size to which the
network resizes the patches.
"""

# %%
# The images
# ----------
#
# Eight photos come with scikit-learn and scikit-image. Each is converted to gray, because most of
# them can be distinguished by their colors alone, and divided into patches of 64 x 64 pixels that
# do not overlap. The patches of the left half are for training, those of the right half for
# testing. The class of a patch is its photo.

# sphinx_gallery_thumbnail_number = 2

import tempfile

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import skimage.data
from skimage.color import rgb2gray
from skimage.transform import resize
from skimage.util import view_as_blocks
from sklearn.datasets import load_sample_images
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skcnn import HOGExtractor, ImageEmbedder, ImageFlattener

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
X_train, X_test = [], []
for photo in photos.values():
    gray = resize(rgb2gray(photo) if photo.ndim == 3 else photo, (512, 512), anti_aliasing=True)
    patches = view_as_blocks(gray, (64, 64))  # 8 rows and 8 columns of patches
    X_train.extend(patches[::2, :4].reshape(-1, 64, 64))
    X_test.extend(patches[:, 4:].reshape(-1, 64, 64))
X_train, X_test = np.array(X_train), np.array(X_test)
y_train, y_test = np.repeat(list(photos), 16), np.repeat(list(photos), 32)
print(f"{len(X_train)} training and {len(X_test)} test patches of {len(photos)} photos")

figure, axes = plt.subplots(3, 8, figsize=(8, 3.4), layout="constrained")
for name, column in zip(photos, axes.T, strict=True):
    column[0].set_title(name)
    for patch, axis in zip(X_train[y_train == name], column, strict=False):
        axis.imshow(patch, cmap="gray", vmin=0, vmax=1)
        axis.axis("off")
plt.show()

# %%
# Features and pixels
# -------------------
#
# `fit` of an :class:`~skcnn.ImageEmbedder` does not train the network: it only detects the range of
# the pixel values. The features are an array, or a data frame after ``set_output``, which any
# estimator can use. Here, they are compared with the pixels and with histograms of oriented
# gradients (HOG), each with the same logistic regression.

extractors = {
    "pixels": ImageFlattener(),
    "HOG": HOGExtractor(),
    "pretrained features": ImageEmbedder(),
}
for name, extractor in extractors.items():
    model = make_pipeline(extractor, StandardScaler(), LogisticRegression(C=0.01, max_iter=500))
    model.fit(X_train, y_train)
    n_features = len(model[:-1].get_feature_names_out())
    print(f"{name:20} {n_features:5} features, accuracy {model.score(X_test, y_test):.3f}")

# %%
# The search
# ----------
#
# Parameters of the embedder can be searched like any others. Most of the time is spent on the
# features, which do not depend on the parameters of the logistic regression. The parameter
# ``memory`` of the embedder caches the features of the training and validation images of each fold.
# They are computed for the first value of ``C`` and read from the cache for the others, whose fits
# take less time.

with tempfile.TemporaryDirectory() as folder:
    search = GridSearchCV(
        Pipeline(
            [
                ("embed", ImageEmbedder(memory=folder)),
                ("scale", StandardScaler()),
                ("classify", LogisticRegression(max_iter=500)),
            ]
        ),
        {"embed__input_size": [64, 112], "classify__C": [0.001, 0.01, 0.1]},
        cv=StratifiedKFold(3, shuffle=True, random_state=0),
    ).fit(X_train, y_train)
columns = ["param_classify__C", "param_embed__input_size", "mean_test_score", "mean_fit_time"]
print(pd.DataFrame(search.cv_results_)[columns].round(3).to_string(index=False))
print(f"test accuracy of the best pipeline: {search.score(X_test, y_test):.3f}")

# %%
# The test accuracy is lower than in cross-validation, where the training and validation patches can
# be neighbors in a photo.
#
# If no parameter of the embedder is searched, compute the features before the search. The embedder
# learns only the range of the pixel values from the images, so nothing leaks between the folds.

# %%
# A map of the test patches
# -------------------------
#
# t-SNE maps images with similar features to neighboring points. With pretrained features, patches
# of the same photo form groups, although the network was not trained on these classes. With pixels,
# they hardly do.

figure, axes = plt.subplots(1, 2, figsize=(8, 4.8), layout="constrained")
for axis, name in zip(axes, ("pixels", "pretrained features"), strict=True):
    rows = StandardScaler().fit_transform(extractors[name].transform(X_test))
    points = TSNE(perplexity=20, init="pca", random_state=0).fit_transform(rows)
    for number, (photo, marker) in enumerate(zip(photos, "os^vDP*X", strict=True)):
        color = plt.cm.viridis(number / len(photos))
        axis.plot(*points[y_test == photo].T, marker, markersize=6, color=color, label=photo)
    axis.set_title(name, fontsize="x-large")
    axis.set_xticks([])
    axis.set_yticks([])
figure.legend(
    *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize="large"
)
plt.show()
