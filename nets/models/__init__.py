"""The networks."""

from sparsebounds.nets.models.channels import Channels
from sparsebounds.nets.models.conv import ConvNet
from sparsebounds.nets.models.local import LocalNet
from sparsebounds.nets.models.mlp import MLP
from sparsebounds.nets.models.pooled import Conv2d, PooledNet
from sparsebounds.nets.models.residual import ResNet
from sparsebounds.nets.models.strided import StridedNet

__all__ = [
    "Channels",
    "Conv2d",
    "ConvNet",
    "LocalNet",
    "MLP",
    "PooledNet",
    "ResNet",
    "StridedNet",
]
