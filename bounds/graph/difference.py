"""The difference of two networks of one structure: trained weights minus weights fixed without the sample."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Input, Layer, Linear, MaxPool, label
from sparsebounds.bounds.graph.memory import per_graph
from sparsebounds.bounds.graph.terms import Diagonal, Dot, Pool, Term


def difference(graph: Graph, reference: object) -> Graph:
    """The graph whose learned maps are W − W⁰; everything else is as in `graph`, biases left out.

    Args:
        graph: the trained network.
        reference: the same architecture with other weights, a Graph read by `read_graph`.

    Returns:
        A graph for norms of its learned maps; it computes nothing of interest.

    Raises:
        ValueError: not a Graph, or a structure that differs (the first layer that does is named).

    Example:
        >>> import jax.numpy as jnp
        >>> from sparsebounds import bounds
        >>> one, two = (bounds.read_graph(lambda x, c=c: x @ (c * jnp.eye(2)), np.ones((1, 2))) for c in (1.0, 3.0))
        >>> difference(two, one).layers[1].terms[0].weight[0].tolist()
        [[2.0, 0.0], [0.0, 2.0]]
    """
    if not isinstance(reference, Graph):
        raise ValueError(
            f"reference is a {type(reference).__name__}; needed a Graph: "
            "bounds.read_graph(f0, x[:2]) with the initial weights"
        )
    return _minus(graph, reference)


@per_graph
def _minus(graph: Graph, reference: Graph) -> Graph:
    if len(graph.layers) != len(reference.layers):
        raise ValueError(
            f"the network has {len(graph.layers)} layers, the reference {len(reference.layers)}; "
            "needed the same architecture with the initial weights"
        )
    pairs = zip(graph.layers, reference.layers, strict=True)
    return replace(graph, layers=tuple(_layer(ours, theirs) for ours, theirs in pairs))


def _layer(ours: Layer, theirs: Layer) -> Layer:
    if type(ours) is not type(theirs) or (ours.positions, ours.channels) != (theirs.positions, theirs.channels):
        raise _mismatch(ours, "kind or size")
    if isinstance(ours, Input) and isinstance(theirs, Input):
        if ours.shape != theirs.shape:
            raise _mismatch(ours, "shape")
        return ours
    if isinstance(ours, MaxPool) and isinstance(theirs, MaxPool):
        if not _same_taps(ours, theirs):
            raise _mismatch(ours, "windows")
        return ours
    assert isinstance(ours, Linear) and isinstance(theirs, Linear)
    if ours.slope != theirs.slope:
        raise _mismatch(ours, "activation")
    if [type(t) for t in ours.terms] != [type(t) for t in theirs.terms]:
        raise _mismatch(ours, "terms")
    terms = tuple(_term(ours, a, b) for a, b in zip(ours.terms, theirs.terms, strict=True))
    return replace(ours, terms=terms, bias=None)


def _term(layer: Linear, ours: Term, theirs: Term) -> Term:
    if isinstance(ours, Diagonal) and isinstance(theirs, Diagonal):
        if not (_equal(ours.elements, theirs.elements) and _equal(ours.scale, theirs.scale)):
            raise _mismatch(layer, "elementwise scale")
        return ours
    assert not isinstance(ours, Diagonal) and not isinstance(theirs, Diagonal)
    if not _same_taps(ours, theirs):
        raise _mismatch(layer, "windows")
    if isinstance(ours, Pool) and isinstance(theirs, Pool):
        if not _equal(ours.coefficient, theirs.coefficient):
            raise _mismatch(layer, "pooling")
        return ours
    assert isinstance(ours, Dot) and isinstance(theirs, Dot)
    if ours.weight.shape != theirs.weight.shape or not _equal(ours.order, theirs.order):
        raise _mismatch(layer, "weights' shape")
    return replace(ours, weight=ours.weight - theirs.weight)


def _same_taps(ours: Dot | Pool | MaxPool, theirs: Dot | Pool | MaxPool) -> bool:
    return _equal(ours.taps.source, theirs.taps.source) and _equal(ours.taps.sites, theirs.taps.sites)


def _equal(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    if a is None or b is None:
        return a is b
    return np.array_equal(a, b)


def _mismatch(layer: Layer, what: str) -> ValueError:
    return ValueError(
        f"layer {label(layer)} has another {what} in the reference; needed the same architecture with the initial "
        "weights, written in the same way"
    )
