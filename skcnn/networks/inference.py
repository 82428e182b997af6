"""Prediction functions: the outputs of this package's networks, computed faster on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules import module as torch_module
from torch.nn.utils.fusion import fuse_conv_bn_weights

from skcnn.networks.autoencoder import AutoencoderNetwork
from skcnn.networks.backbone_network import BackboneNetwork
from skcnn.networks.blocks import Block, StochasticDepth
from skcnn.networks.fast import FastNetwork
from skcnn.networks.layers import BatchNorm2d, ResizeInput, Standardize
from skcnn.networks.plain import PlainNetwork
from skcnn.networks.pooling import MaxPool2x2
from skcnn.networks.whitening import Whitening

_NETWORKS = (AutoencoderNetwork, FastNetwork, PlainNetwork)
Step = Callable[[Tensor], Tensor]
_DTYPES = (torch.float32, torch.int64, torch.bool)  # the last two are those of counts and flags
_SMALL = 2**14  # measured: arrays of fewer elements do not pay for further calls


@torch.no_grad()
def prediction_function(module: nn.Module, *, repeated: bool = False) -> Step:
    """Return a function that computes the outputs of a module in evaluation mode.

    For a network of this package on the CPU, batch normalizations are folded into convolutions,
    maxima are pooled without their indices, and kernels are used whose results for an image do not
    depend on the size of the batch. In any other case the module itself is returned, also where a
    layer has forward hooks or is in training mode.

    The function is inexpensive to make, unless it is for repeated calls. It does not follow later
    changes of the module.

    Parameters
    ----------
    module : torch.nn.Module
        A network, usually with its `Standardize` in front. It is not changed.
    repeated : bool, default=False
        Whether the function is called for many batches. The weights of convolutions are then
        converted to the layout of oneDNN once, and not in each call. This can change the last bits
        of the results, because oneDNN has other kernels for such weights.

    Returns
    -------
    function : callable
        Called without gradients as ``function(images)``, with images of shape (n_images,
        n_channels, height, width). It returns the outputs of shape (n_images, n_outputs).

    References
    ----------
    Jacob et al., "Quantization and Training of Neural Networks", CVPR 2018 (arXiv 1712.05877),
    section 3.2, on folding.

    Examples
    --------
    >>> import torch
    >>> from skcnn.networks import PlainNetwork
    >>> from skcnn.networks.inference import prediction_function
    >>> network, images = PlainNetwork(3, 8, 8, n_outputs=2).eval(), torch.rand(5, 3, 8, 8)
    >>> with torch.inference_mode():
    ...     torch.allclose(prediction_function(network)(images), network(images), atol=1e-5)
    True
    """
    if not _is_supported(module):
        return module
    return partial(_apply, list(_steps(list(_layers(module)), torch.float32, repeated)))


@torch.no_grad()
def feature_function(module: nn.Sequential, dtype: torch.dtype = torch.float32) -> Step:
    """Return a function that computes the features of a module in evaluation mode.

    The features are the input of the head, the last layer. They are computed as
    `prediction_function` computes outputs.

    Parameters
    ----------
    module : torch.nn.Sequential
        Layers such as `Standardize`, and a network that follows the `Backbone` protocol. It is not
        changed.
    dtype : torch.dtype, default=torch.float32
        Dtype of the computation, torch.float32 or torch.bfloat16. The weights are converted to it
        once, if the module is one for which `prediction_function` makes a function, and the CPU
        has the kernels of oneDNN.

    Returns
    -------
    function : callable
        Called without gradients as ``function(images)``, with images of shape (n_images,
        n_channels, height, width). It returns the float32 features of shape (n_images,
        n_features).
    """
    *inputs, network = module
    if not _is_supported(module) or (dtype == torch.bfloat16 and not _HAS_BFLOAT16):
        return partial(_autocast, [*inputs, network.features], dtype)
    layers = _layers(nn.Sequential(*network.stages()[:-1]))  # type: ignore[operator]
    network_steps = list(_steps(list(layers), dtype, packs=True))
    input_steps = list(_steps(inputs, torch.float32, packs=True))
    return partial(_apply, [*input_steps, *network_steps, torch.Tensor.float])


@torch.no_grad()
def head_function(module: nn.Sequential) -> Step:
    """Return a function that computes the outputs of a module from its features.

    Parameters
    ----------
    module : torch.nn.Sequential
        Module in evaluation mode, as for `feature_function`.

    Returns
    -------
    function : callable
        Called without gradients as ``function(features)``, with features of shape (n_images,
        n_features). It returns the outputs.
    """
    head = module[-1].stages()[-1]  # type: ignore[operator]
    if not _is_supported(module):
        return head
    return partial(_apply, list(_steps(list(_layers(head)), torch.float32, packs=True)))


def _is_supported(module):
    """Return whether steps of our own compute the same as the module's layers."""
    network = module
    if type(module) is nn.Sequential and len(module) and isinstance(module[0], Standardize):
        *inputs, network = module
        if not all(isinstance(layer, (Standardize, ResizeInput)) for layer in inputs):
            return False
    if type(network) not in _NETWORKS and not isinstance(network, BackboneNetwork):
        return False
    if torch_module._global_forward_hooks or torch_module._global_forward_pre_hooks:
        return False
    return all(_is_plain(layer) for layer in module.modules())


def _is_plain(layer):
    """Return whether a layer is in evaluation mode, without hooks, and in float32 on the CPU."""
    if layer.training or layer._forward_hooks or layer._forward_pre_hooks:
        return False
    tensors = chain(layer._parameters.values(), layer._buffers.values())
    return all(t is None or (t.is_cpu and t.dtype in _DTYPES) for t in tensors)


def _layers(module):
    """Yield the layers in the order in which they are called, without dropout."""
    if type(module) is nn.Sequential:
        parts = list(module)
    elif isinstance(module, (*_NETWORKS, BackboneNetwork)):
        parts = module.stages()
    else:
        if not isinstance(module, (nn.Dropout, StochasticDepth)):
            yield module
        return
    for part in parts:
        yield from _layers(part)


def _steps(layers, dtype, packs):
    """Yield functions that together compute what the layers compute, with weights of a dtype.

    With `packs`, the weights of convolutions are in the layout of oneDNN.
    """
    position = 0
    while position < len(layers):
        layer, *following = layers[position : position + 3]
        position += 1
        if isinstance(layer, Block):
            yield _block(layer, dtype, packs)
            continue
        if not _is_convolution(layer):
            yield _multiply(layer, dtype) if type(layer) is nn.Linear else _simple_step(layer)
            continue
        weight, bias = layer.weight, layer.bias
        norm = next((m for m in following if type(m) is BatchNorm2d), None)
        if norm is not None and (norm is following[0] or _commute(following[0], norm)):
            layers = [*layers[:position], *(m for m in layers[position:] if m is not norm)]
            statistics = (norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)
            weight, bias = fuse_conv_bn_weights(weight, bias, *statistics)
        weight, bias = weight.to(dtype), None if bias is None else bias.to(dtype)
        if not (torch.backends.mkldnn.is_available() and _HAS_FUSED_CONVOLUTION):
            yield partial(_convolve, layer, weight, bias)
            continue
        activation = _ACTIVATIONS.get(type(layers[position])) if position < len(layers) else None
        position += activation is not None
        yield _fused_convolution(layer, weight, bias, activation or ("none", []), packs)


def _is_convolution(layer):
    kinds = (nn.Conv2d, Whitening)
    return (
        type(layer) in kinds
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
    )


def _commute(pool, norm):
    return type(pool) in (MaxPool2x2, nn.MaxPool2d) and bool((norm.weight > 0).all())


def _convolve(conv, weight, bias, images):
    images = images.to(weight.dtype)
    sizes = (conv.padding, conv.stride, conv.dilation, conv.groups)
    if torch.backends.mkldnn.is_available():
        # The kernel that PyTorch uses for batches, also for a single small image.
        return torch.mkldnn_convolution(images, weight, bias, *sizes)
    return conv._conv_forward(images, weight, bias)


def _fused_convolution(conv, weight, bias, activation, packs):
    """Return a convolution with its activation."""
    sizes = (conv.padding, conv.stride, conv.dilation, conv.groups)
    if packs:
        weight = torch.ops.mkldnn._reorder_convolution_weight(weight, *sizes)
    return partial(_convolve_and_activate, weight, bias, (*sizes, *activation, ""))


def _convolve_and_activate(weight, bias, arguments, images):
    images = images.to(weight.dtype)
    return torch.ops.mkldnn._convolution_pointwise(images, weight, bias, *arguments)


def _block(block, dtype, packs):
    """Return a step that computes the paths of a block and joins their outputs."""
    paths = [
        list(_steps(list(_layers(nn.Sequential(*path))), dtype, packs)) for path in block.paths()
    ]

    def step(features: Tensor) -> Tensor:
        return block.join(features, *(_apply(path, features) for path in paths))

    return step


def _apply(steps, features):
    return reduce(lambda x, step: step(x), steps, features)


def _autocast(layers, dtype, images):
    """Apply layers in a dtype, with the same results for one image and for several."""
    if len(images) == 1:  # PyTorch uses a different convolution algorithm for a single image
        return _autocast(layers, dtype, images.expand(2, -1, -1, -1))[:1]
    reduced = dtype != torch.float32
    with torch.autocast(images.device.type, dtype, enabled=reduced, cache_enabled=False):
        return _apply(layers, images).float()


def _simple_step(layer):
    return _STEPS.get(type(layer), _forward)(layer)


def _forward(layer):
    return layer.forward


def _standardize(layer):
    return partial(_subtract_and_multiply, layer.mean, layer.factor)


def _subtract_and_multiply(mean, factor, images):
    """Standardize images, channels-last ones as rows of pixels, which vectorizes better."""
    n_images, n_channels, height, width = images.shape
    is_large = images.numel() > _SMALL
    if is_large and n_channels > 1 and images.is_contiguous(memory_format=torch.channels_last):
        rows = images.permute(0, 2, 3, 1).reshape(n_images, height, width * n_channels)
        mean, factor = mean.flatten().repeat(width), factor.flatten().repeat(width)
        rows = _scaled(rows, mean, factor).reshape(n_images, height, width, n_channels)
        return rows.permute(0, 3, 1, 2)
    return _scaled(images, mean, factor)


def _scaled(values, mean, factor):
    if values.dtype == torch.float32:
        return (values - mean).mul_(factor)
    return values.float().sub_(mean).mul_(factor)


def _multiply(layer, dtype):
    weight, bias = (part.to(dtype).contiguous() for part in (layer.weight, layer.bias))
    return partial(_matrix_product, weight, bias)


def _matrix_product(weight, bias, features):
    """Multiply by a kernel whose results for a row do not depend on the number of rows.

    The weight and the bias must be contiguous.
    """
    features = features.to(weight.dtype)
    if not _HAS_ONEDNN_LINEAR:
        return functional.linear(features, weight, bias)
    if features.ndim > 2:
        rows = _matrix_product(weight, bias, features.flatten(0, -2))
        return rows.unflatten(0, features.shape[:-1])
    if len(features) == 1:  # a single row is multiplied by another kernel
        return _matrix_product(weight, bias, features.repeat(2, 1))[:1]
    return torch.ops.mkldnn._linear_pointwise(features.contiguous(), weight, bias, "none", [], "")


def _max_pool(layer):
    pairs = type(layer) is MaxPool2x2 or (
        layer.kernel_size in ((1, 2), (2, 1), (2, 2))
        and layer.stride == layer.kernel_size
        and (layer.padding, layer.dilation) == (0, 1)
        and not (layer.ceil_mode or layer.return_indices)
    )
    return partial(_max_pool_pairs, layer) if pairs else layer.forward


def _max_pool_pairs(layer, features):
    """Pool windows of up to 2 x 2 pixels without indices: pairs of rows, then pairs of columns."""
    if features.numel() <= 4 * _SMALL:
        return layer.forward(features)
    window = getattr(layer, "kernel_size", [min(2, axis) for axis in features.shape[2:]])
    if window[0] == 2:
        stop = features.shape[2] // 2 * 2
        features = torch.maximum(features[:, :, 0:stop:2], features[:, :, 1:stop:2])
    if window[1] == 2:
        stop = features.shape[3] // 2 * 2
        features = torch.maximum(features[:, :, :, 0:stop:2], features[:, :, :, 1:stop:2])
    return features


_HAS_ONEDNN_LINEAR = torch.backends.mkldnn.is_available() and hasattr(
    torch.ops.mkldnn, "_linear_pointwise"
)
_HAS_FUSED_CONVOLUTION = torch.backends.mkldnn.is_available() and all(
    hasattr(torch.ops.mkldnn, name)
    for name in ("_convolution_pointwise", "_reorder_convolution_weight")
)
# Without AVX512, oneDNN has no kernels for bfloat16.
_HAS_BFLOAT16 = _HAS_FUSED_CONVOLUTION and torch.ops.mkldnn._is_mkldnn_bf16_supported()
_ACTIVATIONS = {nn.ReLU: ("relu", []), nn.ReLU6: ("hardtanh", [0.0, 6.0])}
_STEPS = {
    MaxPool2x2: _max_pool,
    nn.MaxPool2d: _max_pool,
    Standardize: _standardize,
}
