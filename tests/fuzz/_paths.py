"""Cases of paths: ImageReader, folders of images, and data sets."""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from _cases import build, output
from _checks import Failed
from _images import draw_values
from _parameters import JUNK, draw, draw_parameters
from PIL import Image

from skcnn import ImageReader, ImageResizer, load_image_folder
from skcnn.datasets import fetch_cifar10, fetch_fashion_mnist


def reader_case(check, rng):
    """Read files that exist, or do not, in every form of a collection of paths."""
    folder = Path("reader")
    folder.mkdir(exist_ok=True)
    paths = []
    for number, size in enumerate([(8, 8), (9, 7), (8, 8), (5, 12)]):
        path = folder / f"{number}.png"
        if not path.exists():
            Image.fromarray(draw_values(np.random.default_rng(number), 1, size)[0]).save(path)
        paths.append(str(path))
    name = draw(rng, list(PATH_FORMS))
    given = PATH_FORMS[name](paths)
    reader = build(check, ImageReader, draw_parameters(rng, ImageReader, junk=0.2))
    view = check.call(reader, "fit_transform", given)
    if rng.random() < 0.3:
        check.call(reader, "find_errors", given, decode=draw(rng, [True, False, None, "no"]))
    again = check.call(reader, "transform", PATH_FORMS[draw(rng, list(PATH_FORMS))](paths))
    check.call(reader, "get_feature_names_out", draw(rng, [None, ["a"], ["a", "b"], 5]))
    for lazy in (view, again):
        if isinstance(lazy, Failed):
            continue
        check.call(None, list, lazy)
        check.call(None, np.asarray, lazy)
        resizer = build(check, ImageResizer, draw_parameters(rng, ImageResizer, junk=0.1))
        if not isinstance(resizer, Failed):
            output(check, resizer, check.call(resizer, "fit_transform", lazy), len(lazy))


PATH_FORMS = {
    "list": list,
    "tuple": tuple,
    "Path": lambda paths: [Path(path) for path in paths],
    "array": np.array,
    "objects": lambda paths: np.array(paths, dtype=object),
    "column": lambda paths: np.array(paths).reshape(-1, 1),
    "StringDType": lambda paths: np.array(paths, dtype=np.dtypes.StringDType()),
    "bytes": lambda paths: [path.encode() for path in paths],
    "Series": pd.Series,
    "string Series": lambda paths: pd.Series(paths, dtype="string"),
    "categories": lambda paths: pd.Series(pd.Categorical(paths)),
    "index": pd.Index,
    "frame": lambda paths: pd.DataFrame({"path": paths}, index=[3] * len(paths)),
    "two columns": lambda paths: pd.DataFrame({"path": paths, "other": paths}),
    "missing": lambda paths: [*paths, "no.png"],
    "folder": lambda paths: [*paths, "."],
    "None": lambda paths: [*paths, None],
    "NaN": lambda paths: [*paths, float("nan")],
    "NA": lambda paths: pd.Series([*paths, pd.NA], dtype="string"),
    "number": lambda paths: [*paths, 5],
    "empty name": lambda paths: [*paths, ""],
    "zero byte": lambda paths: [*paths, "a\0b.png"],
    "surrogate": lambda paths: [*paths, "\ud800.png"],
    "long name": lambda paths: [*paths, "a" * 5000 + ".png"],
    "one path": lambda paths: paths[0],
    "one Path": lambda paths: Path(paths[0]),
    "empty": lambda paths: [],
    "empty array": lambda paths: np.array([], dtype=str),
    "empty Series": lambda paths: pd.Series([], dtype=str),
    "nested": lambda paths: [paths, paths],
    "generator": iter,
    "dict": lambda paths: dict.fromkeys(paths),
    "set": set,
    "scalar array": lambda paths: np.array(paths[0]),
    "device": lambda paths: [*paths, "/dev/null", "/dev/zero"],
    "descriptor": lambda paths: [0, 1],
    "masked": lambda paths: np.ma.masked_array(paths, [True] + [False] * (len(paths) - 1)),
    "home": lambda paths: [*paths, "~nosuchuser/a.png"],
    "URL": lambda paths: [*paths, "http://localhost/a.png"],
}


def folder_case(check, rng):
    """Load folders of images with all that may lie in them."""
    if rng.random() < 0.2:
        fetch = draw(rng, [fetch_cifar10, fetch_fashion_mnist])
        options = {"download_if_missing": False, "data_home": "data", "n_retries": 0}
        name = draw(rng, ["data_home", "subset", "return_X_y", "n_retries", "delay"])
        options[name] = draw(rng, JUNK)
        if isinstance(options["data_home"], (str, Path)) or options["data_home"] is None:
            options["data_home"] = "data"
        check.call(None, fetch, **options)
        return
    root = Path(f"folder{rng.integers(10**9)}")
    shutil.rmtree(root, ignore_errors=True)  # left by an earlier run of the same case
    root.mkdir()
    for _ in range(rng.integers(0, 8)):
        path = root.joinpath(*(draw(rng, NAMES) for _ in range(rng.integers(1, 4))))
        _create(rng, path)
    given = root if rng.random() < 0.7 else draw(rng, [*JUNK, *ODD_ROOTS])
    options = {} if rng.random() < 0.7 else {"return_X_y": draw(rng, [True, False, None, "no", 5])}
    if rng.random() < 0.3:
        options["random_state"] = draw(rng, JUNK)
    if rng.random() < 0.3:
        options["shuffle"] = draw(rng, JUNK)
    allowed = ("random state of numpy",)  # with random_state=None
    found = check.call(None, load_image_folder, given, may_change=allowed, **options)
    if isinstance(found, Failed):
        return
    data, target = found if isinstance(found, tuple) else (found.data, found.target)
    if len(data) != len(target) or not all(map(os.path.isfile, data)):
        check.report("wrong result", "load_image_folder", "files that do not exist")


ODD_ROOTS = ["~nosuchuser/a", "", "\0", "a" * 5000]
NAMES = [
    "cat", "dog", "a.png", "b.JPG", "c.txt", ".hidden", "__MACOSX", "Thumbs.db", ".DS_Store",
    "ä ö", "new\nline.png", "d.tiff", "._a.png", "desktop.ini", "e.jpeg", "png", ".png", "~",
]  # fmt: skip


def _create(rng, path):
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        what = rng.integers(6)
        if what == 0:
            path.mkdir(exist_ok=True)
        elif what == 1:
            path.symlink_to(draw(rng, ["nowhere", ".", "..", "/dev/null"]))
        else:
            path.touch()
    except OSError:  # a file has the name of a folder
        return


KINDS = {reader_case: 0.04, folder_case: 0.04}
