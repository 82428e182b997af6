"""register_skl2onnx: converters of skl2onnx for the estimators and transformers."""

from __future__ import annotations

from importlib import import_module

from skcnn.export._skl2onnx_adjusted import adjusted_shapes, convert_adjusted
from skcnn.export._skl2onnx_images import (
    convert_flattener,
    convert_images,
    flattener_shapes,
    image_shapes,
)
from skcnn.export._skl2onnx_networks import (
    classifier_shapes,
    convert_classifier,
    convert_features,
    convert_regressor,
    feature_shapes,
    regressor_shapes,
)

_CLASSIFIERS = ("CNNClassifier", "TransferClassifier")
_CLASSIFIER_OPTIONS = {
    "zipmap": [True, False, "columns"],
    "output_class_labels": [False, True],
    "nocl": [False],
}
_REGRESSORS = ("CNNRegressor", "TransferRegressor")
_FEATURES = ("ConvAutoencoder", "ImageEmbedder")
_IMAGES = ("ImageAugmenter", "ImageNormalizer", "ImageResizer")


def register_skl2onnx() -> None:
    """Register converters, so that skl2onnx converts pipelines with steps of this package.

    After this call, ``skl2onnx.to_onnx`` and ``skl2onnx.convert_sklearn`` accept `CNNClassifier`,
    `CNNRegressor`, `TransferClassifier`, `TransferRegressor`, `ImageEmbedder`, `ConvAutoencoder`,
    `ImageResizer`, `ImageNormalizer`, `ImageAugmenter`, `ImageFlattener` and
    `skcnn.imbalance.LogitAdjustedClassifier` as steps, beside those of scikit-learn. The results of
    converted networks are compared with those of the estimators, as in `to_onnx`.

    Raises
    ------
    ImportError
        If skl2onnx or a package that `to_onnx` requires is not installed.

    See Also
    --------
    to_onnx : Export a pipeline of image steps without skl2onnx.

    Notes
    -----
    The input of a step can be flat rows or images, with channels last. With rows, the step must
    have been fitted on images of one size. The target opset of skl2onnx must be at least the opset
    that the exporter of PyTorch uses, 20 in PyTorch 2.13.

    Some converters of skl2onnx 1.20 compute other results than scikit-learn: those for
    `TunedThresholdClassifierCV`, for isotonic calibration, and for calibrated pipelines and
    searches with a decision function. If one of these contains a network of this package, the
    conversion raises an error. skl2onnx does not check other converters: compare some predictions
    with those of the pipeline.

    Examples
    --------
    >>> import numpy as np, onnxruntime
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skcnn import CNNClassifier
    >>> from skcnn.export import register_skl2onnx
    >>> X, y = load_digits(return_X_y=True)
    >>> X = X.astype(np.float32)
    >>> cnn = CNNClassifier(channels=(8,), max_epochs=1, random_state=0)
    >>> pipe = make_pipeline(StandardScaler(), cnn).fit(X, y)
    >>> import skl2onnx  # doctest: +SKIP
    >>> register_skl2onnx()  # doctest: +SKIP
    >>> options = {"zipmap": False}
    >>> model = skl2onnx.to_onnx(pipe, X[:1], options=options)  # doctest: +SKIP
    >>> session = onnxruntime.InferenceSession(model.SerializeToString())  # doctest: +SKIP
    >>> label, probabilities = session.run(None, {"X": X[:100]})  # doctest: +SKIP
    """
    try:
        from skl2onnx import update_registered_converter as register
    except ImportError as error:
        raise ImportError(
            "register_skl2onnx requires skl2onnx: pip install skl2onnx, and pip install "
            '"skcnn[onnx]"'
        ) from error
    package = import_module("skcnn")
    kinds = {
        _CLASSIFIERS: (classifier_shapes, convert_classifier),
        _REGRESSORS: (regressor_shapes, convert_regressor),
        _FEATURES: (feature_shapes, convert_features),
        _IMAGES: (image_shapes, convert_images),
        ("ImageFlattener",): (flattener_shapes, convert_flattener),
    }
    for names, (shapes, convert) in kinds.items():
        options = _CLASSIFIER_OPTIONS if names is _CLASSIFIERS else None
        for name in names:
            register(getattr(package, name), f"Skcnn{name}", shapes, convert, options=options)
    register(
        import_module("skcnn.imbalance").LogitAdjustedClassifier,
        "SkcnnLogitAdjustedClassifier",
        adjusted_shapes,
        convert_adjusted,
        options=_CLASSIFIER_OPTIONS,
    )
