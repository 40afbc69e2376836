"""Training: the loop, its hooks, checkpoints, progress."""

from sparsebounds.nets.training.config import PRESETS, TrainConfig
from sparsebounds.nets.training.loop import Diverged, Loop
from sparsebounds.nets.training.masked import MaskedTrainer
from sparsebounds.nets.training.supervised import History, train

__all__ = [
    "Diverged",
    "History",
    "Loop",
    "MaskedTrainer",
    "PRESETS",
    "TrainConfig",
    "train",
]
