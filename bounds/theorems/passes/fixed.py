"""A class of networks by the norms of its learned maps and biases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.theorems.passes.maps import Place, term_upper
from sparsebounds.bounds.theorems.passes.sizes import log


@dataclass(frozen=True)
class Fixed:
    """A graph whose learned maps are known by their norms alone."""

    graph: Graph
    norms: Mapping[Place, float]
    """log s ≥ log of the spectral norm, for every learned term; and for fixed maps, where their own is not meant."""
    offsets: Mapping[int, float]
    """log η ≥ log ‖b‖₂ over all elements, for every layer with a bias."""

    def norm(self, place: Place) -> float:
        """log s of a term, learned or not; a max pool counts as a single term."""
        found = self.norms.get(place)
        return log(term_upper(self.graph, place)) if found is None else found
