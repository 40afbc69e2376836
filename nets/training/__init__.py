"""Training: loop, checkpoints, progress."""

from sparsebounds.nets.training.config import PRESETS, TrainConfig
from sparsebounds.nets.training.loop import Diverged, History, train

__all__ = [
    "Diverged",
    "History",
    "PRESETS",
    "TrainConfig",
    "train",
]
