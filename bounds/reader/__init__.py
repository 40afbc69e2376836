"""The reader: from any function of a batched input to a :class:`bounds.Graph`."""

from sparsebounds.bounds.reader.program import read_program
from sparsebounds.bounds.reader.read import read_graph
from sparsebounds.bounds.reader.values import ReadError

__all__ = ["ReadError", "read_graph", "read_program"]
