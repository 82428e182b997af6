"""
Blood cells: copies of a photo make a random split misleading
=============================================================

A tutorial classifies photos of four types of white blood cells, and tests its models on a random
fifth of the images. The publisher had saved each photo many times, rotated and sheared. A random
split puts copies of one photo on both sides, so that a model that memorizes photos gets a high
score. This example measures the difference on cells that it draws. :doc:`/benchmarks/tutorials` has
the results on the real data set.
"""

# %%
# The images
# ----------
#
# The types of cells differ in the number of lobes of the nucleus. Each photo is saved four times,
# rotated. To run the example on the real data set
# (https://www.kaggle.com/datasets/paultimothymooney/blood-cells), replace the code of this cell
# after the imports with::
#
#     from skcnn import ImageReader, ImageResizer, load_image_folder
#
#     read = make_pipeline(ImageReader(), ImageResizer((60, 80)))
#     paths, y = load_image_folder("blood_cells/train", return_X_y=True)
#     paths_new, y_new = load_image_folder("blood_cells/test", return_X_y=True)
#     X, X_new = read.fit_transform(paths), read.transform(paths_new)

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from skimage.draw import disk
from skimage.transform import rotate
from sklearn.cluster import AgglomerativeClustering
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline

from skcnn import CNNClassifier, ColorHistogramExtractor, ImageFlattener

rng = np.random.default_rng(0)


def draw_copies(n_lobes, size=32):
    """Draw a cell whose nucleus has `n_lobes` lobes, and return four rotated copies."""
    image = np.full((size, size, 3), rng.uniform(200, 250, 3))
    for _ in range(5):  # red blood cells around it
        image[disk(rng.uniform(0, size, 2), size / 8, shape=(size, size))] = 200, 130, 140
    stain = rng.uniform((70, 40, 120), (110, 40, 170))
    center, angle = rng.uniform(0.4, 0.6, 2) * size, rng.uniform(0, np.pi)
    for lobe_angle in angle + 2 * np.pi * np.arange(n_lobes) / n_lobes:
        offset = (n_lobes > 1) * size / 7 * np.array((np.sin(lobe_angle), np.cos(lobe_angle)))
        radius = size / 6 / np.sqrt(n_lobes) * rng.uniform(0.9, 1.3)
        image[disk(center + offset, radius, shape=(size, size))] = stain
    image += rng.normal(0, 12, image.shape)
    copies = [rotate(image, rng.uniform(0, 360), mode="edge") for _ in range(4)]
    return np.clip(copies, 0, 255).astype(np.uint8)


classes = ["1 lobe", "2 lobes", "3 lobes", "4 lobes"]
X = np.concatenate([draw_copies(number % 4 + 1) for number in range(60)])
X_new = np.concatenate([draw_copies(number % 4 + 1) for number in range(60)])
y = y_new = np.tile(np.repeat(classes, 4), 15)

# %%
# The copies of four photos, one of each class.

print(f"{len(X)} images of shape {X.shape[1:]}, and {len(X_new)} images of other photos")
figure, axes = plt.subplots(4, 4, figsize=(5.2, 5.2), layout="constrained")
for index, axis in enumerate(axes.T.flat):
    axis.imshow(X[index])
    axis.axis("off")
    if index % 4 == 0:
        axis.set_title(y[index])
plt.show()

# %%
# The groups
# ----------
#
# The file names of the real data set do not identify the copies of a photo, but the colors do: a
# rotation does not change the stain and the light. Images with similar color histograms are put in
# the same cluster, so that copies of a photo stay together. There are half as many clusters as
# photos (138 for the real data set), so that photos of similar colors can share a cluster.

histograms = np.sqrt(ColorHistogramExtractor().fit_transform(X))
groups = AgglomerativeClustering(n_clusters=30).fit_predict(histograms)

# %%
# Three estimates of the accuracy
# -------------------------------
#
# Cross-validation on a random split, and on a split that keeps each group on one side, and the
# accuracy on images of other photos.

models = {
    "random forest": make_pipeline(ImageFlattener(), RandomForestClassifier(random_state=0)),
    "network": CNNClassifier(network="fast", channels=(16, 32), max_epochs=8, random_state=0),
}
random_split = StratifiedKFold(4, shuffle=True, random_state=0)
group_split = StratifiedGroupKFold(4, shuffle=True, random_state=0)
accuracy = {}
for name, model in models.items():
    accuracy[name] = {
        "random split": cross_val_score(model, X, y, cv=random_split).mean(),
        "split by groups": cross_val_score(model, X, y, cv=group_split, groups=groups).mean(),
        "other photos": model.fit(X, y).score(X_new, y_new),
    }
accuracy = pd.DataFrame(accuracy)
print(accuracy.round(3))

# %%
# The accuracy of the random split is higher than that on other photos. The accuracy of the split by
# groups is lower here: its models are trained on fewer photos, and on fewer colors of each class.

axis = accuracy.plot.barh(figsize=(6.4, 4.2), color=["C7", "C0"], fontsize="x-large")
for bars in axis.containers:
    axis.bar_label(bars, fmt="%.2f", padding=4, fontsize="x-large")
axis.set_xlim(0, 1.15)
axis.set_xlabel("accuracy", fontsize="x-large")
axis.invert_yaxis()
axis.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, fontsize="x-large", frameon=False)
axis.figure.set_layout_engine("constrained")
plt.show()
