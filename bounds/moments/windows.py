"""Max pooling: which nodes each window compares, and whether they share their linear map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, Int32, Num

from sparsebounds.bounds.graph.elements import ABSENT
from sparsebounds.bounds.graph.graph import Graph


@dataclass(frozen=True)
class Window:
    """A layer of maxima, element by element and, where the windows allow it, node by node."""

    elements: Int32[np.ndarray, "size T"]
    """The elements that each element of the layer compares, ABSENT left out."""
    source: int | None
    """The linear layer below whose shared map may be peeled together with the maximum; None where there is none."""
    nodes: Int32[np.ndarray, "nodes U"]
    """With a source, the node that each node of the layer sees at t, within the source layer."""

    @property
    def sizes(self) -> Int[np.ndarray, " size"]:
        """k: elements in each window, (size,)."""
        return np.asarray((self.elements >= 0).sum(axis=1))

    @property
    def node_sizes(self) -> Int[np.ndarray, " nodes"]:
        """k per node; with a source."""
        return np.asarray((self.nodes >= 0).sum(axis=1))


def read_window(graph: Graph, index: int) -> Window:
    """The windows of a max pool, and the linear layer below it if all of a window share its weights and bias."""
    elements = graph.max_pool(index).elements
    nodes = _shared_source(graph, index, elements)
    if nodes is None:
        return Window(elements, None, np.zeros((0, 0), dtype=np.int32))
    return Window(elements, graph.sources(index)[0], nodes)


def _shared_source(
    graph: Graph, index: int, elements: Int32[np.ndarray, "size T"]
) -> Int32[np.ndarray, "nodes T"] | None:
    """The node seen at each t, or None where the elements of some window do not share weights, bias and node."""
    below = graph.sources(index)
    if len(below) != 1:
        return None
    layer = graph.layers[below[0]]
    dot = layer.single_dot
    if dot is None:
        return None
    b_count, f_count, n = dot.shape
    weights = np.tile(np.arange(b_count * n).reshape(b_count, 1, n), (1, f_count, 1))
    kind = dot.placed(weights)  # which weights each element of the layer has
    there = elements >= 0
    local = np.where(there, elements - int(graph.offsets[below[0]]), 0)
    if not _constant(kind[local], there) or (layer.bias is not None and not _constant(layer.bias[local], there)):
        return None
    return _one_node_each(graph, index, np.where(there, graph.local_nodes(below[0])[local], ABSENT))


def _constant(values: Num[np.ndarray, "size T"], there: Bool[np.ndarray, "size T"]) -> bool:
    """Whether every row has one value where it is there."""
    low = np.where(there, values, values.max(initial=0)).min(axis=1)
    high = np.where(there, values, values.min(initial=0)).max(axis=1)
    return bool((low >= high).all())


def _one_node_each(graph: Graph, index: int, seen: Int[np.ndarray, "size T"]) -> Int32[np.ndarray, "nodes T"] | None:
    """(elements, T) → (nodes, T), if all elements of a node see the same nodes."""
    local = graph.local_nodes(index)
    first = np.unique(local, return_index=True)[1]
    nodes = seen[first]
    return nodes.astype(np.int32) if np.array_equal(nodes[local], seen) else None
