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
from skcnn.inspection import HistoryDisplay

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


networks = {}
for early_stopping in (False, True):
    cnn = CNNClassifier(
        dropout=0.0,
        max_epochs=60,
        early_stopping=early_stopping,
        callbacks=[RecordRate()],
        random_state=0,
    )
    networks[f"early_stopping={early_stopping}"] = cnn.fit(
        X_train, y_train, X_val=X_val, y_val=y_val
    )
    seconds = sum(record["seconds"] for record in cnn.history_)
    print(
        f"early_stopping={early_stopping}: {cnn.n_epochs_} epochs in {seconds:.1f} s, "
        f"test accuracy {cnn.score(X_test, y_test):.3f}"
    )

# %%
# The learning rates
# ------------------
#
# The two networks are the same until early stopping skips to the last quarter of the schedule.

figure, axis = plt.subplots(figsize=(6.4, 4), layout="constrained")
for (name, cnn), style in zip(networks.items(), ("-", "--"), strict=True):
    rates = cnn.net_.history[:, "learning_rate"]
    axis.plot(range(1, len(rates) + 1), rates, style, linewidth=3, label=name)
axis.set_xlabel("epoch", fontsize="x-large")
axis.set_ylabel("learning rate", fontsize="x-large")
axis.legend(fontsize="x-large")
plt.show()

# %%
# The learning curves
# -------------------
#
# The circles mark the best epochs. Without early stopping, this is the epoch with the smallest
# validation loss. With early stopping, it is the epoch with the highest validation accuracy in the
# last eighth of the training, the last one of them if several are equal. Its weights are restored.

HistoryDisplay.from_estimator(networks)
plt.show()
