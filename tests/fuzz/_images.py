"""Collections of images: the same values in many forms, and odd ones."""

import numpy as np
import pandas as pd
import polars as pl
import torch
from PIL import Image
from scipy import sparse

from skcnn import ImageAugmenter, ImageResizer, LazyImages

SHAPES = [(8, 8), (8, 8, 1), (9, 8, 3), (10, 12), (12, 9, 3), (8, 9, 4), (8, 8, 2), (1, 9), (7, 1)]


def draw_values(rng, n_images, shape=None):
    """Draw images of a few classes: uint8 values that every dtype can hold."""
    shape = SHAPES[rng.integers(len(SHAPES))] if shape is None else shape
    images = rng.integers(0, 100, (n_images, *shape))
    classes = np.arange(n_images) % 3
    images[:, : max(1, shape[0] // 2)] += 25 * classes.reshape(-1, *(1,) * len(shape))
    return images.astype(np.uint8)


# ------------------------------------------------------------------------------------------------
# The same values in another form: predictions must be the same


def _cast(dtype):
    return lambda images: images.astype(dtype)


def _read_only(images):
    images = images.copy()
    images.flags.writeable = False
    return images


def _strided(images):
    wide = np.repeat(images, 2, axis=1)
    return wide[:, ::2]


def _objects(images):
    return images.astype(object)


def _object_rows(images):
    rows = np.empty(len(images), dtype=object)
    for row, image in enumerate(images):
        rows[row] = image
    return rows


def _pillow(images):
    return [Image.fromarray(image) for image in images]


class ArrayLike:
    """An object that only `numpy.asarray` understands."""

    def __init__(self, images):
        self.images = images

    def __array__(self, dtype=None, copy=None):
        return np.array(self.images, dtype=dtype)

    def __len__(self):
        return len(self.images)


CASTS = [
    "u2",
    "u4",
    "u8",
    "i2",
    "i4",
    "i8",
    "f2",
    "f4",
    "f8",
    "g",
    ">u2",
    ">u4",
    ">i2",
    ">i8",
    ">f2",
    ">f4",
    ">f8",
]
# Results of these are equal to the last bit, since the dtype is the same.
LAYOUTS = {
    "fortran": np.asfortranarray,
    "read-only": _read_only,
    "strided": _strided,
    "reversed": lambda images: images[::-1].copy()[::-1],
    "lazy": LazyImages,
    "list": list,
    "tuple": lambda images: tuple(images),
    "object rows": _object_rows,
    "masked without mask": np.ma.masked_array,
    "array-like": ArrayLike,
    "tensor": torch.from_numpy,
    "list of tensors": lambda images: [torch.from_numpy(image) for image in images],
}
OTHER_DTYPES = {
    **{name: _cast(name) for name in CASTS},
    "objects": _objects,
    "nested lists": lambda images: images.tolist(),
}


def same_forms(images):
    """Return the forms in which the images can be given, as a dict of functions."""
    forms = {**LAYOUTS, **OTHER_DTYPES}
    if images.ndim == 3 or images.shape[3:] == (3,):
        forms["Pillow"] = _pillow
    if images.ndim == 3 and min(images.shape[1:]) > 1 and images.shape[1] == images.shape[2]:
        forms["rows"] = lambda images: images.reshape(len(images), -1)
        forms["frame"] = lambda images: pd.DataFrame(images.reshape(len(images), -1))
        forms["polars"] = lambda images: pl.DataFrame(
            images.reshape(len(images), -1), schema=[f"x{n}" for n in range(images[0].size)]
        )
    return forms


# ------------------------------------------------------------------------------------------------
# Odd collections: an error, or a good result


def _with(value, dtype=np.float64):
    def change(images, rng):
        images = images.astype(dtype)
        images[tuple(rng.integers(axis) for axis in images.shape)] = value
        return images

    return change


def _masked(images, rng):
    return np.ma.masked_array(images, rng.random(images.shape) < 0.2)


def _ragged(images, rng):
    sizes = rng.integers(1, 12, (len(images), 2))
    return [np.resize(images, (*map(int, size), *images.shape[3:])) for size in sizes]


def _ragged_channels(images, rng):
    return [np.zeros((8, 8) if row % 2 else (8, 8, 3), np.uint8) for row in range(len(images))]


def _pillow_of(mode):
    def change(images, rng):
        size = (8, 9)
        plain = np.resize(images, (*size, 3)).astype(np.uint8)
        return [Image.fromarray(np.roll(plain, row)).convert(mode) for row in range(len(images))]

    return change


def _lazy_of(change):
    return lambda images, rng: LazyImages(np.asarray(change(images, rng)))


class BrokenSource:
    """A source of LazyImages that does not keep what it promises."""

    def __init__(self, images, how):
        self.images, self.how = images, how
        self.shape, self.dtype = images.shape, images.dtype

    def __getitem__(self, rows):
        images = self.images[rows]
        if self.how == "dtype":
            return images.astype(np.float64)
        if self.how == "count":
            return images[:-1]
        if self.how == "shape":
            return images[:, :-1]
        return None if self.how == "None" else list(images)


def _structured(images, rng):
    return np.zeros(images.shape, dtype=[("a", "u1"), ("b", "u1")])


def _mixed(item):
    return lambda images, rng: [*list(images[:-1]), item]


def _bad_object(images, rng):
    images = images.astype(object)
    images[(0,) * images.ndim] = None
    return images


PILLOW_MODES = ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I", "F", "HSV"]
ODD = {
    "NaN": _with(np.nan),
    "infinity": _with(np.inf, np.float32),
    "-infinity": _with(-np.inf),
    "1e39": _with(1e39),
    "1e300": _with(1e300),
    "-1e300": _with(-1e300),
    "float32 max": _with(np.finfo(np.float32).max, np.float32),
    "half infinity": _with(np.inf, np.float16),
    "longdouble huge": _with(np.longdouble("1e4000"), np.longdouble),
    "2**62": _with(2**62, np.int64),
    "uint64 max": _with(2**64 - 1, np.uint64),
    "int64 min": _with(-(2**63), np.int64),
    "int8": lambda images, rng: images.astype(np.int8),
    "denormal": lambda images, rng: images * 1e-310,
    "tiny": lambda images, rng: images * 1e-30,
    "large": lambda images, rng: images * 1e30,
    "offset": lambda images, rng: images * 1e-6 + 1e6,
    "negative": lambda images, rng: -images.astype(int),
    "constant": lambda images, rng: np.full_like(images, 7),
    "zeros": lambda images, rng: np.zeros_like(images, dtype=float),
    "bool": lambda images, rng: images > 60,
    "empty": lambda images, rng: images[:0],
    "one": lambda images, rng: images[:1],
    "two": lambda images, rng: images[:2],
    "no height": lambda images, rng: images[:, :0],
    "no width": lambda images, rng: images[:, :, :0],
    "no channels": lambda images, rng: np.zeros((*images.shape[:3], 0)),
    "one pixel": lambda images, rng: images[:, :1, :1],
    "row": lambda images, rng: images[:, :1],
    "column": lambda images, rng: images[:, :, :1],
    "image": lambda images, rng: images[0],
    "scalar": lambda images, rng: 3.0,
    "vector": lambda images, rng: images.reshape(-1),
    "five axes": lambda images, rng: images.reshape(*images.shape, *(1,) * (5 - images.ndim)),
    "channels first": lambda images, rng: np.zeros((len(images), 3, 8, 8)),
    "rows of 65": lambda images, rng: np.zeros((len(images), 65)),
    "rows of none": lambda images, rng: np.zeros((len(images), 0)),
    "complex": lambda images, rng: images * 1j,
    "text": lambda images, rng: images.astype(str),
    "bytes": lambda images, rng: images.astype("S3"),
    "dates": lambda images, rng: images.astype("datetime64[D]"),
    "durations": lambda images, rng: images.astype("timedelta64[s]"),
    "structured": _structured,
    "void": lambda images, rng: images.view("V1"),
    "None": lambda images, rng: None,
    "str": lambda images, rng: "cat.png",
    "bytes object": lambda images, rng: images.tobytes(),
    "number": lambda images, rng: 10**400,
    "dict": lambda images, rng: {"data": images},
    "set": lambda images, rng: {1, 2, 3},
    "generator": lambda images, rng: (image for image in images),
    "range": lambda images, rng: range(len(images)),
    "list of None": lambda images, rng: [None] * len(images),
    "list of str": lambda images, rng: ["a"] * len(images),
    "list of bytes": lambda images, rng: [b"a"] * len(images),
    "list of huge": lambda images, rng: [[10**400] * 4] * len(images),
    "list of empty lists": lambda images, rng: [[]] * len(images),
    "empty list": lambda images, rng: [],
    "empty nested list": lambda images, rng: [[[]]],
    "missing files": lambda images, rng: ["no such file.png"] * len(images),
    "images and a path": _mixed("a.png"),
    "images and None": _mixed(None),
    "images and an image of another size": _mixed(np.zeros((3, 3))),
    "images and a scalar": _mixed(5),
    "images and a list": _mixed([[1, 2], [3, 4]]),
    "None inside": _bad_object,
    "ragged": _ragged,
    "ragged channels": _ragged_channels,
    "ragged with NaN": lambda images, rng: [np.full((3 + row % 2, 4), np.nan) for row in range(9)],
    "ragged objects": lambda images, rng: np.array([*_ragged(images, rng), None], dtype=object),
    "masked": _masked,
    "all masked": lambda images, rng: np.ma.masked_all(images.shape),
    "sparse": lambda images, rng: sparse.csr_matrix(images.reshape(len(images), -1)),
    "sparse array": lambda images, rng: sparse.coo_array(images.reshape(len(images), -1)),
    "frame of text": lambda images, rng: pd.DataFrame({"a": ["x"] * len(images), "b": 1}),
    "frame with NA": lambda images, rng: pd.DataFrame({"a": [1, pd.NA] * 4, "b": [1.0, None] * 4}),
    "frame of categories": lambda images, rng: pd.DataFrame({"a": pd.Categorical([1, 2] * 6)}),
    "frame without columns": lambda images, rng: pd.DataFrame(index=range(len(images))),
    "frame of images": lambda images, rng: pd.DataFrame({"image": list(images)}),
    "series of images": lambda images, rng: pd.Series(list(images)),
    "series": lambda images, rng: pd.Series(range(len(images))),
    "polars series": lambda images, rng: pl.Series(list(range(len(images)))),
    "matrix": lambda images, rng: np.matrix(images.reshape(len(images), -1)),
    "tensor with gradient": lambda images, rng: torch.from_numpy(images).float().requires_grad_(),
    "bfloat16 tensor": lambda images, rng: torch.from_numpy(images).bfloat16(),
    "meta tensor": lambda images, rng: torch.zeros(images.shape, device="meta"),
    "sparse tensor": lambda images, rng: torch.from_numpy(images).float().to_sparse(),
    **{
        f"Pillow {mode}": _pillow_of(mode)
        for mode in ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I", "F", "HSV"]
    },
    "lazy NaN": _lazy_of(_with(np.nan)),
    "lazy 1e39": _lazy_of(_with(1e39)),
    "lazy bool": _lazy_of(lambda images, rng: images > 60),
    "lazy empty": _lazy_of(lambda images, rng: images[:0]),
    "lazy big-endian": _lazy_of(lambda images, rng: images.astype(">u2")),
    "lazy augmented": lambda images, rng: ImageAugmenter(
        horizontal_flip=True, shift=0.2, random_state=0
    ).fit_transform(images),
    "lazy resized": lambda images, rng: ImageResizer((8, 8), lazy=True).fit_transform(images),
    **{
        f"broken source: {how}": lambda images, rng, how=how: LazyImages(BrokenSource(images, how))
        for how in ("dtype", "count", "shape", "None", "list")
    },
}


def draw_images(rng, values, *, odd=0.3):
    """Draw a form of the images; odd ones with the given probability."""
    if rng.random() < odd:
        name = list(ODD)[rng.integers(len(ODD))]
        return name, ODD[name](values, rng)
    forms = same_forms(values)
    name = list(forms)[rng.integers(len(forms))]
    return name, forms[name](values)
