"""What the node pass says of the scores: one by one, and of the difference of two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.graph.head import Head, read_head
from sparsebounds.bounds.graph.layers import Linear
from sparsebounds.bounds.theorems.passes.gains import NodePass, Values
from sparsebounds.bounds.theorems.passes.nodes_logs import log
from sparsebounds.bounds.theorems.passes.nodes_terms import LayerTerms


@dataclass(frozen=True)
class Output:
    """Outputs together: E_ξ sup Σ_n Σ_o ξ_no o(x_n) ≤ exp(log_gain + log_energy/2) (1 + √(2 log_count))."""

    log_gain: float
    """log κ."""
    log_count: float
    """log N, paths into it; not below 0."""
    log_energy: float
    """log of the largest energy of a source that it depends on."""


def each_score(state: NodePass) -> Values:
    """κ_r, N_r and energy of every score."""
    graph, values = state.nodes.graph, state.values
    mine, elements = state.nodes.mine(len(graph.layers) - 1), slice(*graph.offsets[-2:].tolist())
    return Values(values.rows[elements], values.gain[mine], values.count[mine], values.energy[mine])


def all_scores(state: NodePass) -> Output:
    """Of Σ_r over all scores, each with signs of its own: Σ_r κ_r, Σ_r N_r."""
    found = each_score(state)
    gain, count = (float(np.logaddexp.reduce(logs)) for logs in (found.gain, found.count))
    return Output(gain, max(count, 0.0), float(found.energy.max()))


def largest_score(state: NodePass) -> Output:
    """Of any one score, at most: max_r κ_r, max_r N_r."""
    found = each_score(state)
    return Output(float(found.gain.max()), max(float(found.count.max()), 0.0), float(found.energy.max()))


def difference(state: NodePass) -> Output:
    """Of d = f_2 − f_1, all that the margin of two classes depends on: of the row w_2 − w_1 with the bias b_2 − b_1.

    Where the scores are no linear maps of what is below (an activation or a maximum at the end), the sums over both.

    Raises:
        ValueError: not two scores.
    """
    graph, both = state.nodes.graph, all_scores(state)
    if graph.classes != 2:
        raise ValueError(f"{graph.classes} scores; the difference is that of two")
    last = graph.layers[-1]
    if not isinstance(last, Linear) or not last.affine:
        return both
    head, nodes, values = read_head(graph), state.nodes, state.values
    terms = LayerTerms(nodes, len(graph.layers) - 1, state.way.blocks)
    gains = [_row_gains(state, head, head.weights[1] - head.weights[0], terms.vectors)]
    node = nodes.node_of[head.elements]
    read = node if state.way.structural else node[np.abs(head.weights).sum(axis=0) > 0]
    seen = np.unique(read)
    counts, energies = [values.count[seen]], [values.energy[seen]]
    if head.bias is not None:
        gains.append(state.log_biases(head.bias[1:] - head.bias[:1]))
    if state.reads_constant(last):
        counts.append(np.zeros(1))
        energies.append(np.full(1, state.constant))
    total = float(np.logaddexp.reduce(np.concatenate(counts)))
    energy = float(np.concatenate(energies).max(initial=-np.inf))
    return Output(float(np.logaddexp.reduce(np.concatenate(gains))), max(total, 0.0), energy)


def _row_gains(
    state: NodePass, head: Head, row: Float64[np.ndarray, " K"], vectors: list[int]
) -> Float64[np.ndarray, " parts"]:
    """log of ‖w_i‖ κ_i for every node i of vectors, and of |w_e| g_e for every other element e."""
    nodes, values = state.nodes, state.values
    of_layer = np.searchsorted(nodes.graph.offsets, head.elements, side="right") - 1
    vector = np.isin(of_layer, vectors)
    node, which = np.unique(nodes.node_of[head.elements[vector]], return_inverse=True)
    norms = np.sqrt(np.bincount(which, weights=np.square(row[vector]), minlength=len(node)))
    single = log(np.abs(row[~vector])) + values.rows[head.elements[~vector]]
    return np.concatenate([log(norms) + values.gain[node], single])
