"""What each kind of layer does to the size of values, and to a perturbation: the table of the cover pass.

A linear layer, Σ_i A_i z_i + b: B = Σ_i s_i B_i + η √m (χ: the same with m = 1) and ℓ = s_i for each term. s_i is a
number of the class for a learned map, its own norm for a fixed one, η ≥ ‖b‖₂. B_i is (Σ B_v²)^½ over the layers v that
the term reads. For terms that read different elements Σ_i s_i ‖z_i‖ ≤ (Σ s_i²)^½ ‖z‖ too, and the smaller counts. ReLU
and leaky ReLU, 1-Lipschitz with value 0 at 0, change neither. The other kinds stand in `rules_of_kinds`.

A rule uses nothing but the sizes of its arguments: it holds for every choice of weights in the class, layer by layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sparsebounds.bounds.graph.layers import Activation, Attention, Linear, MaxPool, Normalise, Product
from sparsebounds.bounds.theorems.passes import rules_of_kinds as kinds
from sparsebounds.bounds.theorems.passes.fixed import Fixed
from sparsebounds.bounds.theorems.passes.maps import Place, sources_of_terms, terms_are_disjoint
from sparsebounds.bounds.theorems.passes.sizes import Size, joined, log_root, log_sum


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


RULES: dict[type[Any], Rule] = {
    Linear: Rule(linear_size, linear_arguments),
    MaxPool: Rule(kinds.max_size, kinds.same_for_all),
    Activation: Rule(kinds.activation_size, kinds.same_for_all),
    Product: Rule(kinds.product_size, kinds.product_arguments),
    Normalise: Rule(kinds.normalise_size, kinds.normalise_arguments),
    Attention: Rule(kinds.attention_size, kinds.attention_arguments),
}
"""Kind of layer → what it does."""
