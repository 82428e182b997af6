"""
Metrics, ROC curves, rare classes and a search
==============================================

Guides to image classification recommend more than training a network: several metrics, ROC
curves and the confusion matrix, attention to classes with few images, and a hyperparameter search.
A network that is a scikit-learn estimator can use scikit-learn's functions for all of this. Half of
the classes are rare here: the script keeps one in ten training images of every second class, and at
least five.

Without ``--data`` it runs in about a minute on the handwritten digits that come with scikit-learn.
For any folder of images with one sub-folder for each class, whose classes are reduced in the same
way::

    python plot_guide.py --data caltech101/train
    python plot_guide.py --data photos --seeds 3 --output results

A random quarter of the images is the test set, so the folder should not contain copies of a photo.
The search uses cross-validation on the training images.
"""

# %%
# The images
# ----------
#
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import loguniform
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import RocCurveDisplay, classification_report, roc_auc_score
from sklearn.model_selection import RandomizedSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelBinarizer
from sklearn.tree import DecisionTreeClassifier
from tutorial import (
    chosen,
    command_line,
    compare,
    confusion_matrices,
    folders,
    learning_curves,
    save,
)

from skcnn import CNNClassifier, ImageFlattener, ImageReader, ImageResizer

arguments = command_line(
    __doc__,
    data="a folder of images, one sub-folder for each class (default: scikit-learn's digits)",
)
if arguments.data is None:
    X, y = load_digits(return_X_y=True)
    X = X.reshape(-1, 8, 8)
else:
    paths, y = folders(arguments.data)
    X = make_pipeline(ImageReader(), ImageResizer((64, 64))).fit_transform(paths)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
classes = np.unique(y)
kept = []
for number, label in enumerate(classes):
    of_class = np.flatnonzero(y_train == label)
    kept.append(of_class[: max(5, len(of_class) // 10)] if number % 2 else of_class)
kept = np.sort(np.concatenate(kept))
X_train, y_train = X_train[kept], y_train[kept]
for label, n_images in zip(*np.unique(y_train, return_counts=True), strict=True):
    print(f"class {label}: {n_images} images")

# %%
# Rare classes
# ------------
#
# `class_weight="balanced"` increases the weight of images of rare classes, as in scikit-learn's
# forests. The focal loss increases the weight of images that are hard to classify.

epochs = 15
models = {
    "decision tree": make_pipeline(ImageFlattener(), DecisionTreeClassifier()),
    "random forest": make_pipeline(
        ImageFlattener(), RandomForestClassifier(class_weight="balanced", n_jobs=-1)
    ),
    "network": make_pipeline(CNNClassifier(max_epochs=epochs)),
    "network, balanced": make_pipeline(CNNClassifier(class_weight="balanced", max_epochs=epochs)),
    "network, focal loss": make_pipeline(CNNClassifier(loss="focal", max_epochs=epochs)),
}
(models,) = chosen(arguments.only, models)
curves = None
if "network, balanced" in models and not arguments.no_curves:
    X_fit, X_val, y_fit, y_val = train_test_split(
        X_train, y_train, test_size=0.2, stratify=y_train, random_state=0
    )
    curves = learning_curves(
        {"network, balanced": models["network, balanced"]}, X_fit, y_fit, (X_val, y_val)
    )
table, predictions = compare(models, X_train, y_train, X_test, y_test, seeds=arguments.seeds)

# %%
# Precision, recall and F1 of every class
# ---------------------------------------

name = "network, balanced" if "network, balanced" in models else list(models)[-1]
print(f"\n{name}\n{classification_report(y_test, predictions[name], digits=3)}")

# %%
# ROC curves
# ----------
#
# One curve for each class against the others, from `predict_proba`.

proba = models[name].predict_proba(X_test)
several = len(classes) > 2
area = roc_auc_score(y_test, proba if several else proba[:, 1], multi_class="ovr")
print(f"area under the ROC curve, mean over the classes: {area:.4f}")
figure, axis = plt.subplots(figsize=(6, 5), layout="constrained")
is_class = LabelBinarizer().fit_transform(y_test)
for column, label in enumerate(classes if several else classes[1:]):
    RocCurveDisplay.from_predictions(
        is_class[:, column], proba[:, column if several else 1], name=str(label), ax=axis
    )

# %%
# A search
# --------
#
# Every parameter of the network can be searched, in lists or in distributions.

search = RandomizedSearchCV(
    CNNClassifier(class_weight="balanced", max_epochs=epochs, random_state=0),
    {
        "learning_rate": loguniform(1e-3, 3e-2),
        "dropout": [0.0, 0.3],
        "batch_size": [32, 64],
    },
    n_iter=4,
    cv=3,
    scoring="f1_macro",
    random_state=0,
)
if any("network" in name for name in models):
    search.fit(X_train, y_train)
    print("found", {key: round(float(value), 4) for key, value in search.best_params_.items()})
    on_test = search.score(X_test, y_test)
    print(f"macro F1: {search.best_score_:.3f} on three folds, {on_test:.3f} on the test images")

# %%
# Confusion matrices
# ------------------

matrices = confusion_matrices(predictions, y_test)
save(arguments.output, table, curves=curves, roc=figure, confusion=matrices)
