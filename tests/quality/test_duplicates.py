"""find_duplicates: made copies, other images that are not copies, and all forms of collections."""

import io
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from skcnn import ImageReader, LazyImages
from skcnn.quality import find_duplicates

SHAPE = (72, 96)


def textures(n_images, seed=0, shape=SHAPE, n_channels=3):
    """Return random uint8 images with the spectrum of photos."""
    noise = np.random.RandomState(seed).normal(size=(n_images, n_channels, *shape))
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, np.newaxis], np.fft.rfftfreq(shape[1]))
    frequency[0, 0] = np.inf
    images = np.fft.irfft2(np.fft.rfft2(noise) / frequency, s=shape)
    gray = images.mean(axis=1, keepdims=True)
    images = gray + 0.3 * images
    images = 128 + 45 * images / images.std(axis=(1, 2, 3), keepdims=True)
    images = np.moveaxis(images, 1, -1).clip(0, 255).astype(np.uint8)
    return images if n_channels > 1 else images[..., 0]


def encoded(image, quality=80):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def resized(image, height, width):
    return np.asarray(Image.fromarray(image).resize((width, height)))


def shifted(image):
    return np.pad(image, ((2, 0), (0, 3), (0, 0)), mode="edge")[:-2, 3:]


COPIES = {
    "encoded": encoded,
    "flipped": lambda image: encoded(image[:, ::-1], 90),
    "upside down": lambda image: image[::-1],
    "turned by 180 degrees": lambda image: image[::-1, ::-1],
    "cropped": lambda image: encoded(image[1:-3, 4:-1], 90),
    "cropped on one side": lambda image: image[:, 5:],
    "cropped and flipped": lambda image: image[:-4, 3:-2][:, ::-1],
    "smaller": lambda image: resized(image, 40, 53),
    "stretched": lambda image: resized(image, 90, 90),
    "shifted": shifted,
    "brighter": lambda image: np.clip(image + 40.0, 0, 255).astype(np.uint8),
    "less contrast": lambda image: (0.6 * image + 20).astype(np.uint8),
    "gray": lambda image: np.asarray(Image.fromarray(image).convert("L")),
}


def pairs_of(duplicates, kind="near"):
    found = duplicates[duplicates["kind"] == kind]
    return set(
        zip(found["set"], found["index"], found["other_set"], found["other_index"], strict=True)
    )


@pytest.mark.parametrize("kind", COPIES)
def test_copies_and_no_others_are_found(kind):
    images, test = textures(40), textures(20, seed=1)
    copies = [COPIES[kind](image) for image in test[:10]]
    duplicates = find_duplicates([*images, *copies], test)
    assert pairs_of(duplicates) == {("train", 40 + row, "test", row) for row in range(10)}
    assert not pairs_of(duplicates, "exact")
    assert duplicates["similarity"].between(0.9, 1).all()
    assert duplicates["similarity"].is_monotonic_decreasing


def test_copies_within_each_set_are_found():
    images = textures(30)
    duplicates = find_duplicates(
        [*images[:10], encoded(images[3])], [*images[10:20], images[12][:, ::-1], images[15]]
    )
    assert pairs_of(duplicates) == {("train", 3, "train", 10), ("test", 2, "test", 10)}
    assert pairs_of(duplicates, "exact") == {("test", 5, "test", 11)}
    assert list(duplicates["kind"]) == ["exact", "near", "near"]


def test_two_images_are_enough():
    first, other = textures(2)
    assert len(find_duplicates([first, encoded(first)])) == 1
    assert len(find_duplicates([first, other])) == 0


def test_equal_images_are_paired_with_the_first():
    images = textures(5)
    duplicates = find_duplicates(images[[0, 1, 0, 2, 0]], images[[2, 3, 0, 3]])
    assert pairs_of(duplicates, "exact") == {
        ("train", 0, "train", 2),
        ("train", 0, "train", 4),
        ("train", 0, "test", 2),
        ("train", 3, "test", 0),
        ("test", 1, "test", 3),
    }
    assert not pairs_of(duplicates)
    assert (duplicates["similarity"] == 1).all()


def test_copies_of_equal_images_are_found():
    images = textures(10)
    duplicates = find_duplicates([*images, images[4], encoded(images[4])])
    assert pairs_of(duplicates, "exact") == {("train", 4, "train", 10)}
    assert pairs_of(duplicates) == {("train", 4, "train", 11)}


@pytest.mark.parametrize("dtype", [np.uint16, np.int64, np.float32, np.float64])
def test_the_dtype_of_equal_values_does_not_matter(dtype):
    images = textures(4)
    duplicates = find_duplicates(images, images.astype(dtype))
    assert len(pairs_of(duplicates, "exact")) == len(duplicates) == 4


def test_each_set_has_a_scale_of_its_own():
    images = textures(10)
    duplicates = find_duplicates(images / 255.0, images)
    assert pairs_of(duplicates) == {("train", row, "test", row) for row in range(10)}
    duplicates = find_duplicates(images * 1e36, images * -1e-9)
    assert len(duplicates) == 0  # negatives are no copies


@pytest.mark.parametrize("kind", ["textures", "noise", "gradients"])
def test_random_images_are_no_duplicates(kind):
    rng = np.random.RandomState(0)
    if kind == "textures":
        images = textures(300, shape=(32, 32))
    elif kind == "noise":
        images = rng.randint(0, 256, (300, 32, 32)).astype(np.uint8)
    else:  # smooth ramps with noise, as a sky
        ramps = np.linspace(0, 1, 32) * rng.uniform(20, 60, (100, 32, 1))
        images = (100 + ramps + rng.normal(0, 4, (100, 32, 32))).astype(np.uint8)
    assert len(find_duplicates(images)) == 0


def test_constant_images_are_only_exact_duplicates():
    images = np.full((7, 20, 30), 5, np.uint8)
    images[4:] = np.arange(3)[:, np.newaxis, np.newaxis] + 100
    duplicates = find_duplicates(images)
    assert pairs_of(duplicates, "exact") == {("train", 0, "train", row) for row in (1, 2, 3)}
    assert len(duplicates) == 3
    assert len(find_duplicates(images[4:])) == 0
    noisy = images + np.random.RandomState(0).randint(0, 2, images.shape).astype(np.uint8)
    assert len(find_duplicates([*noisy, *textures(3)[..., 0]])) == 0


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 7), (1, 40)])
def test_tiny_images_are_only_exact_duplicates(size):
    rng = np.random.RandomState(0)
    images = rng.randint(0, 256, (30, *size)).astype(np.uint8)
    images = np.concatenate([np.unique(images, axis=0), images[:1]])
    assert len(find_duplicates(images)) == 1


def test_forms_of_collections_give_the_same(tmp_path):
    images = textures(12)
    images[7] = images[2][:, ::-1]
    images[9] = images[4]
    paths = [tmp_path / f"{row}.png" for row in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    expected = find_duplicates(images)
    assert pairs_of(expected) == {("train", 2, "train", 7)}
    assert pairs_of(expected, "exact") == {("train", 4, "train", 9)}
    forms = [
        list(images),
        paths,
        [str(path) for path in paths],
        LazyImages(images),
        ImageReader().fit_transform(paths),
    ]
    for form in forms:
        assert find_duplicates(form).equals(expected)
    rows = images.reshape(len(images), -1)
    assert find_duplicates(rows, image_shape=(*SHAPE, 3)).equals(expected)
    of_two_sizes = [*images, textures(1, seed=5, shape=(50, 60))[0]]
    assert pairs_of(find_duplicates(of_two_sizes)) == pairs_of(expected)


@pytest.mark.parametrize("n_jobs", [1, 3, "auto", None])
def test_threads_do_not_change_the_result(n_jobs):
    images = textures(30)
    images = [*images, *(encoded(image) for image in images[:8])]
    assert find_duplicates(images, n_jobs=n_jobs).equals(find_duplicates(images, n_jobs=1))


class Recorder:
    """Source of `LazyImages` that makes images, and records how many are read at a time."""

    dtype = np.dtype(np.uint8)

    def __init__(self, n_images, height, width):
        self.shape = (n_images, height, width)
        self.read = []

    def __getitem__(self, rows):
        self.read.append(list(rows))
        height, width = self.shape[1:]
        return np.stack(
            [np.random.RandomState(row).randint(0, 256, (height, width)) for row in rows]
        ).astype(np.uint8)


def test_images_are_read_once_and_few_at_a_time():
    source = Recorder(60, 300, 400)
    find_duplicates(LazyImages(source), n_jobs=1)
    assert sorted(np.concatenate(source.read)) == list(range(60))
    assert max(map(len, source.read)) * 300 * 400 <= 1_000_000


def test_threshold():
    image = textures(1)[0]
    copy = encoded(image, 20)
    similarity = find_duplicates([image, copy], threshold=0.5)["similarity"].item()
    assert 0.9 < similarity < 0.999
    assert len(find_duplicates([image, copy], threshold=similarity)) == 1
    assert len(find_duplicates([image, copy], threshold=similarity + 1e-6)) == 0


def test_no_duplicates_give_an_empty_frame():
    duplicates = find_duplicates(textures(3))
    expected = ["index", "set", "other_index", "other_set", "kind", "similarity"]
    assert_array_equal(duplicates.columns, expected)
    assert duplicates.shape == (0, 6)


@pytest.mark.parametrize("threshold", [0, -1, 1.5, "high", None])
def test_thresholds_that_are_not_valid(threshold):
    with pytest.raises(ValueError, match="'threshold' parameter of find_duplicates"):
        find_duplicates(textures(2), threshold=threshold)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((4, 3, 20, 20)), "looks like channels first"),
        (np.zeros((20, 20, 3)), "looks like one image"),
        (np.full((2, 10, 10), np.nan), "contains NaN, in image 0"),
        ([np.zeros((9, 9)), np.full((9, 8), np.inf)], "infinity"),
        ([np.zeros((9, 9)), np.zeros((0, 8))], "without pixels"),
        (np.zeros((0, 9, 9)), "Found 0 image"),
        ([], "Found"),
        (np.zeros((3, 70)), "not a square number"),
    ],
)
def test_collections_that_are_not_valid(X, message):
    for arguments in ([X], [textures(2), X]):
        with pytest.raises(ValueError, match=message):
            find_duplicates(*arguments)


def test_missing_files():
    with pytest.raises(FileNotFoundError, match=r"lost\.png"):
        find_duplicates(["lost.png", "gone.png"])


def test_pandas_is_required_before_images_are_read(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    source = Recorder(5, 20, 20)
    with pytest.raises(ImportError, match=r"requires pandas: pip install \"skcnn\[plot\]\""):
        find_duplicates(LazyImages(source))
    assert not source.read


@pytest.mark.parametrize("n_copies", [3, 6])
def test_all_pairs_of_a_small_group_are_found(n_copies):
    images = textures(30)
    group = [encoded(images[0], quality) for quality in range(95, 95 - 5 * n_copies, -5)]
    assert len(find_duplicates([*images[1:], *group])) == n_copies * (n_copies - 1) // 2
