"""check_images: find what is wrong with a set of images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.callback import FitCallback
from sklearn.utils._param_validation import HasMethods, Interval, validate_params

from skcnn._plotting import import_pandas
from skcnn._validation import IMAGE_SHAPE, N_JOBS
from skcnn.pixels import check_pixel_range
from skcnn.quality._duplicate_pairs import match
from skcnn.quality._image_set import ImageSet, as_image_set, set_pixel_ranges
from skcnn.quality._issues import Findings, Issue
from skcnn.quality._labels import check_labels, class_issues, unlike_class_issues
from skcnn.quality._pictures import picture_issues
from skcnn.quality._repeats import repeat_issues, to_original_rows
from skcnn.quality._scan import ImageCheck
from skcnn.quality._wrong_labels import wrong_label_issues
from skcnn.quality.duplicates import THRESHOLD, pair_frame
from skcnn.quality.report import QualityReport

_FRACTION = [Interval(Real, 0, 1, closed="both")]
_POSITIVE = [Interval(Real, 0, None, closed="left")]


@validate_params(
    {
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        "image_shape": [IMAGE_SHAPE, None],
        "pixel_range": [tuple, list, None],
        "near_blank": _FRACTION,
        "dark": _FRACTION,
        "light": _FRACTION,
        "blurred": _FRACTION,
        "low_information": _POSITIVE,
        "odd_size": _POSITIVE,
        "odd_aspect_ratio": _FRACTION,
        "near_duplicate": [Interval(Real, 0, 1, closed="right")],
        "min_copies": [Interval(Integral, 2, None, closed="left")],
        "unlike_class": _POSITIVE,
        "rare_class": [Interval(Integral, 0, None, closed="left")],
        "callbacks": [list, tuple, None],
        "n_jobs": N_JOBS,
    },
    prefer_skip_nested_validation=True,
)
def check_images(
    X: Any,
    y: Any = None,
    X_test: Any = None,
    y_test: Any = None,
    *,
    estimator: Any = None,
    image_shape: tuple[int, ...] | None = None,
    pixel_range: tuple[float, float] | None = None,
    near_blank: float = 0.05,
    dark: float = 0.32,
    light: float = 0.85,
    blurred: float = 0.5,
    low_information: float = 3.0,
    odd_size: float = 3.0,
    odd_aspect_ratio: float = 0.35,
    near_duplicate: float = THRESHOLD,
    min_copies: int = 5,
    unlike_class: float = 5.0,
    rare_class: int = 20,
    callbacks: Sequence[Any] | None = None,
    n_jobs: int | str | None = "auto",
) -> QualityReport:
    """Find what is wrong with images: damaged files, unusual pictures, copies, and classes.

    Every image is read once, and only a few statistics of it are kept, so that the memory does not
    depend on the size of the files. Nothing is removed: the report names rows and reasons.

    Parameters
    ----------
    X : images of shape (n_images, ...), paths of shape (n_images,), str or path-like
        Images in any form: array, flat rows, images of different sizes, `LazyImages`, paths, or a
        folder. The images of a folder are those that `load_image_folder` finds with
        ``shuffle=False``, and all its other files are reported.
    y : array-like of shape (n_images,), default=None
        Labels of classes. For a folder, they are the names of its sub-folders.
    X_test : images of shape (n_test_images, ...), paths, str or path-like, default=None
        Test images, which are checked as well.
    y_test : array-like of shape (n_test_images,), default=None
        Labels of the test images.
    estimator : classifier, Pipeline or search, default=None
        Classifier with `predict_proba` that takes `X`, for paths and folders with an `ImageReader`.
        If there is one, `find_label_issues` trains clones of it on five folds of the images that
        can be used, and labels that are probably wrong are issues. None does not look for them.
    image_shape : tuple of int, default=None
        Layout of flat rows, (height, width) or (height, width, n_channels). None takes a square
        number of features for a gray square.
    pixel_range : tuple of (float, float), default=None
        Pixel values that are black and white. None uses the limits of uint8 and uint16, and for
        other dtypes (0, 1), (-1, 1), (0, 255), or the minimum and the maximum of the images, for
        which they are read twice. If the ranges of `X` and `X_test` differ, the report has a note.
    near_blank : float, default=0.05
        An image is near-blank if the 1st and the 99th percentile of each channel differ by less
        than this fraction of the pixel range. Noise of a camera spans about 0.03.
    dark : float, default=0.32
        An image is dark if its 95th percentile of the brightness is below this fraction. The value
        is that of CleanVision [1]_, which compares the 99th percentile and misses dark photos with
        a lamp.
    light : float, default=0.85
        An image is light if its 5th percentile of the brightness is above this fraction.
        CleanVision uses 0.95. The highest value of 300 untouched photos was 0.55.
    blurred : float, default=0.5
        An image is blurred if differences between neighboring pixels keep more than this fraction
        of their squares when a filter blurs it again, which is the idea of [2]_. The image is
        first reduced to 128 pixels along the longer side, so that only blur counts that a network
        sees. 300 untouched photos had at most 0.36, and 99 % of blurred ones more than 0.55.
    low_information : float, default=3.0
        An image has low information if the entropy of its gray levels is below this number of bits,
        and below half of the median of all images. The value is that of CleanVision.
    odd_size : float, default=3.0
        A size is odd if its logarithm is more than this number of interquartile ranges outside of
        the quartiles: the outer fences of [3]_. Sizes within a factor of 2 are never odd.
    odd_aspect_ratio : float, default=0.35
        An aspect ratio, the shorter side divided by the longer one, is odd if it is smaller. The
        value is that of CleanVision.
    near_duplicate : float, default=0.9
        Smallest similarity of near duplicates, as for `find_duplicates`.
    min_copies : int, default=5
        Number of equal images from which they are placeholders, such as "no image available". Our
        choice.
    unlike_class : float, default=5.0
        An image is unlike its class if its distance from the median of the class is more than this
        number of interquartile ranges above the upper quartile of all distances. The features are
        the mean color, the contrast, and the statistics above, so that only very different images
        are found, such as drawings among photos. Only classes of at least 20 images are checked,
        and images without another issue of the picture. Our choice: it finds 50 of 50 placeholders
        in each of five classes of photos, and 0, 0, 0, 1.3 and 3.7 % of the photos.
    rare_class : int, default=20
        A class is rare if it has fewer images in a set: the 95 % interval of a recall of 0.5 is
        then more than 0.4 wide.
    callbacks : sequence of callbacks of scikit-learn, default=None
        Such as ``[sklearn.callback.ProgressBar()]``, which shows the progress.
    n_jobs : int, "auto" or None, default="auto"
        Number of threads. "auto" means all CPU cores, or one in a worker process of a parallel
        computation. None means 1 unless in a `joblib.parallel_config` context, and -1 means all CPU
        cores.

    Returns
    -------
    report : QualityReport
        Issues, summary, and a mask of the images to keep.

    Raises
    ------
    FileNotFoundError
        If `X` is a path, but not of a folder.
    ImportError
        If pandas is not installed.
    TypeError
        If `X` does not hold images or paths.
    ValueError
        If a parameter is not valid, there are no images, or not one label for each.

    Warns
    -----
    UserWarning
        If `estimator` cannot be trained on the images. The report has all other issues.

    See Also
    --------
    find_duplicates : Only the duplicates.
    find_label_issues : Labels that are probably wrong, by means of a classifier.
    skcnn.ImageReader.find_errors : Only files that cannot be read.

    Notes
    -----
    If more than half of all images are dark, light, blurred, of low information, of an odd aspect
    ratio or almost equal to another one, this is a property of the data and not an issue: the
    report has a note instead.

    The kinds of issues are: "unreadable", "truncated", "misnamed", "litter" (files that are no
    images, and those of operating systems), "not_loaded" (images that `load_image_folder` leaves
    out), "multi_frame", "blank", "near_blank", "dark", "light", "blurred", "low_information",
    "odd_size", "odd_aspect_ratio", "odd_mode" (gray among color or the reverse), "placeholder",
    "unlike_class", "exact_duplicate", "near_duplicate", "leak", "near_leak", "conflicting_labels",
    "wrong_label", "no_label", "rare_class" and "empty_class". A leak is a training image that is a
    copy of a test image.

    References
    ----------
    .. [1] CleanVision 0.3.7, https://github.com/cleanlab/cleanvision
    .. [2] F. Crete, T. Dolmiere, P. Ladret and M. Nicolas, "The blur effect: perception and
       estimation with a new no-reference perceptual blur metric", Human Vision and Electronic
       Imaging XII, 2007.
    .. [3] J. W. Tukey, "Exploratory Data Analysis", 1977.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn.quality import check_images
    >>> X, y = load_digits(return_X_y=True)
    >>> X, y, X_test, y_test = X[:500], y[:500], X[1500:1600], y[1500:1600]
    >>> X[7], X[18], X[9] = 0, X[8], X_test[7]  # a blank image, a copy and a leak
    >>> report = check_images(X, y, X_test, y_test, rare_class=5)
    >>> report.issues_[["set", "index", "kind"]]
         set  index             kind
    0  train      7            blank
    1  train     18  exact_duplicate
    2  train      9             leak
    >>> X, y = X[report.keep_], y[report.keep_]
    """
    import_pandas()
    limits = {
        "near_blank": near_blank,
        "dark": dark,
        "light": light,
        "blurred": blurred,
        "low_information": low_information,
        "odd_size": odd_size,
        "odd_aspect_ratio": odd_aspect_ratio,
    }
    if estimator is not None and y is None and not isinstance(X, (str, os.PathLike)):
        raise ValueError("estimator was passed without labels: pass y, or leave estimator out")
    if pixel_range is not None:
        pixel_range = check_pixel_range(pixel_range)
    _check_callbacks(callbacks)
    sets = _as_sets(X, y, X_test, y_test, image_shape)
    if pixel_range is None:
        set_pixel_ranges(sets)
    else:
        for one in sets:
            one.pixel_range = pixel_range
    check = ImageCheck(n_jobs).set_callbacks(*(callbacks or ()))
    scans = check.fit(sets).scans_
    of_pictures, notes = picture_issues(scans, limits)
    of_classes, counts = class_issues(sets, rare_class)
    known = {(one.set, one.index) for one in of_pictures}
    unlike = unlike_class_issues(scans, sets, unlike_class)
    of_pictures += [one for one in unlike if (one.set, one.index) not in known]
    pairs = _find_pairs(scans, near_duplicate, n_jobs)
    of_repeats, about_repeats = repeat_issues(pairs, sets, min_copies, near_duplicate)
    placeholders = {(one.set, one.index) for one in of_repeats if one.kind == "placeholder"}
    of_pictures = [one for one in of_pictures if (one.set, one.index) not in placeholders]
    issues = [*_file_issues(sets, scans), *of_pictures, *of_repeats, *of_classes]
    notes += [*about_repeats, *_range_notes(sets)]
    if estimator is not None:
        given = X if sets[0].paths is None else np.array(sets[0].paths, dtype=object)
        of_labels, about_labels = wrong_label_issues(estimator, given, sets[0], issues)
        issues, notes = issues + of_labels, notes + about_labels
    return QualityReport(Findings(sets, issues, counts, pair_frame(pairs), notes))


def _as_sets(X, y, X_test, y_test, image_shape) -> list[ImageSet]:
    """Return the training set, and the test set if there is one."""
    if X_test is None and y_test is not None:
        raise ValueError("y_test was passed without X_test: pass both, or neither")
    sets = []
    for name, images, label_name, labels in (
        ("X", X, "y", y),
        ("X_test", X_test, "y_test", y_test),
    ):
        if name == "X_test" and images is None:
            continue
        found = as_image_set(images, check_labels(labels, label_name), name, image_shape)
        if found.labels is not None and len(found.labels) != len(found):
            raise ValueError(
                f"{label_name} has {len(found.labels)} labels, but {name} has {len(found)} images: "
                "pass one label for each image"
            )
        sets.append(found)
    return sets


def _find_pairs(scans, threshold, n_jobs):
    """Return the pairs of equal and of almost equal images, without blank ones."""
    rows = [np.flatnonzero(scan.facts["readable"] & ~scan.facts["constant"]) for scan in scans]
    described = [scan.descriptors[one] for scan, one in zip(scans, rows, strict=True)]
    return to_original_rows(match(*described, threshold=threshold, n_jobs=n_jobs), rows)


def _range_notes(sets):
    """Return a sentence if the pixel values of the two sets have different ranges."""
    ranges = [one.pixel_range for one in sets]
    if ranges[0] == ranges[-1]:
        return []
    texts = [f"{low:g} to {high:g}" for low, high in ranges]
    return [
        f"pixel values: {texts[0]} in the training images, but {texts[1]} in the test images: "
        "scale them alike before a classifier gets them"
    ]


def _file_issues(sets, scans) -> list[Issue]:
    """Return the issues of files, among them those that are no image of a set."""
    issues = [
        Issue(number, row, kind, value, np.nan, detail)
        for number, scan in enumerate(scans)
        for row, kind, value, detail in scan.problems
    ]
    issues += [
        Issue(number, None, kind, detail=detail, path=path)
        for number, images in enumerate(sets)
        for kind, path, detail in images.others
    ]
    return issues


def _check_callbacks(callbacks):
    """Raise an error if an object is not a callback of scikit-learn."""
    for callback in callbacks or ():
        if isinstance(callback, type) or not isinstance(callback, FitCallback):
            name = getattr(callback, "__name__", type(callback).__name__)
            raise TypeError(
                f"callbacks holds {name}, which is not an instance of a callback of scikit-learn: "
                "pass instances, such as [sklearn.callback.ProgressBar()]"
            )
