"""A net as it was before, where training it further goes wrong."""

from __future__ import annotations

import copy
from contextlib import contextmanager


@contextmanager
def restored_on_failure(net):
    """Put back the weights and the optimizer of a net if its training goes wrong.

    Parameters
    ----------
    net : ImageNet
        The net that is trained further.

    Yields
    ------
    None
        Nothing.
    """
    parameters = {name: value for name, value in vars(net).items() if not name.endswith("_")}
    module = copy.deepcopy(net.module_.state_dict())
    optimizer = net.optimizer_ and copy.deepcopy(net.optimizer_.state_dict())
    n_epochs = len(net.history)
    try:
        yield
    except BaseException:
        for name in [name for name in vars(net) if not name.endswith("_")]:
            del vars(net)[name]
        vars(net).update(parameters)
        net.module_.to(net.device)
        del net.history[n_epochs:]
        net.module_.load_state_dict(module)
        net.optimizer_ = None
        if optimizer:
            net.initialize_optimizer()
            net.optimizer_.load_state_dict(optimizer)
        raise
