"""Which elements form one node: the graph's own partition, or whole layers; every score is a node of its own."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64, Int32, Int64

from sparsebounds.bounds.graph.blocks import Blocks, LayerNodes
from sparsebounds.bounds.graph.elements import ABSENT
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.memory import per_graph
from sparsebounds.bounds.graph.terms import Term


@dataclass(frozen=True)
class Nodes:
    """The nodes of the node pass, layer by layer."""

    graph: Graph
    whole: frozenset[int] = frozenset()
    """Layers of which each is one node, whatever the graph's partition."""

    def local(self, index: int) -> Int32[np.ndarray, " size"]:
        """Node number within the layer, for every element of layer `index`."""
        size = self.graph.layers[index].size
        if index == len(self.graph.layers) - 1:
            return np.arange(size, dtype=np.int32)
        return np.zeros(size, dtype=np.int32) if index in self.whole else self.graph.local_nodes(index)

    @property
    def counts(self) -> tuple[int, ...]:
        """Nodes of each layer."""
        return _counts(self.graph, self.whole)

    @cached_property
    def offsets(self) -> Int64[np.ndarray, " layers"]:
        """First node of each layer, and the total."""
        return np.concatenate([[0], np.cumsum(self.counts)])

    @property
    def node_of(self) -> Int32[np.ndarray, " padded"]:
        """Node of every element; the last entry, for index ABSENT, is ABSENT."""
        return _node_of(self.graph, self.whole)

    @property
    def scalar(self) -> bool:
        """Whether every element is a node of its own."""
        return self.graph.nodes == "scalar" and not self.whole

    def mine(self, index: int) -> slice:
        """Where the nodes of a layer stand among all."""
        return slice(int(self.offsets[index]), int(self.offsets[index + 1]))

    def norms(self, index: int, log_rows: Float64[np.ndarray, " size"]) -> Float64[np.ndarray, " nodes"]:
        """log √Σ over the elements of every node of exp(2 · log_rows)."""
        local, count = self.local(index), self.counts[index]
        top = np.full(count, -np.inf)
        np.maximum.at(top, local, log_rows)
        safe = np.where(top > -np.inf, top, 0.0)
        squares = np.bincount(local, weights=np.exp(2 * (log_rows - safe[local])), minlength=count)
        with np.errstate(divide="ignore"):
            return safe + 0.5 * np.log(squares)

    def rows(self, index: int, number: int) -> Blocks:
        """The blocks of one term from nodes to single elements of its layer."""
        return _row_blocks(self.graph, self.whole, index, number)

    def blocks(self, index: int, number: int, structural: bool) -> Blocks:
        """The blocks of one term from nodes to nodes; `structural`: a fixed map with all that it may show."""
        may_show = structural and not self.graph.linear(index).terms[number].learned
        return _node_blocks(self.graph, self.whole, index, number, may_show)


@per_graph
def _counts(graph: Graph, whole: frozenset[int]) -> tuple[int, ...]:
    nodes = Nodes(graph, whole)
    return tuple(int(nodes.local(i).max()) + 1 for i in range(len(graph.layers)))


@per_graph
def _node_of(graph: Graph, whole: frozenset[int]) -> Int32[np.ndarray, " padded"]:
    nodes = Nodes(graph, whole)
    found = np.full(int(graph.offsets[-1]) + 1, ABSENT, dtype=np.int32)
    for i, (first, end) in enumerate(itertools.pairwise(graph.offsets)):
        np.add(nodes.local(i), np.int32(nodes.offsets[i]), out=found[first:end])
    return found


@per_graph
def _row_blocks(graph: Graph, whole: frozenset[int], index: int, number: int) -> Blocks:
    nodes, layer = Nodes(graph, whole), graph.linear(index)
    each = np.arange(layer.size, dtype=np.int32)
    return layer.terms[number].blocks(LayerNodes(each, nodes.node_of, layer.channels, nodes.scalar))


@per_graph
def _node_blocks(graph: Graph, whole: frozenset[int], index: int, number: int, may_show: bool) -> Blocks:
    nodes, layer = Nodes(graph, whole), graph.linear(index)
    term: Term = layer.terms[number]
    if may_show:
        term = term.with_strengths(np.ones_like(term.strengths))
    return term.blocks(LayerNodes(nodes.local(index), nodes.node_of, layer.channels, nodes.scalar))
