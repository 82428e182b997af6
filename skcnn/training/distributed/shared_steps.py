"""Steps of a training of which each rank computes a part."""

from __future__ import annotations

import torch

from skcnn.training.distributed.random_numbers import RandomNumbers
from skcnn.training.distributed.whole_batch import WholeBatch
from skcnn.training.loader import Batch


class SharedSteps:
    """Training and validation steps of which each rank computes a part of the batch.

    The results are those of the whole batch, and the same in all ranks.

    Parameters
    ----------
    net : ImageNeuralNet
        Net being trained.
    ranks : Ranks
        Ranks.

    Raises
    ------
    ValueError
        If the processes cannot communicate from the device of the net.
    """

    def __init__(self, net, ranks):
        self.net = net
        self.ranks = ranks
        self.device = torch.device(net.device)
        self.random = RandomNumbers(net.seed, len(net.history), ranks.rank, self.device)
        self._uses_whole_batch = False
        if self.device.type == "mps":
            raise ValueError(
                "device='mps' cannot be shared by several processes: use device=\"cpu\", or train "
                "without a process group"
            )

    # --------------------------------------------------------------------------------------------
    # Batches

    def transforms(self, transforms):
        """Return batch transforms after which a batch is the part of this rank.

        Transforms with the attribute `uses_whole_batch`, and those before them, are applied to the
        whole batch, with the same random numbers in all ranks.

        Parameters
        ----------
        transforms : list of BatchTransform
            Transforms.

        Returns
        -------
        transforms : list of BatchTransform
            Transforms.
        """
        uses = [getattr(transform, "uses_whole_batch", False) for transform in transforms]
        self._uses_whole_batch = any(uses)
        n_common = max((number for number, use in enumerate(uses, start=1) if use), default=0)
        return [self._common(transforms[:n_common]), *transforms[n_common:]]

    def part_to_read(self):
        """Return the function that selects the images of a batch to read.

        Returns
        -------
        part : callable or None
            ``part(n_images)`` returns a slice. None reads all images.
        """
        uses_all = self._uses_whole_batch or self.net.target_type == "images"
        return None if uses_all else self.ranks.part

    def _common(self, transforms):
        def transform_and_take_part(batch, net, progress):
            with self.random.common():
                for transform in transforms:
                    batch = transform(batch, net, progress)
            return self._own_part(batch)

        return transform_and_take_part

    def _own_part(self, batch):
        """Return the part of this rank. The parts of its loss add up to the mean of the batch."""
        n_images = len(batch.y)
        own = self.ranks.part(n_images)
        fraction = (own.stop - own.start) / n_images / self.ranks.copies(n_images)
        return Batch(
            self._own_images(batch.images, n_images),
            batch.y[own],
            None if batch.weights is None else batch.weights[own],
            [
                (factor * fraction, y[own], None if weights is None else weights[own])
                for factor, y, weights in batch.weighted_targets
            ],
        )

    def _own_images(self, images, n_images):
        # Only this part is read from a lazy view.
        return images if len(images) < n_images else images[self.ranks.part(n_images)]

    # --------------------------------------------------------------------------------------------
    # Steps

    def train(self, step, batch):
        """Compute a training step.

        Parameters
        ----------
        step : callable
            ``step(batch)`` transforms the batch, computes the outputs, the loss and the gradients.
        batch : Batch
            Batch of the loader.

        Returns
        -------
        result : dict
            Outputs and loss of the whole batch. The gradients are also those of the whole batch.
        """
        n_images = len(batch.y)
        self.random.begin_batch()
        with WholeBatch(self.ranks, n_images, self.random):
            result = step(batch)
        parameters = [
            parameter for group in self.net.optimizer_.param_groups for parameter in group["params"]
        ]
        outputs = self._padded(result["y_pred"], n_images)
        loss, outputs = self._add_all(parameters, result["loss"].detach(), outputs)
        return {"loss": loss, "y_pred": outputs}

    def outputs(self, function, batch):
        """Compute the outputs of a batch without gradients.

        Parameters
        ----------
        function : callable
            Function of images.
        batch : Batch
            Batch of the loader.

        Returns
        -------
        outputs : tensor of shape (n_images, n_outputs)
            Outputs of the whole batch.
        """
        n_images = len(batch.y)
        outputs = function(self._own_images(batch.images, n_images))
        return self.ranks.add(self._padded(outputs, n_images))

    def _padded(self, outputs, n_images):
        """Return outputs of the whole batch, with zeros for the images of other ranks."""
        padded = outputs.new_zeros((n_images, *outputs.shape[1:]))
        padded[self.ranks.part(n_images)] = outputs / self.ranks.copies(n_images)
        return padded

    @torch.no_grad()
    def _add_all(self, parameters, *tensors):
        """Add the gradients of all ranks, and other tensors, which are returned."""
        gradients = [
            torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            for parameter in parameters
        ]
        # A gradient that no rank computes stays None, so that the optimizer skips the parameter.
        exists = torch.tensor([parameter.grad is not None for parameter in parameters])
        values = [*map(_channels_last, gradients), exists.to(tensors[0]), *tensors]
        total = self.ranks.add(torch.cat([value.reshape(-1) for value in values]))
        sizes = [value.numel() for value in values]
        sums = [
            part.view(value.shape) for part, value in zip(total.split(sizes), values, strict=True)
        ]
        n_computed = sums[len(parameters)].tolist()
        for parameter, gradient, count in zip(parameters, sums, n_computed, strict=False):
            if parameter.grad is None and count > 0:
                parameter.grad = torch.empty_like(parameter)
            if parameter.grad is not None:
                _channels_last(parameter.grad).copy_(gradient)
        return sums[len(parameters) + 1 :]


def _channels_last(tensor):
    """Return a kernel with its axes in the order of its memory, in which it is copied faster."""
    return tensor.permute(0, 2, 3, 1) if tensor.ndim == 4 else tensor
