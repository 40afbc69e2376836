"""What of an architecture may have been chosen by the data: slopes, and lists of what is read."""

from __future__ import annotations

import math

import numpy as np

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Activation, Attention, Layer, Normalise
from sparsebounds.bounds.margin.slopes import CUSTOMARY, slope_prices

QUICK_GELU = 1.702
"""The β of t · sigmoid(βt) that stands for GELU."""


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
    slopes = slope_prices([layer.slope for layer in layers], [layer.number for layer in layers])
    return slopes | function_prices(graph) | selection_prices(graph)


def function_prices(graph: Graph) -> dict[str, float]:
    """The price of numbers inside layers without weights that are not customary: 32 log 2 for each distinct one.

    A slope or an α of an activation, the scale of an attention (its temperature), the ε of a normalisation: training
    may have chosen them. Another log 2 for each says how many there are, and every layer with such numbers names its
    own.
    """
    learned = [numbers for _, layer in graph.computed() if (numbers := _learned(layer))]
    if not learned:
        return {}
    distinct = {number for numbers in learned for number in numbers}
    named = sum(map(len, learned))
    return {"numbers of activations": 33 * math.log(2.0) * len(distinct) + named * math.log(len(distinct) + 1)}


def _learned(layer: Layer) -> tuple[float, ...]:
    """The numbers of a layer, if one of them is not customary."""
    if isinstance(layer, Activation):
        return layer.function.numbers if any(map(_unusual, layer.function.numbers)) else ()
    if isinstance(layer, Attention):
        heads, width = layer.query.shape[1:]
        customary = [1.0, *(n**power for n in (width, heads * width) for power in (-0.5, -1.0))]
        return () if any(math.isclose(layer.scale, number, rel_tol=2e-6) for number in customary) else (layer.scale,)
    if isinstance(layer, Normalise):
        # Beside the mean of the squares or beside their sum.
        known = _of_one_digit(layer.epsilon) or _of_one_digit(layer.epsilon * layer.elements.shape[1])
        return () if known else (layer.epsilon,)
    return ()


def _of_one_digit(number: float) -> bool:
    """Whether it is written with one digit, such as 1e-5: the ε of every library is."""
    return number == 0.0 or math.isclose(float(f"{number:.0e}"), number, rel_tol=2e-6)


def _unusual(number: float) -> bool:
    return all(np.float32(number) != np.float32(known) for known in (*CUSTOMARY, QUICK_GELU))


def selection_prices(graph: Graph) -> dict[str, float]:
    """The price of every list of what is read."""
    picked = graph.selections
    names = [f"selection of {selection}" for selection in picked]
    return {name: math.fsum(s.nats for s, n in zip(picked, names, strict=True) if n == name) for name in names}
