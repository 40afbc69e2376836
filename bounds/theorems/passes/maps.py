"""The learned maps of a graph: which terms of its layers training chooses, their norms, and the biases."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int

from sparsebounds.bounds.graph.elements import largest_count
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Activation, Linear, label
from sparsebounds.bounds.graph.memory import per_graph
from sparsebounds.bounds.graph.terms import Diagonal, Dot, Pool, Term
from sparsebounds.bounds.norms import spectral_upper
from sparsebounds.bounds.norms.entries import disjoint

SAME = 1e-6
"""Coefficients this close to each other, relatively, are one number."""


class Place(NamedTuple):
    """One term of one linear layer."""

    layer: int
    term: int


@per_graph
def learned_terms(graph: Graph, absorbed: bool = False) -> tuple[Place, ...]:
    """All terms that training may have chosen, in the order of the layers.

    Args:
        graph: any network.
        absorbed: whether a scale that all elements of a layer share is part of a number of the class that is paid for
            as a whole, such as c of a homogeneous chain. Otherwise it may have been learned and is a map of its own.
    """
    return tuple(
        Place(i, k)
        for i, layer in graph.linear_layers()
        for k, term in enumerate(layer.terms)
        if is_learned(term, absorbed)
    )


def is_learned(term: Term, absorbed: bool) -> bool:
    """Whether a term is no fixed map: a `Dot`, or a scale that may have been learned.

    Plain copies, and sums over windows that are divided by nothing or by their sizes, are fixed.
    """
    if not absorbed and not isinstance(term, Dot):
        return term.learned_scale is not None
    if isinstance(term, Diagonal):
        return term.scale is not None and bool(np.any(term.scale != term.scale.flat[0]))
    if isinstance(term, Pool):
        return not _plain(term)
    return True


def _plain(pool: Pool) -> bool:
    """One coefficient for all windows, or one over the number of elements of each."""
    sites = np.maximum(pool.taps.window_sizes, 1)[:, None]
    scaled = np.broadcast_to(np.asarray(pool.coefficient, dtype=np.float64), pool.shape)
    return any(np.ptp(values) <= SAME * np.abs(values).max(initial=0.0) for values in (scaled, scaled * sites))


def dot_at(graph: Graph, place: Place) -> Dot | None:
    """The learned map at a place; None for a learned scale."""
    term = graph.linear(place.layer).terms[place.term]
    return term if isinstance(term, Dot) else None


def term_upper(graph: Graph, place: Place) -> float:
    """Not below the Lipschitz constant of one term; of a whole layer, where it has no other: a maximum, an activation.

    Raises:
        ValueError: weights that are not finite, or a layer of another kind.
    """
    layer = graph.layers[place.layer]
    if isinstance(layer, Activation):
        return layer.function.lipschitz * math.sqrt(repeats(layer.elements))
    return spectral_upper(graph, place.layer, None if len(layer.terms) <= 1 else place.term)


def repeats(elements: Int[np.ndarray, " ..."]) -> int:
    """How often an element is named, at most."""
    return largest_count(elements.astype(np.int64), np.zeros(1, dtype=np.int64))


@per_graph
def sources_of_terms(graph: Graph, index: int) -> tuple[tuple[int, ...], ...]:
    """For every term of a linear layer, the layers that it reads."""
    return tuple(tuple(graph.layer_of(term.elements_read)) for term in graph.linear(index).terms)


@per_graph
def terms_are_disjoint(graph: Graph, index: int) -> bool:
    """Whether a linear layer has several terms, no two of which read the same element."""
    terms = graph.linear(index).terms
    return len(terms) > 1 and disjoint(terms)


def biased_layers(graph: Graph) -> tuple[int, ...]:
    """Linear layers that add a constant, be it zero: a class must not depend on trained values."""
    return tuple(i for i, layer in graph.linear_layers() if layer.bias is not None)


def bias_numbers(layer: Linear) -> tuple[Float64[np.ndarray, " G"], Float64[np.ndarray, " G"]]:
    """Every number of a layer's bias and how many elements share it: |b_g| (G,), size_g (G,).

    Raises:
        ValueError: biases that are not finite.
    """
    bias = np.zeros(0) if layer.bias is None else np.abs(layer.bias)
    if not np.isfinite(bias).all():
        raise ValueError(f"layer {label(layer)} has biases that are not finite; needed finite ones: retrain it")
    if layer.bias is None or layer.bias_of is None:
        return bias, np.ones(len(bias))
    _, group, sizes = np.unique(layer.bias_of, return_inverse=True, return_counts=True)
    numbers = np.zeros(len(sizes))
    np.maximum.at(numbers, group.ravel(), bias)
    return numbers, sizes.astype(np.float64)
