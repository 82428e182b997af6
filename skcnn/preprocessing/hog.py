"""HOGExtractor: histograms of oriented gradients, which describe shapes."""

from __future__ import annotations

from math import prod
from numbers import Integral
from typing import ClassVar

import numpy as np
from skimage.feature import hog
from sklearn.utils._param_validation import Interval, StrOptions

from skcnn._validation import IMAGE_SHAPE, N_JOBS, SIZE, PositiveInts
from skcnn.preprocessing._features import FeatureExtractor

_LARGEST = 1e15


class HOGExtractor(FeatureExtractor):
    """Describe the shapes in an image by histograms of oriented gradients.

    An image is divided into cells of a few pixels. The histogram of a cell counts the orientations
    of the gradients of its pixels, weighted by the length of the gradient. The histograms of
    neighboring cells, a block, are normalized together, which reduces the influence of lighting
    and contrast. Blocks overlap. The histograms of all blocks form one row of float32 features.

    Parameters
    ----------
    orientations : int, default=9
        Number of bins of a histogram, from 0 to 180 degrees. Opposite directions are the same
        orientation.
    pixels_per_cell : tuple of (int, int), default=(8, 8)
        Height and width of a cell in pixels. Pixels at the bottom and on the right that do not fill
        a cell are not used. A cell larger than the image is reduced to its size.
    cells_per_block : tuple of (int, int), default=(2, 2)
        Rows and columns of cells that are normalized together, reduced to those of the image if
        there are fewer.
    block_norm : {"L1", "L1-sqrt", "L2", "L2-Hys"}, default="L2-Hys"
        Norm by which the values of a block are divided: their sum ("L1", "L1-sqrt") or Euclidean
        length ("L2", "L2-Hys"). "L1-sqrt" then takes square roots; "L2-Hys" cuts values off at 0.2
        and normalizes once more, so that a single strong edge does not outweigh all others.
    transform_sqrt : bool, default=False
        Whether to replace pixel values, which must not be negative, by their square roots, which
        emphasizes edges in dark regions.
    n_jobs : int, "auto" or None, default="auto"
        Number of threads. "auto" means all CPU cores, or one thread in a worker process of
        a parallel computation such as ``GridSearchCV(n_jobs=2)``. None means 1 unless in a
        `joblib.parallel_config` context, and -1 means all CPU cores. Results do not depend on it.
    image_shape : tuple of int, default=None
        Layout of flat rows: (height, width) or (height, width, n_channels), in pixels. If None,
        rows with a square number of features are square gray images, and other rows of up to 64
        features are images of height 1. Not needed for other forms of images.

    Attributes
    ----------
    pixels_per_cell_ : tuple of (int, int)
        Height and width of a cell in pixels, at most those of an image.
    cells_per_block_ : tuple of (int, int)
        Rows and columns of cells in a block, at most those of an image.
    n_blocks_ : tuple of (int, int)
        Rows and columns of blocks in an image.
    n_features_in_ : int
        Height x width x number of channels of the images seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features seen in fit. Defined only for frames whose columns have names.
    image_shape_ : tuple of (int, int, int)
        Height, width and number of channels of the images seen in fit.

    Raises
    ------
    ValueError
        If the size of the images differs from that in fit, if they hold NaN or infinity, or if
        they hold negative values and `transform_sqrt` is True.

    See Also
    --------
    ColorHistogramExtractor : Describe the colors of an image by a histogram.
    ImageFlattener : Flatten every image to a row of features.
    ImageResizer : Resize images, whatever their sizes, to one size.

    Notes
    -----
    ``skimage.feature.hog`` computes the features of each image. They are ordered by row and column
    of the block, row and column of the cell in the block, and orientation, as in their names,
    "hog_{block row}_{block column}_{cell row}_{cell column}_{orientation}".

    If images have several channels, each pixel uses the channel where its gradient is longest.
    Features do not depend on the dtype of the images. They do not depend on the scale of the pixel
    values either, except in blocks that are almost constant. A constant image gives zeros.

    scikit-image holds the GIL most of the time, so threads gain little for images in memory.

    `LazyImages` are read part by part, in the threads that compute the features. If a view has
    random operations, one variant of each image is read, the same in every call.

    N. Dalal and B. Triggs, "Histograms of oriented gradients for human detection", Proceedings of
    the IEEE Conference on Computer Vision and Pattern Recognition (2005), 886-893. Unlike in
    the paper, a gradient is counted in one bin of one cell, without interpolation or weights by
    position.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.pipeline import make_pipeline
    >>> from skcnn import HOGExtractor
    >>> digits = load_digits()
    >>> extractor = HOGExtractor(pixels_per_cell=(2, 2))
    >>> extractor.fit_transform(digits.images).shape
    (1797, 324)
    >>> extractor.n_blocks_
    (3, 3)
    >>> model = make_pipeline(extractor, LogisticRegression())
    >>> bool(cross_val_score(model, digits.images, digits.target, cv=3).mean() > 0.9)
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        "orientations": [Interval(Integral, 1, None, closed="left")],
        "pixels_per_cell": [SIZE],
        "cells_per_block": [PositiveInts("(n_rows, n_columns)")],
        "block_norm": [StrOptions({"L1", "L1-sqrt", "L2", "L2-Hys"})],
        "transform_sqrt": ["boolean"],
        "n_jobs": N_JOBS,
        "image_shape": [IMAGE_SHAPE, None],
    }

    def __init__(
        self,
        orientations: int = 9,
        pixels_per_cell: tuple[int, int] = (8, 8),
        cells_per_block: tuple[int, int] = (2, 2),
        *,
        block_norm: str = "L2-Hys",
        transform_sqrt: bool = False,
        n_jobs: int | str | None = "auto",
        image_shape: tuple[int, ...] | None = None,
    ):
        self.orientations = orientations
        self.pixels_per_cell = pixels_per_cell
        self.cells_per_block = cells_per_block
        self.block_norm = block_norm
        self.transform_sqrt = transform_sqrt
        self.n_jobs = n_jobs
        self.image_shape = image_shape

    def _learn(self, images):
        size = self.image_shape_[:2]
        cell = tuple(map(min, self.pixels_per_cell, size))
        n_cells = tuple(n_pixels // length for n_pixels, length in zip(size, cell, strict=True))
        block = tuple(map(min, self.cells_per_block, n_cells))
        self.pixels_per_cell_ = cell
        self.cells_per_block_ = block
        self.n_blocks_ = tuple(n - length + 1 for n, length in zip(n_cells, block, strict=True))

    def _describe(self, batch):
        if self.transform_sqrt and (lowest := batch.min()) < 0:
            raise ValueError(
                "HOGExtractor(transform_sqrt=True) takes the square roots of pixel values, but X "
                f"has negative ones, down to {lowest}: use transform_sqrt=False, or put an "
                "ImageNormalizer('unit') before it"
            )
        return np.stack(
            [
                hog(
                    image,
                    self.orientations,
                    self.pixels_per_cell_,
                    self.cells_per_block_,
                    self.block_norm,
                    transform_sqrt=self.transform_sqrt,
                    channel_axis=-1,
                )
                for image in map(_limited, batch.astype(np.float64))
            ]
        )

    def _names(self):
        return ["_".join(("hog", *map(str, index))) for index in np.ndindex(*self._shape)]

    @property
    def _shape(self):
        return (*self.n_blocks_, *self.cells_per_block_, self.orientations)

    @property
    def _n_features_out(self):
        return prod(self._shape)


def _limited(image):
    """Reduce the scale of huge values, which float32 in scikit-image cannot sum.

    The normalization of the blocks cancels the scale.
    """
    largest = abs(image).max(initial=0.0)
    return image * (_LARGEST / largest) if largest > _LARGEST else image
