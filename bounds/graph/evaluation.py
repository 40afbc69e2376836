"""Run a graph in float64 NumPy: the check of every read, and the energies of hidden layers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Input, Layer, Linear, MaxPool, elements_read
from sparsebounds.bounds.graph.terms import Diagonal, Dot, Pool, Term, window_rows


def evaluate(graph: Graph, x: np.ndarray) -> np.ndarray:
    """The scores that the graph computes, in float64.

    Args:
        graph: a network read by :func:`bounds.read_graph`.
        x: (B, *input shape) inputs.

    Returns:
        (B, C) scores, equal to f(x) up to rounding.

    Raises:
        ValueError: the inputs have another shape than the graph's.

    Example:
        >>> import jax.numpy as jnp, numpy as np
        >>> from sparsebounds import bounds
        >>> graph = bounds.read_graph(lambda x: x @ jnp.array([[1.0, 0.0], [0.0, 2.0]]), np.ones((2, 2)))
        >>> bounds.evaluate(graph, np.ones((1, 2))).tolist()
        [[1.0, 2.0]]
    """
    last = np.zeros((len(x), 0))
    for _, values in _layer_values(graph, x):
        last = values
    return last


def activations(graph: Graph, x: np.ndarray) -> list[np.ndarray]:
    """The values of every layer: one float64 (B, positions, channels) array per layer of the graph."""
    shapes = [(layer.positions, layer.channels) for layer in graph.layers]
    return [values.reshape(len(x), *shapes[i]) for i, values in _layer_values(graph, x)]


def _layer_values(graph: Graph, x: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (layer index, (B, size) values); values are dropped once nobody reads them any more."""
    x = np.asarray(x, dtype=np.float64)
    if x.shape[1:] != graph.input.shape:
        raise ValueError(f"inputs of shape {x.shape[1:]}; the graph was read from inputs of shape {graph.input.shape}")
    last_use = {s: i for i in range(len(graph.layers)) for s in graph.sources(i)}
    memory = _Memory(graph)
    for i, layer in enumerate(graph.layers):
        values = x.reshape(len(x), -1) if isinstance(layer, Input) else _compute(layer, memory)
        memory.store(i, values)
        yield i, values
        memory.drop([s for s, user in last_use.items() if user == i])


class _Memory:
    """Values of the layers computed so far; each carries a zero column at its end, which ABSENT (-1) indexes."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.values: dict[int, np.ndarray] = {}

    def store(self, index: int, values: np.ndarray) -> None:
        self.values[index] = np.concatenate([values, np.zeros((len(values), 1))], axis=1)

    def drop(self, indices: list[int]) -> None:
        for i in indices:
            self.values.pop(i, None)

    def read(self, elements: np.ndarray) -> np.ndarray:
        """(B, *elements.shape) values of these elements."""
        sources = self.graph.layer_of(elements) or [0]
        out: np.ndarray | None = None
        for s in sources:
            lo, hi = self.graph.offsets[s], self.graph.offsets[s + 1]
            inside = (elements >= lo) & (elements < hi)
            taken = self.values[s][:, np.where(inside, elements - lo, -1)]
            out = taken if out is None else out + taken
        assert out is not None
        return out


def _compute(layer: Layer, memory: _Memory) -> np.ndarray:
    if isinstance(layer, MaxPool):
        return _max_pool(layer, memory)
    assert isinstance(layer, Linear)
    total = np.sum([_term(term, memory) for term in layer.terms], axis=0)
    if layer.bias is not None:
        total = total + layer.bias
    return np.maximum(total, layer.slope * total) if layer.activated else total


def _dot(term: Dot, memory: _Memory) -> np.ndarray:
    b_count, f_count, _ = term.taps.shape
    n = term.weight.shape[2]
    if f_count == 1 and term.taps.sites.shape[1] == 1 and b_count > 1:  # unshared: all rows at once
        values = memory.read(term.taps.source[:, term.taps.sites[0, 0]])
        out = np.einsum("xbk,bkn->xbn", values, term.weight)[:, :, None]
    else:
        batch = next(iter(memory.values.values())).shape[0]
        out = np.empty((batch, b_count, f_count, n))
        for b in range(b_count):
            source = memory.read(term.taps.source[b])
            for start in range(0, f_count, term.taps.step):
                rows = window_rows(source, term.taps, b, start, start + term.taps.step)
                out[:, b, start : start + term.taps.step] = rows.reshape(*rows.shape[:2], -1) @ term.weight[b]
    flat = out.reshape(len(out), -1)
    if term.order is None:
        return flat
    placed = np.empty_like(flat)
    placed[:, term.order] = flat
    return placed


def _pool(term: Pool, memory: _Memory) -> np.ndarray:
    values = memory.read(term.taps.source[0])
    step = term.taps.step
    sums = [
        window_rows(values, term.taps, 0, start, start + step).sum(axis=2)
        for start in range(0, len(term.taps.sites), step)
    ]
    return (np.concatenate(sums, axis=1) * term.coefficient).reshape(len(values), -1)


def _diagonal(term: Diagonal, memory: _Memory) -> np.ndarray:
    values = memory.read(term.elements)
    return values if term.scale is None else values * term.scale


def _term(term: Term, memory: _Memory) -> np.ndarray:
    if isinstance(term, Dot):
        return _dot(term, memory)
    return _pool(term, memory) if isinstance(term, Pool) else _diagonal(term, memory)


def _max_pool(layer: MaxPool, memory: _Memory) -> np.ndarray:
    (source,) = elements_read(layer)
    values = memory.read(source[0])
    values[:, source[0] < 0] = -np.inf
    step = layer.taps.step
    maxima = [
        window_rows(values, layer.taps, 0, start, start + step, fill=-np.inf).max(axis=2)
        for start in range(0, len(layer.taps.sites), step)
    ]
    return np.concatenate(maxima, axis=1).reshape(len(values), -1)
