"""ActivationMapDisplay: the maps that are drawn, their colors, captions, and forms of images."""

import copy

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skimage.io import imsave
from sklearn.pipeline import make_pipeline

from skcnn import CNNClassifier, CNNRegressor, ImageReader, ImageResizer
from skcnn.inspection import ActivationMapDisplay, class_activation_map

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (12, 10, 14, 3), np.uint8)
y = np.array(["cat", "dog", "owl"] * 4)


@pytest.fixture(scope="module")
def cnn():
    return CNNClassifier(channels=(6, 8), max_epochs=3, random_state=0).fit(X, y)


def captions(display):
    return [ax.get_title() for ax in display.ax_.flat if ax.get_visible()]


def test_maps_and_captions(plt, cnn):
    display = ActivationMapDisplay.from_estimator(cnn, X, y, method="grad_cam++", n_images=4)
    assert_allclose(display.maps, class_activation_map(cnn, X[:4], method="grad_cam++"))
    assert_array_equal(display.targets, cnn.predict(X[:4]))
    assert len(display.images_) == 8
    for row, artist in enumerate(display.maps_):
        assert_allclose(artist.get_array(), display.maps[row])
        assert artist.norm.vmin == 0
        assert_allclose(artist.norm.vmax, np.quantile(display.maps[row], 0.99), rtol=0.05)
    assert captions(display)[::2] == [f"true: {true}" for true in y[:4]]
    assert captions(display)[1::2] == [f"map of: {target}" for target in display.targets]
    assert display.title_.get_text() == "Grad-CAM++"
    assert display.figure_ is display.ax_[0, 0].figure
    assert display.colorbar_.extend == "max"


def test_images_stay_visible_where_maps_are_weak(plt, cnn):
    display = ActivationMapDisplay.from_estimator(cnn, X, method="grad_cam++", n_images=2)
    colors = display.maps_[0].cmap
    assert colors(0.0)[3] == 0
    assert_allclose([colors(0.25)[3], colors(0.5)[3], colors(1.0)[3]], [0.4, 0.8, 0.8], atol=0.01)
    signed = ActivationMapDisplay.from_estimator(cnn, X, method="occlusion", n_images=2)
    colors = signed.maps_[0].cmap
    assert colors(0.5)[3] < 0.01
    assert_allclose([colors(0.0)[3], colors(1.0)[3]], 0.8)
    for artist in signed.maps_:
        assert artist.norm.vmin == -artist.norm.vmax
    assert signed.colorbar_.extend == "both"
    assert signed.plot(cmap="RdBu_r", alpha=0.5).maps_[0].cmap(1.0)[3] == 0.5


def test_contrast(plt, cnn):
    display = ActivationMapDisplay.from_estimator(cnn, X, method="occlusion", n_images=3)
    assert len({artist.norm.vmax for artist in display.maps_}) == 3
    assert display.colorbar_.vmax == 1
    display.plot(contrast="common")
    (limit,) = {artist.norm.vmax for artist in display.maps_}
    assert display.colorbar_.vmax == limit
    assert_allclose(limit, np.quantile(np.abs(display.maps), 0.99), rtol=0.05)


def test_maps_alone(plt, cnn):
    display = ActivationMapDisplay.from_estimator(
        cnn, X, y, target="owl", method="grad_cam++", n_images=3, show_images=False
    )
    assert len(display.images_) == 3
    assert captions(display) == [f"map of: owl\ntrue: {true}" for true in y[:3]]
    display = ActivationMapDisplay(X[:2], display.maps[:2]).plot(show_images=False, n_columns=1)
    assert captions(display) == ["", ""]
    assert display.ax_.shape == (2, 1)
    _, (left, right) = plt.subplots(1, 2)
    for ax in (left, right):
        assert display.plot(ax).figure_ is left.figure


def test_targets_of_each_image(plt, cnn):
    target = np.roll(y, 1)
    display = ActivationMapDisplay.from_estimator(cnn, X, target=target, method="occlusion")
    assert_array_equal(display.targets, target[:6])
    assert_allclose(display.maps, class_activation_map(cnn, X, target, method="occlusion")[:6])
    with pytest.raises(ValueError, match="there are 12 images"):
        ActivationMapDisplay.from_estimator(cnn, X, target=target[:6])
    with pytest.raises(ValueError, match="y has 6 values for 12 images"):
        ActivationMapDisplay.from_estimator(cnn, X, y[:6])
    with pytest.raises(ValueError, match="'n_images' parameter"):
        ActivationMapDisplay.from_estimator(cnn, X, n_images=0)
    values = RNG.normal(size=12)
    model = CNNRegressor(channels=(4,), max_epochs=1, random_state=0).fit(X, values)
    display = ActivationMapDisplay.from_estimator(model, X, values, method="occlusion")
    assert display.targets == [0] * 6


def test_maps_without_values(plt, cnn):
    images = np.full((2, 10, 14, 3), 90, np.uint8)
    with pytest.warns(UserWarning, match="2 of 2 images are 0 everywhere"):
        display = ActivationMapDisplay.from_estimator(cnn, images)
    assert display.maps_[0].norm.vmax == 1
    display.figure_.canvas.draw()


@pytest.mark.parametrize("channels", [None, 1, 3, 4])
def test_images_with_any_number_of_channels(plt, channels):
    images = RNG.random((8, 9, 9, *([] if channels is None else [channels])))
    cnn = CNNClassifier(channels=(4,), max_epochs=1, random_state=0).fit(images, [0, 1] * 4)
    display = ActivationMapDisplay.from_estimator(cnn, images, method="occlusion")
    under = display.images_[1].get_array()
    assert under.shape == (9, 9)
    expected = images[0] if channels is None else images[0][..., :3].mean(axis=2)
    assert_allclose(under, expected)
    display.figure_.canvas.draw()


def test_only_the_files_that_are_shown_are_read(plt, tmp_path):
    shapes = [(20, 30), (24, 18), (16, 16)] * 2
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    for path, shape in zip(paths, shapes, strict=True):
        imsave(path, RNG.integers(0, 256, (*shape, 3), np.uint8), check_contrast=False)
    cnn = CNNClassifier(channels=(4,), max_epochs=1, random_state=0)
    pipe = make_pipeline(ImageReader(), ImageResizer((8, 8)), cnn).fit(paths, [0, 1] * 3)
    before = copy.deepcopy(vars(pipe[-1].module_))
    for path in paths[3:]:
        path.write_text("not an image")
    display = ActivationMapDisplay.from_estimator(pipe, paths, method="occlusion", n_images=3)
    assert [one.shape for one in display.maps] == shapes[:3]
    assert [artist.get_array().shape for artist in display.images_[1::2]] == shapes[:3]
    assert vars(pipe[-1].module_)["training"] == before["training"]
    display.figure_.canvas.draw()
