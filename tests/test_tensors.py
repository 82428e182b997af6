"""Torch tensors as images: the same values as arrays."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skcnn import CNNClassifier, ImageNormalizer, ImageResizer

IMAGES = np.random.default_rng(0).integers(0, 100, (6, 9, 8, 3)).astype(np.float32)
FORMS = {
    "plain": lambda tensor: tensor,
    "with gradient": lambda tensor: tensor.clone().requires_grad_(),
    "result with gradient": lambda tensor: tensor.clone().requires_grad_() * 1,
    "parameter": torch.nn.Parameter,
    "bfloat16": lambda tensor: tensor.bfloat16(),  # whole numbers up to 256 are exact
    "float16": lambda tensor: tensor.half(),
    "uint8": lambda tensor: tensor.byte(),
    "int64": lambda tensor: tensor.long(),
    "sparse": lambda tensor: tensor.to_sparse(),
    "strided": lambda tensor: tensor.repeat_interleave(2, dim=2)[:, :, ::2],
    "negated": lambda tensor: torch._neg_view(-tensor),
    "list": list,
    "list with gradient": lambda tensor: [image.clone().requires_grad_() for image in tensor],
    "list of tensors and arrays": lambda tensor: [tensor[0].bfloat16(), *tensor[1:].numpy()],
}


@pytest.mark.parametrize("form", FORMS)
def test_tensors_give_the_results_of_arrays(form):
    tensor = FORMS[form](torch.from_numpy(IMAGES))
    for transformer in (ImageNormalizer(), ImageResizer((9, 8))):
        expected = transformer.fit_transform(IMAGES)
        assert_allclose(transformer.transform(tensor), expected, rtol=1e-5, atol=1e-6)
        assert_allclose(transformer.fit_transform(tensor), expected, rtol=1e-5, atol=1e-6)
    model = CNNClassifier(channels=(2,), max_epochs=1, random_state=0).fit(IMAGES, [0, 1] * 3)
    assert_array_equal(model.predict_proba(tensor), model.predict_proba(IMAGES))


def test_tensors_of_different_sizes():
    sizes = [(5, 4), (7, 9)]
    tensors = [torch.ones(size).bfloat16().requires_grad_() for size in sizes]
    assert_allclose(ImageResizer((3, 3)).fit_transform(tensors), np.ones((2, 3, 3)), rtol=1e-6)


def test_rows_of_pixels():
    rows = torch.from_numpy(IMAGES.reshape(6, -1)).requires_grad_()
    normalizer = ImageNormalizer(image_shape=(9, 8, 3))
    expected = normalizer.fit_transform(IMAGES.reshape(6, -1))
    assert_array_equal(normalizer.transform(rows), expected)


@pytest.mark.parametrize("make", [lambda t: t, lambda t: [t[0], t[1]]])
def test_tensors_without_values(make):
    with pytest.raises(ValueError, match='tensor on the device "meta", which stores no values'):
        ImageNormalizer().fit(make(torch.zeros(4, 8, 8, device="meta")))


def test_a_tensor_is_not_changed():
    tensor = torch.from_numpy(IMAGES.copy()).requires_grad_()
    ImageNormalizer().fit_transform(tensor)
    assert tensor.requires_grad
    assert_array_equal(tensor.detach(), IMAGES)
