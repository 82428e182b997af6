"""LogitAdjustedClassifier: predictions for classes that are equally frequent."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, _fit_context, clone
from sklearn.utils import Tags, check_consistent_length, column_or_1d, get_tags
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from skcnn.checksums import ChecksumMixin
from skcnn.learned import all_or_nothing, fitted_view
from skcnn.values import check_numbers

# Attributes that some classifiers do not have.
_NOT_ALWAYS = ("n_features_in_", "feature_names_in_")


class LogitAdjustedClassifier(ChecksumMixin, MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Adjust the probabilities of a classifier to classes that are equally frequent.

    A classifier predicts the rare classes of its training data too seldom for data in which all
    classes are equally frequent. Post-hoc logit adjustment [1]_ divides each probability by the
    frequency of its class, raised to the power `tau`.

    Parameters
    ----------
    estimator : classifier
        Classifier with `predict_proba`. A clone of it is fitted. To adjust a classifier that is
        already fitted, wrap it in a `sklearn.frozen.FrozenEstimator`.
    tau : float, default=1.0
        Strength of the adjustment. 0 changes nothing, and 1 is optimal for equally frequent
        classes if the probabilities are calibrated. Tune it if they are not.

    Attributes
    ----------
    estimator_ : classifier
        The fitted classifier.
    classes_ : array of shape (n_classes,)
        Labels.
    class_prior_ : float64 array of shape (n_classes,)
        Weighted frequency of each class in `fit`.
    n_features_in_ : int
        Number of features seen in fit, if the classifier has this attribute.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features seen in fit, if the classifier has this attribute.

    See Also
    --------
    skcnn.CNNClassifier : Its parameter `logit_adjustment` adjusts the loss in training.

    Notes
    -----
    The frequencies must be those on which the classifier was trained: pass the training labels to
    `fit`, also for a frozen classifier. Do not adjust a classifier that was trained with
    ``class_weight="balanced"``, resampling, or `label_smoothing`, whose probabilities do not follow
    the frequencies. The probability of a class without images is not divided.

    References
    ----------
    .. [1] Menon et al., "Long-Tail Learning via Logit Adjustment", ICLR 2021 (arXiv 2007.07314).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.frozen import FrozenEstimator
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skcnn.imbalance import LogitAdjustedClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> train = np.flatnonzero((y[:1000] != 8) | (np.arange(1000) % 20 == 0))
    >>> int((y[train] == 8).sum())
    3
    >>> logistic = LogisticRegression(C=0.01, max_iter=1000).fit(X[train], y[train])
    >>> adjusted = LogitAdjustedClassifier(FrozenEstimator(logistic)).fit(X[train], y[train])
    >>> eights = X[1000:][y[1000:] == 8]
    >>> for model in (logistic, adjusted):
    ...     print(f"{(model.predict(eights) == 8).mean():.2f}")
    0.12
    0.88
    """

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods(["fit", "predict_proba"])],
        "tau": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, estimator: Any, *, tau: float = 1.0):
        self.estimator = estimator
        self.tau = tau

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> LogitAdjustedClassifier:
        """Fit the classifier, and compute the frequencies of the classes.

        Parameters
        ----------
        X : images of shape (n_images, ...), or array-like of shape (n_samples, n_features)
            Training data, in any form that the classifier accepts.
        y : array-like of shape (n_samples,)
            Labels on which the classifier is trained, or was trained if it is frozen.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, also for the frequencies. None gives all samples the same weight.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If `y` contains a label that a frozen classifier does not know, or indicators of labels.
        """
        with all_or_nothing(self):
            for name in _NOT_ALWAYS:
                if hasattr(self, name):
                    delattr(self, name)
            parameters = {} if sample_weight is None else {"sample_weight": sample_weight}
            self.estimator_ = clone(self.estimator).fit(X, y, **parameters)
            check_classification_targets(y)
            labels = column_or_1d(y)
            check_consistent_length(X, labels)
            self.classes_ = self.estimator_.classes_
            unknown = np.setdiff1d(labels, self.classes_)
            if len(unknown):
                raise ValueError(
                    f"y contains labels that the classifier does not know: {unknown.tolist()}; "
                    f"pass its training labels, its classes are {self.classes_.tolist()}"
                )
            weights = _check_sample_weight(
                sample_weight,
                labels,
                dtype=np.float64,
                ensure_non_negative=True,
                allow_all_zero_weights=False,
            )
            codes = np.searchsorted(self.classes_, labels)
            counts = np.bincount(codes, weights / weights.max(), minlength=len(self.classes_))
            self.class_prior_ = counts / counts.sum()
            for name in _NOT_ALWAYS:
                if hasattr(self.estimator_, name):
                    setattr(self, name, getattr(self.estimator_, name))
        return self

    def predict(self, X: Any) -> NDArray:
        """Predict the class with the highest adjusted probability.

        Parameters
        ----------
        X : images of shape (n_images, ...), or array-like of shape (n_samples, n_features)
            Data, in any form that the classifier accepts.

        Returns
        -------
        y : array of shape (n_samples,)
            Labels.
        """
        fitted = fitted_view(self)
        log_probabilities = fitted.predict_log_proba(X)
        return fitted.classes_[log_probabilities.argmax(axis=1)]

    def predict_proba(self, X: Any) -> NDArray:
        """Predict the adjusted probability of each class.

        Parameters
        ----------
        X : images of shape (n_images, ...), or array-like of shape (n_samples, n_features)
            Data, in any form that the classifier accepts.

        Returns
        -------
        probabilities : float64 array of shape (n_samples, n_classes)
            Probabilities in the order of `classes_`.
        """
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: Any) -> NDArray:
        """Predict the logarithm of the adjusted probability of each class.

        Parameters
        ----------
        X : images of shape (n_images, ...), or array-like of shape (n_samples, n_features)
            Data, in any form that the classifier accepts.

        Returns
        -------
        log_probabilities : float64 array of shape (n_samples, n_classes)
            Log probabilities in the order of `classes_`.
        """
        fitted = fitted_view(self)
        check_is_fitted(fitted)
        if hasattr(fitted.estimator_, "predict_log_proba"):
            logits = fitted.estimator_.predict_log_proba(X)
        else:
            with np.errstate(divide="ignore"):
                logits = np.log(fitted.estimator_.predict_proba(X))
        prior = np.where(fitted.class_prior_ > 0, fitted.class_prior_, 1.0)
        return log_softmax(np.asarray(logits, np.float64) - self.tau * np.log(prior), axis=1)

    def _validate_params(self):
        check_numbers(self)
        super()._validate_params()

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        return tags
