"""The models of the benchmark of the tutorials, for each data set a dict of pipelines by name.

"tutorial's network" has the layers, batches (except for CIFAR-10) and epochs of the tutorial.
`seeded` sets every `random_state`.
"""

from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skcnn import (
    CNNClassifier,
    ColorHistogramExtractor,
    HOGExtractor,
    ImageAugmenter,
    ImageFlattener,
    ImageReader,
    ImageResizer,
)


def seeded(model, seed):
    """Set every `random_state` of a pipeline."""
    states = [name for name in model.get_params() if name.endswith("random_state")]
    return model.set_params(**dict.fromkeys(states, seed))


def trees(*steps):
    """Return a decision tree and a random forest, after the given steps."""
    return {
        "decision tree": make_pipeline(*steps, ImageFlattener(), DecisionTreeClassifier()),
        "random forest": make_pipeline(*steps, ImageFlattener(), RandomForestClassifier(n_jobs=-1)),
    }


def linear(*steps, C=0.01):
    """Return a linear model of the features that the given steps extract."""
    return make_pipeline(*steps, StandardScaler(), LogisticRegression(C=C, tol=1e-3, max_iter=300))


def read(*size):
    """Return the steps that read and resize files."""
    return ImageReader(), ImageResizer(size)


def fashion_mnist():
    """Return the models for Fashion-MNIST."""
    return {
        **trees(),
        "HOG, linear": linear(HOGExtractor(pixels_per_cell=(4, 4))),
        "tutorial's network": make_pipeline(
            CNNClassifier(
                channels=(),
                hidden_units=(256,),
                dropout=0.0,
                learning_rate=0.002,
                weight_decay=0.05,
                batch_size=32,
                max_epochs=10,
                device="cpu",
            )
        ),
        "fast network": make_pipeline(
            ImageAugmenter(horizontal_flip=True, shift=2),
            CNNClassifier(
                network="fast",
                channels=(64, 128, 256),
                max_epochs=14,
                label_smoothing=0.2,
                progressive_resizing=0.6,
                test_time_augmentation="flip_shift",
                device="cpu",
            ),
        ),
    }


def cifar10():
    """Return the models for CIFAR-10, without the fast network of `bench_cifar10.py`."""
    return {
        **trees(),
        "HOG, linear": linear(HOGExtractor()),
        "colors, linear": linear(ColorHistogramExtractor()),
        "tutorial's network": make_pipeline(
            ImageAugmenter(horizontal_flip=True, shift=2),
            CNNClassifier(
                channels=(),
                hidden_units=(512, 512),
                dropout=0.0,
                learning_rate=0.002,
                weight_decay=0.05,
                batch_size=128,
                max_epochs=20,
                device="cpu",
            ),
        ),
    }


def caltech101():
    """Return the models for airplanes and motorbikes."""
    return {
        **trees(*read(64, 64)),
        "HOG, linear": linear(*read(128, 128), HOGExtractor()),
        "tutorial's network": make_pipeline(
            *read(150, 150),
            ImageAugmenter(rotation=5, shift=0.05),
            CNNClassifier(
                channels=(16, 32, 64),
                padding="valid",
                hidden_units=(128,),
                dropout=0.0,
                learning_rate=0.001,
                weight_decay=0.05,
                batch_size=16,
                max_epochs=5,
                device="cpu",
            ),
        ),
        "fast network": make_pipeline(
            *read(64, 64),
            ImageAugmenter(rotation=5, shift=0.05),
            CNNClassifier(
                network="fast",
                channels=(32, 64, 128),
                learning_rate=0.1,
                batch_size=32,
                label_smoothing=0.1,
                test_time_augmentation="flip_shift",
                device="cpu",
            ),
        ),
    }


def blood_cells():
    """Return the models for the blood cells."""
    features = make_union(ColorHistogramExtractor(), HOGExtractor(pixels_per_cell=(16, 16)))
    return {
        **trees(*read(60, 80)),
        "colors and HOG, linear": linear(*read(120, 160), features, C=0.001),
        "tutorial's network": make_pipeline(
            *read(200, 200),
            ImageAugmenter(horizontal_flip=True, vertical_flip=True),
            CNNClassifier(
                channels=(32, 32),
                hidden_units=(128,),
                dropout=(0.5, 0.0),
                optimizer="muon",
                learning_rate=0.06,
                schedule="linear",
                batch_size=16,
                max_epochs=5,
                test_time_augmentation="flip",
                device="cpu",
            ),
        ),
        "fast network": make_pipeline(
            *read(96, 128),
            ImageAugmenter(
                horizontal_flip=True,
                vertical_flip=True,
                rotation=90,
                zoom=0.2,
                brightness=0.1,
                contrast=0.2,
            ),
            CNNClassifier(
                network="fast",
                channels=(32, 64, 128, 128),
                learning_rate=0.1,
                batch_size=64,
                max_epochs=8,
                label_smoothing=0.2,
                test_time_augmentation="flip",
                device="cpu",
            ),
        ),
    }
