"""Victim: a fitted classifier with its network and its labels, as attacks see it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_consistent_length, column_or_1d
from torch import Tensor, nn

from skcnn.networks.folding import fold_batch_norms
from skcnn.networks.input_gradients import speed_up_input_gradients
from skcnn.original_images import original_images
from skcnn.pipeline_graph import FittedPipeline
from skcnn.preprocessing.normalizer import Normalize
from skcnn.training.augmented_inference import average_over_variants
from skcnn.training.device import available_device

Model = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Victim:
    """A fitted classifier, and the images that are attacked.

    Parameters
    ----------
    pipeline : FittedPipeline
        Pipeline from the images to the network.
    images : array, object array or LazyImages of length n_images
        Original images; or, if a step cannot be converted to PyTorch, the input of the last step.
    """

    pipeline: FittedPipeline
    images: Any

    @classmethod
    def of(cls, estimator: Any, X: Any) -> Victim:
        """Take a fitted classifier apart.

        Parameters
        ----------
        estimator : classifier of this package, Pipeline or search
            Fitted classifier.
        X : images of shape (n_images, ...) or paths of shape (n_images,)
            Images in any form that the estimator takes.

        Returns
        -------
        victim : Victim
            The classifier and the images.

        Raises
        ------
        TypeError
            If the estimator is not a classifier of this package.
        ValueError
            If it has one class only or predicts several labels, or there are no images.

        Warns
        -----
        UserWarning
            If a step cannot be converted to PyTorch. The input of the last step is then attacked.
        """
        pipeline = FittedPipeline.of(estimator)
        _check_classifier(pipeline.final, pipeline.name)
        images = original_images(X, estimator)
        if len(images) == 0:
            raise ValueError("X holds no images")
        reason = _why_not_pytorch(pipeline, images)
        if reason is None:
            return cls(pipeline, images)
        warnings.warn(
            f"{reason}. The network of the last step alone is attacked: epsilon and the returned "
            "images are in the units of its input.",
            UserWarning,
            stacklevel=3,
        )
        images = np.asarray(pipeline.network_input(images))
        return cls(FittedPipeline(None, (), pipeline.name, pipeline.final), images)

    @cached_property
    def network(self) -> nn.Module:
        """Copy of the network in evaluation mode, on the device of predictions."""
        network = self.pipeline.network()
        fold_batch_norms(network)
        network.to(available_device(self.pipeline.final.device)).requires_grad_(False)
        speed_up_input_gradients(network)
        return network

    def model(self, shape: tuple[int, ...], dtype: np.dtype) -> Model:
        """Return the function from the pixel values of images of a shape and dtype to logits."""
        device = available_device(self.pipeline.final.device)
        steps = self.pipeline.follow(shape, dtype).modules()
        preprocessing = nn.Sequential(*steps).to(device).eval().requires_grad_(False)
        augmentation = self.pipeline.final.test_time_augmentation
        network = average_over_variants(self.network, augmentation)
        return lambda images: network(preprocessing(images))

    def known_range(self, shape: tuple[int, ...], dtype: np.dtype) -> tuple[float, float] | None:
        """Return the range of pixel values that the dtype, a step or pretrained weights fix."""
        path = self.pipeline.follow(shape, dtype)
        if path.limits is not None:
            return path.limits
        if any(isinstance(operation, Normalize) for operation, _, _ in path.parts):
            return None
        return getattr(self.pipeline.final, "pixel_range_", None)

    def columns(self, labels: Any, name: str) -> NDArray[np.intp]:
        """Return the column of the outputs of each label.

        Parameters
        ----------
        labels : array-like of shape (n_images,)
            Labels.
        name : str
            Name of the argument in messages.

        Returns
        -------
        columns : int array of shape (n_images,)
            Columns.

        Raises
        ------
        ValueError
            If there is another number of labels, or fit did not see one of them.
        """
        if labels is None:
            raise ValueError(f"{name} is None: pass the label of each image")
        labels = column_or_1d(labels)
        check_consistent_length(self.images, labels)
        classes = self.pipeline.final.classes_.tolist()
        index = {label: column for column, label in enumerate(classes)}
        unknown = [label for label in labels.tolist() if label not in index]
        if unknown:
            shown = ", ".join(map(repr, classes[:10])) + (", ..." if len(classes) > 10 else "")
            raise ValueError(
                f"{name} contains labels that were not seen in fit, such as {unknown[0]!r}: the "
                f"classes are {shown}"
            )
        return np.array([index[label] for label in labels.tolist()], np.intp)

    def predict(self, images: Any) -> NDArray:
        """Predict the labels of images in the form of `images`."""
        return self.pipeline.final.predict(self.pipeline.network_input(images))


def _check_classifier(final, name):
    if not hasattr(final, "classes_"):
        raise TypeError(
            f"attacks make a classifier predict a wrong class, but {name} predicts numbers: pass a "
            "classifier"
        )
    if final.target_type_ != "multiclass":
        raise ValueError(
            f"attacks need one label for each image, but {name} was fitted to indicators of "
            "several labels"
        )
    if len(final.classes_) < 2:
        raise ValueError(f"attacks need two classes, but {name} was fitted to one")


def _why_not_pytorch(pipeline, images):
    """Return why the pipeline cannot be converted to PyTorch, None if it can."""
    image = images[0]
    for name, step in pipeline.transformers:
        if not hasattr(step, "_operation"):
            return f"The step {name} cannot be converted to PyTorch"
    path = pipeline.follow(image.shape, image.dtype)
    try:
        path.modules()
    except ValueError as error:
        return str(error)[:1].upper() + str(error)[1:]
    return None
