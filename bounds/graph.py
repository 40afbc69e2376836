"""What a network is to a bound: elements, layers of three kinds, and a choice of nodes.

Every coordinate that a layer computes for one input is an *element* with a global number. A layer names the
elements it reads by these numbers, so slicing, padding, transposing or gathering leave no trace in the graph:
they only permute numbers. `ABSENT` stands for a constant zero (padding, a masked coordinate). The elements of a
layer are ordered (position, channel); which of them form one *node* of the theory is the partition:

    "position"  one node per position, its vector runs over the channels
    "group"     one node per position and group of channels
    "scalar"    one node per element
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeVar

import numpy as np

T = TypeVar("T")
Partition = Literal["position", "group", "scalar"]
PARTITIONS: tuple[Partition, ...] = ("position", "group", "scalar")
ABSENT = -1
"""Element number of a constant zero."""

CHUNK = 1 << 22
"""Elements gathered at once; keeps the memory of a pass over a large layer near 32 MiB."""


@dataclass(frozen=True)
class Taps:
    """Which elements each row of a linear map reads: row (b, f) reads `source[b, sites[f, t], c]` for all t, c.

    A convolution keeps its image once (`source`: sites × channels) and a table of windows (`sites`); a dense or
    locally connected layer has one tap (T = 1) and spells its elements out.
    """

    source: np.ndarray
    """int32 (B, S, C): element numbers, ABSENT for zeros."""
    sites: np.ndarray
    """int32 (F, T): indices into S, ABSENT for a tap that falls into padding."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(B, F, K): weight sets, rows per weight set, elements per row."""
        return len(self.source), len(self.sites), self.sites.shape[1] * self.source.shape[2]

    def rows(self, b: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Element numbers read by rows (b, start:stop): int32 (rows, K)."""
        return take_rows(self.source[b], self.sites[start:stop], ABSENT)

    @property
    def step(self) -> int:
        """Rows to gather at once."""
        return max(1, CHUNK // max(1, self.shape[2]))

    @cached_property
    def repeats(self) -> int:
        """How often one row reads one element, at most."""
        sites = np.sort(self.sites, axis=1)
        site_twice = bool(((sites[:, 1:] == sites[:, :-1]) & (sites[:, 1:] >= 0)).any())
        most = 1
        for b, source in enumerate(self.source):
            present = source[source >= 0]
            if not site_twice and len(distinct(present)) == len(present):
                continue
            for start in range(0, len(self.sites), self.step):
                rows = self.rows(b, start, start + self.step).astype(np.int64)
                most = max(most, largest_count(rows, np.arange(len(rows))[:, None]))
        return most


def take_rows(values: np.ndarray, sites: np.ndarray, fill: float) -> np.ndarray:
    """`values[sites]` with `fill` where a site is ABSENT: (S, C), (F, T) → (F, T·C)."""
    taken = values[sites]
    absent = sites < 0
    if absent.any():
        taken[absent] = fill
    return taken.reshape(len(sites), -1)


@dataclass(frozen=True)
class Dot:
    """A learned linear map: convolution, dense, locally connected, explicit predecessors.

    Row (b, f) computes Σ_k z[taps(b, f)_k] · weight[b, k, :]. `order` sends its outputs (b, f, n), flattened, to the
    elements of the layer; None where they already agree.
    """

    taps: Taps
    weight: np.ndarray
    """float64 (B, K, N)."""
    order: np.ndarray | None = None


@dataclass(frozen=True)
class Pool:
    """A fixed sum over windows, channel by channel (average pooling): element (f, c) = coefficient · Σ_t z."""

    taps: Taps
    """With B = 1."""
    coefficient: np.ndarray
    """float64, broadcastable to (F, C)."""


@dataclass(frozen=True)
class Diagonal:
    """One element each: a skip connection, an elementwise scale, an activation without a linear map before it."""

    elements: np.ndarray
    """int32 (size,): the element that each element of the layer reads."""
    scale: np.ndarray | None = None
    """float64 (size,), None for ones."""


Term = Dot | Pool | Diagonal


@dataclass(frozen=True)
class Input:
    """The coordinates of one input, as the function received them."""

    shape: tuple[int, ...]
    positions: int
    channels: int
    node: np.ndarray | None = None
    """The caller's own grouping of the coordinates into nodes, for every partition but "scalar"."""
    name: str = "input"
    where: str = ""
    groups: int = 1

    @property
    def size(self) -> int:
        return self.positions * self.channels


@dataclass(frozen=True)
class Linear:
    """A sum of linear terms, a bias, then t ↦ max(t, slope·t): ReLU (0), leaky ReLU (0..1), no activation (1)."""

    positions: int
    channels: int
    terms: tuple[Term, ...]
    bias: np.ndarray | None = None
    """float64 (size,); None where the function adds no constant."""
    slope: float = 1.0
    name: str = ""
    where: str = ""
    groups: int = 1
    """Groups of a grouped convolution; they are the channel groups of partition "group"."""

    @property
    def size(self) -> int:
        return self.positions * self.channels

    @property
    def activated(self) -> bool:
        return self.slope != 1.0


@dataclass(frozen=True)
class MaxPool:
    """The maximum over windows, channel by channel: element (f, c) = max_t z[taps(f)_t,c]; ABSENT taps are left out."""

    positions: int
    channels: int
    taps: Taps
    name: str = ""
    where: str = ""
    groups: int = 1

    @property
    def size(self) -> int:
        return self.positions * self.channels


Layer = Input | Linear | MaxPool


def owners(elements: np.ndarray, offsets: np.ndarray) -> list[int]:
    """Indices of the layers that hold these elements, ascending; ABSENT belongs to none."""
    present = elements[elements >= 0]
    if not present.size:
        return []
    first, last = np.searchsorted(offsets, [present.min(), present.max()], side="right") - 1
    if first == last:
        return [int(first)]
    return np.flatnonzero(np.bincount(np.searchsorted(offsets, present, side="right") - 1)).tolist()


def distinct(elements: np.ndarray) -> np.ndarray:
    """The element numbers that occur, ascending, without ABSENT."""
    there = np.zeros(int(elements.max(initial=ABSENT)) + 2, dtype=bool)
    there[elements.ravel() + 1] = True
    return np.flatnonzero(there[1:])


def largest_count(elements: np.ndarray, group: np.ndarray) -> int:
    """How often an element occurs in one group, at most; absent ones do not count."""
    present = elements >= 0
    codes = (elements + np.broadcast_to(group, elements.shape) * (int(elements.max(initial=0)) + 1))[present]
    if codes.max(initial=0) < 8 * codes.size + 10**6:  # counting is faster than sorting, and small enough
        return int(np.bincount(codes).max(initial=1))
    return int(np.unique(codes, return_counts=True)[1].max(initial=1))


def elements_read(layer: Layer) -> list[np.ndarray]:
    """The element numbers a layer reads, one array per term (a convolution's image once, not per window)."""
    if isinstance(layer, MaxPool):
        return [layer.taps.source]
    if isinstance(layer, Linear):
        return [t.elements if isinstance(t, Diagonal) else t.taps.source for t in layer.terms]
    return []


@dataclass(frozen=True, eq=False)
class Graph:
    """A network as a bound sees it: layers in topological order, and the partition of their elements into nodes.

    `layers[0]` is the input, `layers[-1]` the scores (one position, one channel per class). Made by
    :func:`bounds.read_graph`; the arrays are shared between partitions, and no weight changes after reading.
    """

    layers: tuple[Layer, ...]
    nodes: Partition = "position"
    group_size: int = 8

    @cached_property
    def offsets(self) -> np.ndarray:
        """First element number of each layer, and the total: int64 (layers + 1,)."""
        return np.concatenate([[0], np.cumsum([layer.size for layer in self.layers])])

    @property
    def classes(self) -> int:
        return self.layers[-1].size

    @property
    def input(self) -> Input:
        first = self.layers[0]
        assert isinstance(first, Input)
        return first

    def partition(self, nodes: Partition, group_size: int | None = None) -> Graph:
        """The same network with other nodes."""
        check_partition(nodes)
        size = self.group_size if group_size is None else group_size
        if size < 1:
            raise ValueError(f"group_size={size}; needed at least one channel per group")
        if (nodes, size) == (self.nodes, self.group_size):
            return self
        return self.kept(("partition", nodes, size), lambda: replace(self, nodes=nodes, group_size=size))

    def kept(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` returns, computed at the first call and kept with the graph: several bounds ask for the same."""
        known: dict[Hashable, Any] = vars(self).setdefault("_kept", {})
        if key not in known:
            known[key] = make()
        kept: T = known[key]
        return kept

    def layer_of(self, elements: np.ndarray) -> list[int]:
        """Indices of the layers that these elements belong to, ascending; ABSENT belongs to none."""
        return owners(elements, self.offsets)

    def sources(self, index: int) -> list[int]:
        """Indices of the layers that layer `index` reads."""
        found = lambda: sorted({s for e in elements_read(self.layers[index]) for s in self.layer_of(e)})  # noqa: E731
        return self.kept(("sources", index), found)

    def local_nodes(self, index: int) -> np.ndarray:
        """Node number within the layer, for every element of layer `index`: int32 (size,), not to be written to."""
        return self.kept(("local nodes", index), lambda: self._local_nodes(index))

    def _local_nodes(self, index: int) -> np.ndarray:
        layer = self.layers[index]
        element = np.arange(layer.size, dtype=np.int32)
        if self.nodes == "scalar":
            return element
        if isinstance(layer, Input) and layer.node is not None:
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
    def node_offsets(self) -> np.ndarray:
        """First global node number of each layer, and the total."""
        return np.concatenate([[0], np.cumsum(self.node_counts)])

    @cached_property
    def node_of(self) -> np.ndarray:
        """Global node number of every element; the last entry, for index ABSENT, is ABSENT: int32 (elements + 1,)."""
        parts = [self.local_nodes(i) + np.int32(self.node_offsets[i]) for i in range(len(self.layers))]
        return np.concatenate([*parts, [ABSENT]]).astype(np.int32)

    def node_sums(self, index: int, values: np.ndarray) -> np.ndarray:
        """Sum a number per element of layer `index` over each of its nodes: float64 (nodes,)."""
        return np.bincount(self.local_nodes(index), weights=np.ravel(values), minlength=self.node_counts[index])

    def pred_counts(self) -> dict[int, np.ndarray]:
        """|pred(j)| for every node of every linear layer; padding and zero blocks do not count, nor does a bias."""
        from bounds.blocks import layer_blocks

        return {i: layer_blocks(self, i).counts() for i, layer in enumerate(self.layers) if isinstance(layer, Linear)}

    def describe(self) -> str:
        """One line per layer: kind, name, positions × channels, nodes."""
        lines = []
        for i, layer in enumerate(self.layers):
            kind = type(layer).__name__
            if isinstance(layer, Linear):
                kind = "+".join(type(t).__name__ for t in layer.terms) + ("" if not layer.activated else "+ReLU")
            sizes = f"{layer.positions}×{layer.channels}, {self.node_counts[i]} nodes"
            lines.append(f"{i:3d}  {kind:<20} {layer.name:<24} {sizes}")
        return "\n".join(lines)


def label(layer: Layer) -> str:
    """How a message names a layer: a module by its name, another operation with its file, line and function too."""
    made_up = " " in layer.name  # such as "dot 1"
    return layer.name + (f" ({layer.where.rpartition('/')[2]})" if made_up and layer.where else "")


def check_partition(nodes: str) -> None:
    """Raise ValueError unless `nodes` is a partition."""
    if nodes not in PARTITIONS:
        raise ValueError(f"nodes={nodes!r}; needed one of {', '.join(map(repr, PARTITIONS))}")


def as_elements(ids: np.ndarray | Sequence[int]) -> np.ndarray:
    """Element numbers as int32; a network has fewer than 2³¹ of them."""
    return np.asarray(ids, dtype=np.int32)
