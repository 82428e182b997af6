"""What the processes that train one network together exchange: values, tensors and errors."""

from __future__ import annotations

from contextlib import contextmanager

import torch
from torch import distributed


class Ranks:
    """The processes that train one network together, numbered by their rank.

    They communicate in a process group that exists during one fit. If a process leaves it for any
    reason, the others get an error, and do not wait forever. Tensors on GPUs are exchanged in the
    process group of the user.

    Attributes
    ----------
    rank : int
        Number of this process.
    size : int
        Number of processes.
    """

    def __init__(self):
        self.rank = distributed.get_rank()
        self.size = distributed.get_world_size()
        self.timeout = _timeout()
        with self._clear_errors():
            if distributed.get_backend() == "gloo":  # fails at once if a process has ended
                distributed.monitored_barrier(timeout=self.timeout)
            self._group = distributed.new_group(backend="gloo", timeout=self.timeout)

    def leave(self):
        """Leave the group, which raises an error in processes that wait for this one."""
        distributed.destroy_process_group(self._group)
        self._group = None

    def gather(self, value):
        """Return the values of all ranks.

        Parameters
        ----------
        value : object
            Small object that can be pickled.

        Returns
        -------
        values : list
            Values, in the order of the ranks.
        """
        values = [None] * self.size
        with self._clear_errors():
            distributed.all_gather_object(values, value, group=self._group)
        return values

    def gather_tensors(self, tensor):
        """Return the tensors of all ranks, which have the same shape.

        Parameters
        ----------
        tensor : tensor
            Tensor of this rank.

        Returns
        -------
        tensors : tensor of shape (n_ranks, ...)
            Tensors, in the order of the ranks.
        """
        tensors = [torch.empty_like(tensor) for _ in range(self.size)]
        with self._clear_errors():
            distributed.all_gather(tensors, tensor, group=self._group_on(tensor.device))
        return torch.stack(tensors)

    def add(self, tensor):
        """Replace a contiguous tensor by the sum of the tensors of all ranks.

        Parameters
        ----------
        tensor : tensor
            Tensor of this rank, which is changed in place.

        Returns
        -------
        tensor : tensor
            The same tensor, with the same values in all ranks.
        """
        with self._clear_errors():
            distributed.all_reduce(tensor, group=self._group_on(tensor.device))
        return tensor

    @torch.no_grad()
    def copy_from_first(self, *tensors):
        """Replace tensors by those of rank 0.

        Parameters
        ----------
        *tensors : tensor
            Tensors, which are changed in place.
        """
        for tensor in tensors:
            values = tensor.contiguous()
            with self._clear_errors():
                distributed.broadcast(values, src=0, group=self._group_on(tensor.device))
            tensor.copy_(values)

    def gather_rows(self, compute, n_rows):
        """Compute an array in parts, one in each rank.

        Parameters
        ----------
        compute : callable
            ``compute(part)`` returns the rows of a slice, as an array.
        n_rows : int
            Number of rows.

        Returns
        -------
        rows : array of shape (n_rows, ...)
            All rows, in each rank.
        """
        if self.copies(n_rows) > 1:
            return compute(slice(0, n_rows))
        own = self.part(n_rows)
        values = torch.from_numpy(compute(own))
        rows = torch.zeros((n_rows, *values.shape[1:]), dtype=values.dtype)
        rows[own] = values
        return self.add(rows).numpy()

    def part(self, n_images):
        """Return the part of a batch that this rank computes.

        Parameters
        ----------
        n_images : int
            Number of images in the batch.

        Returns
        -------
        part : slice
            Consecutive images, at least two. A batch with fewer images is computed by all ranks.
        """
        if self.copies(n_images) > 1:
            return slice(0, n_images)
        return slice(n_images * self.rank // self.size, n_images * (self.rank + 1) // self.size)

    def copies(self, n_images):
        """Return the number of ranks that compute the same images of a batch.

        Parameters
        ----------
        n_images : int
            Number of images in the batch.

        Returns
        -------
        copies : int
            1, or the number of ranks.
        """
        return self.size if n_images < 2 * self.size else 1

    def _group_on(self, device):
        """Return the group for tensors on a device. None is the process group of the user."""
        return self._group if device.type == "cpu" else None

    @contextmanager
    def _clear_errors(self):
        """Replace the errors of PyTorch by a sentence."""
        try:
            yield
        except RuntimeError as error:
            limit = "" if self.timeout is None else f" of {self.timeout.total_seconds():g} s"
            raise RuntimeError(
                f"rank {self.rank} of {self.size} stopped training, because another rank failed, "
                f"ended, or did not take part in fit within the time limit{limit}: read the "
                "messages of the other ranks"
            ) from error


def _timeout():
    """Return the time limit of the process group of the user, None if it is not known."""
    backend = getattr(distributed.group.WORLD, "_get_backend", None)
    for device in ("cpu", "cuda"):
        try:
            return backend(torch.device(device)).options._timeout
        except (AttributeError, RuntimeError, TypeError):
            continue
    return None
