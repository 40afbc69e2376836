"""What of an architecture may have been chosen by the data: slopes, and lists of what is read."""

from __future__ import annotations

import math

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Activation
from sparsebounds.bounds.margin.slopes import slope_prices


def architecture_prices(graph: Graph) -> dict[str, float]:
    """The prices of slopes that are not customary and of elements picked by lists, by name.

    A graph that was read with `mask_fixed=True` has no lists to pay for.

    Args:
        graph: of the network.

    Returns:
        log(1/weight) of each, see `slope_prices` and `Selection.nats`.

    Raises:
        ValueError: a slope outside [0, 1].

    Example:
        >>> architecture_prices(graph)
        {}

    Source: theorem 3 of docs/theory.md, "what is paid".
    """
    layers = [layer for _, layer in graph.linear_layers()]
    slopes = slope_prices([layer.slope for layer in layers], [layer.number for layer in layers])
    return slopes | number_prices(graph) | selection_prices(graph)


def number_prices(graph: Graph) -> dict[str, float]:
    """Of numbers in activations that training may have chosen: 32 log 2 each, how many, and which each layer has."""
    chosen = [layer.function for layer in graph.layers if isinstance(layer, Activation) and layer.function.numbers]
    if not chosen:
        return {}
    distinct = {number for function in chosen for number in function.numbers}
    which = sum(len(function.numbers) for function in chosen) * math.log(len(distinct))
    return {"numbers in activations": 33 * len(distinct) * math.log(2.0) + which}


def selection_prices(graph: Graph) -> dict[str, float]:
    """The price of every list of what is read."""
    picked = graph.selections
    names = [f"selection of {selection}" for selection in picked]
    return {name: math.fsum(s.nats for s, n in zip(picked, names, strict=True) if n == name) for name in names}
