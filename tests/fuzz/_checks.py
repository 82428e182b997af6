"""What counts as a finding: the checks of every call and of its result."""

import linecache
import logging
import re
import threading
import time
import traceback
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import sklearn
import skorch
from _fingerprint import fingerprint, global_state
from sklearn.pipeline import Pipeline

import skcnn
from skcnn import LazyImages

# Errors that a sentence may have. Of these, only those raised on purpose are no findings.
EXPECTED = (ValueError, TypeError, OSError, NotImplementedError)
PACKAGES = {
    "skcnn": str(Path(skcnn.__file__).parent),
    "sklearn": str(Path(sklearn.__file__).parent),
    "joblib": str(Path(joblib.__file__).parent),
    "skorch callbacks": str(Path(skorch.callbacks.__file__).parent),
    "skorch": str(Path(skorch.__file__).parent),
    "fuzz": str(Path(__file__).parent),
}
READ_ONLY = ("predict", "score", "transform", "inverse_transform", "get_", "__sklearn")
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Finding:
    """One thing that went wrong in one call of a case."""

    kind: str
    error: str
    place: str
    message: str
    call: str

    @property
    def group(self):
        """Findings of one group have the same cause, most likely."""
        message = re.sub(r"0x[0-9a-f]+|'[^']*'|[-+]?\d[\d.e+-]*", "#", self.message)[:100]
        return self.kind, self.error, self.place, message


class _Log(logging.Handler):
    """Collect the log messages that a user would see."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.found = []
        self.emit = self.found.append

    @contextmanager
    def records(self):
        """Give the messages of the context."""
        self.found.clear()
        logging.getLogger().addHandler(self)
        try:
            yield self.found
        finally:
            logging.getLogger().removeHandler(self)


LOG = _Log()


class Failed:
    """Result of a call that raised an exception."""

    def __init__(self, error):
        self.error = error


class Checker:
    """Make calls, and collect what is wrong with them.

    Attributes
    ----------
    findings : list of Finding
        Findings of all calls.
    calls : list of str
        Every call and its result, in words.
    damaged : bool
        Whether a damaged file is read, of which Pillow and tifffile may warn.
    """

    def __init__(self):
        self.damaged = False
        self.findings = []
        self.calls = []

    def call(self, owner, function, /, *args, may_change=(), **kwargs):
        """Call a method of an estimator by its name, or a function if `owner` is None.

        Returns the result, or `Failed`. The arguments must not change. The owner may change only
        if the call succeeds, and never its parameters.
        """
        text = _describe_call(owner, function, args, kwargs)
        method = getattr(owner, function, None) if isinstance(function, str) else function
        if method is None:
            return Failed(AttributeError(function))
        arguments = fingerprint(args, kwargs)
        parameters = _parameters(owner)
        state = _state(owner)
        n_threads = threading.active_count()
        settings = global_state()
        with warnings.catch_warnings(record=True) as caught, LOG.records() as records:
            warnings.simplefilter("always")
            filters = list(warnings.filters)
            try:
                result = method(*args, **kwargs)
            except BaseException as error:
                result = Failed(error)
            if list(warnings.filters) != filters:
                self.report("changed global state", "warnings filters", call=text)
        failed = isinstance(result, Failed)
        self.calls.append(f"{text} -> {_short(result.error if failed else result)}")
        if failed:
            self._check_error(result.error, text)
        for warning in caught:
            self._check_warning(warning, text)
        for record in records:
            if not self.damaged:
                self.report("log message", record.name, record.getMessage(), call=text)
        if _more_threads_than(n_threads):
            self.report("threads left", _owner_name(owner), call=text)
        for name, value in global_state().items():
            if name not in may_change and value != settings[name]:
                self.report("changed global state", name, call=text)
        if fingerprint(args, kwargs) != arguments:
            self.report("changed input", _owner_name(owner), call=text)
        if owner is not None and function != "set_params":
            if _parameters(owner) != parameters:
                self.report("changed parameter", _owner_name(owner), call=text)
            fits_steps = isinstance(owner, Pipeline)  # one by one
            unchanging = (failed and not fits_steps) or str(function).startswith(READ_ONLY)
            if unchanging and _state(owner) != state:
                self.report("changed state", _owner_name(owner), call=text)
        return result

    def report(self, kind, place, message="", *, error="", call=None):
        """Add a finding."""
        call = self.calls[-1] if call is None and self.calls else call or ""
        self.findings.append(Finding(kind, error, place, message, call))

    def _check_error(self, error, call):
        if is_sentence(error):
            return
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{_short_path(frame.filename)}:{frame.name}"
        lines = "".join(traceback.format_exception(error))
        self.calls.append(lines)
        # the last function of the package says whose file it is
        own = [f for f in traceback.extract_tb(error.__traceback__) if _package(f) == "skcnn"]
        if own and own[-1] is not frame:
            place += f" (called by {_short_path(own[-1].filename)}:{own[-1].name})"
        self.report("exception", place, str(error), error=type(error).__name__, call=call)

    def _check_warning(self, warning, call):
        if warning.filename.startswith(PACKAGES["fuzz"]) and warning.category is RuntimeWarning:
            return  # of a function that a case passed
        own = PACKAGES["skcnn"], PACKAGES["fuzz"]
        if warning.filename.startswith(PACKAGES["sklearn"]):
            return
        if self.damaged and warning.category is UserWarning:
            return
        if issubclass(warning.category, UserWarning) and warning.filename.startswith(own):
            return
        place = f"{_short_path(warning.filename)}:{warning.lineno}"
        name = warning.category.__name__
        self.report("warning", place, str(warning.message), error=name, call=call)

    # --------------------------------------------------------------------------------------------
    # Results

    def check_rows(self, values, n_rows, what):
        """Check that a result has a row for every image, and is finite."""
        if isinstance(values, Failed):
            return False
        if len(values) != n_rows:
            self.report("wrong result", what, f"{len(values)} rows for {n_rows} images")
            return False
        values = np.asarray(values) if not isinstance(values, LazyImages) else None
        if values is not None and values.dtype.kind in "fc" and not np.isfinite(values).all():
            self.report("NaN or infinity", what)
            return False
        return True

    def check_equal(self, first, second, what, *, tolerance=TOLERANCE):
        """Check that two results agree."""
        if isinstance(first, Failed) or isinstance(second, Failed):
            if not (isinstance(first, Failed) and isinstance(second, Failed)):
                error = (first if isinstance(first, Failed) else second).error
                self.report("disagreement", what, f"one fails: {error}")
            return
        first, second = self.call(None, np.asarray, first), self.call(None, np.asarray, second)
        if isinstance(first, Failed) or isinstance(second, Failed):
            return
        if first.shape != second.shape:
            self.report("disagreement", what, f"shapes {first.shape} and {second.shape}")
        elif first.dtype.kind in "biufc":
            first, second = first.astype(float), second.astype(float)
            scale = max(1.0, abs(first).max(initial=0))
            difference = abs(first - second).max(initial=0)
            if not difference <= tolerance * scale:
                self.report("disagreement", what, f"by {difference}")
        elif not np.array_equal(first, second):
            self.report("disagreement", what)


def is_sentence(error):
    """Return whether an exception was raised on purpose: by this package or a library that checks.

    What scikit-learn's validation lets others raise counts as its own, and so do exceptions of
    callables that the case passed, callbacks of skorch included.
    """
    frames = traceback.extract_tb(error.__traceback__)
    packages = [name for name in map(_package, frames) if name]
    last = packages[-1] if packages else "fuzz"
    if isinstance(error, FuzzError) or "skorch callbacks" in packages:
        return True
    if isinstance(error, AttributeError) and last == "sklearn":  # a method of other parameters
        return True
    if last == "fuzz" or not isinstance(error, (*EXPECTED, IndexError)):
        return False
    if isinstance(error, OSError) and error.errno is not None:  # of the system, with the path
        return True
    if last == "sklearn":
        return isinstance(error, EXPECTED)
    line = linecache.getline(frames[-1].filename, frames[-1].lineno).strip()
    return _package(frames[-1]) in ("skcnn", "skorch", "joblib") and line.startswith("raise")


class FuzzError(Exception):
    """An exception that a callable of the fuzz script raises on purpose."""


def _package(frame):
    for name, folder in PACKAGES.items():
        if frame.filename.startswith(folder):
            return name
    return "sklearn" if frame.filename.startswith("sklearn/") else None  # compiled code


def _more_threads_than(number):
    """Return whether there are more threads, after those that are ending had time for it."""
    for _ in range(100):
        if threading.active_count() <= number:
            return False
        time.sleep(0.01)
    return True


def _state(owner):
    """Return a fingerprint of the attributes; a RandomState draws, as everywhere."""
    if owner is None:
        return None
    return fingerprint({k: v for k, v in vars(owner).items() if k != "random_state"})


def _parameters(owner):
    if not hasattr(owner, "get_params") or isinstance(owner, Pipeline):
        return None
    parameters = owner.get_params(deep=False)
    parameters.pop("random_state", None)
    return fingerprint(parameters)


def _short_path(path):
    return "/".join(Path(path).parts[-3:]) if "site-packages" in path else Path(path).name


def _owner_name(owner):
    return "function" if owner is None else type(owner).__name__


def _describe_call(owner, function, args, kwargs):
    name = function if isinstance(function, str) else getattr(function, "__name__", "function")
    where = "" if owner is None else f"{_short(owner, 300)}."
    given = [_short(item) for item in args]
    given += [f"{key}={_short(value)}" for key, value in kwargs.items()]
    return f"{where}{name}({', '.join(given)})"


def _short(item, length=120):
    """Return a short description of an object."""
    try:
        if isinstance(item, np.ndarray):
            values = re.sub(r"\s+", " ", np.array2string(item.ravel()[:6], separator=","))
            return f"{type(item).__name__}({item.dtype}, {item.shape}, {values}...)"
        text = re.sub(r"\d{30,}", "10...0", re.sub(r"\s+", " ", repr(item)))
    except Exception:
        return f"<{type(item).__name__}>"
    return text if len(text) <= length else text[: length - 3] + "..."
