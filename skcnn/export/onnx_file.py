"""to_onnx: a fitted pipeline as an ONNX file."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from sklearn.utils._param_validation import validate_params

from skcnn._validation import IMAGE_SHAPE
from skcnn.export._onnx_check import batches_for_check, check_model, check_scale
from skcnn.export._onnx_graph import Graph
from skcnn.replaced_file import replaced_file
from skcnn.settings import fixed_settings
from skcnn.versions import versions


@validate_params(
    {
        "path": [str, os.PathLike],
        "image_shape": [IMAGE_SHAPE, None],
        "dtype": "no_validation",
        "X": "no_validation",
    },
    prefer_skip_nested_validation=True,
)
@fixed_settings()
def to_onnx(
    estimator: Any,
    path: str | os.PathLike[str],
    *,
    image_shape: tuple[int, ...] | None = None,
    dtype: Any = None,
    X: Any = None,
) -> None:
    """Export a fitted pipeline to an ONNX file, after comparing the predictions of both.

    The file contains one graph of all steps: resizing, normalization, the network and the labels.
    Its input is images in the same form as for the pipeline, in batches of any number of images.
    Runtimes such as onnxruntime run it without Python, PyTorch or this package.

    Parameters
    ----------
    estimator : estimator of this package, Pipeline or search
        Fitted `CNNClassifier`, `CNNRegressor`, `TransferClassifier`, `TransferRegressor`,
        `ConvAutoencoder` or `ImageEmbedder`, or fitted pipeline of `ImageResizer`,
        `ImageNormalizer`, `ImageAugmenter` (which does nothing in prediction) and `ImageFlattener`
        that ends in one. Pipelines may be nested, and `skcnn.imbalance.LogitAdjustedClassifier` or
        `sklearn.frozen.FrozenEstimator` may be around the classifier or the pipeline. An
        `ImageReader` at the beginning is left out: the input of the graph is the images that it
        would read. If it is a search, such as `GridSearchCV`, its best estimator is exported.
    path : str or path-like
        Name of the file, usually with the suffix ".onnx". An existing file is replaced after the
        predictions have been compared.
    image_shape : tuple of int, default=None
        Shape of the images, (height, width) or (height, width, n_channels), in pixels. With None,
        if the pipeline begins with an `ImageResizer`, the images can have any height and width, but
        all images in a batch must have the same. Otherwise, they must have the size seen in `fit`.
        Some runtimes require a fixed shape.
    dtype : dtype, default=None
        Dtype of the images: uint8, uint16, int32, int64, float32, float64 or bool. None is uint8,
        or uint16 after ``ImageReader("I;16")``.
    X : images of shape (n_images, ...) or paths of shape (n_images,), default=None
        Images for the comparison of the predictions, with the shape and the dtype of the input of
        the graph, or their paths. They can have different sizes if the graph is for images of any
        size. With None, a few random images are used.

    Raises
    ------
    ImportError
        If onnx, onnxruntime or onnxscript is not installed. ``pip install "skcnn[onnx]"`` installs
        them.
    FileNotFoundError
        If the folder of the file does not exist.
    IsADirectoryError
        If `path` is a folder.
    RuntimeError
        If a probability, a prediction of a standardized target or a feature of the graph differs by
        more than 1e-4 from that of the pipeline, or a label differs. No file is written.
    TypeError
        If a step or the last step cannot be exported.
    ValueError
        If the images have a shape, a dtype or a scale that the pipeline does not accept, or PyTorch
        cannot export the network.

    See Also
    --------
    register_skl2onnx : Let skl2onnx convert pipelines that contain steps of this package.

    Notes
    -----
    The input is "images", of shape (n_images, height, width, n_channels), or (n_images, height,
    width) for gray images. The outputs depend on the estimator:

    ================================= ===================== ================================
    estimator                         output                shape and dtype
    ================================= ===================== ================================
    classifier                        "label"               (n_images,), string, int64, bool
                                                            or double
    classifier                        "probabilities"       (n_images, n_classes), float
    classifier of indicators          "label"               (n_images, n_labels), int64
    regressor                         "predictions"         (n_images,) or (n_images,
                                                            n_targets), double
    `ImageEmbedder`                   "features"            (n_images, n_features), float
    `ConvAutoencoder`                 "codes"               (n_images, n_components), float
    ================================= ===================== ================================

    Images are resized in the same way as by `ImageResizer`, without the operator Resize of ONNX. An
    integer pixel whose exact value is almost halfway between two integers may be rounded up in the
    graph and down in the pipeline. Such pixels may differ, and the results are compared for the
    same resized pixels.

    `test_time_augmentation` is part of the graph. An `ImageEmbedder` is exported in float32.
    The metadata of the file contains the versions of this package and of PyTorch, the name of the
    class of the last step, and its classes as JSON.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np, onnxruntime
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import CNNClassifier
    >>> from skcnn.export import to_onnx
    >>> X, y = load_digits().images.astype(np.uint8), load_digits().target
    >>> cnn = CNNClassifier(channels=(8,), max_epochs=1, random_state=0).fit(X, y)
    >>> path = tempfile.mkdtemp() + "/digits.onnx"
    >>> to_onnx(cnn, path)
    >>> session = onnxruntime.InferenceSession(path)
    >>> label, probabilities = session.run(None, {"images": X[:100]})
    >>> bool((label == cnn.predict(X[:100])).all())
    True
    """
    for package in ("onnx", "onnxruntime", "onnxscript"):
        _require(package)
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"path={str(path)!r} is a folder: pass the name of a file in it")
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(
            f"the folder of path={str(path)!r} does not exist: create it, or pass another path"
        )
    graph = Graph.of(estimator, image_shape, dtype)
    batches = batches_for_check(graph, X)
    if dtype is None and X is None:
        check_scale(graph, batches[0])
    model = check_model(graph, graph.to_onnx(), batches)
    used = versions()
    model.producer_name, model.producer_version = "skcnn", used["skcnn"]
    model.graph.name = type(graph.head.final).__name__
    properties = {f"{package}_version": used[package] for package in ("skcnn", "torch")}
    import_module("onnx.helper").set_model_props(model, {**properties, **graph.metadata()})
    with replaced_file(path) as temporary:
        temporary.write_bytes(model.SerializeToString())


def _require(package):
    try:
        import_module(package)
    except ImportError as error:
        raise ImportError(f'to_onnx requires {package}: pip install "skcnn[onnx]"') from error
