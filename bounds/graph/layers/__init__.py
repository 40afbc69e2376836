"""Layers: the input, linear maps with ReLU, maxima, and fixed maps of other kinds."""

from sparsebounds.bounds.graph.layers.activation import Activation
from sparsebounds.bounds.graph.layers.attention import Attention
from sparsebounds.bounds.graph.layers.input import Input
from sparsebounds.bounds.graph.layers.linear import Linear
from sparsebounds.bounds.graph.layers.max_pool import MaxPool
from sparsebounds.bounds.graph.layers.normalise import Normalise
from sparsebounds.bounds.graph.layers.product import Product
from sparsebounds.bounds.graph.layers.unknown import Unknown

Computed = Linear | MaxPool | Activation | Product | Normalise | Attention | Unknown
"""Layers above the input."""
Layer = Input | Computed


def label(layer: Layer) -> str:
    """How a message names a layer: a module by its name, another operation with its file, line and function too."""
    made_up = " " in layer.name  # such as "dot 1"
    return layer.name + (f" ({layer.where.rpartition('/')[2]})" if made_up and layer.where else "")


__all__ = [
    "Activation",
    "Attention",
    "Computed",
    "Input",
    "Layer",
    "Linear",
    "MaxPool",
    "Normalise",
    "Product",
    "Unknown",
    "label",
]
