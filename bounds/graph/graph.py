"""A network as a bound sees it: layers in topological order, and which of their elements form one node."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from html import escape
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int, Int32, Int64, Num

from sparsebounds.bounds.graph.blocks import Blocks, JoinedBlocks, LayerNodes
from sparsebounds.bounds.graph.elements import ABSENT, owners
from sparsebounds.bounds.graph.frozen import frozen
from sparsebounds.bounds.graph.layers import Computed, Input, Layer, Linear, MaxPool, label
from sparsebounds.bounds.graph.memory import Memory, per_graph, per_network
from sparsebounds.bounds.graph.selections import Selection, Wiring
from sparsebounds.bounds.graph.summary import parameters, summarised
from sparsebounds.bounds.graph.terms import Dot, Term
from sparsebounds.bounds.plain import plain

L = TypeVar("L", Input, Linear, MaxPool)
Partition = Literal["position", "group", "scalar"]
PARTITIONS: tuple[Partition, ...] = ("position", "group", "scalar")


@dataclass(frozen=True, eq=False)
class Graph:
    """A network as a bound sees it: layers in topological order, and the partition of their elements into nodes.

    `layers[0]` is the input, `layers[-1]` the scores (one position, one channel per class). Made by
    :func:`bounds.read_graph`; the arrays are shared between partitions, and no weight changes after reading: they are
    unwritable. Another network is another graph (`pruned`, `quantise`, or read anew).
    """

    layers: tuple[Layer, ...]
    nodes: Partition = "position"
    group_size: int = 8
    selections: tuple[Selection | Wiring, ...] = ()
    """What the network picks by lists that may have been chosen by the data; to be paid for."""
    ends: tuple[str, ...] = ()
    """What the network ends in above the scores of this graph, such as ("softmax",): taken off."""
    rounding: float = 0.0
    """How far the scores of a network in low precision are from this graph's, relative to the largest; measured."""
    memory: Memory = field(default_factory=Memory, init=False, repr=False)
    """What `per_graph` keeps; every other graph, a partition too, has one of its own."""
    shared: Memory = field(default_factory=Memory, init=False, repr=False)
    """What `per_network` keeps; all partitions of a network have one."""

    def __post_init__(self) -> None:
        frozen(self.layers)

    @cached_property
    def offsets(self) -> Int64[np.ndarray, " layers"]:
        """First element number of each layer, and the total: int64 (layers + 1,)."""
        return frozen(np.concatenate([[0], np.cumsum([layer.size for layer in self.layers])]))

    @property
    def classes(self) -> int:
        return self.layers[-1].size

    @property
    def input(self) -> Input:
        return self._of_kind(0, Input)

    def linear(self, index: int) -> Linear:
        """Layer `index`, which must be linear; ValueError otherwise."""
        return self._of_kind(index, Linear)

    def max_pool(self, index: int) -> MaxPool:
        """Layer `index`, which must be a max pool; ValueError otherwise."""
        return self._of_kind(index, MaxPool)

    def dot(self, index: int) -> Dot:
        """The learned map of a layer that has no other term; ValueError otherwise."""
        dot = self.layers[index].single_dot
        if dot is None:
            raise ValueError(f"layer {index} is {self.layers[index].kind}; needed a layer of one learned map")
        return dot

    def _of_kind(self, index: int, kind: type[L]) -> L:
        layer = self.layers[index]
        if not isinstance(layer, kind):
            needed = {Input: "the input", Linear: "a linear layer", MaxPool: "a max pool"}[kind]
            raise ValueError(f"layer {index} is a {type(layer).__name__}; needed {needed}")
        return layer

    def linear_layers(self) -> Iterator[tuple[int, Linear]]:
        """Index and layer of all linear layers."""
        return ((i, layer) for i, layer in enumerate(self.layers) if isinstance(layer, Linear))

    def computed(self) -> Iterator[tuple[int, Computed]]:
        """Index and layer of all layers above the input."""
        return ((i, layer) for i, layer in enumerate(self.layers) if not isinstance(layer, Input))

    def outside(self, roles: Collection[str]) -> str:
        """The first layer of another role than these, and what it is, for a message; empty where there is none."""
        strange = next((layer for layer in self.layers if layer.role not in roles), None)
        if strange is None:
            return ""
        where = (
            f" at {strange.where.rpartition('/')[2]}" if strange.where and strange.where not in label(strange) else ""
        )
        return f"{label(strange)} is {strange.kind}{where}, which this theorem does not cover"

    def partition(self, nodes: Partition, group_size: int | None = None) -> Graph:
        """The same network with other nodes."""
        check_partition(nodes)
        size = self.group_size if group_size is None else group_size
        if size < 1:
            raise ValueError(f"group_size={size}; needed at least one channel per group")
        if (nodes, size) == (self.nodes, self.group_size):
            return self
        return self._partitioned(nodes, size)

    @per_graph
    def _partitioned(self, nodes: Partition, group_size: int) -> Graph:
        return self.apart(nodes, group_size)

    def apart(self, nodes: Partition, group_size: int | None = None) -> Graph:
        """As `partition`, made anew: what is computed of these nodes goes with it. Blocks of all scalars are large."""
        found = replace(self, nodes=nodes, group_size=self.group_size if group_size is None else group_size)
        object.__setattr__(found, "shared", self.shared)
        return found

    def layer_of(self, elements: Int[np.ndarray, " ..."]) -> list[int]:
        """Indices of the layers that these elements belong to, ascending; ABSENT belongs to none."""
        return owners(elements, self.offsets)

    @per_network
    def sources(self, index: int) -> list[int]:
        """Indices of the layers that layer `index` reads."""
        return sorted({s for e in self.layers[index].elements_read for s in self.layer_of(e)})

    @per_graph
    def local_nodes(self, index: int) -> Int32[np.ndarray, " size"]:
        """Node number within the layer, for every element of layer `index`: int32 (size,), unwritable."""
        layer = self.layers[index]
        element = np.arange(layer.size, dtype=np.int32)
        if self.nodes == "scalar":
            return element
        if layer.node is not None:
            return layer.node
        if self.nodes == "position":
            return element // layer.channels
        width = layer.channels // layer.groups if layer.groups > 1 else self.group_size
        per_position = -(-layer.channels // width)
        return (element // layer.channels) * per_position + (element % layer.channels) // width

    @cached_property
    def node_counts(self) -> tuple[int, ...]:
        """d_l: the number of nodes of each layer."""
        return tuple(int(self.local_nodes(i).max()) + 1 for i in range(len(self.layers)))

    @cached_property
    def node_offsets(self) -> Int64[np.ndarray, " layers"]:
        """First global node number of each layer, and the total."""
        return frozen(np.concatenate([[0], np.cumsum(self.node_counts)]))

    @cached_property
    def node_of(self) -> Int32[np.ndarray, " padded"]:
        """Global node number of every element; the last entry, for index ABSENT, is ABSENT: int32 (elements + 1,)."""
        parts = [self.local_nodes(i) + np.int32(self.node_offsets[i]) for i in range(len(self.layers))]
        return frozen(np.concatenate([*parts, [ABSENT]]).astype(np.int32))

    def node_sums(self, index: int, values: Num[np.ndarray, " ..."]) -> Float64[np.ndarray, " nodes"]:
        """Sum a number per element of layer `index` over each of its nodes: float64 (nodes,)."""
        return np.bincount(self.local_nodes(index), weights=np.ravel(values), minlength=self.node_counts[index])

    def term_blocks(self, index: int, term: Term, local: Int32[np.ndarray, " size"] | None = None) -> Blocks:
        """The blocks of one term of layer `index`. Fixed terms (pooling, skips) get their pattern: norm 1 per non-zero.

        `local` gives the elements of the layer other nodes than the graph's, numbered within the layer.
        """
        local = self.local_nodes(index) if local is None else local
        return term.blocks(LayerNodes(local, self.node_of, self.layers[index].channels, self.nodes == "scalar"))

    @per_graph
    def blocks(self, index: int, number: int = 0) -> Blocks:
        """The blocks of one term of a linear layer, computed once."""
        return self.term_blocks(index, self.linear(index).terms[number])

    def layer_blocks(self, index: int) -> Blocks | JoinedBlocks:
        """The blocks of a layer; with several terms only their joint pattern is known."""
        parts = tuple(self.blocks(index, number) for number in range(len(self.linear(index).terms)))
        return parts[0] if len(parts) == 1 else JoinedBlocks(parts)

    def pred_counts(self) -> dict[int, Int64[np.ndarray, " _nodes"]]:
        """|pred(j)| for every node of every linear layer; padding and zero blocks do not count, nor does a bias."""
        return {i: self.layer_blocks(i).counts() for i, _ in self.linear_layers()}

    def to_dict(self) -> dict[str, Any]:
        """Layers, wiring and weights as JSON takes them: for looking at, and for other programs."""
        found: dict[str, Any] = plain(self)
        kinds = ({"kind": layer.kind} for layer in self.layers)
        layers = [kind | shown for kind, shown in zip(kinds, found["layers"], strict=True)]
        return {name: value for name, value in found.items() if name != "type"} | {"layers": layers}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by its fields; the arrays are unwritable again, and what was computed of them is computed anew."""
        return type(self), tuple(getattr(self, f.name) for f in fields(self) if f.init)

    def __deepcopy__(self, memo: object) -> Graph:
        """Nothing in it changes: a copy shares the arrays, as partitions do."""
        return replace(self)

    def describe(self) -> str:
        """One line per layer: kind, name, positions × channels, nodes."""
        lines = []
        for i, layer in enumerate(self.layers):
            parts = [type(part).__name__ for part in layer.terms or (layer,)]
            kind = "+".join(parts) + ("+ReLU" if layer.activated else "")
            sizes = f"{layer.positions}×{layer.channels}, {self.node_counts[i]} nodes"
            lines.append(f"{i:3d}  {kind:<20} {layer.name:<24} {sizes}")
        lines += [f"     {name} above the scores, taken off" for name in reversed(self.ends)]
        return "\n".join(lines)

    def summary(self) -> pd.DataFrame:
        """A row per layer: name, kind, positions × channels, nodes, |pred| (least–most over nodes), parameters.

        Example:
            >>> from sparsebounds.bounds.reader import read_graph
            >>> graph = read_graph(lambda x: x @ np.eye(3, dtype=np.float32), np.ones((2, 3), np.float32))
            >>> graph.summary()[["layer", "nodes", "|pred|", "parameters"]].to_numpy().tolist()
            [['input', 3, '', 0], ['dot 1', 1, '3', 9]]
        """
        counts = self.pred_counts()
        rows = [summarised(each, self.node_counts[i], counts.get(i)) for i, each in enumerate(self.layers)]
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        size = sum(map(parameters, self.layers))
        return f"<Graph: {len(self.layers)} layers, {size} parameters, {self.classes} classes, nodes={self.nodes!r}>"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self)[1:-1])}</p>{self.summary().to_html(index=False)}"


def check_partition(nodes: str) -> None:
    """Raise ValueError unless `nodes` is a partition."""
    if nodes not in PARTITIONS:
        raise ValueError(f"nodes={nodes!r}; needed one of {', '.join(map(repr, PARTITIONS))}")
