"""Images that the tests of the transformers share."""

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


@pytest.fixture
def photo_files(photos, tmp_path):
    """The photographs as PNG files."""
    from PIL import Image

    paths = [tmp_path / f"{number}.png" for number in range(len(photos))]
    for path, photo in zip(paths, photos, strict=True):
        Image.fromarray(photo).save(path)
    return [str(path) for path in paths]
