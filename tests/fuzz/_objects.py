"""Cases of LazyImages and of the networks of `skcnn.networks`."""

import copy
import pickle

import numpy as np
import torch
from _callables import NETWORKS
from _checks import Failed
from _images import draw_images, draw_values
from _parameters import JUNK, draw

from skcnn import ImageAugmenter, LazyImages, networks
from skcnn.operations import Identity, Reshape

INDICES = [
    0, -1, 2, 100, -100, 10**400, True, np.bool_(False), None, Ellipsis, "a", 0.5, [], [0, 1],
    [-1], [0.0], [True, False], np.array([1, 1, 0]), np.array([], int), np.array([0.5]),
    np.array([[0, 1]]), np.array([0], np.uint8), np.array(1), np.array(True), slice(None),
    slice(1, 3), slice(None, None, -1), slice(0, 0), slice(None, None, 0), slice(0.5, 2),
    slice("a", "b"), (0, ...), ([0], ...), (slice(1), ...), (0, 0), (), (...,), [100], ["a"],
    [None], np.int64(1), np.uint64(2**63), np.arange(5) > 2, np.array([1], object), {0}, b"a",
    range(2),
]  # fmt: skip


def lazy_case(check, rng):
    """Make views, select from them, and read them."""
    values = draw_values(rng, 5)
    images = values if rng.random() < 0.7 else draw_images(rng, values)[1]
    options = {}
    if rng.random() < 0.3:
        options["rows"] = draw(rng, [*JUNK, *INDICES])
    if rng.random() < 0.2:
        options["keys"] = draw(rng, [*JUNK, *INDICES, np.arange(5), [5, 4, 3, 2, 1]])
    if rng.random() < 0.2:
        options["epoch"] = draw(rng, [*JUNK, 1, 5])
    if rng.random() < 0.2:
        options["n_jobs"] = draw(rng, [1, 2, -1, None, "auto", "no", 0, 1.5, [1]])
    operations = [[], [Identity()], [Reshape((3, 3))], [5], 5, "a", None, [None]]
    given = [draw(rng, operations)] if rng.random() < 0.2 else []
    view = check.call(None, LazyImages, images, *given, **options)
    if rng.random() < 0.3:
        augmenter = ImageAugmenter(shift=0.2, noise=0.1, random_state=0)
        view = check.call(augmenter, "fit_transform", images)
    for _ in range(rng.integers(1, 5)):
        if not isinstance(view, LazyImages):
            return
        view = _use(check, rng, view)


def _use(check, rng, view):
    """Call something on a view, and return the next view."""
    action = rng.integers(8)
    if action == 0:
        values = check.call(None, np.asarray, view)
        again = check.call(None, view.read)
        check.check_equal(values, again, "reading twice", tolerance=0)
    elif action == 1:
        n_images = draw(rng, [1, 2, 100, 0, -1, 1.5, None, "a", True, 10**400])
        check.call(None, lambda: list(view.read_parts(n_images)))
    elif action == 2:
        for attribute in ("shape", "dtype", "ndim", "is_random", "keys", "rows", "epoch"):
            check.call(None, getattr, view, attribute)
        check.call(None, repr, view)
        check.call(None, len, view)
    elif action == 3:
        function = draw(rng, [copy.copy, copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
        check.check_equal(
            check.call(None, np.asarray, check.call(None, function, view)),
            check.call(None, np.asarray, view),
            "copy of a view",
            tolerance=0,
        )
    elif action == 4:
        return check.call(None, view.at_epoch, draw(rng, [*JUNK, 0, 1, 2]))
    elif action == 5:
        return check.call(None, view.then, draw(rng, [Identity(), Reshape((4, 16)), 5, None]))
    elif action == 6:
        check.call(None, np.array, view, dtype=draw(rng, [None, "f4", "u1", "O", "U3", "M8[D]"]))
        return check.call(None, view.clean)
    else:
        key = draw(rng, INDICES)
        selected = check.call(None, view.__getitem__, key)
        if isinstance(selected, Failed):
            _compare_errors(check, view, key)
        return selected
    return view


def _compare_errors(check, view, key):
    """Report an index that an array takes and a view does not."""
    if isinstance(key, (tuple, type(None), type(...), str, set, range)) or np.ndim(key) != 1:
        return
    try:
        np.arange(len(view))[key]
    except Exception:
        return
    check.report("wrong result", "LazyImages.__getitem__", f"no index: {key!r}")


SIZES = [0, 1, 2, 3, 8, 9, -1, 1.5, None, "a", True, 10**400, np.int64(4), [1], float("nan")]
OPTIONS = {
    "channels": [(2,), (2, 3), (), "auto", "no", 5, (0,), (-1,), (1.5,), None, ("a",), (10**400,)],
    "kernel_size": [1, 2, 3, 9, 0, -1, 1.5, "a", None],
    "stride": [1, 2, 9, 0, -1, 1.5, "a", None],
    "padding": ["same", "valid", "no", None, 1],
    "pooling": ["max", "avg", None, "no", 1],
    "pool_size": [1, 2, 9, 0, -1, 1.5, "a", None],
    "activation": ["relu", "tanh", "no", None, 1],
    "batch_norm": [True, False, "no", None],
    "dropout": [0.0, 0.5, 1.0, -1, 2, float("nan"), "a", None, (0.1, 0.2), ()],
    "hidden_units": [(), (4,), [3], 5, (0,), (-1,), None, "a", (1.5,)],
}


def network_case(check, rng):
    """Build networks with sizes and options of every kind."""
    kind = draw(rng, ["plain", "fast", "no", *NETWORKS, None, 5])
    sizes = [draw(rng, SIZES) if rng.random() < 0.1 else int(rng.integers(1, 10)) for _ in range(4)]
    options = {"channels": (2,)}
    if kind == "plain":
        options["hidden_units"] = (3,)
    for name in rng.choice(list(OPTIONS), rng.integers(0, 3), replace=False):
        if kind == "plain" or name == "channels":
            options[str(name)] = draw(rng, OPTIONS[name])
    if kind not in ("plain", "fast"):
        options = None
    spec = check.call(None, networks.NetworkSpec, kind, *sizes, options)
    if isinstance(spec, Failed):
        return
    module = check.call(None, spec.build, may_change=("random state of torch",))
    if isinstance(module, Failed) or kind not in ("plain", "fast"):
        return
    images = torch.rand(3, *map(int, sizes[:3]), generator=torch.Generator().manual_seed(0))
    expected = check.call(None, module.eval(), images)
    function = check.call(None, networks.prediction_function, module)
    if not isinstance(function, Failed):
        with torch.no_grad():
            check.check_equal(check.call(None, function, images), expected.detach(), "inference")
    if tuple(expected.shape) != (3, int(sizes[3])):
        check.report("wrong result", f"network {kind}", f"outputs of shape {expected.shape}")
    check.call(None, networks.automatic_channels, *(draw(rng, SIZES) for _ in range(2)))


KINDS = {lazy_case: 0.08, network_case: 0.05}
