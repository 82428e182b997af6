"""A folder of images in which something of every kind is wrong."""

import io
import shutil

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

RNG = np.random.default_rng(1)


def texture(color, random=RNG):
    """Return a sharp picture of random squares around a color."""
    squares = random.normal(color, 60, (12, 12, 3)).repeat(5, axis=0).repeat(5, axis=1)
    noise = random.normal(0, 5, squares.shape)
    return Image.fromarray(np.clip(squares + noise, 0, 255).astype(np.uint8))


@pytest.fixture(scope="session")
def clean_folder(tmp_path_factory):
    """Return a folder of two classes of pictures, 20 of each in "train" and 4 in "test"."""
    root, random = tmp_path_factory.mktemp("clean"), np.random.default_rng(0)
    for name, color in (("red", (190, 90, 90)), ("blue", (80, 100, 180))):
        for number in range(24):
            path = root / ("train" if number < 20 else "test") / name / f"{number:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            texture(color, random).save(path)
    return root


@pytest.fixture
def folder(clean_folder, tmp_path):
    """Return a copy of the folder."""
    return shutil.copytree(clean_folder, tmp_path / "images")


def encoded(image, kind="JPEG", **options):
    """Return the bytes of an image file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.fixture
def messy(folder):
    """Return a messy folder, and the names of the files of each kind of issue in "train"."""
    train, expected = folder / "train", {}

    def add(kind, name, contents):
        path = train / name
        path.parent.mkdir(exist_ok=True)
        if isinstance(contents, Image.Image):
            contents.save(path)
        else:
            path.write_bytes(contents)
        expected.setdefault(kind, set()).add(name)

    red, blue = [190, 90, 90], [80, 100, 180]
    add("unreadable", "red/empty.jpg", b"")
    add("unreadable", "red/page.jpg", b"<html>404</html>")
    add("truncated", "red/cut.jpg", encoded(texture(red))[:1000])
    add("truncated", "red/cut.png", encoded(texture(red), "PNG")[:2000])
    add("misnamed", "red/other.jpg", encoded(texture(red), "PNG"))
    add("misnamed", "blue/photo.txt", encoded(texture(blue)))
    for name in ("Thumbs.db", "red/.DS_Store", "notes.txt"):
        add("litter", name, b"text")
    add("not_loaded", "red/old/1.png", texture(red))
    frames = [texture(red) for _ in range(3)]
    add(
        "multi_frame",
        "red/moving.tif",
        encoded(frames[0], "TIFF", save_all=True, append_images=frames),
    )
    add("blank", "red/black.png", Image.new("RGB", (60, 60)))
    flat = RNG.integers(120, 124, (60, 60, 3)).astype(np.uint8)
    add("near_blank", "blue/flat.png", Image.fromarray(flat))
    add("dark", "red/dark.png", texture(red).point(lambda value: value * 0.2))
    add("light", "blue/light.png", texture(blue).point(lambda value: 235 + value * 0.07))
    add("blurred", "blue/blurred.png", texture(blue).filter(ImageFilter.GaussianBlur(4)))
    drawing = Image.new("RGB", (60, 60), (150, 70, 60))
    ImageDraw.Draw(drawing).rectangle((10, 10, 30, 40), fill=(20, 20, 200))
    add("low_information", "red/drawing.png", drawing)
    add("odd_size", "red/large.png", texture(red).resize((240, 240), Image.Resampling.NEAREST))
    add("odd_aspect_ratio", "red/wide.png", texture(red).crop((0, 10, 60, 28)))
    add("odd_mode", "blue/gray.png", texture(blue).convert("L"))
    add("exact_duplicate", "red/again.png", (train / "red/05.png").read_bytes())
    add("near_duplicate", "red/similar.jpg", encoded(Image.open(train / "red/06.png"), quality=85))
    add("leak", "red/leak.png", (folder / "test/red/21.png").read_bytes())
    add("near_leak", "blue/leak.jpg", encoded(Image.open(folder / "test/blue/22.png"), quality=85))
    add("conflicting_labels", "red/wrong.png", (train / "blue/10.png").read_bytes())
    expected["conflicting_labels"].add("blue/10.png")
    add("unlike_class", "red/green.png", texture([20, 250, 20]))
    expected["unlike_class"].add("red/wrong.png")  # a blue one
    placeholder = Image.new("RGB", (60, 60), (230, 230, 230))
    ImageDraw.Draw(placeholder).text((5, 20), "no image", fill=(90, 90, 90))
    for number in range(3):
        for name in ("red", "blue"):
            add("placeholder", f"{name}/missing_{number}.png", placeholder)
    (train / "empty").mkdir()
    return folder, expected
