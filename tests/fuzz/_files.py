"""Corrupted files: images, pickles of fitted estimators, and data sets."""

import io
import pickle
import struct
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import tifffile
from _checks import Failed
from _images import draw_values
from _parameters import draw
from PIL import Image

from skcnn import (
    CNNClassifier,
    CNNRegressor,
    HOGExtractor,
    ImageAugmenter,
    ImageNormalizer,
    ImageReader,
    ImageResizer,
)
from skcnn.datasets import fetch_cifar10, fetch_fashion_mnist

SUFFIXES = {
    "JPEG": [".jpg", ".jpeg"],
    "PNG": [".png"],
    "GIF": [".gif"],
    "BMP": [".bmp"],
    "TIFF": [".tif", ".tiff"],
    "WEBP": [".webp"],
}
MODES = {
    "JPEG": ["L", "RGB", "CMYK"],
    "PNG": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "GIF": ["L", "P", "RGB"],
    "BMP": ["1", "L", "P", "RGB"],
    "TIFF": ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F", "LAB"],
    "WEBP": ["RGB", "RGBA"],
}
OTHER_FORMATS = ["PPM", "ICO", "TGA", "PCX", "EPS", "PDF", "SGI", "DDS", "ICNS", "IM", "SPIDER",
                 "JPEG2000", "AVIF", "MSP", "XBM", "QOI", "BLP"]  # fmt: skip
TEXTS = [
    b"", b"\0", b"hello", b"<svg xmlns='http://www.w3.org/2000/svg' width='8' height='8'/>",
    b"<html>not found</html>", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n",
    b"%PDF-1.4\n", b"P6 8 8 255\n" + bytes(192), b"P5 99999 99999 255\n", b"II*\0", b"GIF89a",
    b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0", b"BM", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff",
    b"RIFF\0\0\0\0WEBP", b"\xff\xd8\xff\xe0" * 100, bytes(5000), b"\xff" * 5000,
    b"SIMPLE  =                    T" + b" " * 3000, b"#define im_width 8\n#define im_height 8\n",
    b"/* XPM */\n", b"qoif" + bytes(30), b"\0\0\1\0\1\0" + bytes(60), b"version https://git-lfs",
    b"8BPS\0\1" + bytes(40),
]  # fmt: skip
# Pixels of a TIFF that are no colors in a known range: an error says so.
NOT_READ = ("int16", "int32", "uint32", "float32", "float64", "I", "F", "LAB")
MAX_PIXELS = 10**6  # reading this many takes little memory


@cache
def originals():
    """Return the intact files, as a list of (format, mode, bytes)."""
    rng = np.random.default_rng(0)
    values = draw_values(rng, 1, (9, 11, 3))[0]
    found = []
    for name, modes in MODES.items():
        for mode in modes:
            image = _to_mode(values, mode)
            for options in _save_options(name, mode):
                content = io.BytesIO()
                try:
                    image.save(content, name, **options)
                except (OSError, ValueError, RuntimeError):  # not every combination exists
                    continue
                found.append((name, mode, content.getvalue()))
    for dtype in ("uint8", "uint16", "int16", "int32", "uint32", "float32", "float64", "bool"):
        for shape in ((9, 11), (9, 11, 3), (9, 11, 4), (2, 9, 11)):
            content = io.BytesIO()
            tifffile.imwrite(content, np.resize(values, shape).astype(dtype))
            found.append(("TIFF", dtype, content.getvalue()))
    return found


def _to_mode(values, mode):
    image = Image.fromarray(values)
    if mode == "I;16":
        return Image.fromarray(values[..., 0].astype(np.uint16) * 257)
    if mode == "LAB":
        return Image.frombytes("LAB", image.size, values.tobytes())
    if mode == "LA":
        return image.convert("L").convert("LA")
    return image.convert("L").convert(mode) if mode in ("I", "F") else image.convert(mode)


def _save_options(name, mode):
    exif = Image.Exif()
    exif[0x0112] = 6
    several = {"save_all": True, "append_images": [Image.new("RGB", (4, 5))]}
    if name == "TIFF":
        kinds = ["raw", "tiff_lzw", "tiff_deflate", "packbits"]
        kinds += {"1": ["group4"], "L": ["jpeg"], "RGB": ["jpeg"]}.get(mode, [])
        return [*({"compression": kind} for kind in kinds), several, {"exif": exif}]
    if name in ("GIF", "WEBP"):
        return [{}, several]
    return [{}, {"exif": exif}] if name in ("JPEG", "PNG") else [{}]


# ------------------------------------------------------------------------------------------------
# Corruptions: bytes -> bytes


def truncate(content, rng):
    return content[: rng.integers(len(content))]


def flip_bits(content, rng):
    content = bytearray(content)
    for _ in range(draw(rng, [1, 1, 1, 3, 20])):
        content[rng.integers(len(content))] ^= 1 << rng.integers(8)
    return bytes(content)


def flip_header(content, rng):
    content = bytearray(content)
    for _ in range(draw(rng, [1, 2, 4])):
        content[rng.integers(min(64, len(content)))] = rng.integers(256)
    return bytes(content)


def overwrite(content, rng):
    start = rng.integers(len(content))
    length = rng.integers(1, 40)
    filling = draw(rng, [bytes(length), b"\xff" * length, rng.bytes(length)])
    return content[:start] + filling + content[start + length :]


def insert(content, rng):
    start = rng.integers(len(content))
    return content[:start] + rng.bytes(rng.integers(1, 20)) + content[start:]


def remove(content, rng):
    start = rng.integers(len(content))
    return content[:start] + content[start + rng.integers(1, 20) :]


def repeat(content, rng):
    start = rng.integers(len(content))
    return content[:start] + content[start : start + 30] * 5 + content[start:]


def append(content, rng):
    return content + draw(rng, [rng.bytes(100), content, bytes(10_000)])


def huge_size(content, rng):
    """Set the sizes in the header, of whatever format it is, to something huge."""
    sizes = [draw(rng, [0, 1, 5000, 30_000, 65_535, 2**24, 2**31 - 1, 2**32 - 1]) for _ in range(2)]
    content = bytearray(content)
    if content[:4] == b"\x89PNG":
        struct.pack_into(">II", content, 16, *sizes)
        struct.pack_into(">I", content, 29, zlib.crc32(content[12:29]))
    elif content[:2] == b"BM":
        struct.pack_into("<II", content, 18, *sizes)
    elif content[:3] == b"GIF":
        struct.pack_into("<HH", content, 6, *(size & 0xFFFF for size in sizes))
    elif content[:2] == b"\xff\xd8":
        start = max(content.find(b"\xff\xc0"), content.find(b"\xff\xc2"))
        struct.pack_into(">HH", content, start + 5, *(size & 0xFFFF for size in sizes))
    elif content[:4] in (b"II*\0", b"MM\0*"):
        _set_tags(content, sizes)
    elif content[8:12] == b"WEBP":
        start = 26 if content[12:16] == b"VP8 " else 24
        struct.pack_into("<HH", content, start, *(size & 0x3FFF for size in sizes))
    return bytes(content)


def _set_tags(content, sizes):
    """Set width and height in the first folder of a TIFF."""
    order = "<" if content[:1] == b"I" else ">"
    (start,) = struct.unpack_from(order + "I", content, 4)
    (count,) = struct.unpack_from(order + "H", content, start)
    for number in range(count):
        position = start + 2 + 12 * number
        (tag,) = struct.unpack_from(order + "H", content, position)
        if tag in (256, 257):
            struct.pack_into(order + "HI", content, position + 2, 4, 1)
            struct.pack_into(order + "I", content, position + 8, sizes[tag - 256])


CORRUPTIONS = [
    truncate, flip_bits, flip_bits, flip_header, flip_header, overwrite, insert, remove, repeat,
    append, huge_size, huge_size,
]  # fmt: skip


# ------------------------------------------------------------------------------------------------
# Cases


def image_case(check, rng):
    """Read a corrupted image: pixels, or an error that names the file."""
    name, mode, content = draw(rng, originals())
    suffix = draw(rng, SUFFIXES[name])
    how = "intact"
    if rng.random() < 0.97:
        corruption = draw(rng, CORRUPTIONS)
        content, how = corruption(content, rng), corruption.__name__
        check.damaged = True
    if rng.random() < 0.1:
        suffix = draw(rng, [s for other in SUFFIXES.values() for s in other] + [".txt", ""])
    result = read(check, rng, content, suffix, f"{name} {mode}, {how}")
    if how == "intact" and isinstance(result, Failed):
        message = str(result.error)
        if mode not in NOT_READ or "damaged" in message:
            check.report("wrong result", f"intact {name} {mode}", message)


def other_format_case(check, rng):
    """Read something else under the name of an image: an error that names the file."""
    check.damaged = True
    suffix = draw(rng, [s for other in SUFFIXES.values() for s in other])
    if rng.random() < 0.5:
        read(check, rng, draw(rng, TEXTS), suffix, "text")
        return
    name, content = draw(rng, OTHER_FORMATS), io.BytesIO()
    try:
        Image.fromarray(draw_values(rng, 1, (16, 16, 3))[0]).save(content, name)
    except (OSError, KeyError, ValueError):  # an optional format, or one of a single mode
        content = io.BytesIO(draw(rng, TEXTS))
    if not isinstance(read(check, rng, content.getvalue(), suffix, name), Failed):
        check.report("another format is decoded", name)


def read(check, rng, content, suffix, what):
    """Read a file with one of the ways that the package has."""
    path = Path(f"image{rng.integers(10**9)}{suffix}")
    path.write_bytes(content)
    check.calls.append(f"{what}: {len(content)} bytes")
    reader = ImageReader(draw(rng, ["RGB", "L", "I;16"]), max_pixels=MAX_PIXELS, n_jobs=1)
    result = check.call(reader, "fit_transform", [str(path)])
    if not isinstance(result, Failed):
        if rng.random() < 0.5:
            result = check.call(None, result.__getitem__, 0)
        else:
            resizer = ImageResizer((4, 4), lazy=bool(rng.integers(2)), n_jobs=1)
            result = check.call(resizer, "fit_transform", result)
            if not isinstance(result, Failed):
                result = check.call(None, np.asarray, result)
    if isinstance(result, Failed):
        if path.name not in str(result.error):
            check.report("file without a name", type(result.error).__name__, str(result.error))
    elif result.dtype not in (np.uint8, np.uint16) or 0 in result.shape:
        check.report("wrong result", "reader", f"{result.dtype}, shape {result.shape}")
    path.unlink()
    return result


@cache
def pickles():
    """Return fitted estimators as pickles, with images and what they give for them."""
    images = draw_values(np.random.default_rng(0), 12, (8, 8, 3))
    y = np.arange(12) % 3
    quick = {"channels": (2,), "hidden_units": (4,), "max_epochs": 1, "random_state": 0}
    models = [
        CNNClassifier(**quick),
        CNNClassifier("fast", channels=(2,), max_epochs=1, random_state=0),
        CNNRegressor(**quick),
        CNNClassifier(**quick, warm_start=True),
        ImageNormalizer(),
        ImageAugmenter(shift=1, random_state=0),
        HOGExtractor(pixels_per_cell=(4, 4)),
    ]
    for model in models:
        model.fit(images, y)
    return images, [(pickle.dumps(model), output_of(model, images)) for model in models]


def output_of(model, images):
    """Return what a fitted estimator gives for images."""
    for name in ("predict_proba", "predict", "transform"):
        if hasattr(model, name):
            return np.asarray(getattr(model, name)(images))
    raise TypeError(type(model).__name__)


def pickle_case(check, rng):
    """Load a pickle with one flipped bit: an error, or the same predictions."""
    images, contents = pickles()
    content, expected = draw(rng, contents)
    content = bytearray(content)
    position, bit = rng.integers(len(content)), rng.integers(8)
    content[position] ^= 1 << bit
    check.calls.append(f"bit {bit} of byte {position} of {len(content)}")
    try:  # unpickling damaged data may raise anything
        found = output_of(pickle.loads(bytes(content)), images)
    except Exception as error:
        check.calls.append(f"{type(error).__name__}: {error}")
        return
    if found.shape != expected.shape or not np.allclose(found, expected, rtol=0, atol=1e-6):
        near = bytes(content[max(0, position - 40) : position + 20])
        check.report("damaged file predicts something else", "pickle", repr(near))


def data_set_case(check, rng):
    """Load a data set whose local file is not the official one: an error that names the file."""
    folder = Path("data")
    fetch = draw(rng, [fetch_cifar10, fetch_fashion_mnist])
    names = ["cifar10/cifar-10-binary.tar.gz", "cifar10/cifar-10-python.tar.gz"]
    if fetch is fetch_fashion_mnist:
        parts = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
        names = [f"fashion_mnist/{part}-ubyte.gz" for part in parts]
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(draw(rng, [b"", b"\x1f\x8b\x08", rng.bytes(100), *TEXTS]))
    options = {"data_home": folder, "download_if_missing": False}
    result = check.call(None, fetch, **options, subset=draw(rng, ["train", "test", "all"]))
    if not isinstance(result, Failed) or "official file" not in str(result.error):
        check.report("wrong result", fetch.__name__, "a damaged file is not named")


KINDS = {image_case: 0.8, other_format_case: 0.1, pickle_case: 0.08, data_set_case: 0.02}
