"""Original images, grids of axes, layers by name and recorded outputs."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from skimage.io import imsave
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from skcnn import CNNClassifier, ImageAugmenter, ImageFlattener, ImageReader, ImageResizer
from skcnn._plotting import distinct_colors
from skcnn.inspection._network import as_tensor, find_layer, layer_name, recorded_outputs
from skcnn.inspection._plotting import (
    axes_grid,
    display_limits,
    divide_axes,
    show_image,
)
from skcnn.original_images import original_images

RNG = np.random.default_rng(0)


def images(*shape):
    return RNG.integers(0, 256, shape).astype(np.uint8)


def test_arrays_and_lists():
    X = images(3, 5, 6, 3)
    assert_array_equal(original_images(X), X)
    assert_array_equal(original_images(list(X))[1], X[1])
    ragged = [X[0], X[1, :4], X[2, :, :3]]
    assert [image.shape for image in original_images(ragged)] == [(5, 6, 3), (4, 6, 3), (5, 3, 3)]


def test_flat_rows_have_the_layout_of_the_first_step():
    X = images(6, 4, 6)
    rows = X.reshape(6, 24)
    tree = make_pipeline(ImageResizer((3, 3), image_shape=(4, 6)), ImageFlattener())
    tree = make_pipeline(tree, DecisionTreeClassifier()).fit(rows, [0, 1] * 3)
    assert_array_equal(original_images(rows, tree), X)
    assert_array_equal(original_images(pd.DataFrame(rows), tree), X)
    assert_array_equal(original_images(rows, image_shape=(2, 4, 3)), X.reshape(6, 2, 4, 3))
    with pytest.raises(ValueError, match="rows of 96 values, which is not a square"):
        original_images(images(2, 96))


def test_paths_are_read_by_the_pipeline(tmp_path):
    X, y = images(8, 9, 7, 3), [0, 1] * 4
    for row, image in enumerate(X):
        imsave(tmp_path / f"{row}.png", image)
    names = [f"{row}.png" for row in range(8)]
    pipe = make_pipeline(
        ImageReader("L", root=tmp_path),
        ImageResizer((4, 4)),
        ImageFlattener(),
        DecisionTreeClassifier(),
    )
    search = GridSearchCV(pipe, {"imageresizer__size": [(3, 3), (4, 4)]}, cv=2).fit(names, y)
    assert original_images(names, search)[2].shape == (9, 7)  # gray, as the pipeline reads them
    paths = [tmp_path / name for name in names]
    assert_array_equal(original_images(paths)[2], X[2])


def test_augmentation_is_left_out():
    X = images(3, 6, 6)
    view = ImageAugmenter(rotation=90, random_state=0).fit_transform(X)
    assert_array_equal(original_images(view)[2], X[2])


@pytest.mark.parametrize("n_axes", [1, 3, 7])
def test_grids(plt, n_axes):
    figure, axes = axes_grid(n_axes)
    assert sum(ax.get_visible() for ax in axes.flat) == n_axes
    own, ax = plt.subplots()
    figure, axes = axes_grid(n_axes, ax)
    assert figure is own
    assert axes.size >= n_axes


def test_any_axes_are_divided(plt):
    figure = plt.figure()
    ax = figure.add_axes((0.2, 0.1, 0.5, 0.8))
    grid = divide_axes(ax, 1, 2, wspace=0)
    boxes = [figure.add_subplot(grid[0, column]).get_position() for column in range(2)]
    assert_allclose([box.bounds for box in boxes], [(0.2, 0.1, 0.25, 0.8), (0.45, 0.1, 0.25, 0.8)])
    assert not ax.axison


@pytest.mark.parametrize("n_colors", [1, 7, 8, 30])
def test_colors_are_distinct(plt, n_colors):
    assert len(set(distinct_colors(n_colors))) == n_colors


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 2), (4, 5, 3)])
def test_images_are_scaled(plt, shape):
    ax = plt.subplots()[1]
    shown = show_image(ax, images(*shape)).get_array()
    assert shown.shape == (shape if shape[2:] == (3,) else shape[:2])
    assert 0 <= shown.min() < shown.max() <= 1


def test_limits():
    assert display_limits([images(3, 3)]) == (0, 255)
    assert display_limits([np.array([[0.0, 0.2]]), np.array([[0.9]])]) == (0.0, 1.0)
    assert display_limits([np.array([[-4.0, 900.0]])]) == (-4.0, 900.0)
    assert display_limits([np.array([[np.nan, np.inf, 3.0, -9.0]])]) == (-9.0, 3.0)
    assert display_limits([np.array([[np.nan]])]) == (0.0, 1.0)


def test_layers_by_name():
    X, y = images(8, 6, 6), [0, 1] * 4
    module = CNNClassifier(channels=(3,), max_epochs=1, random_state=0).fit(X, y).module_
    names = [name for name, _ in module.named_modules()]
    layer = find_layer(module, names[-1])
    assert layer_name(module, layer) == names[-1]
    for wrong in (names[-1] + "x", "", "elsewhere"):
        with pytest.raises(ValueError, match=r"layer '.*' is unknown"):
            find_layer(module, wrong)


def test_recorded_outputs_are_not_changed_by_later_layers():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True), nn.Flatten())
    with torch.no_grad():
        module[0].weight.copy_(torch.linspace(-1, 1, 18).reshape(2, 1, 3, 3))  # negative, positive
    batch = as_tensor(images(2, 5, 5, 1), module)
    with recorded_outputs(module[0]) as outputs:
        found = module(batch)
    assert (outputs[module[0]] < 0).any()
    gradient = torch.autograd.grad(found.sum(), outputs[module[0]])[0]
    assert_array_equal(gradient, (outputs[module[0]] > 0).float())
    assert not module[0]._forward_hooks
