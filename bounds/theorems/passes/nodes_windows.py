"""Max pooling below the node pass: which windows share the linear map under them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int, Int64, Num

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Linear
from sparsebounds.bounds.graph.memory import per_graph
from sparsebounds.bounds.theorems.passes.nodes_partition import Nodes


@dataclass(frozen=True)
class Fused:
    """A max pool together with the learned map below it, which all of a window share."""

    source: int
    """The layer below, of one learned map."""
    elements: Int64[np.ndarray, "P C k"]
    """The elements of that layer, numbered within it, that each channel at each position compares; −1 for none."""
    rows: Int64[np.ndarray, "P k"]
    """Their rows (b, f) of the map, flattened; −1 for none."""
    outputs: Int64[np.ndarray, "P C"]
    """The output m of a row that is compared."""

    @property
    def sizes(self) -> Int[np.ndarray, " P"]:
        """k: what each window compares."""
        return np.asarray((self.rows >= 0).sum(axis=1))

    def largest(self, values: Float64[np.ndarray, " size"]) -> Float64[np.ndarray, "P C"]:
        """The largest of one number per element of the layer below, over each window."""
        return np.append(values, -np.inf)[self.elements].max(axis=2)

    def alike(self, values: Num[np.ndarray, " size"]) -> bool:
        """Whether no window meets two different numbers."""
        low, high = np.append(values, np.inf)[self.elements], np.append(values, -np.inf)[self.elements]
        return bool((low.min(axis=2) >= high.max(axis=2)).all())


def read_fused(nodes: Nodes, index: int) -> Fused | None:
    """The map under max pool `index`, if it reads one layer of one learned map, and each window one set of its weights.

    Where the layer below is no single node, its rows must also read their nodes in one order.
    """
    return _fused(nodes.graph, nodes.whole, index)


@per_graph
def _fused(graph: Graph, whole: frozenset[int], index: int) -> Fused | None:
    nodes, sources = Nodes(graph, whole), graph.sources(index)
    if len(sources) != 1:
        return None
    below = graph.layers[sources[0]]
    if not isinstance(below, Linear) or below.single_dot is None:
        return None
    b_count, f_count, n = below.single_dot.shape
    out = below.single_dot.placed(np.arange(b_count * f_count * n).reshape(b_count, f_count, n))
    if not whole.issuperset(graph.sources(sources[0])):
        blocks = nodes.rows(sources[0], 0)
        if blocks.taps.shape[:2] != (b_count, f_count) or len(blocks.norms2) != b_count:
            return None  # rows that read nodes in patterns of their own
        n = blocks.out.shape[2]
        out = np.empty(below.size, dtype=np.int64)
        out[blocks.out.ravel()] = np.arange(blocks.out.size)
    return _windows(graph, index, sources[0], out, f_count, n)


def _windows(
    graph: Graph, index: int, source: int, out: Int64[np.ndarray, " size"], f_count: int, n: int
) -> Fused | None:
    """`out`: (b, f, m) of every element of the layer below, flattened."""
    layer = graph.max_pool(index)
    elements = layer.elements.astype(np.int64)
    there = elements >= 0
    seen = np.where(there, elements - int(graph.offsets[source]), -1)
    row, weights = out[seen] // n, (out[seen] // (f_count * n)) * n + out[seen] % n
    first = there.argmax(axis=1)[:, None]
    same = np.take_along_axis(weights, first, axis=1)
    if not ((weights == same) | ~there).all():
        return None
    shape = (layer.positions, layer.channels, elements.shape[1])
    rows = np.where(there, row, -1).reshape(shape)
    if not (rows == rows[:, :1]).all():
        return None  # channels that compare different places
    return Fused(source, seen.reshape(shape), rows[:, 0], same.reshape(shape[:2]) % n)
