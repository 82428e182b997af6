"""
Compare a network with other models, tune it and save it
========================================================

Five models are cross-validated on the same folds of the same images. A grid search tunes the
network, and another program loads the saved pipeline and predicts new images.
"""

# %%
# The images
# ----------
#
# The handwritten digits that come with scikit-learn are gray images of 8 x 8 pixels.
#
# For your own photos, in a folder with one sub-folder for each class, replace the two lines that
# define ``X`` and ``y`` with::
#
#     from skcnn import ImageReader, ImageResizer, load_image_folder
#
#     paths, y = load_image_folder("photos", return_X_y=True)
#     X = make_pipeline(ImageReader(), ImageResizer((64, 64))).fit_transform(paths)
#
# :ref:`sphx_glr_auto_examples_02_tutorials_plot_caltech101.py` reads photos inside the pipeline,
# which can then be saved and deployed as it is.

import subprocess
import sys
import tempfile
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skcnn import CNNClassifier, ImageAugmenter, ImageFlattener

digits = load_digits()
X, y = digits.images, digits.target

X_train, X_new, y_train, y_new = train_test_split(X, y, test_size=0.1, stratify=y, random_state=0)
print(f"{len(X_train)} images of shape {X.shape[1:]}, and {len(X_new)} held out")

# %%
# The comparison
# --------------
#
# Trees and linear models take rows of numbers, so they follow an :class:`~skcnn.ImageFlattener`.
# The network takes images. The seconds are those of one fold.

models = {
    "most frequent class": make_pipeline(ImageFlattener(), DummyClassifier()),
    "decision tree": make_pipeline(ImageFlattener(), DecisionTreeClassifier(random_state=0)),
    "logistic regression": make_pipeline(ImageFlattener(), StandardScaler(), LogisticRegression()),
    "random forest": make_pipeline(ImageFlattener(), RandomForestClassifier(random_state=0)),
    "network": CNNClassifier(max_epochs=10, random_state=0),
}
folds = StratifiedKFold(5, shuffle=True, random_state=0)
results = {}
for name, model in models.items():
    results[name] = pd.DataFrame(cross_validate(model, X_train, y_train, cv=folds))
    accuracy = results[name]["test_score"]
    print(
        f"{name:20} accuracy {accuracy.mean():.3f} ± {accuracy.std():.3f}, "
        f"fit {results[name]['fit_time'].mean():.2f} s, "
        f"predict {results[name]['score_time'].mean():.3f} s",
        flush=True,
    )

# %%
# One point for each fold. The dummy classifier is left out, because its accuracy is 0.1.

figure, axis = plt.subplots(figsize=(6.4, 4), layout="constrained")
for row, name in enumerate(list(models)[1:]):
    accuracy = results[name]["test_score"]
    axis.plot(accuracy, [row] * len(accuracy), "o", markersize=10, alpha=0.6, color="C0")
    axis.plot(accuracy.mean(), row, "|", markersize=30, markeredgewidth=3, color="black")
axis.set_yticks(range(len(models) - 1), list(models)[1:], fontsize="x-large")
axis.set_ylim(-0.5, len(models) - 1.5)
axis.set_xlabel("accuracy of five folds, and their mean", fontsize="x-large")
axis.grid(axis="x")
plt.show()

# %%
# The search
# ----------
#
# A whole step can be a parameter. The augmenter gives new variants of the training images in every
# epoch; the images of `score` and `predict` are never augmented.

search = GridSearchCV(
    Pipeline([("augment", "passthrough"), ("network", models["network"])]),
    {
        "augment": ["passthrough", ImageAugmenter(rotation=10, shift=0.1, random_state=0)],
        "network__dropout": [0.0, 0.3],
    },
    cv=StratifiedKFold(2, shuffle=True, random_state=0),
)
search.fit(X_train, y_train)
columns = ["param_augment", "param_network__dropout", "mean_test_score"]
print(pd.DataFrame(search.cv_results_)[columns].round(4).to_string(index=False))
print(f"accuracy of the best network on the held-out images: {search.score(X_new, y_new):.3f}")

# %%
# The saved pipeline
# ------------------
#
# joblib saves the pipeline with its weights and without the training data. A new process needs only
# this file to predict, here the first of the held-out images.

program = """
import joblib
pipeline = joblib.load("pipeline.joblib")
print("predictions of a new process:", *pipeline.predict(joblib.load("images.joblib")))
"""
with tempfile.TemporaryDirectory() as folder:
    joblib.dump(search.best_estimator_, Path(folder, "pipeline.joblib"))
    joblib.dump(X_new[:8], Path(folder, "images.joblib"))
    size = Path(folder, "pipeline.joblib").stat().st_size
    print(f"size of the saved pipeline: {size / 1000:.0f} kB")
    output = subprocess.check_output([sys.executable, "-c", program], cwd=folder, text=True)
print(output, end="")
print("true classes:                ", *y_new[:8])
