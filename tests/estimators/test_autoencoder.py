"""ConvAutoencoder against naive references, and its training, forms and errors."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback

from skcnn import ConvAutoencoder, ImageAugmenter, ImageNormalizer, LazyImages
from skcnn.training.loader import Batch
from skcnn.training.reconstruction import Noise

QUICK = {"channels": (8,), "n_components": 6, "max_epochs": 2, "batch_size": 16, "random_state": 0}


def quick(**parameters):
    return ConvAutoencoder(**{**QUICK, **parameters})


@pytest.fixture(scope="module")
def images(digits):
    """Return 60 digits of shape (60, 8, 8), uint8."""
    return digits[0][:60]


@pytest.fixture(scope="module")
def fitted(images):
    return quick().fit(images)


class Spy(Callback):
    """Record the batches and the losses of the first epoch."""

    def __init__(self, records):
        self.records = records

    def __deepcopy__(self, memo):
        return self

    def on_batch_end(self, net, batch, training, loss, **kwargs):
        if len(net.history) == 1:
            self.records.append((training, *batch, loss))


def standardized(estimator, images):
    """Return images as rows of values that the network gets."""
    layer = estimator.module_.standardize
    pixels = np.asarray(images, np.float32).reshape(len(images), -1, layer.mean.numel())
    values = (pixels - layer.mean.flatten().numpy()) * layer.factor.flatten().numpy()
    return values.reshape(len(images), -1)


# ------------------------------------------------------------------------------------------------
# Codes, reconstruction, score


def test_codes_and_images_are_what_the_module_computes(images, fitted):
    with torch.no_grad():
        batch = torch.from_numpy(images[:, None])
        codes = fitted.module_.network.encoder(fitted.module_.standardize(batch))
        rows = fitted.module_.network.decoder(codes).numpy()
    layer = fitted.module_.standardize
    expected = rows.reshape(images.shape) / float(layer.factor) + float(layer.mean)
    assert_allclose(fitted.transform(images), codes, atol=1e-5)
    assert_allclose(fitted.reconstruct(images), expected, atol=1e-4)
    assert_allclose(fitted.inverse_transform(codes), expected, atol=1e-4)
    assert_array_equal(fitted.transform(images).dtype, np.float32)
    assert fitted.n_components_ == 6
    assert fitted.image_shape_ == (8, 8, 1)


def test_scores_are_negative_mean_squared_errors(images, fitted):
    weights = np.arange(60) % 4
    errors = ((fitted.reconstruct(images) - images.astype(float)) ** 2).mean(axis=(1, 2))
    assert_allclose(fitted.score_samples(images), -errors)
    assert_allclose(fitted.score(images), -errors.mean())
    score = fitted.score(images, sample_weight=weights)
    assert_allclose(score, -(errors * weights).sum() / weights.sum())
    for scale in (1e307, 1e-323):
        assert_allclose(fitted.score(images, sample_weight=scale * weights), score)


def test_colors_are_reconstructed_channel_by_channel(bars):
    X, _ = bars
    autoencoder = quick().fit(X)
    mean, scale = X.mean(axis=(0, 1, 2)), X.std(axis=(0, 1, 2))
    rows = autoencoder.net_.forward(X).numpy()
    expected = rows.reshape(X.shape) * scale + mean
    assert_allclose(autoencoder.reconstruct(X), expected, rtol=1e-4, atol=1e-3)


def test_an_image_does_not_depend_on_the_others(images, fitted):
    for method in (fitted.transform, fitted.reconstruct, fitted.score_samples):
        assert_array_equal(method(images[7:8])[0], method(images)[7])
    codes = fitted.transform(images)
    assert_array_equal(fitted.inverse_transform(codes[7:8]), fitted.reconstruct(images[7:8]))


def test_autocast_of_the_caller_does_not_matter(images):
    autoencoder = quick().fit(images)
    autoencoder.module_.network.encoder.register_forward_hook(lambda *arguments: None)
    codes = autoencoder.transform(images)
    restored = autoencoder.inverse_transform(codes)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_array_equal(autoencoder.transform(images), codes)
        assert_array_equal(autoencoder.inverse_transform(codes), restored)


FORMS = {
    "gray": lambda X: X,
    "one channel": lambda X: X[..., np.newaxis],
    "rows": lambda X: X.reshape(len(X), -1),
    "frame": lambda X: pd.DataFrame(X.reshape(len(X), -1)).add_prefix("pixel"),
    "list": list,
    "lazy": LazyImages,
    "float": lambda X: X.astype(np.float64),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_images(images, fitted, form):
    X = FORMS[form](images)
    autoencoder = quick().fit(X)
    codes, restored = autoencoder.transform(X), autoencoder.reconstruct(X)
    assert_allclose(codes, fitted.transform(images), atol=1e-5)
    assert_allclose(autoencoder.score_samples(X), fitted.score_samples(images), rtol=1e-5)
    assert restored.dtype == np.float32
    assert restored.shape == np.shape(X)
    assert_allclose(restored.ravel(), fitted.reconstruct(images).ravel(), atol=1e-4)
    assert_array_equal(autoencoder.inverse_transform(codes), restored)
    assert_array_equal(autoencoder.reconstruct(images), restored.reshape(images.shape))
    assert autoencoder.form_ == np.shape(X)[1:]


@pytest.mark.parametrize(("scale", "offset"), [(1e-3, 0.0), (1e6, 0.0), (1.0, 1000.0), (1e30, 0.0)])
def test_the_scale_of_the_pixel_values_does_not_matter(images, fitted, scale, offset):
    X = images * scale + offset
    autoencoder = quick().fit(X)
    assert_allclose(autoencoder.transform(X), fitted.transform(images), atol=2e-2)
    error = fitted.score(images) * scale**2
    assert_allclose(autoencoder.score(X), error, rtol=1e-2)


# ------------------------------------------------------------------------------------------------
# Training


def test_losses_and_scores_in_the_history(images):
    autoencoder = quick().fit(images, X_val=images[:20])
    y = standardized(autoencoder, images[:20])
    outputs = standardized(autoencoder, autoencoder.reconstruct(images[:20]))
    loss = ((outputs - y) ** 2).mean()
    last = autoencoder.history_[-1]
    assert_allclose(last["valid_loss"], loss, rtol=1e-4)
    assert_allclose(last["valid_score"], 1 - loss / (y**2).mean(), rtol=1e-4)
    assert autoencoder.best_score_ == max(r["valid_score"] for r in autoencoder.history_)


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "squared_error"])
def test_losses(images, loss):
    autoencoder = quick(loss=loss).fit(images, X_val=images[:20])
    error = abs(
        standardized(autoencoder, autoencoder.reconstruct(images[:20]))
        - standardized(autoencoder, images[:20])
    )
    expected = {
        "absolute_error": error,
        "huber": np.where(error < 1, error**2 / 2, error - 0.5),
        "squared_error": error**2,
    }[loss].mean()
    assert_allclose(autoencoder.history_[-1]["valid_loss"], expected, rtol=1e-4)


@pytest.mark.parametrize("lazy", [False, True])
def test_augmentation_changes_images_and_targets_alike(images, lazy):
    records = []
    X = ImageAugmenter(horizontal_flip=True, random_state=0).fit_transform(images)
    autoencoder = quick(callbacks=[Spy(records)]).fit(X if lazy else images, X_val=X)
    flipped = []
    for training, inputs, targets, _ in records:
        assert_allclose(targets, standardized(autoencoder, inputs.numpy()), rtol=1e-5, atol=1e-6)
        known = {image.tobytes() for image in images}
        flipped += [
            (training, image.astype(np.uint8).tobytes() not in known) for image in inputs.numpy()
        ]
    assert ((True, True) in flipped) == lazy
    assert (False, True) not in flipped  # validation images are clean
    assert_array_equal(autoencoder.transform(X), autoencoder.transform(images))


def test_noise_is_in_the_inputs_and_not_in_the_targets(images):
    X = images / 16.0
    X[0, 0, 0], X[1, 0, 0] = 0.0, 1.0
    records = []
    callbacks = [Spy(records)]
    autoencoder = quick(denoise=0.25, callbacks=callbacks, learning_rate=1e-9, schedule=None)
    autoencoder.fit(X, X_val=X[:20])
    assert autoencoder.pixel_range_ == (0.0, 1.0)
    assert autoencoder.net_.options.noise == 0.25
    for _, inputs, targets, _ in records:
        assert_allclose(targets, standardized(autoencoder, inputs.numpy()), atol=1e-6)
    # The loss of validation images is that of noisy inputs, and the same in each epoch.
    generator = torch.Generator().manual_seed(autoencoder.net_.seed)
    noise = torch.randn((20, 1, 8, 8), generator=generator).numpy().reshape(20, 8, 8)
    noisy = X[:20] + 0.25 * noise
    restored = standardized(autoencoder, autoencoder.reconstruct(noisy))
    loss = ((restored - standardized(autoencoder, X[:20])) ** 2).mean()
    assert_allclose(autoencoder.history_[-1]["valid_loss"], loss, rtol=1e-4)


def test_noise_has_the_given_standard_deviation():
    torch.manual_seed(0)
    batch = Batch(torch.full((50, 3, 20, 20), 100, dtype=torch.uint8), torch.zeros(50))
    noisy = Noise(10.0)(batch, None, None)
    assert noisy.y is batch.y
    assert_allclose(noisy.images.mean(), 100, atol=0.2)
    assert_allclose(noisy.images.std(), 10, atol=0.2)


@pytest.mark.parametrize(
    ("dtype", "limits"), [(np.uint8, (0, 255)), (np.uint16, (0, 65535)), (np.int32, (0.0, 255.0))]
)
def test_the_range_of_the_pixel_values(images, dtype, limits):
    X = (images.astype(dtype) * 10).astype(dtype)
    assert quick(denoise=0.1, max_epochs=1).fit(X).pixel_range_ == limits
    assert not hasattr(quick(max_epochs=1).fit(X), "pixel_range_")


def test_denoising_removes_noise(digits):
    clean = digits[0] / 16.0
    noisy = clean + 0.3 * np.random.default_rng(0).standard_normal(clean.shape)
    autoencoder = ConvAutoencoder(None, denoise=0.3, channels=(32,), max_epochs=12, random_state=0)
    restored = autoencoder.fit(clean[:150]).reconstruct(noisy[150:])
    before, after = (((X - clean[150:]) ** 2).mean() for X in (noisy[150:], restored))
    assert 10 * np.log10(before / after) > 3


def test_codes_reconstruct_better_than_principal_components(bars):
    X, _ = bars
    autoencoder = ConvAutoencoder(2, channels=(16, 32), max_epochs=40, random_state=0).fit(X)
    rows = X.reshape(len(X), -1).astype(float)
    pca = PCA(2).fit(rows)
    error = ((pca.inverse_transform(pca.transform(rows)) - rows) ** 2).mean()
    assert -autoencoder.score(X) < error


def test_images_of_weight_zero_do_not_matter(images, fitted):
    X = np.concatenate([images, 255 - images[:20]])
    weights = np.r_[np.full(60, 3.0), np.zeros(20)]
    assert_array_equal(quick().fit(X, sample_weight=weights).transform(X), fitted.transform(X))


def test_weights_multiply_the_losses(images):
    X, weights = images[:20], np.arange(1.0, 21)
    records = []
    parameters = {"batch_size": 20, "max_epochs": 1, "callbacks": [Spy(records)]}
    autoencoder = quick(**parameters).fit(X, X_val=X, sample_weight_val=weights)
    scores = autoencoder.score_samples(X) * float(autoencoder.module_.standardize.factor) ** 2
    (loss,) = [float(loss) for training, *_, loss in records if not training]
    assert_allclose(loss, -np.average(scores, weights=weights), rtol=1e-4)


def test_early_stopping_keeps_the_best_epoch(images):
    autoencoder = quick(early_stopping=True, patience=1, max_epochs=30, schedule=None).fit(images)
    losses = [record["valid_loss"] for record in autoencoder.history_]
    assert autoencoder.best_epoch_ == 1 + int(np.argmin(losses))


def test_warm_start_continues(images):
    autoencoder = quick(warm_start=True, denoise=0.1).fit(images / 16.0)
    assert autoencoder.fit(images / 160.0).n_epochs_ == 4
    assert autoencoder.pixel_range_ == (0.0, 1.0)  # of the first fit
    with pytest.raises(ValueError, match=r"built with n_components=6 .* cannot continue with 5"):
        autoencoder.set_params(n_components=5).fit(images)
    again = clone(autoencoder).set_params(denoise=0.0, warm_start=False).fit(images)
    assert not hasattr(again, "pixel_range_")


def test_a_seed_gives_the_same_network(images, fitted):
    state = np.random.get_state()[1].copy(), torch.get_rng_state()
    again = quick(denoise=0.1).fit(images)
    assert_array_equal(again.transform(images), quick(denoise=0.1).fit(images).transform(images))
    assert_array_equal(np.random.get_state()[1], state[0])
    assert_array_equal(torch.get_rng_state(), state[1])
    assert abs(again.transform(images) - fitted.transform(images)).max() > 1e-3


def test_pickle_is_small_and_computes_the_same(images, fitted):
    data = pickle.dumps(fitted)
    n_weights = sum(tensor.numel() for tensor in fitted.module_.state_dict().values())
    assert len(data) < 4 * n_weights + 20_000
    loaded = pickle.loads(data)
    assert_array_equal(loaded.reconstruct(images), fitted.reconstruct(images))
    assert loaded.history_ == fitted.history_


class Source:
    """Source of lazy images that records how many are read at once."""

    def __init__(self, images):
        self.images, self.shape, self.dtype = images, images.shape, images.dtype
        self.read = []

    def __getitem__(self, rows):
        self.read.append(len(rows))
        return self.images[rows]


def test_lazy_images_are_read_in_batches(digits):
    X = np.kron(digits[0][:100], np.ones((1, 16, 16), np.uint8))  # 128 x 128 pixels
    autoencoder = ConvAutoencoder(
        channels=(2, 2, 2), batch_size=8, denoise=0.1, max_epochs=1, random_state=0
    )
    source = Source(X)
    autoencoder.fit(LazyImages(source))
    for method in (autoencoder.transform, autoencoder.reconstruct, autoencoder.score_samples):
        assert_array_equal(method(LazyImages(source)), method(X))
    # Statistics, one epoch, the outputs of 16 images after training, and three methods.
    assert sum(source.read) == 5 * len(X) + 16
    assert max(source.read) <= 16


# ------------------------------------------------------------------------------------------------
# In scikit-learn


def test_pipeline_and_grid_search(images):
    pipe = make_pipeline(ImageNormalizer("unit"), quick(max_epochs=1))
    grid = GridSearchCV(pipe, {"convautoencoder__n_components": [1, 8]}, cv=2)
    grid.fit(images, np.arange(60))
    best = grid.best_estimator_
    assert_allclose(best.score(images), best[-1].score(images / 255.0), rtol=1e-5)
    assert best.inverse_transform(best.transform(images)).shape == images.shape


def test_names_and_frames(images, fitted):
    names = [f"convautoencoder{number}" for number in range(6)]
    assert list(fitted.get_feature_names_out()) == names
    frame = clone(fitted).set_output(transform="pandas").fit_transform(images)
    assert list(frame.columns) == names
    assert_array_equal(frame, fitted.transform(images))
    assert_array_equal(fitted.inverse_transform(frame), fitted.reconstruct(images))


class Codes:
    """A callback of scikit-learn that records the shape of the codes after each epoch."""

    max_propagation_depth = None

    def __init__(self, images):
        self.images, self.shapes = images, []

    def setup(self, estimator, context):
        self.shapes.clear()

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        codes = fitted_estimator.transform(self.images)
        assert fitted_estimator.n_components_ == codes.shape[1]
        self.shapes.append(codes.shape)
        assert_array_equal(fitted_estimator.get_feature_names_out().shape, codes.shape[1:])

    def on_fit_task_begin(self, estimator, context):
        pass

    teardown = on_fit_task_begin


def test_callbacks_of_scikit_learn_get_an_estimator_that_transforms(images):
    callback = Codes(images)
    autoencoder = quick().set_callbacks(callback).fit(images)
    assert callback.shapes == 3 * [(60, 6)]
    autoencoder.set_params(n_components=1).fit(images)
    assert callback.shapes == 3 * [(60, 1)]


# ------------------------------------------------------------------------------------------------
# Bad input


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"denoise": -0.1}, "The 'denoise' parameter of ConvAutoencoder must be a float in the"),
        ({"denoise": 1.5}, "The 'denoise' parameter of ConvAutoencoder must be a float in the"),
        ({"n_components": 0}, "The 'n_components' parameter of ConvAutoencoder must be an int"),
        ({"channels": ()}, r"channels=\(\) leaves no layer: give the channels of at least one"),
        ({"loss": "cross_entropy"}, "The 'loss' parameter of ConvAutoencoder must be a str among"),
        ({"channels": (2**30,)}, "the network 'autoencoder' .* is too large for the memory"),
    ],
)
def test_bad_parameters(images, parameters, message):
    with pytest.raises(ValueError, match=message):
        quick(**parameters).fit(images)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (
            ["a.png", "b.png"],
            "ConvAutoencoder takes images, but X holds file paths such as 'a.png'",
        ),
        ([np.zeros((4, 4)), np.zeros((4, 5))], "takes images of one size, but X holds images of"),
        (np.zeros((1, 8, 8)), r"Found 1 image\(s\) .* while a minimum of 2 is required"),
        (np.full((3, 8, 8), np.nan), "NaN"),
        (np.zeros((3, 70)), "70 values, which is not a square number: set their layout"),
    ],
)
def test_bad_images_in_fit(X, message):
    with pytest.raises(ValueError, match=message):
        quick().fit(X)


@pytest.mark.parametrize("method", ["transform", "reconstruct", "score", "score_samples"])
def test_images_of_another_shape(fitted, method):
    with pytest.raises(
        ValueError, match="is expecting 8 x 8 with 1, as in fit: put an ImageResizer"
    ):
        getattr(fitted, method)(np.zeros((2, 9, 8)))
    with pytest.raises(NotFittedError):
        getattr(quick(), method)(np.zeros((2, 8, 8)))


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.zeros((2, 64)), "X has 64 columns, but a code has 6 values: pass codes as transform"),
        (np.zeros(6), "Expected 2D array, got 1D array instead"),
        (np.zeros((2, 8, 8)), "Found array with dim 3"),
        (np.full((2, 6), np.inf), "Input X contains infinity"),
        (np.full((2, 6), 1e300), "Input X contains infinity or a value too large"),
        ([[10**400] * 6], "X contains an integer"),
        (np.full((2, 6), 1e38), "the outputs of the network are NaN or infinite for 2 of 2 images"),
    ],
)
def test_bad_codes(fitted, codes, message):
    with pytest.raises(ValueError, match=message):
        fitted.inverse_transform(codes)


def test_bad_weights_and_validation_images(images):
    with pytest.raises(ValueError, match="sample_weight_val holds weights of X_val, which is miss"):
        quick().fit(images, sample_weight_val=np.ones(60))
    with pytest.raises(ValueError, match="X_val cannot be used"):
        quick().fit(images, X_val=np.zeros((2, 9, 9)))
    with pytest.raises(ValueError, match="sample_weight"):
        quick().fit(images).score(images, sample_weight=np.ones(3))


def test_parameters_that_would_mix_or_resize_images_are_missing():
    assert not {"mixup", "cutmix", "progressive_resizing", "test_time_augmentation"} & set(
        ConvAutoencoder().get_params()
    )
    assert set(ConvAutoencoder._parameter_constraints) == set(ConvAutoencoder().get_params())


def test_other_scale_is_a_warning(images, fitted):
    with pytest.warns(UserWarning, match="scale|smaller"):
        fitted.transform(images / 1e5)
