"""Compute the outputs of a fitted network without changing it."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from itertools import chain

import torch

from skcnn.networks.inference import head_function, prediction_function
from skcnn.settings import fixed_settings
from skcnn.training.augmented_inference import average_over_variants
from skcnn.training.compute_threads import compute_threads
from skcnn.training.forks import computing
from skcnn.training.loader import BatchLoader
from skcnn.training.memory import freed_memory_kept

_GPU_BATCH_FACTOR = 8  # larger batches use a GPU better


def predict_outputs(net, dataset, device=None, test_time_augmentation=None):
    """Compute the outputs of a network for all images of a dataset.

    Neither the net nor its module is changed, so that several threads can predict at the same time
    with different options. If another thread trains the net, all outputs are computed with the
    weights between two of its training steps.

    Parameters
    ----------
    net : ImageNeuralNet
        Fitted net.
    dataset : ImageDataset
        Images.
    device : torch.device, default=None
        Device to compute on. None is the device of the net.
    test_time_augmentation : {"flip", "flip_shift"} or None, default=None
        Variants of each image whose outputs are averaged.

    Returns
    -------
    outputs : float32 tensor of shape (n_images, n_outputs)
        Logits, or standardized targets, on the CPU.
    """
    return concatenate_batches(
        iterate_outputs(net, dataset, device, test_time_augmentation), len(dataset)
    )


def iterate_outputs(net, dataset, device=None, test_time_augmentation=None):
    """Yield the outputs of a network batch by batch.

    Parameters
    ----------
    net, dataset, device, test_time_augmentation
        As for `predict_outputs`.

    Yields
    ------
    outputs : float32 tensor of shape (n_images_in_batch, n_outputs)
        Logits, or standardized targets, on the device.
    """

    def make(module):
        return average_over_variants(_plain_function(module), test_time_augmentation)

    for _, outputs in iterate_batches(net, dataset, device, make):
        yield outputs


def iterate_batches(net, dataset, device=None, make=None):
    """Yield the images of a dataset and what a function computes from them, batch by batch.

    Parameters
    ----------
    net, dataset, device
        As for `predict_outputs`.
    make : callable, default=None
        ``make(module)`` returns the function, for a module in eval mode on the device. None makes
        the function that computes the outputs.

    Yields
    ------
    images : tensor of shape (n_images_in_batch, n_channels, height, width)
        Images, on the device.
    outputs : tensor of shape (n_images_in_batch, ...)
        What the function returns, on the device.
    """
    device = torch.device(net.device) if device is None else device
    make = make or _plain_function
    batches = BatchLoader(dataset, prediction_batch_size(device, net.predict_batch_size))
    work = net.multiply_adds * min(batches.batch_size, len(dataset))
    # A single batch does not reuse freed memory.
    memory = freed_memory_kept() if len(batches) > 1 else nullcontext()
    with net.lock.module(net.module_) as module, memory:
        with fixed_settings(), torch.no_grad(), compute_threads(work):
            function = make(prediction_module(module, device))
        for images, _ in batches:
            with (
                fixed_settings(),  # of a user who calls the net itself
                torch.autocast(device.type, enabled=False),
                torch.no_grad(),
                compute_threads(work),
                computing(),
            ):
                images = images.to(device)
                outputs = function(images)
            yield images, outputs


def iterate_decoded(net, features, device):
    """Yield what the last stage of a network computes from features, batch by batch.

    Parameters
    ----------
    net : ImageNeuralNet
        Fitted net, of a network of this package.
    features : float32 array of shape (n_images, n_features)
        Features, as the stages before compute them.
    device : torch.device
        Device to compute on.

    Yields
    ------
    outputs : tensor of shape (n_images_in_batch, n_outputs)
        Outputs, on the device.
    """
    batch_size = prediction_batch_size(device, net.predict_batch_size)
    work = net.multiply_adds * min(batch_size, len(features))
    with net.lock.module(net.module_) as module:
        with fixed_settings(), torch.no_grad(), compute_threads(work):
            function = head_function(prediction_module(module, device))
        for start in range(0, len(features), batch_size):
            batch = torch.from_numpy(features[start : start + batch_size])
            with (
                fixed_settings(),
                torch.autocast(device.type, enabled=False),
                torch.no_grad(),
                compute_threads(work),
                computing(),
            ):
                outputs = function(batch.to(device))
            yield outputs


def concatenate_batches(batches, n_images):
    """Copy outputs to one preallocated array.

    Separate small arrays would fragment the freed memory.

    Parameters
    ----------
    batches : iterable of tensor of shape (n_images_in_batch, ...)
        Outputs of consecutive batches.
    n_images : int
        Number of images of all batches.

    Returns
    -------
    outputs : tensor of shape (n_images, ...)
        All outputs, on the CPU.
    """
    outputs, start = torch.empty(0, device="cpu"), 0
    for batch in batches:
        if start == 0:
            outputs = torch.empty((n_images, *batch.shape[1:]), dtype=batch.dtype, device="cpu")
        outputs[start : start + len(batch)] = batch.detach()
        start += len(batch)
    return outputs


def prediction_module(module, device):
    """Return the module if it is in eval mode on the device, otherwise a copy that is.

    Parameters
    ----------
    module : torch.nn.Module
        Module, which is not changed.
    device : torch.device
        Device.

    Returns
    -------
    module : torch.nn.Module
        Module with the same weights.
    """
    target = torch.empty(0, device=device).device  # "cuda" without an index is the current device
    if all(_is_in_eval_mode_on(part, target) for part in module.modules()):
        return module
    return copy.deepcopy(module).to(device).eval()


def _is_in_eval_mode_on(part, device):
    tensors = chain(part._parameters.values(), part._buffers.values())  # without those of children
    return not part.training and all(t is None or t.device == device for t in tensors)


def prediction_batch_size(device, batch_size):
    """Return the number of images in a batch of a prediction.

    Parameters
    ----------
    device : torch.device
        Device.
    batch_size : int
        Number of images on a CPU.

    Returns
    -------
    batch_size : int
        Number of images on the device.
    """
    return batch_size if device.type == "cpu" else batch_size * _GPU_BATCH_FACTOR


def _plain_function(module):
    """Return a prediction function with the same results for one image and for several."""
    function = prediction_function(module)
    if function is not module:
        return function
    # PyTorch uses a different convolution algorithm for a single image.
    return lambda images: (
        module(images) if len(images) > 1 else module(images.expand(2, -1, -1, -1))[:1]
    )
