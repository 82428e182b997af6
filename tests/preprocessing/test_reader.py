"""ImageReader: every format and depth, and the ground that scikit-learn's checks cover."""

import os
import pickle
import re
import struct
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
import tifffile
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image, ImageOps
from skimage import color, data
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import get_tags
from sklearn.utils._param_validation import InvalidParameterError

from skcnn.lazy import LazyImages
from skcnn.preprocessing import ImageFlattener, ImageReader, ImageResizer
from skcnn.preprocessing._decode import read_image

COLOR = data.astronaut()[:40, :30]
GRAY = data.camera()[:40, :30]
GRAY16 = GRAY.astype(np.uint16) * 257 + 100
COLOR16 = COLOR.astype(np.uint16) * 200
OPACITY = np.linspace(0, 255, GRAY.size).reshape(GRAY.shape).astype(np.uint8)
LUMA = [0.299, 0.587, 0.114]


def saved(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


# ---- what is in the files --------------------------------------------------------------------


@pytest.mark.parametrize("extension", ["png", "bmp", "tif", "webp", "gif", "jpg"])
def test_formats(tmp_path, extension):
    options = {"webp": {"lossless": True}, "jpg": {"quality": 100, "subsampling": 0}}
    options = options.get(extension, {})
    atol = {"gif": 30, "jpg": 6}.get(extension, 0)  # 256 colors; lossy
    color = read_image(saved(tmp_path / f"color.{extension}", COLOR, **options))
    assert color.dtype == np.uint8
    assert_allclose(color, COLOR, atol=atol)
    path = saved(tmp_path / f"gray.{extension}", GRAY, **options)
    atol = 3 if extension == "jpg" else 0
    assert_allclose(read_image(path), np.dstack([GRAY] * 3), atol=atol)
    assert_allclose(read_image(path, "L"), GRAY, atol=atol)
    assert_allclose(read_image(path, "I;16"), GRAY.astype(int) * 257, atol=atol * 257)
    assert read_image(path, "I;16").dtype == np.uint16


def test_color_becomes_gray_by_its_brightness(tmp_path):
    path = saved(tmp_path / "color.png", COLOR)
    assert_allclose(read_image(path, "L"), COLOR @ LUMA, atol=0.501)
    assert_allclose(read_image(path, "I;16"), COLOR @ LUMA * 257, atol=0.501 * 257)


@pytest.mark.parametrize("extension", ["png", "tif"])
def test_gray_of_16_bits_is_scaled(tmp_path, extension):
    path = saved(tmp_path / f"deep.{extension}", GRAY16)
    assert_array_equal(read_image(path, "I;16"), GRAY16, strict=True)
    assert_allclose(read_image(path, "L"), GRAY16 / 257, atol=0.5)
    assert_allclose(read_image(path), np.dstack([GRAY16 / 257] * 3), atol=0.5)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_color_tiff_of_16_bits_is_scaled(tmp_path, planar):
    path = tmp_path / "deep.tif"
    pixels = COLOR16 if planar == "contig" else np.moveaxis(COLOR16, -1, 0)
    tifffile.imwrite(path, pixels, photometric="rgb", planarconfig=planar)
    assert_allclose(read_image(path), COLOR16 / 257, atol=0.5)
    assert_allclose(read_image(path, "L"), COLOR16 @ LUMA / 257, atol=1)
    assert_allclose(read_image(path, "I;16"), COLOR16 @ LUMA, atol=0.501)


def test_depths_meet_at_black_and_white(tmp_path):
    ends8, ends16 = np.array([[0, 255]], np.uint8), np.array([[0, 65535]], np.uint16)
    shallow, deep = saved(tmp_path / "8.png", ends8), saved(tmp_path / "16.png", ends16)
    assert_array_equal(read_image(shallow, "I;16"), ends16)
    assert_array_equal(read_image(deep, "L"), ends8)


def test_floating_point_tiff(tmp_path):
    path = tmp_path / "float.tif"
    tifffile.imwrite(path, (GRAY / 255).astype(np.float32))
    assert_array_equal(read_image(path, "L"), GRAY)
    tifffile.imwrite(path, GRAY.astype(np.float32))
    with pytest.raises(ValueError, match=r"float.tif' .* only 0 to 1 are supported"):
        read_image(path)


def test_inverted_tiff_of_16_bits(tmp_path):
    path = tmp_path / "inverted.tif"
    tifffile.imwrite(path, 65535 - GRAY16, photometric="miniswhite")
    assert_array_equal(read_image(path, "I;16"), GRAY16)


def test_tiff_of_12_bits(tmp_path):
    values = [0, 4095, 2048, 1]
    packed = bytes([0x00, 0x0F, 0xFF, 0x80, 0x00, 0x01])  # two values in three bytes
    tags = [(256, 2), (257, 2), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 2)]
    tags = [struct.pack("<HHII", tag, 3, 1, value) for tag, value in (*tags, (279, len(packed)))]
    path = tmp_path / "12.tif"
    path.write_bytes(
        struct.pack("<2sHI", b"II", 42, 8 + len(packed))
        + packed
        + struct.pack("<H", len(tags))
        + b"".join(tags)
        + bytes(4)
    )
    expected = np.rint(np.reshape(values, (2, 2)) * 65535 / 4095)
    assert_array_equal(read_image(path, "I;16"), expected)
    assert_array_equal(read_image(path, "L"), [[0, 255], [128, 0]])


def test_transparency_is_shown_on_white(tmp_path):
    rgba = np.dstack([COLOR, OPACITY])
    expected = np.rint(color.rgba2rgb(rgba) * 255)
    assert_allclose(read_image(saved(tmp_path / "8.png", rgba)), expected, atol=1)
    tifffile.imwrite(
        tmp_path / "16.tif",
        rgba.astype(np.uint16) * 257,
        photometric="rgb",
        extrasamples=["unassalpha"],
    )
    assert_allclose(read_image(tmp_path / "16.tif"), expected, atol=1)
    Image.fromarray(np.dstack([GRAY, OPACITY]), "LA").save(tmp_path / "gray.png")
    expected = GRAY * (OPACITY / 255) + 255 - OPACITY
    assert_allclose(read_image(tmp_path / "gray.png", "L"), expected, atol=1)


@pytest.mark.parametrize("extension", ["png", "gif"])
def test_palette(tmp_path, extension):
    indexed = Image.fromarray(COLOR).quantize(16)
    path = tmp_path / f"palette.{extension}"
    indexed.save(path)
    assert_array_equal(read_image(path), indexed.convert("RGB"))
    indexed.save(path, transparency=3)
    shown = np.array(indexed.convert("RGB"))
    shown[np.asarray(indexed) == 3] = 255
    assert_array_equal(read_image(path), shown)


def test_black_and_white_cmyk_and_the_first_frame(tmp_path):
    black_and_white = read_image(saved(tmp_path / "1.png", GRAY.mean() < GRAY), "L")
    assert_array_equal(black_and_white, np.where(GRAY.mean() < GRAY, 255, 0))
    Image.fromarray(COLOR).convert("CMYK").save(tmp_path / "cmyk.tif")
    assert_allclose(read_image(tmp_path / "cmyk.tif"), COLOR, atol=1)
    frames = [Image.fromarray(GRAY), Image.fromarray(255 - GRAY)]
    for extension in ("gif", "tif"):
        path = tmp_path / f"frames.{extension}"
        frames[0].save(path, save_all=True, append_images=frames[1:])
        assert_array_equal(read_image(path, "L"), GRAY)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(tmp_path, orientation):
    image = Image.fromarray(COLOR)
    exif = image.getexif()
    exif[0x0112] = orientation
    for extension in ("png", "tif"):
        image.save(tmp_path / f"turned.{extension}", exif=exif)
    with Image.open(tmp_path / "turned.png") as turned:
        expected = np.asarray(ImageOps.exif_transpose(turned))
    for extension in ("png", "tif"):
        assert_array_equal(read_image(tmp_path / f"turned.{extension}"), expected)
    Image.fromarray(GRAY).save(tmp_path / "gray.tif", exif=exif)
    gray = Image.fromarray(GRAY)
    gray.getexif()[0x0112] = orientation
    assert_array_equal(read_image(tmp_path / "gray.tif", "L"), ImageOps.exif_transpose(gray))
    for name, other in {
        "gray": Image.fromarray(GRAY),
        "deep": Image.fromarray(GRAY16),
        "palette": image.quantize(16),
        "transparent": Image.fromarray(np.dstack([COLOR, OPACITY])),
    }.items():
        other.save(tmp_path / "upright.png")
        other.save(tmp_path / f"{name}.png", exif=exif)
        upright = Image.fromarray(read_image(tmp_path / "upright.png", "RGB"))
        upright.getexif()[0x0112] = orientation
        expected_other = np.asarray(ImageOps.exif_transpose(upright))
        assert_array_equal(read_image(tmp_path / f"{name}.png"), expected_other)
    tag = (0x0112, "H", 1, orientation, True)
    pixels = COLOR.astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "deep.tif", pixels, photometric="rgb", extratags=[tag])
    assert_array_equal(read_image(tmp_path / "deep.tif"), expected)


# ---- files that cannot be read ---------------------------------------------------------------


def test_missing_files_are_named_before_reading(photo_files, tmp_path):
    paths = [photo_files[0], str(tmp_path / "gone.png"), str(tmp_path / "lost.png")]
    with pytest.raises(FileNotFoundError, match=r"gone.png' does not exist .missing files: 2 of 3"):
        ImageReader().fit_transform(paths)
    with pytest.raises(FileNotFoundError, match=r"is a folder"):
        ImageReader().fit_transform([tmp_path])
    images = ImageReader().fit_transform(photo_files)
    os.remove(photo_files[1])
    with pytest.raises(FileNotFoundError, match=r"1.png' does not exist"):
        images.read()


def test_the_working_folder_is_named_for_relative_paths_only(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"relative paths start from the working folder, '"):
        ImageReader().fit_transform(["gone.png"])
    with pytest.raises(FileNotFoundError, match=r"gone.png' does not exist") as caught:
        ImageReader().fit_transform([tmp_path / "gone.png"])
    assert "relative" not in str(caught.value)
    assert os.getcwd() not in str(caught.value)


PROBLEMS = {
    "missing": (FileNotFoundError, r"gone.png' does not exist \(missing files: 1 of 3\): Image"),
    "folder": (FileNotFoundError, r"folder.png' is a folder, not an image file \(missing files: 1"),
    "link": (FileNotFoundError, r"link.png' is a broken link to 'nowhere.png' \(missing files: 1"),
    "loop": (FileNotFoundError, r"loop.png' is a broken link to 'loop.png'"),
    "empty": (ValueError, r"empty.png' is empty \(0 bytes\) \(empty files: 1 of 3\)"),
    "pipe": (
        ValueError,
        r"pipe.png' is a device or a pipe, not an image file \(unreadable files: 1",
    ),
    "URL": (FileNotFoundError, r"'https:/a/b.png' does not exist: a URL must be a str"),
    "null": (FileNotFoundError, r"'a\\x00.png' does not exist"),
    "long": (FileNotFoundError, r"does not exist \(missing files: 1 of 3\)"),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_problems_are_found_without_opening_files(tmp_path, photo_files, monkeypatch, name):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to("nowhere.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "empty.png").touch()
    os.mkfifo(tmp_path / "pipe.png")
    others = {
        "missing": "gone.png",
        "null": "a\0.png",
        "long": "a" * 5000,
        "URL": Path("https://a/b.png"),
    }
    path = others.get(name, f"{name}.png")
    path = path if name in ("URL", "null") else str(tmp_path / path)
    error, match = PROBLEMS[name]
    reader = ImageReader().fit(photo_files)
    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", None)
        with pytest.raises(error, match=match):
            reader.transform([photo_files[0], path, photo_files[1]])
    without_count = re.sub(r" \\\((missing|unreadable|empty) files.*", "", match)
    assert re.search(without_count, ImageReader().find_errors([path])[0])


def test_files_that_may_not_be_read(photo_files, monkeypatch):
    bad = photo_files[2]
    access, stat = os.access, os.stat
    match = r"2.png' cannot be read: permission denied \(unreadable files: 1 of 4\)"
    with monkeypatch.context() as patch:
        patch.setattr(
            os, "access", lambda path, *args, **kw: path != bad and access(path, *args, **kw)
        )
        with pytest.raises(PermissionError, match=match):
            ImageReader().fit_transform(photo_files)

    def refuse(path, **options):
        if path == bad:
            raise PermissionError(13, "Permission denied", path)
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", refuse)
    match = r"2.png' cannot be read: permission denied for its folder \(unreadable files: 1 of 4\)"
    with pytest.raises(PermissionError, match=match):
        ImageReader().fit_transform(photo_files)


# ---- all bad files at once -------------------------------------------------------------------


@pytest.fixture
def mixed_files(photo_files, tmp_path):
    """Files of which some are bad, and what is wrong with each; damage is seen in decoding."""
    bad = {
        "gone.png": "does not exist",
        "empty.png": "is empty (0 bytes)",
        "text.png": "is not an image, or its format is not supported",
        "large.png": "is too large: 10,000 pixels (100 x 100), limit 9,999",
        "damaged.png": "is damaged or truncated",
        "int32.tif": "holds int32 values out of range, from 0 to 99999",
    }
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no image")
    Image.new("L", (100, 100)).save(tmp_path / "large.png")
    saved(tmp_path / "damaged.png", COLOR)
    os.truncate(tmp_path / "damaged.png", 1000)
    tifffile.imwrite(tmp_path / "int32.tif", np.array([[0, 99_999]], np.int32))
    good = [str(saved(tmp_path / f"good{number}.png", COLOR)) for number in range(3)]
    bad = {str(tmp_path / name): problem for name, problem in bad.items()}
    paths = [good[0], *list(bad)[:3], good[1], *list(bad)[3:], good[2]]
    return paths, bad


@pytest.mark.parametrize("n_jobs", [1, 3])
@pytest.mark.parametrize("form", [list, np.array, pd.Series], ids=["list", "array", "Series"])
def test_all_bad_files_are_named(mixed_files, form, n_jobs):
    paths, bad = mixed_files
    reader = ImageReader(max_pixels=9_999, n_jobs=n_jobs)
    for decode in (False, True):
        errors = reader.find_errors(form(paths), decode=decode)
        assert errors.dtype == object
        assert len(errors) == len(paths)
        for path, error in zip(paths, errors, strict=True):
            only_in_decoding = os.path.basename(path) in ("damaged.png", "int32.tif")
            if path in bad and (decode or not only_in_decoding):
                assert path in error
                assert bad[path] in error
            else:
                assert error == ""
    assert not vars(reader).keys() - reader.get_params().keys()  # nothing was fitted


def test_good_files_and_their_targets_are_selected_together(mixed_files):
    paths, bad = mixed_files
    frame = pd.DataFrame({"photo": paths, "y": range(len(paths))})
    errors = ImageReader(max_pixels=9_999).find_errors(frame["photo"], decode=True)
    good = frame[errors == ""]
    assert good["y"].tolist() == [row for row, path in enumerate(paths) if path not in bad]
    images = ImageReader().fit_transform(good["photo"])
    for image in images:
        assert_array_equal(image, COLOR)


def test_an_error_in_reading_names_the_method(mixed_files):
    paths, _ = mixed_files
    images = ImageReader().fit_transform([path for path in paths if "damaged" in path])
    with pytest.raises(
        ValueError, match=r"damaged.png' is damaged .* ImageReader.find_errors\(X, d"
    ):
        images[0]


def test_find_errors_validates(photo_files):
    with pytest.raises(InvalidParameterError, match="'max_pixels' parameter of ImageReader"):
        ImageReader(max_pixels=0).find_errors(photo_files)
    with pytest.raises(TypeError, match="holds images already"):
        ImageReader().find_errors(np.zeros((2, 4, 4)))


# ---- pages and frames ------------------------------------------------------------------------


@pytest.mark.parametrize("extension", ["gif", "tif", "webp", "png", "deep.tif"])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_one_warning_for_further_frames(tmp_path, extension, n_jobs):
    paths = [tmp_path / f"{number}.{extension}" for number in range(5)]
    frames = np.stack([COLOR, COLOR[::-1], COLOR[:, ::-1]])
    for path in paths[1:]:
        if extension == "deep.tif":
            tifffile.imwrite(path, frames.astype(np.uint16), photometric="rgb")
        else:
            first, *others = map(Image.fromarray, frames)
            first.save(path, save_all=True, append_images=others)
    Image.fromarray(COLOR).save(paths[0])
    images = ImageReader().fit_transform(paths)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images[0]
    state = joblib.hash(images.source)
    match = rf"{extension}' has 3 pages or frames, of which only the first is read; other files"
    with pytest.warns(UserWarning, match=match) as caught:
        ImageResizer((4, 4), n_jobs=n_jobs).fit_transform(images)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images[1:].read()
    assert joblib.hash(images.source) == state  # the cache of a pipeline finds it


def test_a_warning_as_error_is_not_damage(tmp_path):
    frames = [Image.fromarray(COLOR), Image.fromarray(COLOR[::-1])]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="has 2 pages"):
            ImageReader().fit_transform([tmp_path / "a.tif"])[0]


def test_empty_file(tmp_path):
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(ValueError, match=r"the image file '.*empty.jpg' is empty \(0 bytes\)"):
        ImageReader().fit_transform([tmp_path / "empty.jpg"])[0]


def test_file_that_is_no_image(tmp_path):
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(ValueError, match=r"the file '.*text.png' is not an image"):
        ImageReader().fit_transform([tmp_path / "text.png"])[0]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data", "ignore:Truncated File Read")
@pytest.mark.parametrize("kept", [0.5, 0.1])
@pytest.mark.parametrize("extension", ["png", "bmp", "tif", "webp", "gif", "jpg"])
def test_truncated_file(tmp_path, extension, kept):
    path = saved(tmp_path / f"photo.{extension}", COLOR)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(
        ValueError, match=rf"file '.*photo.{extension}' is (damaged or|not an image)"
    ):
        read_image(path)


def test_truncated_deep_tiff(tmp_path):
    tifffile.imwrite(tmp_path / "deep.tif", COLOR16, photometric="rgb")
    content = (tmp_path / "deep.tif").read_bytes()
    (tmp_path / "deep.tif").write_bytes(content[:3000])
    with pytest.raises(ValueError, match=r"deep.tif' is damaged or truncated"):
        read_image(tmp_path / "deep.tif")


def test_a_bad_file_is_named_by_the_resizer(photo_files):
    with open(photo_files[2], "r+b") as file:
        file.truncate(1000)
    images = ImageReader().fit_transform(photo_files)
    for n_jobs in (1, 2):
        with pytest.raises(ValueError, match=r"2.png' is damaged or truncated"):
            ImageResizer((4, 4), n_jobs=n_jobs).fit_transform(images)


# ---- the forms of a collection of paths ------------------------------------------------------

FORMS = {
    "list": list,
    "tuple": tuple,
    "Path": lambda paths: [Path(path) for path in paths],
    "mixed": lambda paths: [Path(paths[0]), *paths[1:]],
    "str array": np.array,
    "object array": lambda paths: np.array(paths, dtype=object),
    "column": lambda paths: np.array(paths).reshape(-1, 1),
    "Series": lambda paths: pd.Series(paths, index=list("wxyz")),
    "Series of Path": lambda paths: pd.Series([Path(path) for path in paths]),
    "frame": lambda paths: pd.DataFrame({"photo": paths}),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize(("mode", "channels"), [("RGB", (3,)), ("L", ()), ("I;16", ())])
def test_forms(photo_files, photos, form, mode, channels):
    paths = form(photo_files)
    images = ImageReader(mode).fit_transform(paths)
    assert isinstance(images, LazyImages)
    assert images.shape == (4, None, None, *channels)
    assert images.dtype == (np.uint16 if mode == "I;16" else np.uint8)
    assert images[1].shape == (*photos[1].shape[:2], *channels)
    assert images[1].dtype == images.dtype
    if mode == "RGB":
        for image, photo in zip(images, photos, strict=True):
            assert_array_equal(image, photo)


def test_the_view_holds_paths_only(photo_files):
    images = ImageReader().fit_transform(photo_files)
    assert len(pickle.dumps(images)) < 1500
    assert_array_equal(pickle.loads(pickle.dumps(images))[[2]][0], images[2])


BAD = {
    "one path": ("a.png", ValueError, r"got 'a.png': for one file, pass a list of one, \[path\]"),
    "one Path": (Path("a.png"), ValueError, "pass a list of one"),
    "no paths": ([], ValueError, "Found 0 paths while a minimum of 1 is required by ImageReader"),
    "empty Series": (pd.Series([], dtype=object), ValueError, "Found 0 paths"),
    "empty column": (np.empty((0, 1), dtype=object), ValueError, "Found 0 paths"),
    "two columns": (
        pd.DataFrame({"photo": ["a.png"], "other": ["b.png"]}),
        ValueError,
        r"takes one column of file paths, but X has 2 columns \(shape \(1, 2\)\): select one",
    ),
    "a path and a number": (
        pd.DataFrame({"photo": ["a.png"], "age": [3]}),
        ValueError,
        "X has 2 columns",
    ),
    "two columns of text": (np.array([["a.png", "b.png"]]), ValueError, "X has 2 columns"),
    "images": (np.zeros((2, 4, 4)), TypeError, r"X of shape \(2, 4, 4\) holds images already"),
    "ragged": ([np.zeros((2, 4)), np.zeros((4, 4))], TypeError, "holds images already"),
    "view": (LazyImages(np.zeros((2, 4, 4))), TypeError, "holds images already"),
    "numbers": (np.zeros((2, 4)), TypeError, "holds numbers: remove the reader"),
    "missing values": (pd.Series(["a.png", None]), TypeError, "object of type NoneType|float"),
    "bytes": ([b"a.png"], TypeError, "holds numbers|type bytes"),
}


@pytest.mark.parametrize(("X", "error", "match"), BAD.values(), ids=BAD)
def test_bad_input(X, error, match, photo_files):
    with pytest.raises(error, match=match):
        ImageReader().fit(X)
    with pytest.raises(error, match=match):
        ImageReader().fit_transform(X)
    with pytest.raises(error, match=match):
        ImageReader().fit(photo_files).transform(X)


MISSING = [None, float("nan"), np.nan, np.float32("nan"), pd.NA, pd.NaT, "", "  "]


@pytest.mark.parametrize("missing", MISSING, ids=repr)
@pytest.mark.parametrize(
    "form",
    [
        list,
        tuple,
        lambda paths: np.array(paths, dtype=object),
        lambda paths: np.array(paths, dtype=object).reshape(-1, 1),
        lambda paths: pd.Series(paths, index=list("xyz")),
        lambda paths: pd.DataFrame({"photo": paths}),
    ],
    ids=["list", "tuple", "array", "column", "Series", "frame"],
)
def test_missing_values_name_the_row(photo_files, missing, form):
    paths = form([*photo_files[:2], missing])
    error = ValueError if isinstance(missing, str) else TypeError
    for method in ("fit", "fit_transform", "find_errors"):
        with pytest.raises(error, match=r"the path in row 2 of X is (missing|empty).*: remove the"):
            getattr(ImageReader(), method)(paths)


@pytest.mark.parametrize("other", [3, 2.5, b"a.png", np.int64(3), object(), ["a.png"]])
@pytest.mark.parametrize("form", [list, lambda paths: pd.Series(paths, dtype=object)])
@pytest.mark.parametrize("row", [0, 2])
def test_other_objects_name_the_row(photo_files, other, form, row):
    paths = [*photo_files[:row], other, photo_files[3]]
    with pytest.raises(
        TypeError, match=rf"row {row} of X holds an object of type {type(other).__name__} "
    ):
        ImageReader().fit(form(paths))


def test_all_paths_missing():
    with pytest.raises(TypeError, match="the path in row 0 of X is missing"):
        ImageReader().fit([None, None])


# ---- relative paths --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [str, Path])
def test_root(photo_files, photos, tmp_path, kind, monkeypatch):
    (tmp_path / "sub").mkdir()
    os.rename(photo_files[1], tmp_path / "sub" / "1.png")
    table = pd.DataFrame({"photo": ["0.png", "sub/1.png", "./2.png", photo_files[3]]})
    reader = ImageReader(root=kind(tmp_path))
    images = reader.fit_transform(table["photo"])
    assert reader.root == kind(tmp_path)
    for image, photo in zip(images, photos, strict=True):
        assert_array_equal(image, photo)
    assert reader.find_errors(["0.png", "1.png"]).tolist() == [
        "",
        f"the image file {str(tmp_path / '1.png')!r} does not exist",
    ]
    with pytest.raises(FileNotFoundError, match=r"1.png' does not exist") as caught:
        reader.transform(["1.png"])
    assert str(tmp_path / "1.png") in str(caught.value)
    assert "working folder" not in str(caught.value)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert_array_equal(ImageReader(root="~").fit_transform(["0.png"])[0], photos[0])


def test_root_that_may_not_be_read(photo_files, tmp_path, monkeypatch):
    def refuse(path, **options):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(
        PermissionError, match=r"the folder root='.*' of ImageReader cannot be read"
    ):
        ImageReader(root=tmp_path).fit(photo_files)


@pytest.mark.parametrize("root", ["there/is/none", "~nosuchuser", __file__])
def test_root_that_is_no_folder(photo_files, root):
    for method in ("fit", "fit_transform", "find_errors"):
        with pytest.raises(
            FileNotFoundError, match=rf"root='{root}' of ImageReader is not an exis"
        ):
            getattr(ImageReader(root=root), method)(photo_files)


@pytest.mark.parametrize(
    ("name", "value"),
    [("root", 3), ("root", b"a"), ("max_pixels", 0), ("max_pixels", 1e6), ("max_pixels", "all")],
)
def test_root_and_max_pixels_are_validated(photo_files, name, value):
    reader = ImageReader(**{name: value})
    assert getattr(clone(reader), name) is value
    with pytest.raises(InvalidParameterError, match=f"'{name}' parameter of ImageReader must be"):
        reader.fit(photo_files)


def test_pickles_and_views_keep_the_parameters(photo_files, tmp_path):
    reader = ImageReader("L", root=tmp_path, max_pixels=100).fit(["0.png"])
    loaded = pickle.loads(pickle.dumps(reader))
    assert loaded.get_params() == reader.get_params()
    images = pickle.loads(pickle.dumps(loaded.transform(["0.png"])))
    with pytest.raises(ValueError, match="limit 100"):
        images[0]


# ---- the ground of scikit-learn's checks -----------------------------------------------------


def test_parameters():
    reader = ImageReader(mode="L")
    defaults = {"root": None, "max_pixels": 120_000_000, "n_jobs": "auto"}
    assert reader.get_params() == {"mode": "L", **defaults}
    assert clone(reader).get_params() == reader.get_params()
    assert reader.set_params(mode="I;16") is reader
    assert repr(reader) == "ImageReader(mode='I;16')"
    assert "ImageReader" in reader._repr_html_()
    assert ImageReader().mode == "RGB"
    assert ImageReader().n_jobs == "auto"
    assert set(vars(ImageReader())) == {"mode", *defaults}
    with pytest.raises(ValueError, match="Invalid parameter 'color'"):
        reader.set_params(color=True)


@pytest.mark.parametrize("mode", ["rgb", "CMYK", 3, None, object()])
@pytest.mark.parametrize("method", ["fit", "fit_transform"])
def test_parameter_validation(mode, method, photo_files):
    reader = ImageReader(mode)  # the constructor takes anything
    with pytest.raises(
        InvalidParameterError, match=r"'mode' parameter of ImageReader must be .* Got .* instead"
    ):
        getattr(reader, method)(photo_files)


@pytest.mark.parametrize("n_jobs", ["all", 1.5, object()])
def test_n_jobs_is_validated(n_jobs, photo_files):
    with pytest.raises(InvalidParameterError, match="'n_jobs' parameter of ImageReader must be"):
        ImageReader(n_jobs=n_jobs).fit(photo_files)


@pytest.mark.parametrize("n_jobs", ["auto", None, 1, 3])
def test_views_read_ahead_with_n_jobs_threads(photo_files, n_jobs):
    assert ImageReader(n_jobs=n_jobs).fit_transform(photo_files).n_jobs == n_jobs


def test_unfitted(photo_files):
    for method in ("transform", "get_feature_names_out"):
        with pytest.raises(NotFittedError, match="This ImageReader instance is not fitted"):
            getattr(ImageReader(), method)(photo_files)


def test_fit(photo_files):
    reader = ImageReader("L")
    before = list(photo_files)
    assert reader.fit(photo_files) is reader
    assert reader.get_params() == ImageReader("L").get_params()
    assert photo_files == before
    assert reader.n_features_in_ == 1
    fitted = dict(vars(reader))
    first = reader.transform(photo_files)
    assert vars(reader.fit(photo_files)) == fitted
    again = reader.fit_transform(photo_files, y=[0, 1, 0, 1])
    assert len(first) == len(again) == 4
    for one, other in zip(first, again, strict=True):
        assert_array_equal(one, other)
    assert vars(ImageReader().fit([Path("there/is/no/such.png")]))["n_features_in_"] == 1


def test_subsets_and_order_change_nothing(photo_files, photos):
    reader = ImageReader().fit(photo_files)
    order = [3, 0, 2]
    images = reader.transform([photo_files[index] for index in order])
    for image, index in zip(images, order, strict=True):
        assert_array_equal(image, photos[index])
    assert_array_equal(reader.transform(photo_files)[order][1], photos[0])


@pytest.mark.parametrize("dump", [pickle.dumps, joblib.hash])
def test_pickle(photo_files, dump):
    reader = ImageReader("L").fit(photo_files)
    assert dump(reader) == dump(clone(reader).fit(photo_files))
    loaded = pickle.loads(pickle.dumps(reader))
    assert_array_equal(loaded.transform(photo_files)[2], reader.transform(photo_files)[2])


def test_names_of_columns(photo_files):
    frame = pd.DataFrame({"photo": photo_files})
    reader = ImageReader().fit(frame)
    assert reader.feature_names_in_.tolist() == ["photo"]
    assert reader.get_feature_names_out().tolist() == ["photo"]
    with pytest.raises(ValueError, match="feature names should match those"):
        reader.transform(frame.rename(columns={"photo": "scan"}))
    reader.fit(photo_files)
    assert not hasattr(reader, "feature_names_in_")
    assert reader.get_feature_names_out().tolist() == ["x0"]
    assert reader.get_feature_names_out(["scan"]).tolist() == ["scan"]
    with pytest.raises(ValueError, match="input_features should have length equal"):
        reader.get_feature_names_out(["a", "b"])


@pytest.mark.parametrize("output", ["pandas", "default"])
def test_set_output_passes_images_through(photo_files, output):
    for paths in (photo_files, pd.DataFrame({"photo": photo_files})):
        reader = ImageReader().set_output(transform=output)
        assert isinstance(reader.fit_transform(paths), LazyImages)
        assert isinstance(reader.transform(paths), LazyImages)
        with sklearn.config_context(transform_output=output):
            assert isinstance(ImageReader().fit_transform(paths), LazyImages)


def test_tags():
    tags = get_tags(ImageReader())
    assert tags.input_tags.string
    assert tags.input_tags.one_d_array
    assert not tags.input_tags.two_d_array
    assert not tags.input_tags.three_d_array
    assert not tags.target_tags.required
    assert tags.transformer_tags is not None


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_pipeline(photo_files, photos, form):
    paths, y = form(photo_files), ["cat", "dog", "cat", "dog"]
    pipe = make_pipeline(
        ImageReader(), ImageResizer((6, 5)), ImageFlattener(), DecisionTreeClassifier()
    ).fit(paths, y)
    assert pipe.predict(paths).tolist() == y
    assert_array_equal(
        pipe[:2].transform(paths), ImageResizer((6, 5)).fit_transform(photos), strict=True
    )


def test_pipeline_of_frames(photo_files):
    with sklearn.config_context(transform_output="pandas"):
        pipe = make_pipeline(ImageReader("L"), ImageResizer((2, 3)), ImageFlattener())
        rows = pipe.fit_transform(pd.DataFrame({"photo": photo_files}))
        assert rows.shape == (4, 6)
        assert rows.columns[-1] == "pixel_1_2"


def test_column_of_a_table(photo_files):
    frame = pd.DataFrame({"photo": photo_files, "age": [3.0, 4.0, 5.0, 6.0]})
    pixels = make_pipeline(ImageReader("L"), ImageResizer((1, 2)), ImageFlattener())
    for column in ("photo", ["photo"]):
        columns = make_column_transformer((pixels, column), ("passthrough", ["age"]))
        assert_array_equal(columns.fit_transform(frame)[:, -1], frame["age"])
        names = columns.get_feature_names_out().tolist()
        assert names == ["pipeline__pixel_0_0", "pipeline__pixel_0_1", "passthrough__age"]


def test_memory_of_a_pipeline(photo_files, tmp_path):
    pipe = make_pipeline(
        ImageReader(), ImageResizer((4, 4)), ImageFlattener(), memory=str(tmp_path / "cache")
    )
    first = pipe.fit_transform(photo_files)
    for path in photo_files:
        os.truncate(path, 10)
    assert_array_equal(pipe.fit_transform(photo_files), first)
