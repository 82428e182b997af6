"""
Fine-tuning a pretrained network
================================

:class:`~skcnn.TransferClassifier` trains a new last layer, the head, on the features of a
pretrained network. With ``fine_tune=True``, it then trains the whole network, with lower learning
rates in earlier stages. This takes longer, and is more accurate on images that differ from the
photos of ImageNet, such as the gray patches of this example.
"""

# %%
# The images
# ----------
#
# The images are gray patches of 64 x 64 pixels from twelve photos. The class of a patch is its
# photo. Each photo has 16 training patches, from its left half, and 32 test patches, from its right
# half.

import time

import matplotlib.pyplot as plt
from photo_patches import load_patches
from sklearn.model_selection import train_test_split

from skcnn import CNNClassifier, TransferClassifier

X_train, X_test, y_train, y_test = load_patches(64)
X_train, _, y_train, _ = train_test_split(
    X_train, y_train, train_size=12 * 16, stratify=y_train, random_state=0
)

# %%
# The models
# ----------
#
# * a network that is trained from random weights;
# * the head of a pretrained network, ``fine_tune=False``;
# * the head, and then the whole network, ``fine_tune=True``. An integer, such as ``fine_tune=3``,
#   trains only this number of last stages, which takes less time.
#
# ``input_size=64`` keeps the size of the patches. The default enlarges them to 160 x 160 pixels,
# which takes about six times as long and can be more accurate. The loss and the accuracy on `X_val`
# are recorded in ``history_``. `X_val` influences the training only with ``early_stopping=True``.

models = {
    "random weights": CNNClassifier(random_state=0),
    "head": TransferClassifier(input_size=64, random_state=0),
    "head, then all stages": TransferClassifier(
        fine_tune=True, input_size=64, max_epochs=10, random_state=0
    ),
}
for name, model in models.items():
    start = time.perf_counter()
    model.fit(X_train, y_train, X_val=X_test, y_val=y_test)
    print(
        f"{name:22} {time.perf_counter() - start:5.1f} s, "
        f"test accuracy {model.score(X_test, y_test):.3f}",
        flush=True,
    )

# %%
# The learning curves
# -------------------
#
# Fine-tuning has two phases. The first phase trains only the head, because the large gradients of
# an untrained head could distort the pretrained features. Its ``n_head_epochs_`` epochs take little
# time, because the features are computed once. In the second phase, the features adapt to the
# patches. The learning rate increases from a low value at the beginning of each phase.

figure, (left, right) = plt.subplots(
    1, 2, figsize=(11, 4), layout="constrained", width_ratios=(2, 1)
)
model = models["head, then all stages"]
epochs = [record["epoch"] for record in model.history_]
for name, label in (("train_score", "training"), ("valid_score", "test")):
    left.plot(epochs, [record[name] for record in model.history_], label=label)
left.axvspan(0, model.n_head_epochs_ + 0.5, color="gray", alpha=0.15)
left.text(1, 0.02, "head alone", transform=left.get_xaxis_transform())
left.text(model.n_head_epochs_ + 1, 0.02, "all stages", transform=left.get_xaxis_transform())
left.set_xlim(0, epochs[-1] + 1)
left.set_xlabel("epoch")
left.set_ylabel("accuracy")
left.legend(loc="lower center")

accuracy = [model.score(X_test, y_test) for model in models.values()]
bars = right.barh(list(models), accuracy, color=["silver", "tab:blue", "tab:blue"])
right.bar_label(bars, fmt="%.2f", padding=3)
right.invert_yaxis()
right.set_xlim(0, 1.15)
right.set_xlabel("test accuracy")
plt.show()

# %%
# The time of an epoch
# --------------------
#
# ``history_`` also contains the duration of each epoch in seconds.

seconds = [record["seconds"] for record in model.history_]
n_head = model.n_head_epochs_
print(f"{n_head} epochs of the head: {sum(seconds[:n_head]):.1f} s")
print(f"{model.n_epochs_ - n_head} epochs of all stages: {sum(seconds[n_head:]):.1f} s")
