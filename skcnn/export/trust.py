"""trusted_types: the classes of this package that a file of skops can contain."""

from __future__ import annotations

_TYPES = (
    "skcnn.estimators.autoencoder.ConvAutoencoder",
    "skcnn.estimators.classifier.CNNClassifier",
    "skcnn.estimators.embedder.ImageEmbedder",
    "skcnn.estimators.outlier_detector.ImageOutlierDetector",
    "skcnn.estimators.regressor.CNNRegressor",
    "skcnn.estimators.transfer_classifier.TransferClassifier",
    "skcnn.estimators.transfer_regressor.TransferRegressor",
    "skcnn.imbalance.image_sampler.ImageSampler",
    "skcnn.imbalance.logit_adjusted.LogitAdjustedClassifier",
    "skcnn.networks.spec.NetworkSpec",
    "skcnn.pixel_scale.PixelScale",
    "skcnn.preprocessing.augmenter.ImageAugmenter",
    "skcnn.preprocessing.color_histogram.ColorHistogramExtractor",
    "skcnn.preprocessing.flattener.ImageFlattener",
    "skcnn.preprocessing.hog.HOGExtractor",
    "skcnn.preprocessing.normalizer.ImageNormalizer",
    "skcnn.preprocessing.reader.ImageReader",
    "skcnn.preprocessing.resizer.ImageResizer",
    "skcnn.robustness.attacks.fgsm.FGSM",
    "skcnn.robustness.attacks.pgd.PGD",
    "skcnn.training.features.StoredNetwork",
    "skcnn.training.net.ImageNeuralNet",
    "skcnn.training.options.TrainingOptions",
)


def trusted_types() -> list[str]:
    """Return the names of the classes of this package that a skops file may contain.

    Files of skops contain no pickle. `skops.io.load` creates only objects of scikit-learn, of NumPy
    and of the classes in its parameter `trusted`, so a file of unknown origin cannot run code.
    Objects of the returned classes contain only plain data and arrays.

    The list does not contain your own networks, callbacks and functions of an augmenter, because
    they are code. If a file contains them, or a class of scikit-learn that skops does not trust,
    `skops.io.load` raises an error with their names. Add the names that you trust to the list.

    Returns
    -------
    names : list of str
        Full names of the classes, for the parameter `trusted` of `skops.io.load`.

    Examples
    --------
    >>> import skops.io
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import CNNClassifier
    >>> from skcnn.export import trusted_types
    >>> digits = load_digits()
    >>> cnn = CNNClassifier(channels=(8,), max_epochs=1, random_state=0)
    >>> content = skops.io.dumps(cnn.fit(digits.images, digits.target))
    >>> loaded = skops.io.loads(content, trusted=trusted_types())
    >>> bool((loaded.predict(digits.images) == cnn.predict(digits.images)).all())
    True
    """
    return list(_TYPES)
