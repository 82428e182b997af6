"""Random numbers of PyTorch that are the same in all processes that train one network."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import torch


class RandomNumbers:
    """Random numbers of PyTorch in a training by several ranks.

    Each rank has random numbers of its own, except in two contexts.

    Parameters
    ----------
    seed : int
        Seed of the training.
    n_epochs_before : int
        Number of epochs of earlier trainings.
    rank : int
        Number of this process.
    device : torch.device
        Device of the network.

    Attributes
    ----------
    are_common : bool
        Whether the context `common` has been entered.
    """

    def __init__(self, seed, n_epochs_before, rank, device):
        self.seed = seed
        self.n_epochs_before = n_epochs_before
        self.rank = rank
        self.device = device
        self.are_common = False
        self._n_batches = 0
        self._common = self._of_batch = None  # states

    @contextmanager
    def training(self):
        """Train in the context.

        Yields
        ------
        None
        """
        self._common = self._state()
        self._set_seed(self.rank)
        try:
            yield
        finally:
            self._set_state(self._common)

    @contextmanager
    def common(self):
        """Draw the random numbers that one process would draw, in the context.

        All ranks have to draw the same number of them.

        Yields
        ------
        None
        """
        if self.are_common:
            yield
            return
        own = self._state()
        self._set_state(self._common)
        self.are_common = True
        yield
        self.are_common = False
        self._common = self._state()
        self._set_state(own)

    def states(self):
        """Return the states of the generators of PyTorch that continue the numbers of `common`.

        Returns
        -------
        states : dict of {str: tensor}
            States, by the types of the devices.
        """
        names = ("cpu", "cuda")
        return dict(zip(names, self._common, strict=False))

    def begin_batch(self):
        """Begin a batch, with new random numbers of the batch."""
        self._n_batches += 1
        self._of_batch = None

    @contextmanager
    def of_batch(self):
        """Draw random numbers of the current batch, in the context.

        They are the same in all ranks that draw the same number of them in the batch. They do not
        depend on those of other batches.

        Yields
        ------
        None
        """
        own = self._state()
        if self._of_batch is None:
            self._set_seed(self._n_batches, 1)  # 1, because zeros at the end do not change a seed
        else:
            self._set_state(self._of_batch)
        yield
        self._of_batch = self._state()
        self._set_state(own)

    def _set_seed(self, *numbers):
        sequence = np.random.SeedSequence((self.seed, self.n_epochs_before, *numbers))
        torch.manual_seed(int(sequence.generate_state(1)[0]))

    def _state(self):
        states = [torch.get_rng_state()]
        on_gpu = self.device.type == "cuda"
        return states + ([torch.cuda.get_rng_state(self.device)] if on_gpu else [])

    def _set_state(self, states):
        torch.set_rng_state(states[0])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(states[1], self.device)
