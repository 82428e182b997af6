"""
Early stopping with a learning rate schedule
============================================

A network is trained on noisy images of digits for at most 60 epochs, once without and once with
``early_stopping=True``. When the validation loss has not improved for `patience` epochs, early
stopping skips to the last quarter of the schedule: the learning rate decreases to 0 within a few
epochs, and the weights of the best of the last epochs are restored.
"""

# %%
# The images
# ----------
#
# Handwritten digits with noise. Early stopping holds out a tenth of the training images; here they
# are given to `fit`, so that both networks are trained on the same images.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from skorch.callbacks import Callback

from skcnn import CNNClassifier

X, y = load_digits(return_X_y=True)
X = X + np.random.default_rng(0).normal(scale=4, size=X.shape)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
X_train, X_val, y_train, y_val = train_test_split(X_train, y_train, test_size=0.2, random_state=0)


# %%
# The training
# ------------
#
# A callback of skorch records the learning rate of each epoch in the history of `net_`.


class RecordRate(Callback):
    """Record the learning rate at the beginning of each epoch."""

    def on_epoch_begin(self, net, **kwargs):
        """Add the learning rate to the record of the epoch."""
        net.history.record("learning_rate", net.optimizer_.param_groups[0]["lr"])


models = {}
for early_stopping in (False, True):
    cnn = CNNClassifier(
        dropout=0.0,
        max_epochs=60,
        early_stopping=early_stopping,
        callbacks=[RecordRate()],
        random_state=0,
    )
    models[early_stopping] = cnn.fit(X_train, y_train, X_val=X_val, y_val=y_val)
    seconds = sum(record["seconds"] for record in cnn.history_)
    print(
        f"early_stopping={early_stopping}: {cnn.n_epochs_} epochs in {seconds:.1f} s, "
        f"test accuracy {cnn.score(X_test, y_test):.3f}"
    )

# %%
# The figure
# ----------
#
# The dashed line is where early stopping skips to the last quarter of the schedule, so that the
# learning rates of the two networks begin to differ. The point is the best epoch, whose weights
# were restored: the last one of the highest validation accuracy in the last eighth of the training.

figure, axes = plt.subplots(3, 2, figsize=(9, 7), sharex=True, sharey="row", layout="constrained")
for (early_stopping, cnn), (rate, loss, score) in zip(models.items(), axes.T, strict=True):
    epochs = [record["epoch"] for record in cnn.history_]
    rate.set_title(f"early_stopping={early_stopping}")
    rate.plot(epochs, cnn.net_.history[:, "learning_rate"], color="black")
    for axis, name in ((loss, "loss"), (score, "score")):
        for part, label in (("train", "training"), ("valid", "validation")):
            axis.plot(epochs, [record[f"{part}_{name}"] for record in cnn.history_], label=label)
        axis.legend()
    score.set_xlabel("epoch")
for axis, label in zip(axes[:, 0], ("learning rate", "loss", "accuracy"), strict=True):
    axis.set_ylabel(label)

rates = zip(*(cnn.net_.history[:, "learning_rate"] for cnn in models.values()), strict=False)
n_before = [full == shortened for full, shortened in rates].index(False)
for axis in axes[:, 1]:
    axis.axvline(n_before + 0.5, color="gray", linestyle="--")
stopped = models[True]
axes[2, 1].plot(stopped.best_epoch_, stopped.best_score_, "o", color="black")
plt.show()
