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
from jaxtyping import Float64

from sparsebounds.bounds.bound import NotCovered
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Activation, Linear, MaxPool, label
from sparsebounds.bounds.graph.nonlinearities import Nonlinearity
from sparsebounds.bounds.margin import slopes
from sparsebounds.bounds.norms.entries import biases

ASSUMES = (
    slopes.ASSUMES,
    "layered: every layer reads the one below it, no skips",
    "no max pooling (average pooling is a linear layer, a bias a weight from the constant 1)",
    "the last layer is linear",
)


@dataclass(frozen=True)
class Level:
    """Layers of one depth, side by side: their operators stacked are one matrix."""

    indices: tuple[int, ...]
    names: str
    activated: bool
    fixed: bool
    """Only pooling and elementwise scales, no activation: a factor of the norms, but no layer of the theorem."""
    biased: bool
    """Whether there is a bias, be it zero, or an activation that is not 0 at 0."""
    activation: float | Nonlinearity | None
    """The slope of its leaky ReLU, or another function; None without one."""
    maximum: bool = False
    """Max pools alone."""


def read_levels(graph: Graph, *, lipschitz: bool = False, maxima: bool = False) -> tuple[Level, ...]:
    """The levels above the input, in order; the last one is the last layer alone.

    Args:
        graph: any network.
        lipschitz: whether activations that are layers of their own may stand in it, be they homogeneous or not.
        maxima: whether max pools may be levels.

    Raises:
        NotCovered: max pooling, a skip, activations of several kinds side by side, or a last
            layer that is not a learned linear map.
    """
    depth: dict[int, int] = {0: 0}
    known = (Linear, *([Activation] if lipschitz else []), *([MaxPool] if maxima else []))
    for i, layer in graph.computed():
        if not isinstance(layer, known):
            raise NotCovered(f"{'max pooling' if layer.maximum else layer.kind} in {label(layer)}")
        below = {depth[s] for s in graph.sources(i)} or {0}
        if len(below) != 1:
            raise NotCovered(f"{label(layer)} adds or joins layers of different depth (a skip)")
        # An activation in a layer of its own belongs to the level of what it reads.
        depth[i] = below.pop() + isinstance(layer, Linear | MaxPool)
    levels = tuple(_level(graph, d, depth) for d in range(1, max(depth.values()) + 1))
    top = levels[-1]
    if top.fixed or top.activated or len(top.indices) > 1:
        raise NotCovered(f"the last layer, {label(graph.layers[-1])}, is not a learned linear map of one layer below")
    return levels


def is_chain(graph: Graph) -> bool:
    """Whether a graph has levels: no max pooling, skips, or activations other than leaky ReLU."""
    try:
        read_levels(graph)
    except NotCovered:
        return False
    return True


def _level(graph: Graph, depth: int, depths: dict[int, int]) -> Level:
    own = [i for i, d in depths.items() if d == depth]
    if any(graph.layers[i].maximum for i in own):
        return _maxima(graph, own)
    indices = tuple(i for i in own if isinstance(graph.layers[i], Linear))
    layers, applied = [graph.linear(i) for i in indices], _applied(graph, [i for i in own if i not in indices], depths)
    names = ", ".join(label(layer) for layer in layers)
    fixed = {not layer.activated and not layer.dots and applied is None for layer in layers}
    if len({layer.slope for layer in layers}) > 1 or len(fixed) > 1 or (applied is not None and layers[0].activated):
        raise NotCovered(f"layers side by side, {names}, with different activations, or one of them fixed")
    activation = layers[0].slope if layers[0].activated else applied
    biased = any(layer.bias is not None for layer in layers) or (applied is not None and applied.at_zero != 0)
    return Level(indices, names, activation is not None, fixed.pop(), biased, activation)


def _maxima(graph: Graph, own: list[int]) -> Level:
    names = ", ".join(label(graph.layers[i]) for i in own)
    if not all(graph.layers[i].maximum for i in own):
        raise NotCovered(f"{names}: max pooling beside other layers, or right below an activation")
    return Level(tuple(own), names, False, True, False, None, maximum=True)


def _applied(graph: Graph, indices: list[int], depths: dict[int, int]) -> Nonlinearity | None:
    """What is applied to all of a level: nothing else may read the level below its activation."""
    found = [layer for i in indices if isinstance(layer := graph.layers[i], Activation)]
    if not found:
        return None
    names = ", ".join(label(layer) for layer in found)
    below = {s for i in indices for s in graph.sources(i)}
    readers = {i for i in depths if below.intersection(graph.sources(i))}
    if len({layer.function for layer in found}) > 1 or readers != set(indices) or not below.isdisjoint({0, *indices}):
        raise NotCovered(f"{names}: activations that differ within one level, or beside its values without them")
    return found[0].function


def activations(levels: tuple[Level, ...]) -> int:
    """How many levels have an activation: the peelings of a proof."""
    return sum(level.activated for level in levels)


def depth(levels: tuple[Level, ...]) -> int:
    """How many levels are layers of the theorem."""
    return sum(not level.fixed for level in levels)


@dataclass(frozen=True)
class DataNorms:
    """The inputs as the theorems see them: D coordinates, ‖X‖_F and max_j ‖X_j‖, the constant 1 among them."""

    inputs: int
    frobenius: float
    largest: float


def read_data(levels: tuple[Level, ...], energies: Float64[np.ndarray, " ..."], m: int) -> DataNorms:
    """From Σ_i x_ij² per coordinate; where there are biases, be they zero, the constant 1 has energy m."""
    constant = float(m) if any(level.biased for level in levels) else 0.0
    total, largest = float(np.sum(energies)) + constant, max(float(np.max(energies)), constant)
    return DataNorms(energies.size + (constant > 0), math.sqrt(total), math.sqrt(largest))


def level_biases(graph: Graph, level: Level) -> Float64[np.ndarray, " size"]:
    return np.concatenate([biases(graph, i) for i in level.indices])
