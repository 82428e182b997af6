"""captum on the torch module of a pipeline, against gradients of PyTorch itself."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from skcnn.pipeline_graph import torch_pipeline
from tests.ecosystem._digits import X, pipeline, y

pytest.importorskip("captum")

from captum.attr import IntegratedGradients, Occlusion, Saliency


@pytest.fixture(scope="module")
def pipe():
    return pipeline().set_params(resize__size=(12, 12)).fit(X, y)


@pytest.fixture(scope="module")
def pixels():
    return torch.from_numpy(X[:3].astype(np.float32)).permute(0, 3, 1, 2)


@pytest.fixture(scope="module")
def target():
    return torch.from_numpy(y[:3])


def test_saliency(pipe, pixels, target):
    graph = torch_pipeline(pipe, X.shape[1:], X.dtype)
    found = Saliency(graph.module).attribute(
        pixels.clone().requires_grad_(), target=target, abs=False
    )
    inputs = pixels.clone().requires_grad_()
    graph.module(inputs)[torch.arange(3), target].sum().backward()
    assert_allclose(found, inputs.grad)


def test_integrated_gradients(pipe, pixels, target):
    graph = torch_pipeline(pipe, X.shape[1:], np.float32)
    pixel_values = IntegratedGradients(graph.module).attribute(pixels, target=target, n_steps=200)
    change = graph.module(pixels) - graph.module(torch.zeros_like(pixels))
    assert_allclose(pixel_values.sum(dim=(1, 2, 3)), change[torch.arange(3), target], atol=0.02)


def test_occlusion(pipe, pixels, target):
    graph = torch_pipeline(pipe, X.shape[1:], X.dtype)
    found = Occlusion(graph.module).attribute(
        pixels, target=target, sliding_window_shapes=(1, 4, 4), strides=(1, 4, 4)
    )
    covered = pixels.clone()
    covered[:, :, 4:, :4] = 0
    change = (graph.module(pixels) - graph.module(covered))[torch.arange(3), target]
    assert_allclose(found[:, 0, 7, 0], change, atol=1e-6)
