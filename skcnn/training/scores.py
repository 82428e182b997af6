"""Scores that are added up batch by batch on the device."""

from __future__ import annotations

import torch

_MAX_VALUES = 2**16  # outputs that are kept before they are added up


class Accuracy:
    """The fraction of the images whose class, or whose every label, is right."""

    def __init__(self):
        self.n_images = 0
        self.n_right = 0

    def update(self, outputs, y):
        """Add a batch.

        Parameters
        ----------
        outputs : tensor of shape (n_images, n_outputs)
            Logits.
        y : tensor of shape (n_images,) or (n_images, n_labels)
            Class indices, or indicators of labels.
        """
        right = outputs.argmax(dim=1) == y if y.ndim == 1 else ((outputs > 0) == (y > 0)).all(dim=1)
        self.n_images += len(y)
        self.n_right = self.n_right + right.sum()

    def value(self):
        """Give the score of all batches.

        Returns
        -------
        score : float
            From 0 to 1.
        """
        return float(self.n_right) / self.n_images


class R2:
    """The coefficient of determination, averaged over the targets."""

    def __init__(self):
        self.n_images = 0
        self.sums = 0
        self.origin = None

    def update(self, outputs, y):
        """Add a batch.

        Parameters
        ----------
        outputs : tensor of shape (n_images, n_outputs)
            Predictions.
        y : tensor of shape (n_images, n_outputs)
            Targets, about 0 and of about unit size.
        """
        # Taken about the first target, so that constant ones have no variation at all.
        self.origin = y[0].clone() if self.origin is None else self.origin
        dtype = torch.float32 if y.device.type == "mps" else torch.float64  # Apple's has no double
        origin = self.origin.to(dtype)
        y, outputs = y.to(dtype) - origin, outputs.to(dtype) - origin
        self.n_images += len(y)
        squares = (y - outputs) ** 2
        self.sums = self.sums + torch.stack([y.sum(0), (y**2).sum(0), squares.sum(0)])

    def value(self):
        """Give the score of all batches.

        Returns
        -------
        score : float
            1 is best.
        """
        total, total_of_squares, unexplained = self.sums
        variation = total_of_squares - total**2 / self.n_images
        scores = torch.where(
            variation > 0, 1 - unexplained / variation, (unexplained == 0).to(unexplained)
        )
        return float(scores.mean())


class Tally:
    """Mean loss and score of batches, added up many at a time, since small sums cost as much.

    What waits to be added up is copied into arrays of its own: small arrays that stay between the
    large ones of each batch would keep the memory of those from being used again.

    Parameters
    ----------
    score : Accuracy or R2
        What adds up the score.
    """

    def __init__(self, score):
        self.score = score
        self.loss = 0.0
        self.n_waiting = 0
        self.waiting = None

    def add(self, loss, outputs, y):
        """Add a batch.

        Parameters
        ----------
        loss : tensor of shape ()
            The mean loss of its images.
        outputs : tensor of shape (n_images, n_outputs)
            What the network gave.
        y : tensor of shape (n_images,) or (n_images, n_outputs)
            What it should give.
        """
        n_kept = 0 if self.waiting is None else len(self.waiting[0])
        if self.n_waiting + len(y) > n_kept:
            self._add_up()
        if len(y) > n_kept:
            n_kept = max(len(y), _MAX_VALUES // outputs[0].numel())
            parts = (loss.detach(), outputs[0], y[0])
            self.waiting = [part.new_empty((n_kept, *part.shape)) for part in parts]
        end = self.n_waiting + len(y)
        for kept, part in zip(self.waiting, (loss.detach(), outputs, y), strict=True):
            kept[self.n_waiting : end] = part
        self.n_waiting = end

    def means(self):
        """Give the figures of all batches.

        Returns
        -------
        loss : float
            The mean over all images.
        score : float
            The score of all images.
        """
        self._add_up()
        return float(self.loss) / self.score.n_images, self.score.value()

    def _add_up(self):
        if self.n_waiting:
            losses, outputs, y = (kept[: self.n_waiting] for kept in self.waiting)
            self.loss = self.loss + losses.sum()
            self.score.update(outputs, y.to(outputs.device))
        self.n_waiting = 0


SCORES = {"continuous": R2, "multiclass": Accuracy, "multilabel": Accuracy}
