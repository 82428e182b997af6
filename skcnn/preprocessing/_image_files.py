"""ImageFiles: the image files of a LazyImages."""

from __future__ import annotations

import warnings

import numpy as np

from skcnn.pillow_images import MAX_PIXELS
from skcnn.preprocessing._decode import read_image
from skcnn.urls import hide_secrets


class ImageFiles:
    """Source of `LazyImages` that reads image files.

    Parameters
    ----------
    paths : list of str
        Paths of the files.
    mode : {"RGB", "L", "I;16"}
        Color mode: see `ImageReader`.
    max_pixels : int or None, default=MAX_PIXELS
        Maximum number of pixels of an image.
    """

    def __init__(self, paths, mode, max_pixels=MAX_PIXELS):
        self.paths = paths
        self.mode = mode
        self.max_pixels = max_pixels
        self.shape = (len(paths), None, None, *((3,) if mode == "RGB" else ()))
        self.dtype = np.dtype(np.uint16 if mode == "I;16" else np.uint8)
        self._reported = []  # paths of files with several frames; only the first gives a warning

    def __getitem__(self, rows):
        report = None if self._reported else self._report_frames
        try:
            return [
                read_image(self.paths[row], self.mode, self.max_pixels, report_frames=report)
                for row in rows
            ]
        except (OSError, ValueError) as error:
            raise type(error)(
                f"{error}. ImageReader.find_errors(X, decode=True) finds all such files"
            ) from error

    def _report_frames(self, path, n_frames):
        """Warn about a file with several frames, unless another thread has warned already."""
        report = (path, n_frames)
        self._reported.append(report)
        if self._reported[0] is report:
            warnings.warn(
                f"the file {hide_secrets(path)!r} has {n_frames} pages or frames, of "
                "which only the first is read; other files with several are not reported",
                stacklevel=2,
            )

    def __reduce__(self):
        return type(self), (self.paths, self.mode, self.max_pixels)

    def __repr__(self):
        return f"ImageFiles(n_images={len(self.paths)}, mode={self.mode!r})"
