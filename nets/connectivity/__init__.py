"""Which node reads which: lists of predecessors and their constructors."""

from sparsebounds.nets.connectivity.edges import Connectivity, Edges
from sparsebounds.nets.connectivity.graphs import banded, convolutional, random_regular, tree

__all__ = [
    "Connectivity",
    "Edges",
    "banded",
    "convolutional",
    "random_regular",
    "tree",
]
