"""The fingerprint of labeled images: the same for the same pixels in any form."""

import hashlib

import numpy as np
import pytest
from skimage.io import imsave

from skcnn import ImageAugmenter, ImageReader
from skcnn.inspection._fingerprint import Fingerprint, hash_image, label_text
from skcnn.original_images import original_images


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (20, 6, 5, 3), dtype=np.uint8)


LABELS = np.arange(20) % 3


def sha256(X, labels=LABELS):
    return Fingerprint.of(original_images(X), labels).sha256


def test_it_is_that_of_the_documented_bytes(images):
    digests = []
    for image, label in zip(images, LABELS, strict=True):
        pixels = hashlib.sha256(b"6x5x3B" + image.tobytes()).digest()
        digests.append(hashlib.sha256(pixels + f"int {label}".encode()).digest())
    assert sha256(images) == hashlib.sha256(b"".join(sorted(digests))).hexdigest()
    fractions = images[0] / 255
    expected = hashlib.sha256(b"6x5x3d" + fractions.astype("<f8").tobytes()).digest()
    assert hash_image(fractions) == expected


def test_equal_pixels_have_equal_fingerprints(images, tmp_path):
    expected = sha256(images)
    order = np.random.default_rng(1).permutation(20)
    paths = [str(tmp_path / f"{row}.png") for row in range(20)]
    for path, image in zip(paths, images, strict=True):
        imsave(path, image, check_contrast=False)
    ragged = np.empty(20, dtype=object)
    ragged[:] = list(images)
    view = ImageAugmenter(horizontal_flip=True, random_state=0).fit_transform(images)
    for X in (
        list(images),
        ragged,
        images.astype(np.float64),
        images.astype(np.int64),
        images.astype(">u2"),
        np.asfortranarray(images),
        view,
        ImageReader().fit_transform(paths),
        paths,
    ):
        assert sha256(X) == expected
    assert sha256(images[order], LABELS[order]) == expected
    assert sha256(images, LABELS.astype(float)) == expected
    assert sha256(images, LABELS.astype(object)) == expected


def test_gray_images_may_have_an_axis_of_channels_or_be_rows(images):
    gray = images[..., 0]
    expected = sha256(gray)
    assert sha256(gray[..., None]) == expected
    square = gray[:, :5]
    assert sha256(square.reshape(20, 25)) == sha256(square)


def test_labels_with_invalid_characters(images):
    labels = ["a", "b\udcff"] * 10
    assert sha256(images, labels) != sha256(images, ["a", "b"] * 10)


def test_other_data_have_other_fingerprints(images):
    changed = images.copy()
    changed[3, 0, 0, 0] ^= 1
    found = {
        sha256(images),
        sha256(changed),
        sha256(images[:-1], LABELS[:-1]),
        sha256(np.concatenate([images, images[:1]]), np.append(LABELS, LABELS[0])),
        sha256(images, np.roll(LABELS, 1)),
        sha256(images, LABELS.astype(str)),
        sha256(images.reshape(20, 5, 6, 3)),
        sha256(images / 255),
        sha256(-images.astype(int)),
        sha256(images.astype(int) + 256),
    }
    assert len(found) == 10


def test_negative_zero_is_zero():
    assert hash_image(np.full((1, 2, 1), -0.0)) == hash_image(np.zeros((1, 2, 1)))
    halves = np.array([[[0.5], [-0.0]]])
    assert hash_image(halves) == hash_image(abs(halves))


def test_properties(images):
    X = [*images[:3], images[0], images[1], images[4, :4]]
    found = Fingerprint.of(original_images(X), ["a", "b", "a", "a", "a", "b"])
    assert found.n_images == 6
    assert (found.n_repeated, found.n_conflicting) == (2, 1)
    assert found.shapes == {(6, 5, 3): 5, (4, 5, 3): 1}
    assert found.dtypes == ("uint8",)
    used = np.concatenate([images[:3].ravel(), images[4, :4].ravel()])
    assert (found.low, found.high) == (used.min(), used.max())


@pytest.mark.parametrize(
    ("label", "text"),
    [
        (3, "int 3"),
        (3.0, "int 3"),
        (np.int8(3), "int 3"),
        (0.5, "float 0.5"),
        ("3", "str 3"),
        (np.str_("cat"), "str cat"),
        (True, "bool True"),
    ],
)
def test_labels_as_text(label, text):
    assert label_text(label) == text
