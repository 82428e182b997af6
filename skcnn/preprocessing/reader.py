"""ImageReader: read images from files, when they are needed."""

from __future__ import annotations

import os
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import Tags
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from skcnn._validation import N_JOBS
from skcnn.images import inspect_images
from skcnn.lazy import LazyImages
from skcnn.preprocessing._base import ImageTransformer
from skcnn.preprocessing._decode import read_image


class ImageReader(ImageTransformer):
    """Read images from files, when they are needed.

    JPEG, PNG, GIF (the first frame), BMP, TIFF (the first page) and WebP files of 1 to 16 bits per
    value are supported, with or without a palette. The orientation in EXIF is applied.

    Parameters
    ----------
    mode : {"RGB", "L", "I;16"}, default="RGB"
        Color mode of the images, named as in Pillow. "RGB" gives uint8 images of three channels,
        with gray repeated; "L" gives uint8 gray images without an axis of channels; "I;16" gives
        the same as uint16. Colors are converted to gray with the weights 0.299, 0.587, 0.114 of
        ITU-R 601-2. Values are scaled between 8 and 16 bits so that black and white are preserved.
        Floating-point files must hold values from 0 to 1. Transparent pixels are shown on white,
        as in ``skimage.color.rgba2rgb``.
    n_jobs : int, "auto" or None, default="auto"
        Number of threads that read files ahead, when the images are read part by part. "auto" means
        all CPU cores, or one thread in a worker process of something parallel such as
        ``GridSearchCV(n_jobs=2)``. None means 1 unless in a `joblib.parallel_config` context, and
        -1 means all CPU cores.

    Attributes
    ----------
    n_features_in_ : int
        1, for the column of paths.
    feature_names_in_ : ndarray of shape (1,)
        Name of the column seen in fit. Defined only for frames whose columns have names.

    Raises
    ------
    TypeError
        If `X` holds anything but paths.
    ValueError
        If there are no paths, or several columns of them. When an image is read, if its file is
        empty, damaged or not an image.
    FileNotFoundError
        If a file does not exist. `transform` checks all of them.

    See Also
    --------
    ImageResizer : Resize images, whatever their sizes, to one size.
    skcnn.datasets.load_image_folder : List the paths and the classes of a folder of images.

    Notes
    -----
    Paths may be a list, an array or a pandas Series of `str` or `pathlib.Path`, or a frame or array
    of one column. `transform` returns `LazyImages` of shape (n_images, None, None, 3) or (n_images,
    None, None) that hold only the paths.

    PNG files with 16 bits per color are read with 8 bits, as Pillow does.

    Examples
    --------
    >>> import os, skimage
    >>> from skcnn import ImageReader
    >>> folder = os.path.join(os.path.dirname(skimage.__file__), "data")
    >>> paths = [os.path.join(folder, name) for name in ("astronaut.png", "coins.png")]
    >>> images = ImageReader().fit_transform(paths)
    >>> images.shape, images.dtype
    ((2, None, None, 3), dtype('uint8'))
    >>> images[1].shape
    (303, 384, 3)
    >>> ImageReader("L").fit_transform(paths)[0].shape
    (512, 512)
    """

    _parameter_constraints: ClassVar[dict] = {
        "mode": [StrOptions({"RGB", "L", "I;16"})],
        "n_jobs": N_JOBS,
    }

    def __init__(self, mode: str = "RGB", *, n_jobs: int | str | None = "auto"):
        self.mode = mode
        self.n_jobs = n_jobs

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the output features.

        Parameters
        ----------
        input_features : array-like of str of shape (1,), default=None
            Name of the column of paths; None uses the one seen in fit.

        Returns
        -------
        names : object array of shape (1,)
            Name of the column of paths, "x0" if it has none.
        """
        check_is_fitted(self)
        return _check_feature_names_in(self, input_features)

    def _fit(self, X):
        self._check(X, reset=True)

    def _transform(self, X):
        return self._read(self._check(X, reset=False))

    def _fit_transform(self, X):
        return self._read(self._check(X, reset=True))

    def _check(self, X, *, reset):
        """Validate paths, and return them as a list of `str`."""
        form, given = inspect_images(X)
        shape = given.shape
        if not shape:
            raise ValueError(
                f"ImageReader takes a collection of file paths, got {X!r}: for one file, pass a "
                "list of one, [path]"
            )
        if not shape[0]:
            raise ValueError("Found 0 paths while a minimum of 1 is required by ImageReader.")
        if form == "flat" and len(shape) == 2 and shape[1] != 1 and _holds_text(given):
            raise ValueError(
                f"ImageReader takes one column of file paths, but X has {shape[1]} columns (shape "
                f"{shape}): select one, X[[name]], or use a ColumnTransformer"
            )
        if form != "paths":
            what = "numbers" if form == "flat" else "images already"
            raise TypeError(
                f"ImageReader takes file paths (str or pathlib.Path), but X of shape {shape} holds "
                f"{what}: remove the reader, or pass the paths of the files"
            )
        # names and number of columns only, as scikit-learn's array validation is for numbers
        validate_data(self, X, reset=reset, skip_check_array=True, ensure_2d=False)
        if reset:
            self.n_features_in_ = 1
        return [str(path) for path in given]

    def _read(self, paths):
        missing = [path for path in paths if not os.path.isfile(path)]
        if missing:
            what = "is a folder" if os.path.isdir(missing[0]) else "does not exist"
            raise FileNotFoundError(
                f"the image file {missing[0]!r} {what} (missing files: {len(missing)} of "
                f"{len(paths)}): paths are relative to the working folder, {os.getcwd()!r}"
            )
        return LazyImages(ImageFiles(paths, self.mode), n_jobs=self.n_jobs)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = False
        return tags


class ImageFiles:
    """A source of `LazyImages` that holds paths and reads their files.

    Parameters
    ----------
    paths : list of str
        Paths of the files.
    mode : {"RGB", "L", "I;16"}
        Color mode: see `ImageReader`.
    """

    def __init__(self, paths, mode):
        self.paths = paths
        self.mode = mode
        self.shape = (len(paths), None, None, *((3,) if mode == "RGB" else ()))
        self.dtype = np.dtype(np.uint16 if mode == "I;16" else np.uint8)

    def __getitem__(self, rows):
        return [read_image(self.paths[row], self.mode) for row in rows]

    def __repr__(self):
        return f"ImageFiles(n_images={len(self.paths)}, mode={self.mode!r})"


def _holds_text(X):
    """Return whether an array or a frame of several columns has paths in one of them."""
    values = np.asarray(X)
    return values.dtype.kind in "OUT" and any(isinstance(v, (str, os.PathLike)) for v in values[0])
