"""The sections of a report about the test images: the worst mistakes, and the data."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.utils import _safe_indexing

from skcnn._html.page import Gallery, Paragraph, Photo, Section, Table
from skcnn._html.pictures import as_rgb, data_url
from skcnn.images import inspect_images
from skcnn.inspection._plotting import display_limits
from skcnn.inspection._predictions import Predictions
from skcnn.inspection._report_metrics import share
from skcnn.inspection.activation_maps import class_activation_map
from skcnn.pipeline_graph import pipeline_steps

if TYPE_CHECKING:
    from skcnn.inspection.model_report import ModelReport


def mistakes_section(report: ModelReport) -> Section | str:
    """Return the wrong predictions with the highest probabilities, and their activation maps."""
    predictions = report.predictions
    wrong = np.flatnonzero(predictions.true != predictions.predicted)
    if not len(wrong):
        return "Mistakes: there are none."
    if not report.n_mistakes:
        return "Mistakes: n_mistakes is 0."
    confidence = predictions.proba[wrong, predictions.predicted[wrong]]
    rows = wrong[np.argsort(-confidence, kind="stable")[: report.n_mistakes]]
    images = [np.asarray(report.images[int(row)]) for row in rows]
    limits = display_limits(images)
    maps, about_maps = activation_maps(report, rows)
    names = file_names(report.X_test, rows)
    pictures = [as_rgb(image, limits) for image in images]
    photos = [
        photo(predictions, row, f"Test image {row}{name}", picture, map_)
        for row, name, picture, map_ in zip(rows, names, pictures, maps, strict=True)
    ]
    shown = "all are shown" if len(rows) == len(wrong) else f"{len(rows)} are shown"
    text = (
        f"{len(wrong):,} of {len(predictions.true):,} predictions are wrong, and {shown}: those "
        f"with the highest probabilities of the predicted class first. {about_maps}"
    )
    return Section("mistakes", "Most confident mistakes", [Paragraph(text), Gallery(photos)])


def photo(
    predictions: Predictions, row: int, name: str, picture: NDArray[np.uint8], map_: Any
) -> Photo:
    """Return a test image with its activation map and its predictions.

    Parameters
    ----------
    predictions : Predictions
        Predictions.
    row : int
        Row of the image.
    name : str
        Name of the image.
    picture : uint8 array of shape (height, width, 3)
        Image to show.
    map_ : array of shape (original_height, original_width) or None
        Activation map of the predicted class.

    Returns
    -------
    photo : Photo
        The image.
    """
    classes, proba = predictions.classes.tolist(), predictions.proba[row]
    true, predicted = predictions.true[row], predictions.predicted[row]
    lines = [
        f"Predicted: {classes[predicted]} ({share(proba[predicted])})",
        f"True: {classes[true]} ({share(proba[true])})",
        name,
    ]
    sources = [(data_url(picture), f"{name}, of class {classes[true]}")]
    if map_ is not None and map_.max() > 0:
        alt = f"Activation map of class {classes[predicted]} for {name}"
        sources.append((data_url(overlay(picture, map_)), alt))
    elif map_ is not None:
        lines.append("The activation map is 0 everywhere")
    return Photo(sources, lines)


def activation_maps(report: ModelReport, rows: NDArray) -> tuple[list[Any], str]:
    """Return the activation maps of the predicted classes, and a sentence about them."""
    if not hasattr(pipeline_steps(report.estimator)[-1][1], "net_"):
        return [None] * len(rows), ""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            warnings.filterwarnings("ignore", "The maps of")  # 0 everywhere, which photos say
            maps = class_activation_map(report.estimator, _safe_indexing(report.X_test, rows))
    except (TypeError, ValueError) as error:
        return [None] * len(rows), f"There are no activation maps: {error}."
    remarks = "".join(f" {str(warning.message).rstrip('.')}." for warning in caught)
    return list(maps), (
        "The activation maps (Grad-CAM, Selvaraju et al. 2017) show where the network finds "
        "evidence for the predicted class, from dark to bright. Each map has its own scale."
        f"{remarks}"
    )


def file_names(X: Any, rows: NDArray) -> list[str]:
    """Return the names of files without their folders, as part of a sentence."""
    form, X = inspect_images(X)
    if form != "paths":
        return [""] * len(rows)
    return [f": {os.path.basename(os.fspath(X[row]))}" for row in rows]


def overlay(shown: NDArray[np.uint8], map_: NDArray) -> NDArray[np.uint8]:
    """Return an image in gray below a map in color.

    Parameters
    ----------
    shown : uint8 array of shape (height, width, 3)
        Image.
    map_ : array of shape (original_height, original_width)
        Activation map.

    Returns
    -------
    overlay : uint8 array of shape (height, width, 3)
        Image.
    """
    from matplotlib import colormaps

    size = shown.shape[1], shown.shape[0]
    positive = np.clip(np.asarray(map_, np.float32), 0, None)
    scaled = positive / (positive.max() or 1.0)
    scaled = np.asarray(Image.fromarray(scaled).resize(size, Image.Resampling.BILINEAR))
    color = colormaps["inferno"](scaled)[..., :3]
    gray = shown.mean(axis=2, keepdims=True) / 255
    return np.round(255 * (0.45 * gray + 0.55 * color)).astype(np.uint8)


def data_section(report: ModelReport) -> Section:
    """Return what the test data are, with their fingerprint."""
    data, predictions = report.fingerprint, report.predictions
    shapes = [" x ".join(map(str, shape)) for shape in data.shapes]
    if len(shapes) == 1:
        size = f"{shapes[0]} (height x width x channels)"
    else:
        smallest, largest = min(data.shapes), max(data.shapes)
        size = (
            f"{len(shapes)} different ones, from {' x '.join(map(str, smallest))} to "
            f"{' x '.join(map(str, largest))} (height x width x channels)"
        )
    rows = [
        ("Images", f"{data.n_images:,}"),
        ("Classes", f"{np.count_nonzero(predictions.counts)} of {len(predictions.classes)}"),
        ("Shape of an image", size),
        ("Dtype", ", ".join(data.dtypes)),
        ("Pixel values", f"{data.low:g} to {data.high:g}"),
        ("Repeated images", f"{data.n_repeated:,}"),
        ("SHA-256", data.sha256),
    ]
    text = (
        "The SHA-256 is that of the pixel values and labels of all images, in any order. It does "
        "not depend on the machine, on the dtype of equal values, nor on whether the images are in "
        "an array, in a list or in files that are decoded to the same pixels."
    )
    table = Table("The test data", ("Property", "Value"), rows)
    return Section("data", "Data", [table, Paragraph(text)])
