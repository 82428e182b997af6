"""
Features of a pretrained network in a pipeline
==============================================

:class:`~skcnn.ImageEmbedder` turns each image into a row of numbers, the features of a network that
was trained on the 1.3 million photos of ImageNet. A logistic regression on these features
distinguishes patches of 12 photos of materials and objects, with 16 training patches of each. A
grid search chooses the regularization of the logistic regression, and the size to which the
network resizes the patches.
"""

# sphinx_gallery_thumbnail_number = 2

# %%
# The images
# ----------
#
# Twelve photos come with scikit-learn and scikit-image. Each is converted to gray, because most of
# them can be distinguished by their colors alone, and divided into patches of 64 x 64 pixels that
# do not overlap. The patches of the left half are for training, those of the right half for
# testing. The class of a patch is its photo.

import tempfile
import time

import matplotlib.pyplot as plt
import numpy as np
from photo_patches import load_patches
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skcnn import HOGExtractor, ImageEmbedder, ImageFlattener

X_train, X_test, y_train, y_test = load_patches(64)
X_train, _, y_train, _ = train_test_split(
    X_train, y_train, train_size=12 * 16, stratify=y_train, random_state=0
)
classes = np.unique(y_train)
print(f"{len(X_train)} training and {len(X_test)} test patches of {len(classes)} photos")

figure, axes = plt.subplots(4, 12, figsize=(10, 3.8), layout="constrained")
for column, name in zip(axes.T, classes, strict=True):
    column[0].set_title(name, fontsize="small")
    for axis, patch in zip(column, X_train[y_train == name], strict=False):
        axis.imshow(patch, cmap="gray", vmin=0, vmax=255)
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
    model = Pipeline(
        [
            ("features", extractor),
            ("scale", StandardScaler()),
            ("classify", LogisticRegression(C=0.1, tol=1e-2, max_iter=1000)),
        ]
    ).fit(X_train, y_train)
    n_features = len(model[:-1].get_feature_names_out())
    print(f"{name:20} {n_features:5} features, accuracy {model.score(X_test, y_test):.3f}")

# %%
# The search
# ----------
#
# Parameters of the embedder can be searched like any others. Most of the time is spent on the
# features, which do not depend on the parameters of the logistic regression. The parameter
# ``memory`` of the embedder caches the features of the training and validation images of each fold.
# They are computed for the first value of ``C`` and read from the cache for the others.

folder = tempfile.TemporaryDirectory()
search = GridSearchCV(
    Pipeline(
        [
            ("embed", ImageEmbedder(memory=folder.name)),
            ("scale", StandardScaler()),
            ("classify", LogisticRegression(max_iter=500)),
        ]
    ),
    {"embed__input_size": [64, 112], "classify__C": [0.001, 0.01, 0.1]},
    cv=StratifiedKFold(3, shuffle=True, random_state=0),
)
start = time.perf_counter()
search.fit(X_train, y_train)
print(f"{len(search.cv_results_['params'])} candidates in {time.perf_counter() - start:.0f} s")
folder.cleanup()

for parameters, accuracy, seconds in zip(
    search.cv_results_["params"],
    search.cv_results_["mean_test_score"],
    search.cv_results_["mean_fit_time"],
    strict=True,
):
    print(
        f"input_size={parameters['embed__input_size']:3}, C={parameters['classify__C']:5}: "
        f"accuracy {accuracy:.3f}, {seconds:.2f} s per fit"
    )
print(f"test accuracy of the best pipeline: {search.score(X_test, y_test):.3f}")

# %%
# The fits with the first value of ``C`` take longer, because they compute the features. The test
# accuracy is lower than in cross-validation: the training and validation patches of a fold are from
# the same half of a photo, and can be neighbors, while the test patches are from the other half.
#
# If no parameter of the embedder is searched, compute the features before the search. The embedder
# learns only the range of the pixel values from the images, so nothing leaks between the folds.

features = ImageEmbedder().fit_transform(X_train)
start = time.perf_counter()
search = GridSearchCV(
    Pipeline(
        [("scale", StandardScaler()), ("classify", LogisticRegression(max_iter=500))],
    ),
    {"classify__C": [0.0001, 0.001, 0.01, 0.1, 1.0]},
    cv=StratifiedKFold(3, shuffle=True, random_state=0),
).fit(features, y_train)
print(f"{search.best_params_} in {time.perf_counter() - start:.1f} s")

# %%
# A map of the test patches
# -------------------------
#
# t-SNE maps images with similar features to neighboring points. With pretrained features, patches
# of the same photo form groups, although the network was not trained on these classes. With pixels,
# they hardly do.

figure, axes = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
for axis, name in zip(axes, ("pixels", "pretrained features"), strict=True):
    rows = StandardScaler().fit_transform(extractors[name].transform(X_test))
    points = TSNE(perplexity=20, init="pca", random_state=0).fit_transform(rows)
    for index, photo in enumerate(classes):
        chosen = y_test == photo
        axis.scatter(*points[chosen].T, s=12, color=plt.cm.tab20(index), label=photo)
    axis.set_title(name)
    axis.set_xticks([])
    axis.set_yticks([])
axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=2, frameon=False)
plt.show()
