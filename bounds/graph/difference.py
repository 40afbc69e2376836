"""The difference of two networks of one structure: trained weights minus weights fixed without the sample."""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest
from typing import Any

import numpy as np

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Layer, Linear, label
from sparsebounds.bounds.graph.memory import per_graph
from sparsebounds.bounds.graph.reference import Reference, check_moved, fixed_weights
from sparsebounds.bounds.graph.terms import Term


def difference(graph: Graph, reference: object) -> Graph:
    """The graph whose learned maps are W − W⁰ and whose biases are b − b⁰; everything else is as in `graph`.

    Args:
        graph: the trained network.
        reference: the same architecture with other weights, a Graph read by `read_graph`, or a `Reference`.

    Returns:
        A graph for norms of its learned maps; it computes nothing of interest.

    Raises:
        ValueError: no Graph, a structure that differs (the first layer that does is named), or the network's own
            weights without a declaration.

    Example:
        >>> import jax.numpy as jnp
        >>> from sparsebounds import bounds
        >>> one, two = (bounds.read_graph(lambda x, c=c: x @ (c * jnp.eye(2)), np.ones((1, 2))) for c in (1.0, 3.0))
        >>> difference(two, one).layers[1].terms[0].weight[0].tolist()
        [[2.0, 0.0], [0.0, 2.0]]
    """
    fixed = fixed_weights(reference)
    if fixed is None:
        raise ValueError("reference is None; needed a Graph with the initial weights")
    found = _minus(graph, fixed)
    if not isinstance(reference, Reference):
        check_moved(graph, fixed)
    return found


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
    _check_structure(ours, ours.structure, theirs.structure)
    if not isinstance(ours, Linear):
        return ours
    pairs = list(zip(ours.terms, theirs.terms, strict=True))
    for a, b in pairs:
        _check_structure(ours, a.structure, b.structure)
    if (ours.bias is None) != (theirs.bias is None):
        raise _mismatch(ours, "bias (one has none)")
    bias = None if ours.bias is None or theirs.bias is None else ours.bias - theirs.bias
    return replace(ours, terms=tuple(_term(a, b) for a, b in pairs), bias=bias)


def _term(ours: Term, theirs: Term) -> Term:
    return ours.with_strengths(ours.strengths - theirs.strengths) if ours.learned else ours


def _check_structure(layer: Layer, ours: dict[str, tuple[Any, ...]], theirs: dict[str, tuple[Any, ...]]) -> None:
    for what, parts in ours.items():
        if not all(_equal(a, b) for a, b in zip_longest(parts, theirs[what])):
            raise _mismatch(layer, what)


def _equal(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    return np.array_equal(a, b)


def _mismatch(layer: Layer, what: str) -> ValueError:
    return ValueError(
        f"layer {label(layer)} has another {what} in the reference; needed the same architecture with the initial "
        "weights, written in the same way"
    )
