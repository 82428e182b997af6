"""
Learning curves
===============

:class:`~skcnn.inspection.HistoryDisplay` draws the loss and the score of every epoch: of one
network with early stopping, of several networks, and of the folds of a cross-validation.
"""

# %%
# One network
# -----------
#
# The network is trained on noisy images of handwritten digits. With ``early_stopping=True``, a
# tenth of the training images are for validation, and the weights of the best epoch, marked by a
# circle, are restored.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_validate, train_test_split
from sklearn.pipeline import make_pipeline

from skcnn import CNNClassifier, ImageAugmenter
from skcnn.inspection import HistoryDisplay

X, y = load_digits(return_X_y=True)
X = X.reshape(-1, 8, 8) + np.random.default_rng(0).normal(scale=4, size=(len(X), 8, 8))
X_train, X_val, y_train, y_val = train_test_split(X, y, train_size=800, random_state=0)

cnn = CNNClassifier(channels=(16, 32), max_epochs=25, early_stopping=True, random_state=0)
HistoryDisplay.from_estimator(cnn.fit(X_train, y_train))
plt.show()

# %%
# The training score is computed with dropout while the weights change, and the validation score at
# the end of the epoch without dropout. Therefore, validation can be better than training.
#
# Several networks
# ----------------
#
# A dict compares networks, each in its own color. Here they have the same validation images, which
# are passed to `fit`, and one of them is the last step of a pipeline with augmentation. Without
# dropout, the training loss decreases to almost 0, and the validation loss does not: the network
# overfits. With dropout or augmentation, the dashed and the solid lines stay close together. Their
# validation losses are nevertheless not smaller here.

options = {"channels": (16, 32), "max_epochs": 20, "random_state": 0}
fitted = {
    "no dropout": CNNClassifier(**options, dropout=0.0).fit(
        X_train, y_train, X_val=X_val, y_val=y_val
    ),
    "dropout": CNNClassifier(**options).fit(X_train, y_train, X_val=X_val, y_val=y_val),
    "augmentation": make_pipeline(
        ImageAugmenter(rotation=10, shift=1, random_state=0), CNNClassifier(**options, dropout=0.0)
    ).fit(X_train, y_train, cnnclassifier__X_val=X_val, cnnclassifier__y_val=y_val),
}
display = HistoryDisplay.from_estimator(fitted)
plt.show()

# %%
# Cross-validation
# ----------------
#
# A list contains several fits of one estimator, such as the folds of a cross-validation. Each fold
# is a thin line, and a thick line is their mean. Differences between networks that are smaller than
# those between the thin lines may be due to chance. If folds end after different numbers of epochs,
# the mean is over the epochs that all of them have.

cnn = CNNClassifier(channels=(16, 32), max_epochs=15, early_stopping=True, random_state=0)
folds = cross_validate(cnn, X_train, y_train, cv=4, return_estimator=True)
print(f"test accuracy of the folds: {folds['test_score'].round(2)}")
display = HistoryDisplay.from_estimator(folds["estimator"])
plt.show()

# %%
# The axes are stored in `ax_` and can be changed with matplotlib. Here, the loss gets a logarithmic
# axis. The display can also be created from records, one dict for each epoch, such as `history_`.

display = HistoryDisplay({"dropout": fitted["dropout"].history_}, score_name="accuracy")
display.plot(colors=["black"])
display.ax_[0].set_yscale("log")
plt.show()
