"""save_weights and load_weights: the weights of a network in a file that cannot contain code."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import nn

from skcnn.checksums import loading
from skcnn.export.spec_text import read_json, spec_from_text, spec_to_text
from skcnn.networks.pretrained_files import NETWORK_KEY, read_safetensors
from skcnn.pipeline_graph import FittedPipeline
from skcnn.settings import fixed_settings
from skcnn.tensor_files import write_tensors
from skcnn.training.state import module_and_spec
from skcnn.versions import versions, warn_about_versions

_SUFFIX = ".safetensors"
_VERSIONS = "skcnn.versions"  # key of the metadata


def save_weights(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Save the weights of a fitted network in the format of safetensors.

    The file contains the weights as arrays. Its metadata contains the description of the network
    and the versions of the packages as JSON, and a checksum. It contains neither the classes nor
    the parameters of the estimator, nor the other steps of a pipeline.

    Parameters
    ----------
    estimator : estimator of this package, Pipeline or search
        Fitted estimator with a network, or fitted pipeline that ends in one. If it is a search,
        such as `GridSearchCV`, its best estimator is used.
    path : str or path
        File with the suffix .safetensors. An existing file is replaced when the new one is
        complete.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    IsADirectoryError
        If `path` is a folder.
    TypeError
        If the last step is not an estimator of this package with a trained network.
    ValueError
        If the path has another suffix, or if the network is one of your own, such as a function.

    See Also
    --------
    load_weights : Load the network.
    trusted_types : Save and load a whole pipeline without code.

    Examples
    --------
    >>> import tempfile, torch
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import CNNClassifier
    >>> from skcnn.export import load_weights, save_weights
    >>> images, y = load_digits(return_X_y=True)
    >>> cnn = CNNClassifier(channels=(8,), max_epochs=1, random_state=0).fit(images, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_weights(cnn, Path(folder, "digits.safetensors"))
    ...     network = load_weights(Path(folder, "digits.safetensors"))
    >>> pixels = torch.tensor(images[:5].reshape(5, 1, 8, 8), dtype=torch.float32)
    >>> with torch.no_grad():
    ...     classes = network(pixels).argmax(dim=1)
    >>> bool((cnn.classes_[classes] == cnn.predict(images[:5])).all())
    True
    """
    file = _checked(path)
    if file.is_dir():
        raise IsADirectoryError(f"{str(file)!r} is a folder: pass the name of a file in it")
    if not file.parent.is_dir():
        raise FileNotFoundError(f"{str(file.parent)!r}, the folder of the file, does not exist")
    net = FittedPipeline.of(estimator).final.net_
    builder = net.spec.name
    if not isinstance(builder, str):
        raise ValueError(
            f"the network {getattr(builder, '__name__', builder)} is your own, so a file without "
            "code cannot describe it: save module_.state_dict() with safetensors.torch.save_file, "
            "and load the weights into a network that your code builds"
        )
    with net.lock.step():  # another thread may train it
        weights = {
            name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, tensor in net.module_.state_dict().items()
        }
    texts = {NETWORK_KEY: spec_to_text(net.spec), _VERSIONS: json.dumps(versions())}
    write_tensors(file, weights, {"format": "pt", **texts})


@fixed_settings()
def load_weights(path: str | os.PathLike[str]) -> nn.Module:
    """Load a network from a file of `save_weights`, without running code from the file.

    Parameters
    ----------
    path : str or path
        File with the suffix .safetensors.

    Returns
    -------
    network : torch.nn.Module
        Network on the CPU in evaluation mode. It takes pixel values as the estimator does, in a
        float32 tensor of shape (n_images, n_channels, height, width), standardizes them, and
        returns its outputs: logits of a classifier, standardized targets of a regressor.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If the network is a model of timm, and timm is not installed.
    ValueError
        If the file is damaged, was not saved by `save_weights`, or its description is not that of a
        network with weights of these shapes.

    Warns
    -----
    InconsistentVersionWarning
        If the file was saved with another version of this package.

    See Also
    --------
    save_weights : Save the network.

    Examples
    --------
    >>> import tempfile, torch
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from skcnn import CNNRegressor
    >>> from skcnn.export import load_weights, save_weights
    >>> images, y = np.random.default_rng(0).random((20, 8, 8)), np.arange(20.0)
    >>> cnn = CNNRegressor(channels=(8,), max_epochs=1, random_state=0).fit(images, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_weights(cnn, Path(folder, "ages.safetensors"))
    ...     network = load_weights(Path(folder, "ages.safetensors"))
    >>> pixels = torch.tensor(images[:, None], dtype=torch.float32)
    >>> with torch.no_grad():
    ...     outputs = network(pixels)[:, 0]
    >>> predictions = cnn.y_mean_ + cnn.y_scale_ * outputs.numpy()
    >>> bool(np.allclose(predictions, cnn.predict(images), atol=1e-4))
    True
    """
    file = _checked(path)
    if not file.is_file():
        raise FileNotFoundError(f"{str(file)!r} does not exist: give the path of a saved file")
    weights, metadata = read_safetensors(file)
    if NETWORK_KEY not in metadata or _VERSIONS not in metadata:
        raise ValueError(
            f"{str(file)!r} does not contain the description of a network: save it with "
            "skcnn.export.save_weights, or read its tensors with safetensors.torch.load_file"
        )
    try:
        with loading("network"):
            spec = spec_from_text(metadata[NETWORK_KEY])
            warn_about_versions(read_json(metadata[_VERSIONS]), "network")
            module, _ = module_and_spec({"module": spec, "weights": weights})
    except ValueError as error:
        raise ValueError(f"{str(file)!r} is not loaded: {error}") from error
    return module.eval()


def _checked(path: Any) -> Path:
    path = Path(path).expanduser()
    if path.suffix != _SUFFIX:
        raise ValueError(f"{str(path)!r} must be the path of a file with the suffix {_SUFFIX}")
    return path
