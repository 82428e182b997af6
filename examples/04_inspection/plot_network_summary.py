"""
Layers, parameters and computation of a network
===============================================

:func:`~skcnn.inspection.network_summary` lists the layers of a network with the shapes of their
outputs, their parameters, the multiply-adds for one image, and the memory of their outputs. This
example compares a small network for scanned digits with a pretrained network for photos.
"""

# %%
# A small network
# ---------------
#
# :class:`~skcnn.inspection.FeatureMapDisplay` and :func:`~skcnn.inspection.class_activation_map`
# take the names of the layers as `layer`. The shapes are those for one image, with the channels
# first. A multiply-add is a multiplication and an addition.

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits, load_sample_images
from sklearn.model_selection import train_test_split

from skcnn import CNNClassifier, TransferClassifier
from skcnn.inspection import network_summary

X, y = load_digits(return_X_y=True)
X_train, X_val, y_train, y_val = train_test_split(X, y, random_state=0)
cnn = CNNClassifier(channels=(16, 32), max_epochs=10, random_state=0)
cnn.fit(X_train, y_train, X_val=X_val, y_val=y_val)
print(network_summary(cnn))

# %%
# A notebook shows the same table in the representation of the fitted estimator, below the history
# of the training: click on "Network".
cnn

# %%
# Where the parameters and the computation are
# --------------------------------------------
#
# The summary is also available as a data frame of pandas. Most parameters are in the first dense
# layer, which is connected to all pixels of the last feature maps. Most multiply-adds are in the
# second convolution, which uses each of its weights at every position.

frame = network_summary(cnn).to_frame()
frame = frame[frame["n_parameters"] > 0]
shares = frame[["n_parameters", "multiply_adds"]] / frame[["n_parameters", "multiply_adds"]].sum()
shares.columns = ["parameters", "multiply-adds"]

figure, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
shares.index += " (" + frame["type"] + ")"
shares.mul(100).plot.barh(ax=ax, color=["#0072B2", "#E69F00"], width=0.75)
ax.invert_yaxis()
_ = ax.set(xlabel="share of the network in %", ylabel="")

# %%
# A pretrained network
# --------------------
#
# With ``depth=2``, all blocks of the network are one row. Only the last layer, the head, is trained
# here, so all other parameters are not trainable. The network is EfficientNet-Lite0, whose weights
# come with the extra ``skcnn[pretrained]``.

photos = load_sample_images().images
corners = [(row, column) for row in (0, 130, 260) for column in (0, 160, 320, 480)]
crops = [photo[row : row + 160, col : col + 160] for photo in photos for row, col in corners]
names = ["china"] * 12 + ["flower"] * 12
model = TransferClassifier("efficientnet_lite0", max_epochs=2, random_state=0).fit(crops, names)
summary = network_summary(model, depth=2)
print(summary)
print(f"{summary.n_trainable / summary.n_parameters:.2%} of the parameters are trained")
