"""The networks."""

from sparsebounds.nets.models.batch_normed import BatchNormResNet
from sparsebounds.nets.models.channels import Channels
from sparsebounds.nets.models.conv import ConvNet
from sparsebounds.nets.models.local import LocalNet
from sparsebounds.nets.models.mlp import MLP
from sparsebounds.nets.models.pooled import Conv2d, PooledNet
from sparsebounds.nets.models.residual import ResNet
from sparsebounds.nets.models.strided import StridedNet
from sparsebounds.nets.models.transformer import ViT

__all__ = [
    "BatchNormResNet",
    "Channels",
    "Conv2d",
    "ConvNet",
    "LocalNet",
    "MLP",
    "PooledNet",
    "ResNet",
    "StridedNet",
    "ViT",
]
