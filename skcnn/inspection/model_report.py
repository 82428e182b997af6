"""ModelReport: a page about a fitted classifier and its predictions for test images."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from html import escape
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_parameter_constraints

from skcnn._html.page import Page, Section
from skcnn._plotting import import_jinja2, import_pandas, import_pyplot
from skcnn._validation import IMAGE_SHAPE
from skcnn.inspection._bootstrap import chance_calibration_errors, summarize
from skcnn.inspection._fingerprint import Fingerprint
from skcnn.inspection._predictions import Predictions, check_classifier, classifier_name
from skcnn.inspection._report_findings import findings, tiles
from skcnn.inspection._report_images import data_section, mistakes_section
from skcnn.inspection._report_metrics import (
    calibration_section,
    class_table,
    classes_section,
    confusion_section,
    metrics_section,
    roc_section,
)
from skcnn.inspection._report_model import (
    history_section,
    network_section,
    parameters_section,
    software_section,
)
from skcnn.inspection.classification import OPTIONS
from skcnn.original_images import original_images

_SECTIONS = (
    metrics_section,
    classes_section,
    confusion_section,
    mistakes_section,
    calibration_section,
    roc_section,
    history_section,
    network_section,
    parameters_section,
    data_section,
    software_section,
)


class ModelReport:
    """Report about a fitted classifier and its predictions for test images, as one HTML page.

    The page loads nothing from elsewhere. It has the metrics with confidence intervals, a table of
    the classes, the confusion matrix, ROC curves, the calibration, the most confident mistakes with
    activation maps, learning curves, the layers of the network, all parameters, the versions of the
    packages and a fingerprint of the data. It begins with a summary: the main numbers, warnings and
    notes. What a classifier does not have, such as learning curves of a decision tree, is left out.
    The page lists the sections that are left out.

    Parameters
    ----------
    estimator : classifier
        Fitted classifier with `predict_proba`, of this package or of scikit-learn, or a fitted
        pipeline or search that ends in one.
    X_test : images of shape (n_images, ...) or paths of shape (n_images,)
        Test images, in any form that the classifier takes.
    y_test : array-like of shape (n_images,)
        True labels.
    y_proba : array-like of shape (n_images, n_classes), default=None
        Return value of ``estimator.predict_proba(X_test)``, if it is known. The most probable class
        is then the predicted one. None calls `predict_proba`.

    title : str, default=None
        Title of the page. None uses the name of the classifier.
    image_shape : tuple of int, default=None
        Layout of flat rows, (height, width) or (height, width, n_channels). None uses the layout
        that the classifier knows.
    n_mistakes : int, default=12
        Number of wrong predictions that are shown.
    n_bootstraps : int, default=1000
        Number of resamples for the intervals, as in `classification_summary`.
    confidence_level : float, default=0.95
        Level of the intervals.
    n_bins : int, default=15
        Number of bins of the calibration error.
    random_state : int, RandomState instance or None, default=0
        Determines the resamples. The same data give the same intervals with an int.

    Attributes
    ----------
    summary : pandas.DataFrame of shape (8, 3)
        Metrics with intervals, as `classification_summary` returns them.
    class_table : pandas.DataFrame of shape (n_classes, 8)
        Numbers of images and of predictions, precision, recall with its interval, F1 and ROC AUC of
        each class.
    findings : list of tuples of (str, str)
        Kind, "warning" or "note", and text of the sentences at the beginning of the page.
    chance_error : float
        Upper limit of the calibration error of a perfectly calibrated classifier, at
        `confidence_level`.
    predictions : Predictions
        Classes and probabilities of the test images.
    fingerprint : Fingerprint
        Number, shapes, dtypes and range of the images, and the hash ``fingerprint.sha256`` of their
        pixels and labels.

    Raises
    ------
    ImportError
        If matplotlib, pandas or jinja2 is not installed.
    TypeError
        If the estimator is not a classifier, or has no `predict_proba`.
    ValueError
        If `y_test` is not one known label for each image, `y_proba` does not hold the probabilities
        of each image, or an option is out of range.

    See Also
    --------
    classification_summary : The metrics, with a description of their intervals.

    Notes
    -----
    The hash is the SHA-256 of the sorted hashes of all images and labels. The hash of an image and
    label is the SHA-256 of the hash of the image and the text ``"int 3"`` or ``"str cat"`` (type
    and value) of the label. That of an image is the SHA-256 of its shape as text, such as
    ``"8x8x1"``, and its values in row-major order: the letter B and one byte each if all are
    integers from 0 to 255, or else the letter d and little-endian float64. The hash is the same for
    images in another order, of another dtype or in files that are decoded to the same pixels.

    The page names the files of the mistakes, but not their folders. The values of all parameters
    are shown, paths among them.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import CNNClassifier
    >>> from skcnn.inspection import ModelReport
    >>> X, y = load_digits(return_X_y=True)
    >>> cnn = CNNClassifier(max_epochs=5, random_state=0).fit(X[:1000], y[:1000])
    >>> report = ModelReport(cnn, X[1000:], y[1000:], n_bootstraps=100)
    >>> report.findings[-1][0]
    'note'
    >>> page = report.to_html()  # report.to_html("report.html") writes a file
    >>> page.startswith("<!DOCTYPE html>")
    True
    """

    summary: Any
    class_table: Any
    findings: list[tuple[str, str]]
    chance_error: float
    predictions: Predictions
    fingerprint: Fingerprint

    def __init__(
        self,
        estimator: Any,
        X_test: Any,
        y_test: Any,
        *,
        y_proba: Any = None,
        title: str | None = None,
        image_shape: tuple[int, ...] | None = None,
        n_mistakes: int = 12,
        n_bootstraps: int = 1000,
        confidence_level: float = 0.95,
        n_bins: int = 15,
        random_state: Any = 0,
    ):
        self.estimator = estimator
        self.X_test = X_test
        self.title = title
        self.n_mistakes = n_mistakes
        self.n_bootstraps = n_bootstraps
        self.confidence_level = confidence_level
        self.n_bins = n_bins
        self.random_state = random_state
        self._check_options(image_shape)
        check_classifier(estimator, type(self).__name__)
        self.images = original_images(X_test, estimator, image_shape)
        self.predictions = Predictions.of_estimator(
            estimator, X_test, y_test, proba=y_proba, caller=type(self).__name__, name="y_test"
        )
        random = check_random_state(random_state)
        options = n_bootstraps, confidence_level, n_bins, random
        self.summary = summarize(self.predictions, *options)
        chance = chance_calibration_errors(self.predictions, n_bins, n_bootstraps, random)
        self.chance_error = float(np.quantile(chance, confidence_level))
        self.class_table = class_table(self.predictions, confidence_level)
        labels = self.predictions.classes[self.predictions.true]
        self.fingerprint = Fingerprint.of(self.images, labels)
        self.findings = findings(self)
        self.created = datetime.now(UTC)

    def _check_options(self, image_shape):
        import_pandas()
        import_pyplot()
        import_jinja2()
        given = {name: getattr(self, name) for name in (*OPTIONS, "title", "n_mistakes")}
        validate_parameter_constraints(
            {
                **OPTIONS,
                "title": [str, None],
                "image_shape": [IMAGE_SHAPE, None],
                "n_mistakes": [Interval(Integral, 0, None, closed="left")],
            },
            {**given, "image_shape": image_shape},
            caller_name=type(self).__name__,
        )

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str | None:
        """Write the page.

        Parameters
        ----------
        path : str or path-like, default=None
            File to write. None returns the page instead.

        Returns
        -------
        page : str or None
            The page, if there is no path.
        """
        html = self._page().render()
        if path is None:
            return html
        Path(path).write_text(html, encoding="utf-8", errors="backslashreplace")
        return None

    def _page(self) -> Page:
        parts = [section(self) for section in _SECTIONS]
        name = classifier_name(self.estimator)
        date = f"{self.created:%Y-%m-%d %H:%M} UTC"
        return Page(
            title=self.title or f"Model report: {name}",
            subtitle=(name, f"{self.fingerprint.n_images:,} test images", date),
            tiles=tiles(self),
            findings=self.findings,
            sections=[part for part in parts if isinstance(part, Section)],
            omitted=[part for part in parts if isinstance(part, str)],
            footer=f"Made on {date} by skcnn.inspection.ModelReport.",
        )

    def _repr_html_(self) -> str:
        """Return the page in a frame, for notebooks."""
        page = escape(self.to_html() or "")
        return (
            f'<iframe srcdoc="{page}" title="Model report" sandbox="allow-same-origin" '
            'style="width: 100%; height: 40rem; border: 1px solid gray"></iframe>'
        )
