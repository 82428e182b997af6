"""HOGExtractor against scikit-image's own function, image by image."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skimage.feature import hog
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from skcnn.lazy import LazyImages
from skcnn.preprocessing import (
    ColorHistogramExtractor,
    HOGExtractor,
    ImageAugmenter,
    ImageReader,
    ImageResizer,
)


def by_scikit_image(images, **parameters):
    """Call scikit-image for one image after the other."""
    options = {"pixels_per_cell": (8, 8), "cells_per_block": (2, 2), **parameters}
    axis = -1 if images.ndim == 4 else None
    return np.stack([hog(image, channel_axis=axis, **options) for image in images])


def noise(*shape):
    """Make images in which no two gradients have the same length."""
    return np.random.default_rng(0).uniform(0, 255, shape)


# ------------------------------------------------------------------------------------------------
# Values


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"orientations": 4, "pixels_per_cell": (4, 4)},
        {"orientations": 12, "pixels_per_cell": (5, 7), "cells_per_block": (3, 2)},
        {"orientations": 1, "cells_per_block": (1, 1)},
        {"block_norm": "L1"},
        {"block_norm": "L1-sqrt"},
        {"block_norm": "L2"},
        {"transform_sqrt": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("shape", [(32, 40), (33, 47), (28, 28, 1), (31, 36, 2), (30, 41, 3)])
def test_values_are_those_of_scikit_image(shape, parameters):
    images = noise(3, *shape)
    result = HOGExtractor(**parameters).fit_transform(images)
    assert result.dtype == np.float32
    assert_allclose(result, by_scikit_image(images, **parameters), atol=1e-6)


def test_values_of_photographs(stack):
    gray = stack[..., 0]
    assert_allclose(HOGExtractor().fit_transform(gray), by_scikit_image(gray), atol=1e-6)


def test_edges_vote_for_the_bin_of_their_orientation():
    down = np.tile(np.arange(8.0)[:, np.newaxis], (1, 8))  # its gradient points down: 90 degrees
    images = np.stack([down, -down, down.T, -down.T, down + down.T, down - down.T])
    extractor = HOGExtractor(orientations=4, cells_per_block=(1, 1), block_norm="L2")
    result = extractor.fit_transform(images).argmax(axis=1)
    assert result.tolist() == [2, 2, 0, 0, 1, 3]


def test_light_and_contrast_matter_little(stack):
    gray = stack[..., 0].astype(float)
    expected = HOGExtractor().fit_transform(gray)
    assert_allclose(HOGExtractor().fit_transform(gray / 255 - 3), expected, atol=1e-2)


def test_the_strongest_channel_counts():
    edge, flat = noise(1, 16, 16), np.zeros((1, 16, 16))
    expected = HOGExtractor().fit_transform(edge)
    for order in ([edge, flat], [flat, edge], [edge / 2, edge, flat, flat]):
        images = np.stack(order, axis=-1)
        assert_array_equal(HOGExtractor().fit_transform(images), expected)


@pytest.mark.parametrize("largest", [1e20, 3.4028235e38])
@pytest.mark.parametrize("block_norm", ["L1", "L1-sqrt", "L2", "L2-Hys"])
def test_huge_values_give_the_features_of_smaller_ones(largest, block_norm):
    images = np.random.default_rng(0).random((2, 16, 16, 1))
    extractor = HOGExtractor(block_norm=block_norm)
    expected = extractor.fit_transform(1e10 * images)
    features = extractor.transform((largest * images).astype(np.float32))
    assert_allclose(features, expected, atol=1e-4)


def test_a_flat_image_gives_zeros():
    assert_array_equal(HOGExtractor().fit_transform(np.full((2, 16, 16), 7)), np.zeros((2, 36)))


# ------------------------------------------------------------------------------------------------
# Small images


@pytest.mark.parametrize(
    ("size", "cell", "block", "n_blocks"),
    [
        ((8, 8), (8, 8), (1, 1), (1, 1)),
        ((28, 28), (8, 8), (2, 2), (2, 2)),
        ((16, 12), (8, 8), (2, 1), (1, 1)),
        ((5, 20), (5, 8), (1, 2), (1, 1)),
        ((1, 10), (1, 8), (1, 1), (1, 1)),
        ((2, 2), (2, 2), (1, 1), (1, 1)),
        ((1, 1), (1, 1), (1, 1), (1, 1)),
    ],
)
def test_cells_and_blocks_are_no_larger_than_an_image(size, cell, block, n_blocks):
    images = noise(4, *size)
    extractor = HOGExtractor()
    result = extractor.fit_transform(images)
    assert extractor.pixels_per_cell_ == cell
    assert extractor.cells_per_block_ == block
    assert extractor.n_blocks_ == n_blocks
    assert extractor.pixels_per_cell == (8, 8)
    assert result.shape == (4, len(extractor.get_feature_names_out()))
    expected = by_scikit_image(images, pixels_per_cell=cell, cells_per_block=block)
    assert_allclose(result, expected, atol=1e-6)


# ------------------------------------------------------------------------------------------------
# Forms, dtypes, threads


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.float32, np.float64])
def test_dtype_changes_nothing(stack, dtype):
    expected = HOGExtractor().fit(stack).transform(stack)
    assert_array_equal(HOGExtractor().fit_transform(stack.astype(dtype)), expected, strict=True)


def test_forms_agree(stack):
    expected = HOGExtractor().fit_transform(stack)
    rows = stack.reshape(6, -1)
    flat = HOGExtractor(image_shape=(48, 60, 3))
    assert_array_equal(flat.fit_transform(rows), expected)
    assert_array_equal(flat.transform(stack), expected)
    assert_array_equal(HOGExtractor().fit_transform(list(stack)), expected)
    assert_array_equal(HOGExtractor().fit_transform(LazyImages(stack)), expected)
    assert_array_equal(flat.fit_transform(LazyImages(rows)), expected)
    gray = HOGExtractor().fit_transform(stack[..., 0])
    assert_array_equal(HOGExtractor().fit_transform(stack[..., :1]), gray)


@pytest.mark.parametrize("form", [np.asarray, LazyImages])
def test_threads_and_parts_change_nothing(stack, form, monkeypatch):
    expected = HOGExtractor(n_jobs=1).fit_transform(stack)
    monkeypatch.setattr("skcnn.preprocessing._features._PART", 10_000)  # one image at a time
    for n_jobs in (None, 1, 3, -1):
        assert_array_equal(HOGExtractor(n_jobs=n_jobs).fit_transform(form(stack)), expected)


def test_lazy_images_are_read_a_few_at_a_time(stack, monkeypatch):
    class Source:
        shape, dtype = stack.shape, stack.dtype
        sizes = []

        def __getitem__(self, indices):
            self.sizes.append(len(indices))
            return stack[indices]

    monkeypatch.setattr("skcnn.preprocessing._features._PART", 2 * stack[0].size)
    source = Source()
    extractor = HOGExtractor().fit(LazyImages(source))
    assert source.sizes == []  # nothing is learned from the values
    extractor.transform(LazyImages(source))
    assert source.sizes == [2, 2, 2]


def test_random_view_gives_one_realization(stack):
    view = ImageAugmenter(rotation=20, random_state=0).fit_transform(stack)
    rows = HOGExtractor().fit_transform(view)
    assert_array_equal(rows, HOGExtractor().fit_transform(np.asarray(view)))
    assert_array_equal(rows, HOGExtractor().fit_transform(view))


@pytest.mark.parametrize("lazy", [False, True])
def test_paths_through_reader_and_resizer(photo_files, lazy):
    images = make_pipeline(ImageReader(), ImageResizer((40, 30))).fit_transform(photo_files)
    pipe = make_pipeline(ImageReader(), ImageResizer((40, 30), lazy=lazy), HOGExtractor())
    assert_array_equal(pipe.fit_transform(photo_files), HOGExtractor().fit_transform(images))


# ------------------------------------------------------------------------------------------------
# scikit-learn


def test_names():
    images = noise(2, 24, 17)
    extractor = HOGExtractor(orientations=3).set_output(transform="pandas")
    frame = extractor.fit_transform(images)
    names = frame.columns.tolist()
    assert names[:4] == ["hog_0_0_0_0_0", "hog_0_0_0_0_1", "hog_0_0_0_0_2", "hog_0_0_0_1_0"]
    assert names[-1] == "hog_1_0_1_1_2"
    assert extractor.get_feature_names_out().tolist() == names
    blocks = by_scikit_image(images, orientations=3, feature_vector=False)
    assert_allclose(frame["hog_1_0_0_1_2"], blocks[:, 1, 0, 0, 1, 2], atol=1e-6)


def test_frames():
    frame = pd.DataFrame(noise(3, 64), index=list("xyz")).add_prefix("pixel")
    result = HOGExtractor().set_output(transform="pandas").fit_transform(frame)
    assert result.index.tolist() == list("xyz")
    assert (result.dtypes == np.float32).all()
    polars = HOGExtractor().set_output(transform="polars").fit_transform(frame)
    assert_array_equal(polars.to_numpy(), result.to_numpy())


def test_a_pickle_and_a_clone_give_the_same(stack):
    extractor = HOGExtractor(6, (4, 6), block_norm="L1").fit(stack)
    expected = extractor.transform(stack)
    assert_array_equal(pickle.loads(pickle.dumps(extractor)).transform(stack), expected)
    assert_array_equal(clone(extractor).fit_transform(stack), expected)


def test_a_pipeline_of_features_learns_digits():
    X, y = load_digits(return_X_y=True)
    pipe = make_pipeline(
        HOGExtractor(), StandardScaler(), LinearSVC(random_state=0, dual=False, tol=1e-2)
    )
    grid = {"hogextractor__pixels_per_cell": [(8, 8), (4, 4)]}
    search = GridSearchCV(pipe, grid, cv=2).fit(X[:600], y[:600])
    assert search.best_params_ == {"hogextractor__pixels_per_cell": (4, 4)}
    assert search.score(X[600:], y[600:]) > 0.75


def test_features_of_images_are_joined(stack):
    union = make_union(HOGExtractor(), ColorHistogramExtractor())
    expected = [part.fit_transform(stack) for _, part in union.transformer_list]
    assert_array_equal(union.fit_transform(stack), np.hstack(expected))
    assert_array_equal(union.transform(LazyImages(stack)), np.hstack(expected))


# ------------------------------------------------------------------------------------------------
# Bad input


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"orientations": 0}, "'orientations' parameter of HOGExtractor must be an int"),
        ({"pixels_per_cell": 8}, r"'pixels_per_cell' .* positive integers \(height, width\)"),
        ({"cells_per_block": (0, 2)}, r"'cells_per_block' .* integers \(n_rows, n_columns\)"),
        ({"block_norm": "L3"}, "'block_norm' parameter of HOGExtractor must be a str"),
    ],
)
def test_bad_parameters(parameters, match):
    with pytest.raises(ValueError, match=match):
        HOGExtractor(**parameters).fit(np.zeros((2, 8, 8)))


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (np.full((2, 8, 8), np.nan), "contains NaN"),
        (LazyImages(np.full((2, 8, 8), np.nan)), "contains NaN, in image 0 of the source"),
        ([np.zeros((4, 5)), np.zeros((6, 5))], "put an ImageResizer before it"),
        (["a.png"], "put an ImageReader and an ImageResizer before it"),
        (np.zeros((0, 4, 4)), "minimum of 1"),
    ],
)
def test_bad_images(X, match):
    with pytest.raises(ValueError, match=match):
        HOGExtractor().fit_transform(X)


@pytest.mark.parametrize("form", [np.asarray, LazyImages])
def test_no_roots_of_negative_values(form):
    images = np.zeros((3, 8, 8))
    images[2, 0, 0] = -1.5
    with pytest.raises(ValueError, match=r"has negative ones, down to -1.5: use transform_sqrt=F"):
        HOGExtractor(transform_sqrt=True).fit_transform(form(images))


def test_other_size_is_refused_in_transform(stack):
    with pytest.raises(ValueError, match="is expecting 48 x 60 with 3, as in fit"):
        HOGExtractor().fit(stack).transform(stack[:, :40])
