"""Functions of a batch whose images are on several ranks: normalization and dropout."""

from __future__ import annotations

from functools import partial

import torch
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from skcnn.networks.layers import random_levels
from skcnn.networks.whitening import patch_products

# Functions with which networks of the user draw random numbers.
_RANDOM = (
    torch.bernoulli,
    torch.multinomial,
    torch.normal,
    torch.rand,
    torch.rand_like,
    torch.randint,
    torch.randint_like,
    torch.randn,
    torch.randn_like,
    torch.randperm,
    torch.Tensor.bernoulli,
    torch.Tensor.exponential_,
    torch.Tensor.multinomial,
    torch.Tensor.normal_,
    torch.Tensor.random_,
    torch.Tensor.uniform_,
)


class WholeBatch(TorchFunctionMode):
    """Context in which functions of a part of a batch return a part of the result for the batch.

    Batch normalization in train mode uses the images of all ranks. Dropout and stochastic depth
    draw random numbers for all images. The context changes functions of PyTorch, so that the
    modules stay as they are, also those of the user.

    Random numbers that the network draws for the whole batch, and not for each image, are the same
    in all ranks. They may decide which layers are computed, and all ranks have to compute the same
    batch normalization at a time.

    Parameters
    ----------
    ranks : Ranks
        Ranks.
    n_images : int
        Number of images in the batch.
    random : RandomNumbers
        Random numbers.
    """

    def __init__(self, ranks, n_images, random):
        super().__init__()
        self.ranks = ranks
        self.n_images = n_images
        self.copies = ranks.copies(n_images)
        self.part = ranks.part(n_images)
        self.random = random
        self._functions = {
            **{function: partial(self._random, function) for function in _RANDOM},
            functional.batch_norm: self._batch_norm,
            functional.dropout: self._dropout,
            patch_products: self._patch_products,
            random_levels: self._random_levels,
            torch.Tensor.backward: _backward,
            torch.Tensor.bernoulli_: self._bernoulli,
        }

    def __torch_function__(self, function, types, args=(), kwargs=None):
        return self._functions.get(function, function)(*args, **(kwargs or {}))

    # --------------------------------------------------------------------------------------------
    # Random numbers

    def _dropout(self, features, p=0.5, training=True, inplace=False):
        if not training or not self._is_part(features):
            with self.random.of_batch():
                return functional.dropout(features, p, training, inplace)
        kept = self._draw(features, lambda whole: functional.dropout(torch.ones_like(whole), p))
        return features.mul_(kept) if inplace else features * kept

    def _random_levels(self, features):
        return (
            self._draw(features, random_levels)
            if self._is_part(features)
            else random_levels(features)
        )

    def _bernoulli(self, tensor, p=0.5, *, generator=None):
        if generator is not None or isinstance(p, torch.Tensor) or not self._is_part(tensor):
            return self._random(torch.Tensor.bernoulli_, tensor, p, generator=generator)
        return tensor.copy_(self._draw(tensor, lambda whole: whole.bernoulli_(p)))

    def _random(self, function, *args, **kwargs):
        """Draw random numbers, which are the same in all ranks if they are not for its images."""
        numbers = function(*args, **kwargs)
        has_own = kwargs.get("generator") is not None
        if has_own or self.random.are_common or self._is_part(numbers):
            return numbers
        with self.random.of_batch():
            return function(*args, **kwargs)

    def _is_part(self, tensor):
        """Return whether a tensor has one item for each image of this rank."""
        return tensor.ndim > 0 and len(tensor) == self.part.stop - self.part.start

    def _draw(self, tensor, draw):
        """Draw random numbers for the whole batch, and return those of this rank."""
        whole = tensor.new_empty((self.n_images, *tensor.shape[1:]))
        with self.random.common():
            return draw(whole)[self.part]

    # --------------------------------------------------------------------------------------------
    # Statistics of the images

    def _patch_products(self, images, kernel_size, n_images):
        own = images[: max(0, n_images - self.part.start)]
        used = own if len(own) else images[:1]  # a sum needs a term, here of weight 0
        fraction = len(own) / min(n_images, self.n_images) / self.copies
        return self.ranks.add(fraction * patch_products(used, kernel_size, n_images))

    def _batch_norm(
        self,
        images,
        running_mean,
        running_var,
        weight=None,
        bias=None,
        training=False,
        momentum=0.1,
        eps=1e-5,
    ):
        """Do what `torch.nn.functional.batch_norm` does."""
        if not training:
            return functional.batch_norm(
                images, running_mean, running_var, weight, bias, False, momentum, eps
            )
        n_values = images.numel() // images.shape[1]
        if self.copies > 1 and n_values == 1:  # several ranks with one image each are enough
            raise ValueError(
                "batch normalization needs more than one value of each channel in a batch: use a "
                f"larger batch_size (the input has the shape {tuple(images.shape)})"
            )
        mean, var, count = self._statistics(images, n_values)
        if running_mean is not None:
            unbiased = var * count / (count - self.copies)
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            running_var.lerp_(unbiased.to(running_var.dtype), momentum)
        return _Normalize.apply(images, weight, bias, mean, var, count, eps, self.ranks)

    @torch.no_grad()
    def _statistics(self, images, n_values):
        """Return the mean and variance of each channel, and its number of values, in all ranks."""
        # Statistics have the dtype of the running statistics, float32 for images in bfloat16.
        dtype = torch.promote_types(images.dtype, torch.float32)
        ignored = images.new_zeros((2, images.shape[1]), dtype=dtype)
        mean, var = torch.batch_norm_update_stats(images, *ignored, 0.0)
        parts = self.ranks.gather_tensors(torch.cat([mean, var, mean.new_tensor([n_values])]))
        means, variances, counts = parts.split([len(mean), len(mean), 1], dim=1)
        count = counts.sum()
        mean = (counts * means).sum(dim=0) / count
        var = (counts * (variances + (means - mean) ** 2)).sum(dim=0) / count
        return mean, var, count


class _Normalize(torch.autograd.Function):
    """Normalize with statistics that depend on the images of all ranks."""

    @staticmethod
    def forward(ctx, images, weight, bias, mean, var, count, eps, ranks):
        ctx.save_for_backward(images, weight, mean, var)
        ctx.count, ctx.eps, ctx.ranks = count, eps, ranks
        ctx.has_bias = bias is not None
        return functional.batch_norm(images, mean, var, weight, bias, False, 0.0, eps)

    @staticmethod
    def backward(ctx, gradient):
        images, weight, mean, var = ctx.saved_tensors
        scale = torch.ones_like(mean) if weight is None else weight
        # With fixed statistics. The gradients of weight and bias are those of this rank.
        own, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, images, scale, mean, var, None, None, False, ctx.eps, [True, True, True]
        )
        # Through the mean and the variance, which depend on all images of all ranks.
        sums = ctx.ranks.add(torch.stack([of_weight, of_bias]))
        factor = -scale * (var + ctx.eps).rsqrt() / ctx.count
        own += functional.batch_norm(
            images, mean, var, factor * sums[0], factor * sums[1], False, 0.0, ctx.eps
        )
        of_weight = None if weight is None else of_weight
        of_bias = of_bias if ctx.has_bias else None
        return own, of_weight, of_bias, None, None, None, None, None


def _backward(*args, **kwargs):
    """Do what `torch.Tensor.backward` does, without layers that need the context."""
    hook = register_module_forward_pre_hook(_refuse_to_repeat)
    try:
        torch.Tensor.backward(*args, **kwargs)
    finally:
        hook.remove()


def _refuse_to_repeat(module, inputs):
    """Raise an error if `torch.utils.checkpoint` repeats a layer that depends on other ranks.

    PyTorch does not enter the context of the forward pass again.
    """
    p = module.p if isinstance(module, _DropoutNd) else getattr(module, "drop_prob", 0)
    depends = p or isinstance(module, _BatchNorm)
    if depends and module.training and torch.is_grad_enabled():
        raise ValueError(
            f"torch.utils.checkpoint repeats {module} in the backward pass, which is not possible "
            "when several processes train a network: wrap only layers without batch normalization "
            "and dropout"
        )
