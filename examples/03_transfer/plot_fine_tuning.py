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
# The images are gray patches of 64 x 64 pixels from eight photos. The class of a patch is its
# photo. Each photo has 16 training patches, from its left half, and 32 test patches, from its right
# half.

import time

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
from skimage.color import rgb2gray
from skimage.transform import resize
from skimage.util import view_as_blocks
from sklearn.datasets import load_sample_images

from skcnn import CNNClassifier, TransferClassifier
from skcnn.inspection import HistoryDisplay

temple, flower = load_sample_images().images
photos = {
    "astronaut": skimage.data.astronaut(),
    "cat": skimage.data.cat(),
    "coffee": skimage.data.coffee(),
    "flower": flower,
    "retina": skimage.data.retina(),
    "rocket": skimage.data.rocket(),
    "temple": temple,
    "tissue": skimage.data.immunohistochemistry(),
}
X_train, X_test = [], []
for photo in photos.values():
    gray = resize(rgb2gray(photo) if photo.ndim == 3 else photo, (512, 512), anti_aliasing=True)
    patches = view_as_blocks(gray, (64, 64))  # 8 rows and 8 columns of patches
    X_train.extend(patches[::2, :4].reshape(-1, 64, 64))
    X_test.extend(patches[:, 4:].reshape(-1, 64, 64))
X_train, X_test = np.array(X_train), np.array(X_test)
y_train, y_test = np.repeat(list(photos), 16), np.repeat(list(photos), 32)
print(f"{len(X_train)} training and {len(X_test)} test patches of {len(photos)} photos")


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
accuracy = {}
for name, model in models.items():
    start = time.perf_counter()
    model.fit(X_train, y_train, X_val=X_test, y_val=y_test)
    seconds = time.perf_counter() - start
    accuracy[name] = model.score(X_test, y_test)
    print(f"{name:22} {seconds:5.1f} s, test accuracy {accuracy[name]:.3f}", flush=True)

# %%
# The learning curve
# ------------------
#
# Fine-tuning has two phases. The first phase trains only the head, because the large gradients of
# an untrained head could distort the pretrained features. Its ``n_head_epochs_`` epochs take little
# time, because the features are computed once. In the second phase, the features adapt to the
# patches. The learning rate increases from a low value at the beginning of each phase.

model = models["head, then all stages"]
_, axis = plt.subplots(figsize=(7, 4.8))
HistoryDisplay.from_estimator(model, ax=axis)
plt.show()

# %%
# ``history_`` also contains the duration of each epoch in seconds.

n_head = model.n_head_epochs_
seconds = [record["seconds"] for record in model.history_]
print(f"{n_head} epochs of the head: {sum(seconds[:n_head]):.1f} s")
print(f"{model.n_epochs_ - n_head} epochs of all stages: {sum(seconds[n_head:]):.1f} s")
