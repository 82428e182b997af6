"""shap: values of superpixels of a pipeline, and of pixels of its torch module."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from skcnn.pipeline_graph import torch_pipeline
from tests.ecosystem._digits import X, network, pipeline, y

shap = pytest.importorskip("shap")

pytestmark = [
    pytest.mark.filterwarnings("ignore:unrecognized nn.Module:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:shap"),
]


@pytest.mark.parametrize("n_channels", [1, 3])
def test_partition_explainer(n_channels):
    images = np.repeat(X, n_channels, axis=3)
    pipe = pipeline().fit(images, y)
    mean = images.mean(axis=0).astype(images.dtype)
    masker = shap.maskers.Image(mean, images.shape[1:])
    explainer = shap.Explainer(pipe.predict_proba, masker, output_names=list(pipe.classes_))
    explanation = explainer(images[:2], max_evals=100, batch_size=50, silent=True)
    assert type(explainer).__name__ == "PartitionExplainer"
    assert explanation.values.shape == (2, 8, 8, n_channels, 10)
    background = pipe.predict_proba(mean[np.newaxis])
    assert_allclose(explanation.base_values, background.repeat(2, axis=0), atol=1e-6)
    total = explanation.values.sum(axis=(1, 2, 3))
    assert_allclose(total, pipe.predict_proba(images[:2]) - background, atol=1e-6)


def test_rows():
    rows = X.reshape(len(X), -1)
    cnn = network(image_shape=(8, 8)).fit(rows, y)
    explainer = shap.Explainer(cnn.predict_proba, rows[:5], seed=0)
    explanation = explainer(rows[:1], max_evals=129, silent=True)
    background = cnn.predict_proba(rows[:5]).mean(axis=0)
    assert_allclose(explanation.base_values[0], background, atol=1e-6)
    expected = cnn.predict_proba(rows[:1])[0] - background
    assert_allclose(explanation.values[0].sum(axis=0), expected, atol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "elu", "gelu"])
def test_deep_explainer(activation):
    pipe = pipeline(activation=activation).set_params(resize__size=(6, 6)).fit(X, y)
    graph = torch_pipeline(pipe, X.shape[1:], np.float32)
    pixels = torch.from_numpy(X.astype(np.float32)).permute(0, 3, 1, 2)
    values = shap.DeepExplainer(graph.module, pixels[:20]).shap_values(pixels[50:52])
    assert values.shape == (2, 1, 8, 8, 10)
    logits = graph.module(pixels[:52])
    expected = logits[50:] - logits[:20].mean(dim=0)
    assert_allclose(values.sum(axis=(1, 2, 3)), expected, atol=1e-5)


def test_gradient_explainer():
    linear = pipeline(channels=(), hidden_units=()).set_params(resize__size=(12, 12)).fit(X, y)
    graph = torch_pipeline(linear, X.shape[1:], np.float32)
    pixels = torch.from_numpy(X.astype(np.float32)).permute(0, 3, 1, 2)
    values = shap.GradientExplainer(graph.module, pixels[:1]).shap_values(pixels[50:52], nsamples=2)
    assert values.shape == (2, 1, 8, 8, 10)
    expected = graph.module(pixels[50:52]) - graph.module(pixels[:1])
    assert_allclose(values.sum(axis=(1, 2, 3)), expected, atol=1e-4)
