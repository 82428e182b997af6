"""One set of images in any form, whose images are read with what is wrong with their files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array

from skcnn.datasets._folder_contents import is_system_name
from skcnn.images import image_shape_of_rows, inspect_images, reshape_images
from skcnn.lazy import LazyImages
from skcnn.pillow_images import UnreadableImageError, to_mode
from skcnn.pixels import ValueRange, dtype_range
from skcnn.preprocessing._decode import check_image, decode_file
from skcnn.preprocessing._paths import check_all_are_paths
from skcnn.quality._folder import list_folder
from skcnn.values import check_pixel_values, no_overflow

_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
_READ = 1_000_000  # number of values of a lazy view that are read at a time
_ALL_SUFFIXES = {suffix for suffixes in _SUFFIXES.values() for suffix in suffixes}


@dataclass(frozen=True)
class Reading:
    """One image, and what is wrong with its file.

    Parameters
    ----------
    pixels : array or None
        Image. None if it cannot be read.
    problems : tuple of tuples of (str, float, str)
        Kind, value and description of each issue.
    """

    pixels: Any
    problems: tuple[tuple[str, float, str], ...] = ()


@dataclass
class ImageSet:
    """Images of one set.

    Parameters
    ----------
    images : list of str, array, object array or LazyImages
        Paths or images.
    labels : list or None
        Label of each image.
    paths : list of str or None
        Path of each image.
    others : list of tuples of (str, str, str)
        Kind of issue, path and description of files that are not among the images.
    empty : list of str
        Classes that are known, but without images.
    pixel_range : tuple of (float, float)
        Pixel values that are black and white.
    """

    images: Any
    labels: list[Any] | None = None
    paths: list[str] | None = None
    others: list[tuple[str, str, str]] = field(default_factory=list)
    empty: list[Any] = field(default_factory=list)
    pixel_range: tuple[float, float] = (0.0, 255.0)

    def __len__(self):
        return len(self.images)

    def read(self, rows: Iterable[int]) -> Iterator[Reading]:
        """Read images, large ones one by one.

        Parameters
        ----------
        rows : iterable of int
            Rows.

        Yields
        ------
        reading : Reading
            Image, as it is stored.
        """
        if self.paths is not None:
            yield from (read_file(self.paths[row]) for row in rows)
        elif isinstance(self.images, LazyImages):
            shape, rows = self.images.shape[1:], list(rows)
            step = 1 if None in shape else max(1, _READ // prod(shape))
            for start in range(0, len(rows), step):
                yield from _read_lazy(self.images, rows[start : start + step])
        else:
            yield from (_checked(np.asarray(self.images[row])) for row in rows)


def as_image_set(X: Any, y: Any, name: str, image_shape: tuple[int, ...] | None) -> ImageSet:
    """Return images of any form as a set.

    Parameters
    ----------
    X : images, paths, or str or path-like
        Images in any form, paths of files, or a folder.
    y : array-like of shape (n_images,) or None
        Labels.
    name : str
        Name of the argument, for messages.
    image_shape : tuple of int or None
        Layout of flat rows.

    Returns
    -------
    images : ImageSet
        The set, whose labels are those of `y`, or the classes of a folder.

    Raises
    ------
    FileNotFoundError
        If `X` is a path, but not of a folder.
    TypeError
        If `X` is sparse, or holds objects that are not images.
    ValueError
        If there are no images, or flat rows have no known layout.
    """
    if isinstance(X, (str, os.PathLike)):
        return _folder_set(X, y, name)
    check_all_are_paths(X)
    form, X = inspect_images(X)
    if X.shape[:1] == (0,):
        raise ValueError(f"{name} has no images: pass at least one")
    if form == "paths":
        paths = [str(path) for path in X]
        return ImageSet(paths, y, paths)
    if form == "lazy":
        X = X.clean()
    if form == "flat":
        with no_overflow(name):
            X = check_array(X, ensure_all_finite=False, copy=False, input_name=name)
    if X.ndim == 2:
        shape = image_shape_of_rows(X.shape[1], image_shape)
        X = reshape_images(X, shape[:2] if shape[2] == 1 else shape)
    if X.dtype.kind not in "buifO":
        raise ValueError(f"{name} has dtype {X.dtype}, but pixels must be numbers")
    return ImageSet(X, y)


def _folder_set(root, y, name):
    """Return the images of a folder as a set."""
    root = Path(os.path.expanduser(root))
    if not root.is_dir():
        raise FileNotFoundError(
            f"{name}={str(root)!r} is not an existing folder: pass a folder, or a list of paths"
        )
    if y is not None:
        raise ValueError(
            f"labels were passed with the folder {name}={str(root)!r}, whose sub-folders are the "
            "classes: leave the labels out, or pass a list of paths"
        )
    found = list_folder(root)
    if not found.paths:
        raise ValueError(
            f"the folder {name}={str(root)!r} has no images, neither in it nor in its sub-folders"
        )
    return ImageSet(found.paths, found.labels, found.paths, found.others, found.empty)


def read_file(path: str) -> Reading:
    """Read an image file, and find what is wrong with it.

    Parameters
    ----------
    path : str
        File.

    Returns
    -------
    reading : Reading
        8-bit pixels, of shape (height, width) if the file is gray.
    """
    try:
        decoded = decode_file(path)
        pixels = to_mode(decoded.pixels, "L" if decoded.pixels.ndim == 2 else "RGB")
    except UnreadableImageError as error:  # values out of range
        return Reading(None, (("unreadable", np.nan, f"the file {error}"),))
    except (OSError, ValueError) as error:
        return Reading(None, ((_kind_of_failure(path, error), np.nan, str(error)),))
    problems = []
    suffix = os.path.splitext(path)[1].lower()
    if suffix and suffix not in _SUFFIXES[decoded.format]:
        problems.append(("misnamed", np.nan, f"{decoded.format} image, but its name has {suffix}"))
    if decoded.n_frames > 1:
        problems.append(
            ("multi_frame", decoded.n_frames, f"{decoded.n_frames} frames, the first one is read")
        )
    return Reading(pixels, tuple(problems))


def _kind_of_failure(path, error):
    """Return the kind of issue of a file that cannot be read."""
    name = os.path.basename(path)
    if os.path.isfile(path) and (
        is_system_name(name) or os.path.splitext(name)[1].lower() not in {*_ALL_SUFFIXES, ""}
    ):
        return "litter"
    if isinstance(error.__cause__, UnreadableImageError):
        return "unreadable"
    try:
        check_image(path)
    except (OSError, ValueError):
        return "unreadable"
    return "truncated"  # its header is valid


def _read_lazy(images, rows):
    """Read images of a lazy view, one by one if one of them cannot be read."""
    try:
        return [Reading(np.asarray(image)) for image in images[rows].read()]
    except (OSError, ValueError) as error:
        if len(rows) == 1:
            return [Reading(None, (("unreadable", np.nan, str(error)),))]
        return [reading for row in rows for reading in _read_lazy(images, [row])]


def _checked(image):
    """Return an image of an array as a reading."""
    if not image.size:
        return Reading(None, (("unreadable", np.nan, f"no pixels, of shape {image.shape}"),))
    try:
        check_pixel_values([image], [0], "X")
    except ValueError:
        text = "holds NaN, infinity or values that are too large"
        return Reading(None, (("unreadable", np.nan, text),))
    return Reading(image)


def set_pixel_ranges(sets: Sequence[ImageSet]) -> None:
    """Set the pixel values that are black and white in each set.

    They are 0 and 255 for files, the limits of the dtype for uint8, uint16 and bool, or else the
    usual range that all values are in. Sets whose ranges of values are of similar width share one.

    Parameters
    ----------
    sets : sequence of ImageSet
        All sets.
    """
    values = [_value_range(one) for one in sets]
    for one, own in zip(sets, values, strict=True):
        if isinstance(own, tuple):
            one.pixel_range = own
            continue
        joint = ValueRange()
        for other in values:
            if isinstance(other, ValueRange) and _are_similar(own, other):
                joint.add(np.array([other.low, other.high]))
        one.pixel_range = joint.limits()


def _value_range(images):
    """Return the range of pixel values by the form or the dtype, or else that of all values."""
    if images.paths is not None:
        return 0.0, 255.0
    dtype = _dtype_of(images.images)
    if dtype.kind == "b":
        return 0.0, 1.0
    if limits := dtype_range(dtype):
        return float(limits[0]), float(limits[1])
    values = ValueRange()
    for start in range(0, len(images), 64):
        for reading in images.read(range(start, min(start + 64, len(images)))):
            if reading.pixels is not None:
                values.add(reading.pixels)
    return values if values.low < values.high else (0.0, 255.0)


def _are_similar(one, other):
    """Return whether the widths of two ranges of values differ by less than a factor of 2."""
    widths = sorted((one.high - one.low, other.high - other.low))
    return widths[1] < 2 * widths[0]


def _dtype_of(images):
    """Return the dtype of images, that of objects if images of different sizes differ in it."""
    if images.dtype.kind != "O":
        return images.dtype
    dtypes = {np.asarray(image).dtype for image in images}
    return dtypes.pop() if len(dtypes) == 1 else images.dtype


def to_bytes(image: NDArray, limits: tuple[float, float]) -> NDArray[np.uint8]:
    """Return an image as bytes, gray or RGB.

    Parameters
    ----------
    image : array of shape (height, width) or (height, width, n_channels)
        Image.
    limits : tuple of (float, float)
        Pixel values that are black and white.

    Returns
    -------
    image : uint8 array of shape (height, width) or (height, width, 3)
        Image. Transparency is shown on white; images with another number of channels than 1, 3 and
        4 are averaged over the channels.
    """
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.dtype != np.uint8 or limits != (0.0, 255.0):
        low, high = limits
        scaled = (image.astype(np.float64) - low) / (high - low) * 255
        image = np.round(np.clip(scaled, 0, 255)).astype(np.uint8)
    if image.ndim == 2 or image.shape[2] == 3:
        return np.ascontiguousarray(image)
    if image.shape[2] == 4:
        alpha = image[..., 3:] / 255
        return np.round(255 - alpha * (255.0 - image[..., :3])).astype(np.uint8)
    return np.round(image.mean(axis=2)).astype(np.uint8)
