"""Decoding of image files of six formats, with errors that name the file."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from skcnn.exceptions import ImageFileError, ImageTooLargeError
from skcnn.pillow_images import (
    MAX_PIXELS,
    TooManyPixelsError,
    UnreadableImageError,
    check_size,
    pixels_of,
    to_mode,
)
from skcnn.preprocessing._paths import find_problem
from skcnn.preprocessing._tiff import DeepTiff, is_tiff, lacks_directory
from skcnn.remote_files import read_url
from skcnn.urls import hide_secrets, is_url

_TILE_WIDTH, _TILE_LENGTH = 322, 323  # TIFF's tags
_N_HEADER_BYTES = 2**16  # of a file behind a URL that are read to check its header

# Maximum size of a file behind a URL: 4 channels of float64 per pixel, and other contents
_BYTES_PER_PIXEL, _OTHER_BYTES = 32, 2**26


def read_image(path, mode="RGB", max_pixels=MAX_PIXELS, report_frames=None):
    """Read one image file.

    Parameters
    ----------
    path : str or Path
        Image file, or its URL.
    mode : {"RGB", "L", "I;16"}, default="RGB"
        Color mode of the result: see `ImageReader`.
    max_pixels : int or None, default=MAX_PIXELS
        Maximum number of pixels, checked before the image is decoded.
    report_frames : callable, default=None
        Called as ``report_frames(path, n_frames)`` if the file has several pages or frames.

    Returns
    -------
    image : array of shape (height, width, 3) or (height, width)
        uint8 and three channels for "RGB", uint8 for "L", uint16 for "I;16".

    Raises
    ------
    OSError
        If the file does not exist, there is no permission to read it, or the system fails to.
    ImageFileError
        If it is empty, damaged, not an image, or of a kind that is not supported.
    ImageTooLargeError
        If it has too many pixels.
    """

    def read(file):
        decoded = _decode(file, max_pixels, count_frames=report_frames is not None)
        return np.ascontiguousarray(to_mode(decoded.pixels, mode)), decoded.n_frames

    pixels, n_frames = _read_with_named_errors(path, read, max_pixels)
    if n_frames > 1:
        report_frames(path, n_frames)
    return pixels


@dataclass(frozen=True)
class DecodedFile:
    """The contents of an image file.

    Parameters
    ----------
    pixels : array of shape (height, width) or (height, width, 3)
        Pixels of the first frame, gray or RGB, of the depth of the file.
    format : str
        Format by the first bytes of the file, such as "JPEG".
    n_frames : int
        Number of pages or frames, 1 if they are not counted.
    """

    pixels: np.ndarray
    format: str
    n_frames: int


def decode_file(path, max_pixels=MAX_PIXELS):
    """Read one image file, and do not convert it to a color mode.

    Parameters
    ----------
    path : str or Path
        Image file.
    max_pixels : int or None, default=MAX_PIXELS
        Maximum number of pixels, checked before the image is decoded.

    Returns
    -------
    decoded : DecodedFile
        Pixels, format and number of frames.

    Raises
    ------
    OSError, ValueError
        As `read_image`.
    """
    return _read_with_named_errors(
        path, lambda file: _decode(file, max_pixels, count_frames=True), max_pixels
    )


def format_of_file(path):
    """Return the format of an image file by its first bytes.

    Parameters
    ----------
    path : str or Path
        File.

    Returns
    -------
    format : str or None
        Such as "JPEG"; None if it is not an image of a supported format, or cannot be opened.
    """
    if find_problem(path)[0] is not None:
        return None
    try:
        with open(path, "rb") as file:
            return _image_class(_start(file)).format
    except (OSError, UnreadableImageError):
        return None


def check_image(path, max_pixels=MAX_PIXELS):
    """Raise the error of `read_image` if the header of the file already shows it.

    Parameters
    ----------
    path : str or Path
        Image file.
    max_pixels : int or None, default=MAX_PIXELS
        Maximum number of pixels.
    """
    content = None
    if is_url(path):
        content = read_url(path, _N_HEADER_BYTES)
        if len(content) == _N_HEADER_BYTES and not _has_header(content, max_pixels):
            content = None  # the header is longer
    _read_with_named_errors(path, lambda file: _open(file, max_pixels), max_pixels, content)


def _has_header(start, max_pixels):
    """Return whether the first bytes of a file contain its header, or cannot be those of one."""
    try:
        return _n_pixels(start, max_pixels) is not None
    except UnreadableImageError:
        return True


def _max_bytes(start, max_pixels):
    """Return how many bytes of a file to read, given its first megabyte. None reads all."""
    try:
        n_pixels = _n_pixels(start, max_pixels)
    except UnreadableImageError:
        return len(start)  # sufficient to raise the error again
    if max_pixels is None:
        return None
    return _OTHER_BYTES + _BYTES_PER_PIXEL * (max_pixels if n_pixels is None else n_pixels)


def _n_pixels(start, max_pixels):
    """Return the number of pixels of a file, None if its first bytes do not contain it."""
    if is_tiff(start) and lacks_directory(start):  # the decoders would give warnings
        return None
    try:
        image = _open(BytesIO(start), max_pixels)
    except (MemoryError, UnreadableImageError):
        raise
    except Exception:  # decoders raise many
        return None
    return image.height * image.width


def _read_with_named_errors(path, read, max_pixels, content=None):
    """Return ``read(file)``, and replace its exceptions by errors that name the file."""
    path = str(path)
    if is_url(path):
        if content is None:
            content = read_url(path, lambda start: _max_bytes(start, max_pixels))
        path = hide_secrets(path)
        if not content:
            raise ImageFileError(f"the image file {path!r} is empty (0 bytes)")
    else:
        error_type, _, problem = find_problem(path)
        if error_type is not None:
            raise error_type(f"the image file {path!r} {problem}")
    try:
        with open(path, "rb") if content is None else BytesIO(content) as file:
            return read(file)
    except TooManyPixelsError as error:
        raise ImageTooLargeError(f"the file {path!r} {error}") from error
    except UnreadableImageError as error:
        raise ImageFileError(f"the file {path!r} {error}") from error
    except MemoryError:
        raise
    except Image.DecompressionBombError as error:  # raised below max_pixels for some formats
        raise ImageTooLargeError(
            f"the file {path!r} is too large for Pillow: set PIL.Image.MAX_IMAGE_PIXELS to read it "
            f"({error})"
        ) from error
    except PermissionError as error:
        raise PermissionError(
            f"the image file {path!r} cannot be read: permission denied"
        ) from error
    except Exception as error:  # decoders raise many, and each must name the file
        if isinstance(error, OSError) and error.strerror is not None:  # of the system
            raise OSError(f"the image file {path!r} cannot be read: {error.strerror}") from error
        if "MAX_TEXT" in str(error):  # Pillow's limits
            raise ImageFileError(
                f"the file {path!r} is not read, because its compressed text or color profile is "
                f"too large: {error}"
            ) from error
        received = "" if content is None else f" (of which {len(content):,} bytes were read)"
        raise ImageFileError(
            f"the image file {path!r}{received} is damaged or truncated, or cannot be read: {error}"
        ) from error


def _decode(file, max_pixels, *, count_frames):
    """Return the contents of an open file; its number of frames is 1 if not counted."""
    image, pixels = _open(file, max_pixels), None
    if isinstance(image, DeepTiff) and (pixels := _pixels_of_tiff(image)) is None:
        image = _open_in_pillow(file, max_pixels)
    if pixels is None:
        pixels = pixels_of(image, max_pixels)
    return DecodedFile(pixels, image.format, _count_frames(image) if count_frames else 1)


def _open(file, max_pixels):
    """Read the header of a file of one of the supported formats."""
    if is_tiff(_start(file)) and (deep := DeepTiff.open(file, max_pixels)) is not None:
        return deep
    return _open_in_pillow(file, max_pixels)


def _pixels_of_tiff(image):
    """Return the pixels of a TIFF, or None if Pillow should read it or raise an error."""
    try:
        return image.read()
    except (MemoryError, UnreadableImageError):
        raise
    except Exception:  # tifffile raises many
        return None


def _start(file):
    """Return the first bytes of a file, and leave it at its start."""
    file.seek(0)
    start = file.read(16)
    file.seek(0)
    return start


def _open_in_pillow(file, max_pixels):
    """Read the header of a file with Pillow's class for its format.

    The class is called directly. `PIL.Image.open` would choose among all formats, some of which
    start other programs, and would apply a limit of its own.
    """
    image_class = _image_class(_start(file))
    if size_of := _SIZES.get(image_class):
        check_size(*(max(1, length) for length in size_of(file)), max_pixels)
        file.seek(0)
    try:
        image = image_class(file)
    except (SyntaxError, UnicodeDecodeError) as error:
        raise ValueError(f"its kind of {image_class.format} is not supported ({error})") from error
    check_size(image.height, image.width, max_pixels)
    if image_class is TiffImageFile:
        tile = [max(1, image.tag_v2.get(tag, 1)) for tag in (_TILE_LENGTH, _TILE_WIDTH)]
        check_size(*tile, max_pixels)
    return image


def _image_class(start):
    """Return the class of Pillow for a file that starts with some bytes."""
    if start.startswith(b"\xff\xd8\xff"):
        return JpegImageFile
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImageFile
    if start.startswith((b"GIF87a", b"GIF89a")):
        return GifImageFile
    if start.startswith(b"BM"):
        return BmpImageFile
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return WebPImageFile
    if is_tiff(start):
        return TiffImageFile
    raise UnreadableImageError(
        "is not an image, or its format is not supported (JPEG, PNG, GIF, BMP, TIFF and WebP are, "
        "whatever the name of the file)"
    )


def _webp_size(file):
    """Return the height and the width of a WebP file from its first bytes.

    They are checked before Pillow opens the file, which allocates memory for the image. The first
    chunk has the size: "VP8X" that of the canvas, "VP8L" and "VP8 " that of the only image.
    """
    header = file.read(30)
    if header[12:16] == b"VP8X":
        return 1 + int.from_bytes(header[27:30], "little"), 1 + int.from_bytes(
            header[24:27], "little"
        )
    if header[12:16] == b"VP8L":
        bits = int.from_bytes(header[21:25], "little")
        return 1 + (bits >> 14 & 0x3FFF), 1 + (bits & 0x3FFF)
    return tuple(int.from_bytes(header[k : k + 2], "little") & 0x3FFF for k in (28, 26))


def _gif_size(file):
    """Return the height and the width of a GIF file, enlarged to contain its first frame.

    They are checked before Pillow opens the file, which allocates memory for some frames.
    """
    header = file.read(13).ljust(13, b"\0")
    width, height = struct.unpack("<2H", header[6:10])
    if header[10] & 0x80:
        file.seek(3 << (header[10] & 7) + 1, os.SEEK_CUR)  # the palette
    while (kind := file.read(1)) not in (b"", b";", b","):
        if kind == b"!":
            file.read(1)
            while (length := file.read(1)) > b"\0":
                file.seek(length[0], os.SEEK_CUR)
    if kind == b"," and len(frame := file.read(8)) == 8:
        left, top, frame_width, frame_height = struct.unpack("<4H", frame)
        width, height = max(width, left + frame_width), max(height, top + frame_height)
    return height, width


_SIZES = {WebPImageFile: _webp_size, GifImageFile: _gif_size}


def _count_frames(image):
    """Return the number of pages or frames of a file, 1 if they cannot be counted."""
    try:
        return image.n_frames if getattr(image, "is_animated", False) else 1
    except MemoryError:
        raise
    except Exception:  # the first frame has been read
        return 1
