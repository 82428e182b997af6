"""Lists of Pillow images: the same pixels as reading their files."""

import io
import struct

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from skimage import data

from skcnn import pillow_images
from skcnn.images import inspect_images
from skcnn.pillow_images import pillow_images_to_arrays, pixels_of
from skcnn.preprocessing import ImageAugmenter, ImageFlattener, ImageNormalizer, ImageResizer
from skcnn.preprocessing._decode import read_image

COLOR = Image.fromarray(data.astronaut()[:40, :30])
GRAY = COLOR.convert("L")
OPACITY = Image.fromarray(np.linspace(0, 255, 1200).reshape(40, 30).astype(np.uint8))


def with_opacity(image):
    image = image.copy()
    image.putalpha(OPACITY)
    return image


def transparent(image, color):
    image = image.copy()
    image.info["transparency"] = color
    return image


PALETTE = COLOR.quantize(16)
IMAGES = {  # image, extension of a file that holds it, color mode of ImageReader
    "RGB": (COLOR, "png", "RGB"),
    "RGBA": (with_opacity(COLOR), "png", "RGB"),
    "P": (PALETTE, "png", "RGB"),
    "P, transparent": (transparent(PALETTE, 3), "png", "RGB"),
    "P, gif": (PALETTE, "gif", "RGB"),
    "L": (GRAY, "png", "L"),
    "LA": (with_opacity(GRAY), "png", "L"),
    "L, transparent": (transparent(GRAY, 40), "png", "L"),
    "1": (GRAY.convert("1"), "png", "L"),
    "I;16": (Image.fromarray(np.asarray(GRAY).astype(np.uint16) * 257 + 5), "png", "I;16"),
    "L, tif": (GRAY, "tif", "L"),
    "CMYK": (COLOR.convert("CMYK"), "tif", "RGB"),
    "YCbCr": (COLOR.convert("YCbCr"), "jpg", "RGB"),
}


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize(("image", "extension", "mode"), IMAGES.values(), ids=IMAGES)
def test_list_equals_file(tmp_path, image, extension, mode, orientation):
    path = tmp_path / f"image.{extension}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, exif=exif)
    expected = read_image(path, mode)
    if extension != "gif":  # which has no orientation
        assert expected.shape[:2] == ((30, 40) if orientation == 6 else (40, 30))
    with Image.open(path) as opened:
        assert_array_equal(pillow_images_to_arrays([opened])[0], expected, strict=True)
        resized = ImageResizer((9, 7)).fit_transform([opened, opened])
    assert_array_equal(resized, ImageResizer((9, 7)).fit_transform([expected] * 2), strict=True)


@pytest.mark.parametrize("form", [list, tuple, pd.Series], ids=["list", "tuple", "Series"])
@pytest.mark.parametrize(
    "transformer", [ImageFlattener(), ImageNormalizer("unit"), ImageAugmenter()], ids=str
)
def test_every_transformer_takes_palettes(transformer, form):
    expected = transformer.fit_transform(np.stack([np.asarray(PALETTE.convert("RGB"))] * 2))
    assert_array_equal(transformer.fit_transform(form([PALETTE, PALETTE])), expected)


def test_images_in_an_object_array():
    images = np.empty(2, dtype=object)
    images[:] = [PALETTE, PALETTE.resize((10, 10))]
    form, arrays = inspect_images(images)
    assert form == "ragged"
    assert_array_equal(arrays[0], PALETTE.convert("RGB"))


def test_premultiplied_and_palette_with_opacity():
    shown = pixels_of(IMAGES["RGBA"][0])
    assert np.abs(pixels_of(with_opacity(COLOR).convert("RGBa")) - shown.astype(int)).max() <= 3
    images = PALETTE.convert("PA")
    assert_array_equal(pixels_of(images), PALETTE.convert("RGB"))


def test_big_endian_values_become_native():
    deep = Image.fromarray(np.asarray(GRAY).astype(np.uint16) * 257)
    file = io.BytesIO()
    deep.save(file, "TIFF")
    swapped = Image.frombytes("I;16B", deep.size, np.asarray(deep).astype(">u2").tobytes())
    assert pixels_of(swapped).dtype == np.dtype(np.uint16)
    assert pixels_of(swapped).dtype.isnative
    assert_array_equal(pixels_of(swapped), np.asarray(deep))


def tiff_of_12_bits():
    """Return the bytes of a TIFF file of the gray values 0, 4095, 2048 and 1000."""
    pixels = bytes.fromhex("000fff8003e8")
    tags = [(256, 2), (257, 2), (258, 12), (259, 1), (262, 1), (273, 122), (277, 1), (278, 2)]
    tags.append((279, len(pixels)))
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    start = b"II*\0" + struct.pack("<IH", 8, len(tags)) + directory + bytes(4)
    assert len(start) == 122
    return start + pixels


def test_values_of_12_bits_are_those_of_the_file(tmp_path):
    path = tmp_path / "12.tif"
    path.write_bytes(tiff_of_12_bits())
    expected = [[0, 65535], [32776, 16004]]
    with Image.open(path) as image:
        assert_array_equal(read_image(path, "I;16"), expected)
        assert_array_equal(pixels_of(image), expected)
        mixed = pillow_images_to_arrays([image, COLOR])
        assert_array_equal(mixed[0], read_image(path, "RGB"))


def test_transparent_gray_of_16_bits():
    deep = Image.fromarray(np.array([[7, 300], [300, 65535]], dtype=np.uint16))
    deep.info["transparency"] = 300
    assert_array_equal(pixels_of(deep), [[7, 65535], [65535, 65535]])


def test_several_modes_become_color():
    deep = Image.fromarray(np.asarray(GRAY).astype(np.uint16) * 257)
    gray = np.dstack([np.asarray(GRAY)] * 3)
    color, first, second = pillow_images_to_arrays([COLOR, GRAY, deep])
    assert_array_equal(color, np.asarray(COLOR), strict=True)
    assert_array_equal(first, gray, strict=True)
    assert_array_equal(second, gray, strict=True)


def test_other_objects_are_left_unchanged():
    array = np.zeros((4, 4))
    others = [array, "a.png", None]
    assert all(a is b for a, b in zip(pillow_images_to_arrays(others), others, strict=True))


def opened(content):
    return Image.open(io.BytesIO(content))


def saved(image, image_format):
    file = io.BytesIO()
    image.save(file, image_format)
    return file.getvalue()


def test_formats_that_are_not_read_from_files():
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    for image, name in (
        (opened(postscript), "EPS"),
        (opened(saved(COLOR, "PPM")), "PPM"),
        (opened(saved(COLOR, "ICO")), "ICO"),
    ):
        with pytest.raises(ValueError, match=rf"X\[1\] is a Pillow .* opened from a {name} file"):
            ImageResizer((4, 4)).fit_transform([COLOR, image])
    converted = opened(saved(COLOR, "PPM")).convert("RGB")
    assert_array_equal(pillow_images_to_arrays([converted])[0], COLOR)


def test_errors_name_the_row(monkeypatch):
    content = saved(COLOR, "PNG")
    with pytest.raises(ValueError, match=r"X\[2\] is a Pillow image that is damaged or truncated"):
        ImageResizer((4, 4)).fit([COLOR, COLOR, opened(content[: len(content) // 2])])
    closed = opened(content)
    closed.close()
    with pytest.raises(ValueError, match=r"X\[0\] is a Pillow image .* closed before it was read"):
        ImageResizer((4, 4)).fit([closed])
    with pytest.raises(ValueError, match=r"X\[0\] is a Pillow image that holds CIELAB colors"):
        ImageResizer((4, 4)).fit([Image.new("LAB", (4, 4))])
    huge = opened(content)
    huge._size = (13_000, 13_000)
    with pytest.raises(
        ValueError, match=r"X\[1\] .* is too large: 169,000,000 pixels .* limit 120"
    ):
        ImageResizer((4, 4)).fit([COLOR, huge])

    def no_memory(image, max_pixels=None):
        raise MemoryError

    monkeypatch.setattr(pillow_images, "pixels_of", no_memory)
    with pytest.raises(MemoryError):
        ImageResizer((4, 4)).fit([COLOR])


@pytest.mark.parametrize("image", [COLOR, GRAY, PALETTE])
@pytest.mark.parametrize("transformer", [ImageResizer((4, 4)), ImageFlattener()], ids=str)
def test_one_image(transformer, image):
    with pytest.raises(ValueError, match=r"X is one Pillow image: pass a list of one, \[image\]"):
        transformer.fit(image)
