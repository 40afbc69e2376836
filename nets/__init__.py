"""Networks, masks, data and training; nothing here knows of bounds."""

from sparsebounds.nets import data, grow, masks, onnx, prune, topology
from sparsebounds.nets.certify.distance import (
    choose_factor,
    eigenbasis,
    low_rank,
    merged,
    moving,
    random_jitter,
    split_module,
    train_free,
    train_module,
    train_near,
    train_reference,
    train_scales,
)
from sparsebounds.nets.checkpoints import Checkpoint, load_checkpoint
from sparsebounds.nets.connectivity import Connectivity, Edges, banded, convolutional, random_regular, tree
from sparsebounds.nets.data import DataError, Dataset
from sparsebounds.nets.masks import io as mask_io
from sparsebounds.nets.masks import removal
from sparsebounds.nets.masks import statistics as mask_statistics
from sparsebounds.nets.models import MLP, BatchNormResNet, Channels, ConvNet, LocalNet, PooledNet, ResNet, ViT, standard
from sparsebounds.nets.training import PRESETS, Diverged, History, TrainConfig, train

__all__ = [
    "ConvNet",
    "MLP",
    "LocalNet",
    "ResNet",
    "PooledNet",
    "BatchNormResNet",
    "ViT",
    "standard",
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
    "Checkpoint",
    "load_checkpoint",
    "train_reference",
    "train_module",
    "train_scales",
    "choose_factor",
    "train_near",
    "train_free",
    "split_module",
    "eigenbasis",
    "low_rank",
    "merged",
    "moving",
    "random_jitter",
    "masks",
    "mask_io",
    "mask_statistics",
    "prune",
    "grow",
    "removal",
    "topology",
    "data",
    "onnx",
    "DataError",
    "Dataset",
]

if __name__ == "nets":  # in a checkout `import nets` gives these names, but no second copy of what is below
    __path__ = []
