"""Images with drawn issues, made from photos without them."""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


def dark(photo, rng):
    """Return an underexposed photo; every second one has a small lamp."""
    factor = rng.uniform(0.06, 0.3)
    image = photo.point(lambda value: value * factor)
    if rng.random() < 0.5:
        width, height = image.size
        side = np.sqrt(width * height * rng.uniform(0.005, 0.03))
        x, y = rng.uniform(0, width - side), rng.uniform(0, height - side)
        ImageDraw.Draw(image).ellipse((x, y, x + side, y + side), fill=(255, 250, 220))
    return image


def light(photo, rng):
    """Return an overexposed photo."""
    factor = rng.uniform(0.02, 0.15)
    return photo.point(lambda value: 255 - (255 - value) * factor)


def blurred(photo, rng):
    """Return a photo that is out of focus or, every second one, moved while it was taken."""
    longest = max(photo.size)
    if rng.random() < 0.5:
        return photo.filter(ImageFilter.GaussianBlur(longest * rng.uniform(0.01, 0.03)))
    length = max(3, int(longest * rng.uniform(0.04, 0.1)))
    size = (photo.width, photo.height)
    squeezed = (max(2, size[0] // length), size[1])
    if rng.random() < 0.5:
        squeezed = (size[0], max(2, size[1] // length))
    return photo.resize(squeezed, Image.Resampling.BOX).resize(size, Image.Resampling.BILINEAR)


def blank(photo, rng):
    """Return one color."""
    return Image.new("RGB", photo.size, tuple(rng.integers(0, 256, 3).tolist()))


def near_blank(photo, rng):
    """Return one color with the noise of a camera."""
    color = rng.integers(5, 250, 3)
    noise = rng.normal(0, rng.uniform(0.5, 2), (photo.height, photo.width, 3))
    return Image.fromarray(np.clip(color + noise, 0, 255).astype(np.uint8))


def low_information(photo, rng):
    """Return a flat drawing with few colors: a line of text and some shapes."""
    image = Image.new("RGB", photo.size, tuple(rng.integers(0, 256, 3).tolist()))
    draw, (width, height) = ImageDraw.Draw(image), photo.size
    for _ in range(int(rng.integers(1, 4))):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        corner = (x + rng.uniform(5, width / 3), y + rng.uniform(5, height / 3))
        draw.rectangle((x, y, *corner), fill=tuple(rng.integers(0, 256, 3).tolist()))
    draw.text((width / 4, height / 2), "no image available", fill=(40, 40, 40))
    return image


def odd_size(photo, rng):
    """Return a much smaller or a much larger photo."""
    factor = rng.uniform(4, 8) ** rng.choice([-1, 1])
    return photo.resize([max(4, round(side * factor)) for side in photo.size])


def odd_aspect_ratio(photo, rng):
    """Return a strip of a photo."""
    width, height = photo.size
    ratio = rng.uniform(4, 10)
    if rng.random() < 0.5:
        return photo.crop((0, height // 3, width, height // 3 + max(4, int(width / ratio))))
    return photo.crop((width // 3, 0, width // 3 + max(4, int(height / ratio)), height))


def odd_mode(photo, rng):
    """Return a photo without colors; every second one is stored as RGB."""
    gray = photo.convert("L")
    return gray.convert("RGB") if rng.random() < 0.5 else gray


PICTURES = {
    case.__name__: case
    for case in (
        dark,
        light,
        blurred,
        blank,
        near_blank,
        low_information,
        odd_size,
        odd_aspect_ratio,
        odd_mode,
    )
}
FORMATS = {"JPEG": ".jpg", "PNG": ".png", "GIF": ".gif", "BMP": ".bmp", "TIFF": ".tif"}


def encode(photo, name="JPEG"):
    """Return the bytes of an image file."""
    file = io.BytesIO()
    photo.save(file, name, **({"quality": 92} if name == "JPEG" else {}))
    return file.getvalue()


def truncated(photo, rng):
    """Return a suffix and the bytes of a file without its end."""
    name = rng.choice(list(FORMATS))
    contents = encode(photo, name)
    header = 0.3 if name == "TIFF" else 0.1  # enough that the file is an image
    return FORMATS[name], contents[: int(len(contents) * rng.uniform(header, 0.95))]


def unreadable(photo, rng):
    """Return a suffix and bytes that are no image."""
    others = (b"", b"<html>404 Not Found</html>", rng.bytes(2000), encode(photo)[:15])
    return ".jpg", others[int(rng.integers(len(others)))]


def misnamed(photo, rng):
    """Return the suffix of another format, and the bytes of a file."""
    name, other = rng.choice(list(FORMATS), 2, replace=False)
    return FORMATS[other], encode(photo, name)


def multi_frame(photo, rng):
    """Return a suffix and the bytes of a file with several frames."""
    name, file = rng.choice(["GIF", "TIFF"]), io.BytesIO()
    frames = [photo.rotate(angle) for angle in range(1, int(rng.integers(2, 5)))]
    photo.save(file, name, save_all=True, append_images=frames)
    return FORMATS[name], file.getvalue()


FILES = {case.__name__: case for case in (unreadable, truncated, misnamed, multi_frame)}
