"""
Metrics with intervals, and curves of each class
================================================

:func:`~skcnn.inspection.classification_summary` computes the usual metrics of a classifier on test
images, each with a confidence interval, and :class:`~skcnn.inspection.MulticlassRocDisplay` draws
the ROC curves of all classes. Displays of scikit-learn draw the confusion matrix and the
calibration.
"""

# %%
# A network for scanned digits
# ----------------------------
#
# The network is trained on 400 of the images only, so that it makes mistakes.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.calibration import CalibrationDisplay
from sklearn.datasets import load_digits
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from skcnn import CNNClassifier, ImageFlattener
from skcnn.inspection import (
    MulticlassRocDisplay,
    classification_summary,
    classification_summary_from_predictions,
)

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X.reshape(-1, 8, 8), y, train_size=400, stratify=y, random_state=0
)
cnn = CNNClassifier(channels=(16,), max_epochs=10, random_state=0).fit(X_train, y_train)

# %%
# Metrics
# -------
#
# The intervals are from bootstrap resamples of the test images: they show how much a metric varies
# with the choice of the test images. Of the log loss and the calibration error, lower is better.

classification_summary(cnn, X_test, y_test, random_state=0)

# %%
# With fewer test images, here the first 300, the intervals are wider. If the probabilities are
# known, the classifier is not needed.

proba = cnn.predict_proba(X_test)
classification_summary_from_predictions(y_test[:300], proba[:300], random_state=0)

# %%
# ROC curves
# ----------
#
# Each curve is that of a class against all others. The table is sorted by the areas under the
# curves, the smallest first, and the four classes with the smallest areas are in color. The
# logarithmic axis separates curves that are close to the upper left corner.

_ = MulticlassRocDisplay.from_estimator(cnn, X_test, y_test, log_scale=True)

# %%
# Any classifier with probabilities has such curves. Those of a decision tree have few points,
# because its leaves are pure and its probabilities are 0 or 1.

tree = make_pipeline(ImageFlattener(), DecisionTreeClassifier(random_state=0))
_ = MulticlassRocDisplay.from_estimator(tree.fit(X_train, y_train), X_test, y_test)

# %%
# Confusion matrix
# ----------------
#
# The displays of scikit-learn take the predictions of a network like those of any classifier.

_ = ConfusionMatrixDisplay.from_predictions(y_test, cnn.predict(X_test), cmap="cividis")

# %%
# Calibration
# -----------
#
# A classifier is calibrated if, for example, 80 % of the predictions with a probability of 80 % are
# correct: the line is then on the diagonal. The calibration error of the summary is the mean
# distance of the line from the diagonal, weighted by the number of images in each bin. This network
# is more often correct than its probabilities say.

correct = cnn.classes_[np.argmax(proba, axis=1)] == y_test
display = CalibrationDisplay.from_predictions(correct, proba.max(axis=1), n_bins=15, name="network")
display.ax_.set(xlabel="probability of the predicted class", ylabel="accuracy")
plt.show()
