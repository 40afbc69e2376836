"""Magnitude pruning of one layer of a network that was read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.terms import Dot


def pruned(graph: Graph, layer: int | str, density: float) -> Graph:
    """The network with only the largest weights of one layer.

    Of the n numbers that the layer's linear maps can choose, the round(density · n) largest |w| stay, of equal ones the
    first; a kernel shared between positions counts once. Biases stay.

    Args:
        graph: any network.
        layer: its index in `graph.layers`, or its name.
        density: share kept, above 0 and at most 1.

    Returns:
        Another network of the same architecture: measure its sample anew, or use `what_if_pruned`.

    Raises:
        ValueError: no such layer, a layer without weights, a density outside (0, 1] or so low that nothing stays.

    Example:
        >>> from sparsebounds import bounds
        >>> w = np.array([[3.0, -1.0], [0.5, 2.0]], np.float32)
        >>> sparse = pruned(bounds.read_graph(lambda x: x @ w, np.eye(2, dtype=np.float32)), -1, 0.5)
        >>> bounds.evaluate(sparse, np.eye(2)).tolist()
        [[3.0, 0.0], [0.0, 2.0]]

    Source: magnitude pruning, Han, Pool, Tran, Dally, NeurIPS 2015.
    """
    index = layer_index(graph, layer)
    found = graph.layers[index]
    dots = found.dots
    if not dots:
        raise ValueError(f"layer {layer!r} has no weights to prune; those that have: {', '.join(_prunable(graph))}")
    if isinstance(density, bool) or not 0 < density <= 1:
        raise ValueError(f"density is {density}; need a number above 0 and at most 1")
    sizes = np.concatenate([np.abs(term.numbers).ravel() for term in dots])
    kept = round(density * sizes.size)
    if kept == 0:
        raise ValueError(f"density {density} keeps none of the {sizes.size} weights of {found.name!r}; raise it")
    keep = np.zeros(sizes.size, dtype=bool)
    keep[np.argsort(-sizes, kind="stable")[:kept]] = True
    thinned = iter(_thinned(dots, keep))
    terms = tuple(next(thinned) if term.learned else term for term in found.terms)
    layers = (*graph.layers[:index], replace(graph.linear(index), terms=terms), *graph.layers[index + 1 :])
    return replace(graph, layers=layers)


def layer_index(graph: Graph, layer: int | str) -> int:
    """The index of a layer given by index, also from the end, or by name; ValueError where there is none or several."""
    if isinstance(layer, str):
        named = [i for i, found in enumerate(graph.layers) if found.name == layer]
        if len(named) != 1:
            raise ValueError(f"{len(named)} layers are called {layer!r}; choose from {', '.join(_prunable(graph))}")
        return named[0]
    if isinstance(layer, bool) or not -len(graph.layers) <= layer < len(graph.layers):
        raise ValueError(f"no layer {layer!r}; choose from {', '.join(_prunable(graph))}")
    return layer % len(graph.layers)


def _prunable(graph: Graph) -> list[str]:
    """Index and name of the layers with weights."""
    return [f"{i} ({layer.name!r})" for i, layer in enumerate(graph.layers) if layer.dots]


def _thinned(dots: tuple[Dot, ...], keep: Bool[np.ndarray, " ..."]) -> list[Dot]:
    found = []
    for term in dots:
        numbers = term.numbers
        mine, keep = keep[: numbers.size].reshape(numbers.shape), keep[numbers.size :]
        found.append(replace(term, weight=np.where(mine, term.weight, 0.0)))
    return found
