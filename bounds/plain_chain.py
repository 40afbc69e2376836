"""What the bounds of plain chains read: the levels of a network without biases, skips and max pooling.

A level is what the theorems call a layer. A fixed map (average pooling, an elementwise scale) P below a layer W is
part of it, with ‖WP‖ ≤ ‖W‖ ‖P‖, so it is a level with a norm that does not count as a layer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bounds.bound import NotCovered
from bounds.graph import Dot, Graph, Linear, MaxPool, label
from bounds.norms import frobenius_norm, one_inf_norm, row_norms, spectral_upper
from bounds.norms.terms import linear_layer, row_sums

ASSUMES = (
    "ReLU or leaky ReLU",
    "no biases",
    "layered: every layer reads the one below it, no skips",
    "no max pooling (average pooling is a linear layer)",
    "the last layer is linear",
)


@dataclass(frozen=True)
class Level:
    """Layers of one depth, side by side: their operators stacked are one matrix."""

    indices: tuple[int, ...]
    names: str
    activated: bool
    fixed: bool
    """Only pooling and elementwise scales, no activation: norm times the largest, but no layer of the theorem."""


def read_levels(graph: Graph) -> tuple[Level, ...]:
    """The levels above the input, in order; the last one is the last layer alone.

    Raises:
        NotCovered: max pooling, a skip, a bias that is not zero, activations of several kinds side by side, or a last
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
        if layer.bias is not None and np.any(layer.bias != 0):
            raise NotCovered(f"a bias in {label(layer)}")
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
    return Level(indices, names, layers[0].activated, fixed.pop())


def activations(levels: tuple[Level, ...]) -> int:
    """How many levels have an activation: the peelings of a proof."""
    return sum(level.activated for level in levels)


def depth(levels: tuple[Level, ...]) -> int:
    """How many levels are layers of the theorem."""
    return sum(not level.fixed for level in levels)


def frobenius_norms(graph: Graph, levels: tuple[Level, ...]) -> list[float]:
    """‖A_l‖_F of every level's operator; of a fixed one an upper bound on its spectral norm."""
    return [math.hypot(*((spectral_upper if v.fixed else frobenius_norm)(graph, i) for i in v.indices)) for v in levels]


def one_inf_norms(graph: Graph, levels: tuple[Level, ...]) -> list[float]:
    """‖A_l‖_{1,∞} of every level's operator, the fixed ones too."""
    return [max(one_inf_norm(graph, i) for i in level.indices) for level in levels]


def score_norms(graph: Graph) -> np.ndarray:
    """‖w_r‖₂ of every row of the last layer."""
    return row_norms(graph, len(graph.layers) - 1)


def score_one_norms(graph: Graph) -> np.ndarray:
    """‖w_r‖₁ of every row of the last layer."""
    return row_sums(linear_layer(graph, len(graph.layers) - 1), np.abs)


def log_product(norms: list[float]) -> float:
    """Σ log of norms, −inf if one is 0; a network that is constantly 0 has no scale, whatever its other norms."""
    if 0.0 in norms:
        return -math.inf
    return math.fsum(math.log(n) for n in norms)


def shown(levels: tuple[Level, ...], norms: list[float]) -> dict[str, float]:
    """Norms by level, for `terms`."""
    return {f"{k}: {level.names}": norm for k, (level, norm) in enumerate(zip(levels, norms, strict=True), start=1)}
