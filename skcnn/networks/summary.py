"""Layers of a network: output shapes, parameters, multiply-adds and activation memory."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry, sdpa_flop

from skcnn.settings import fixed_settings

_FORMULAS = {**flop_registry}
if hasattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu"):
    _FORMULAS[torch.ops.aten._scaled_dot_product_flash_attention_for_cpu] = sdpa_flop


@dataclass(frozen=True)
class LayerSummary:
    """One layer of a network, without the layers inside it, or with all of them.

    Parameters
    ----------
    name : str
        Name in ``network.named_modules()``.
    kind : str
        Name of the class.
    output_shape : tuple of int or None
        Shape of the output for one image. None if the layer is not called or returns no tensor.
    n_parameters : int
        Number of parameters. A parameter of several layers belongs to the first one.
    n_trainable : int
        Number of parameters that are trained.
    multiply_adds : int
        Multiply-adds of convolutions and matrix products for one image, in all calls of the layer.
    activation_bytes : int
        Bytes of the outputs for one image, in all calls of the layer. Outputs that only reshape an
        earlier output, or share its memory, are not counted.
    weight_bytes : int
        Bytes of parameters and buffers.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...] | None = None
    n_parameters: int = 0
    n_trainable: int = 0
    multiply_adds: int = 0
    activation_bytes: int = 0
    weight_bytes: int = 0

    @property
    def depth(self) -> int:
        """Number of modules that contain the layer."""
        return len(self.name.split(".")) if self.name else 0


_SUMS = ("n_parameters", "n_trainable", "multiply_adds", "activation_bytes", "weight_bytes")


def summarize_layers(
    module: nn.Module,
    image_shape: tuple[int, int, int],
    *,
    frozen: Iterable[nn.Parameter] = (),
    run: bool = False,
) -> list[LayerSummary]:
    """Summarize all layers of a network, each one without the layers inside it.

    Shapes are computed on PyTorch's "meta" device, without numbers. If an operation needs numbers,
    the network is run on a blank image.

    Parameters
    ----------
    module : torch.nn.Module
        Network. It is copied without its weights, and not changed. The copy is in evaluation mode.
    image_shape : tuple of (int, int, int)
        Height, width and number of channels of the images.
    frozen : iterable of torch.nn.Parameter, default=()
        Parameters that are not trained although they need gradients.
    run : bool, default=False
        Whether to run the network on a blank image in any case.

    Returns
    -------
    layers : list of LayerSummary
        All modules in the order of ``module.named_modules()``, the network itself first.

    Raises
    ------
    ValueError
        If the network cannot process an image of this shape.

    References
    ----------
    The multiply-adds are half of the operations that `torch.utils.flop_counter` counts.

    Examples
    --------
    >>> from torch import nn
    >>> from skcnn.networks.summary import summarize_layers
    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
    >>> summarize_layers(network, (10, 10, 3))[1].multiply_adds  # 8 * 3 * 3 * 3 * 8 * 8
    13824
    """
    frozen_ids = {id(parameter) for parameter in frozen}
    devices = [torch.device("cpu")] if run else [torch.device("meta"), torch.device("cpu")]
    with fixed_settings(), torch.random.fork_rng(devices=[]):
        for device in devices:
            try:
                return _summarize(_copy_to(module, device, frozen_ids), image_shape, device)
            except MemoryError:
                raise
            except Exception as error:
                reason = error
    height, width, n_channels = image_shape
    raise ValueError(
        f"the network failed on an image of {height} x {width} pixels with {n_channels} "
        f"channel(s): {reason}"
    ) from reason


def fold_layers(layers: list[LayerSummary], depth: int | None) -> list[LayerSummary]:
    """Fold layers below a depth into the layers that contain them.

    Parameters
    ----------
    layers : list of LayerSummary
        All modules, as `summarize_layers` returns them.
    depth : int or None
        Number of levels. 0 leaves the whole network, 1 its children. None leaves all layers.

    Returns
    -------
    layers : list of LayerSummary
        Layers at most as deep, without the network itself if all its numbers belong to its
        children. Sums over them are the same for each `depth`.
    """
    folded: dict[str, LayerSummary] = {}
    for layer in layers:
        if depth is None or layer.depth <= depth:
            folded[layer.name] = layer
            continue
        name = ".".join(layer.name.split(".")[:depth])
        sums = {key: getattr(folded[name], key) + getattr(layer, key) for key in _SUMS}
        folded[name] = replace(folded[name], **sums)
    root, *inner = folded.values()
    return inner if inner and not any(getattr(root, key) for key in _SUMS) else [root, *inner]


class OperationCounter(TorchDispatchMode):
    """Count additions and multiplications, without the global hooks of PyTorch's own counter.

    Attributes
    ----------
    counts : collections.Counter
        Numbers of operations by the value that `owner` had at that time.
    owner : object
        What the next operations belong to.
    """

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter = Counter()
        self.owner: object = None

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        """Run an operation, and count it if there is a formula for it."""
        kwargs = kwargs or {}
        outputs = function(*args, **kwargs)
        formula = _FORMULAS.get(function.overloadpacket)
        if formula is not None:
            self.counts[self.owner] += formula(*args, **kwargs, out_val=outputs)
        return outputs


class _Recorder(OperationCounter):
    """Record what the modules of a network return, and count the operations of each."""

    def __init__(self, module, images):
        super().__init__()
        self.names = {part: name for name, part in module.named_modules()}
        self.shapes = {}
        self.bytes = Counter()
        self._outer = []  # owners that wait for the modules that they call
        self._kept = []  # so that their memory is not used again
        self._known = set()
        for tensor in (images, *module.parameters(), *module.buffers()):
            self._add(tensor)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        outputs = super().__torch_dispatch__(function, types, args, kwargs)
        # Whether a layer that reshapes its input copies it depends on the layout in memory.
        if function.overloadpacket is torch.ops.aten.clone and _memory(args[0]) in self._known:
            self._add(outputs)
        return outputs

    def enter(self, part, args):
        self._outer.append(self.owner)
        self.owner = self.names[part]

    def leave(self, part, args, outputs):
        self.owner = self._outer.pop()
        name = self.names[part]
        tensors = [leaf for leaf in tree_leaves(outputs) if isinstance(leaf, Tensor)]
        self.shapes[name] = _image_shape(tensors[0]) if tensors else None
        self.bytes[name] += sum(tensor.nbytes for tensor in tensors if self._add(tensor))

    def _add(self, tensor):
        """Return whether the memory of a tensor is new, and remember it."""
        is_new = _memory(tensor) not in self._known
        self._known.add(_memory(tensor))
        self._kept.append(tensor)
        return is_new


def _summarize(module, image_shape, device):
    height, width, n_channels = image_shape
    images = torch.zeros(1, height, width, n_channels, device=device).permute(0, 3, 1, 2)
    recorder = _Recorder(module, images)
    for part in recorder.names:
        part.register_forward_pre_hook(recorder.enter)
        part.register_forward_hook(recorder.leave)
    # The device is also that of tensors that the network creates.
    with torch.no_grad(), torch.autocast("cpu", enabled=False), device, recorder:
        module(images)
    return list(_layers(recorder))


def _layers(recorder) -> Iterator[LayerSummary]:
    """Yield the modules that a recorder knows, with each parameter in the first one."""
    seen: set[Tensor] = set()
    for part, name in recorder.names.items():
        parameters = [p for p in part.parameters(recurse=False) if p not in seen]
        tensors = chain(parameters, (b for b in part.buffers(recurse=False) if b not in seen))
        yield LayerSummary(
            name=name,
            kind=type(part).__name__,
            output_shape=recorder.shapes.get(name),
            n_parameters=sum(parameter.numel() for parameter in parameters),
            n_trainable=sum(p.numel() for p in parameters if p.requires_grad),
            multiply_adds=recorder.counts[name] // 2,
            activation_bytes=recorder.bytes[name],
            weight_bytes=sum(tensor.nbytes for tensor in tensors),
        )
        seen.update(part.parameters(recurse=False), part.buffers(recurse=False))


def _copy_to(module, device, frozen_ids):
    """Copy a network to a device, in evaluation mode and without hooks of the user."""
    memo = {}
    attributes = (value for part in module.modules() for value in vars(part).values())
    others = (value for value in attributes if isinstance(value, Tensor))
    for tensor in chain(module.parameters(), module.buffers(), others):
        memo[id(tensor)] = values = tensor.detach().to(device, copy=True)
        if isinstance(tensor, nn.Parameter):
            is_trained = tensor.requires_grad and id(tensor) not in frozen_ids
            memo[id(tensor)] = nn.Parameter(values, is_trained)
    copied = copy.deepcopy(module, memo).eval()
    for part in copied.modules():
        for hooks in (part._forward_pre_hooks, part._forward_hooks):
            for key, hook in list(hooks.items()):
                if not str(getattr(hook, "__module__", "")).startswith("torch."):
                    del hooks[key]
    return copied


def _memory(tensor):
    """Return an identifier of the memory of a tensor, the same for its views."""
    return tensor.untyped_storage()._cdata


def _image_shape(tensor):
    """Return the shape of an output for a batch of one image, without the axis of the batch."""
    shape = tuple(tensor.shape)
    return shape[1:] if shape[:1] == (1,) else shape
