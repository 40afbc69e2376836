"""Terms of a linear layer: learned maps, sums over windows, one element each; and what they can do."""

from sparsebounds.bounds.graph.terms.diagonal import Diagonal
from sparsebounds.bounds.graph.terms.dot import Dot
from sparsebounds.bounds.graph.terms.linear_map import LinearMap, Read, Table
from sparsebounds.bounds.graph.terms.pool import Pool

Fixed = Pool | Diagonal
"""Maps that no training changes, but for the scale that a program may have learned."""
Term = Dot | Fixed

__all__ = ["Diagonal", "Dot", "Fixed", "LinearMap", "Pool", "Read", "Table", "Term"]
