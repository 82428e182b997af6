"""
Images and their predictions
============================

:class:`~skcnn.inspection.PredictionGridDisplay` shows images with the predicted label, its
probability, and the true label if the prediction is wrong. The images can be random ones, wrong
predictions, the least confident predictions, or confused classes, of any classifier or regressor.
:class:`~skcnn.inspection.AugmentationDisplay` shows the variants of images that a network is
trained on.
"""

# %%
# Random images
# -------------
#
# A small network is trained on 300 images of handwritten digits.

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
from sklearn.datasets import load_digits, load_sample_images
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from skcnn import CNNClassifier, ImageAugmenter, ImageFlattener, ImageResizer
from skcnn.inspection import AugmentationDisplay, PredictionGridDisplay

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X.reshape(-1, 8, 8), y, train_size=300, random_state=0
)
cnn = CNNClassifier(channels=(16, 32), max_epochs=15, random_state=0).fit(X_train, y_train)
print(f"accuracy: {cnn.score(X_test, y_test):.3f}")

PredictionGridDisplay.from_estimator(cnn, X_test, y_test, random_state=0)
plt.show()

# %%
# Wrong predictions
# -----------------
#
# The wrong predictions of which the network is most confident come first. Where a person agrees
# with the network, the label may be wrong.

PredictionGridDisplay.from_estimator(cnn, X_test, y_test, select="wrong")
plt.show()

# %%
# Least confident predictions
# ---------------------------
#
# The images with the lowest probabilities of the predicted class. The true labels are not needed:
# if a person can label only some of the images, these are a good choice.

PredictionGridDisplay.from_estimator(cnn, X_test, select="least_confident")
plt.show()

# %%
# The classes that are confused most often
# ----------------------------------------
#
# Up to four images of each pair of a true and a predicted class, the most frequent pair first. The
# number after the true class is how often the pair occurs. A decision tree confuses more digits
# than the network. All its leaves are pure, so its probabilities are 100%.

tree = make_pipeline(ImageFlattener(), DecisionTreeClassifier(random_state=0))
tree.fit(X_train, y_train)
PredictionGridDisplay.from_estimator(tree, X_test, y_test, select="most_confused")
plt.show()

# %%
# Photos of different sizes
# -------------------------
#
# The pipeline resizes crops of six photos, which have different sizes. The display shows the crops
# as they were passed, and not as the network gets them. The same applies to photos in files. Names
# that are too long for the width of an image are shortened in the middle.

temple, flower = load_sample_images().images
photos = {
    "Eileen Collins, astronaut": skimage.data.astronaut(),
    "cup of coffee": skimage.data.coffee(),
    "Chelsea the cat": skimage.data.cat(),
    "dahlia": flower,
    "Summer Palace in Beijing": temple,
    "rocket": skimage.data.rocket(),
}


def random_crops(photo, n_crops, rng):
    """Cut crops of different sizes out of a photo."""
    for _ in range(n_crops):
        height, width = rng.integers(60, 160, 2)
        top, left = (
            rng.integers(n - m) for n, m in zip(photo.shape, (height, width), strict=False)
        )
        yield photo[top : top + height, left : left + width]


rng = np.random.default_rng(0)
crops = [crop for photo in photos.values() for crop in random_crops(photo, 60, rng)]
names = np.repeat(list(photos), 60)
crops_train, crops_test, names_train, names_test = train_test_split(
    crops, names, stratify=names, random_state=0
)
pipe = make_pipeline(
    ImageResizer((32, 32)),
    ImageAugmenter(
        horizontal_flip=True, rotation=20, zoom=0.2, brightness=0.2, erase=0.3, random_state=0
    ),
    CNNClassifier(channels=(16, 32), max_epochs=15, random_state=0),
)
pipe.fit(crops_train, names_train)
PredictionGridDisplay.from_estimator(
    pipe, crops_test, names_test, select="least_confident", n_images=10
)
plt.show()

# %%
# Augmentation
# ------------
#
# The first training images and their variants in the first epochs, as the network gets them after
# the resizing. The variants are those that the network was trained on, because these are the
# training images and the `random_state` of the augmenter is an int.

AugmentationDisplay.from_estimator(pipe, crops_train)
plt.show()
