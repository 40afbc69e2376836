"""The networks that classes fixed in advance are about: chains of learned linear maps with activations."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.bound import NotCovered
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.head import read_head
from sparsebounds.bounds.graph.layers import label
from sparsebounds.bounds.moments.constants import P_GRID, contraction, khintchine
from sparsebounds.bounds.moments.margin_forms import MarginForm


def chain_moment(graph: Graph) -> float:
    """The p that makes B s^n smallest, for the n activations of a chain; 2 without any."""
    slopes = np.array([graph.layers[i].slope for i in hidden_layers(graph)])
    factors = [float(khintchine(p) * np.prod(contraction(p, slopes))) for p in P_GRID]
    return P_GRID[int(np.argmin(factors))]


def hidden_layers(graph: Graph) -> list[int]:
    """The layers between the input and the scores; each must be one learned map of the layer before it.

    Raises:
        NotCovered: another structure.
    """
    for index, layer in graph.computed():
        if layer.single_dot is None or graph.sources(index) != [index - 1]:
            raise NotCovered(f"{label(layer)} is not one learned linear map of the layer before it")
        if not 0.0 <= layer.slope <= 1.0:
            raise NotCovered(f"{label(layer)} has slope {layer.slope}; a slope between 0 and 1 is needed")
    if len(graph.layers) < 2 or graph.layers[-1].activated:
        raise NotCovered("the last layer is not linear")
    return list(range(1, len(graph.layers) - 1))


def head_rows(form: MarginForm, graph: Graph) -> Float64[np.ndarray, "R M"]:
    """Rows of the margin form in the weights of the last layer, the bias last, 0 where there is none: (R, K + 1)."""
    head = read_head(graph)
    bias = np.zeros(graph.classes) if head.bias is None else head.bias
    return np.asarray(form.rows @ np.concatenate([head.weights, bias[:, None]], axis=1))
