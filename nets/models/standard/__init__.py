"""Architectures that many people use, in evaluation mode and with random weights: for trials and checkpoints."""

from sparsebounds.nets.models.standard.bottleneck import BottleneckNet, resnet50
from sparsebounds.nets.models.standard.convnext import ConvNeXt, convnext_t
from sparsebounds.nets.models.standard.densely import DenseNet, densenet121
from sparsebounds.nets.models.standard.inverted import MobileNet, mobilenet_v2
from sparsebounds.nets.models.standard.patches import PatchTransformer, vit_s16
from sparsebounds.nets.models.standard.stacked import VGG, vgg16

__all__ = [
    "BottleneckNet",
    "ConvNeXt",
    "DenseNet",
    "MobileNet",
    "PatchTransformer",
    "VGG",
    "convnext_t",
    "densenet121",
    "mobilenet_v2",
    "resnet50",
    "vgg16",
    "vit_s16",
]
