"""RaggedImages: a source of LazyImages that holds images of different sizes."""

from __future__ import annotations

import numpy as np
from sklearn.utils import assert_all_finite


class RaggedImages:
    """A source of `LazyImages` that validates and holds images of different sizes.

    Parameters
    ----------
    images : sequence of arrays of shape (height, width) or (height, width, n_channels)
        Images of any height and width, with the same number of channels.
    """

    def __init__(self, images):
        self.images = [np.asarray(image) for image in images]
        shapes = [image.shape for image in self.images]
        self.dtype = np.result_type(*(image.dtype for image in self.images))
        for row, image in enumerate(self.images):
            check_image(row, image)
        channels = [(*shape, 1)[2] for shape in shapes]
        other = next((row for row, n in enumerate(channels) if n != channels[0]), None)
        if other is not None:
            raise ValueError(
                f"X holds images with different numbers of channels: X[0] is of shape {shapes[0]} "
                f"and X[{other}] of shape {shapes[other]}: make all of them gray or all RGB, with "
                "ImageReader(mode=...) for files or skimage.color.gray2rgb for arrays"
            )
        gray = any(len(shape) == 2 for shape in shapes)  # the others have one channel
        self.shape = (len(shapes), None, None, *(() if gray else channels[:1]))

    def __getitem__(self, rows):
        images = [self.images[row] for row in rows]
        return [
            image.reshape(image.shape[: len(self.shape) - 1]).astype(self.dtype, copy=False)
            for image in images
        ]

    def __repr__(self):
        return f"RaggedImages(n_images={len(self.images)}, dtype={self.dtype})"


def check_image(row, image):
    """Raise an error if an image is empty, channels first, or does not hold pixel values."""
    if image.dtype.kind not in "buif":
        raise ValueError(f"X[{row}] has dtype {image.dtype}, but pixels must be real numbers")
    if not image.size:
        raise ValueError(f"X[{row}] is an image without pixels, of shape {image.shape}")
    if image.ndim == 3 and image.shape[0] in (1, 3, 4) and min(image.shape[1:]) > 4:
        raise ValueError(
            f"X[{row}] of shape {image.shape} looks like channels first, (n_channels, height, "
            "width), but images are channels last: use np.moveaxis(image, 0, -1)"
        )
    assert_all_finite(image, input_name=f"X[{row}]")
