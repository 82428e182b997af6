"""Heads of exported graphs: from the outputs of a network to the results of its estimator."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import is_classifier, is_regressor
from torch import Tensor, nn

TOLERANCE = 1e-4  # of probabilities, and of predictions in standard deviations of the targets


class Head(nn.Module):
    """Base of the heads.

    Parameters
    ----------
    final : estimator
        Last step of a fitted pipeline.

    Attributes
    ----------
    names : tuple of str
        Names of the results.
    uses_features : bool
        Whether the head takes the features of a network, and not its outputs.
    """

    names: ClassVar[tuple[str, ...]]
    uses_features: ClassVar[bool] = False

    def __init__(self, final: Any) -> None:
        super().__init__()
        self.final = final

    def differences(self, pixels: NDArray, *results: NDArray) -> dict[str, float]:
        """Compare results with those of the estimator.

        Parameters
        ----------
        pixels : float32 array of shape (n_images, height, width, n_channels)
            Images that the estimator receives.
        *results : arrays of shape (n_images, ...)
            Results of the graph for these images, in the order of `names`.

        Returns
        -------
        differences : dict of {str: float}
            Largest difference of each result. It should be at most `TOLERANCE`.
        """
        raise NotImplementedError


class ClassifierHead(Head):
    """Labels, as the index of the class or as indicators, and probabilities."""

    names = ("label", "probabilities")

    def __init__(self, final: Any) -> None:
        super().__init__(final)
        self.multilabel = final.target_type_ == "multilabel"

    def forward(self, logits: Tensor) -> tuple[Tensor, ...]:
        """Return the labels and the probabilities for logits of shape (n_images, n_classes)."""
        if self.multilabel:
            return (logits > 0).long(), logits.sigmoid()
        return logits.argmax(dim=1), logits.softmax(dim=1)

    def differences(self, pixels, *results):
        label, probabilities = results
        expected = self.final.predict_proba(pixels)
        if self.multilabel:
            clear = abs(expected - 0.5) > TOLERANCE
        elif expected.shape[1] == 1:
            clear = np.ones(len(expected), bool)
        else:
            second, first = np.sort(expected, axis=1).T[-2:]
            clear = first - second > 2 * TOLERANCE
        wrong = (label != self.final.predict(pixels)) & clear
        return {"label": float(wrong.any()), "probabilities": _largest(probabilities - expected)}


class AdjustedHead(ClassifierHead):
    """Labels and probabilities of a `LogitAdjustedClassifier`.

    Parameters
    ----------
    final : estimator
        Classifier whose probabilities are adjusted.
    adjusted : LogitAdjustedClassifier
        Shallow copy of the fitted estimator around it. `final` replaces its classifier, which may
        have been a pipeline.
    """

    adjustment: Tensor

    def __init__(self, final: Any, adjusted: Any) -> None:
        super().__init__(final)
        prior = np.where(adjusted.class_prior_ > 0, adjusted.class_prior_, 1.0)
        adjustment = torch.tensor(adjusted.tau * np.log(prior), dtype=torch.float32)
        self.register_buffer("adjustment", adjustment)
        adjusted.estimator_ = final
        self.final = adjusted

    def forward(self, logits: Tensor) -> tuple[Tensor, ...]:
        """Return the labels and the probabilities for logits of shape (n_images, n_classes)."""
        return super().forward(logits - self.adjustment)


class RegressorHead(Head):
    """Predictions in the units of the targets."""

    names = ("predictions",)
    mean: Tensor
    scale: Tensor

    def __init__(self, final: Any) -> None:
        super().__init__(final)
        self.register_buffer("mean", torch.tensor(final.y_mean_, dtype=torch.float64))
        self.register_buffer("scale", torch.tensor(final.y_scale_, dtype=torch.float64))

    def forward(self, outputs: Tensor) -> tuple[Tensor, ...]:
        """Return the predictions for standardized targets of shape (n_images, n_targets)."""
        outputs = outputs.double()
        if self.mean.ndim == 0:
            outputs = outputs[:, 0]
        return (outputs * self.scale + self.mean,)

    def differences(self, pixels, *results):
        difference = results[0] - self.final.predict(pixels)
        return {"predictions": _largest(difference / self.final.y_scale_)}


class FeatureHead(Head):
    """Features of an embedder."""

    names = ("features",)
    uses_features = True

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """Return the features."""
        return (features,)

    def differences(self, pixels, *results):
        expected = self.final.transform(pixels)
        difference = results[0] - expected
        return {self.names[0]: _largest(difference) / max(1.0, _largest(expected))}


class CodeHead(FeatureHead):
    """Codes of an autoencoder."""

    names = ("codes",)


def head_of(name: str, final: Any, adjusted: Any = None) -> Head:
    """Return the head of an estimator.

    Parameters
    ----------
    name : str
        Name of the last step in messages.
    final : estimator
        Shallow copy of the last step of a fitted pipeline. Features are computed in float32 and not
        stored: its parameters are changed accordingly.
    adjusted : LogitAdjustedClassifier or None, default=None
        Shallow copy of the fitted estimator around it.

    Returns
    -------
    head : Head
        Its head.

    Raises
    ------
    TypeError
        If the estimator cannot be exported.
    """
    if hasattr(final, "network_") and hasattr(final, "precision_"):
        final.precision = final.precision_ = "float32"
        final.memory = final.memmap_folder = None
        return FeatureHead(final)
    if hasattr(final, "net_"):
        if is_classifier(final):
            return ClassifierHead(final) if adjusted is None else AdjustedHead(final, adjusted)
        if is_regressor(final):
            return RegressorHead(final)
        if hasattr(final, "n_components_"):
            return CodeHead(final)
    raise TypeError(
        f"{name} cannot be exported to ONNX: the last step must be a classifier, a regressor, a "
        "ConvAutoencoder or an ImageEmbedder of skcnn; for others, such as CalibratedClassifierCV, "
        "see skcnn.export.register_skl2onnx"
    )


def _largest(values):
    return float(np.nan_to_num(abs(values), nan=np.inf).max(initial=0.0))
