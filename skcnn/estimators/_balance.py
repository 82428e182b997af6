"""Checks of the parameters that balance the classes of a classifier."""

from __future__ import annotations


def check_balance(classifier):
    """Raise an error if two parameters balance the classes.

    Parameters
    ----------
    classifier : ImageClassifier
        Classifier.

    Raises
    ------
    ValueError
        If two of `sampling`, `logit_adjustment` and ``class_weight="balanced"`` are set: each of
        them alone corrects all differences between the frequencies of the classes.
    """
    given = _balancing(classifier)
    if len(given) > 1:
        raise ValueError(
            f"{' and '.join(given)} each correct the frequencies of the classes, and together "
            "they would correct them twice, or the second would have no effect: use one of them"
        )


def check_balance_of_part(classifier):
    """Raise an error if a parameter needs the frequencies of the classes, in `partial_fit`.

    Parameters
    ----------
    classifier : ImageClassifier
        Classifier.

    Raises
    ------
    ValueError
        If `sampling`, `logit_adjustment` or ``class_weight="balanced"`` is set.
    """
    for given in _balancing(classifier):
        raise ValueError(
            f"partial_fit does not see all images, so {given} is not supported: give class_weight "
            "as a dict instead (sklearn.utils.compute_class_weight computes the weights)"
        )


def check_balance_of_labels(classifier):
    """Raise an error if a parameter balances classes, for an indicator matrix of labels.

    Parameters
    ----------
    classifier : ImageClassifier
        Classifier.

    Raises
    ------
    ValueError
        If `class_weight`, `sampling` or `logit_adjustment` is set: an image can have several
        labels.
    """
    for name in ("class_weight", "sampling", "logit_adjustment"):
        if getattr(classifier, name) not in (None, 0):
            raise ValueError(
                f"{name} is not supported for an indicator matrix of labels: use sample_weight "
                "instead"
            )


def _balancing(classifier):
    """Return the parameters that are set and correct the frequencies of the classes."""
    given = ['class_weight="balanced"'] if isinstance(classifier.class_weight, str) else []
    if classifier.sampling is not None:
        given.append(f'sampling="{classifier.sampling}"')
    if classifier.logit_adjustment:
        given.append(f"logit_adjustment={classifier.logit_adjustment:g}")
    return given
