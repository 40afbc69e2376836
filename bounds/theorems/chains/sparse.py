"""The numbers behind the sparse-network bound: norms, predecessor counts and maxima over paths of a layered graph.

Both forms follow from one rescaling argument. Give every hidden node j a scale s_j and divide its vector by it; ReLU
networks do not change. If s_j = n_j^½ ‖[W_j, b_j]‖ max(s_i over predecessors, 1 for the constant) the rescaled blocks
have norm at most n_j^-½ and the class depends on c = Σ_r n_r^½ ‖[w_r, b_r]‖ max s_i alone (form "per node"). With one
scale per layer and without the counts, c is a product of norms and the counts go to the data (form "shared").
Everything is kept in logarithms.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64, Int64

from sparsebounds.bounds.bound import NotCovered
from sparsebounds.bounds.graph.blocks import Blocks
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Linear, label
from sparsebounds.bounds.graph.memory import per_graph
from sparsebounds.bounds.graph.terms import Dot, Pool

NORM_SPREAD = 1e-9
"""Norms of nodes with equally many predecessors that differ by more, relatively, are worth a form per node."""


@dataclass(frozen=True)
class ChainLayer:
    """One layer: pattern of predecessors and, per node, norm and bias."""

    index: int
    depth: int
    """Layers of one depth stand side by side (the branches of a concatenation) and are one layer of the theorem."""
    name: str
    blocks: Blocks
    fixed: bool
    """Pooling or an elementwise scale: a factor per node instead of a norm and a count."""
    possible: Int64[np.ndarray, " nodes"]
    """|pred(j)| by structure."""
    read: Int64[np.ndarray, " nodes"]
    """|pred(j)| without the blocks that are zero."""
    norms: Float64[np.ndarray, " nodes"]
    """‖W_j‖_F without the bias; for fixed layers the factor Σ|coefficient| or max|scale|."""
    bias: Float64[np.ndarray, " nodes"] | None
    """‖b_j‖, None where the layer has no bias."""
    activated: bool
    maskable: int
    """Independent zero patterns: number of blocks that could be zero."""
    present: int
    """How many of them are not."""

    def counts(self, structural: bool) -> Int64[np.ndarray, " nodes"]:
        """Predecessors of every node, the constant included where there is a bias."""
        return (self.possible if structural else self.read) + self.reads_constant(structural)

    @cached_property
    def lowered(self) -> bool:
        """Whether zero weights leave some node with fewer predecessors than it could have."""
        return bool((self.counts(False) < self.counts(True)).any())

    @property
    def total_norms(self) -> Float64[np.ndarray, " nodes"]:
        """‖[W_j, b_j]‖."""
        return self.norms if self.bias is None else np.hypot(self.norms, self.bias)

    def reads_constant(self, structural: bool) -> bool:
        """Whether the nodes read the constant 1: one choice per layer, so that a mask pays for it once."""
        return self.bias is not None and (structural or bool(self.bias.any()))


@dataclass(frozen=True)
class Chain:
    """A layered network, from the first layer above the input to the scores."""

    graph: Graph
    layers: tuple[ChainLayer, ...]

    @cached_property
    def hidden(self) -> tuple[tuple[ChainLayer, ...], ...]:
        """The layers below the last one, by depth."""
        below = self.layers[:-1]
        return tuple(tuple(h for h in below if h.depth == d) for d in sorted({h.depth for h in below}))

    @property
    def has_bias(self) -> bool:
        return any(layer.bias is not None and layer.bias.any() for layer in self.layers)

    @cached_property
    def spread(self) -> bool:
        """Whether hidden nodes with equally many predecessors have different norms."""
        return any(_spread([h for h in level if not h.fixed]) for level in self.hidden)


@per_graph
def read_chain(graph: Graph) -> Chain:
    """The chain of a graph; NotCovered for max pooling, skips, and what has no place in the theorem."""
    depth = {0: 0}
    layers = []
    for i, layer in graph.computed():
        below = {depth[s] for s in graph.sources(i)}
        if not isinstance(layer, Linear):
            raise NotCovered(f"{'max pooling' if layer.maximum else layer.kind} in {label(layer)}")
        if len(layer.terms) > 1 or len(below) != 1:
            raise NotCovered(f"{label(layer)} adds or joins layers of different depth (a skip)")
        depth[i] = below.pop() + 1
        layers.append(_chain_layer(graph, i, depth[i], layer))
    if layers[-1].fixed or layers[-1].activated:
        raise NotCovered(f"the last layer, {label(graph.layers[-1])}, is not a learned linear map")
    return Chain(graph, tuple(layers))


def _chain_layer(graph: Graph, index: int, depth: int, layer: Linear) -> ChainLayer:
    (term,) = layer.terms
    is_output = index == len(graph.layers) - 1
    # The classes are nodes of their own: each row w_r has its norm and its predecessors.
    each = np.arange(layer.size, dtype=np.int32)
    blocks = graph.term_blocks(index, term, each) if is_output else graph.blocks(index)
    fixed = isinstance(term, Pool) or not (term.learned or layer.activated)
    if fixed and (layer.activated or layer.bias is not None):
        raise NotCovered(f"{label(layer)} shifts or activates right after pooling or an elementwise scale")
    bias = None
    if layer.bias is not None:
        squares = np.square(layer.bias)
        bias = np.sqrt(squares if is_output else graph.node_sums(index, squares))
    maskable, present = (0, 0) if fixed else _mask_counts(blocks, bias)
    return ChainLayer(
        index=index,
        depth=depth,
        name=layer.name,
        blocks=blocks,
        fixed=fixed,
        possible=blocks.counts(structural=True),
        read=blocks.counts(),
        norms=_factors(graph, index, layer, blocks),
        bias=bias,
        activated=layer.activated,
        maskable=maskable,
        present=present,
    )


def _factors(graph: Graph, index: int, layer: Linear, blocks: Blocks) -> Float64[np.ndarray, " nodes"]:
    """Norm of every node: ‖W_j‖_F, or for fixed layers what they multiply the largest predecessor by at most."""
    (term,) = layer.terms
    if isinstance(term, Dot):
        return np.sqrt(blocks.square_norms())
    local = graph.local_nodes(index)
    factors = np.zeros(graph.node_counts[index])
    if isinstance(term, Pool):
        shape = (layer.positions, layer.channels)
        present = term.taps.window_sizes[:, None]
        np.maximum.at(factors, local, (np.abs(np.broadcast_to(term.coefficient, shape)) * present).ravel())
        return factors
    scale = np.ones(layer.size) if term.scale is None else np.abs(term.scale)
    scale = np.where(term.elements < 0, 0.0, scale)
    if layer.activated:
        return np.sqrt(graph.node_sums(index, scale**2))
    np.maximum.at(factors, local, scale)
    return factors


def _mask_counts(blocks: Blocks, bias: Float64[np.ndarray, " nodes"] | None) -> tuple[int, int]:
    """How many blocks a mask could remove (shared blocks once), and how many are there."""
    used = np.asarray((blocks.taps >= 0).any(axis=1))
    maskable = int(used.sum()) * blocks.norms2.shape[2]
    present = int(((blocks.norms2 > 0) & used[:, :, None]).sum())
    if bias is not None:
        maskable, present = maskable + 1, present + int(bias.any())
    return maskable, present


def _spread(level: list[ChainLayer]) -> bool:
    if not level:
        return False
    norms = np.concatenate([layer.total_norms for layer in level])
    counts = np.concatenate([layer.possible for layer in level])
    for count in np.unique(counts):
        same = norms[counts == count]
        if same.max() - same.min() > NORM_SPREAD * max(same.max(), 1e-300):
            return True
    return False
