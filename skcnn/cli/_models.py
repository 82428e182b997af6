"""Model files, and predictions of a model batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from skcnn.cli._arguments import UsageError
from skcnn.cli._images import in_batches
from skcnn.cli._output import require
from skcnn.replaced_file import replaced_file

SUFFIXES = (".skops", ".joblib")
_FOLDERS = ("memory", "memmap_folder")  # parameters of ImageEmbedder
_MAX_RATIO = 20  # of compression, which weights do not reach
_MAX_UNCHECKED = 2**26  # bytes


def save_model(model: Any, path: Path) -> None:
    """Write a fitted pipeline to a file, which is complete or not there.

    Parameters
    ----------
    model : Pipeline
        Fitted pipeline.
    path : Path
        File that ends in .skops, or in .joblib for a pickle.
    """
    with replaced_file(path) as temporary:
        if path.suffix.lower() == ".skops":
            import skops.io

            skops.io.dump(model, temporary)
        else:
            import joblib

            joblib.dump(model, temporary)


def load_model(args: Any) -> Any:
    """Load the model of a command, which takes paths of images.

    Parameters
    ----------
    args : argparse.Namespace
        Arguments of the command: `model`, `trust_pickle`, and `device` if it predicts.

    Returns
    -------
    model : estimator
        Fitted pipeline, or search, whose first step is an `ImageReader`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    UsageError
        If the file is a pickle, and `trust_pickle` is not set.
    ValueError
        If the file is damaged, contains types that are not trusted, or a model of another kind.
    """
    path = args.model
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise FileNotFoundError(f"the model file {str(path)!r} {what}")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"the model file {str(path)!r} ends in neither .skops nor .joblib")
    if suffix == ".joblib" and not args.trust_pickle:
        raise UsageError(
            f"{str(path)!r} is a pickle, which can run any code: if you trust its author, add "
            "--trust-pickle"
        )
    model = _load_skops(path) if suffix == ".skops" else _load_joblib(path)
    _check_takes_paths(model, path)
    reader_of(model).set_params(root=None)  # paths of a command start from the working folder
    _use_no_folders(model)
    if "device" in args:
        _set_device(model, args.device)
    return model


def _load_skops(path):
    require("skops", what="reading .skops files")
    import skops.io

    from skcnn.export import trusted_types

    trusted = trusted_types()
    _check_contents(path)
    try:
        unknown = set(skops.io.get_untrusted_types(file=path)) - set(trusted)
    except Exception as error:  # of many types, for a file that is not one of skops
        raise ValueError(f"{str(path)!r} is damaged or not a file of skops: {error}") from error
    if unknown:
        raise ValueError(
            f"{str(path)!r} contains types that are not trusted: {', '.join(sorted(unknown))}. "
            "Load it in Python with skops.io.load if you trust them"
        )
    return skops.io.load(path, trusted=trusted)


def _check_contents(path):
    """Raise an error if a small archive has contents that would fill the memory."""
    try:
        with ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (BadZipFile, ValueError) as error:
        raise ValueError(f"{str(path)!r} is damaged or not a file of skops: {error}") from error
    if size > max(_MAX_RATIO * path.stat().st_size, _MAX_UNCHECKED):
        raise ValueError(
            f"{str(path)!r} is not loaded, because its contents are {size:,} bytes, more than "
            f"{_MAX_RATIO} times as many as the file has: save the model again"
        )


def _load_joblib(path):
    import joblib

    try:
        return joblib.load(path)
    except (ImportError, MemoryError, OSError):
        raise
    except Exception as error:  # of many types, for files of other kinds
        reason = str(error) or type(error).__name__
        raise ValueError(f"{str(path)!r} is damaged or not a file of joblib: {reason}") from error


def _check_takes_paths(model, path):
    """Raise an error unless a model is fitted and its first step is an ImageReader."""
    from sklearn.utils.validation import check_is_fitted

    from skcnn import ImageReader
    from skcnn.pipeline_graph import pipeline_steps

    if not hasattr(model, "predict"):
        raise ValueError(f"{str(path)!r} contains a {type(model).__name__}, which does not predict")
    check_is_fitted(model)
    first = pipeline_steps(model)[0][1]
    if not isinstance(first, ImageReader):
        raise ValueError(
            f"the model in {str(path)!r} takes arrays, because its first step is "
            f"{type(first).__name__}: the command line needs a pipeline that takes paths, whose "
            "first step is ImageReader()"
        )


def _use_no_folders(model):
    """Compute features without a cache, which is a folder of pickles that a file can name."""
    from skcnn.pipeline_graph import pipeline_steps

    for _, step in pipeline_steps(model):
        names = [name for name in step.get_params() if name.rpartition("__")[2] in _FOLDERS]
        step.set_params(**dict.fromkeys(names))


def _set_device(model, device):
    from skcnn.pipeline_graph import pipeline_steps
    from skcnn.training.device import resolve_device

    resolve_device(device)  # raises an error if it is not available
    for _, step in pipeline_steps(model):
        if "device" in step.get_params(deep=False):
            step.set_params(device=device)


def classes_of(model: Any) -> list | None:
    """Return the classes of a model that gives probabilities.

    Parameters
    ----------
    model : estimator
        Model that `load_model` returned.

    Returns
    -------
    classes : list or None
        Classes, None for a model without probabilities.

    Raises
    ------
    ValueError
        If the model predicts several labels for each image.
    """
    from skcnn.pipeline_graph import pipeline_steps

    if not hasattr(model, "predict_proba"):
        return None
    _, final = pipeline_steps(model)[-1]
    if isinstance(model.classes_, list) or getattr(final, "target_type_", "") == "multilabel":
        raise ValueError(
            "the model predicts several labels for each image, for which the command line has no "
            "format: use predict and predict_proba in Python"
        )
    return model.classes_.tolist()


def reader_of(model: Any) -> Any:
    """Return the ImageReader that a model begins with.

    Parameters
    ----------
    model : estimator
        Model that `load_model` returned.

    Returns
    -------
    reader : ImageReader
        Its first step.
    """
    from skcnn.pipeline_graph import pipeline_steps

    return pipeline_steps(model)[0][1]


@dataclass(frozen=True)
class Batch:
    """Predictions of some images.

    Parameters
    ----------
    paths : list of str
        Images.
    errors : list of str
        Why an image cannot be read, "" for those that were predicted.
    values : array of length n_readable, or None
        What the model predicts for the images that can be read: probabilities of a classifier that
        has them, labels or numbers of others. None if no image can be read.
    predicted : int array of length n_readable, or None
        Number of the class that `predict` returns for each of these images. None for a model
        without probabilities, or if no image can be read.
    """

    paths: list[str]
    errors: list[str]
    values: Any
    predicted: Any = None


def predict_batches(model: Any, paths: Iterable[str], batch_size: int) -> Iterator[Batch]:
    """Predict images batch by batch, so that memory does not depend on their number.

    Parameters
    ----------
    model : estimator
        Model that takes paths.
    paths : iterable of str
        Images.
    batch_size : int
        Number of images of a batch.

    Yields
    ------
    batch : Batch
        Predictions.
    """
    predict = _predictor(model)
    for batch in in_batches(paths, batch_size):
        errors, readable = [""] * len(batch), batch
        try:
            values, predicted = predict(batch)
        except (OSError, ValueError):
            errors = reader_of(model).find_errors(batch, decode=True).tolist()
            readable = [path for path, error in zip(batch, errors, strict=True) if not error]
            if len(readable) == len(batch):  # the error is not about a file
                raise
            values, predicted = predict(readable) if readable else (None, None)
        yield Batch(batch, errors, values, predicted)


def predicts_most_probable(model: Any) -> bool:
    """Return whether `predict` of a classifier always returns its most probable class.

    Networks do. `FixedThresholdClassifier` and `SVC(probability=True)`, for example, do not.

    Parameters
    ----------
    model : estimator
        Classifier with probabilities that `load_model` returned.

    Returns
    -------
    result : bool
        Whether it is known that it does.
    """
    from skcnn.pipeline_graph import pipeline_steps

    return hasattr(pipeline_steps(model)[-1][1], "net_")


def _predictor(model):
    """Return a function that returns values and class numbers, as `Batch` has them."""
    import numpy as np

    if not hasattr(model, "predict_proba"):
        return lambda paths: (model.predict(paths), None)
    if predicts_most_probable(model):
        return lambda paths: (proba := model.predict_proba(paths), proba.argmax(axis=1))
    numbers = {label: number for number, label in enumerate(model.classes_.tolist())}

    def predict(paths):
        labels = model.predict(paths).tolist()
        return model.predict_proba(paths), np.array([numbers[label] for label in labels])

    return predict
