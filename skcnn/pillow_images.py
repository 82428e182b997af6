"""Conversion of Pillow images to arrays: palettes, transparency, orientation and color modes.

It is used for files and for Pillow images in a list, so that both give the same values.
"""

from __future__ import annotations

import sys

import numpy as np

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP")
MAX_PIXELS = 120_000_000

_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R 601-2, as in Pillow and JPEG
_ORIENTATION = 0x0112  # tag of EXIF and TIFF
_BITS_PER_SAMPLE = 258  # tag of TIFF
# values of the tag after which rows and columns are exchanged, then mirrored
_TRANSPOSED, _MIRRORED_ROWS, _MIRRORED_COLUMNS = (5, 6, 7, 8), (3, 4, 7, 8), (2, 3, 6, 7)
_PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}
_BLOCK = 2**20  # values that are converted at a time, so that copies stay small


class UnreadableImageError(Exception):
    """Error about an image. Its message is a predicate, such as "is damaged"."""


class TooManyPixelsError(UnreadableImageError):
    """Error about an image with more pixels than the limit."""


def is_pillow_image(item):
    """Return whether an object is a Pillow image."""
    pillow = sys.modules.get("PIL.Image")  # without it, nothing is a Pillow image
    return pillow is not None and isinstance(item, pillow.Image)


def pillow_images_to_arrays(images):
    """Convert the Pillow images of a list to arrays, and leave other objects unchanged.

    Gray images have shape (height, width), all others (height, width, 3). Images that are not all
    gray, or not all of the same dtype, are converted as by ``ImageReader(mode="RGB")``.

    Parameters
    ----------
    images : list or tuple
        Objects, among them Pillow images.

    Returns
    -------
    images : list
        Arrays in the place of Pillow images.

    Raises
    ------
    ValueError
        If an image is too large, damaged, or of a format that `ImageReader` does not read.
    """
    rows = [row for row, image in enumerate(images) if is_pillow_image(image)]
    if not rows:
        return list(images)
    arrays = {row: _read(images[row], row, pixels_of) for row in rows}
    if len({(pixels.ndim, pixels.dtype) for pixels in arrays.values()}) > 1:
        arrays = {row: _read(pixels, row, to_mode) for row, pixels in arrays.items()}
    return [arrays.get(row, image) for row, image in enumerate(images)]


def _read(image, row, read):
    """Return ``read(image)``, with errors that name the row."""
    try:
        return read(image)
    except UnreadableImageError as error:
        raise ValueError(f"X[{row}] is a Pillow image that {error}") from error
    except MemoryError:
        raise
    except Exception as error:  # decoders raise many
        raise ValueError(
            f"X[{row}] is a Pillow image that is damaged or truncated, or whose file was closed "
            f"before it was read: {error}"
        ) from error


def check_size(height, width, max_pixels):
    """Raise an error if an image has no pixels or more than a limit, before it is decoded."""
    if height < 1 or width < 1:
        raise UnreadableImageError(f"has no pixels: it is damaged, of size {height} x {width}")
    if max_pixels is not None and height * width > max_pixels:
        raise TooManyPixelsError(
            f"is too large: {height * width:,} pixels ({height:,} x {width:,}), limit "
            f"{max_pixels:,}: resize it, or set max_pixels of ImageReader if the file can be "
            "trusted and the memory is sufficient"
        )


def pixels_of(image, max_pixels=MAX_PIXELS):
    """Return the upright pixels of a Pillow image, transparent pixels shown on white.

    Parameters
    ----------
    image : PIL.Image.Image
        Image of any mode that Pillow converts to RGB.
    max_pixels : int or None, default=MAX_PIXELS
        Maximum number of pixels.

    Returns
    -------
    pixels : array of shape (height, width) or (height, width, 3)
        uint8, or the depth of a gray image with other values (modes "I;16", "I" and "F").
    """
    if image.format not in (None, "MPO", *FORMATS):  # MPO: JPEG with a preview
        raise UnreadableImageError(
            f"was opened from a {image.format} file, but only JPEG, PNG, GIF, BMP, TIFF and WebP "
            "are decoded: convert it first, image.convert('RGB')"
        )
    check_size(image.height, image.width, max_pixels)
    _load(image)
    orientation = image.getexif().get(_ORIENTATION, 1)
    if image.mode in _PREMULTIPLIED:
        image = image.convert(_PREMULTIPLIED[image.mode])
    if image.mode.startswith(("I", "F")):
        pixels = np.array(image)
        pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
        if image.format == "TIFF":
            pixels = scale_to_16_bits(pixels, image.tag_v2.get(_BITS_PER_SAMPLE, (16,))[0])
        transparent = image.info.get("transparency")  # one gray value, in PNG
        if isinstance(transparent, int) and pixels.dtype == np.uint16:
            pixels[pixels == transparent] = np.iinfo(np.uint16).max
    elif image.has_transparency_data:
        # composed in Pillow, which knows the colors of a palette
        color = image.convert("RGBA")
        shown = color.copy()
        shown.paste((255, 255, 255, 255), (0, 0, *color.size))
        shown.alpha_composite(color)
        shown = shown.convert("RGB")
        pixels = np.array(shown.convert("L") if image.mode in ("LA", "L", "1") else shown)
    elif image.mode in ("L", "RGB"):
        pixels = np.array(image)
    elif image.mode == "LAB":
        raise UnreadableImageError("holds CIELAB colors, which are not supported: save it as RGB")
    else:
        pixels = np.array(image.convert("L" if image.mode == "1" else "RGB"))
    return upright(pixels, orientation)


def _load(image):
    """Load the pixels of a Pillow image.

    The file name of a TIFF is hidden, because Pillow maps an uncompressed TIFF into memory by its
    name, and exchanges height and width if the image is rotated.
    """
    name = getattr(image, "filename", "")
    if image.format != "TIFF" or not name:
        image.load()
        return
    image.filename = ""
    try:
        image.load()
    finally:
        image.filename = name


def scale_to_16_bits(pixels, n_bits):
    """Scale uint16 values of 9 to 15 bits to the range of 16 bits."""
    if pixels.dtype != np.uint16 or n_bits >= 16:
        return pixels
    return np.rint(pixels * (65535 / (2**n_bits - 1))).astype(np.uint16)


def upright(pixels, orientation):
    """Apply the tag "Orientation" of EXIF and TIFF."""
    if orientation in _TRANSPOSED:
        pixels = pixels.swapaxes(0, 1)
    if orientation in _MIRRORED_ROWS:
        pixels = pixels[::-1]
    if orientation in _MIRRORED_COLUMNS:
        pixels = pixels[:, ::-1]
    return pixels


def to_mode(pixels, mode="RGB"):
    """Convert gray or RGB values of any depth to a color mode.

    Parameters
    ----------
    pixels : array of shape (height, width) or (height, width, 3)
        uint8 or uint16 values, integers from 0 to 65535, or floats from 0 to 1.
    mode : {"RGB", "L", "I;16"}, default="RGB"
        Color mode: see `ImageReader`.

    Returns
    -------
    pixels : array of shape (height, width, 3) or (height, width)
        uint8 and three channels for "RGB", uint8 for "L", uint16 for "I;16".
    """
    check_values(pixels)
    depth = np.dtype(np.uint16 if mode == "I;16" else np.uint8)

    def convert(block):
        if mode != "RGB" and block.ndim == 3:
            block = _to_depth(block, block.dtype if block.dtype.kind == "u" else np.uint16)
            block = np.rint(block @ _LUMA).astype(block.dtype)
        return _to_depth(block, depth)

    gray = pixels.ndim == 2
    if pixels.dtype == depth and gray == (mode != "RGB"):
        return pixels
    out = np.empty(pixels.shape[:2] + (() if gray or mode != "RGB" else (3,)), depth)
    step = max(1, _BLOCK // max(1, pixels[0].size))
    for start in range(0, len(pixels), step):
        rows = slice(start, start + step)
        out[rows] = convert(pixels[rows])
    return np.repeat(out[..., np.newaxis], 3, axis=2) if gray and mode == "RGB" else out


def check_values(pixels):
    """Raise an error if the dtype or the range of values is not supported."""
    kind = pixels.dtype.kind
    if kind not in "uif" or pixels.dtype == np.int8:
        raise UnreadableImageError(
            f"holds {pixels.dtype} values, but only unsigned values of up to 16 bits, integers "
            "from 0 to 65535 and floats from 0 to 1 are supported"
        )
    if pixels.dtype in (np.uint8, np.uint16):
        return
    low, high = pixels.min(), pixels.max()
    if kind == "f" and not (low >= 0 and high <= 1):
        raise UnreadableImageError(
            f"holds {pixels.dtype} values from {low} to {high}, but only 0 to 1 are supported for "
            "floats: scale them before they are saved"
        )
    if kind != "f" and (low < 0 or high > 65535):
        raise UnreadableImageError(
            f"holds {pixels.dtype} values out of range, from {low} to {high}, but only 0 to 65535 "
            "are supported: scale them before they are saved"
        )


def _to_depth(pixels, depth):
    """Scale values to the range of uint8 or uint16, without clipping."""
    if pixels.dtype == depth:
        return pixels
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint16) * 257
    if pixels.dtype.kind == "f":  # float16 has no 65535
        return np.rint(pixels.astype(np.float64) * np.iinfo(depth).max).astype(depth)
    if depth == np.uint16:
        return pixels.astype(np.uint16)
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
