"""State of a fitted net: plain data and arrays, for pickles and to undo a failed fit."""

from __future__ import annotations

import copy
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from skorch import NeuralNet

from skcnn.networks.spec import NetworkSpec
from skcnn.networks.timm_models import PREFIX
from skcnn.training.device import seeded
from skcnn.training.forks import computing
from skcnn.training.loader import ImageDataset

_OTHER_WEIGHTS = (
    "the saved weights do not fit the network: its class or the function that builds it has "
    "changed since the estimator was saved"
)
_NOT_STORED = ("module", "criterion", "callbacks", "train_split", "device")


def net_state(net, arguments):
    """Return the state of a fitted net as plain data and arrays.

    Parameters
    ----------
    net : ImageNeuralNet
        Fitted net.
    arguments : dict
        Arguments of its constructor.

    Returns
    -------
    state : dict
        "module" is the `NetworkSpec` and "weights" has the arrays of the module; for a net without
        a spec, "module" is the module itself. "optimizer" is None unless training is to continue.
    """
    with net.lock.step():
        optimizer = net.optimizer_.state_dict() if net.warm_start and net.optimizer_ else None
        return {
            "module": net.spec or copy.deepcopy(net.module_),
            "weights": to_arrays(net.module_.state_dict()) if net.spec else None,
            "optimizer": to_arrays(optimizer),
            "history": to_columns(completed_epochs(net.history)),
            "arguments": arguments,
            "changed": _changed_parameters(net),
        }


def module_and_spec(state):
    """Build the module of a net from its state.

    Parameters
    ----------
    state : dict
        Return value of `net_state`.

    Returns
    -------
    module : torch.nn.Module
        Module with its weights, on the CPU.
    spec : NetworkSpec or None
        Specification of the module. None if the module itself was pickled.

    Raises
    ------
    ValueError
        If the weights are not those of the network.
    """
    if state["weights"] is None:
        return state["module"], None
    spec, weights = state["module"], to_tensors(state["weights"])
    if isinstance(spec.name, str):
        spec = NetworkSpec(**vars(spec))  # check the values, which loading a file does not
        _check_shapes(spec, weights)
    with seeded(0, torch.device("cpu")), computing():  # the initial weights are replaced
        module = spec.build()
    for name, value in module.state_dict().items():
        if name in weights and weights[name].is_floating_point() != value.is_floating_point():
            raise ValueError(f"{_OTHER_WEIGHTS} ({name} has values of type {weights[name].dtype})")
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"{_OTHER_WEIGHTS} ({error})") from error
    return module, spec


def _check_shapes(spec, weights):
    """Raise an error unless a network has weights of these names and shapes.

    A manipulated file must neither allocate memory for weights that it does not contain, nor take
    the time of building layers for which it has no weights.
    """
    n_values = sum(part.numel() for part in weights.values())
    sequences = [value for value in spec.options.values() if isinstance(value, tuple)]
    n_layers = max(map(len, sequences), default=0)
    shapes = {name: tuple(part.shape) for name, part in weights.items()}
    is_possible = spec.in_channels <= n_values and n_layers <= len(weights)
    if not is_possible or _expected_shapes(spec, shapes) != shapes:
        raise ValueError(f"{_OTHER_WEIGHTS} (their names or shapes differ)")


def _expected_shapes(spec, otherwise):
    """Return the shapes of the weights, or other ones if they need memory."""
    try:
        return spec.shapes()
    except ValueError:
        if not spec.name.startswith(PREFIX):
            raise
        return otherwise  # a few models of timm cannot be built without memory


def to_arrays(state):
    """Copy the tensors in nested dicts, lists and tuples to arrays.

    Parameters
    ----------
    state : object
        State dict of a module or an optimizer.

    Returns
    -------
    state : object
        The same structure with NumPy arrays.
    """
    if isinstance(state, torch.Tensor):
        return np.array(state.detach().cpu().numpy(), order="C")
    return _map_containers(to_arrays, state)


def to_tensors(state):
    """Convert the arrays in nested dicts, lists and tuples to tensors.

    Parameters
    ----------
    state : object
        Return value of `to_arrays`.

    Returns
    -------
    state : object
        The same structure with tensors.
    """
    if isinstance(state, np.ndarray):
        return torch.from_numpy(state.copy())  # arrays of a memory-mapped file are read-only
    return _map_containers(to_tensors, state)


def initialize_loaded(net, optimizer):
    """Initialize a net that is loaded, with an optimizer only if its state is given.

    PyTorch imports its compiler when it makes the first optimizer of a process, which takes longer
    than all else when a net is loaded.

    Parameters
    ----------
    net : ImageNeuralNet
        Net with its module.
    optimizer : dict or None
        State dict of the optimizer, as `to_arrays` returns it.
    """
    verbose, net.verbose = net.verbose, 0
    if optimizer is None:
        net.initialize_optimizer = partial(_register_empty_optimizer, net)
    net.initialize()
    net.verbose = verbose
    if optimizer is None:
        del net.initialize_optimizer
        net.optimizer_ = None
    else:
        load_optimizer(net.optimizer_, optimizer)


def _register_empty_optimizer(net):
    """Let skorch know that there will be an optimizer, without making one."""
    net.optimizer_ = net.optimizer.__new__(net.optimizer)


def load_optimizer(optimizer, arrays):
    """Load the state of an optimizer.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        Optimizer of the same parameters.
    arrays : dict
        State dict, as `to_arrays` returns it.
    """
    optimizer.load_state_dict(to_tensors(arrays))
    # Fused optimizers expect the memory layout of the parameters.
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def completed_epochs(history):
    """Return the records of the epochs that are complete.

    Parameters
    ----------
    history : skorch.history.History
        History of a net, which another thread may train.

    Returns
    -------
    records : list of dict
        Copies of the records.
    """
    return [record for epoch in list(history) if "dur" in (record := dict(epoch))]


def to_columns(records):
    """Convert records that have mostly the same keys to columns, which make smaller pickles.

    Parameters
    ----------
    records : list of dict
        Records.

    Returns
    -------
    columns : dict of {str: (list of int, list)}
        For each name the rows that have it, or an empty list for all rows, and their values.
    """
    columns = {}
    for name in dict.fromkeys(name for record in records for name in record):
        rows = [row for row, record in enumerate(records) if name in record]
        values = [records[row][name] for row in rows]
        columns[name] = ([] if len(rows) == len(records) else rows, values)
    return columns


def to_records(columns):
    """Convert columns to records.

    Parameters
    ----------
    columns : dict
        Return value of `to_columns`.

    Returns
    -------
    records : list of dict
        Records.
    """
    records = {}
    for name, (rows, values) in columns.items():
        for row, value in zip(rows or range(len(values)), values, strict=True):
            records.setdefault(row, {})[name] = value
    return [records[row] for row in sorted(records)]


@contextmanager
def restore_on_failure(net):
    """Restore the weights, the optimizer and the parameters of a net if its training fails.

    Parameters
    ----------
    net : ImageNeuralNet
        Fitted net whose training continues.

    Yields
    ------
    None
    """
    with net.lock.training():
        yield from _restored_on_failure(net)


def _restored_on_failure(net):
    parameters = {name: value for name, value in vars(net).items() if not name.endswith("_")}
    module = copy.deepcopy(net.module_.state_dict())
    optimizer = net.optimizer_ and copy.deepcopy(net.optimizer_.state_dict())
    criterion, n_epochs = net.criterion_, len(net.history)
    try:
        yield
    except BaseException:
        with net.lock.step():
            vars(net).update(parameters, criterion_=criterion)
            for name in [name for name in vars(net) if not name.endswith("_")]:
                if name not in parameters:
                    del vars(net)[name]
            net.module_.to(net.device)
            del net.history[n_epochs:]
            net.module_.load_state_dict(module)
            net.module_.eval()
            net.optimizer_ = None
            if optimizer:
                net.initialize_optimizer()
                net.optimizer_.load_state_dict(optimizer)
        raise


def _changed_parameters(net):
    """Return the parameters of skorch that the user changed on the net."""
    fresh = {
        **vars(NeuralNet(None, None, **net.options.skorch_parameters())),
        "dataset": ImageDataset,
    }
    return {
        name: value
        for name, value in dict(vars(net)).items()  # another thread may train it
        if name in fresh and name not in _NOT_STORED and not name.endswith("_")
        if value is not fresh[name] and value != fresh[name]
    }


def _map_containers(function, state):
    if isinstance(state, dict):
        return {key: function(value) for key, value in state.items()}
    if isinstance(state, (list, tuple)):
        return type(state)(function(value) for value in state)
    return state
