"""What of an architecture may have been chosen by the data: slopes, and lists of what is read."""

from __future__ import annotations

import math

import numpy as np

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Activation
from sparsebounds.bounds.margin.slopes import CUSTOMARY, slope_prices

QUICK_GELU = 1.702
"""The β of t · sigmoid(βt) that stands for GELU."""


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
    return slopes | function_prices(graph) | selection_prices(graph)


def function_prices(graph: Graph) -> dict[str, float]:
    """The price of numbers inside activations (a slope, an α) that are not customary: 32 log 2 for each distinct one.

    Another log 2 for each says how many there are, and every layer with such numbers names its own.
    """
    functions = [layer.function for _, layer in graph.computed() if isinstance(layer, Activation)]
    learned = [function for function in functions if any(_unusual(number) for number in function.numbers)]
    if not learned:
        return {}
    distinct = {number for function in learned for number in function.numbers}
    named = sum(len(function.numbers) for function in learned)
    return {"numbers of activations": 33 * math.log(2.0) * len(distinct) + named * math.log(len(distinct) + 1)}


def _unusual(number: float) -> bool:
    return all(np.float32(number) != np.float32(known) for known in (*CUSTOMARY, QUICK_GELU))


def selection_prices(graph: Graph) -> dict[str, float]:
    """The price of every list of what is read."""
    picked = graph.selections
    names = [f"selection of {selection}" for selection in picked]
    return {name: math.fsum(s.nats for s, n in zip(picked, names, strict=True) if n == name) for name in names}
