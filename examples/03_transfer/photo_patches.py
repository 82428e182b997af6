"""Patches of photos that come with scikit-learn and scikit-image, for the examples."""

import numpy as np
import skimage.data
from skimage.color import rgb2gray
from skimage.transform import resize
from sklearn.datasets import load_sample_images


def load_patches(patch_size, n_per_axis=8):
    """Cut gray patches out of 12 photos.

    Each photo is resized to a square and divided into a grid of patches that do not overlap. The
    training patches are from the left half of each photo, and the test patches from the right half.

    Parameters
    ----------
    patch_size : int
        Height and width of a patch in pixels.
    n_per_axis : int, default=8
        Number of patches along the height and along the width of a photo.

    Returns
    -------
    X_train, X_test : uint8 array of shape (n_patches, patch_size, patch_size)
        Patches.
    y_train, y_test : array of shape (n_patches,)
        Name of the photo of each patch.
    """
    temple, flower = load_sample_images().images
    photos = {
        "astronaut": skimage.data.astronaut(),
        "brick": skimage.data.brick(),
        "cat": skimage.data.cat(),
        "coffee": skimage.data.coffee(),
        "flower": flower,
        "grass": skimage.data.grass(),
        "gravel": skimage.data.gravel(),
        "retina": skimage.data.retina(),
        "rocket": skimage.data.rocket(),
        "stars": skimage.data.hubble_deep_field(),
        "temple": temple,
        "tissue": skimage.data.immunohistochemistry(),
    }
    halves = {"left": [], "right": []}
    for photo in photos.values():
        gray = rgb2gray(photo) if photo.ndim == 3 else photo / 255
        square = resize(gray, (n_per_axis * patch_size,) * 2, anti_aliasing=True)
        grid = np.rint(255 * square).astype(np.uint8)
        grid = grid.reshape(n_per_axis, patch_size, n_per_axis, patch_size).swapaxes(1, 2)
        for half, columns in zip(halves, np.split(grid, 2, axis=1), strict=True):
            halves[half].append(columns.reshape(-1, patch_size, patch_size))
    X_train, X_test = (np.concatenate(patches) for patches in halves.values())
    y = np.repeat(list(photos), len(X_train) // len(photos))
    return X_train, X_test, y, y
