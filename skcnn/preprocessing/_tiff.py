"""Reading of TIFF files with more than 8 bits per value, whose colors Pillow cannot read."""

from __future__ import annotations

import zlib

import numpy as np
import tifffile

from skcnn.pillow_images import (
    UnreadableImageError,
    check_size,
    check_values,
    scale_to_16_bits,
    upright,
)

_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_UNCOMPRESSED, _DEFLATE = 1, (8, 32946)  # other compressions are read by Pillow
_MINISBLACK, _RGB = 1, 2  # photometric interpretations; 0 is MINISWHITE
_MAX_SAMPLES = 6  # colors, opacity and others, as in Pillow
_OPAQUE = (0,)  # ExtraSamples: no opacity
_PREMULTIPLIED = (1,)
_MAX_RATIO = 1032  # maximum ratio of the sizes after and before decompression by deflate
_VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_VALUE_BYTES |= {13: 4, 16: 8, 17: 8, 18: 8}  # by the numbers of TIFF's types
_SMALL = 2**28  # bytes; parts up to this size are decompressed without counting their bytes first


def is_tiff(start):
    """Return whether a file that starts with some bytes is a TIFF or BigTIFF."""
    return start.startswith(_STARTS)


def lacks_directory(start):
    """Return whether the first bytes of a TIFF do not contain the directory of its first page.

    Values of more than a few bytes belong to the directory, wherever they are in the file.
    """
    order = "little" if start.startswith(b"II") else "big"
    big = start[2:4] in (b"+\0", b"\0+")
    place, n_count, n_entry, n_value = (8, 8, 20, 8) if big else (4, 2, 12, 4)

    def number(offset, n_bytes):
        return int.from_bytes(start[offset : offset + n_bytes], order)

    offset = number(place, n_value)
    first = offset + n_count
    end = first + n_entry * number(offset, n_count)
    if end > len(start):
        return True
    for entry in range(first, end, n_entry):
        n_bytes = _VALUE_BYTES.get(number(entry + 2, 2), 0) * number(entry + 4, n_value)
        if n_bytes > n_value and number(entry + 4 + n_value, n_value) + n_bytes > len(start):
            return True
    return False


class DeepTiff:
    """First page of an open TIFF file with more than 8 bits per value, or with signed values.

    Parameters
    ----------
    tiff : tifffile.TiffFile
        Open file.
    """

    format = "TIFF"

    def __init__(self, tiff):
        self.tiff = tiff
        self.page = tiff.pages.first
        self.height, self.width = self.page.imagelength, self.page.imagewidth

    @classmethod
    def open(cls, file, max_pixels):
        """Read the header of a file, or return None if Pillow can read the file.

        Parameters
        ----------
        file : binary file
            Open file.
        max_pixels : int or None
            Maximum number of pixels.

        Returns
        -------
        image : DeepTiff or None
            The first page.
        """
        try:
            image = cls(tifffile.TiffFile(file))
            page = image.page
            size = page.imagelength * page.imagedepth, page.imagewidth
            tile = max(1, page.tilelength * page.tiledepth), max(1, page.tilewidth)
            samples, dtype = page.samplesperpixel, page.dtype
        except MemoryError:
            raise
        except Exception:  # Pillow may read it, or raise an error
            return None
        check_size(*size, max_pixels)
        check_size(*tile, max_pixels)
        if not 0 < samples <= _MAX_SAMPLES:
            raise UnreadableImageError(
                f"has {samples:,} channels, but only gray and RGB images are supported, with or "
                "without opacity"
            )
        is_deep = dtype is not None and dtype not in (np.uint8, np.bool_)
        known = page.photometric <= _RGB and page.compression in (_UNCOMPRESSED, *_DEFLATE)
        return image if is_deep and known and page.imagedepth == 1 else None

    @property
    def is_animated(self):
        """Whether there are several pages."""
        return len(self.tiff.pages) > 1

    @property
    def n_frames(self):
        """Number of pages."""
        return len(self.tiff.pages)

    def read(self):
        """Return the upright pixels, transparent pixels shown on white.

        Returns
        -------
        pixels : array of shape (height, width) or (height, width, 3)
            Values of the dtype of the file; those of 9 to 15 bits are scaled to 16.
        """
        page = self.page
        if page.dtype.kind not in "uif":
            raise UnreadableImageError(f"holds {page.dtype} values, which are not supported")
        self._check_compressed_parts()
        pixels = page.asarray(maxworkers=1)
        if page.axes.startswith("S"):
            pixels = np.moveaxis(pixels, 0, -1)
        pixels = pixels.reshape(page.imagelength, page.imagewidth, page.samplesperpixel)
        pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
        pixels = scale_to_16_bits(pixels, page.bitspersample)
        if page.photometric < _MINISBLACK and pixels.dtype.kind == "u":
            pixels = np.iinfo(pixels.dtype).max - pixels
        return upright(self._on_white(pixels), page.tags.valueof("Orientation", 1))

    def _on_white(self, pixels):
        """Return the colors; if a sample of opacity follows them, show them on white."""
        n_samples = pixels.shape[-1]
        n_colors = 1 if n_samples < 3 else 3
        extra = tuple(self.page.extrasamples)[:1]
        colors = pixels[..., :n_colors]
        if n_samples > n_colors and extra != _OPAQUE:
            if pixels.dtype.kind == "i":
                raise UnreadableImageError(f"has opacity of {pixels.dtype} values: save it as RGB")
            for row in range(len(pixels)):  # the copies of a row are small
                opacity = pixels[row, :, n_colors : n_colors + 1]
                colors[row] = _shown_on_white(colors[row], opacity, extra == _PREMULTIPLIED)
        return colors[..., 0] if n_colors == 1 else colors

    def _check_compressed_parts(self):
        """Raise an error if a strip or tile holds many more bytes than the header says."""
        page, file = self.page, self.tiff.filehandle
        if page.compression not in _DEFLATE:
            return
        tile = (
            page.tilelength * page.tilewidth
            if page.is_tiled
            else page.imagewidth * min(page.rowsperstrip, page.imagelength)
        )
        expected = tile * page.samplesperpixel * page.dtype.itemsize
        allowed = max(expected, _SMALL)
        for offset, size in zip(page.dataoffsets, page.databytecounts, strict=False):
            if size * _MAX_RATIO <= allowed:
                continue
            file.seek(offset)
            if _decompressed_size(file.read(size), allowed) > allowed:
                raise UnreadableImageError(
                    f"is damaged: a compressed part of it holds more than {allowed:,} bytes, but "
                    f"its header says {expected:,}"
                )


def _shown_on_white(colors, opacity, premultiplied):
    """Return colors on white, of unsigned integers or of floats from 0 to 1."""
    is_float = colors.dtype.kind == "f"
    check_values(colors)
    check_values(opacity)
    white = 1.0 if is_float else np.iinfo(colors.dtype).max
    opacity = opacity / white
    shown = colors * (1 if premultiplied else opacity) + (1 - opacity) * white
    shown = np.clip(shown, 0, white)
    return shown if is_float else np.rint(shown)


def _decompressed_size(data, limit):
    """Return the number of bytes after decompression, or a number above the limit."""
    stream, size = zlib.decompressobj(), 0
    while data and size <= limit and not stream.eof:
        size += len(stream.decompress(data, 2**20))
        data = stream.unconsumed_tail
    return size
