"""class_activation_map: methods, targets, images of any form, and an estimator left as it was."""

import copy
import re
import threading
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from captum.attr import LayerGradCam, Occlusion
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import map_coordinates
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from torch import nn

from skcnn import (
    CNNClassifier,
    CNNRegressor,
    ImageAugmenter,
    ImageFlattener,
    ImageNormalizer,
    ImageResizer,
    LazyImages,
    TransferClassifier,
)
from skcnn.inspection import class_activation_map
from skcnn.inspection._network import mean_pixel
from skcnn.inspection.activation_maps import FEATURE_METHODS, PIXEL_METHODS

METHODS = (*FEATURE_METHODS, *PIXEL_METHODS)
GENERAL = tuple(method for method in METHODS if method != "cam")
CLASSES = np.array(["cat", "dog", "owl"])
N, SIDE = 12, 16


def random_images(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


X = random_images(N, SIDE, SIDE, 3)
y = CLASSES[np.arange(N) % 3]


class Pooled(nn.Module):
    """Convolutions with in-place activations and a view, global average pooling, a linear head."""

    def __init__(self, in_channels, height, width, n_outputs):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(in_channels, 6, 3, padding=1), nn.ReLU(inplace=True))
        self.second = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.activation = nn.ReLU(inplace=True)
        self.output = nn.Linear(8, n_outputs)

    def forward(self, images):
        maps = self.activation(self.second(self.first(images)))
        return self.output(maps.view(maps.shape[0], maps.shape[1], -1).mean(dim=2))


def fit(network="plain", y=y, X=X, kind=CNNClassifier, **options):
    if network == "plain":
        options = {"channels": (6, 8), "hidden_units": (), **options}
    options = {"max_epochs": 2, "random_state": 0, **options}
    return kind(network=network, **options).fit(X, y)


@pytest.fixture(scope="module")
def pooled():
    return fit(Pooled)


@pytest.fixture(scope="module")
def plain():
    return fit()


def maps_of(*args, **options):
    """Return maps, with warnings about maps without positive values left out."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The maps of .* are 0 everywhere")
        return class_activation_map(*args, **options)


def parts_of(estimator, X=X):
    """Return a copy of the network, the images as a tensor, and the mean pixel."""
    network = copy.deepcopy(estimator.module_).eval().requires_grad_(False)
    return network, torch.from_numpy(X).float().permute(0, 3, 1, 2), mean_pixel(network)


# ------------------------------------------------------------------------------------------------
# Values


def naive_gradients(estimator, column):
    """Return feature maps and gradients of the network `Pooled`, by a second forward pass."""
    network, images, _ = parts_of(estimator)
    part = network.network
    maps = part.second(part.first(network.standardize(images))).relu().requires_grad_()
    outputs = part.output(maps.mean(dim=(2, 3)))
    (gradients,) = torch.autograd.grad(outputs[:, column].sum(), maps)
    return maps.detach().double().numpy(), gradients.double().numpy()


def enlarged(maps):
    """Interpolate feature maps of `Pooled`, whose cells are at every second pixel from 0 on."""
    centers = np.minimum(np.arange(SIDE) / 2, SIDE // 2 - 1)
    points = np.stack(np.meshgrid(centers, centers, indexing="ij"))
    return np.stack([map_coordinates(one, points, order=1) for one in maps])


@pytest.mark.parametrize("column", [0, 1, 2])
def test_sums_of_feature_maps(pooled, column):
    maps, gradients = naive_gradients(pooled, column)
    weights = {"grad_cam": gradients.mean(axis=(2, 3))}
    alpha = np.zeros_like(maps)
    np.divide(
        gradients**2,
        2 * gradients**2 + maps.sum(axis=(2, 3), keepdims=True) * gradients**3,
        out=alpha,
        where=gradients > 0,
    )
    weights["grad_cam++"] = (alpha * np.maximum(gradients, 0)).sum(axis=(2, 3))
    weights["cam"] = pooled.module_.network.output.weight[[column]].detach().numpy()
    for method, weight in weights.items():
        expected = np.maximum((weight[:, :, None, None] * maps).sum(axis=1), 0)
        found = maps_of(pooled, X, CLASSES[column], method=method)
        assert_allclose(found, enlarged(expected), rtol=1e-4, atol=1e-5 * expected.max())


def test_score_cam_is_a_weighted_sum(pooled):
    network, images, mean = parts_of(pooled)
    maps = torch.from_numpy(naive_gradients(pooled, 1)[0]).float()
    expected = []
    for image, features in zip(images, maps, strict=True):
        scores = []
        for one in features:
            mask = torch.from_numpy(enlarged(one[None].numpy()))
            low, high = one.min(), one.max()
            mask = (mask - low) / (high - low) if high > low else torch.zeros_like(mask)
            scores.append(network(mean + mask * (image - mean))[0, 1])
        weights = torch.stack(scores).softmax(dim=0)
        expected.append((weights[:, None, None] * features).sum(dim=0).relu().numpy())
    found = maps_of(pooled, X, "dog", method="score_cam", batch_size=5)
    assert_allclose(found, enlarged(np.stack(expected)), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("window", "stride"), [(4, 2), (8, 4), (1, 1)])
def test_occlusion_equals_that_of_captum(plain, window, stride):
    network, images, mean = parts_of(plain, X[:3])
    expected = Occlusion(network).attribute(
        images,
        sliding_window_shapes=(3, window, window),
        strides=(3, stride, stride),
        baselines=mean.expand_as(images),
        target=2,
    )
    found = class_activation_map(plain, X[:3], "owl", method="occlusion", window=window)
    assert_allclose(found, expected.mean(dim=1), rtol=1e-3, atol=1e-4)


def test_grad_cam_equals_that_of_captum(pooled):
    network, images, _ = parts_of(pooled)
    found = LayerGradCam(network.requires_grad_(True), network.network.activation).attribute(
        images, target=torch.arange(N) % 3, relu_attributions=True
    )
    expected = enlarged(found[:, 0].detach().numpy())
    assert_allclose(maps_of(pooled, X, y), expected, rtol=1e-4, atol=1e-6)


def test_saliency_is_the_largest_gradient(plain):
    network, images, _ = parts_of(plain)
    (gradients,) = torch.autograd.grad(network(images.requires_grad_())[:, 1].sum(), images)
    found = class_activation_map(plain, X, "dog", method="saliency")
    assert_allclose(found, gradients.abs().amax(dim=1), rtol=1e-4, atol=1e-8)


def test_integrated_gradients_sum_to_the_difference_of_the_outputs():
    cnn = fit(activation="tanh", pooling="avg")  # smooth, so that the integral is accurate
    network, images, mean = parts_of(cnn)
    difference = network(images) - network(mean.expand_as(images))
    found = class_activation_map(cnn, X, y, method="integrated_gradients", batch_size=5)
    sums = found.sum(axis=(1, 2))
    assert_allclose(sums, difference[torch.arange(N), torch.arange(N) % 3], rtol=0.01, atol=1e-3)


# ------------------------------------------------------------------------------------------------
# Batches, and forms of images


@pytest.mark.parametrize("method", METHODS)
def test_batches_equal_single_images(pooled, method):
    images = random_images(64, SIDE, SIDE, 3, seed=1)
    found = maps_of(pooled, images, method=method)
    tolerance = {"rtol": 1e-5, "atol": 1e-5 * np.abs(found).max()}
    rows = range(0, 64, 1 if method in ("grad_cam", "grad_cam++", "cam") else 8)  # the fast ones
    singles = np.concatenate([maps_of(pooled, images[row, None], method=method) for row in rows])
    assert_allclose(found[rows], singles, **tolerance)
    assert_allclose(maps_of(pooled, images, method=method, batch_size=25), found, **tolerance)


@pytest.mark.parametrize("method", ["grad_cam++", "occlusion"])
def test_forms_of_images(plain, method):
    expected = class_activation_map(plain, X, method=method)
    assert expected.shape == (N, SIDE, SIDE)
    assert expected.dtype == np.float32
    for same in (
        X.astype(float),
        X.astype(">i4"),
        X.astype(np.int64),
        list(X),
        X.reshape(N, -1),
        pd.DataFrame(X.reshape(N, -1)),
        torch.from_numpy(X),
        LazyImages(X),
        ImageAugmenter(rotation=90, random_state=0).fit_transform(X),
    ):
        assert_array_equal(class_activation_map(plain, same, method=method), expected)
    reversed_ = class_activation_map(plain, X[::-1], method=method)
    assert_allclose(reversed_[::-1], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", GENERAL)
@pytest.mark.parametrize("shape", [(SIDE, SIDE), (SIDE, SIDE, 1), (11, 17)])
def test_gray_images(method, shape):
    images = random_images(6, *shape)
    cnn = fit(X=images, y=[0, 1] * 3)
    found = maps_of(cnn, images, 1, method=method)
    assert found.shape == (6, *shape[:2])
    assert np.isfinite(found).all()
    assert found.any()


def test_pipelines_and_searches():
    resizer = ImageResizer((8, 8), aspect="crop")
    pipe = make_pipeline(resizer, ImageNormalizer(), ImageFlattener(), clone(fit()))
    pipe.set_params(cnnclassifier__image_shape=(8, 8, 3))
    search = GridSearchCV(pipe, {"imageresizer__size": [(8, 8)]}, cv=2).fit(X, y)
    direct = maps_of(search.best_estimator_, X, y)
    assert direct.shape == (N, SIDE, SIDE)
    assert direct.any()
    assert_array_equal(maps_of(search, X, y), direct)


# ------------------------------------------------------------------------------------------------
# Targets


@pytest.mark.parametrize("method", METHODS)
def test_targets(pooled, method):
    by_class = {label: maps_of(pooled, X, label, method=method) for label in CLASSES}
    assert_allclose(
        maps_of(pooled, X, method=method),
        [by_class[label][row] for row, label in enumerate(pooled.predict(X))],
        rtol=1e-5,
        atol=1e-6,
    )
    mixed = [by_class[label][row] for row, label in enumerate(y)]
    for target in (y, list(y), pd.Series(y)):
        found = maps_of(pooled, X, target, method=method)
        assert_allclose(found, mixed, rtol=1e-5, atol=1e-6)
    assert not np.allclose(by_class["cat"], by_class["owl"], atol=1e-3 * by_class["cat"].max())


@pytest.mark.parametrize("labels", [[False, True], [0, 1], ["no", "yes"], [-1, 7]])
def test_both_classes_of_two_have_maps(labels):
    """Replacing the image by the mean pixel changes an output as occlusion of all of it does."""
    two = np.array(labels)[np.arange(N) % 2]
    cnn = fit(Pooled, y=two)
    network, images, mean = parts_of(cnn)
    difference = (network(images) - network(mean.expand_as(images))).numpy()
    for column, label in enumerate(labels):
        found = class_activation_map(cnn, X, label, method="occlusion", window=SIDE)
        assert_allclose(found[:, 0, 0], difference[:, column], rtol=1e-3, atol=1e-5)
    predicted = maps_of(cnn, X, cnn.predict(X))
    assert_array_equal(predicted, maps_of(cnn, X))


def test_indicators_and_columns():
    indicators = (np.arange(N)[:, None] % [2, 3, 4] == 0).astype(int)
    cnn = fit(Pooled, y=indicators)
    columns = cnn.predict_proba(X).argmax(axis=1)
    assert_array_equal(maps_of(cnn, X), maps_of(cnn, X, columns))
    assert not np.allclose(maps_of(cnn, X, 0), maps_of(cnn, X, 2))
    values = np.random.default_rng(0).normal(size=(N, 2))
    regressor = fit(Pooled, y=values, kind=CNNRegressor)
    assert_array_equal(maps_of(regressor, X), maps_of(regressor, X, 0))
    assert not np.allclose(maps_of(regressor, X, 0), maps_of(regressor, X, 1))
    single = fit(Pooled, y=values[:, 0], kind=CNNRegressor)
    assert_array_equal(maps_of(single, X), maps_of(single, X, [0] * N))
    with pytest.raises(ValueError, match="target=1 is unknown: the columns are 0"):
        class_activation_map(single, X, 1)


def test_test_time_augmentation_decides_about_the_prediction():
    cnn = fit(Pooled, test_time_augmentation="flip")
    assert_array_equal(maps_of(cnn, X), maps_of(cnn, X, cnn.predict(X)))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("fish", "target='fish' is unknown: the classes are 'cat', 'dog', 'owl'$"),
        (["cat"] * (N - 1) + [3], "target=3 is unknown"),
        (["cat"] * 3, re.escape("target has the shape (3,), but there are 12 images")),
        (np.zeros((N, 3)), re.escape("target has the shape (12, 3)")),
    ],
)
def test_unknown_targets(plain, target, message):
    with pytest.raises(ValueError, match=message):
        class_activation_map(plain, X, target)


# ------------------------------------------------------------------------------------------------
# Networks


@pytest.mark.parametrize("method", METHODS)
def test_dense_networks(method):
    cnn = fit(channels=(), hidden_units=(5,))
    if method in PIXEL_METHODS:
        assert maps_of(cnn, X, method=method).any()
        return
    with pytest.raises(ValueError, match=r"needs feature maps, .* use one of 'occlusion', 'sal"):
        class_activation_map(cnn, X, method=method)


def test_cam_needs_global_average_pooling(plain):
    for cnn in (plain, fit("fast", channels=(6, 8))):
        with pytest.raises(ValueError, match=r'last layer receives the mean of each .*"grad_cam"'):
            class_activation_map(cnn, X, method="cam")


@pytest.mark.parametrize("gray", [False, True])
def test_backbones(gray):
    images = X[..., 0] if gray else X
    cnn = TransferClassifier("resnet18", weights=None, input_size=(40, 32), random_state=0)
    cnn.set_params(max_epochs=1, learning_rate=1e-5, precision="float32").fit(images, y)
    found = {method: maps_of(cnn, images[:2], method=method) for method in ("cam", "grad_cam")}
    assert found["cam"].shape == (2, SIDE, SIDE)
    assert_allclose(found["cam"], found["grad_cam"] * 2, rtol=1e-3, atol=1e-5)  # 2 x 1 cells
    early = maps_of(cnn, images[:2], layer="network.layer1")
    assert not np.allclose(early, early[:, :1])


class Shared(nn.Module):
    """One activation for feature maps and for dense layers, without a linear layer at the end."""

    def __init__(self, in_channels, height, width, n_outputs):
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, 5, 3)
        self.activation = nn.ReLU(inplace=True)
        self.dense = nn.Linear(5, 7)
        self.output = nn.Linear(7, n_outputs)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images):
        maps = self.activation(self.convolution(images))
        return self.output(self.activation(self.dense(maps.mean(dim=(2, 3))))) * self.scale


class SharedWithHead(Shared):
    def forward(self, images):
        maps = self.activation(self.convolution(images))
        return self.output(self.activation(self.dense(maps.mean(dim=(2, 3)))))


@pytest.mark.parametrize("method", ["grad_cam", "grad_cam++", "score_cam"])
def test_layers_by_name(method):
    cnn = fit(Shared)
    with pytest.raises(ValueError, match="give the name of a layer"):
        class_activation_map(cnn, X, method=method)
    found = maps_of(cnn, X, y, method=method, layer="network.activation")
    assert found.any()
    with_head = fit(SharedWithHead)
    expected = maps_of(with_head, X, y, method=method, layer="network.activation")
    assert_array_equal(maps_of(with_head, X, y, method=method), expected)
    with pytest.raises(ValueError, match=r"layer 'network.activatio' is unknown: did you mean"):
        class_activation_map(cnn, X, method=method, layer="network.activatio")
    with pytest.raises(ValueError, match=r"have the shapes \[\(1, 7\)\], not that of feature"):
        class_activation_map(cnn, X, method=method, layer="network.dense")


class Auxiliary(Shared):
    """A network with feature maps that the outputs do not depend on."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.unused = nn.Conv2d(sizes[0], 1, 1)

    def forward(self, images):
        self.unused(images)
        return super().forward(images)


@pytest.mark.parametrize("method", ["grad_cam", "grad_cam++"])
def test_layers_that_the_outputs_do_not_depend_on(method):
    with pytest.raises(ValueError, match="do not depend on the feature maps of the layer"):
        class_activation_map(fit(Auxiliary), X, method=method, layer="network.unused")


def test_arguments_that_a_method_does_not_use(plain):
    with pytest.raises(ValueError, match="layer='network' is not used by method='saliency'"):
        class_activation_map(plain, X, method="saliency", layer="network")
    with pytest.raises(ValueError, match='window=3 is used by method="occlusion" only'):
        class_activation_map(plain, X, window=3)
    for wrong in ({"method": "gradcam"}, {"batch_size": 0}, {"window": 0.5}, {"layer": 1}):
        with pytest.raises(ValueError, match=f"The '{next(iter(wrong))}' parameter"):
            class_activation_map(plain, X, **wrong)


def test_other_estimators():
    forest = make_pipeline(ImageFlattener(), RandomForestClassifier(2)).fit(X, y)
    with pytest.raises(TypeError, match="pass a fitted estimator of skcnn"):
        class_activation_map(forest, X)


def test_captum_is_optional(plain, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "captum", None)
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    for method in ("saliency", "integrated_gradients"):
        with pytest.raises(ImportError, match=re.escape('pip install "skcnn[explain]"')):
            class_activation_map(plain, X, method=method)
    for method in ("grad_cam", "grad_cam++", "score_cam", "occlusion"):
        assert maps_of(plain, X, method=method).shape == (N, SIDE, SIDE)


# ------------------------------------------------------------------------------------------------
# Images without content, and maps without values


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [0, 100, 255])
def test_images_of_one_color(pooled, method, value):
    images = X[:3].copy()
    images[1] = value
    with pytest.warns(UserWarning, match=r"of . of 3 images are 0 everywhere, first of image"):
        found = class_activation_map(pooled, images, method=method)
    assert np.isfinite(found).all()
    assert not found[1].any()


def test_single_cells_are_reported():
    cnn = fit(X=random_images(N, 4, 4), channels=(4, 4), y=y)
    with pytest.warns(UserWarning, match="have a single cell"):
        class_activation_map(cnn, random_images(2, 4, 4), method="grad_cam++")


def test_pixels_of_another_scale_are_reported(pooled):
    with pytest.warns(UserWarning, match=r"pixel values of X are about 25. times smaller"):
        maps_of(pooled, X / 255)


# ------------------------------------------------------------------------------------------------
# The estimator, and settings of the caller


def state_of(estimator):
    """Return what a call must not change."""
    module = estimator.module_
    parameters = list(module.parameters())
    return {
        "hooks": [len(part._forward_hooks) + len(part._backward_hooks) for part in module.modules()]
        + [len(part._forward_pre_hooks) for part in module.modules()],
        "modes": [part.training for part in module.modules()],
        "requires_grad": [parameter.requires_grad for parameter in parameters],
        "gradients": [None if p.grad is None else p.grad.tolist() for p in parameters],
        "values": [value.tolist() for value in module.state_dict().values()],
        "layers": [type(part) for part in module.modules()],
        "attributes": sorted(vars(estimator)),
        "numpy": np.random.get_state()[1].tolist(),
        "torch": torch.get_rng_state().tolist(),
        "grad mode": torch.is_grad_enabled(),
    }


@pytest.mark.parametrize("method", METHODS)
def test_the_estimator_stays_as_it_was(method):
    cnn = fit(Pooled)
    expected = maps_of(cnn, X, method=method)
    cnn.module_.train()
    cnn.module_.network.first.requires_grad_(False)
    for parameter in cnn.module_.network.output.parameters():
        parameter.grad = torch.ones_like(parameter)
    cnn.module_.network.second.register_forward_hook(lambda *_: None)
    before = state_of(cnn)
    assert_array_equal(maps_of(cnn, X, method=method), expected)
    assert state_of(cnn) == before
    with pytest.raises(ValueError, match=r"X holds images of 9 x 16|unknown"):
        maps_of(cnn, X[:, :9], method=method)


@pytest.mark.parametrize("method", GENERAL)
def test_the_estimator_stays_as_it_was_after_an_exception(method):
    cnn = fit()
    cnn.module_.train()
    with torch.no_grad():
        cnn.module_.network.blocks[0][0].weight.fill_(1e38)
    before = state_of(cnn)
    with pytest.raises(ValueError, match="are NaN or infinite"):
        maps_of(cnn, X, method=method)
    assert str(state_of(cnn)) == str(before)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("frozen", [False, True])
def test_modes_of_the_caller(method, frozen):
    cnn = fit(Pooled)
    expected = maps_of(cnn, X, method=method)
    cnn.module_.requires_grad_(not frozen)
    for mode in (torch.no_grad, torch.inference_mode, torch.enable_grad):
        with mode():
            assert_array_equal(maps_of(cnn, X, method=method), expected)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.autocast("cpu", torch.bfloat16):
            assert_array_equal(maps_of(cnn, X, method=method), expected)
    finally:
        torch.set_default_dtype(torch.float32)


def test_another_thread_may_train(pooled):
    cnn = fit(Pooled)
    stop, errors = threading.Event(), []

    def train():
        try:
            while not stop.is_set():
                cnn.partial_fit(X, y)
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=train)
    thread.start()
    try:
        for method in METHODS:
            assert np.isfinite(maps_of(cnn, X, method=method)).all()
    finally:
        stop.set()
        thread.join()
    assert not errors
    assert cnn.module_.network.output.weight.requires_grad
