"""What the node pass says of the scores: one by one, and together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparsebounds.bounds.theorems.passes.gains import NodePass, Values


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


def scores_in_squares(state: NodePass) -> Output:
    """Of (Σ_r κ_r²)^½, E (Σ_r G_r²)^½ ≤ (Σ_r N_r E)^½ for a pass in second moments: log N is not raised to 0 here."""
    found = each_score(state)
    gain = float(np.logaddexp.reduce(2 * found.gain)) / 2
    return Output(gain, float(np.logaddexp.reduce(found.count)), float(found.energy.max()))
