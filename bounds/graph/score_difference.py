"""Networks of two classes as networks of one output: what tells the classes apart is the difference of their scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.head import read_head
from sparsebounds.bounds.graph.layers import Linear, label
from sparsebounds.bounds.graph.memory import per_graph
from sparsebounds.bounds.graph.taps import Taps
from sparsebounds.bounds.graph.terms import Dot

Numbers = Float64[np.ndarray, "*shape"]
TRACE = float(np.finfo(np.float32).tiny)
"""What is left of a weight that both rows have, where weights are counted: no norm feels it."""


@per_graph
def score_difference(graph: Graph, mask_fixed: bool = False) -> Graph:
    """The network with the one output d = f_1 − f_0 in place of two scores; margins are −d and d.

    Where the scores are rows of dense maps, d has the difference of the two rows; otherwise (two pooled channels, two
    values of an activation) it has one row over all that the last layer reads: (−1, 1) where the scores are two
    elements below, of ℓ2 norm √2 and ℓ1 norm 2.

    Args:
        graph: two scores, the last layer without activation.
        mask_fixed: whether zeros of this graph will be taken as fixed in advance, as those of the scores are. Then a
            weight or bias that both rows have and that cancels is no zero, but `TRACE`: that two are equal was not
            fixed.

    Returns:
        A graph of one class: for norms, not for margins.

    Raises:
        ValueError: another number of classes, or a last layer with an activation (`read_graph` makes none).

    Example:
        >>> from sparsebounds.bounds import read_graph
        >>> f = lambda x: x @ np.array([[1.0, 0.0], [2.0, 5.0]], np.float32) + np.array([0.0, 1.0], np.float32)
        >>> d = score_difference(read_graph(f, np.ones((1, 2), np.float32)))
        >>> d.classes, d.layers[-1].terms[0].weight[0].tolist(), d.layers[-1].bias.tolist()
        (1, [[-1.0], [3.0]], [1.0])
    """
    if graph.classes != 2:
        raise ValueError(f"the network has {graph.classes} scores; the difference of two is needed")
    last = graph.linear(-1)
    if last.activated:
        raise ValueError(f"the last layer, {label(last)}, has an activation; needed a linear one above it")
    dense = len(last.dots) == len(last.terms) and all(dot.dense for dot in last.dots)
    trace = TRACE if mask_fixed else 0.0
    terms = tuple(_row(dot, trace) for dot in last.dots) if dense else (_whole_row(graph, trace),)
    bias = None if last.bias is None else _minus(last.bias[:1], last.bias[1:], trace)
    top = Linear(1, 1, terms, bias, name=last.name, where=last.where)
    return replace(graph, layers=(*graph.layers[:-1], top))


def _row(dot: Dot, trace: float) -> Dot:
    first, second = np.argsort(dot.places)
    return Dot(dot.taps, _minus(dot.weight[:, :, first, None], dot.weight[:, :, second, None], trace))


def _whole_row(graph: Graph, trace: float) -> Dot:
    head = read_head(graph)
    return Dot(Taps.spelled(head.elements[None, None]), _minus(head.weights[0], head.weights[1], trace)[None, :, None])


def _minus(first: Numbers, second: Numbers, trace: float) -> Numbers:
    """second − first, not 0 where both are the same number other than 0."""
    return np.where((first == second) & (first != 0), trace, second.astype(np.float64) - first.astype(np.float64))
