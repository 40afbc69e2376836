"""How far each layer's learned part reaches into the scores: Λ_t R_t, the input of every covering theorem."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sparsebounds.bounds.theorems.passes.cover import backward, forward
from sparsebounds.bounds.theorems.passes.fixed import Fixed
from sparsebounds.bounds.theorems.passes.maps import Place, sources_of_terms
from sparsebounds.bounds.theorems.passes.sizes import Size, joined, log, log_sum


@dataclass(frozen=True)
class Reach:
    """A class with its hulls."""

    fixed: Fixed
    radii: Mapping[Place, float]
    """a of every learned map."""
    shifts: Mapping[int, float]
    """ζ of every layer with a bias."""


def reaches(class_: Reach, layers: Sequence[int], inputs: Size, m: int) -> list[float]:
    """log Λ_t R_t, R_t = Σ a_i B_i + ζ √m over the maps and the bias that are added up in a layer.

    Args:
        class_: the class.
        layers: those with something to learn.
        inputs: of the data, see `cover.forward`.
        m: samples.

    Returns:
        One per layer, in their order; −inf where nothing is learned or no score depends on it.

    Example:
        >>> from sparsebounds.bounds.theorems.passes.maps import learned_terms
        >>> twos = {place: 2.0 for place in learned_terms(graph)}
        >>> fixed = Fixed(graph, {place: math.log(2.0) for place in twos}, {})
        >>> [round(math.exp(one), 6) for one in reaches(Reach(fixed, twos, {}), (1, 2), Size(0.0, 0.0, 0.0), 1)]
        [4.0, 4.0]
    """
    sizes = forward(class_.fixed, inputs, m)
    multipliers = backward(class_.fixed, sizes)
    found = []
    for i in layers:
        read = sources_of_terms(class_.fixed.graph, i)
        parts = [
            log(radius) + joined(sizes[v] for v in read[place.term]).total
            for place, radius in class_.radii.items()
            if place.layer == i
        ]
        shift = log(class_.shifts.get(i, 0.0)) + 0.5 * math.log(m)
        found.append(multipliers[i] + log_sum([*parts, shift]))
    return found
