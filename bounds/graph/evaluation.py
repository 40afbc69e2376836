"""Run a graph in float64 NumPy: the check of every read, and the energies of hidden layers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float64, Int, Shaped

from sparsebounds.bounds.graph.graph import Graph

TOGETHER = 1 << 22
"""Values of the largest layer that are in memory at a time, unless one input has more."""


def evaluate(graph: Graph, x: Shaped[np.ndarray, "B ..."]) -> Float64[np.ndarray, "B C"]:
    """The scores that the graph computes, in float64.

    Args:
        graph: a network read by :func:`bounds.read_graph`.
        x: (B, *input shape) inputs.

    Returns:
        (B, C) scores, equal to f(x) up to rounding.

    Raises:
        ValueError: the inputs have another shape than the graph's, or are tokens outside its vocabulary.

    Example:
        >>> import jax.numpy as jnp, numpy as np
        >>> from sparsebounds import bounds
        >>> graph = bounds.read_graph(lambda x: x @ jnp.array([[1.0, 0.0], [0.0, 2.0]]), np.ones((2, 2)))
        >>> bounds.evaluate(graph, np.ones((1, 2))).tolist()
        [[1.0, 2.0]]
    """
    x, together = np.asarray(x), max(1, TOGETHER // max(layer.size for layer in graph.layers))
    if len(x) > together:
        return np.concatenate([evaluate(graph, x[s : s + together]) for s in range(0, len(x), together)])
    last = np.zeros((len(x), 0))
    for _, values in _layer_values(graph, x):
        last = values
    return last


def activations(graph: Graph, x: Shaped[np.ndarray, "B ..."]) -> list[Float64[np.ndarray, "B _positions _channels"]]:
    """The values of every layer: one float64 (B, positions, channels) array per layer of the graph."""
    shapes = [(layer.positions, layer.channels) for layer in graph.layers]
    return [values.reshape(len(x), *shapes[i]) for i, values in _layer_values(graph, x)]


def _layer_values(graph: Graph, x: Shaped[np.ndarray, "B ..."]) -> Iterator[tuple[int, Float64[np.ndarray, "B size"]]]:
    """Yield (layer index, (B, size) values); values are dropped once nobody reads them any more."""
    values = graph.input.values(np.asarray(x))
    last_use = {s: i for i in range(len(graph.layers)) for s in graph.sources(i)}
    known = _Values(graph)
    known.store(0, values)
    yield 0, values
    for i, layer in graph.computed():
        values = layer.evaluate(known.read)
        known.store(i, values)
        yield i, values
        known.drop([s for s, user in last_use.items() if user == i])


class _Values:
    """Values of the layers computed so far; each carries a zero column at its end, which ABSENT (-1) indexes."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.values: dict[int, np.ndarray] = {}

    def store(self, index: int, values: Float64[np.ndarray, "B size"]) -> None:
        self.values[index] = np.concatenate([values, np.zeros((len(values), 1))], axis=1)

    def drop(self, indices: list[int]) -> None:
        for i in indices:
            self.values.pop(i, None)

    def read(self, elements: Int[np.ndarray, "*shape"]) -> Float64[np.ndarray, " B *shape"]:
        """(B, *elements.shape) values of these elements."""
        sources, offsets = self.graph.layer_of(elements) or [0], self.graph.offsets
        if len(sources) == 1:
            return self.values[sources[0]][:, np.where(elements >= 0, elements - offsets[sources[0]], -1)]
        out = np.zeros((len(self.values[sources[0]]), *elements.shape))
        for source in sources:  # a layer of a DenseNet reads many: each element is looked up once
            inside = (elements >= offsets[source]) & (elements < offsets[source + 1])
            out[:, inside] = self.values[source][:, elements[inside] - offsets[source]]
        return out
