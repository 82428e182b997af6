"""Fitted attributes of the estimators that train a network, and the outputs of the network."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skcnn.estimators._html import NetworkHTML
from skcnn.images import check_images
from skcnn.learned import fitted_view
from skcnn.pixel_scale import PixelScale
from skcnn.settings import fixed_settings
from skcnn.training.device import available_device
from skcnn.training.loader import ImageDataset, warn_of_other_scale
from skcnn.training.net import ImageNeuralNet
from skcnn.training.predicting import predict_outputs
from skcnn.training.state import completed_epochs


class FittedNetwork(NetworkHTML, BaseEstimator):
    """Fitted attributes and outputs of an estimator with a trained net.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        Trained net of skorch.
    module_ : torch.nn.Module
        Module of the net, including the standardization of its input.
    history_ : list of dict
        One record per epoch: "epoch", "train_loss", "train_score", "seconds", and if there are
        validation images "valid_loss", "valid_score" and "best", which is True for the best epoch
        of the last `fit`. The training score, accuracy or R squared, is computed from the outputs
        in train mode. Losses are weighted, scores are not.
    n_epochs_ : int
        Number of epochs for which the network was trained.
    best_epoch_ : int
        Epoch of the last `fit` whose weights were kept by `early_stopping`, or else the epoch with
        the smallest validation loss. It counts from 1, as "epoch" in `history_` does. There is no
        such attribute without validation images.
    best_score_ : float
        Validation score in that epoch, accuracy or R squared.
    """

    net_: ImageNeuralNet
    pixel_scale_: PixelScale

    def _outputs(self, X):
        """Compute the outputs of the network: a float64 array of shape (n_images, n_outputs)."""
        check_is_fitted(self)
        with fixed_settings():
            return self._compute_outputs(X)

    def _compute_outputs(self, X):
        dataset = ImageDataset(check_images(self, X, reset=False)).clean()
        device = available_device(self.device)
        with warn_of_other_scale(self.pixel_scale_, X=dataset):
            outputs = predict_outputs(self.net_, dataset, device, self.test_time_augmentation)
        check_finite(outputs.isfinite().all(dim=1).numpy())
        return outputs.double().numpy()

    @property
    def module_(self) -> nn.Module:
        """The trained module, including the standardization of its input."""
        check_is_fitted(self)
        return fitted_view(self).net_.module_

    @property
    def history_(self) -> list[dict]:
        """One record per epoch."""
        check_is_fitted(self)
        return [_record(epoch) for epoch in completed_epochs(fitted_view(self).net_.history)]

    @property
    def n_epochs_(self) -> int:
        """Number of epochs for which the network was trained."""
        check_is_fitted(self)
        return len(completed_epochs(fitted_view(self).net_.history))

    @property
    def best_epoch_(self) -> int:
        """Epoch whose weights were kept, or that of the smallest validation loss."""
        return self._best_record("best_epoch_")["epoch"]

    @property
    def best_score_(self) -> float:
        """Validation score in the best epoch."""
        return self._best_record("best_score_")["valid_score"]

    def _best_record(self, name):
        for record in self.history_:
            if record.get("best"):
                return record
        raise AttributeError(
            f"there is no {name}, because the last training had no validation images: pass X_val "
            "and y_val to fit, or use early_stopping=True"
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "net_")


def check_finite(finite):
    """Raise an error if the outputs of a network are not finite for all images.

    Parameters
    ----------
    finite : bool array of shape (n_images,)
        Whether the outputs of each image are finite.

    Raises
    ------
    ValueError
        If they are NaN or infinite for an image.
    """
    if not finite.all():
        rows = np.flatnonzero(~finite)
        raise ValueError(
            f"the outputs of the network are NaN or infinite for {len(rows)} of {len(finite)} "
            f"images, first for image {rows[0]}: its pixel values are too far from those of "
            "fit, or the network divides by zero"
        )


def _record(epoch):
    """Return the record of an epoch in skorch's history under the names of `history_`."""
    names = ("epoch", "train_loss", "train_score", "valid_loss", "valid_score", "best")
    return {**{name: epoch[name] for name in names if name in epoch}, "seconds": epoch["dur"]}
