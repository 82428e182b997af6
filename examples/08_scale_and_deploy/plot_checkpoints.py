"""
Continue an interrupted training
================================

A long training can be interrupted: by Ctrl-C, by a power failure, or by the time limit of a
cluster. With :class:`~skcnn.training.TrainingCheckpoint`, it continues when the same program is
started again. The result is bitwise identical to that of an uninterrupted training.
"""

# %%
# The pipeline
# ------------
#
# Images of digits are shifted and rotated at random in each epoch. The learning rate follows a
# schedule, and the optimizer keeps averages of the gradients. To continue, a training needs the
# state of all of them.
#
# A checkpoint is a callback of the estimator. `random_state` must be an integer in all random
# steps, so that the random numbers are the same when the program is started again.

import os
import signal
import tempfile

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback

from skcnn import CNNClassifier, ImageAugmenter
from skcnn.training import TrainingCheckpoint

X, y = load_digits().images, load_digits().target
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)

folder = tempfile.TemporaryDirectory()
path = os.path.join(folder.name, "digits.safetensors")
pipe = make_pipeline(
    ImageAugmenter(rotation=20, shift=0.1, random_state=0),
    CNNClassifier(channels=(16, 32), max_epochs=16, early_stopping=True, random_state=0),
)
pipe.set_params(cnnclassifier__callbacks=[TrainingCheckpoint(path)])

# %%
# An interruption
# ---------------
#
# Another callback sends the signal of Ctrl-C in the seventh epoch, so `fit` ends with
# `KeyboardInterrupt`. The checkpoint contains the state after the sixth epoch.


class Interrupt(Callback):
    """Send the signal of Ctrl-C to the program at the beginning of the seventh epoch."""

    def on_epoch_begin(self, net, **kwargs):
        """Send the signal."""
        if len(net.history) == 7:
            signal.raise_signal(signal.SIGINT)


pipe.set_params(cnnclassifier__callbacks=[TrainingCheckpoint(path), Interrupt()])
try:
    pipe.fit(X_train, y_train)
except KeyboardInterrupt:
    print(f"interrupted; the checkpoint has {os.path.getsize(path) / 1e3:.0f} kB")

# %%
# The second start
# ----------------
#
# `fit` without the interruption loads the file and trains the remaining epochs.

pipe.set_params(cnnclassifier__callbacks=[TrainingCheckpoint(path)], cnnclassifier__verbose=1)
pipe.fit(X_train, y_train)
print(f"test accuracy {pipe.score(X_test, y_test):.3f}")

# %%
# The uninterrupted training
# --------------------------
#
# For comparison, the same pipeline is trained without a checkpoint. All probabilities are the same.

uninterrupted = clone(pipe).set_params(cnnclassifier__callbacks=None, cnnclassifier__verbose=0)
uninterrupted.fit(X_train, y_train)
np.array_equal(uninterrupted.predict_proba(X_test), pipe.predict_proba(X_test))

# %%
# The curves of both trainings are the same.

figure, axis = plt.subplots(figsize=(6.4, 4), layout="constrained")
for name, color in (("train_loss", "C0"), ("valid_loss", "C1")):
    label = {"train_loss": "training loss", "valid_loss": "validation loss"}[name]
    full = [record[name] for record in uninterrupted[-1].history_]
    resumed = [record[name] for record in pipe[-1].history_]
    epochs = range(1, len(full) + 1)
    axis.plot(epochs, full, color=color, linewidth=7, alpha=0.3, label=f"{label}, uninterrupted")
    axis.plot(epochs[:6], resumed[:6], color=color, label="first start")
    axis.plot(epochs[6:], resumed[6:], ":", color=color, linewidth=3, label="second start")
axis.axvline(6.5, color="gray", linestyle="--")
axis.annotate("Ctrl-C", (6.6, axis.get_ylim()[1] * 0.6), color="gray")
axis.set_xlabel("epoch")
axis.set_ylabel("loss")
axis.set_yscale("log")
axis.legend()
plt.show()

# %%
# If the parameters or the data have changed, `fit` raises an error that names the first difference.
# Remove the file to train from the beginning.

pipe.set_params(cnnclassifier__learning_rate=0.1)
try:
    pipe.fit(X_train, y_train)
except ValueError as error:
    print(error)
folder.cleanup()
