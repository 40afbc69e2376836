"""Networks, masks, data and training; nothing here knows of bounds."""

from . import data, grow, mask_io, mask_statistics, masks, prune, removal, topology
from .channels import Channels
from .config import PRESETS, TrainConfig
from .connectivity import Connectivity, Edges
from .conv import ConvNet
from .data import DataError, Dataset
from .graphs import banded, convolutional, random_regular, tree
from .local import LocalNet
from .mlp import MLP
from .residual import ResNet
from .train import Diverged, History, train

__all__ = [
    "ConvNet",
    "MLP",
    "LocalNet",
    "ResNet",
    "Channels",
    "Connectivity",
    "Edges",
    "tree",
    "banded",
    "convolutional",
    "random_regular",
    "train",
    "TrainConfig",
    "PRESETS",
    "History",
    "Diverged",
    "masks",
    "mask_io",
    "mask_statistics",
    "prune",
    "grow",
    "removal",
    "topology",
    "data",
    "DataError",
    "Dataset",
]
