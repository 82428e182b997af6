"""How a network is trained: the skorch net, its batches, losses, schedules and device."""

from skcnn.training.checkpoint import TrainingCheckpoint

__all__ = ["TrainingCheckpoint"]
