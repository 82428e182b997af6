"""ImageReader: paths of image files to images, when asked."""

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

    JPEG, PNG, GIF (the first frame), BMP, TIFF (the first page) and WebP files are read, of 1 to 16
    bits a value, with or without a palette; the orientation that a camera notes in EXIF is applied.

    Parameters
    ----------
    mode : {"RGB", "L", "I;16"}, default="RGB"
        What to make of the files, by Pillow's names. "RGB" gives uint8 images of three channels,
        with gray repeated; "L" uint8 gray images without an axis for channels; "I;16" the same as
        uint16. Colors become gray by the weights 0.299, 0.587, 0.114 of ITU-R 601-2. Values of 16
        bits are scaled to 8, and those of 8 to 16, so that black and white stay black and white;
        floating-point files must hold values from 0 to 1. Transparent pixels are shown on white,
        as ``skimage.color.rgba2rgb`` does.
    n_jobs : int, "auto" or None, default="auto"
        Number of threads that read files ahead, when the images are read part by part. "auto" means
        all CPU cores, or one thread in a worker process of something parallel such as
        ``GridSearchCV(n_jobs=2)``. None means 1 unless in a `joblib.parallel_config` context, and
        -1 means all CPU cores.

    Attributes
    ----------
    n_features_in_ : int
        1, the column of paths.
    feature_names_in_ : ndarray of shape (1,)
        Name of the column seen in fit. Defined only for frames whose columns have names.

    Raises
    ------
    TypeError
        If `X` holds anything else than paths.
    ValueError
        If there are no paths or more than a column of them; when an image is read, if its file is
        empty, damaged or no image.
    FileNotFoundError
        If a file does not exist; `transform` looks for all of them.

    See Also
    --------
    ImageResizer : Gives the images, which may have different sizes, one size.
    skcnn.datasets.load_image_folder : Finds the paths and the classes of a folder of images.

    Notes
    -----
    Paths may be a list, an array or a pandas Series of `str` or `pathlib.Path`, or a frame or array
    of one column. `transform` gives `LazyImages` of shape (n_images, None, None, 3) or (n_images,
    None, None), which hold the paths only.

    Pillow reads PNG files with colors of 16 bits at 8 bits.

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
        """Name the images that come out.

        Parameters
        ----------
        input_features : array-like of str of shape (1,), default=None
            Name of the column of paths; None takes that which fit saw.

        Returns
        -------
        names : object array of shape (1,)
            The name of the column of paths, "x0" if it has none.
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
        """Give the paths as a list of `str`."""
        form, given = inspect_images(X)
        shape = given.shape
        if not shape:
            raise ValueError(
                f"ImageReader takes a collection of file paths, got {X!r}: for one file, give a "
                "list of one, [path]"
            )
        if not shape[0]:
            raise ValueError("Found 0 paths while a minimum of 1 is required by ImageReader.")
        if form == "flat" and len(shape) == 2 and shape[1] != 1 and _holds_text(given):
            raise ValueError(
                f"ImageReader takes one column of file paths, but X has {shape[1]} columns (shape "
                f"{shape}): choose one, X[[name]], or use a ColumnTransformer"
            )
        if form != "paths":
            what = "numbers" if form == "flat" else "images already"
            raise TypeError(
                f"ImageReader takes file paths (str or pathlib.Path), but X of shape {shape} holds "
                f"{what}: leave the reader out, or give the paths of the files"
            )
        # for the names and the number of columns only: scikit-learn's checks of arrays are for
        # numbers
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
        The files.
    mode : {"RGB", "L", "I;16"}
        What to make of them.
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
    """Tell whether an array or a frame of several columns has paths in one of them."""
    values = np.asarray(X)
    return values.dtype.kind in "OUT" and any(isinstance(v, (str, os.PathLike)) for v in values[0])
