"""Attacks of each image toward one class after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from skcnn.robustness.attacks._problem import Problem, Strongest


def for_each_target(
    problem: Problem,
    n_targets: int,
    strongest: Strongest,
    until_fooled: bool,
    run: Callable[[Problem, Tensor], None],
) -> None:
    """Run an attack for several target classes, those with the largest logits first.

    Parameters
    ----------
    problem : Problem
        The problem. If it has targets, these are the only ones.
    n_targets : int
        Maximum number of targets of an image.
    strongest : Strongest
        Strongest images of all targets, which the attack updates.
    until_fooled : bool
        Whether to stop for an image that fools the network.
    run : callable
        Attack: a function of the problem of some images, and of their rows. The problem has
        targets, but images that any other class is predicted for fool the network.
    """
    if problem.target is not None:
        rows = strongest.remaining(until_fooled)
        run(problem.select(rows), rows)
        return
    logits = problem.logits(problem.images)
    others = logits.scatter(1, problem.y[:, None], -torch.inf).argsort(dim=1, descending=True)
    for column in range(min(n_targets, logits.shape[1] - 1)):
        rows = strongest.remaining(until_fooled)
        part = problem.select(rows)
        run(AnyClass(**vars(replace(part, target=others[rows, column]))), rows)


class AnyClass(Problem):
    """Problem with targets that guide the attack, but any wrong class fools the network."""

    def fooled(self, logits: Tensor) -> Tensor:
        return logits.argmax(dim=1) != self.y
