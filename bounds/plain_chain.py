"""What the bounds of plain chains read: the levels of a network without skips and max pooling, and their norms.

A level is what the theorems call a layer. A fixed map (average pooling, an elementwise scale) P below a layer W is
part of it, with ‖WP‖ ≤ ‖W‖ ‖P‖, so it is a level with a norm that does not count as a layer.

The theorems know no biases. A network with biases is one without on the inputs (x, 1): its hidden levels carry one more
unit with the constant value c_l > 0, c_0 = 1, and have the matrices [[W, b/c_{l−1}], [0, c_l/c_{l−1}]]. The class does
not fix the c_l; they are chosen to make the product of norms small.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bounds.bound import NotCovered
from bounds.graph import Dot, Graph, Linear, MaxPool, label
from bounds.margin import exp_or_inf
from bounds.moments import slopes
from bounds.norms import frobenius_norm, row_norms, spectral_upper
from bounds.norms.terms import linear_layer, row_sums

ASSUMES = (
    slopes.ASSUMES,
    "layered: every layer reads the one below it, no skips",
    "no max pooling (average pooling is a linear layer, a bias a weight from the constant 1)",
    "the last layer is linear",
)
SWEEPS = 60
"""Rounds of coordinate descent for the c_l; any values are allowed, so that too few rounds only cost tightness."""
LARGEST = 1e4
"""|log c_l| at most."""


@dataclass(frozen=True)
class Level:
    """Layers of one depth, side by side: their operators stacked are one matrix."""

    indices: tuple[int, ...]
    names: str
    activated: bool
    fixed: bool
    """Only pooling and elementwise scales, no activation: a factor of the norms, but no layer of the theorem."""
    biased: bool
    """Whether there is a bias, be it zero."""


def read_levels(graph: Graph) -> tuple[Level, ...]:
    """The levels above the input, in order; the last one is the last layer alone.

    Raises:
        NotCovered: max pooling, a skip, activations of several kinds side by side, or a last
            layer that is not a learned linear map.
    """
    depth = {0: 0}
    for i, layer in enumerate(graph.layers[1:], start=1):
        if isinstance(layer, MaxPool):
            raise NotCovered(f"max pooling in {label(layer)}")
        assert isinstance(layer, Linear)
        below = {depth[s] for s in graph.sources(i)} or {0}
        if len(below) != 1:
            raise NotCovered(f"{label(layer)} adds or joins layers of different depth (a skip)")
        depth[i] = below.pop() + 1
    levels = tuple(_level(graph, d, depth) for d in range(1, max(depth.values()) + 1))
    top = levels[-1]
    if top.fixed or top.activated or len(top.indices) > 1:
        raise NotCovered(f"the last layer, {label(graph.layers[-1])}, is not a learned linear map of one layer below")
    return levels


def _level(graph: Graph, depth: int, depths: dict[int, int]) -> Level:
    indices = tuple(i for i, d in depths.items() if d == depth)
    layers = [layer for i in indices if isinstance(layer := graph.layers[i], Linear)]
    names = ", ".join(label(layer) for layer in layers)
    fixed = {not layer.activated and not any(isinstance(t, Dot) for t in layer.terms) for layer in layers}
    if len({layer.slope for layer in layers}) > 1 or len(fixed) > 1:
        raise NotCovered(f"layers side by side, {names}, with different activations, or one of them fixed")
    biased = any(layer.bias is not None for layer in layers)
    return Level(indices, names, layers[0].activated, fixed.pop(), biased)


def activations(levels: tuple[Level, ...]) -> int:
    """How many levels have an activation: the peelings of a proof."""
    return sum(level.activated for level in levels)


def depth(levels: tuple[Level, ...]) -> int:
    """How many levels are layers of the theorem."""
    return sum(not level.fixed for level in levels)


@dataclass(frozen=True)
class Data:
    """The inputs as the theorems see them: D coordinates, ‖X‖_F and max_j ‖X_j‖, the constant 1 among them."""

    inputs: int
    frobenius: float
    largest: float


def read_data(levels: tuple[Level, ...], energies: np.ndarray, m: int) -> Data:
    """From Σ_i x_ij² per coordinate; where there are biases, be they zero, the constant 1 has energy m."""
    constant = float(m) if any(level.biased for level in levels) else 0.0
    total, largest = float(np.sum(energies)) + constant, max(float(np.max(energies)), constant)
    return Data(energies.size + (constant > 0), math.sqrt(total), math.sqrt(largest))


@dataclass(frozen=True)
class Norms:
    """Logarithms of the norms of all levels, the constant unit included; −inf for 0."""

    hidden: tuple[float, ...]
    rows: np.ndarray
    """Of every row of the last layer: float64 (C,)."""

    def product(self, top: float) -> float:
        """log of (top · the hidden norms), from log top; a network that is constantly 0 has −inf, whatever else."""
        logs = (*self.hidden, top)
        return -math.inf if -math.inf in logs else math.fsum(logs)

    def shown(self, levels: tuple[Level, ...]) -> dict[str, float]:
        """The hidden norms by level, for `terms`."""
        pairs = enumerate(zip(levels[:-1], self.hidden, strict=True), start=1)
        return {f"{k}: {level.names}": exp_or_inf(norm) for k, (level, norm) in pairs}


def log_norm(logs: np.ndarray) -> float:
    """log of the ℓ2 norm, from logarithms."""
    return float(np.logaddexp.reduce(2 * np.asarray(logs), initial=-math.inf)) / 2


def log_sum(logs: np.ndarray) -> float:
    """log of the sum, from logarithms."""
    return float(np.logaddexp.reduce(logs, initial=-math.inf))


def frobenius_norms(graph: Graph, levels: tuple[Level, ...]) -> Norms:
    """‖A_l‖_F of every hidden level and ‖w_r‖₂ of every score; of a fixed level an upper bound of the spectral norm."""
    return graph.kept(("frobenius norms of levels", levels), lambda: _frobenius_norms(graph, levels))


def _frobenius_norms(graph: Graph, levels: tuple[Level, ...]) -> Norms:
    weights = [math.hypot(*(_operator_norm(graph, i, v.fixed) for i in v.indices)) for v in levels[:-1]]
    rows, offsets = _log(row_norms(graph, len(graph.layers) - 1)), _log(_biases(graph, levels[-1]))
    log_weights = _log(np.array(weights)).tolist()
    log_biases = [log_norm(_log(_biases(graph, level))) for level in levels[:-1]]
    carried = _carried([*log_weights, log_norm(rows)], [*log_biases, log_norm(offsets)])
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


def _carried(weights: list[float], biases: list[float]) -> list[float]:
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


def one_inf_norms(graph: Graph, levels: tuple[Level, ...]) -> Norms:
    """‖A_l‖_{1,∞} of every hidden level, fixed ones too, and ‖w_r‖₁ of every score; c_l is the product up to l."""
    return graph.kept(("l1 norms of levels", levels), lambda: _one_inf_norms(graph, levels))


def _one_inf_norms(graph: Graph, levels: tuple[Level, ...]) -> Norms:
    last = max((k for k, level in enumerate(levels) if _biases(graph, level).any()), default=0)
    carried, hidden = 0.0, []
    for k, level in enumerate(levels[:-1]):
        norm = float(_one_norms(graph, level, carried).max())
        if k < last:
            above = min(max(carried + norm, -LARGEST), LARGEST)
            norm, carried = max(norm, above - carried), above
        hidden.append(norm)
    return Norms(tuple(hidden), _one_norms(graph, levels[-1], carried))


def _one_norms(graph: Graph, level: Level, carried: float) -> np.ndarray:
    sums = np.concatenate([row_sums(linear_layer(graph, i), np.abs) for i in level.indices])
    if not level.biased:
        return _log(sums)
    return np.logaddexp(_log(sums), _log(_biases(graph, level)) - carried)


def biases(graph: Graph, index: int) -> np.ndarray:
    """|b| of every element of a layer, 0 where there are none: float64 (size,).

    Raises:
        ValueError: biases that are not finite.
    """
    layer = linear_layer(graph, index)
    bias = np.zeros(layer.size) if layer.bias is None else np.abs(layer.bias)
    if not np.isfinite(bias).all():
        raise ValueError(f"layer {label(layer)} has biases that are not finite; needed finite ones: retrain it")
    return bias


def _biases(graph: Graph, level: Level) -> np.ndarray:
    return np.concatenate([biases(graph, i) for i in level.indices])


def _log(values: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(values)
