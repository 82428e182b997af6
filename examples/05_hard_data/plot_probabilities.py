"""
Calibrated probabilities and prediction sets
============================================

The predicted probabilities of a network are often higher than its accuracy. This example corrects
them with temperature scaling in scikit-learn. It then uses MAPIE to compute sets of labels that
contain the true label with at least a given probability. Both methods need images that the network
was not trained on. MAPIE is installed by the extra ``skcnn[conformal]``.
"""

# %%
# A network with probabilities that are too high
# ----------------------------------------------
#
# The digits of scikit-learn are hard to recognize with noise. A network without dropout and weight
# decay overfits 400 of them. 600 other images are the calibration images, and the rest are the test
# images. The images are shuffled, because the calibration images and the test images must have the
# same distribution.

# sphinx_gallery_thumbnail_number = 3

import matplotlib.pyplot as plt
import numpy as np
from mapie.classification import SplitConformalClassifier
from sklearn.calibration import CalibratedClassifierCV, CalibrationDisplay
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

from skcnn import CNNClassifier, ImageFlattener
from skcnn.inspection import classification_summary

X, y = load_digits(return_X_y=True)
X = X.reshape(-1, 8, 8) + np.random.default_rng(0).normal(scale=6, size=(len(X), 8, 8))
X_train, X_other, y_train, y_other = train_test_split(X, y, train_size=400, random_state=0)
X_calibration, X_test, y_calibration, y_test = train_test_split(
    X_other, y_other, train_size=600, random_state=0
)
cnn = CNNClassifier(
    channels=(16,), dropout=0.0, weight_decay=0.0, learning_rate=0.01, max_epochs=30, random_state=0
).fit(X_train, y_train)
metrics = ["accuracy", "log_loss", "calibration_error"]
classification_summary(cnn, X_test, y_test, random_state=0).loc[metrics]

# %%
# Temperature scaling
# -------------------
#
# The logits are divided by a number, the temperature. It is the number with the smallest log loss
# on the calibration images. The order of the probabilities of an image does not change, so the
# accuracy does not change either. `FrozenEstimator` prevents another training of the network.

frozen = FrozenEstimator(cnn)
calibrated = CalibratedClassifierCV(frozen, method="temperature").fit(X_calibration, y_calibration)
temperature = 1 / calibrated.calibrated_classifiers_[0].calibrators[0].beta_
print(f"temperature: {temperature:.2f}")
classification_summary(calibrated, X_test, y_test, random_state=0).loc[metrics]

# %%
# Reliability diagrams
# --------------------
#
# The images are grouped by the probability of the predicted class. For a calibrated classifier, the
# accuracy in each group is equal to the mean probability, and all points are on the diagonal. For
# points below the diagonal, the probabilities are too high. The histograms show the number of
# images in each range of probabilities. Points of groups with few images can be far from the
# diagonal by chance.

figure, axes = plt.subplots(
    2, 2, figsize=(7, 5), height_ratios=(3, 1), sharex=True, sharey="row", layout="constrained"
)
for (top, bottom), model, title in zip(
    axes.T, (cnn, calibrated), ("network", "temperature scaling"), strict=True
):
    proba = model.predict_proba(X_test)
    correct = model.classes_[proba.argmax(axis=1)] == y_test
    CalibrationDisplay.from_predictions(
        correct, proba.max(axis=1), n_bins=10, ax=top, color="#0072B2"
    )
    top.set(title=title, xlabel="", ylabel="accuracy")
    top.get_legend().remove()
    bottom.hist(proba.max(axis=1), bins=20, range=(0, 1), color="#0072B2")
    bottom.set(xlabel="probability of the predicted class", ylabel="images")

# %%
# Prediction sets
# ---------------
#
# A prediction set contains all labels that are probable enough. A conformity score and a threshold
# define which labels these are. The threshold is computed from calibration images, so that the sets
# of new images contain the true label with at least the probability of the confidence level. This
# holds for every network, and a better network has smaller sets. Half of the calibration images
# are used for the temperature, and the others for the threshold.
#
# Images of one size must be converted to rows for `SplitConformalClassifier`. A network that was
# fitted on images also accepts rows. For pipelines that read files, pass arrays of paths.

half = len(X_calibration) // 2
scaled = CalibratedClassifierCV(frozen, method="temperature")
scaled.fit(X_calibration[:half], y_calibration[:half])
rows, rows_test = (ImageFlattener().fit_transform(images) for images in (X_calibration, X_test))

levels = [0.6, 0.7, 0.8, 0.9, 0.95, 0.99]
figure, axes = plt.subplots(1, 2, figsize=(8, 3.5), layout="constrained")
axes[0].plot([0.6, 1], [0.6, 1], color="gray", linestyle="--")
for score, color in (("lac", "#0072B2"), ("aps", "#D55E00")):
    mapie = SplitConformalClassifier(scaled, levels, conformity_score=score, random_state=0)
    mapie.conformalize(rows[half:], y_calibration[half:])
    sets = mapie.predict_set(rows_test)[1]
    covered = sets[np.arange(len(y_test)), y_test].mean(axis=0)
    axes[0].plot(levels, covered, marker="o", color=color, label=score)
    axes[1].plot(levels, sets.sum(axis=1).mean(axis=0), marker="o", color=color, label=score)
axes[0].set(xlabel="confidence level", ylabel="coverage")
axes[1].set(xlabel="confidence level", ylabel="labels in a set, on average")
_ = axes[1].legend(title="conformity score")

# %%
# The coverage is the fraction of sets that contain the true label. With the score "lac", which
# depends only on the probability of a label, it is close to the confidence level. The score "aps"
# of a label is the sum of its probability and those of all labels that are more probable. Its sets
# are larger, and never empty.
#
# The size of a set shows how certain a prediction is. For example, a person can check the images
# whose sets contain several labels. The last figure shows sets of one, two and three labels.

mapie = SplitConformalClassifier(scaled, 0.9).conformalize(rows[half:], y_calibration[half:])
predicted, sets = mapie.predict_set(rows_test)
sizes = sets[:, :, 0].sum(axis=1)
print(f"accuracy of sets with one label:  {np.mean((predicted == y_test)[sizes == 1]):.2f}")
print(f"accuracy of sets with two labels: {np.mean((predicted == y_test)[sizes == 2]):.2f}")

figure, axes = plt.subplots(3, 6, figsize=(8, 5.5), layout="constrained")
for size, row in enumerate(axes, start=1):
    for image, ax in zip(np.flatnonzero(sizes == size), row, strict=False):
        ax.imshow(X_test[image], cmap="gray")
        labels = ", ".join(map(str, np.flatnonzero(sets[image, :, 0])))
        ax.set(title=f"{labels}\ntrue label: {y_test[image]}", xticks=[], yticks=[])
