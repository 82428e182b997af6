"""AutoAttack: an ensemble of attacks, each on the images that withstood the others."""

from __future__ import annotations

from numbers import Integral
from typing import ClassVar

from sklearn.utils._param_validation import Interval

from skcnn.robustness.attacks._base import Attack
from skcnn.robustness.attacks.apgd import APGD
from skcnn.robustness.attacks.fab import FAB
from skcnn.robustness.attacks.square import SquareAttack


class AutoAttack(Attack):
    """The ensemble of attacks with which robustness is usually reported [1]_.

    These are `APGD` with the cross-entropy and with the targeted difference of logits ratio, `FAB`,
    and `SquareAttack`. Each attacks the images that the previous ones did not fool the network
    with. A single attack, such as `PGD`, often overestimates robustness. Images that withstand all
    attacks are returned unchanged.

    Parameters
    ----------
    epsilon : float
        Maximum distance to the original image, in units of the pixel values.
    norm : {"linf", "l2"}, default="linf"
        Distance: the largest change of a pixel value, or the Euclidean length of the change.
    n_steps : int, default=100
        Number of steps of APGD and FAB. The default is that of [1]_.
    n_queries : int, default=5000
        Number of queries of the Square attack. The default is that of [1]_.
    n_targets : int, default=9
        Number of other classes that targeted attacks aim at. The default is that of [1]_.

    See Also
    --------
    auto_attack : Apply this ensemble to images.

    References
    ----------
    .. [1] Croce and Hein, "Reliable evaluation of adversarial robustness with an ensemble of
       diverse parameter-free attacks", ICML 2020 (arXiv 2003.01690), section 5.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import CNNClassifier
    >>> from skcnn.robustness import AutoAttack, robust_score
    >>> X, y = load_digits(return_X_y=True)
    >>> cnn = CNNClassifier(max_epochs=5, random_state=0).fit(X[:1000], y[:1000])
    >>> attack = AutoAttack(epsilon=4, n_steps=20, n_queries=100)
    >>> robust_score(cnn, X[1000:1100], y[1000:1100], attack, random_state=0) < 0.1
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **Attack._parameter_constraints,
        "n_steps": [Interval(Integral, 1, None, closed="left")],
        "n_queries": [Interval(Integral, 1, None, closed="left")],
        "n_targets": [Interval(Integral, 1, None, closed="left")],
    }
    _takes_target = False

    def __init__(self, epsilon, *, norm="linf", n_steps=100, n_queries=5000, n_targets=9):
        self.epsilon = epsilon
        self.norm = norm
        self.n_steps = n_steps
        self.n_queries = n_queries
        self.n_targets = n_targets

    def _attacks(self):
        ball = {"epsilon": self.epsilon, "norm": self.norm}
        targeted = {"n_steps": self.n_steps, "n_targets": self.n_targets}
        return (
            APGD(**ball, n_steps=self.n_steps),
            APGD(**ball, **targeted, loss="targeted_dlr"),
            FAB(**ball, **targeted),
            SquareAttack(**ball, n_queries=self.n_queries),
        )

    def _perturb(self, problem, generator, *, until_fooled=False):
        images = problem.images.clone()
        rows = (~problem.fooled(problem.logits(images))).nonzero()[:, 0]
        for attack in self._attacks():
            if not len(rows):
                break
            part = problem.select(rows)
            found = attack._perturb(part, generator, until_fooled=True)
            fooled = part.fooled(part.logits(found))
            images[rows[fooled]] = found[fooled]
            rows = rows[~fooled]
        return images
