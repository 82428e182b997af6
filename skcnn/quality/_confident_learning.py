"""Confident learning: which labels disagree with out-of-fold probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_N_STEPS = 10  # of expectation-maximization; the ranking changes little after five
_LEAST = 1e-9  # probability instead of 0


def confident_joint(labels: NDArray[np.integer], proba: NDArray) -> NDArray[np.floating]:
    """Estimate the joint distribution of given labels and true labels.

    Parameters
    ----------
    labels : int array of shape (n_samples,)
        Position of the given label of each sample among the classes.
    proba : array of shape (n_samples, n_classes)
        Out-of-fold probabilities of the classes.

    Returns
    -------
    joint : float array of shape (n_classes, n_classes)
        Estimated probability of each given label (row) together with each true label (column).
    """
    n_samples, n_classes = proba.shape
    counts = np.bincount(labels, minlength=n_classes)
    own = proba[np.arange(n_samples), labels]
    # A class is likely for a sample if its probability is at least the mean one of its own samples.
    thresholds = np.bincount(labels, own, n_classes) / np.maximum(1, counts)
    thresholds[counts == 0] = np.inf
    likely = np.where(proba >= thresholds - 1e-6, proba, -1.0)
    confident = likely.max(axis=1) >= 0
    joint = np.zeros((n_classes, n_classes))
    np.add.at(joint, (labels[confident], likely.argmax(axis=1)[confident]), 1)
    empty = joint.sum(axis=1) == 0
    joint[empty, empty] = 1  # no confident sample: the label is taken as true
    joint *= (counts / joint.sum(axis=1))[:, np.newaxis]
    return joint / n_samples


def find_wrong_labels(
    labels: NDArray[np.integer], proba: NDArray, joint: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Find labels that are probably wrong: "prune by noise rate" of Northcutt et al.

    Of the samples with given label i, those with the largest difference between the probabilities
    of j and of i are taken, as many as the joint distribution says to be of class j.

    Parameters
    ----------
    labels : int array of shape (n_samples,)
        Position of the given label of each sample among the classes.
    proba : array of shape (n_samples, n_classes)
        Out-of-fold probabilities of the classes.
    joint : array of shape (n_classes, n_classes)
        Joint distribution, as `confident_joint` returns it.

    Returns
    -------
    wrong : bool array of shape (n_samples,)
        Whether each label is probably wrong. The class with the largest probability never is.
    """
    n_samples, n_classes = proba.shape
    wrong = np.zeros(n_samples, dtype=bool)
    n_wrong = np.rint(joint * n_samples).astype(int)
    for given in range(n_classes):
        rows = np.flatnonzero(labels == given)
        for true in range(n_classes):
            if true == given or not n_wrong[given, true]:
                continue
            margin = proba[rows, true] - proba[rows, given]
            order = np.argsort(-margin, kind="stable")
            wrong[rows[order[: n_wrong[given, true]]]] = True
    return wrong & (proba.argmax(axis=1) != labels)


def label_quality(
    labels: NDArray[np.integer], proba: NDArray, joint: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Return the probability of each label to be right.

    The probability of a given label, if another class is the true one, is different for each pair
    of classes. It is estimated from the joint distribution, which is refined by
    expectation-maximization: the classes that are the true ones according to all labels and
    probabilities give the joint distribution of the next step.

    Parameters
    ----------
    labels : int array of shape (n_samples,)
        Position of the given label of each sample among the classes.
    proba : array of shape (n_samples, n_classes)
        Out-of-fold probabilities of the classes.
    joint : array of shape (n_classes, n_classes)
        Joint distribution, as `confident_joint` returns it.

    Returns
    -------
    quality : float array of shape (n_samples,)
        Probability that the given label is the true one.
    """
    proba = np.clip(proba, _LEAST, None)
    for _ in range(_N_STEPS):
        truth = _true_classes(labels, proba, joint)
        joint = np.zeros_like(joint)
        np.add.at(joint, labels, truth)
        joint /= len(labels)
    return _true_classes(labels, proba, joint)[np.arange(len(labels)), labels]


def _true_classes(labels, proba, joint):
    """Return the probability of each class to be the true one, given the label as well."""
    joint = np.clip(joint, _LEAST, None)
    of_given_label = joint / joint.sum(axis=0)  # if the class of the column is the true one
    truth = proba * of_given_label[labels]
    return truth / truth.sum(axis=1, keepdims=True)
