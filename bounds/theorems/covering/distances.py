"""How far a network lies from a reference, map by map in operator norm, and how many numbers each map has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.graph.difference import difference
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.reference import fixed_weights
from sparsebounds.bounds.margin.contraction import outputs_in_l2
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
    """Of the outputs: the scores, or the difference of two."""
    lipschitz: float
    """Of the margin in the ℓ2 norm of the outputs."""
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
    moved, start = graph if reference is None else difference(graph, reference), fixed_weights(reference)
    counted, lipschitz = outputs_in_l2(graph, mask_fixed=mask_fixed)
    outputs, _ = outputs_in_l2(graph)
    free = [counted(one) for one in (graph, start) if mask_fixed and one is not None]
    graph, moved, start = outputs(graph), outputs(moved), None if start is None else outputs(start)
    biased = biased_layers(graph)
    places = check_layers(graph, absorbed=homogeneous_chain(graph) is not None and not biased)
    counts = {place: _counts(moved, free, place) for place in places}
    return Distances(
        graph=graph,
        lipschitz=lipschitz,
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


def _counts(moved: Graph, masked: list[Graph], place: Place) -> tuple[int, int]:
    """Weights of the class (those that are not zero in one of the masked graphs), and those that have moved."""
    shift = _strengths(moved, place)
    free = [_strengths(graph, place) != 0 for graph in masked] or [np.ones(shift.shape, dtype=bool)]
    return int(np.any(free, axis=0).sum()), int((shift != 0).sum())


def _strengths(graph: Graph, place: Place) -> Float64[np.ndarray, " ..."]:
    return graph.linear(place.layer).terms[place.term].strengths
