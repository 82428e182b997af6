"""Images that the tests of the transformers share."""

import shutil

import numpy as np
import pytest
from skimage import data


@pytest.fixture(scope="session")
def photos():
    """Four photographs of four sizes: the largest structures and the finest are both in them."""
    return [data.astronaut(), data.coffee()[::2, ::2], data.chelsea()[:150], data.rocket()[::3]]


@pytest.fixture(scope="session")
def stack():
    """Six photographs of shape (48, 60, 3) and dtype uint8."""
    return np.stack([data.astronaut()[at : at + 96 : 2, 100:220:2] for at in range(0, 360, 60)])


@pytest.fixture(scope="session")
def encoded_photos(photos, tmp_path_factory):
    """The photographs as PNG files that no test may change."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("photos")
    for number, photo in enumerate(photos):
        Image.fromarray(photo).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def photo_files(encoded_photos, tmp_path):
    """The photographs as PNG files of the test."""
    shutil.copytree(encoded_photos, tmp_path, dirs_exist_ok=True)
    return [str(tmp_path / path.name) for path in sorted(encoded_photos.iterdir())]
