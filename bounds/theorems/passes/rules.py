"""What each kind of layer does to the size of values, and to a perturbation: the table of the cover pass.

    kind                            B (χ: m = 1)                                    ℓ per argument
    learned maps and fixed ones     Σ_i s_i B_i + η √m                              s_i; disjoint terms: (Σ s_i²)^½
    max pooling, each element in    √r B                                            √r, attained: a bump that all
      at most r windows                                                             windows read

s_i is a number of the class for a learned map, its own norm for a fixed one, η ≥ ‖b‖₂. B_i is (Σ B_v²)^½ over the
layers v that the term reads. For terms that read different elements Σ_i s_i ‖z_i‖ ≤ (Σ s_i²)^½ ‖z‖ too, and the smaller
counts. ReLU and leaky ReLU, 1-Lipschitz with value 0 at 0, change neither. A rule uses nothing but the sizes of its
arguments: it holds for every choice of weights in the class, layer by layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Linear, MaxPool
from sparsebounds.bounds.theorems.passes.maps import Place, sources_of_terms, term_upper, terms_are_disjoint
from sparsebounds.bounds.theorems.passes.sizes import Size, joined, log, log_root, log_sum


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


@dataclass(frozen=True)
class Rule:
    """One line of the table."""

    size: Callable[[Fixed, int, Sequence[Size], int], Size]
    """(class, layer, sizes of all layers below, m) → the size of its values."""
    arguments: Callable[[Fixed, int, Sequence[Size]], Iterator[tuple[int, float]]]
    """(class, layer, sizes of all layers) → (layer that is read, log ℓ), one pair or more for each."""


def linear_size(fixed: Fixed, index: int, below: Sequence[Size], m: int) -> Size:
    """Σ s_i B_i + η √m."""
    read = [joined(below[v] for v in sources) for sources in sources_of_terms(fixed.graph, index)]
    norms = [fixed.norm(Place(index, k)) for k in range(len(read))]
    total = log_sum(s + size.total for s, size in zip(norms, read, strict=True))
    largest = log_sum(s + size.largest for s, size in zip(norms, read, strict=True))
    if terms_are_disjoint(fixed.graph, index):
        every = joined(below[v] for v in fixed.graph.sources(index))
        total, largest = min(total, log_root(norms) + every.total), min(largest, log_root(norms) + every.largest)
    offset = fixed.offsets.get(index, -math.inf)
    largest = log_sum([largest, offset])
    return Size(log_sum([total, offset + 0.5 * math.log(m)]), largest, largest)


def linear_arguments(fixed: Fixed, index: int, sizes: Sequence[Size]) -> Iterator[tuple[int, float]]:
    """s_i for each term."""
    terms = sources_of_terms(fixed.graph, index)
    together = log_root if terms_are_disjoint(fixed.graph, index) else log_sum
    for v in fixed.graph.sources(index):
        yield v, together([fixed.norm(Place(index, k)) for k, read in enumerate(terms) if v in read])


def max_size(fixed: Fixed, index: int, below: Sequence[Size], m: int) -> Size:
    """√r B; no element exceeds those that it is the maximum of."""
    root, read = fixed.norm(Place(index, 0)), joined(below[v] for v in fixed.graph.sources(index))
    return Size(root + read.total, root + read.largest, read.peak)


def max_arguments(fixed: Fixed, index: int, sizes: Sequence[Size]) -> Iterator[tuple[int, float]]:
    """√r."""
    root = fixed.norm(Place(index, 0))
    return ((v, root) for v in fixed.graph.sources(index))


RULES: dict[type[Any], Rule] = {
    Linear: Rule(linear_size, linear_arguments),
    MaxPool: Rule(max_size, max_arguments),
}
"""Kind of layer → what it does."""
