"""Explicit predecessor lists: which nodes of the layer below each node reads."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Edges:
    """The edges into one layer, as `sources[offsets[j]:offsets[j+1]]` = predecessors of node j.

    Args:
        offsets: int64 (nodes + 1,), starting at 0, never falling.
        sources: int64 (edges,), nodes of the layer below.
    """

    offsets: Indices
    sources: Indices

    @classmethod
    def from_lists(cls, pred: Iterable[Sequence[int]]) -> "Edges":
        """Edges from one list of predecessors per node."""
        lists = [np.asarray(row, np.int64).reshape(-1) for row in pred]
        offsets = np.cumsum([0] + [len(row) for row in lists], dtype=np.int64)
        return cls(offsets, np.concatenate(lists) if lists else np.zeros(0, np.int64))

    @classmethod
    def regular(cls, pred: Indices) -> "Edges":
        """Edges where every node has as many predecessors: the rows of `pred`, (nodes, degree)."""
        nodes, degree = pred.shape
        return cls(np.arange(nodes + 1, dtype=np.int64) * degree, np.ascontiguousarray(pred, np.int64).reshape(-1))

    @property
    def nodes(self) -> int:
        """Number of nodes the edges lead to."""
        return len(self.offsets) - 1

    @property
    def degrees(self) -> Indices:
        """|pred(j)| of every node j."""
        return np.diff(self.offsets)

    def __getitem__(self, node: int) -> Indices:
        if not -self.nodes <= node < self.nodes:
            raise IndexError(f"node {node} of a layer of {self.nodes}")
        node %= self.nodes
        return self.sources[self.offsets[node] : self.offsets[node + 1]]

    def __len__(self) -> int:
        return self.nodes

    def __iter__(self) -> Iterator[Indices]:
        return (self[node] for node in range(self.nodes))


@dataclass(frozen=True, eq=False)
class Connectivity:
    """A layered graph: node j of layer l reads the nodes `pred[l][j]` of the layer below.

    Layer 0 reads the input.

    Args:
        inputs: number of input nodes.
        pred: one `Edges` per layer, first to last.

    Raises:
        ValueError: a node that reads nothing, reads a node twice, or reads one that does not exist.

    Example:
        >>> graph = Connectivity.from_lists(3, [[[0, 1], [1, 2]], [[0, 1]]])
        >>> graph.sizes, graph.edges, graph.pred[0][1].tolist()
        ((3, 2, 1), 6, [1, 2])
    """

    inputs: int
    pred: tuple[Edges, ...]

    def __post_init__(self) -> None:
        if self.inputs < 1 or not self.pred:
            raise ValueError(f"{self.inputs} inputs and {len(self.pred)} layers; need at least one of each")
        below = self.inputs
        for layer, edges in enumerate(self.pred):
            _check(layer, edges, below)
            below = edges.nodes

    @classmethod
    def from_lists(cls, inputs: int, pred: Iterable[Iterable[Sequence[int]]]) -> "Connectivity":
        """A graph from nested lists `pred[l][j] = [i, …]`."""
        return cls(inputs, tuple(Edges.from_lists(layer) for layer in pred))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of nodes of the input and of every layer."""
        return (self.inputs, *(edges.nodes for edges in self.pred))

    @property
    def edges(self) -> int:
        """Number of edges of all layers."""
        return sum(len(edges.sources) for edges in self.pred)


def _check(layer: int, edges: Edges, below: int) -> None:
    """Raise a ValueError that names the first node of this layer with impossible predecessors."""
    degrees, sources = edges.degrees, edges.sources
    if not edges.nodes:
        raise ValueError(f"layer {layer} has no nodes; leave the layer out or list its nodes")
    if edges.offsets[0] or edges.offsets[-1] != len(sources) or (degrees < 0).any():
        raise ValueError(f"layer {layer}: offsets do not cut {len(sources)} sources into lists; use Edges.from_lists")
    if (empty := np.flatnonzero(degrees == 0)).size:
        raise ValueError(f"layer {layer}, node {empty[0]} reads no node; give it a predecessor or drop it")
    owner = np.repeat(np.arange(edges.nodes), degrees)
    if (outside := np.flatnonzero((sources < 0) | (sources >= below))).size:
        at = outside[0]
        raise ValueError(f"layer {layer}, node {owner[at]} reads node {sources[at]} of a layer of {below}; "
                         f"need 0 to {below - 1}")  # fmt: skip
    order = np.lexsort((sources, owner))
    twice = np.flatnonzero((np.diff(owner[order]) == 0) & (np.diff(sources[order]) == 0))
    if twice.size:
        at = order[twice[0]]
        raise ValueError(f"layer {layer}, node {owner[at]} reads node {sources[at]} twice; list each once")
