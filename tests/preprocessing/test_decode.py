"""Files that must not be opened, limits that headers must not pass, and what errors say."""

import builtins
import errno
import io
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
import tifffile
from numpy.testing import assert_array_equal
from PIL import Image, ImageFile
from skimage import data

from skcnn.preprocessing import ImageReader, ImageResizer, _decode
from skcnn.preprocessing._decode import check_image, read_image

COLOR = Image.fromarray(data.astronaut()[:40, :30])
NAMES = ["cat.png", "cat.jpg", "cat.tif", "cat.gif", "cat.bmp", "cat.webp"]


def content(image, image_format, **options):
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def written(path, data):
    path.write_bytes(data)
    return path


# ---- formats ---------------------------------------------------------------------------------

POSTSCRIPT = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n9 9 scale\nshowpage\n"
)
OTHERS = {
    name: content(COLOR, name) for name in ("PPM", "ICO", "TGA", "PCX", "SGI", "DIB", "DDS")
} | {
    "EPS": POSTSCRIPT,
    "EPS, binary": b"\xc5\xd0\xd3\xc6" + struct.pack("<6I", 32, 99, 0, 0, 0, 0) + POSTSCRIPT,
    "MSP": content(COLOR.convert("1"), "MSP"),
    "XBM": content(COLOR.convert("1"), "XBM"),
    "SPIDER": content(COLOR.convert("F"), "SPIDER"),
    "PDF": content(COLOR, "PDF"),
    "WMF": b"\xd7\xcd\xc6\x9a" + bytes(90),
    "FITS": b"SIMPLE  =                    T".ljust(2880),
    "GRIB": b"GRIB" + bytes(99),
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(99),
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99),
    "AVIF": b"\0\0\0\x1cftypavif" + bytes(99),
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "text": b"no image",
    "RIFF of sound": b"RIFF\x24\0\0\0WAVEfmt " + bytes(30),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_other_formats_are_not_opened(tmp_path, monkeypatch, other, name):
    def start(*args, **kwargs):
        raise AssertionError("a program was started")

    for module, function in (
        (subprocess, "Popen"),
        (os, "system"),
        (os, "posix_spawn"),
        (os, "fork"),
    ):
        monkeypatch.setattr(module, function, start)
    path = written(tmp_path / name, other)
    for read in (read_image, check_image):
        with pytest.raises(ValueError, match=rf"the file '.*{name}' is not an image, or its form"):
            read(path)


def test_only_the_six_classes_of_pillow_are_called(tmp_path, monkeypatch):
    opened = []
    init = ImageFile.ImageFile.__init__

    def remember(self, *args, **kwargs):
        opened.append(type(self).format)
        init(self, *args, **kwargs)

    monkeypatch.setattr(ImageFile.ImageFile, "__init__", remember)
    monkeypatch.setattr(Image, "open", None)
    for image_format in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"):
        path = written(tmp_path / "cat.txt", content(COLOR, image_format))
        assert read_image(path).shape == (40, 30, 3)
        assert opened.pop() == image_format
        assert not opened


def test_photos_with_previews_are_jpeg_files(tmp_path):
    preview = COLOR.resize((3, 4))
    photo = content(COLOR, "MPO", save_all=True, append_images=[preview])
    reported = []
    pixels = read_image(written(tmp_path / "a.jpg", photo), report_frames=reported.append)
    assert_array_equal(pixels, np.asarray(Image.open(io.BytesIO(content(COLOR, "JPEG")))))
    assert not reported


# ---- sizes -----------------------------------------------------------------------------------


def png_chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width, height, *chunks):
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
            *chunks,
            png_chunk(b"IDAT", zlib.compress(bytes(min(width * height, 1000) + height % 99))),
            png_chunk(b"IEND", b""),
        ]
    )


def jpeg(width, height):
    found = bytearray(content(COLOR, "JPEG"))
    at = found.index(b"\xff\xc0") + 5
    found[at : at + 4] = struct.pack(">2H", height, width)
    return bytes(found)


def gif(width, height):
    found = bytearray(content(COLOR.convert("P"), "GIF"))
    found[6:10] = struct.pack("<2H", width, height)
    return bytes(found)


def gif_frame(width, height, *, disposal=0):
    found = bytearray(content(Image.new("P", (8, 8)), "GIF"))
    at = found.index(b",", 13)
    found[at + 5 : at + 9] = struct.pack("<2H", width, height)
    found[at:at] = bytes([ord("!"), 0xF9, 4, disposal << 2, 0, 0, 0, 0])
    return bytes(found)


def bmp(width, height):
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 100, 0, 0, 54) + header


def webp(width, height, **options):
    found = bytearray(content(COLOR, "WEBP", **options))
    if found[12:16] == b"VP8X":
        found[24:30] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    elif found[12:16] == b"VP8L":
        bits = (width - 1) | (height - 1) << 14
        found[21:25] = (int.from_bytes(found[21:25], "little") & 0xF << 28 | bits).to_bytes(
            4, "little"
        )
    else:
        found[26:30] = struct.pack("<2H", width, height)
    return bytes(found)


def tiff(width, height, *, bits=8, big=False, **tags):
    """Return a TIFF whose 100 bytes of pixels are fewer than its header says."""
    values = {
        256: width,
        257: height,
        258: bits,
        259: 1,
        262: 1,
        273: 16,
        277: 1,
        278: height,
        279: 100,
    }
    values |= {int(tag[1:]): value for tag, value in tags.items()}
    entries = [(tag, value) for tag, value in sorted(values.items()) if value is not None]
    if big:
        table = b"".join(struct.pack("<HHQQ", tag, 16, 1, value) for tag, value in entries)
        start = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 116)
        return start + bytes(100) + struct.pack("<Q", len(entries)) + table + bytes(8)
    table = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    start = struct.pack("<2sHIQ", b"II", 42, 116, 0)
    return start + bytes(100) + struct.pack("<H", len(entries)) + table + bytes(4)


ANIMATION = {"save_all": True, "append_images": [COLOR.rotate(90)]}
TILES = {"t273": None, "t278": None, "t279": None, "t324": 16, "t325": 100}
BOMBS = {
    "PNG": png(13_000, 13_000),
    "PNG, 2**31 wide": png(2**31 - 1, 3),
    "JPEG": jpeg(65_535, 65_535),
    "BMP": bmp(13_000, 13_000),
    "BMP, upside down": bmp(13_000, -13_000),
    "GIF": gif(65_535, 65_535),
    "GIF, frame": gif_frame(65_535, 65_535),
    "GIF, disposed frame": gif_frame(65_535, 65_535, disposal=2),
    "WebP, lossy": webp(16_383, 16_383),
    "WebP, lossless": webp(16_384, 16_384, lossless=True),
    "WebP, animated": webp(2**16, 2**16 - 1, **ANIMATION),
    "TIFF": tiff(13_000, 13_000),
    "TIFF of 16 bits": tiff(20_000, 20_000, bits=16),
    "TIFF of 32 bits": tiff(20_000, 20_000, bits=32),
    "BigTIFF": tiff(2**33, 2**33, bits=16, big=True),
    "TIFF with depth": tiff(1000, 1000, bits=16, t32997=1000),
    "TIFF with large tiles": tiff(10, 10, t322=60_000, t323=60_000, **TILES),
    "TIFF with large tiles of 16 bits": tiff(10, 10, bits=16, t322=60_000, t323=60_000, **TILES),
}


@pytest.fixture
def little_memory():
    """Allow 1 GB more memory than now, so that a decoded bomb is a MemoryError."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + 2**30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of the process")
@pytest.mark.parametrize("pillows_limit", [None, 1, Image.MAX_IMAGE_PIXELS])
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_large_images_are_refused_by_their_headers(
    tmp_path, monkeypatch, little_memory, bomb, pillows_limit
):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillows_limit)
    path = written(tmp_path / "photo.png", bomb)
    match = r"the file '.*photo.png' is too large: [\d,]{11,} pixels \(.* x .*\), limit 120,000,000"
    for read in (read_image, check_image):
        with pytest.raises(ValueError, match=match) as caught:
            read(path)
        assert "damaged" not in str(caught.value)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
def test_max_pixels_is_the_largest_size(tmp_path, image_format):
    path = written(tmp_path / "photo", content(COLOR, image_format))
    assert ImageReader(max_pixels=1200).fit_transform([path])[0].shape == (40, 30, 3)
    assert ImageReader(max_pixels=None).fit_transform([path])[0].shape == (40, 30, 3)
    images = ImageReader(max_pixels=1199).fit_transform([path])
    match = r"too large: 1,200 pixels \(40 x 30\), limit 1,199: .* set max_pixels of ImageReader"
    with pytest.raises(ValueError, match=match):
        images[0]
    with pytest.raises(ValueError, match=match):
        ImageResizer((4, 4)).fit_transform(images)


def test_max_pixels_of_deep_tiff(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((40, 30, 3), np.uint16), photometric="rgb")
    assert read_image(tmp_path / "a.tif", max_pixels=1200).shape == (40, 30, 3)
    with pytest.raises(ValueError, match="limit 1,199"):
        read_image(tmp_path / "a.tif", max_pixels=1199)


def test_limit_above_that_of_pillow(tmp_path, monkeypatch):
    formats = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
    paths = [written(tmp_path / name, content(COLOR, name)) for name in formats]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    errors = ImageReader().find_errors(paths, decode=True)
    assert errors[:3].tolist() == ["", "", ""]
    for error in errors[3:]:  # some versions of Pillow limit these two formats themselves
        assert error == "" or "too large for Pillow: set PIL.Image.MAX_IMAGE_PIXELS" in error


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_number_of_channels(tmp_path, bits):
    path = written(tmp_path / "a.tif", tiff(100, 100, bits=bits, t277=10**6))
    with pytest.raises(ValueError, match=r"a.tif' has 1,000,000 channels, but only gray and RGB"):
        read_image(path)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0)])
def test_images_without_pixels(tmp_path, bits, size):
    path = written(tmp_path / "a.tif", tiff(*size, bits=bits))
    with pytest.raises(ValueError, match=rf"a.tif' has no pixels.*size {size[1]} x {size[0]}"):
        read_image(path)


def test_compressed_strip_that_is_larger_than_its_header_says(tmp_path, monkeypatch):
    monkeypatch.setattr("skcnn.preprocessing._tiff._SMALL", 10**5)
    pixels = np.arange(10_000, dtype=np.uint16).reshape(100, 100)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, compression="zlib", rowsperstrip=100)
    assert_array_equal(read_image(path, "I;16"), pixels)
    bomb = zlib.compress(bytes(10**7), 9)
    with tifffile.TiffFile(path) as file:
        at = [file.pages[0].tags[name].valueoffset for name in ("StripOffsets", "StripByteCounts")]
    found = bytearray(path.read_bytes())
    for offset, value in zip(at, (len(found), len(bomb)), strict=True):
        found[offset : offset + 4] = struct.pack("<I", value)
    with pytest.raises(ValueError, match=r"a compressed part of it holds more than 100,000 bytes"):
        read_image(written(path, bytes(found) + bomb))


@pytest.mark.parametrize("chunk", [b"zTXt", b"iCCP", b"iTXt"])
def test_compressed_text(tmp_path, chunk):
    start = b"a\0\1\0\0\0" if chunk == b"iTXt" else b"a\0\0"
    bomb = png_chunk(chunk, start + zlib.compress(bytes(10**8), 9))
    with pytest.raises(ValueError, match=r"its compressed text or color profile is too large"):
        read_image(written(tmp_path / "a.png", png(4, 4, bomb)))


# ---- memory and the system ---------------------------------------------------------------------


@pytest.mark.parametrize("function", ["pixels_of", "to_mode", "_open"])
def test_memory_errors_are_passed_on(tmp_path, monkeypatch, function):
    def no_memory(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr(_decode, function, no_memory)
    path = written(tmp_path / "a.png", content(COLOR, "PNG"))
    images = ImageReader().fit_transform([path, path])
    with pytest.raises(MemoryError):
        images[0]
    with pytest.raises(MemoryError):
        ImageResizer((4, 4), n_jobs=2).fit_transform(images)
    with pytest.raises(MemoryError):
        ImageReader().find_errors([path], decode=True)


@pytest.mark.parametrize("name", ["TiffFile", "TiffPage.asarray"])
def test_memory_errors_of_deep_tiff_are_passed_on(tmp_path, monkeypatch, name):
    def no_memory(*args, **kwargs):
        raise MemoryError

    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 3, 3), np.uint16), photometric="rgb")
    monkeypatch.setattr(f"tifffile.{name}", no_memory)
    with pytest.raises(MemoryError):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("code", "error", "match"),
    [
        (errno.EACCES, PermissionError, r"a.png' cannot be read: permission denied"),
        (errno.EIO, OSError, r"a.png' cannot be read: Input/output error"),
        (errno.EMFILE, OSError, r"a.png' cannot be read: Too many open files"),
    ],
)
def test_errors_of_the_system_are_not_damage(tmp_path, monkeypatch, code, error, match):
    path = written(tmp_path / "a.png", content(COLOR, "PNG"))
    system = builtins.open

    def fail(name, *args, **kwargs):
        if str(name) == str(path):
            raise OSError(code, os.strerror(code), name)
        return system(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "open", fail)
    for read in (read_image, check_image):
        with pytest.raises(error, match=match):
            read(path)


# ---- kinds of values ---------------------------------------------------------------------------

VALUES = {
    "int32": (np.array([[-1, 70_000]], np.int32), r"int32 values out of range, from -1 to 70000"),
    "uint32": (np.array([[0, 65_536]], np.uint32), r"uint32 values out of range, from 0 to 65536"),
    "int16": (np.array([[-5, 5]], np.int16), "int16 values out of range, from -5 to 5, but only 0"),
    "int64": (np.array([[0, 2**40]], np.int64), "out of range, from 0 to 1099511627776"),
    "int8": (np.array([[0, 5]], np.int8), "holds int8 values, but only unsigned values"),
    "float32": (np.array([[0, 255]], np.float32), "float32 values from 0.0 to 255.0, but only 0 t"),
    "NaN": (np.array([[0, np.nan]], np.float32), "from nan to nan, but only 0 to 1"),
    "inf": (np.array([[0, np.inf]], np.float64), "float64 values from 0.0 to inf, but only 0 to 1"),
    "complex": (np.array([[0, 1j]], np.complex64), "holds complex64 values"),
}


@pytest.mark.parametrize("mode", ["RGB", "L", "I;16"])
@pytest.mark.parametrize(("values", "match"), VALUES.values(), ids=VALUES)
def test_values_that_are_not_supported(tmp_path, values, match, mode):
    tifffile.imwrite(tmp_path / "a.tif", values)
    with pytest.raises(ValueError, match=rf"the file '.*a.tif' .*{match}") as caught:
        read_image(tmp_path / "a.tif", mode)
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint32, np.int64, np.uint64])
@pytest.mark.parametrize("order", ["<", ">"])
def test_integers_within_the_range_of_16_bits(tmp_path, dtype, order):
    values = np.array([[0, 257, 32_767]])
    tifffile.imwrite(tmp_path / "a.tif", values.astype(dtype), byteorder=order)
    assert_array_equal(read_image(tmp_path / "a.tif", "I;16"), values)
    assert_array_equal(read_image(tmp_path / "a.tif", "L"), [[0, 1, 127]])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "a.tif", np.array([[0, 0.25, 1]], dtype))
    assert_array_equal(read_image(tmp_path / "a.tif", "I;16"), [[0, 16384, 65535]])
    assert_array_equal(read_image(tmp_path / "a.tif", "L"), [[0, 64, 255]])


@pytest.mark.parametrize(
    ("extra", "expected"),
    [("unspecified", [100, 200]), ("assocalpha", [55807, 200]), (2, [55722, 200])],
    ids=str,
)
@pytest.mark.parametrize("n_colors", [1, 3])
def test_samples_after_the_colors(tmp_path, extra, expected, n_colors):
    pixels = np.full((1, 2, n_colors + 1), 100, np.uint16)
    pixels[0, 1, :-1] = 200
    pixels[0, :, -1] = [9828, 65535]  # 0.15 and 1
    photometric = "rgb" if n_colors == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric=photometric, extrasamples=[extra])
    assert_array_equal(read_image(tmp_path / "a.tif", "I;16"), [expected])


def test_cielab(tmp_path):
    path = written(tmp_path / "a.tif", content(Image.new("LAB", (4, 3)), "TIFF"))
    with pytest.raises(ValueError, match=r"a.tif' holds CIELAB colors, which are not supported"):
        read_image(path)


@pytest.mark.parametrize("value", [1e38, 2.0, -1.0])
def test_float_colors_with_opacity_out_of_range_are_refused(tmp_path, value):
    pixels = np.full((2, 2, 4), 0.5, np.float32)
    pixels[1, 1, 0] = value
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["unassalpha"])
    view = ImageReader().fit_transform([str(tmp_path / "a.tif")])
    with pytest.raises(ValueError, match=r"float32 values from .* only 0 to 1 are supported"):
        view[0]
