"""Save the model files of a release, which the tests of all later versions load.

Run this once before a release, when its version is set, and commit the new files. Never replace or
delete those of an earlier release:

    python tests/export/make_files.py
"""

import zipfile
from pathlib import Path

import joblib
import numpy as np
import skops.io
from sklearn.pipeline import make_pipeline

import skcnn
from skcnn import CNNClassifier, ImageAugmenter, ImageNormalizer, ImageResizer
from skcnn.export import save_weights

FOLDER = Path(__file__).parent / "files"


def save_files(folder):
    """Fit a small pipeline, and save it in each format, with the probabilities of some images.

    Parameters
    ----------
    folder : Path
        Folder of the new files.
    """
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (30, 12, 10, 3), dtype=np.uint8)
    labels = np.array(["cat", "dog", "owl"])[np.arange(30) % 3]
    pipe = make_pipeline(
        ImageResizer((8, 8)),
        ImageNormalizer(),
        ImageAugmenter(horizontal_flip=True, random_state=0),
        CNNClassifier(channels=(4, 4), hidden_units=(8,), max_epochs=2, random_state=0),
    ).fit(images, labels)
    start = folder / f"skcnn-{skcnn.__version__}"
    joblib.dump(pipe, f"{start}.joblib", compress=3)
    skops.io.dump(pipe, f"{start}.skops", compression=zipfile.ZIP_DEFLATED)
    save_weights(pipe, f"{start}.safetensors")
    images = images[:6]
    np.savez_compressed(
        f"{start}.npz",
        images=images,
        network_images=pipe[:-1].transform(images),
        probabilities=pipe.predict_proba(images),
    )


if __name__ == "__main__":
    save_files(FOLDER)
