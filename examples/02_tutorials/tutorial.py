"""What the tutorials share: their command line, the comparison of models, and two figures."""

import argparse
import time
from pathlib import Path

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

from skcnn import CNNClassifier

ARRAYS = (
    "'download' for the official files, which are kept in scikit-learn's data home, or a .npz file "
    "with X_train, y_train, X_test and y_test"
)


def command_line(description, data, *, files=False):
    """Read the options that all tutorials have.

    Parameters
    ----------
    description : str
        The docstring of the tutorial, whose lines the help shows.
    data : str
        What ``--data`` is, for the help.
    files : bool, default=False
        Whether the images are files, which ``--lazy`` reads batch by batch.

    Returns
    -------
    arguments : argparse.Namespace
        The options.
    """
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='It needs matplotlib and pandas: pip install "skcnn[plot]".',
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
        help="only the models whose names, as the table shows them, have one of these words",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="a folder for the table (table.csv) and the figures (.png), which are then not shown",
    )
    parser.add_argument(
        "--no-curves", action="store_true", help="leave out the fits that draw the learning curves"
    )
    if files:
        parser.add_argument(
            "--lazy",
            type=float,
            metavar="MB",
            help="read the photos batch by batch while the networks learn, and keep no more than "
            "so many megabytes of them in memory",
        )
    arguments = parser.parse_args()
    if arguments.seeds < 1:
        parser.error(f"--seeds {arguments.seeds} fits no network: give 1 or more")
    if arguments.output:
        arguments.output.mkdir(parents=True, exist_ok=True)  # fails before anything is fitted
    return arguments


def arrays(data, fetch):
    """Load a public set that consists of arrays.

    Parameters
    ----------
    data : str
        What `ARRAYS` says.
    fetch : callable
        The set's function in `skcnn.datasets`.

    Returns
    -------
    X_train, y_train, X_test, y_test : array
        Images and classes.
    """
    if data == "download":
        train, test = (fetch(subset=subset, return_X_y=True) for subset in ("train", "test"))
        return *train, *test
    names = ("X_train", "y_train", "X_test", "y_test")
    try:
        with np.load(data) as file:
            return tuple(file[name] for name in names)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SystemExit(
            f"--data {data} is no .npz file with {', '.join(names)} ({error})"
        ) from error


def chosen(models, words):
    """Keep the models that the command line asks for."""
    return {
        name: model
        for name, model in models.items()
        if words is None or any(word.lower() in name.lower() for word in words)
    }


def seeded(model, seed):
    """Set every `random_state` of a pipeline."""
    states = [name for name in model.get_params() if name.endswith("random_state")]
    return model.set_params(**dict.fromkeys(states, seed))


def compare(models, X, y, X_test, y_test, *, seeds=1):
    """Fit models, predict, and print a table; networks are fitted once for each seed.

    Parameters
    ----------
    models : dict of {str: Pipeline}
        What to compare. One that ends in a network is fitted with each seed as its `random_state`.
    X, y : array-like of length n_images
        What they learn from.
    X_test, y_test : array-like of length n_test_images
        What they are tested on.
    seeds : int, default=1
        How often each network is fitted.

    Returns
    -------
    table : DataFrame
        A row for each model: the means over the seeds, and the lowest and the highest accuracy.
    predictions : dict of {str: array of shape (n_test_images,)}
        What each model predicted, with its last seed.
    """
    if not models:
        raise SystemExit("no model has one of the words of --only in its name")
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
    """Fit networks with validation images beside the training images, and plot their history.

    Parameters
    ----------
    networks : dict of {str: Pipeline}
        Pipelines that end in a network.
    X, y : array-like of length n_images
        What they learn from.
    validation : tuple of (X_val, y_val), default=None
        What they are measured on after each epoch; by default a tenth of the images, which they do
        not learn from.

    Returns
    -------
    figure : Figure
        Loss and accuracy of each network.
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
            f"{name}, {len(y)} images and {len(y_val)} others: loss {last['valid_loss']:.3f}, "
            f"accuracy {last['valid_score']:.4f} after {cnn.n_epochs_} epochs",
            flush=True,
        )
    return figure


def confusion_matrices(predictions, y_test):
    """Plot what each model takes for what.

    Parameters
    ----------
    predictions : dict of {str: array of shape (n_test_images,)}
        What each model predicted.
    y_test : array of shape (n_test_images,)
        The right answers.

    Returns
    -------
    figure : Figure
        A matrix for each model; each row sums to 1.
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
    """Write the table and the figures into a folder, or show the figures if there is none."""
    if not folder:
        plt.show()
        return
    decimals = {column: 2 if "seconds" in column else 4 for column in table}
    table.round(decimals).to_csv(folder / "table.csv")
    for name, figure in figures.items():
        if figure is not None:
            figure.savefig(folder / f"{name}.png", dpi=150)
