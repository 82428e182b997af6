"""SharedTraining: what a net does differently if several processes train it together."""

from __future__ import annotations

import math
from contextlib import nullcontext

import torch

from skcnn.training.callbacks import Lookahead, Schedule, overrides
from skcnn.training.distributed.ranks import current_ranks, in_any_rank
from skcnn.training.distributed.shared_steps import SharedSteps
from skcnn.training.interrupts import StopTraining

_TOLERANCE = 1e-4  # relative difference of the norms of weights, for rounding on other CPUs
_IN_AN_EPOCH = ("on_batch_begin", "on_grad_computed", "on_batch_end")
_NEVER_STOP = (Schedule, Lookahead)


class SharedTraining:
    """Mixin of a net that several processes may train together.

    Its methods do nothing special if one process trains alone.
    """

    shares_batches = True  # False if each process computes whole batches
    _ranks = _steps = None
    _may_stop_in_an_epoch = False  # by a callback of any rank

    def fit_loop(self, *args, **kwargs):
        """Train epoch by epoch, from the weights of rank 0."""
        self._ranks = current_ranks()
        if self._ranks is None:
            return super().fit_loop(*args, **kwargs)
        self._copy_from_first_rank()
        self._may_stop_in_an_epoch = in_any_rank(self._has_callbacks_in_an_epoch())
        self._calls_on_grad_computed |= self._may_stop_in_an_epoch
        if self.shares_batches:
            self._steps = SharedSteps(self, self._ranks)
            self._transforms = self._steps.transforms(self._transforms)
        try:
            with self._steps.random.training() if self._steps else nullcontext():
                super().fit_loop(*args, **kwargs)
        except StopTraining:
            self._wait_for_end()
            raise
        else:
            self._wait_for_end()
        finally:
            self._ranks = self._steps = None
            self._may_stop_in_an_epoch = False
        return self

    def notify(self, method_name, **kwargs):
        """Call a method of all callbacks, and wait for the other ranks."""
        if self._may_stop_in_an_epoch and method_name in _IN_AN_EPOCH:
            self._stop_together(method_name, **kwargs)
            return
        super().notify(method_name, **kwargs)
        if method_name == "on_epoch_begin" and self._ranks is not None:
            self._begin_epoch()
        if method_name == "on_train_end":  # callbacks may have restored other weights
            self._copy_from_first_rank()

    def _has_callbacks_in_an_epoch(self):
        callbacks = [item for _, item in self.callbacks_ if not isinstance(item, _NEVER_STOP)]
        return any(overrides(item, method) for item in callbacks for method in _IN_AN_EPOCH)

    def _stop_together(self, method_name, **kwargs):
        """Call a method of all callbacks, and stop the training if one of any rank stops it."""
        stops = False
        try:
            super().notify(method_name, **kwargs)
        except (KeyboardInterrupt, StopTraining):
            if self._interrupts.interrupted:  # Ctrl-C ends only this rank, and the others fail
                raise
            stops = True
        if in_any_rank(stops):
            raise StopTraining

    def _begin_epoch(self):
        """Wait for the other ranks, and stop the training if one of them has stopped it."""
        if "end" in self._compare_states("epoch"):
            raise StopTraining

    def _wait_for_end(self):
        """Wait until the other ranks have ended the training."""
        while "epoch" in self._compare_states("end"):
            pass

    def _compare_states(self, state):
        """Return the states of all ranks, and raise an error if their weights differ."""
        with torch.no_grad():
            squares = (p.double().square().sum() for p in self.module_.parameters())
            norm = float(sum(squares, torch.zeros(())))
        states, norms = zip(*self._ranks.gather((state, norm)), strict=True)
        finite = all(map(math.isfinite, norms))  # otherwise the loss is an error in all ranks
        if finite and not all(math.isclose(n, norms[0], rel_tol=_TOLERANCE) for n in norms):
            raise RuntimeError(
                "the weights of the ranks became different: if a callback changes the weights or "
                "the learning rate, pass it in every process, and use a network whose weights do "
                "not depend on the images of one process alone"
            )
        return states

    def _copy_from_first_rank(self):
        ranks = current_ranks()
        if ranks is not None:
            with self.lock.step():
                ranks.copy_from_first(*self.module_.parameters(), *self.module_.buffers())

    def common_random_states(self):
        """Return the states of PyTorch's generators that continue the numbers of all ranks.

        Returns
        -------
        states : dict of {str: tensor} or None
            States, by the types of the devices. None if they are those of this process.
        """
        return None if self._steps is None else self._steps.random.states()

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
