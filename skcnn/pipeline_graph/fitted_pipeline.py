"""FittedPipeline: the parts of a fitted pipeline that ends in an estimator of this package."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from sklearn.utils.validation import check_is_fitted
from torch import nn

from skcnn.images import check_images
from skcnn.learned import fitted_view
from skcnn.pipeline_graph.image_path import ImagePath, checked_shape, follow_images
from skcnn.pipeline_graph.steps import pipeline_steps
from skcnn.preprocessing import ImageReader, ImageResizer


@dataclass(frozen=True)
class FittedPipeline:
    """The parts of a fitted pipeline that ends in an estimator of this package.

    Parameters
    ----------
    reader : ImageReader or None
        The first step, if it reads files.
    transformers : tuple of tuples of (str, transformer)
        The steps between the reader and the last one, with their names in messages. Nested
        pipelines are resolved, and "passthrough" and None are left out.
    name : str
        Name of the last step in messages.
    final : estimator
        A shallow copy of the last step, which does not change if another thread fits it.
    """

    reader: ImageReader | None
    transformers: tuple[tuple[str, Any], ...]
    name: str
    final: Any

    @classmethod
    def of(cls, estimator: Any) -> FittedPipeline:
        """Return the parts of a fitted pipeline.

        Parameters
        ----------
        estimator : estimator of this package, Pipeline or search
            Fitted estimator. Of a search, such as `GridSearchCV`, it is `best_estimator_`.

        Returns
        -------
        pipeline : FittedPipeline
            The parts.

        Raises
        ------
        TypeError
            If the last step is not an estimator of this package with a trained network.
        """
        pipeline = cls.of_steps(estimator)
        if not hasattr(pipeline.final, "net_"):
            raise TypeError(
                f"{pipeline.name} has no trained network: pass a fitted estimator of skcnn, or a "
                "pipeline or search that ends in one"
            )
        return pipeline

    @classmethod
    def of_steps(cls, estimator: Any) -> FittedPipeline:
        """Return the parts of a fitted pipeline, whatever its last step is.

        Parameters
        ----------
        estimator : estimator, Pipeline or search
            Fitted estimator. Of a search, such as `GridSearchCV`, it is `best_estimator_`.

        Returns
        -------
        pipeline : FittedPipeline
            The parts. `network` needs a last step with a trained network.
        """
        check_is_fitted(estimator)
        *steps, (name, final) = pipeline_steps(estimator)
        reader = None
        if steps and isinstance(steps[0][1], ImageReader):
            (_, reader), *steps = steps
        return cls(reader, tuple(steps), name, fitted_view(final))

    def network(self) -> nn.Module:
        """Return a copy of the network in evaluation mode, whose parameters need no gradients.

        Returns
        -------
        network : torch.nn.Module
            Takes the images that the last step receives, channels first.
        """
        with self.final.net_.lock.step():  # another thread may train it
            network = deepcopy(self.final.module_)
        return network.eval().requires_grad_(False)

    def network_input(self, images: Any) -> Any:
        """Return the images that the last step receives.

        Parameters
        ----------
        images : images of shape (n_images, ...)
            Original images, not paths.

        Returns
        -------
        images : array or LazyImages of shape (n_images, height, width, n_channels)
            Transformed images.
        """
        for _, step in self.transformers:
            images = step.transform(images)
        return check_images(self.final, images, reset=False)

    def follow(self, image_shape: tuple[int, ...], dtype: Any) -> ImagePath:
        """Follow images of one shape and dtype through the transformers.

        Parameters
        ----------
        image_shape : tuple of int
            Shape of one original image, (height, width) or (height, width, n_channels).
        dtype : dtype
            Dtype of the original images.

        Returns
        -------
        path : ImagePath
            What happens to the images.

        Raises
        ------
        TypeError
            If a step is not an image transformer, or `dtype` is not a dtype of NumPy.
        ValueError
            If a step does not accept images of this shape, `image_shape` is not the shape of an
            image, or `dtype` is not a dtype of real numbers.
        """
        shape = checked_shape(image_shape)
        return follow_images(self.transformers, self.name, self.final, shape, dtype)

    def follow_any_size(self, channels: tuple[int, ...], dtype: Any) -> ImagePath:
        """Follow images of one dtype and of any height and width through the transformers.

        Parameters
        ----------
        channels : tuple of int
            () for gray images without an axis of channels, otherwise (n_channels,).
        dtype : dtype
            Dtype of the original images.

        Returns
        -------
        path : ImagePath
            What happens to the images. It has no geometry, which depends on their size.

        Raises
        ------
        TypeError
            If a step is not an image transformer, or `dtype` is not a dtype of NumPy.
        ValueError
            If the first transformer is not an `ImageResizer`, or `dtype` is not a dtype of real
            numbers.
        """
        if not self.resizes_first:
            name = self.transformers[0][0] if self.transformers else self.name
            raise ValueError(
                f"{name} takes images of one size: put an ImageResizer before it, or pass the "
                "shape of an image"
            )
        shape = (None, None, *channels)
        return follow_images(self.transformers, self.name, self.final, shape, dtype)

    @property
    def resizes_first(self) -> bool:
        """Whether the first transformer is an `ImageResizer`, which takes images of any size."""
        return bool(self.transformers) and isinstance(self.transformers[0][1], ImageResizer)
