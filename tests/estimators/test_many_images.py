"""The memory of fit and predict does not depend on the number of lazy images."""

import tracemalloc

import numpy as np
from sklearn.pipeline import make_pipeline

from skcnn import CNNClassifier, ImageAugmenter, LazyImages
from skcnn.training import TrainingCheckpoint

SHAPE = (64, 64, 3)


class MadeImages:
    """A source of images that are made when they are read."""

    dtype = np.dtype(np.uint8)

    def __init__(self, n_images):
        self.shape = (n_images, *SHAPE)

    def __getitem__(self, rows):
        images = np.empty((len(rows), *SHAPE), dtype=np.uint8)
        images[:] = (rows % 200)[:, None, None, None]
        return images


def test_memory_is_flat(tmp_path):
    def fit_and_predict(n_images):
        images, y = LazyImages(MadeImages(n_images), n_jobs=1), np.arange(n_images) % 2
        cnn = CNNClassifier(
            channels=(),
            max_epochs=1,
            batch_size=32,
            early_stopping=True,
            random_state=0,
            callbacks=[TrainingCheckpoint(tmp_path / str(n_images))],
        )
        pipe = make_pipeline(ImageAugmenter(horizontal_flip=True, random_state=0), cnn)
        pipe.fit(images, y).predict(images)

    def peak(n_images):
        tracemalloc.start()
        fit_and_predict(n_images)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    fit_and_predict(64)  # modules that are imported when they are used
    few, many = peak(600), peak(3000)
    # Threads read a few batches ahead, more or fewer at a time.
    assert many - few < 0.15 * (3000 - 600) * np.prod(SHAPE)
