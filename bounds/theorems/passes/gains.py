"""The node pass: a gain, a number of paths and the largest energy for every node, on a graph of any shape.

Theorem N of docs/theory.md: for every node j and every μ > 0, over the class of networks with the same structure,

    E exp(μ sup ‖Σ_n ξ_n z_j(x_n)‖ / κ_j) ≤ N_j · max over the sources s that j depends on of E exp(μ ‖Σ_n ξ_n x_ns‖)

and the same for every coordinate e of j with its own gain g_e in place of κ_j. One rule per kind of layer, in one
table. All numbers are kept as logarithms: paths are too many for float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float64, Int

from sparsebounds.bounds.graph.elements import distinct
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Activation, Linear, MaxPool
from sparsebounds.bounds.norms.logs import log_of
from sparsebounds.bounds.theorems.passes.nodes_fixed_numbers import FixedNumbers
from sparsebounds.bounds.theorems.passes.nodes_logs import summed_by
from sparsebounds.bounds.theorems.passes.nodes_partition import Nodes
from sparsebounds.bounds.theorems.passes.nodes_terms import LayerTerms

Logs = Float64[np.ndarray, " ..."]
LOG2 = math.log(2.0)


@dataclass(frozen=True)
class Values:
    """Of one layer or of all, as logarithms."""

    rows: Logs
    """log g_e, per element."""
    gain: Logs
    """log κ_j, per node."""
    count: Logs
    """log N_j, per node."""
    energy: Logs
    """log of the largest energy of a source, per node; −inf where none is read."""


@dataclass(frozen=True)
class Way:
    """How a pass counts; a class of its own for each."""

    structural: bool = True
    """Whether every predecessor counts that the architecture has; otherwise those whose block is not zero."""
    log_constant: float = 0.0
    """log h of the constant h that the network carries for its biases: b = (b/h) · h, and its energy is m h²."""
    whole: frozenset[int] = frozenset()
    """Layers that are one node each."""
    blocks: bool = False
    """Whether a row counts by the norms of its blocks everywhere, not only where it reads inputs."""
    numbers: FixedNumbers | None = None
    """Where the class fixes norms layer by layer, as activations that are not homogeneous need it."""
    squares: bool = False
    """Whether N bounds E sup ‖Σ_n ξ_n z_j(x_n)‖² / κ_j² in place of E exp(μ …), by the same rules."""

    def nats(self, low: float, high: float, odd: bool = False) -> float:
        """log of what an activation with slopes [low, high] multiplies N by."""
        return squared_nats(low, high, odd) if self.squares else activation_nats(low, high, odd)


@dataclass(frozen=True)
class NodePass:
    """A pass, finished up to some layer."""

    nodes: Nodes
    values: Values
    """Of all elements and nodes; −inf where the pass has not been, and at the end, for ABSENT."""
    m: int
    way: Way
    gains_known: bool = False
    """Whether rows and gains are there, of a pass that differs in what counts alone."""

    @property
    def constant(self) -> float:
        """log of the energy of the constant."""
        return math.log(self.m) + 2 * self.way.log_constant

    def log_biases(self, bias: Logs) -> Logs:
        """log |b/h|."""
        return log_of(np.abs(bias)) - self.way.log_constant

    def reads_constant(self, layer: Linear) -> bool:
        """Whether the nodes of a layer read the constant: one choice per layer."""
        return layer.bias is not None and (self.way.structural or bool(layer.bias.any()))


def run_pass(
    graph: Graph, energies: Float64[np.ndarray, " ..."], m: int, way: Way, other: NodePass | None = None
) -> NodePass:
    """The pass from the inputs to the scores.

    Args:
        graph: any network of the kinds in `RULES`; its partition says what the nodes are.
        energies: Σ_n x_nj² per coordinate, of the shape of one input.
        m: number of inputs; the constant h has energy m h².
        way: how it counts.
        other: a pass of this graph whose way differs in `structural` alone: its gains are taken, unless they hang on
            numbers that each class fixes for itself.

    Returns:
        The pass; gains are rounded only as float64 is.

    Raises:
        ValueError: blocks that this partition cannot tell apart.

    Source: theorem N of docs/theory.md.
    """
    nodes = Nodes(graph, way.whole)
    sizes = (int(graph.offsets[-1]) + 1, *[int(nodes.offsets[-1]) + 1] * 3)
    known = () if other is None or way.numbers is not None else (other.values.rows, other.values.gain)
    values = Values(*known, *(np.full(size, -np.inf) for size in sizes[len(known) :]))
    state = NodePass(nodes, values, m, way, bool(known))
    inputs = log_of(np.bincount(nodes.local(0), weights=np.ravel(energies), minlength=nodes.counts[0]))
    _write(state, 0, Values(np.zeros(graph.input.size), np.zeros(len(inputs)), np.zeros(len(inputs)), inputs))
    for index, layer in graph.computed():
        _write(state, index, RULES[type(layer)](state, index, layer))
    return state


def _write(state: NodePass, index: int, found: Values) -> None:
    offsets = state.nodes.graph.offsets
    state.values.rows[offsets[index] : offsets[index + 1]] = found.rows
    mine = state.nodes.mine(index)
    for name in ("gain", "count", "energy"):
        getattr(state.values, name)[mine] = getattr(found, name)


def activation_nats(low: float, high: float, odd: bool = False) -> float:
    """log of what an activation with slopes [low, high] multiplies N by: (high − low)/2λ · log 2, λ = max |slope|.

    Example:
        >>> [round(activation_nats(*slopes) / LOG2, 4) for slopes in ((0, 1), (0.5, 1), (1, 1), (-1, 1))]
        [0.5, 0.25, 0.0, 1.0]
        >>> activation_nats(0, 1, odd=True)
        0.0
    """
    return 0.0 if odd else (high - low) / (2 * max(abs(low), abs(high))) * LOG2


def squared_nats(low: float, high: float, odd: bool = False) -> float:
    """log of 2², the factor 2 of an activation in first and second moments, squared; none for a linear or odd one.

    Example:
        >>> [round(squared_nats(*slopes) / LOG2, 4) for slopes in ((0, 1), (1, 1), (-1, 1))]
        [2.0, 0.0, 2.0]
    """
    return 0.0 if odd or low == high else 2 * LOG2


def _linear(state: NodePass, index: int, layer: Linear) -> Values:
    """g_e = Σ_i ‖w_{e,i}‖ κ_i + |b_e|, κ_j = ‖g‖ over the node, or less where fixed maps are all that is read."""
    terms, below, way = LayerTerms(state.nodes, index, state.way.blocks), state.values, state.way
    rows, gain = _known(state, index) if state.gains_known else _linear_gains(state, index, layer, terms)
    count, energy = terms.counts(below.count, way.structural), terms.largest(below.energy, way.structural)
    if state.reads_constant(layer):
        count, energy = np.logaddexp(count, 0.0), np.maximum(energy, state.constant)
    return Values(rows, gain, count + way.nats(layer.slope, 1.0), energy)


def _known(state: NodePass, index: int) -> tuple[Logs, Logs]:
    low, high = state.nodes.graph.offsets[index : index + 2]
    return state.values.rows[low:high], state.values.gain[state.nodes.mine(index)]


def _linear_gains(state: NodePass, index: int, layer: Linear, terms: LayerTerms) -> tuple[Logs, Logs]:
    below, way = state.values, state.way
    learned, fixed = terms.learned(below.rows, below.gain), terms.fixed(below.rows)
    bias = None if layer.bias is None else state.log_biases(layer.bias)
    if way.numbers is not None and index < len(state.nodes.graph.layers) - 1:
        learned, bias, fixed = way.numbers.fixed(layer, learned, bias, fixed)
    parts = [part for part in (learned, bias) if part is not None]
    rows = np.asarray(np.logaddexp.reduce([*parts, *([] if fixed is None else [fixed])], axis=0))
    gain = state.nodes.norms(index, rows)
    if layer.affine and fixed is not None and terms.show_vectors:
        apart = terms.fixed_nodes(below.gain)
        if parts:
            apart = np.logaddexp(apart, state.nodes.norms(index, np.logaddexp.reduce(parts, axis=0)))
        gain = np.minimum(gain, apart)
    return rows, gain


def _max_pool(state: NodePass, index: int, layer: MaxPool) -> Values:
    """g_e = k max_t g_{e(t)}, N_j = 2 max_t N for nodes whose elements all compare the same nodes; a copy if k is 1."""
    elements = layer.elements
    sizes = (elements >= 0).sum(axis=1)
    rows = log_of(sizes.astype(np.float64)) + state.values.rows[elements].max(axis=1)
    if layer.window == 1:
        copied = _shown(state, index, rows, elements.max(axis=1), 0.0)
        return replace(copied, gain=np.minimum(copied.gain, _copied(state, index, elements.max(axis=1))))
    found = _per_node(state, index, distinct(state.nodes.local(index), *state.nodes.node_of[elements].T))
    return Values(rows, state.nodes.norms(index, rows), LOG2 + found[0], found[1])


def _per_node(state: NodePass, index: int, windows: Int[np.ndarray, "windows T"]) -> tuple[Logs, Logs]:
    """From distinct windows (node, what it reads …): log Σ over the windows of max_t N, and the largest energy."""
    node, seen, total = windows[:, 0], windows[:, 1:], state.nodes.counts[index]
    largest = state.values.count[seen].max(axis=1)
    energy = np.full(total, -np.inf)
    np.maximum.at(energy, node, state.values.energy[seen].max(axis=1))
    return summed_by(node, largest, total), energy


def _shown(state: NodePass, index: int, rows: Logs, seen: Int[np.ndarray, " size"], nats: float) -> Values:
    """Of a layer that shows one element of another at each of its own: N_j = Σ_i N_i over the nodes it shows."""
    windows = distinct(state.nodes.local(index), state.nodes.node_of[seen])
    count, energy = _per_node(state, index, windows)
    return Values(rows, state.nodes.norms(index, rows), count + nats, energy)


def _copied(state: NodePass, index: int, seen: Int[np.ndarray, " size"]) -> Logs:
    """log (repeats · Σ_i κ_i²)^½ over the nodes that each node shows."""
    nodes, count = state.nodes, state.nodes.counts[index]
    elements, shown = np.unique(np.stack([nodes.local(index), seen], axis=1), axis=0, return_counts=True)
    repeats = np.ones(count)
    np.maximum.at(repeats, elements[:, 0], shown)
    sources = distinct(nodes.local(index), nodes.node_of[seen])
    return (log_of(repeats) + summed_by(sources[:, 0], 2 * state.values.gain[sources[:, 1]], count)) / 2


def _activation(state: NodePass, index: int, layer: Activation) -> Values:
    """g_e = λ g_{e'} + |σ(0)|: what is left of σ without σ(0) contracts, and σ(0) is read from the constant."""
    one, local = layer.function, state.nodes.local(index)
    rows = state.values.rows[layer.elements]
    if not one.homogeneous:  # σ(ct) is not cσ(t): all elements of a node range over one set
        largest = np.full(state.nodes.counts[index], -np.inf)
        np.maximum.at(largest, local, rows)
        rows = largest[local]
    rows = rows + math.log(one.lipschitz)
    found = _shown(state, index, rows, layer.elements, state.way.nats(one.low, one.high, one.odd))
    if not one.at_zero:
        return found
    rows = np.logaddexp(rows, state.log_biases(np.array([one.at_zero])))
    count, energy = np.logaddexp(found.count, 0.0), np.maximum(found.energy, state.constant)
    return Values(rows, state.nodes.norms(index, rows), count, energy)


RULES: dict[type, Callable[[NodePass, int, Any], Values]] = {
    Linear: _linear,
    MaxPool: _max_pool,
    Activation: _activation,
}
"""Theorem N, kind by kind."""
