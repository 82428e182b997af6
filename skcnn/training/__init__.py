"""How a network is trained: the skorch net, its batches, losses, schedules and device."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skcnn.training.checkpoint import TrainingCheckpoint

__all__ = ["TrainingCheckpoint"]


def __getattr__(name: str) -> Any:
    """Import `TrainingCheckpoint`, and what it needs, when it is first used."""
    if name == "TrainingCheckpoint":
        from skcnn.training.checkpoint import TrainingCheckpoint

        return TrainingCheckpoint
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
