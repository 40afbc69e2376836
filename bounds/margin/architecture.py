"""What of an architecture may have been chosen by the data: slopes, and lists of what is read."""

from __future__ import annotations

import math

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.margin.slopes import slope_prices


def architecture_prices(graph: Graph) -> dict[str, float]:
    """The prices of slopes that are not customary and of elements picked by lists, by name.

    A graph that was read with `selections_fixed=True` has no lists to pay for.

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
    return slope_prices([layer.slope for layer in layers], [layer.number for layer in layers]) | selection_prices(graph)


def selection_prices(graph: Graph) -> dict[str, float]:
    """The price of every list of what is read."""
    picked = graph.selections
    names = [f"selection of {selection}" for selection in picked]
    return {name: math.fsum(s.nats for s, n in zip(picked, names, strict=True) if n == name) for name in names}
