"""
Find wrong labels
=================

A classifier that did not see an image in training, and is sure of another class than the label, is
often right. :func:`~skcnn.quality.find_label_issues` trains a classifier on all folds but one,
predicts the probabilities of this fold, and finds the labels that are probably wrong by confident
learning (Northcutt et al. 2021). Here 5 % of the labels of handwritten digits are wrong.
"""

# %%
# Digits with wrong labels
# ------------------------

# sphinx_gallery_thumbnail_number = 1

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import average_precision_score
from sklearn.model_selection import StratifiedKFold

from skcnn import CNNClassifier
from skcnn.quality import find_label_issues

digits = load_digits()
X, truth = digits.images[:1200], digits.target[:1200]
rng = np.random.default_rng(0)
wrong = rng.permutation(len(X))[:60]
y = truth.copy()
y[wrong] = (truth[wrong] + rng.integers(1, 10, len(wrong))) % 10

# %%
# Find them
# ---------
#
# Any classifier with `predict_proba` can be used, and a better one finds more.

cnn = CNNClassifier(channels=(16, 32), max_epochs=10, random_state=0)
found = find_label_issues(cnn, X, y, cv=5)
found.issues.head()

# %%
# Most of the labels that are found are wrong, and most of the wrong labels are found. ``quality``
# ranks all images: with a limited time for looking at images, start with the smallest values.

is_wrong = y != truth
print(f"found: {found.is_issue.sum()}, of which {is_wrong[found.is_issue].sum()} are wrong")
print(f"wrong: {is_wrong.sum()}, of which {found.is_issue[is_wrong].sum()} are found")
print(f"average precision: {average_precision_score(is_wrong, -found.quality):.2f}")

figure, axes = plt.subplots(2, 6, figsize=(8, 3.2), layout="constrained")
for ax, issue in zip(axes.flat, found.issues.itertuples(), strict=False):
    ax.imshow(X[issue.index], cmap="gray_r")
    ax.set_title(f"label {issue.label}, looks like {issue.suggested}", fontsize=7)
    ax.set_axis_off()

# %%
# Correct them
# ------------
#
# Look at the images, and correct or remove what is wrong. Nothing is changed by itself. Here we
# compare the accuracy with the true labels of the test folds, for training with the wrong labels
# and without the labels that were found.

keep = ~found.is_issue
cv = StratifiedKFold(3)
with_wrong, without = [], []
for train, test in cv.split(X, truth):
    with_wrong.append(cnn.fit(X[train], y[train]).score(X[test], truth[test]))
    train = train[keep[train]]
    without.append(cnn.fit(X[train], y[train]).score(X[test], truth[test]))
print(f"trained with wrong labels: {np.mean(with_wrong):.3f}, without: {np.mean(without):.3f}")
