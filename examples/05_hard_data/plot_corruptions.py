"""
Accuracy for corrupted images
=============================

:func:`~skcnn.robustness.corrupt` adds noise, blur, weather, digital artifacts and objects to
images, with severities from 1 to 5. :func:`~skcnn.robustness.corruption_report` computes the
accuracy of a classifier for all of them, and :class:`~skcnn.ImageAugmenter` uses them in training.
"""

# %%
# The corruptions
# ---------------
#
# ``CORRUPTIONS`` lists the kinds by group. Each row shows a group with severity 4.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits, load_sample_image
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from skcnn import CNNClassifier, ImageAugmenter, ImageFlattener, ImageResizer
from skcnn.robustness import CORRUPTIONS, corrupt, corruption_report

photo = ImageResizer((224, 224), aspect="crop").fit_transform([load_sample_image("china.jpg")])
figure, axes = plt.subplots(5, 4, figsize=(8, 10.5), layout="constrained")
for row, kinds in zip(axes, CORRUPTIONS.values(), strict=True):
    for ax in row:
        ax.axis("off")
    for ax, kind in zip(row, kinds, strict=False):
        ax.imshow(corrupt(photo, kind, severity=4, random_state=0)[0])
        ax.set_title(kind.replace("_", " "))

# %%
# All severities show the same random numbers, so that they can be compared.

figure, axes = plt.subplots(3, 5, figsize=(10, 6.3), layout="constrained")
for row, kind in zip(axes, ("snow", "glass_blur", "clutter"), strict=True):
    for severity, ax in enumerate(row, start=1):
        ax.imshow(corrupt(photo, kind, severity, random_state=0)[0])
        ax.set(title=f"{kind.replace('_', ' ')} {severity}", xticks=[], yticks=[])

# %%
# A report
# --------
#
# A network classifies scanned digits. They are enlarged to 28 x 28 pixels, because some
# corruptions hardly change the 8 x 8 pixels of the originals.

X, y = load_digits(return_X_y=True)
X = ImageResizer((28, 28)).fit_transform(X.reshape(-1, 8, 8) / 16)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=1000, test_size=100, stratify=y, random_state=0
)
options = {"channels": (16, 32), "max_epochs": 8, "random_state": 0}
plain = CNNClassifier(**options).fit(X_train, y_train)
report = corruption_report(plain, X_test, y_test, severities=(1, 3, 5))
print(f"accuracy without corruption: {report.clean_accuracy:.2f}")
report.accuracy

# %%
# Training with corruptions
# -------------------------
#
# The parameter `corruption` of the augmenter corrupts each training image with a random kind and
# severity, in every epoch with another one. Here it is trained with noise and blur only, and
# tested with all kinds.

augmenter = ImageAugmenter(corruption=[*CORRUPTIONS["noise"], *CORRUPTIONS["blur"]], random_state=0)
trained = make_pipeline(augmenter, CNNClassifier(**options)).fit(X_train, y_train)
other = corruption_report(trained, X_test, y_test, severities=(1, 3, 5), baseline=plain)
print(f"accuracy without corruption: {other.clean_accuracy:.2f}")
print(f"mean corruption error, relative to the first network: {other.mean_corruption_error:.2f}")

# %%
# A mean corruption error below 1 is lower than that of the baseline. The accuracy increases most
# for kinds that the network was trained with, and for objects in front of the digits. It does not
# increase for all kinds: fog and low contrast are still hard.

figure, axes = plt.subplots(1, 2, figsize=(8, 6.5), layout="constrained", sharey=True)
names = [kind.replace("_", " ") for kind in report.accuracy.index]
for ax, one, title in zip(
    axes, (report, other), ("no augmentation", "noise and blur in training"), strict=True
):
    image = ax.imshow(one.accuracy, vmin=0, vmax=1, cmap="cividis", aspect="auto")
    ax.set(title=title, xlabel="severity", yticks=range(len(names)), yticklabels=names)
    ax.set_xticks(range(one.accuracy.shape[1]), one.accuracy.columns)
    for (row, column), accuracy in np.ndenumerate(one.accuracy):
        color = "black" if accuracy > 0.5 else "white"
        ax.text(column, row, f"{accuracy:.2f}", ha="center", va="center", color=color)
figure.colorbar(image, ax=axes, label="accuracy")

# %%
# Other classifiers
# -----------------
#
# The report takes any fitted classifier of scikit-learn. A decision tree depends on single pixels,
# and so its predictions change with a little noise.

tree = make_pipeline(ImageFlattener(), DecisionTreeClassifier(random_state=0))
tree.fit(X_train, y_train)
corruption_report(tree, X_test, y_test, kinds=CORRUPTIONS["noise"]).accuracy
