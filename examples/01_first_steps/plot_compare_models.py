"""
Compare a network with other models, tune it and save it
========================================================

Five models, each a :class:`~sklearn.pipeline.Pipeline`, are cross-validated on the same folds of
the same images. A search finds the best network, which is saved and loaded by another program.

By default the images are the handwritten digits that come with scikit-learn. The script also takes
a folder of images with one sub-folder for each class::

    python plot_compare_models.py --data photos --size 64 --output models
"""

# %%
# The images
# ----------
#
# The digits are an array of shape (1797, 8, 8). The images of a folder are paths, and every
# pipeline reads and resizes them, so that it can be saved and deployed as it is.

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skcnn import (
    CNNClassifier,
    ImageAugmenter,
    ImageFlattener,
    ImageReader,
    ImageResizer,
    load_image_folder,
)

parser = argparse.ArgumentParser(description="Compare a network with other models on images.")
parser.add_argument("--data", type=Path, help="a folder of images, one sub-folder for each class")
parser.add_argument(
    "--size", type=int, default=64, help="height and width of resized photos, in pixels"
)
parser.add_argument("--folds", type=int, default=None, help="default: 5, or 3 for a folder")
parser.add_argument("--epochs", type=int, default=20, help="epochs of the networks")
parser.add_argument(
    "--output", type=Path, help="folder for the saved pipeline (default: a temporary one)"
)
arguments = parser.parse_args()

if arguments.data is None:
    X, y = load_digits(return_X_y=True)
    X = X.reshape(-1, 8, 8)
    first_steps = []
else:
    X, y = load_image_folder(arguments.data, return_X_y=True)
    size = (arguments.size, arguments.size)
    first_steps = [("read", ImageReader()), ("resize", ImageResizer(size))]

X_train, X_new, y_train, y_new = train_test_split(X, y, test_size=0.1, stratify=y, random_state=0)
print(f"{len(X_train)} images of {len(np.unique(y))} classes, and {len(X_new)} held out")

# %%
# The models
# ----------
#
# Trees and linear models take rows of numbers, so they follow an :class:`~skcnn.ImageFlattener`.
# The network takes images. ``memory`` caches the resized photos of a fold in a temporary folder, so
# that the training photos are read once for all models.

cache = tempfile.TemporaryDirectory()


def pipeline(*last_steps):
    """Build a pipeline that reads photos, if there are any, before the given steps."""
    return Pipeline([*first_steps, *last_steps], memory=cache.name if first_steps else None)


flatten = ("flatten", ImageFlattener())
cnn = ("cnn", CNNClassifier(max_epochs=arguments.epochs, random_state=0))
models = {
    "most frequent class": pipeline(flatten, ("model", DummyClassifier())),
    "decision tree": pipeline(flatten, ("model", DecisionTreeClassifier(random_state=0))),
    "random forest": pipeline(flatten, ("model", RandomForestClassifier(random_state=0))),
    "logistic regression": pipeline(
        flatten, ("scale", StandardScaler()), ("model", LogisticRegression(max_iter=300, tol=1e-2))
    ),
    "network": pipeline(cnn),
}

# %%
# The comparison
# --------------

n_folds = arguments.folds or (5 if arguments.data is None else 3)
folds = StratifiedKFold(n_folds, shuffle=True, random_state=0)
results = {}
print(f"\n{'model':22}{'accuracy':>17}{'fit seconds':>13}{'score seconds':>15}")
for name, model in models.items():
    result = results[name] = cross_validate(model, X_train, y_train, cv=folds, error_score="raise")
    accuracy = result["test_score"]
    print(
        f"{name:22}{accuracy.mean():>9.4f} ± {accuracy.std():.4f}"
        f"{result['fit_time'].mean():>13.2f}{result['score_time'].mean():>15.3f}",
        flush=True,
    )

# %%
# The search
# ----------
#
# A whole step can be a parameter. The augmenter gives new variants of the training images in every
# epoch; the images of `score` and `predict` are never augmented.

search = GridSearchCV(
    pipeline(("augment", "passthrough"), cnn),
    {
        "augment": ["passthrough", ImageAugmenter(rotation=10, shift=0.1, random_state=0)],
        "cnn__dropout": [0.0, 0.3],
    },
    cv=StratifiedKFold(2, shuffle=True, random_state=0),
    error_score="raise",
).fit(X_train, y_train)
print("\nnetworks, on two folds")
for parameters, accuracy in zip(
    search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
):
    augmented = "plain" if parameters["augment"] == "passthrough" else "augmented"
    print(f"{augmented:>12}, dropout {parameters['cnn__dropout']}: {accuracy:.4f}")
best = search.best_estimator_
print(f"the best network on the held-out images: {best.score(X_new, y_new):.4f}")

# %%
# A figure
# --------

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
left.boxplot([result["test_score"] for result in results.values()], orientation="horizontal")
left.set_yticks(range(1, len(results) + 1), list(results))
left.set_xlabel(f"accuracy on {n_folds} folds")
history = best[-1].history_
epochs = [record["epoch"] for record in history]
right.plot(epochs, [record["train_loss"] for record in history], label="loss")
right.plot(epochs, [record["train_score"] for record in history], label="accuracy")
right.set_xlabel("epoch of the best network (training images)")
right.legend()
if arguments.output:
    arguments.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output / "comparison.png", dpi=150)
plt.show()

# %%
# The saved pipeline
# ------------------
#
# joblib saves the pipeline with its weights and without the training data. A new process needs only
# this file to predict, here the first of the held-out images.

folder = arguments.output or Path(cache.name)
best.set_params(memory=None)
joblib.dump(best, folder / "pipeline.joblib")
joblib.dump(X_new[:8], folder / "new_images.joblib")
print(f"\nsaved pipeline: {(folder / 'pipeline.joblib').stat().st_size / 1000:.0f} kB")

program = """
import joblib
pipeline = joblib.load("pipeline.joblib")
print("predictions of a new process:", *pipeline.predict(joblib.load("new_images.joblib")))
"""
done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True)
print(done.stdout or done.stderr, end="")
print("true classes:                ", *y_new[:8])
cache.cleanup()
