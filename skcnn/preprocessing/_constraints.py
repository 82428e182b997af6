"""Constraints on parameters that scikit-learn's own tables have no word for."""

from __future__ import annotations

from numbers import Integral, Real

from sklearn.utils._param_validation import Interval, Options


class PositiveInts(Options):
    """A tuple or list of positive integers, of certain lengths or of any.

    Parameters
    ----------
    *names : str
        What each way to give it stands for, such as "(height, width)"; its commas say how long
        the tuple is. Without any, it may be of any length.
    """

    def __init__(self, *names: str):
        super().__init__(tuple, set())  # tables take this kind of constraint from outside
        self.names = names
        self.lengths = {name.count(",") + 1 for name in names}

    def is_satisfied_by(self, val: object) -> bool:
        """Tell whether a value is such a tuple.

        Parameters
        ----------
        val : object
            The value of the parameter.

        Returns
        -------
        is_satisfied : bool
            Whether it is a tuple or list of a right length, of integers above 0.
        """
        return (
            isinstance(val, (tuple, list))
            and (not self.names or len(val) in self.lengths)
            and all(isinstance(n, Integral) and not isinstance(n, bool) and int(n) > 0 for n in val)
        )

    def __str__(self) -> str:
        return f"a tuple of positive integers {' or '.join(self.names)}".rstrip()


class Fractions(Options):
    """A tuple or list of numbers from 0 to below 1."""

    def __init__(self):
        super().__init__(tuple, set())

    def is_satisfied_by(self, val: object) -> bool:
        """Tell whether a value is such a tuple.

        Parameters
        ----------
        val : object
            The value of the parameter.

        Returns
        -------
        is_satisfied : bool
            Whether it is a tuple or list of numbers in [0, 1).
        """
        one = Interval(Real, 0, 1, closed="left")
        return isinstance(val, (tuple, list)) and all(map(one.is_satisfied_by, val))

    def __str__(self) -> str:
        return "a tuple of floats in the range [0, 1)"


LAYERS = PositiveInts()
SIZE = PositiveInts("(height, width)")
IMAGE_SHAPE = PositiveInts("(height, width)", "(height, width, n_channels)")
