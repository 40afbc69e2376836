"""How far a network lies from a reference, map by map in operator norm, and how many numbers each map has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sparsebounds.bounds.graph.difference import difference
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.reference import fixed_weights
from sparsebounds.bounds.theorems.covering.own_numbers import check_layers
from sparsebounds.bounds.theorems.passes.chain import homogeneous_chain
from sparsebounds.bounds.theorems.passes.hulls import bias_norm
from sparsebounds.bounds.theorems.passes.maps import (
    Place,
    bias_numbers,
    biased_layers,
    dot_at,
    term_upper,
)


@dataclass(frozen=True)
class Distances:
    """A network beside its reference; learned scales are measured from zero."""

    graph: Graph
    centred: bool
    """Whether the reference is zero."""
    moved: Mapping[Place, float]
    """Not below ‖A − A⁰‖."""
    start: Mapping[Place, float]
    """Not below ‖A⁰‖."""
    weights: Mapping[Place, int]
    """Weights that the class has."""
    present: Mapping[Place, int]
    """Weights that differ from the reference."""
    shifts: Mapping[int, float]
    """‖b − b⁰‖₂ over all elements, for every layer with a bias."""
    start_shifts: Mapping[int, float]
    """‖b⁰‖₂."""
    numbers: Mapping[int, int]
    """Numbers that each bias has."""


def read_distances(graph: Graph, reference: object, mask_fixed: bool) -> Distances:
    """All of them.

    Args:
        graph: the network.
        reference: a Graph of the same structure whose weights were fixed without the sample, or None for zero.
        mask_fixed: whether weights that are zero here and in the reference are no weights.

    Returns:
        Distances.

    Raises:
        NotCovered: no learned map at all.
        ValueError: weights that are not finite, or a reference of another structure.
    """
    biased = biased_layers(graph)
    places = check_layers(graph, absorbed=homogeneous_chain(graph) is not None and not biased)
    moved, start = graph if reference is None else difference(graph, reference), fixed_weights(reference)
    counts = {place: _counts(graph, moved, start, place, mask_fixed) for place in places}
    return Distances(
        graph=graph,
        centred=start is None,
        moved={place: term_upper(moved, place) for place in places},
        start={place: _start(start, place) for place in places},
        weights={place: free for place, (free, _) in counts.items()},
        present={place: there for place, (_, there) in counts.items()},
        shifts={i: bias_norm(moved, i) for i in biased},
        start_shifts={i: 0.0 if start is None else bias_norm(start, i) for i in biased},
        numbers={i: len(bias_numbers(graph.linear(i))[0]) for i in biased},
    )


def _start(start: Graph | None, place: Place) -> float:
    return 0.0 if start is None or dot_at(start, place) is None else term_upper(start, place)


def _counts(graph: Graph, moved: Graph, start: Graph | None, place: Place, mask_fixed: bool) -> tuple[int, int]:
    """Weights of the class, and those that differ from the reference."""
    own, shift = (g.linear(place.layer).terms[place.term].strengths for g in (graph, moved))
    free = np.ones(shift.shape, dtype=bool)
    if mask_fixed:
        free = own != 0
        if start is not None:
            free |= start.linear(place.layer).terms[place.term].strengths != 0
    return int(free.sum()), int((shift != 0).sum())
