"""The node pass: a gain, a number of paths and the largest energy for every node, on a graph of any shape.

Theorem N of docs/theory.md: for every node j and every μ > 0, with Z_j = sup ‖Σ_n ξ_n z_j(x_n)‖ over the class,

    E exp(μ Z_j / κ_j) ≤ N_j · max over the sources s that j depends on of E exp(μ ‖Σ_n ξ_n x_ns‖)

One rule per kind of layer, in one table. All numbers are kept as logarithms: paths are too many for float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Linear, MaxPool
from sparsebounds.bounds.theorems.passes.nodes_logs import log, padded, raised, scaled
from sparsebounds.bounds.theorems.passes.nodes_partition import Nodes
from sparsebounds.bounds.theorems.passes.nodes_terms import TermReads, read_terms
from sparsebounds.bounds.theorems.passes.nodes_windows import Fused, read_fused

Logs = Float64[np.ndarray, " n"]
LOG2 = math.log(2.0)


@dataclass(frozen=True)
class Values:
    """Of some nodes, as logarithms."""

    gain: Logs
    """log κ_j."""
    count: Logs
    """log N_j."""
    energy: Logs
    """log of the largest energy of a source; −inf where none is read."""


@dataclass(frozen=True)
class NodePass:
    """A pass, finished up to some layer."""

    nodes: Nodes
    values: Values
    """Of all nodes; −inf where the pass has not been."""
    m: int
    log_constant: float
    """log h of the constant h that the network carries for its biases: b = (b/h) · h, and its energy is m h²."""
    structural: bool
    """Whether every predecessor counts that the architecture has; otherwise those whose block is not zero."""

    @property
    def constant(self) -> float:
        """log of the energy of the constant."""
        return math.log(self.m) + 2 * self.log_constant

    def log_biases(self, bias: Logs) -> Logs:
        """log |b/h|."""
        return log(np.abs(bias)) - self.log_constant

    def reads_constant(self, layer: Linear) -> bool:
        """Whether the nodes of a layer read the constant 1: one choice per layer."""
        return layer.bias is not None and (self.structural or bool(layer.bias.any()))


def run_pass(
    graph: Graph,
    energies: Float64[np.ndarray, " ..."],
    m: int,
    *,
    structural: bool = True,
    log_constant: float = 0.0,
    whole: frozenset[int] = frozenset(),
) -> NodePass:
    """The pass from the inputs to the scores.

    Args:
        graph: any network of linear layers and max pools; its partition says what the nodes are.
        energies: Σ_n x_nj² per coordinate, of the shape of one input.
        m: number of inputs.
        structural: count every predecessor that the architecture has, also behind zero weights.
        log_constant: log h of the constant that biases read, a number of the class.
        whole: layers that are one node each.

    Returns:
        The pass; gains are rounded only as float64 is.

    Raises:
        ValueError: weights or biases that are not finite, or blocks that this partition cannot tell apart.

    Source: theorem N of docs/theory.md.
    """
    nodes = Nodes(graph, whole)
    size = int(nodes.offsets[-1])
    values = Values(*(np.full(size, -np.inf) for _ in range(3)))
    state = NodePass(nodes, values, m, log_constant, structural)
    inputs = np.bincount(nodes.local(0), weights=np.ravel(energies), minlength=nodes.counts[0])
    _write(state, 0, Values(np.zeros(len(inputs)), np.zeros(len(inputs)), log(inputs)))
    for index, layer in graph.computed():
        _write(state, index, RULES[type(layer)](state, index, layer))
    return state


def _write(state: NodePass, index: int, found: Values) -> None:
    mine = state.nodes.mine(index)
    for name in ("gain", "count", "energy"):
        getattr(state.values, name)[mine] = getattr(found, name)


def activation_nats(low: float, high: float) -> float:
    """log of what an activation with slopes [low, high] multiplies N by: (high − low)/2λ · log 2, λ = max |slope|.

    Example:
        >>> [round(activation_nats(*slopes) / LOG2, 4) for slopes in ((0, 1), (0.5, 1), (1, 1), (-1, 1))]
        [0.5, 0.25, 0.0, 1.0]
    """
    return (high - low) / (2 * max(abs(low), abs(high))) * LOG2


def _linear(state: NodePass, index: int, layer: Linear) -> Values:
    """κ_j = (Σ_r (Σ_i ‖w_{r,i}‖ κ_i + |b_r|)²)^½, fixed maps with spectral norms where there is no activation."""
    terms, below = read_terms(state.nodes, index), state.values
    fixed = [t for t in terms if not (t.term.learned or layer.activated)]
    rows = [t.gains(below.gain) for t in terms if t.term.learned or layer.activated]
    count = [t.counts(below.count, state.structural) for t in terms]
    energy = [t.largest(below.energy, state.structural) for t in terms]
    if layer.bias is not None:
        rows.append(state.log_biases(layer.bias))
    if state.reads_constant(layer):
        count.append(np.zeros(1))
        energy.append(np.full(1, state.constant))
    gains = [state.nodes.norms(index, _sum(rows))] if rows else []
    gains += [t.node_gains(below.gain) for t in fixed]
    return Values(_sum(gains), _sum(count) + activation_nats(layer.slope, 1.0), _largest(energy))


def _sum(logs: list[Logs]) -> Logs:
    """log of a sum, from logarithms."""
    total = logs[0]
    for one in logs[1:]:
        total = np.logaddexp(total, one)
    return total


def _largest(logs: list[Logs]) -> Logs:
    total = logs[0]
    for one in logs[1:]:
        total = np.maximum(total, one)
    return total


def _max_pool(state: NodePass, index: int, layer: MaxPool) -> Values:
    if layer.window == 1:
        return _copied(state, index, layer)
    fused = read_fused(state.nodes, index)
    return _apart(state, index, layer) if fused is None else _fused(state, index, fused)


def _copied(state: NodePass, index: int, layer: MaxPool) -> Values:
    """Maxima over one element each: κ_j = (repeats · Σ_i κ_i²)^½, N_j = Σ_i N_i over the nodes that j shows."""
    nodes, seen = state.nodes, layer.elements.max(axis=1)
    local, count = nodes.local(index), nodes.counts[index]
    total, below = int(nodes.graph.offsets[-1]), int(nodes.offsets[-1])
    pairs, shown = np.unique(local.astype(np.int64) * total + seen, return_counts=True)
    repeats = np.ones(count)
    np.maximum.at(repeats, pairs // total, shown)
    joint = np.unique(pairs // total * below + nodes.node_of[pairs % total])
    node, source = joint // below, joint % below

    def summed(logs: Logs) -> Logs:
        values, top = scaled(logs[source])
        return log(np.bincount(node, weights=values, minlength=count)) + top

    energy = np.full(count, -np.inf)
    np.maximum.at(energy, node, state.values.energy[source])
    gain = (np.log(repeats) + summed(2 * state.values.gain)) / 2
    return Values(gain, summed(state.values.count), energy)


def _apart(state: NodePass, index: int, layer: MaxPool) -> Values:
    """Coordinate by coordinate: κ_j = √c k max κ, N_j = 2c max N for a node of c maxima of at most k elements each."""
    nodes, elements = state.nodes, layer.elements
    local, count = nodes.local(index), nodes.counts[index]
    seen = nodes.node_of[elements]
    sizes = log((elements >= 0).sum(axis=1).astype(np.float64))

    def over_nodes(values: Logs) -> Logs:
        best = np.full(count, -np.inf)
        np.maximum.at(best, local, values)
        return best

    def of_windows(logs: Logs) -> Logs:
        return np.asarray(padded(logs)[seen].max(axis=1))

    rows = np.log(np.bincount(local, minlength=count))
    return Values(
        nodes.norms(index, sizes + of_windows(state.values.gain)),
        LOG2 + rows + over_nodes(of_windows(state.values.count)),
        over_nodes(of_windows(state.values.energy)),
    )


def _fused(state: NodePass, index: int, fused: Fused) -> Values:
    """κ_j = (Σ_r (k Σ_a ‖w_{r,a}‖ max_t κ_{i(t,a)} + |b_r|)²)^½, N_j = 2 (max_t Σ_a N_{i(t,a)} + 1)."""
    nodes, layer = state.nodes, state.nodes.graph.linear(fused.source)
    (term,) = read_terms(nodes, fused.source)
    sizes = log(fused.sizes.astype(np.float64))[:, None]
    rows = sizes + _shared_gains(state, fused, term)
    if layer.bias is not None:
        bias = fused.largest(state.log_biases(layer.bias))
        rows = np.logaddexp(rows, bias if fused.alike(layer.bias) else bias + sizes)
    # Nodes of the layer below, each with the sum over what it reads; one of a window stands for all of its channels.
    below = nodes.local(fused.source)
    count = fused.largest(term.counts(state.values.count, state.structural)[below])
    energy = fused.largest(term.largest(state.values.energy, state.structural)[below])
    if state.reads_constant(layer):
        count, energy = np.logaddexp(count, 0.0), np.maximum(energy, state.constant)
    local, total = nodes.local(index), nodes.counts[index]
    found = Values(nodes.norms(index, rows.ravel()), np.full(total, -np.inf), np.full(total, -np.inf))
    np.maximum.at(found.count, local, LOG2 + count.ravel())
    np.maximum.at(found.energy, local, energy.ravel())
    # Channels of one node may belong to several nodes of the layer below, where groups differ: what those read adds up.
    pairs = np.unique(local.astype(np.int64) * len(below) + fused.largest(below.astype(np.float64)).ravel().astype(int))
    found.count[:] += np.log(np.bincount(pairs // len(below), minlength=total))
    return found


def _shared_gains(state: NodePass, fused: Fused, term: TermReads) -> Float64[np.ndarray, "P C"]:
    """log Σ_a ‖w_{r,a}‖ max_t κ_{i(t,a)}; of a layer that is one node, max_t ‖w_{r,t}‖ κ."""
    nodes = state.nodes
    if nodes.whole.issuperset(nodes.graph.sources(fused.source)):
        return fused.largest(term.gains(state.values.gain))
    blocks = nodes.rows(fused.source, 0)
    values, top = scaled(padded(state.values.gain))
    taps = np.concatenate([blocks.taps.reshape(-1, blocks.taps.shape[2]), np.full((1, blocks.taps.shape[2]), -1)])
    highest = values[taps[fused.rows]].max(axis=1)  # (P, taps), over the window
    norms, largest = raised(np.sqrt(blocks.norms2))
    which = np.maximum(fused.rows.max(axis=1), 0) // blocks.taps.shape[1]
    sums = np.empty((len(highest), norms.shape[2]))
    for b in np.unique(which):
        sums[which == b] = highest[which == b] @ norms[b]
    return log(np.take_along_axis(sums, fused.outputs, axis=1)) + top + largest


RULES: dict[type, Callable[[NodePass, int, Any], Values]] = {Linear: _linear, MaxPool: _max_pool}
"""Theorem N, kind by kind."""
