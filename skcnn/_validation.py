"""Parameter constraints that scikit-learn does not provide."""

from __future__ import annotations

from numbers import Integral, Real

from sklearn.utils._param_validation import Interval, Options, StrOptions


class PositiveInts(Options):
    """Constrain a parameter to tuples or lists of positive integers.

    Parameters
    ----------
    *names : str
        Names of the items of each accepted tuple, such as "(height, width)". They also determine
        its length. If none are given, tuples of any length are accepted.
    """

    def __init__(self, *names: str):
        super().__init__(tuple, set())  # scikit-learn accepts subclasses of Options as constraints
        self.names = names
        self.lengths = {name.count(",") + 1 for name in names}

    def is_satisfied_by(self, val: object) -> bool:
        """Return whether a value satisfies the constraint.

        Parameters
        ----------
        val : object
            Value of the parameter.

        Returns
        -------
        is_satisfied : bool
            Whether it is a tuple or list of an accepted length that holds integers above 0, of at
            most 2**31 - 1.
        """
        return (
            isinstance(val, (tuple, list))
            and (not self.names or len(val) in self.lengths)
            and all(isinstance(n, Integral) and not isinstance(n, bool) for n in val)
            and all(0 < int(n) <= MAX_SIZE for n in val)
        )

    def __str__(self) -> str:
        examples = {1: "(32,)", 2: "(32, 32)", 3: "(32, 32, 3)"}
        example = examples[min(self.lengths, default=1)]
        return f"a tuple of positive integers {' or '.join(self.names)}".rstrip() + (
            f", such as {example}"
        )


class Fractions(Options):
    """Constrain a parameter to tuples or lists of numbers in [0, 1)."""

    def __init__(self):
        super().__init__(tuple, set())

    def is_satisfied_by(self, val: object) -> bool:
        """Return whether a value satisfies the constraint.

        Parameters
        ----------
        val : object
            Value of the parameter.

        Returns
        -------
        is_satisfied : bool
            Whether it is a tuple or list of numbers in [0, 1).
        """
        interval = Interval(Real, 0, 1, closed="left")
        return isinstance(val, (tuple, list)) and all(map(interval.is_satisfied_by, val))

    def __str__(self) -> str:
        return "a tuple of floats in the range [0, 1), such as (0.2, 0.5)"


class TrainingAttack(Options):
    """Constrain a parameter to attacks with which a network can be trained."""

    def __init__(self):
        super().__init__(object, set())

    def is_satisfied_by(self, val: object) -> bool:
        """Return whether a value satisfies the constraint.

        Parameters
        ----------
        val : object
            Value of the parameter.

        Returns
        -------
        is_satisfied : bool
            Whether it is an instance of an attack that makes training images.
        """
        return hasattr(val, "_ascend") and not isinstance(val, type)

    def __str__(self) -> str:
        return "an attack of skcnn.robustness for training, such as FGSM(epsilon) or PGD(epsilon)"


def check_positive_int(name: str, value: object) -> None:
    """Raise an error unless an argument is a positive integer.

    Parameters
    ----------
    name : str
        Name in the message.
    value : object
        Value.

    Raises
    ------
    ValueError
        If it is not an integer, is a bool, or is less than 1.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name}={value!r} must be a positive integer")


MAX_SIZE = 2**31 - 1  # largest number of pixels, channels or units along one axis
SIZE_OF_AXIS = [Interval(Integral, 1, MAX_SIZE, closed="both")]
LAYERS = PositiveInts()
SIZE = PositiveInts("(height, width)")
IMAGE_SHAPE = PositiveInts("(height, width)", "(height, width, n_channels)")
TRAINING_ATTACK = TrainingAttack()
N_JOBS = [Integral, StrOptions({"auto"}), None]
