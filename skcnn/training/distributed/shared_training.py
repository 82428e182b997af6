"""SharedTraining: what a net does differently if several processes train it together."""

from __future__ import annotations

from contextlib import nullcontext

from skcnn.training.distributed.ranks import current_ranks
from skcnn.training.distributed.shared_steps import SharedSteps
from skcnn.training.interrupts import StopTraining


class SharedTraining:
    """Mixin of a net that several processes may train together.

    Its methods do nothing special if one process trains alone.
    """

    shares_batches = True  # False if each process computes whole batches
    _ranks = _steps = None

    def fit_loop(self, *args, **kwargs):
        """Train epoch by epoch, from the weights of rank 0."""
        self._ranks = current_ranks()
        if self._ranks is None:
            return super().fit_loop(*args, **kwargs)
        self._copy_from_first_rank()
        if self.shares_batches:
            self._steps = SharedSteps(self, self._ranks)
            self._transforms = self._steps.transforms(self._transforms)
        try:
            with self._steps.random_numbers() if self._steps else nullcontext():
                super().fit_loop(*args, **kwargs)
        except StopTraining:
            self._ranks.end_training(self.module_)
            raise
        else:
            self._ranks.end_training(self.module_)
        finally:
            self._ranks = self._steps = None
        return self

    def notify(self, method_name, **kwargs):
        """Call a method of all callbacks, and wait for the other ranks."""
        super().notify(method_name, **kwargs)
        if method_name == "on_epoch_begin" and self._ranks is not None:
            self._ranks.begin_epoch(self.module_)
        if method_name == "on_train_end":  # callbacks may have restored other weights
            self._copy_from_first_rank()

    def _copy_from_first_rank(self):
        ranks = current_ranks()
        if ranks is not None:
            with self.lock.step():
                ranks.copy_from_first(*self.module_.parameters(), *self.module_.buffers())

    def _part_to_read(self):
        """Return the function that selects the images of a batch to read, None for all."""
        return None if self._steps is None else self._steps.part_to_read()

    def _share_step(self, step, batch):
        """Compute a training step with the gradients of the whole batch."""
        return step(batch) if self._steps is None else self._steps.train(step, batch)

    def _share_outputs(self, function, batch):
        """Compute the outputs of the whole batch."""
        if self._steps is None:
            return function(batch.images)
        return self._steps.outputs(function, batch)
