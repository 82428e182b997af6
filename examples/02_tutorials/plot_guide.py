"""
A guide's checklist: metrics, ROC curves, rare classes, a search
================================================================

Guides to image classification list what one should do besides training a network: look at more
than accuracy, at ROC curves and at the confusion matrix, care for classes with few images, and
search for good hyperparameters. A network that is a scikit-learn estimator needs nothing of its own
for that. Here it is all done with scikit-learn's own functions, on a set in which half of the
classes are rare: of every second class it keeps one training image in ten, five at least.

Without ``--data`` it runs in about a minute on the handwritten digits that come with scikit-learn.
For any folder of images with one sub-folder a class, thinned out in the same way::

    python plot_guide.py --data caltech101/train
    python plot_guide.py --data photos --seeds 3 --output results

A random quarter of the images is the test set, so no photo should be there twice. The search
cross-validates on the training images alone.
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
    __doc__, data="a folder of images, one sub-folder a class (default: scikit-learn's digits)"
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
# `class_weight="balanced"` gives the images of a rare class a larger say, as it does in
# scikit-learn's forests. The focal loss gives it to images that the network finds hard.

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
# Of each class against the others. `predict_proba` is what scikit-learn's displays ask for.

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
# Every parameter of the network can be searched for, and a distribution does as well as a list.

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
# What is taken for what
# ----------------------

matrices = confusion_matrices(predictions, y_test)
save(arguments.output, table, curves=curves, roc=figure, confusion=matrices)
