"""The parts of a fitted pipeline, and the pipeline as a PyTorch module."""

from skcnn.pipeline_graph.fitted_pipeline import FittedPipeline
from skcnn.pipeline_graph.image_path import ImagePath
from skcnn.pipeline_graph.steps import pipeline_steps
from skcnn.pipeline_graph.torch_module import TorchPipeline, torch_pipeline

__all__ = ["FittedPipeline", "ImagePath", "TorchPipeline", "pipeline_steps", "torch_pipeline"]
