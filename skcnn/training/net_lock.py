"""Coordinate the training of a net with predictions and pickles in other threads."""

from __future__ import annotations

import copy
import os
from collections import Counter
from contextlib import contextmanager
from threading import get_ident

from skcnn.locks import ProcessLock


class NetLock:
    """Lock of a net that one thread trains while others predict with it or pickle it.

    A prediction that starts during training uses a copy of the module, which is made between two
    training steps. Training waits for the end of predictions that started before it.
    """

    def __init__(self):
        self._lock = ProcessLock()
        self._trainer = None  # (process, thread) that trains the net
        self._n_trainings = 0  # contexts of that thread
        self._readers = Counter()  # predictions that use no copy, by (process, thread)

    @contextmanager
    def training(self):
        """Train in the context, one thread at a time."""
        here = _here()
        with self._lock.held() as lock:
            lock.wait_for(lambda: not self._is_trained_elsewhere())
            if self._trainer != here:
                self._trainer, self._n_trainings = here, 0
            self._n_trainings += 1
            lock.wait_for(lambda: not self._has_readers_elsewhere())
        try:
            yield
        finally:
            with self._lock.held() as lock:
                self._n_trainings -= 1
                if self._n_trainings == 0:
                    self._trainer = None
                lock.notify_all()

    @contextmanager
    def step(self):
        """Change the weights in the context, or read all of them in the same state."""
        with self._lock.held():
            yield

    @contextmanager
    def module(self, module):
        """Return the module to use for predictions in the context.

        Parameters
        ----------
        module : torch.nn.Module
            Module of the net.

        Yields
        ------
        module : torch.nn.Module
            The module, or a copy in eval mode if another thread trains it.
        """
        here = _here()
        with self._lock.held():
            is_trained = self._is_trained_elsewhere()
            if is_trained:
                module = _copy(module).eval()
            else:
                self._readers[here] += 1
        try:
            yield module
        finally:
            if not is_trained:
                with self._lock.held() as lock:
                    self._readers[here] -= 1
                    if not self._readers[here]:
                        del self._readers[here]  # there may be many threads, one after the other
                    lock.notify_all()

    def _is_trained_elsewhere(self):
        if self._trainer is None or self._trainer[0] != os.getpid():
            return False  # threads of a parent process do not exist in a forked one
        return self._trainer != _here()

    def _has_readers_elsewhere(self):
        here = _here()
        return any(thread != here and thread[0] == here[0] for thread in self._readers)


def _here():
    return os.getpid(), get_ident()


def _copy(module):
    try:
        return copy.deepcopy(module)
    except MemoryError:
        raise
    except Exception as error:
        raise RuntimeError(
            f"the network is trained in another thread and cannot be copied ({error}): predict "
            "when the training has ended"
        ) from error
