"""Mean loss and score of an epoch, accumulated batch by batch on the device."""

from __future__ import annotations

import torch


class Accuracy:
    """Fraction of images with the correct class, or with all labels correct."""

    def __init__(self):
        self.n_images = 0
        self.n_correct = 0

    def update(self, outputs, y):
        """Add images.

        Parameters
        ----------
        outputs : tensor of shape (n_images, n_outputs)
            Logits.
        y : tensor of shape (n_images,) or (n_images, n_labels)
            Class indices, or label indicators.
        """
        if y.ndim == 1:
            correct = outputs.argmax(dim=1) == y
        else:
            correct = ((outputs > 0) == (y > 0)).all(dim=1)
        self.n_images += len(y)
        self.n_correct = self.n_correct + correct.sum()

    def value(self):
        """Return the score of all images.

        Returns
        -------
        score : float
            From 0 to 1.
        """
        return float(self.n_correct) / self.n_images


class R2:
    """Coefficient of determination, averaged over the targets."""

    def __init__(self):
        self.n_images = 0
        self.sums = 0
        self.origin = None

    def update(self, outputs, y):
        """Add images.

        Parameters
        ----------
        outputs : tensor of shape (n_images, n_outputs)
            Predictions.
        y : tensor of shape (n_images, n_outputs)
            Standardized targets.
        """
        # Sums are relative to the first target, so that constant targets have zero variation.
        self.origin = y[0].clone() if self.origin is None else self.origin
        dtype = torch.float32 if y.device.type == "mps" else torch.float64  # mps has no float64
        origin = self.origin.to(dtype)
        y, outputs = y.to(dtype) - origin, outputs.to(dtype) - origin
        self.n_images += len(y)
        squares = (y - outputs) ** 2
        self.sums = self.sums + torch.stack([y.sum(0), (y**2).sum(0), squares.sum(0)])

    def value(self):
        """Return the score of all images.

        Returns
        -------
        score : float
            At most 1.
        """
        sum_y, sum_y2, residual = self.sums
        variation = sum_y2 - sum_y**2 / self.n_images
        scores = torch.where(variation > 0, 1 - residual / variation, (residual == 0).to(residual))
        return float(scores.mean())


class ImageR2:
    """Coefficient of determination of all pixels together, relative to the mean in fit."""

    def __init__(self):
        self.n_images = 0
        self.residual = 0
        self.variation = 0

    def update(self, outputs, y):
        """Add images.

        Parameters
        ----------
        outputs : tensor of shape (n_images, n_values)
            Reconstructed images.
        y : tensor of shape (n_images, n_values)
            Standardized images.
        """
        self.n_images += len(y)
        self.residual = self.residual + ((outputs - y) ** 2).sum()
        self.variation = self.variation + (y**2).sum()

    def value(self):
        """Return the score of all images.

        Returns
        -------
        score : float
            At most 1.
        """
        residual, variation = float(self.residual), float(self.variation)
        return 1 - residual / variation if variation else float(residual == 0)


SCORES = {"continuous": R2, "images": ImageR2, "multiclass": Accuracy, "multilabel": Accuracy}


class RunningScores:
    """Mean loss and score of batches, read from the device only at the end.

    Parameters
    ----------
    target_type : {"multiclass", "multilabel", "continuous", "images"}
        Type of the targets, which determines the score.
    """

    def __init__(self, target_type):
        self.score = SCORES[target_type]()
        self.loss = 0.0

    def add(self, loss, outputs, y):
        """Add a batch.

        Parameters
        ----------
        loss : tensor of shape ()
            Mean loss of the images.
        outputs : tensor of shape (n_images, n_outputs)
            Outputs of the network.
        y : tensor of shape (n_images,) or (n_images, n_outputs)
            Encoded targets.
        """
        self.loss = self.loss + loss.detach() * len(y)
        self.score.update(outputs, y.to(outputs.device))

    def means(self):
        """Return the mean loss and the score.

        Returns
        -------
        loss : float
            Mean over all images.
        score : float
            Score of all images.
        """
        return float(self.loss) / self.score.n_images, self.score.value()
