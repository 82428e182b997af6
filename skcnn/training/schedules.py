"""Learning rate schedules: factors of the learning rate by the fraction of the training done."""

from __future__ import annotations

from math import cos, pi


def one_cycle(done, *, warm_up=0.25, start=0.04):
    """Return a factor that increases to 1 and decreases to 0, each along half a cosine.

    Smith and Topin, "Super-Convergence", 2018 (arXiv 1708.07120), section 3.

    Parameters
    ----------
    done : float
        Fraction of the training that is done, from 0 to 1.
    warm_up : float, default=0.25
        Fraction of the training in which the factor increases.
    start : float, default=0.04
        Factor at the beginning.

    Returns
    -------
    factor : float
        From 0 to 1.
    """
    if done < warm_up:
        return start + (1 - start) * (1 - cos(pi * done / warm_up)) / 2
    return (1 + cos(pi * (done - warm_up) / (1 - warm_up))) / 2


def cosine(done):
    """Return a factor that decreases from 1 to 0 along half a cosine.

    Loshchilov and Hutter, "SGDR", ICLR 2017 (arXiv 1608.03983), equation 5.

    Parameters
    ----------
    done : float
        Fraction of the training that is done, from 0 to 1.

    Returns
    -------
    factor : float
        From 0 to 1.
    """
    return (1 + cos(pi * done)) / 2


def linear(done):
    """Return a factor that decreases from 1 to 0 linearly.

    Parameters
    ----------
    done : float
        Fraction of the training that is done, from 0 to 1.

    Returns
    -------
    factor : float
        From 0 to 1.
    """
    return 1.0 - done


SCHEDULES = {"cosine": cosine, "linear": linear, "one_cycle": one_cycle}
