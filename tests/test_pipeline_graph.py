"""torch_pipeline against the predictions of the pipeline itself."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

from skcnn import (
    CNNClassifier,
    CNNRegressor,
    HOGExtractor,
    ImageAugmenter,
    ImageEmbedder,
    ImageFlattener,
    ImageNormalizer,
    ImageReader,
    ImageResizer,
    TransferClassifier,
)
from skcnn.imbalance import ImageSampler
from skcnn.operations import AffineMap
from skcnn.pipeline_graph import pipeline_steps, torch_pipeline

RNG = np.random.default_rng(0)
Y = np.arange(8) % 2
SIZES = [(20, 30), (31, 17), (9, 9), (12, 8)]


def cnn(**options):
    options = {"channels": (4,), "hidden_units": (8,), "max_epochs": 1, **options}
    return CNNClassifier(random_state=0, device="cpu", **options)


def images(shape, n=8, dtype=np.uint8):
    values = RNG.integers(0, 256, (n, *shape))
    return values.astype(np.uint8) if dtype == np.uint8 else (values / 255).astype(dtype)


def tensor(images):
    images = np.asarray(images, np.float32)
    images = images[..., np.newaxis] if images.ndim == 3 else images
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def probabilities(graph, images):
    with torch.no_grad():
        return graph.module(tensor(images)).softmax(dim=1).numpy()


STEPS = {
    "network": [],
    "resize": [ImageResizer((8, 10))],
    "pad": [ImageResizer((8, 10), aspect="pad")],
    "crop": [ImageResizer((8, 10), aspect="crop")],
    "resize lazily, augment": [
        ImageResizer((8, 10), lazy=True),
        ImageAugmenter(rotation=20, random_state=0),
    ],
    "normalize": [ImageNormalizer()],
    "unit, then resize": [ImageNormalizer("unit"), ImageResizer((8, 10))],
    "flatten": [ImageResizer((9, 9)), ImageFlattener()],
    "everything": [
        ImageResizer((20, 21)),
        ImageAugmenter(horizontal_flip=True, random_state=0),
        ImageResizer((9, 8), aspect="crop"),
        "passthrough",
        make_pipeline(ImageNormalizer(), None, ImageFlattener()),
    ],
}


@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("steps", STEPS)
def test_arrays(steps, dtype, channels):
    X = images((14, 12, *channels), dtype=dtype)
    flattened = {"flatten": (9, 9, *channels), "everything": (9, 8, *channels)}.get(steps)
    pipe = make_pipeline(*STEPS[steps], cnn(image_shape=flattened)).fit(X, Y)
    graph = torch_pipeline(pipe, X.shape[1:], X.dtype)
    # an integer pixel at a half may be rounded up or down
    atol = 1e-5 if dtype == np.float32 or steps in ("network", "normalize") else 2e-2
    assert_allclose(probabilities(graph, X), pipe.predict_proba(X), atol=atol)
    assert not graph.module.training
    assert not pipe[-1].module_.training


@pytest.mark.parametrize("aspect", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_ragged_photos(dtype, channels, aspect):
    photos = [images((*size, *channels), 1, dtype)[0] for size in SIZES * 2]
    pipe = make_pipeline(ImageResizer((10, 12), aspect=aspect), cnn()).fit(photos, Y)
    expected = pipe.predict_proba(photos)
    for photo, probability in zip(photos[:4], expected, strict=False):
        graph = torch_pipeline(pipe, photo.shape, photo.dtype)
        found = probabilities(graph, photo[np.newaxis])
        assert_allclose(found[0], probability, atol=1e-5 if dtype == np.float32 else 2e-2)


@pytest.mark.parametrize("steps", STEPS)
def test_gradients_flow_to_the_pixels(steps):
    X = images((14, 12, 3))
    flattened = {"flatten": (9, 9, 3), "everything": (9, 8, 3)}.get(steps)
    pipe = make_pipeline(*STEPS[steps], cnn(image_shape=flattened)).fit(X, Y)
    module = torch_pipeline(pipe, X.shape[1:], X.dtype).module
    pixels = tensor(X).requires_grad_()
    module(pixels)[:, 0].sum().backward()
    assert pixels.grad.isfinite().all()
    assert (pixels.grad != 0).any(dim=(1, 2, 3)).all()
    assert not any(parameter.requires_grad for parameter in module.parameters())
    assert all(parameter.requires_grad for parameter in pipe[-1].module_.parameters())


def test_gradients_are_those_of_finite_differences():
    X = images((14, 12), dtype=np.float64)
    pipe = make_pipeline(ImageResizer((7, 9), aspect="pad"), ImageNormalizer(), cnn()).fit(X, Y)
    module = torch_pipeline(pipe, X.shape[1:], X.dtype).module.preprocessing.double()
    pixels = torch.from_numpy(X[:2, None]).requires_grad_()
    assert torch.autograd.gradcheck(module, pixels)


def test_a_regressor_gives_standardized_targets():
    X, y = images((9, 9)), RNG.normal(50, 20, size=8)
    pipe = make_pipeline(
        ImageNormalizer(), CNNRegressor(channels=(4,), max_epochs=1, random_state=0, device="cpu")
    ).fit(X, y)
    outputs = torch_pipeline(pipe, (9, 9), np.uint8).module(tensor(X)).numpy()[:, 0]
    assert_allclose(pipe[-1].y_mean_ + pipe[-1].y_scale_ * outputs, pipe.predict(X), rtol=1e-5)


def test_an_estimator_alone():
    X = images((9, 9))
    model = cnn().fit(X, Y)
    graph = torch_pipeline(model, (9, 9), np.uint8)
    assert_allclose(probabilities(graph, X), model.predict_proba(X), atol=1e-6)
    assert graph.geometry == AffineMap()


def test_geometry_is_that_of_all_steps():
    X = images((40, 20))
    pipe = make_pipeline(
        ImageResizer((20, 10)), ImageResizer((5, 5), aspect="crop"), ImageFlattener(), cnn()
    ).fit(X, Y)
    geometry = torch_pipeline(pipe, (40, 20), np.uint8).geometry
    # rows 10 to 29 of the original, each pixel of the result 4 x 4 of them
    assert_allclose(geometry([[0, 0], [4, 4]]), [[9.5 + 2, 1.5], [9.5 + 18, 17.5]], atol=2.01)
    inner = ImageResizer((5, 5), aspect="crop")._operation().geometry((20, 10))
    outer = ImageResizer((20, 10))._operation().geometry((40, 20))
    points = [[0, 0], [3, 1]]
    assert_allclose(geometry(points), outer(inner(points)))


@pytest.mark.parametrize(
    ("steps", "dtype", "expected"),
    [
        ([], np.uint8, (0, 255)),
        ([], np.uint16, (0, 65535)),
        ([], np.float32, None),
        ([ImageResizer((5, 5)), ImageAugmenter()], np.float32, (0, 1)),
        ([ImageNormalizer(), ImageAugmenter()], np.float32, None),
        ([ImageNormalizer("unit")], np.float32, (0, 1)),
        ([ImageNormalizer()], np.float32, None),
    ],
)
def test_pixel_range(steps, dtype, expected):
    X = images((9, 9)).astype(dtype)
    if np.dtype(dtype).kind == "f":
        X = np.where(np.arange(9) < 5, 0, 1).repeat(8 * 9).reshape(9, 8, 9).swapaxes(0, 1)
        X = X.astype(dtype)
    graph = torch_pipeline(make_pipeline(*steps, cnn()).fit(X, Y), (9, 9), dtype)
    assert graph.pixel_range == expected


@pytest.mark.parametrize("shape", [(9, 12), (9, 12, 3)])
@pytest.mark.parametrize("input_size", [None, (20, 16)])
def test_pretrained_network_for_gray_and_resized_images(shape, input_size):
    transfer = TransferClassifier(input_size=input_size, max_epochs=1, random_state=0)
    X = images(shape)
    pipe = make_pipeline(ImageResizer((8, 10)), transfer).fit(X, Y)
    graph = torch_pipeline(pipe, X.shape[1:], X.dtype)
    assert_allclose(probabilities(graph, X), pipe.predict_proba(X), atol=1e-5)
    assert_allclose(graph.geometry([[0, 0], [7, 9]]), [[0.0625, 0.1], [7.9375, 10.9]])


def fitted(*steps, X=None):
    return make_pipeline(*steps).fit(images((9, 9)) if X is None else X, Y)


REFUSED = {
    "tree": (lambda: fitted(ImageFlattener(), DecisionTreeClassifier()), TypeError, "Decision"),
    "PCA": (
        lambda: fitted(ImageFlattener(), PCA(4), cnn()),
        TypeError,
        "'pca': PCA cannot be converted to PyTorch: use only ImageResizer",
    ),
    "nested PCA": (
        lambda: fitted(make_pipeline(ImageFlattener(), PCA(4)), cnn()),
        TypeError,
        "'pca': PCA cannot be converted to PyTorch",
    ),
    "function": (
        lambda: fitted(FunctionTransformer(np.sqrt), cnn()),
        TypeError,
        "FunctionTransformer cannot be converted to PyTorch",
    ),
    "HOG": (
        lambda: fitted(HOGExtractor(pixels_per_cell=(2, 2)), cnn(), X=images((9, 9))),
        ValueError,
        "HOGExtractor .* cannot be converted to PyTorch",
    ),
    "transformer": (
        lambda: fitted(ImageNormalizer()),
        TypeError,
        "ImageNormalizer has no trained network",
    ),
    "embedder": (
        lambda: fitted(ImageEmbedder(weights=None, input_size=32)),
        TypeError,
        "ImageEmbedder has no trained network: pass",
    ),
    "embedder before a network": (
        lambda: fitted(ImageEmbedder(weights=None, input_size=32), cnn(image_shape=(32, 40))),
        ValueError,
        "ImageEmbedder is not an operation on images",
    ),
    "layout": (
        lambda: fitted(ImageFlattener(), cnn(image_shape=(27, 3))),
        ValueError,
        r"images of 9 x 9 pixels with 1 channel\(s\) reach .*CNNClassifier.* on 27 x 3 pixels",
    ),
    "size": (
        lambda: fitted(cnn(), X=images((9, 8))),
        ValueError,
        r"images of 9 x 9 .* fitted on 9 x 8",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_converted_to_pytorch_is_named(case):
    make, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        torch_pipeline(make(), (9, 9), np.uint8)


def test_a_reader_is_left_out(tmp_path):
    paths = [str(tmp_path / f"{row}.png") for row in range(8)]
    for path, image in zip(paths, images((9, 9)), strict=True):
        Image.fromarray(image).save(path)
    pipe = make_pipeline(ImageReader("L"), ImageResizer((8, 8)), cnn()).fit(paths, Y)
    graph = torch_pipeline(pipe, (9, 9), np.uint8)
    read = pipe[0].transform(paths).read()
    assert_allclose(probabilities(graph, read), pipe.predict_proba(paths), atol=2e-2)


def test_the_best_estimator_of_a_search():
    X = images((9, 9))
    pipe = make_pipeline(ImageResizer((8, 8)), cnn())
    search = GridSearchCV(pipe, {"cnnclassifier__channels": [(3,), (4,)]}, cv=2).fit(X, Y)
    graph = torch_pipeline(search, X.shape[1:], X.dtype)
    assert_allclose(probabilities(graph, X), search.predict_proba(X), atol=2e-2)


def test_samplers_are_left_out(tmp_path):
    pipeline, over_sampling = (
        pytest.importorskip(f"imblearn.{name}") for name in ("pipeline", "over_sampling")
    )
    sampler = ImageSampler(over_sampling.RandomOverSampler(random_state=0))
    X = images((9, 9, 3))
    paths = [tmp_path / f"{number}.png" for number in range(8)]
    for path, image in zip(paths, X, strict=True):
        Image.fromarray(image).save(path)
    model = pipeline.make_pipeline(sampler, ImageReader(), ImageResizer((8, 8)), sampler, cnn())
    model.fit(np.array(paths), np.arange(8) == 0)
    assert type(pipeline_steps(model)[0][1]) is ImageReader
    assert len(pipeline_steps(model, samplers=True)) == 5
    graph = torch_pipeline(model, (9, 9, 3), np.uint8)
    assert_allclose(probabilities(graph, X), model.predict_proba(np.array(paths)), atol=1e-5)


def test_frozen_estimators_are_resolved():
    pipe = make_pipeline(ImageResizer((8, 8)), FrozenEstimator(cnn().fit(images((8, 8)), Y)))
    search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1]}, cv=2)
    frozen = FrozenEstimator(search.fit(np.eye(8), [0, 1] * 4))
    assert pipeline_steps(FrozenEstimator(pipe))[1][1] is pipe[-1].estimator
    assert pipeline_steps(frozen)[0][1] is search.best_estimator_


def test_unfitted_and_wrong_shapes():
    with pytest.raises(NotFittedError):
        torch_pipeline(Pipeline([("cnn", cnn())]), (9, 9), np.uint8)
    with pytest.raises(ValueError, match=r"image_shape=\(9,\) must be \(height, width\) or"):
        torch_pipeline(cnn().fit(images((9, 9)), Y), (9,), np.uint8)


@pytest.mark.parametrize(
    "image_shape", [None, 9, "99", (9.0, 9.0), (0, 9), (-9, 9), (True, 9), ("9", "9"), (9, 9, 1, 1)]
)
def test_wrong_image_shapes_are_named(image_shape):
    with pytest.raises(ValueError, match=r"^image_shape=.* must be \(height, width\)"):
        torch_pipeline(cnn().fit(images((9, 9)), Y), image_shape, np.uint8)


@pytest.mark.parametrize(
    ("dtype", "error", "message"),
    [
        (None, TypeError, "dtype=None is not a dtype"),
        ("pixels", TypeError, "dtype='pixels' is not a dtype"),
        (torch.uint8, TypeError, "is not a dtype of numpy"),
        (8, TypeError, "dtype=8 is not a dtype"),
        ("O", ValueError, "dtype=object does not hold pixels"),
        ("U4", ValueError, "does not hold pixels"),
        (complex, ValueError, "does not hold pixels"),
    ],
)
def test_wrong_dtypes_are_named(dtype, error, message):
    with pytest.raises(error, match=message):
        torch_pipeline(cnn().fit(images((9, 9)), Y), (9, 9), dtype)


def test_a_search_without_a_best_estimator_says_so():
    search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1]}, cv=2, refit=False)
    search.fit(np.eye(8), [0, 1] * 4)
    with pytest.raises(TypeError, match=r"fitted with refit=False: fit it with refit=True"):
        pipeline_steps(search)
