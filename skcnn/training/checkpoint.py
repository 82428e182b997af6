"""TrainingCheckpoint: save the state of a training, and continue from it after an interruption."""

from __future__ import annotations

import os
import warnings
from numbers import Integral
from pathlib import Path

import torch
from skorch.callbacks import Callback, PrintLog

from skcnn.checksums import loading
from skcnn.training.checkpoint_files import is_plain, read_state, write_state
from skcnn.training.description import check_same_training, describe_training
from skcnn.training.distributed.ranks import current_ranks
from skcnn.training.progress_log import print_line
from skcnn.training.state import load_optimizer
from skcnn.urls import hide_secrets, is_url, was_url
from skcnn.versions import versions, warn_about_versions

_FORMAT = 1
_NOT_STORED = ("y_trues_", "y_preds_")  # predictions of the last epoch, of skorch's EpochScoring


class TrainingCheckpoint(Callback):
    """Save the state of a training after every epoch, and continue from it when `fit` is repeated.

    Pass it to the parameter `callbacks` of an estimator. If the training is interrupted, for
    example by Ctrl-C or by a power failure, start the same program again: `fit` loads the file, and
    trains only the remaining epochs. The result is bitwise identical to that of an uninterrupted
    training, on the same machine with the same number of threads. If the training in the file is
    complete, `fit` loads the result and returns.

    Parameters
    ----------
    path : str or path-like
        File of the checkpoint, in the format of safetensors. It contains plain data and tensors,
        and no pickle. Its folder is created if necessary. Each training needs its own file. Remove
        the file to train from the beginning.
    every : int, default=1
        Number of epochs between two writes of the file.

    Raises
    ------
    ValueError
        If `path` is a URL, or `every` is not an integer of at least 1. In `fit`, if the file is
        damaged, or belongs to a training with other parameters or data. `fit` compares the
        parameters of the estimator, the network, the targets, the weights, the number and the size
        of the images, and 16 of the images. It does not compare the other callbacks.

    See Also
    --------
    skorch.callbacks.Checkpoint : Save the weights of the best epoch.

    Notes
    -----
    The file contains the weights, the state of the optimizer, the history, and the states of
    PyTorch's random number generators. It also contains the attributes of all callbacks that have a
    trailing underscore, if they consist of numbers, strings and tensors, or have a `state_dict`,
    such as the schedulers of `torch.optim.lr_scheduler`. The file is written under a temporary name
    and then renamed, so that there is always a complete file, even if the process is killed. If it
    cannot be written, for example because the disk is full, `fit` warns and continues.

    Callbacks of scikit-learn, such as progress bars, are also called for the epochs that are loaded
    from the file. They receive None as the fitted estimator of these epochs.

    If several processes train the network together, pass the callback in all of them. The first
    process writes the file, which all of them must be able to read. When such a training continues,
    random numbers that differ between the processes, such as the start of
    `skcnn.robustness.PGD`, are not those of an uninterrupted training.

    The seeds must be the same when the program is started again: `random_state` must be an integer
    for the estimator, and for the other random steps of a pipeline, such as `ImageAugmenter`.

    Examples
    --------
    >>> import os, tempfile
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import CNNClassifier
    >>> from skcnn.training import TrainingCheckpoint
    >>> images, y = load_digits().images, load_digits().target
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoint = TrainingCheckpoint(os.path.join(folder, "training.safetensors"))
    ...     cnn = CNNClassifier(max_epochs=2, callbacks=[checkpoint], random_state=0)
    ...     first = cnn.fit(images, y).predict_proba(images)
    ...     again = cnn.fit(images, y).predict_proba(images)  # loads the result
    >>> bool((again == first).all())
    True
    """

    def __init__(self, path: str | os.PathLike[str], *, every: int = 1):
        if not isinstance(every, Integral) or every < 1:
            raise ValueError(
                f"every={every!r} of TrainingCheckpoint must be an integer of at least 1"
            )
        if is_url(path) or was_url(str(path)):
            raise ValueError(
                f"path={hide_secrets(str(path))!r} of TrainingCheckpoint is a URL: pass the path "
                "of a file, on a disk that remains if the training is interrupted"
            )
        self.path = path
        self.every = every

    def on_train_begin(self, net, **kwargs):
        """Create the folder of the file.

        Parameters
        ----------
        net : ImageNeuralNet
            Net being trained.
        **kwargs : dict
            Not used.
        """
        path = self._file()
        if path.is_dir():
            raise IsADirectoryError(
                f"{str(self.path)!r}, the path of TrainingCheckpoint, is a folder: add the name of "
                "a file"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(path.parent, os.W_OK):
            raise PermissionError(
                f"TrainingCheckpoint cannot write to the folder of {str(self.path)!r}: pass "
                "another path"
            )

    def on_epoch_end(self, net, **kwargs):
        """Write the file.

        Parameters
        ----------
        net : ImageNeuralNet
            Net being trained.
        **kwargs : dict
            Not used.
        """
        if (net.progress.epoch + 1) % self.every == 0:
            self._write(net, finished=False)

    def on_train_end(self, net, **kwargs):
        """Write the file of a complete training.

        Parameters
        ----------
        net : ImageNeuralNet
            Net being trained.
        **kwargs : dict
            Not used.
        """
        self._write(net, finished=True)

    def load(self, net, dataset, valid):
        """Load the state of the training, if there is a file.

        Parameters
        ----------
        net : ImageNeuralNet
            Net at the beginning of its training, after `on_train_begin` of its callbacks.
        dataset : ImageDataset
            Training data.
        valid : ImageDataset or None
            Validation data.

        Returns
        -------
        n_done : int
            Number of epochs of this training that the file contains; all epochs if the training
            is complete.
        """
        self._description = describe_training(net, dataset, valid)
        path = self._file()
        if not path.exists():
            return 0
        state = read_state(path, torch.device(net.device))
        n_epochs = net.progress.n_epochs
        n_before = len(net.history)
        if not isinstance(state, dict) or state.get("format") != _FORMAT:
            raise ValueError(
                f"the checkpoint {str(self.path)!r} has another format: it was written by another "
                "version of skcnn, or not by TrainingCheckpoint; remove it to train from the "
                "beginning"
            )
        with loading(f"checkpoint {str(self.path)!r}"):
            check_same_training(state["description"], self._description, str(self.path))
            warn_about_versions(state.get("versions"), f"checkpoint {str(self.path)!r}")
            is_finished = state["finished"]
            self._restore(net, state)
        n_done = len(net.history) - n_before
        if net.verbose:
            print_line(f"{n_done} of {n_epochs} epochs were loaded from {str(self.path)!r}")
        return n_epochs if is_finished else n_done

    def _write(self, net, *, finished):
        ranks = current_ranks()
        if ranks is not None and ranks.rank > 0:
            return
        state = {
            "format": _FORMAT,
            "versions": versions(),
            "description": self._description,
            "finished": finished,
            "n_epochs": net.progress.n_epochs,
            "history": [dict(record) for record in net.history],
            "module": dict(net.module_.state_dict()),
            "optimizer": net.optimizer_.state_dict(),
            "callbacks": {name: _attributes(callback) for name, callback in _stateful(net)},
            "random": net.common_random_states() or _random_states(torch.device(net.device)),
        }
        try:
            write_state(self._file(), state)
        except OSError as error:  # such as a full disk
            warnings.warn(
                f"the checkpoint {str(self.path)!r} could not be written after epoch "
                f"{len(net.history)}: {error}. The training continues, and the file keeps its "
                "previous state, if there is one",
                UserWarning,
                stacklevel=2,
            )

    def _restore(self, net, state):
        try:
            net.module_.load_state_dict(state["module"])
        except RuntimeError as error:
            raise ValueError(
                f"the weights in the checkpoint {str(self.path)!r} do not fit the network: its "
                f"class or the function that builds it has changed ({error})"
            ) from error
        load_optimizer(net.optimizer_, state["optimizer"])
        net.history.clear()
        net.history.extend(state["history"])
        net.shorten_training(state["n_epochs"])
        for name, callback in _stateful(net):
            _set_attributes(callback, state["callbacks"].get(name, {}))
        _set_random_states(torch.device(net.device), state["random"])

    def _file(self):
        return Path(self.path).expanduser()


def is_checkpoint(item):
    """Return whether an item of the parameter `callbacks` is a `TrainingCheckpoint`.

    Parameters
    ----------
    item : Callback or pair (str, Callback)
        Callback, with or without a name.

    Returns
    -------
    is_checkpoint : bool
        Whether it is one.
    """
    return isinstance(item[1] if isinstance(item, (tuple, list)) else item, TrainingCheckpoint)


def epochs_left(net, dataset):
    """Return the number of epochs to train, and load the state of a checkpoint if there is one.

    Parameters
    ----------
    net : ImageNeuralNet
        Net at the beginning of its training.
    dataset : ImageDataset
        Training data.

    Returns
    -------
    n_left : int
        Number of epochs; 0 if the training in the checkpoint is complete.

    Raises
    ------
    ValueError
        If other processes that train the net continue from another epoch.
    """
    n_epochs = net.progress.n_epochs
    n_done = None
    for _, callback in net.callbacks_:
        if isinstance(callback, TrainingCheckpoint):
            _, valid = net.get_split_datasets(dataset)
            n_done = callback.load(net, dataset, valid)
    ranks = current_ranks()
    if ranks is not None and len(set(ranks.gather(n_done))) > 1:
        raise ValueError(
            "the processes that train together continue from different epochs: pass "
            "TrainingCheckpoint to each of them, with a path that all of them can read"
        )
    return n_epochs - (n_done or 0)


def _stateful(net):
    """Return the pairs of names and callbacks whose state is stored."""
    return [pair for pair in net.callbacks_ if not isinstance(pair[1], PrintLog)]


def _attributes(callback):
    """Return the attributes of a callback that are stored."""
    found = {}
    for name, value in vars(callback).items():
        if name.endswith("_") and name not in _NOT_STORED:
            if hasattr(value, "load_state_dict") and not isinstance(value, type):
                found[name] = value.state_dict()
            elif is_plain(value):
                found[name] = value
    return found


def _set_attributes(callback, attributes):
    for name, value in attributes.items():
        present = getattr(callback, name, None)
        if hasattr(present, "load_state_dict"):
            present.load_state_dict(value)
        else:
            setattr(callback, name, value)


def _random_states(device):
    """Return the states of the random number generators of PyTorch."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def _set_random_states(device, states):
    torch.set_rng_state(states["cpu"].cpu())
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"].cpu(), device)
    elif device.type == "mps" and "mps" in states:
        torch.mps.set_rng_state(states["mps"].cpu())
