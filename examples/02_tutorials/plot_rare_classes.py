"""
Rare classes: metrics, class weights and a search
=================================================

If some classes have few images, guides to image classification recommend metrics of every class,
ROC curves, class weights and a hyperparameter search. Because the networks are scikit-learn
estimators, scikit-learn's functions do most of this. Half of the classes are rare here, and the
network recognizes more of their images with ``class_weight="balanced"``.
"""

# %%
# The images
# ----------
#
# The images are the handwritten digits that come with scikit-learn, with only five training images
# of each odd digit. For photos of your own, whose classes may be rare already, replace the code of
# this cell after the imports with::
#
#     from sklearn.pipeline import make_pipeline
#     from skcnn import ImageReader, ImageResizer, load_image_folder
#
#     paths, y = load_image_folder("caltech101/train", return_X_y=True)
#     X = make_pipeline(ImageReader(), ImageResizer((64, 64))).fit_transform(paths)
#     X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.metrics import RocCurveDisplay, classification_report, recall_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split

from skcnn import CNNClassifier

digits = load_digits()
X_train, X_test, y_train, y_test = train_test_split(
    digits.images, digits.target, test_size=0.5, stratify=digits.target, random_state=0
)
kept = np.concatenate(
    [np.flatnonzero(y_train == label)[: 5 if label % 2 else None] for label in range(10)]
)
X_train, y_train = X_train[kept], y_train[kept]
classes, n_images = np.unique(y_train, return_counts=True)
print("training images of each class:", dict(zip(classes.tolist(), n_images.tolist(), strict=True)))

# %%
# The search
# ----------
#
# ``class_weight="balanced"`` gives images of rare classes a larger weight. The focal loss gives
# images that are hard to classify a larger weight. The search compares them by the macro F1 score,
# in which every class counts the same. The accuracy hardly depends on the rare classes, because the
# validation images have few of them too.

search = GridSearchCV(
    CNNClassifier(max_epochs=15, random_state=0),
    {"class_weight": [None, "balanced"], "loss": ["cross_entropy", "focal"]},
    scoring=["f1_macro", "accuracy"],
    refit="f1_macro",
    cv=StratifiedKFold(3, shuffle=True, random_state=0),
).fit(X_train, y_train)
columns = ["param_class_weight", "param_loss", "mean_test_f1_macro", "mean_test_accuracy"]
print(pd.DataFrame(search.cv_results_)[columns].round(3).to_string(index=False, na_rep="None"))

# %%
# Metrics of every class
# ----------------------

networks = {
    "without class weights": CNNClassifier(max_epochs=15, random_state=0).fit(X_train, y_train),
    'class_weight="balanced"': CNNClassifier(
        class_weight="balanced", max_epochs=15, random_state=0
    ).fit(X_train, y_train),
}
predictions = {name: network.predict(X_test) for name, network in networks.items()}
print(classification_report(y_test, predictions['class_weight="balanced"']))

# %%
# The recall is the fraction of the images of a class that are recognized. The test set has about as
# many images of every class.

recall = pd.DataFrame(
    {name: recall_score(y_test, y_pred, average=None) for name, y_pred in predictions.items()},
    index=classes,
)
axis = recall.plot.bar(figsize=(6.4, 4.4), color=["C7", "C0"], width=0.8, rot=0, fontsize="x-large")
axis.set_xlabel("class (odd digits are rare)", fontsize="x-large")
axis.set_ylabel("recall", fontsize="x-large")
axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, fontsize="large", frameon=False)
axis.figure.set_layout_engine("constrained")
plt.show()

# %%
# ROC curves
# ----------
#
# The curves of one rare class against all others, from `predict_proba`.

rare = classes[n_images.argmin()]
figure, axis = plt.subplots(figsize=(6.4, 5.2), layout="constrained")
for (name, network), style in zip(networks.items(), ("--", "-"), strict=True):
    proba = network.predict_proba(X_test)[:, classes == rare].ravel()
    RocCurveDisplay.from_predictions(
        y_test == rare, proba, name=name, ax=axis, curve_kwargs={"linestyle": style, "linewidth": 2}
    )
axis.set_title(f"class {rare} against all others")
plt.show()
