"""Shared functions of the tutorials: command line, data, comparison of models, and figures."""

import argparse
import time
import zlib
from pathlib import Path
from zipfile import BadZipFile

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
)
from sklearn.model_selection import train_test_split

from skcnn import CNNClassifier, load_image_folder

MIN_IMAGES = 5  # of each class, so that every split has some

ARRAYS = (
    "'download' for the official files, stored in scikit-learn's data home, or a .npz file "
    "with X_train, y_train, X_test and y_test"
)


def command_line(description, data, *, files=False):
    """Parse the options of a tutorial.

    Parameters
    ----------
    description : str
        The docstring of the tutorial, shown by ``--help``.
    data : str
        Help text of ``--data``.
    files : bool, default=False
        Whether the images are files, so that there is an option ``--lazy``.

    Returns
    -------
    arguments : argparse.Namespace
        Values of the options.
    """
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='Requires matplotlib and pandas: pip install -e ".[plot]".',
    )
    parser.add_argument("--data", help=data)
    parser.add_argument(
        "--seeds",
        type=int,
        metavar="N",
        default=1,
        help="fit each network N times, with random_state 0, 1, ... (default: 1)",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="WORD",
        help="only models whose names in the table contain one of these words",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder for the table (table.csv) and the figures (.png), which are then not shown",
    )
    parser.add_argument(
        "--no-curves", action="store_true", help="skip the fits for the learning curves"
    )
    if files:
        parser.add_argument(
            "--lazy",
            type=float,
            metavar="MB",
            help="read the photos batch by batch during training, and keep at most MB megabytes of "
            "them in memory",
        )
    arguments = parser.parse_args()
    if arguments.seeds < 1:
        parser.error(f"--seeds {arguments.seeds} fits no network: use 1 or more")
    if files and arguments.lazy is not None and not arguments.lazy >= 0:
        parser.error(f"--lazy {arguments.lazy} is negative or not a number: use 0 or more")
    if arguments.output:
        try:
            arguments.output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            parser.error(f"--output {arguments.output} cannot be created as a folder ({error})")
    return arguments


def arrays(data, fetch):
    """Load a public data set of arrays.

    Parameters
    ----------
    data : str
        Value of ``--data``, as described by `ARRAYS`.
    fetch : callable
        Fetcher of the data set in `skcnn.datasets`.

    Returns
    -------
    X_train, y_train, X_test, y_test : array
        Images and classes.
    """
    if data == "download":
        try:
            train, test = (fetch(subset=subset, return_X_y=True) for subset in ("train", "test"))
        except OSError as error:
            raise SystemExit(f"--data download: {error}") from error
        return *train, *test
    names = ("X_train", "y_train", "X_test", "y_test")
    try:
        with np.load(data) as file:
            loaded = [file[name] for name in names]
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, zlib.error) as error:
        raise SystemExit(
            f"--data {data} is not a .npz file with {', '.join(names)} ({error})"
        ) from error
    return _checked(data, *loaded)


def folders(data, *parts):
    """Load the paths and the classes of images in folders.

    Parameters
    ----------
    data : str or Path
        Value of ``--data``.
    *parts : str
        Sub-folders with one sub-folder for each class. Without any, the folder itself has these.

    Returns
    -------
    X, y, ... : array
        Paths and classes of each part, in order.
    """
    try:
        loaded = [load_image_folder(Path(data, part), return_X_y=True) for part in parts or ("",)]
    except (OSError, ValueError) as error:
        inside = f"the sub-folders {' and '.join(parts)}, each with " if parts else ""
        raise SystemExit(
            f"--data {data} should have {inside}one sub-folder for each class: {error}"
        ) from error
    return _checked(data, *(array for pair in loaded for array in pair))


def _checked(data, X, y, X_test=(), y_test=()):
    """Raise an error if the models cannot be compared on this data set."""
    for images, labels in ((X, y), (X_test, y_test)):
        if np.shape(labels) != (len(images),):
            raise SystemExit(
                f"--data {data} has labels of shape {np.shape(labels)} for {len(images)} images: "
                "each image needs one"
            )
    classes, n_images = np.unique(y, return_counts=True)
    if len(classes) < 2 or n_images.min() < MIN_IMAGES:
        counts = ", ".join(f"{n} of {name}" for name, n in zip(classes, n_images, strict=True))
        raise SystemExit(
            f"--data {data} needs two classes or more, and {MIN_IMAGES} training images of each: "
            f"it has {counts}"
        )
    if unknown := sorted(set(y_test) - set(classes)):
        raise SystemExit(
            f"--data {data} has test images, but no training images, of some classes: "
            f"{', '.join(map(str, unknown))}"
        )
    return (X, y, X_test, y_test) if len(X_test) else (X, y)


def chosen(words, *groups):
    """Select the models that ``--only`` asks for.

    Parameters
    ----------
    words : list of str or None
        Value of ``--only``.
    *groups : dict of {str: Pipeline}
        The models by name.

    Returns
    -------
    groups : list of dict
        The selected models of each group.
    """
    names = [name for group in groups for name in group]
    for word in words or ():
        if not any(word.lower() in name.lower() for name in names):
            raise SystemExit(f"--only {word} is not part of a model's name: {', '.join(names)}")
    return [
        {
            name: model
            for name, model in group.items()
            if words is None or any(word.lower() in name.lower() for word in words)
        }
        for group in groups
    ]


def seeded(model, seed):
    """Set every `random_state` of a pipeline."""
    states = [name for name in model.get_params() if name.endswith("random_state")]
    return model.set_params(**dict.fromkeys(states, seed))


def compare(models, X, y, X_test, y_test, *, seeds=1):
    """Fit models, score their predictions, and print a table; fit networks once for each seed.

    Parameters
    ----------
    models : dict of {str: Pipeline}
        Models to compare. A pipeline that ends in a network is fitted with each seed.
    X, y : array-like of length n_images
        Training images and classes.
    X_test, y_test : array-like of length n_test_images
        Test images and classes.
    seeds : int, default=1
        Number of fits of each network, with `random_state` 0, 1, ...

    Returns
    -------
    table : DataFrame
        One row for each model: means over the seeds, and the lowest and highest accuracy.
    predictions : dict of {str: array of shape (n_test_images,)}
        Predictions of each model, with the last seed.
    """
    rows, predictions = {}, {}
    for name, model in models.items():
        results = []
        for seed in range(seeds if isinstance(model[-1], CNNClassifier) else 1):
            seeded(model, seed)
            start = time.perf_counter()
            model.fit(X, y)
            fitted = time.perf_counter()
            predictions[name] = model.predict(X_test)
            predicted = time.perf_counter()
            results.append(
                {
                    "accuracy": accuracy_score(y_test, predictions[name]),
                    "balanced accuracy": balanced_accuracy_score(y_test, predictions[name]),
                    "macro F1": f1_score(y_test, predictions[name], average="macro"),
                    "fit seconds": fitted - start,
                    "predict seconds": predicted - fitted,
                }
            )
            print(f"{name}, seed {seed}: {results[-1]['accuracy']:.4f}", flush=True)
        results = pd.DataFrame(results)
        rows[name] = results.mean()
        rows[name]["lowest"], rows[name]["highest"] = results["accuracy"].agg(["min", "max"])
    table = pd.DataFrame(rows).T.rename_axis("model")
    seconds = {"fit seconds": "{:.1f}".format, "predict seconds": "{:.2f}".format}
    print("", table.to_string(float_format="{:.4f}".format, formatters=seconds), sep="\n")
    return table, predictions


def learning_curves(networks, X, y, validation=None):
    """Fit networks with validation images, and plot their history.

    Parameters
    ----------
    networks : dict of {str: Pipeline}
        Pipelines that end in a network.
    X, y : array-like of length n_images
        Training images and classes.
    validation : tuple of (X_val, y_val), default=None
        Validation images and classes. The default holds out a tenth of the training images.

    Returns
    -------
    figure : Figure
        Loss and accuracy of each network over the epochs.
    """
    if validation is None:
        X, X_val, y, y_val = train_test_split(X, y, test_size=0.1, stratify=y, random_state=0)
    else:
        X_val, y_val = validation
    figure, axes = plt.subplots(
        len(networks), 2, figsize=(10, 3 * len(networks)), squeeze=False, layout="constrained"
    )
    for (name, model), row in zip(networks.items(), axes, strict=True):
        *steps, cnn = (step for _, step in seeded(model, 0).steps)
        images, images_val = X, X_val
        for step in steps:
            images, images_val = step.fit_transform(images), step.transform(images_val)
        cnn.fit(images, y, X_val=images_val, y_val=y_val)
        history = pd.DataFrame(cnn.history_).set_index("epoch")
        for axis, what in zip(row, ("loss", "score"), strict=True):
            history[[f"train_{what}", f"valid_{what}"]].plot(ax=axis, title=name)
            axis.set_ylabel("accuracy" if what == "score" else what)
        last = history.iloc[-1]
        print(
            f"{name}, {len(y)} training and {len(y_val)} validation images: "
            f"loss {last['valid_loss']:.3f}, "
            f"accuracy {last['valid_score']:.4f} after {cnn.n_epochs_} epochs",
            flush=True,
        )
    return figure


def confusion_matrices(predictions, y_test):
    """Plot the confusion matrix of each model.

    Parameters
    ----------
    predictions : dict of {str: array of shape (n_test_images,)}
        Predictions of each model.
    y_test : array of shape (n_test_images,)
        True classes.

    Returns
    -------
    figure : Figure
        One matrix for each model; each row sums to 1.
    """
    figure, axes = plt.subplots(
        1, len(predictions), figsize=(5 * len(predictions), 5), squeeze=False, layout="constrained"
    )
    few = len(np.unique(y_test)) <= 10
    for (name, predicted), axis in zip(predictions.items(), axes[0], strict=True):
        ConfusionMatrixDisplay.from_predictions(
            y_test,
            predicted,
            normalize="true",
            values_format=".2f",
            include_values=few,
            xticks_rotation="vertical",
            colorbar=False,
            text_kw={"fontsize": 7},
            ax=axis,
        )
        axis.set_title(name)
    return figure


def save(folder, table, **figures):
    """Save the table and the figures in a folder, or show the figures if none is given."""
    if not folder:
        if plt.get_backend().lower() == "agg":
            print("the figures cannot be shown without a screen: --output DIR saves them")
        plt.show()
        return
    decimals = {column: 2 if "seconds" in column else 4 for column in table}
    table.round(decimals).to_csv(folder / "table.csv")
    for name, figure in figures.items():
        if figure is not None:
            figure.savefig(folder / f"{name}.png", dpi=150, bbox_inches="tight")
