"""Random numbers as a function of (seed, epoch, key) alone, for a whole batch at once.

A generator that is drawn from in turn would make a variant depend on the images read before it.
Here every image has a key, hashed from the seed, the epoch and its row, and the k-th number of an
image is the k-th output of the SplitMix64 generator that starts at its key: any of them can be
computed at any time, for many images in one numpy expression.
"""

from __future__ import annotations

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ALL_BITS = (1 << 64) - 1


def initial_states(seed, epoch, rows):
    """Hash the seed, the epoch and the rows of images into one key an image.

    Parameters
    ----------
    seed : int
        The seed of the augmentation.
    epoch : int
        The realization.
    rows : int array of shape (n_images,)
        The rows of the images in their source.

    Returns
    -------
    states : uint64 array of shape (n_images,)
        Where each image's sequence of random numbers starts.
    """
    states = _mix(np.array([int(seed) & _ALL_BITS], dtype=np.uint64))
    states = _numbers(states, int(epoch) & _ALL_BITS)
    return _numbers(states, rows)


def uniform(states, position):
    """Draw from [0, 1).

    Parameters
    ----------
    states : uint64 array
        Random states of the images.
    position : int or int array that broadcasts with `states`
        Which number of each image's sequence.

    Returns
    -------
    values : float64 array
        Multiples of 2**-53, of the broadcast shape.
    """
    numbers = _numbers(states, position)
    return (numbers >> np.uint64(11)) * 2.0**-53


def normal(states, position, size):
    """Draw standard normal values, many an image (Box and Muller 1958).

    Parameters
    ----------
    states : uint64 array of shape (n_images,)
        Random states of the images.
    position : int
        Where in each image's sequence the numbers start; half of `size` are used.
    size : int
        How many values an image.

    Returns
    -------
    values : float32 array of shape (n_images, size)
        The values, of magnitude below 6.
    """
    half = -(-size // 2)
    numbers = _numbers(states[:, np.newaxis], np.arange(position, position + half))
    first = (numbers >> np.uint64(40)).astype(np.float32)
    second = (numbers & np.uint64(0xFFFFFF)).astype(np.float32)
    radius = np.sqrt(-2 * np.log(1 - first * np.float32(2.0**-24)))
    angle = second * np.float32(2 * np.pi * 2.0**-24)
    values = np.empty((len(states), 2 * half), dtype=np.float32)
    np.multiply(radius, np.cos(angle), out=values[:, :half])
    np.multiply(radius, np.sin(angle), out=values[:, half:])
    return values[:, :size]


def generators(states, position):
    """Make one numpy generator an image.

    Parameters
    ----------
    states : uint64 array of shape (n_images,)
        Random states of the images.
    position : int
        Which number of each image's sequence seeds its generator.

    Returns
    -------
    generators : list of numpy.random.Generator
        One for each image.
    """
    return [np.random.default_rng(int(seed)) for seed in _numbers(states, position)]


def _numbers(states, positions):
    """Give the numbers at some positions of the SplitMix64 sequences that start at the states."""
    positions = np.atleast_1d(positions).astype(np.uint64)  # one number alone would warn to wrap
    return _mix(states + _GOLDEN * (positions + np.uint64(1)))


def _mix(values):
    """Scramble 64 bits, as SplitMix64 does (Steele, Lea and Flood 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
