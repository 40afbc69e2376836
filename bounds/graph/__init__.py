"""What a network is to a bound: elements, layers of a few kinds, and a choice of nodes.

Every coordinate that a layer computes for one input is an *element* with a global number. A layer names the
elements it reads by these numbers, so slicing, padding, transposing or gathering leave no trace in the graph:
they only permute numbers. `ABSENT` stands for a constant zero (padding, a masked coordinate). The elements of a
layer are ordered (position, channel); which of them form one *node* of the theory is the partition:

    "position"  one node per position, its vector runs over the channels
    "group"     one node per position and group of channels
    "scalar"    one node per element
"""

from sparsebounds.bounds.graph.elements import ABSENT
from sparsebounds.bounds.graph.evaluation import activations, evaluate
from sparsebounds.bounds.graph.graph import PARTITIONS, Graph, Partition
from sparsebounds.bounds.graph.layers import (
    Activation,
    Attention,
    Input,
    Layer,
    Linear,
    MaxPool,
    Normalise,
    Product,
    Unknown,
)
from sparsebounds.bounds.graph.nonlinearities import Nonlinearity
from sparsebounds.bounds.graph.taps import Taps
from sparsebounds.bounds.graph.terms import Diagonal, Dot, Pool, Term

__all__ = [
    "ABSENT",
    "Activation",
    "Attention",
    "Diagonal",
    "Dot",
    "Graph",
    "Input",
    "Layer",
    "Linear",
    "MaxPool",
    "Nonlinearity",
    "Normalise",
    "PARTITIONS",
    "Partition",
    "Pool",
    "Product",
    "Taps",
    "Term",
    "Unknown",
    "activations",
    "evaluate",
]
