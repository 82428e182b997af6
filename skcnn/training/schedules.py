"""How the learning rate runs over a training: factors of it, by the fraction done."""

from __future__ import annotations

from math import cos, pi


def constant(done):
    """Stay at the learning rate.

    Parameters
    ----------
    done : float
        The fraction of the training that is done, from 0 to 1.

    Returns
    -------
    factor : float
        1.
    """
    return 1.0


def one_cycle(done, *, warm_up=0.25, start=0.04):
    """Rise to the learning rate and fall to nothing, along half cosines.

    Smith and Topin, "Super-Convergence", 2018 (arXiv 1708.07120), section 3.

    Parameters
    ----------
    done : float
        The fraction of the training that is done, from 0 to 1.
    warm_up : float, default=0.25
        The fraction after which the learning rate is reached.
    start : float, default=0.04
        The factor at the beginning.

    Returns
    -------
    factor : float
        From 0 to 1.
    """
    if done < warm_up:
        return start + (1 - start) * (1 - cos(pi * done / warm_up)) / 2
    return (1 + cos(pi * (done - warm_up) / (1 - warm_up))) / 2


def cosine(done):
    """Fall from the learning rate to nothing along half a cosine.

    Loshchilov and Hutter, "SGDR", ICLR 2017 (arXiv 1608.03983), equation 5.

    Parameters
    ----------
    done : float
        The fraction of the training that is done, from 0 to 1.

    Returns
    -------
    factor : float
        From 0 to 1.
    """
    return (1 + cos(pi * done)) / 2


def linear(done):
    """Fall from the learning rate to nothing along a straight line.

    Parameters
    ----------
    done : float
        The fraction of the training that is done, from 0 to 1.

    Returns
    -------
    factor : float
        From 0 to 1.
    """
    return 1.0 - done


SCHEDULES = {"cosine": cosine, "linear": linear, "one_cycle": one_cycle}
