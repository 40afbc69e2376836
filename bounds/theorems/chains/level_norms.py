"""Norms of the levels of a plain chain, biases carried as one more coordinate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.memory import per_graph
from sparsebounds.bounds.margin.grids import exp_or_inf
from sparsebounds.bounds.norms import frobenius_norm, row_norms, spectral_upper
from sparsebounds.bounds.norms.entries import linear_layer, row_sums
from sparsebounds.bounds.norms.logs import log_of
from sparsebounds.bounds.theorems.chains.plain import Level, level_biases

SWEEPS = 60
"""Rounds of coordinate descent for the c_l; any values are allowed, so that too few rounds only cost tightness."""
LARGEST = 1e4
"""|log c_l| at most."""


@dataclass(frozen=True)
class Norms:
    """Logarithms of the norms of all levels, the constant unit included; −inf for 0."""

    hidden: tuple[float, ...]
    rows: Float64[np.ndarray, " C"]
    """Of every row of the last layer."""

    def product(self, top: float) -> float:
        """log of (top · the hidden norms), from log top; a network that is constantly 0 has −inf, whatever else."""
        logs = (*self.hidden, top)
        return -math.inf if -math.inf in logs else math.fsum(logs)

    def shown(self, levels: tuple[Level, ...]) -> dict[str, float]:
        """The hidden norms by level, for `terms`."""
        pairs = enumerate(zip(levels[:-1], self.hidden, strict=True), start=1)
        return {f"{k}: {level.names}": exp_or_inf(norm) for k, (level, norm) in pairs}


def log_norm(logs: Float64[np.ndarray, " n"]) -> float:
    """log of the ℓ2 norm, from logarithms."""
    return float(np.logaddexp.reduce(2 * np.asarray(logs), initial=-math.inf)) / 2


def log_sum(logs: Float64[np.ndarray, " n"]) -> float:
    """log of the sum, from logarithms."""
    return float(np.logaddexp.reduce(logs, initial=-math.inf))


@per_graph
def frobenius_norms(graph: Graph, levels: tuple[Level, ...]) -> Norms:
    """‖A_l‖_F of every hidden level and ‖w_r‖₂ of every score; of a fixed level an upper bound of the spectral norm."""
    weights = [math.hypot(*(_operator_norm(graph, i, v.fixed) for i in v.indices)) for v in levels[:-1]]
    rows, offsets = log_of(row_norms(graph, len(graph.layers) - 1)), log_of(level_biases(graph, levels[-1]))
    log_weights = log_of(np.array(weights)).tolist()
    log_biases = [log_norm(log_of(level_biases(graph, level))) for level in levels[:-1]]
    carried = carried_norms([*log_weights, log_norm(rows)], [*log_biases, log_norm(offsets)])
    hidden = []
    for k, weight in enumerate(log_weights):
        parts = (
            [weight] if carried[k] == -math.inf else [weight, log_biases[k] - carried[k], carried[k + 1] - carried[k]]
        )
        hidden.append(log_norm(np.array(parts)))
    if carried[-1] > -math.inf:
        rows = np.logaddexp(2 * rows, 2 * (offsets - carried[-1])) / 2
    return Norms(tuple(hidden), rows)


def _operator_norm(graph: Graph, index: int, fixed: bool) -> float:
    return spectral_upper(graph, index) if fixed else frobenius_norm(graph, index)


def carried_norms(weights: list[float], biases: list[float]) -> list[float]:
    """log c_0 = 0, log c_1, …, what levels 0, 1, … read; −inf where no bias is left above.

    Of the two levels that c_k stands in, (A + c²/p²)(a² + B/c²) is smallest at c⁴ = A B p²/a², with p the constant
    below, a the weights above, A and B what else the two levels have. The sum of all logarithms is convex in log c.
    """
    last = max((k for k, bias in enumerate(biases) if bias > -math.inf), default=0)
    logs = [0.0] * (last + 1) + [-math.inf] * (len(weights) - last - 1)
    for _ in range(SWEEPS if last else 0):
        for k in range(1, last + 1):
            a = log_norm(np.array([weights[k - 1], biases[k - 1] - logs[k - 1]]))
            b = log_norm(np.array([biases[k], logs[k + 1] if k < last else -math.inf]))
            best = (a + b + logs[k - 1] - weights[k]) / 2
            logs[k] = 0.0 if math.isnan(best) else min(max(best, -LARGEST), LARGEST)
    return logs


@per_graph
def one_inf_norms(graph: Graph, levels: tuple[Level, ...]) -> Norms:
    """‖A_l‖_{1,∞} of every hidden level, fixed ones too, and ‖w_r‖₁ of every score; c_l is the product up to l."""
    last = max((k for k, level in enumerate(levels) if level_biases(graph, level).any()), default=0)
    carried, hidden = 0.0, []
    for k, level in enumerate(levels[:-1]):
        norm = float(_one_norms(graph, level, carried).max())
        if k < last:
            above = min(max(carried + norm, -LARGEST), LARGEST)
            norm, carried = max(norm, above - carried), above
        hidden.append(norm)
    return Norms(tuple(hidden), _one_norms(graph, levels[-1], carried))


def _one_norms(graph: Graph, level: Level, carried: float) -> Float64[np.ndarray, " n"]:
    sums = np.concatenate([row_sums(linear_layer(graph, i), np.abs) for i in level.indices])
    if not level.biased:
        return log_of(sums)
    return np.logaddexp(log_of(sums), log_of(level_biases(graph, level)) - carried)
