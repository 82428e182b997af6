"""Random numbers as a function of (seed, epoch, key) alone, for a whole batch at once.

With one generator for all images, a variant would depend on the images that are read before it.
Here the random numbers of an image are the outputs of a SplitMix64 generator of its own, whose
initial state is a hash of the seed, the epoch and the key of the image. Each output is computed
without the others, for many images in one numpy expression.
"""

from __future__ import annotations

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ALL_BITS = (1 << 64) - 1


def initial_states(seed, epoch, keys):
    """Hash the seed, the epoch and the keys of images to initial states of their generators.

    Parameters
    ----------
    seed : int
        Seed of the augmentation.
    epoch : int
        Realization.
    keys : int array of shape (n_images,)
        Keys of the images.

    Returns
    -------
    states : uint64 array of shape (n_images,)
        Initial state of the generator of each image.
    """
    states = _mix(np.array([int(seed) & _ALL_BITS], dtype=np.uint64))
    states = _numbers(states, int(epoch) & _ALL_BITS)
    return _numbers(states, keys)


def uniform(states, position):
    """Draw from the uniform distribution on [0, 1).

    Parameters
    ----------
    states : uint64 array
        Initial states of the images.
    position : int or int array that broadcasts with `states`
        Index in the sequence of each image.

    Returns
    -------
    values : float64 array
        Multiples of 2**-53, of the broadcast shape.
    """
    numbers = _numbers(states, position)
    return (numbers >> np.uint64(11)) * 2.0**-53


def normal(states, position, size):
    """Draw from the standard normal distribution, many values per image (Box and Muller 1958).

    Parameters
    ----------
    states : uint64 array of shape (n_images,)
        Initial states of the images.
    position : int
        First index in the sequence of each image; half of `size` numbers are used.
    size : int
        Number of values per image.

    Returns
    -------
    values : float32 array of shape (n_images, size)
        Values, of magnitude below 6.
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
    """Return a numpy generator for each image.

    Parameters
    ----------
    states : uint64 array of shape (n_images,)
        Initial states of the images.
    position : int
        Index in the sequence of each image of the seed of its generator.

    Returns
    -------
    generators : list of numpy.random.Generator
        Generators, one for each image.
    """
    return [np.random.default_rng(int(seed)) for seed in _numbers(states, position)]


def _numbers(states, positions):
    """Return the outputs at some positions of SplitMix64 generators."""
    positions = np.atleast_1d(positions).astype(np.uint64)  # a scalar would warn about overflow
    return _mix(states + _GOLDEN * (positions + np.uint64(1)))


def _mix(values):
    """Mix 64 bits as SplitMix64 (Steele, Lea and Flood 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
