"""The reader: from any function of a batched input to a :class:`bounds.graph.Graph`."""

from bounds.reader.read import read_graph
from bounds.reader.values import ReadError

__all__ = ["ReadError", "read_graph"]
