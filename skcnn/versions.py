"""Versions of the packages that a saved model depends on, and a warning when they differ."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy
import sklearn
import torch
from sklearn.exceptions import InconsistentVersionWarning

_OWN = "skcnn"


class SavedVersionWarning(InconsistentVersionWarning):
    """Warning about a model that was saved with another version of this package.

    Parameters
    ----------
    name : str
        Name of the model.
    saved, current : dict of {str: str}
        Versions by package, of the file and of this process.
    """

    def __init__(self, name: str, saved: dict[str, str], current: dict[str, str]) -> None:
        super().__init__(
            estimator_name=name,
            current_sklearn_version=current.get("scikit-learn"),
            original_sklearn_version=saved.get("scikit-learn"),
        )
        self.saved = saved
        self.current = current

    def __str__(self) -> str:
        differences = [
            f"{package} {version}, now {self.current.get(package, 'unknown')}"
            for package, version in self.saved.items()
            if version != self.current.get(package)
        ]
        return (
            f"{self.estimator_name} was saved with {' and '.join(differences)}: its predictions "
            "can differ, so compare some of them with those before saving, or install the versions "
            "of the file"
        )


def versions() -> dict[str, str]:
    """Return the versions of this package and of those that its models are computed with.

    Returns
    -------
    versions : dict of {str: str}
        Versions by the name of the package, this one first.

    Examples
    --------
    >>> from skcnn.versions import versions
    >>> list(versions())
    ['skcnn', 'torch', 'numpy', 'scikit-learn']
    """
    return {
        _OWN: sys.modules[_OWN].__version__,
        "torch": str(torch.__version__),
        "numpy": numpy.__version__,
        "scikit-learn": sklearn.__version__,
    }


def warn_about_versions(saved: Any, name: str) -> None:
    """Warn if a model was saved with another version of this package.

    The versions of the other packages are part of the message, but do not cause a warning, because
    a file contains only arrays and plain data of them. scikit-learn warns about its own estimators.

    Parameters
    ----------
    saved : dict of {str: str}
        Return value of `versions` when the model was saved.
    name : str
        Name of the model in the warning.

    Raises
    ------
    ValueError
        If `saved` is not a dict of texts with the version of this package.
    """
    is_dict = isinstance(saved, dict) and all(isinstance(text, str) for text in saved.values())
    if not is_dict or _OWN not in saved:
        raise ValueError(
            f"the saved {name} is damaged, or was not saved by this package: it does not contain "
            "the versions that it was saved with"
        )
    current = versions()
    if saved[_OWN] != current[_OWN]:
        warnings.warn(SavedVersionWarning(name, saved, current), stacklevel=3)
