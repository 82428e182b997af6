"""
Adversarial attacks and adversarial training
============================================

A small change that people hardly see can make a network wrong. This example attacks a classifier
of handwritten digits, measures how its accuracy decreases with the size of the change, and trains
a second network on adversarial images.
"""

# %%
# Two networks
# ------------
#
# The images have pixel values from 0 to 240. The second network is trained on adversarial images,
# which are made anew for every batch: random noise, and one step of 30 along the gradient.

# sphinx_gallery_thumbnail_number = 1

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skcnn import CNNClassifier
from skcnn.robustness import (
    FGSM,
    PGD,
    AutoAttack,
    RobustnessDisplay,
    SquareAttack,
    adversarial_examples,
    robust_score,
)

X, y = load_digits(return_X_y=True)
X = (15 * X).astype(np.uint8).reshape(-1, 8, 8)
X_train, X_test, y_train, y_test = X[:1400], X[1400:1600], y[:1400], y[1400:1600]

options = {"channels": (16, 32), "dropout": 0.0, "random_state": 0}
plain = CNNClassifier(**options, max_epochs=8).fit(X_train, y_train)
robust = CNNClassifier(**options, max_epochs=15, adversary=FGSM(30, noise=1.0))
robust.fit(X_train, y_train)
for name, one in {"plain": plain, "adversarial training": robust}.items():
    print(f"accuracy, {name}: {one.score(X_test, y_test):.2f}")

# %%
# Adversarial images
# ------------------
#
# No pixel value changes by more than 30 of 255. The labels are those that the plain network
# predicts.

X_adversarial = adversarial_examples(plain, X_test, y_test, PGD(30), random_state=0)
predicted = plain.predict(X_adversarial)

figure, axes = plt.subplots(3, 6, figsize=(8, 4.4), layout="constrained")
for column in range(6):
    change = X_adversarial[column].astype(int) - X_test[column]
    axes[0, column].imshow(X_test[column], cmap="gray", vmin=0, vmax=255)
    axes[1, column].imshow(change, cmap="PuOr", vmin=-60, vmax=60)
    axes[2, column].imshow(X_adversarial[column], cmap="gray", vmin=0, vmax=255)
    axes[0, column].set_title(f"{y_test[column]}", fontsize=10)
    axes[2, column].set_title(f"predicted: {predicted[column]}", fontsize=10)
for row, name in enumerate(("original", "change", "adversarial")):
    axes[row, 0].set_ylabel(name)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])

# %%
# Accuracy against the size of the change
# ---------------------------------------
#
# The curves begin at the accuracy without an attack. Adversarial training helps up to about the
# size that it was done with.

_ = RobustnessDisplay.from_estimator(
    {"plain": plain, "adversarial training": robust},
    X_test,
    y_test,
    PGD(1, n_steps=20),
    epsilons=[10, 20, 30, 45, 60],
)

# %%
# An attack gives an upper bound
# ------------------------------
#
# A stronger attack finds more adversarial images, and the ensemble of attacks, each on the images
# that withstood the others, finds most. The Square attack uses no gradients. If it were the
# strongest, the gradients of the network would mislead the other attacks. The ensemble has fewer
# steps and queries here than by default, to save time.

attacks = {
    "FGSM": FGSM(30),
    "PGD": PGD(30, n_steps=20),
    "Square attack": SquareAttack(30, n_queries=300),
    "AutoAttack": AutoAttack(30, n_steps=20, n_queries=300, n_targets=3),
}
for name, attack in attacks.items():
    scores = [robust_score(one, X_test, y_test, attack, random_state=0) for one in (plain, robust)]
    print(f"{name:14} {scores[0]:.2f} plain, {scores[1]:.2f} robust")
