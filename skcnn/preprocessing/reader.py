"""ImageReader: read images from files, when they are needed."""

from __future__ import annotations

import os
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from joblib import Parallel, delayed
from sklearn.utils import Tags, gen_even_slices
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from skcnn._validation import N_JOBS
from skcnn.images import inspect_images
from skcnn.lazy import LazyImages
from skcnn.pillow_images import MAX_PIXELS
from skcnn.preprocessing._base import ImageTransformer
from skcnn.preprocessing._decode import check_image, read_image
from skcnn.preprocessing._image_files import ImageFiles
from skcnn.preprocessing._paths import check_all_are_paths, find_problem, holds_text
from skcnn.remote_files import file_system
from skcnn.threads import count_threads
from skcnn.urls import is_url, join_url


class ImageReader(ImageTransformer):
    """Read images from files, when they are needed.

    JPEG, PNG, GIF (the first frame), BMP, TIFF (the first page) and WebP files of 1 to 16 bits per
    value are supported, with or without a palette. The orientation in EXIF is applied. Files of any
    other format are never opened, whatever their names.

    Parameters
    ----------
    mode : {"RGB", "L", "I;16"}, default="RGB"
        Color mode of the images, named as in Pillow. "RGB" gives uint8 images of three channels,
        with gray repeated; "L" gives uint8 gray images without an axis of channels; "I;16" gives
        the same as uint16. Colors are converted to gray with the weights 0.299, 0.587, 0.114 of
        ITU-R 601-2. Values are scaled between 8 and 16 bits so that black and white are preserved.
        Floating-point files must hold values from 0 to 1. Transparent pixels are shown on white,
        as in ``skimage.color.rgba2rgb``.
    root : str or path-like, default=None
        Folder of relative paths; a leading ``~`` is the user's home folder. None is the working
        folder. It can be the URL of a folder, such as "s3://bucket/photos". It is not used for
        absolute paths and URLs.
    max_pixels : int or None, default=120_000_000
        Maximum number of pixels (height x width) of an image. Larger images raise an error before
        they are decoded, because a small file can contain an image that does not fit into memory.
        Reading takes up to 20 bytes of memory per pixel in every thread. Of a file behind a URL, at
        most 64 MiB plus 32 bytes per pixel are read, even if the server sends more. None sets no
        limit.
    n_jobs : int, "auto" or None, default="auto"
        Number of threads that read files ahead, when the images are read part by part. "auto" means
        all CPU cores, or one thread in a worker process of a parallel computation such as
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
        If `X` holds missing values or objects that are not paths.
    ValueError
        If `X` has no paths or several columns, or if a path is empty.
    skcnn.exceptions.ImageFileError
        If a file is empty. When an image is read: if the file is damaged, not an image, or of a
        kind that is not supported. A subclass of ValueError.
    skcnn.exceptions.ImageTooLargeError
        When an image is read: if it has more than `max_pixels`. A subclass of ImageFileError.
    FileNotFoundError
        If a file does not exist. `transform` checks all files except URLs.
    PermissionError
        If there is no permission to read a file. `transform` checks all files except URLs.
    OSError
        If a URL cannot be read, after three attempts.
    ImportError
        If a package that reads a URL is not installed.

    See Also
    --------
    ImageResizer : Resize images, whatever their sizes, to one size.
    skcnn.datasets.load_image_folder : List the paths and the classes of a folder of images.

    Notes
    -----
    Paths may be a list, an array or a pandas Series of `str` or `pathlib.Path`, or a frame or array
    of one column. `transform` returns `LazyImages` of shape (n_images, None, None, 3) or (n_images,
    None, None) that hold only the paths.

    A `str` such as "s3://bucket/photo.jpg" or "https://example.org/photo.jpg" is a URL, which is
    read with fsspec and the options in the configuration of fsspec. ``pip install
    "skcnn[remote]"`` installs it.

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
        "root": [str, os.PathLike, None],
        "max_pixels": [Interval(Integral, 1, None, closed="left"), None],
        "n_jobs": N_JOBS,
    }

    def __init__(
        self,
        mode: str = "RGB",
        *,
        root: str | os.PathLike[str] | None = None,
        max_pixels: int | None = MAX_PIXELS,
        n_jobs: int | str | None = "auto",
    ):
        self.mode = mode
        self.root = root
        self.max_pixels = max_pixels
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

    def find_errors(self, X: Any, *, decode: bool = False) -> np.ndarray:
        """Find all files that cannot be read.

        The messages are returned instead of raised, so that images and targets can be selected
        together. The reader need not be fitted.

        Parameters
        ----------
        X : paths of shape (n_images,)
            Paths of the files.
        decode : bool, default=False
            False reads only the headers, which finds missing files, files that are not images, and
            images that are too large. True decodes all images, which also finds damaged ones and
            takes as long as reading them.

        Returns
        -------
        errors : object array of shape (n_images,)
            The message of each file that cannot be read, and "" for all others.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.datasets import load_sample_images
        >>> from skcnn import ImageReader
        >>> paths = np.array([*load_sample_images().filenames, "lost.png"])
        >>> errors = ImageReader().find_errors(paths)
        >>> errors[-1]
        "the image file 'lost.png' does not exist"
        >>> len(paths[errors == ""])
        2
        """
        self._validate_params()
        paths = self._paths(X)
        n_threads = count_threads(self.n_jobs)
        parts = Parallel(n_jobs=n_threads, require="sharedmem")(
            delayed(self._errors)(paths[rows], decode)
            for rows in gen_even_slices(len(paths), min(len(paths), 8 * n_threads))
        )
        return np.concatenate(parts)

    def _errors(self, paths, decode):
        """Return the messages of files that cannot be read, and "" for others."""
        errors = np.full(len(paths), "", dtype=object)
        for row, path in enumerate(paths):
            try:
                if decode:
                    read_image(path, self.mode, self.max_pixels)
                else:
                    check_image(path, self.max_pixels)
            except (OSError, ValueError) as error:
                errors[row] = str(error)
        return errors

    def _fit(self, X):
        self._check(X, reset=True)

    def _transform(self, X):
        return self._read(self._check(X, reset=False))

    def _fit_transform(self, X):
        return self._read(self._check(X, reset=True))

    def _check(self, X, *, reset):
        """Validate paths, and return them as a list of `str`."""
        paths = self._paths(X)
        # names and number of columns only, as scikit-learn's array validation is for numbers
        validate_data(self, X, reset=reset, skip_check_array=True, ensure_2d=False)
        if reset:
            self.n_features_in_ = 1
        return paths

    def _paths(self, X):
        """Return paths as a list of `str`, relative ones joined to the root."""
        check_all_are_paths(X)
        form, given = inspect_images(X)
        shape = given.shape
        if not shape:
            raise ValueError(
                f"ImageReader takes a collection of file paths, got {X!r}: for one file, pass a "
                "list of one, [path]"
            )
        if not shape[0]:
            raise ValueError("Found 0 paths while a minimum of 1 is required by ImageReader.")
        if form == "flat" and len(shape) == 2 and shape[1] != 1 and holds_text(given):
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
        paths = [str(path) for path in given]
        if self.root is None:
            return paths
        if is_url(self.root):
            return [
                path if is_url(path) or os.path.isabs(path) else join_url(self.root, path)
                for path in paths
            ]
        root = os.path.expanduser(self.root)
        error, _, problem = find_problem(root)
        if error is PermissionError:
            raise PermissionError(f"the folder root={str(self.root)!r} of ImageReader {problem}")
        if not os.path.isdir(root):
            raise FileNotFoundError(
                f"root={str(self.root)!r} of ImageReader is not an existing folder: pass the "
                "folder that the paths are relative to"
            )
        return [path if is_url(path) else os.path.join(root, path) for path in paths]

    def _read(self, paths):
        for url in _one_of_each_scheme(paths):
            file_system(url)  # raises an error if a package is missing
        local = [path for path in paths if not is_url(path)]
        problems = [(path, *found) for path in local if (found := find_problem(path))[0]]
        if problems:
            path, error, kind, problem = problems[0]
            n_same = sum(other[2] == kind for other in problems)
            message = (
                f"the image file {path!r} {problem} ({kind} files: {n_same} of {len(paths)}): "
                "ImageReader.find_errors lists all files that cannot be read"
            )
            if error is FileNotFoundError and not os.path.isabs(path):
                message += (
                    f"; relative paths start from the working folder, {os.getcwd()!r}, or from "
                    "the folder root=..."
                )
            raise error(message)
        return LazyImages(ImageFiles(paths, self.mode, self.max_pixels), n_jobs=self.n_jobs)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = False
        return tags


def _one_of_each_scheme(paths):
    """Return one URL of each scheme among paths."""
    return {path.partition("://")[0]: path for path in paths if is_url(path)}.values()
