"""One pass over all images: their statistics, and what is wrong with their files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin, with_callbacks

from skcnn.quality._descriptors import DESCRIPTOR, describe
from skcnn.quality._image_set import ImageSet, to_bytes
from skcnn.quality._statistics import FACTS, measure
from skcnn.threads import read_ahead

_PART = 32  # images of a task of a thread
_BATCH = 250_000  # number of values of images that are described at a time


@dataclass
class Scan:
    """What is known of the images of one set.

    Parameters
    ----------
    facts : structured array of shape (n_images,)
        Statistics, see `FACTS`. "readable" is False for images that cannot be read.
    problems : list of tuples of (int, str, float, str)
        Row, kind, value and description of issues of the files.
    descriptors : structured array of shape (n_images,)
        What `describe` returns for each image, zeros for images that cannot be read.
    """

    facts: NDArray
    problems: list[tuple[int, str, float, str]]
    descriptors: NDArray


class ImageCheck(CallbackSupportMixin, BaseEstimator):
    """A scan that reports its progress to scikit-learn's callbacks, as an estimator does.

    Parameters
    ----------
    n_jobs : int, "auto" or None
        Number of threads.
    """

    def __init__(self, n_jobs):
        self.n_jobs = n_jobs

    @with_callbacks
    def fit(self, sets: list[ImageSet]) -> ImageCheck:
        """Read all images once.

        Parameters
        ----------
        sets : list of ImageSet
            Sets of images.

        Returns
        -------
        check : ImageCheck
            This object, with the list `scans_`.
        """
        tasks = [
            (number, range(start, min(start + _PART, len(images))))
            for number, images in enumerate(sets)
            for start in range(0, len(images), _PART)
        ]
        self.scans_ = [
            Scan(np.zeros(len(images), FACTS), [], np.zeros(len(images), DESCRIPTOR))
            for images in sets
        ]
        context = self._init_callback_context(max_subtasks=len(tasks))
        context.call_on_fit_task_begin(estimator=self)
        parts = read_ahead(lambda task: self._measure(sets, *task), tasks, self.n_jobs)
        for (number, rows), (facts, problems, descriptors) in zip(tasks, parts, strict=True):
            part = context.subcontext(task_name="images")
            part.call_on_fit_task_begin(estimator=self)
            scan, where = self.scans_[number], slice(rows.start, rows.stop)
            scan.facts[where], scan.descriptors[where] = facts, descriptors
            scan.problems += problems
            part.call_on_fit_task_end(estimator=self)
        context.call_on_fit_task_end(estimator=self)
        return self

    def _measure(self, sets, number, rows):
        """Return the statistics, the problems and the descriptors of some images."""
        facts, problems = np.zeros(len(rows), FACTS), []
        described, batch = [], []  # small images are described together, large ones one by one
        readings = sets[number].read(rows)
        for position, (row, reading) in enumerate(zip(rows, readings, strict=True)):
            problems += [(row, *problem) for problem in reading.problems]
            if reading.pixels is None:
                continue
            facts[position] = measure(to_bytes(reading.pixels, sets[number].pixel_range))
            if batch and (batch[0].shape != reading.pixels.shape or _is_full(batch)):
                described.append(describe(np.stack(batch)))
                batch = []
            batch.append(reading.pixels)
        descriptors = np.zeros(len(rows), DESCRIPTOR)
        if batch:
            described.append(describe(np.stack(batch)))
            descriptors[facts["readable"]] = np.concatenate(described)
        return facts, problems, descriptors


def _is_full(batch):
    return len(batch) * batch[0].size >= _BATCH


ImageCheck.__name__ = "check_images"  # which progress bars show
