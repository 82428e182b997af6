"""How a callback's wish to end a training is told from Ctrl-C."""

from __future__ import annotations

from contextlib import contextmanager
from dis import opmap


class StopTraining(Exception):  # noqa: N818 - no error
    """A callback asked for the end of the training."""


@contextmanager
def stops_as_exceptions():
    """Turn skorch's way of ending a training, a raised KeyboardInterrupt, into `StopTraining`.

    Ctrl-C, which is a KeyboardInterrupt too, passes.

    Yields
    ------
    None
        Nothing.
    """
    try:
        yield
    except KeyboardInterrupt as interrupt:
        if not _was_raised(interrupt):
            raise
        raise StopTraining from None


def _was_raised(interrupt):
    """Tell a ``raise`` statement from Ctrl-C, which comes in the middle of anything."""
    place = interrupt.__traceback__
    while place.tb_next is not None:
        place = place.tb_next
    return place.tb_frame.f_code.co_code[place.tb_lasti] == opmap["RAISE_VARARGS"]
