"""AugmentationDisplay: the variants that a network is trained on."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from skimage.io import imsave
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from skcnn import (
    CNNClassifier,
    ImageAugmenter,
    ImageFlattener,
    ImageNormalizer,
    ImageReader,
    ImageResizer,
    LazyImages,
)
from skcnn.inspection import AugmentationDisplay
from tests.inspection._figures import assert_legible, drawn_texts

RNG = np.random.default_rng(0)


def from_estimator(estimator, X, *, n_images=2, n_epochs=2, **options):
    return AugmentationDisplay.from_estimator(
        estimator, X, n_images=n_images, n_epochs=n_epochs, **options
    )


def images(*shape, dtype=np.uint8):
    return RNG.integers(0, 256, shape).astype(dtype)


def augmenter(**options):
    return ImageAugmenter(rotation=40, horizontal_flip=True, random_state=3, **options)


def assert_variants(display, view, X):
    """Assert that a display has the variants of a view of `X`."""
    n_images, n_epochs = display.variants.shape[:2]
    assert_array_equal(display.originals, X[:n_images])
    for epoch in range(n_epochs):
        for row in range(n_images):
            assert_array_equal(display.variants[row, epoch], view.at_epoch(epoch)[row])


@pytest.mark.parametrize("shape", [(7, 6, 8), (7, 6, 8, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_variants_are_those_of_training(plt, shape, dtype):
    X = images(*shape, dtype=dtype)
    display = from_estimator(augmenter(noise=0.1), X, n_images=3, n_epochs=3)
    assert display.variants.shape == (3, 3, *shape[1:])
    assert_variants(display, augmenter(noise=0.1).fit_transform(X), X)


def test_the_augmenter_is_not_changed(plt):
    X = images(5, 6, 6)
    for given in (augmenter(), augmenter().fit(images(4, 9, 9))):
        before = dict(vars(given))
        display = from_estimator(given, X)
        assert vars(given) == before
        assert_variants(display, clone(given).fit_transform(X), X)


def test_flat_rows(plt):
    X = images(5, 4, 6)
    display = from_estimator(augmenter(image_shape=(4, 6)), X.reshape(5, 24), n_images=2)
    assert_variants(display, augmenter().fit_transform(X), X)


def test_pandas_output(plt):
    X = images(5, 4, 6)
    pandas = augmenter().set_output(transform="pandas")
    assert_variants(from_estimator(pandas, X), augmenter().fit_transform(X), X)


def test_the_images_of_a_pipeline(plt, tmp_path):
    X = images(4, 9, 7, 3)
    paths = [str(tmp_path / f"{row}.png") for row in range(4)]
    for path, image in zip(paths, X, strict=True):
        imsave(path, image, check_contrast=False)
    for lazy in (False, True):
        pipe = make_pipeline(
            ImageReader(),
            make_pipeline(ImageResizer((6, 5), lazy=lazy), augmenter()),
            ImageFlattener(),
            DecisionTreeClassifier(),
        )
        resized = ImageResizer((6, 5)).fit_transform(X)
        expected = augmenter().fit_transform(resized)
        assert_variants(from_estimator(pipe, paths), expected, resized)
    search = GridSearchCV(pipe, {"decisiontreeclassifier__max_depth": [1]}, cv=2)
    search.fit(paths, [0, 1, 0, 1])
    assert_variants(from_estimator(search, paths), expected, resized)


def test_only_images_that_are_shown_are_read(plt):
    class Source:
        """Count the images that are read."""

        shape, dtype = (500, 6, 6), np.dtype("uint8")
        rows = frozenset()

        def __getitem__(self, rows):
            self.rows = self.rows | set(np.asarray(rows).tolist())
            return np.ones((len(rows), 6, 6), np.uint8)

    source = Source()
    from_estimator(make_pipeline(ImageResizer((4, 4)), augmenter()), LazyImages(source), n_images=3)
    assert source.rows == {0, 1, 2}


def test_statistics_of_all_images(plt):
    X = images(9, 6, 6)
    pipe = make_pipeline(ImageNormalizer(), augmenter(brightness=0.5))
    expected = pipe.fit_transform(X)
    assert_variants(from_estimator(pipe, X), expected, np.asarray(expected.clean()))


def test_two_augmenters(plt):
    X = images(4, 6, 6)
    pipe = make_pipeline(augmenter(), ImageAugmenter(noise=0.2, random_state=0), CNNClassifier())
    assert_variants(from_estimator(pipe, X), pipe[:-1].fit_transform(X), X)


def test_a_network_is_trained_on_these_variants(plt):
    seen = []

    def function(batch, generators):
        seen.append(batch.copy())
        return batch

    X = images(4, 6, 6)
    augmenting = augmenter(function=function)
    cnn = CNNClassifier(channels=(2,), max_epochs=3, batch_size=4, random_state=0)
    make_pipeline(augmenting, cnn).fit(X, [0, 1, 0, 1])
    trained = [{image.tobytes() for image in batch} for batch in seen]
    display = from_estimator(augmenting, X, n_images=4, n_epochs=3)
    shown = [
        {image.astype(np.float32).tobytes() for image in display.variants[:, epoch]}
        for epoch in range(3)
    ]
    # The function receives images before they are rounded to uint8.
    rounded = [
        {np.rint(np.frombuffer(image, np.float32)).astype(np.float32).tobytes() for image in batch}
        for batch in trained
    ]
    assert all(epoch in rounded for epoch in shown)


@pytest.mark.parametrize("layout", [None, "constrained"])
def test_figure(plt, layout):
    X = images(5, 6, 12)
    display = from_estimator(augmenter(), X, n_images=3, n_epochs=2)
    assert display.ax_.shape == (3, 3)
    assert len(display.images_) == 9
    assert [text for text, _ in drawn_texts(display.figure_)] == ["original", "epoch 0", "epoch 1"]
    shown = display.images_[4].get_array()
    assert_array_equal(shown, display.variants[1, 0] / 255)
    assert_legible(display.figure_)
    figure, axes = plt.subplots(1, 2, figsize=(12, 4), layout=layout)
    assert from_estimator(augmenter(), X, ax=axes[1], font_size=7).figure_ is figure
    assert_legible(figure)
    display.plot(cell_size=(2, 1), font_size=7)
    assert display.figure_.get_size_inches()[0] == 6
    assert display.ax_[0, 0].title.get_fontsize() == 7


def test_more_images_than_there_are(plt):
    assert from_estimator(augmenter(), images(2, 6, 6), n_images=5).variants.shape[0] == 2


def test_errors():
    X = images(3, 6, 6)
    with pytest.raises(ValueError, match="nothing is enabled in the ImageAugmenter"):
        from_estimator(ImageAugmenter(), X)
    pipe = make_pipeline(ImageResizer((4, 4)), CNNClassifier())
    with pytest.raises(TypeError, match="there is no ImageAugmenter in Pipeline: pass"):
        from_estimator(pipe, X)
    for name in ("n_images", "n_epochs"):
        for value in (0, 1.5, True):
            with pytest.raises(ValueError, match=f"{name}={value} must be a positive integer"):
                from_estimator(augmenter(), X, **{name: value})
