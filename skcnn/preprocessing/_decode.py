"""Decoding of image files: formats, depths, palettes, transparency and orientation."""

from __future__ import annotations

import os

import numpy as np
import tifffile
from PIL import Image, ImageOps, UnidentifiedImageError

_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R 601-2, as in Pillow and JPEG
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BITS_PER_SAMPLE = 258  # TIFF's tag
_WHITE = 255
# values of the tag "Orientation" after which rows and columns are exchanged, then mirrored
_TRANSPOSED, _MIRRORED_ROWS, _MIRRORED_COLUMNS = (5, 6, 7, 8), (3, 4, 7, 8), (2, 3, 6, 7)


def read_image(path, mode="RGB"):
    """Read one image file.

    Parameters
    ----------
    path : str or Path
        Image file.
    mode : {"RGB", "L", "I;16"}, default="RGB"
        Color mode of the result: see `ImageReader`.

    Returns
    -------
    image : array of shape (height, width, 3) or (height, width)
        uint8 and three channels for "RGB", uint8 for "L", uint16 for "I;16".

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If it is empty, damaged or not an image.
    """
    if not os.path.isfile(path):
        what = "is a folder, not an image file" if os.path.isdir(path) else "does not exist"
        raise FileNotFoundError(f"the image file {str(path)!r} {what}")
    if not os.path.getsize(path):
        raise ValueError(f"the image file {str(path)!r} is empty (0 bytes)")
    try:
        pixels = _to_mode(_decode(path), mode)
    except UnidentifiedImageError as error:
        raise ValueError(
            f"the file {str(path)!r} is not an image, or its format is not supported (JPEG, PNG, "
            "GIF, BMP, TIFF and WebP are)"
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # decoders raise many, and each must name the file
        raise ValueError(
            f"the image file {str(path)!r} is damaged or truncated, or cannot be read: {error}"
        ) from error
    return np.ascontiguousarray(pixels)


def _decode(path):
    """Read gray or RGB values at the depth of the file, upright, transparency shown on white."""
    with open(path, "rb") as file:
        is_tiff = file.read(4) in _TIFF_STARTS
    if is_tiff and (deep := _decode_deep_tiff(path)) is not None:
        return deep
    with Image.open(path) as image:
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode.startswith(("I", "F")):
            n_bits = image.tag_v2.get(_BITS_PER_SAMPLE, (16,))[0] if is_tiff else 16
            return _to_16_bits(np.array(image), n_bits)
        if image.has_transparency_data:
            # composed in Pillow, which knows the colors of a palette
            shown = image.convert("RGBA")
            white = Image.new("RGBA", shown.size, (_WHITE,) * 4)
            color = Image.alpha_composite(white, shown).convert("RGB")
            return np.array(color.convert("L") if image.mode in ("LA", "L") else color)
        if image.mode not in ("L", "RGB"):
            image = image.convert("L" if image.mode == "1" else "RGB")
        return np.array(image)


def _decode_deep_tiff(path):
    """Read a TIFF of more than 8 bits a value, of which Pillow reads no color; None for others."""
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            if page.dtype is None or page.dtype.itemsize < 2 or page.photometric > 2:
                return None
            pixels = page.asarray()
            orientation = page.tags.valueof("Orientation", 1)
            if page.axes.startswith("S"):
                pixels = np.moveaxis(pixels, 0, -1)
            pixels = _to_16_bits(pixels, page.bitspersample)
            if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and pixels.dtype.kind == "u":
                pixels = np.iinfo(pixels.dtype).max - pixels
    except Exception:  # Pillow may read it, or raise an error
        return None
    if pixels.ndim not in (2, 3):
        return None
    return _upright(_without_alpha(pixels), orientation)


def _upright(pixels, orientation):
    """Apply the tag "Orientation" of a file that Pillow cannot read."""
    if orientation in _TRANSPOSED:
        pixels = pixels.swapaxes(0, 1)
    if orientation in _MIRRORED_ROWS:
        pixels = pixels[::-1]
    if orientation in _MIRRORED_COLUMNS:
        pixels = pixels[:, ::-1]
    return pixels


def _to_16_bits(pixels, n_bits):
    """Scale uint16 values of 9 to 15 bits to the range of uint16."""
    if pixels.dtype != np.uint16 or n_bits >= 16:
        return pixels
    return np.rint(pixels * (65535 / (2**n_bits - 1))).astype(np.uint16)


def _without_alpha(pixels):
    """Apply samples after the first (gray) or the third (RGB) as opacity on white."""
    if pixels.ndim == 2 or pixels.shape[-1] in (1, 3):
        return pixels[..., 0] if pixels.shape[-1] == 1 and pixels.ndim == 3 else pixels
    if pixels.dtype.kind != "u":
        raise ValueError(f"{pixels.shape[-1]} channels of {pixels.dtype} values")
    n_colors = 1 if pixels.shape[-1] == 2 else 3
    white = np.iinfo(pixels.dtype).max
    opacity = pixels[..., n_colors : n_colors + 1] / white
    shown = np.rint(opacity * pixels[..., :n_colors] + (1 - opacity) * white)
    return (shown[..., 0] if n_colors == 1 else shown).astype(pixels.dtype)


def _to_mode(pixels, mode):
    """Convert gray or RGB values of any depth to a color mode."""
    depth = np.uint16 if mode == "I;16" else np.uint8
    if mode == "RGB":
        pixels = _to_depth(pixels, depth)
        return pixels if pixels.ndim == 3 else np.repeat(pixels[..., np.newaxis], 3, axis=2)
    if pixels.ndim == 3:
        pixels = _to_depth(pixels, pixels.dtype if pixels.dtype.kind == "u" else np.uint16)
        pixels = np.rint(pixels @ _LUMA).astype(pixels.dtype)
    return _to_depth(pixels, depth)


def _to_depth(pixels, depth):
    """Scale values to the range of uint8 or uint16, without clipping."""
    if pixels.dtype == depth:
        return pixels
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint16) * 257
    low, high = pixels.min(), pixels.max()
    if pixels.dtype.kind == "f":
        if not (low >= 0 and high <= 1):
            raise ValueError(f"it holds values from {low} to {high}, but only 0 to 1 are supported")
        return np.rint(pixels * float(np.iinfo(depth).max)).astype(depth)
    if low < 0 or high > 65535:
        raise ValueError(f"it holds values from {low} to {high}, but only 0 to 65535 are supported")
    if depth == np.uint16:
        return pixels.astype(np.uint16)
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
