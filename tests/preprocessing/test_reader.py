"""ImageReader: every format and depth, and the ground that scikit-learn's checks cover."""

import os
import pickle
import struct
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
