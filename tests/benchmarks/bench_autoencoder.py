"""Denoising and codes of `ConvAutoencoder` on Fashion-MNIST, compared with other methods.

    python tests/benchmarks/bench_autoencoder.py --data DIR --table denoising --csv FILE
    python tests/benchmarks/bench_autoencoder.py --data DIR --table codes --csv FILE
    python tests/benchmarks/bench_autoencoder.py --data DIR --table channels --train 3000 --epochs 6

DIR contains `fashion_mnist.npz` (`X_train`, `y_train`, `X_test`, `y_test`). BM3D needs the package
bm3d, and wavelets need PyWavelets; both are left out if they are not installed.
"""

import time
from functools import partial
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import numpy as np
from _tables import make_parser, print_table
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle, denoise_wavelet
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcnn import ConvAutoencoder, ImageFlattener

SIGMA = 0.2
N_TUNING = 50  # training images on which the parameters of the other methods are chosen


def bm3d(image):
    """Denoise an image with BM3D, which knows the standard deviation of the noise."""
    from bm3d import bm3d as denoise

    return denoise(image, SIGMA)


def nl_means(image, h, patch_size, patch_distance):
    """Denoise an image with non-local means."""
    return denoise_nl_means(
        image,
        h=h * SIGMA,
        sigma=SIGMA,
        patch_size=patch_size,
        patch_distance=patch_distance,
        fast_mode=True,
    )


# Each method with the values of its parameters that are tried.
METHODS = {
    "total variation": (
        denoise_tv_chambolle,
        {"weight": [0.1, 0.12, 0.14, 0.16, 0.18, 0.2]},
    ),
    "non-local means": (
        nl_means,
        {"h": [0.4, 0.5, 0.6, 0.7, 0.8], "patch_size": [3, 5, 7], "patch_distance": [5, 9, 13]},
    ),
    "wavelets": (
        partial(denoise_wavelet, sigma=SIGMA),
        {"wavelet": ["db1", "db2", "sym4"], "method": ["BayesShrink", "VisuShrink"]},
    ),
    "BM3D": (bm3d, {}),
}
PACKAGES = {"BM3D": "bm3d", "wavelets": "pywt"}


def add_noise(images, seed):
    """Return images with Gaussian noise, which is not clipped."""
    return images + SIGMA * np.random.default_rng(seed).standard_normal(images.shape)


def psnr(images, clean):
    """Return the mean peak signal-to-noise ratio of the images in dB, clipped to 0 and 1."""
    errors = ((np.clip(images, 0, 1) - clean) ** 2).mean(axis=(1, 2))
    return float(np.mean(-10 * np.log10(errors)))


def tuned(function, grid, noisy, clean):
    """Return the parameters with the highest PSNR."""
    candidates = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    if len(candidates) == 1:
        return candidates[0]

    def quality(parameters):
        return psnr([function(image, **parameters) for image in noisy], clean)

    return max(candidates, key=quality)


def denoising(X_train, y_train, X_test, y_test, arguments):
    """Return the rows of the table of denoising methods."""
    clean = X_test[: arguments.test]
    noisy = add_noise(clean, seed=0)
    unclipped = float(np.mean(-10 * np.log10(((noisy - clean) ** 2).mean(axis=(1, 2)))))

    def row(method, ratio, parameters="", seconds=None):
        cells = {
            "method": method,
            "PSNR (dB)": f"{ratio:.2f}",
            "gain (dB)": f"{ratio - unclipped:.2f}",
        }
        milliseconds = "" if seconds is None else f"{1000 * seconds / len(noisy):.2f}"
        return {**cells, "CPU ms per image": milliseconds, "parameters": parameters}

    rows = [row("noisy", unclipped), row("noisy, clipped to 0 and 1", psnr(noisy, clean))]
    tuning = X_train[:N_TUNING]
    for name, (function, grid) in METHODS.items():
        if find_spec(PACKAGES.get(name, "skimage")) is None:
            continue
        parameters = tuned(function, grid, add_noise(tuning, seed=1), tuning)
        start = time.process_time()
        images = [function(image, **parameters) for image in noisy]
        seconds = time.process_time() - start
        given = ", ".join(f"{key}={value}" for key, value in parameters.items())
        rows.append(row(name, psnr(images, clean), given, seconds))
        print(rows[-1], flush=True)
    autoencoder = ConvAutoencoder(
        None, denoise=SIGMA, max_epochs=arguments.epochs, random_state=0, device=arguments.device
    ).fit(X_train)
    start = time.process_time()
    images = autoencoder.reconstruct(noisy)
    seconds = time.process_time() - start
    rows.append(row("ConvAutoencoder", psnr(images, clean), "n_components=None", seconds))
    return rows


def channels(X_train, y_train, X_test, y_test, arguments):
    """Return the rows of the table of networks that remove noise."""
    clean = X_test[: arguments.test]
    noisy = add_noise(clean, seed=0)
    rows = []
    for given in ((64,), (32, 64), (64, 64), (32, 64, 128)):
        autoencoder = ConvAutoencoder(
            None,
            channels=given,
            denoise=SIGMA,
            max_epochs=arguments.epochs,
            random_state=0,
            device=arguments.device,
        )
        start = time.process_time()
        autoencoder.fit(X_train)
        rows.append(
            {
                "channels": str(given),
                "PSNR (dB)": f"{psnr(autoencoder.reconstruct(noisy), clean):.2f}",
                "values in a code": str(autoencoder.n_components_),
                "CPU s of fit": f"{time.process_time() - start:.0f}",
            }
        )
        print(rows[-1], flush=True)
    return rows


def codes(X_train, y_train, X_test, y_test, arguments):
    """Return the rows of the table of codes."""
    rows = []
    for n_components in arguments.components:
        models = {
            "PCA": make_pipeline(ImageFlattener(), PCA(n_components, random_state=0)),
            "ConvAutoencoder": ConvAutoencoder(
                n_components,
                max_epochs=arguments.epochs,
                random_state=0,
                device=arguments.device,
            ),
        }
        for name, model in models.items():
            start = time.process_time()
            train = model.fit_transform(X_train)
            seconds = time.process_time() - start
            test = model.transform(X_test)
            classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
            accuracy = classifier.fit(train, y_train).score(test, y_test)
            error = ((model.inverse_transform(test) - X_test) ** 2).mean()
            rows.append(
                {
                    "components": str(n_components),
                    "codes": name,
                    "accuracy (%)": f"{100 * accuracy:.2f}",
                    "mean squared error": f"{error:.4f}",
                    "CPU s of fit": f"{seconds:.0f}",
                }
            )
            print(rows[-1], flush=True)
    return rows


TABLES = {"channels": channels, "codes": codes, "denoising": denoising}

if __name__ == "__main__":
    options = make_parser(__doc__, rounds=None)
    options.add_argument("--data", type=Path, required=True, metavar="DIR")
    options.add_argument("--table", choices=TABLES, required=True)
    options.add_argument("--train", type=int, default=10_000, help="number of training images")
    options.add_argument("--test", type=int, default=200, help="number of test images to denoise")
    options.add_argument("--epochs", type=int, default=10)
    options.add_argument("--components", type=int, nargs="+", default=[16, 32, 64])
    options.add_argument("--device", default="auto")
    arguments = options.parse_args()
    if arguments.quick:
        arguments.train, arguments.test, arguments.epochs = 200, 5, 1
    with np.load(arguments.data / "fashion_mnist.npz") as file:
        X_train, X_test = (file[name].astype(np.float32) / 255 for name in ("X_train", "X_test"))
        y_train, y_test = file["y_train"], file["y_test"]
    data = X_train[: arguments.train], y_train[: arguments.train], X_test, y_test
    print_table(TABLES[arguments.table](*data, arguments), arguments)
