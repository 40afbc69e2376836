"""The ℓ1 pass: one gain for every layer, in largest ℓ1 norms of rows, on a graph of any shape.

    κ_v = max over the rows e of v of Σ_u ‖w_{e,u}‖₁ κ_u + |b_e|      (u the layers that v reads; κ = 1 at the inputs)

so that on a chain without biases κ is Π ‖A_l‖_{1,∞}. Where an activation is not homogeneous the class fixes the numbers
α_vu = max_e ‖w_{e,u}‖₁ and β_v = max_e |b_e|, each on a grid, and the pass also says how much larger than that of the
inputs E sup |Σ_n ξ_n z_e(x_n)| / κ_v can be, in first moments and inside E exp (docs/theory.md, "Norms of layers on
graphs"). All numbers are kept as logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Activation, Linear, MaxPool, label
from sparsebounds.bounds.graph.terms import Term
from sparsebounds.bounds.norms.entries import biases, layer_scale, linear_layer
from sparsebounds.bounds.norms.logs import log_of
from sparsebounds.bounds.theorems.passes.gains import LOG2, activation_nats, squared_nats
from sparsebounds.bounds.theorems.passes.maps import is_learned

Rows = Float64[np.ndarray, " size"]


@dataclass(frozen=True)
class LayerGain:
    """Of one layer, as logarithms."""

    gain: float
    """κ; −inf for a layer that is constantly 0."""
    first: float = 0.0
    """F: E sup |Σ ξ z_e| ≤ κ F X_0, the supremum also over the elements e; where the class fixes all numbers."""
    exponential: float = 0.0
    """N: E exp(μ sup |Σ ξ z_e| / κ) ≤ N E exp(μ X_0), likewise."""


INPUT = LayerGain(0.0)
"""Of an input, and of the constant 1 that biases read."""


@dataclass
class Paid:
    """The numbers that a class fixes."""

    round_up: Callable[[float], tuple[float, float]]
    """A number → (the number of the class, not smaller; its price in nats)."""
    shown: dict[str, float] = field(default_factory=dict)
    nats: float = 0.0

    def log(self, name: str, log_value: float) -> float:
        """log of the number that the class fixes for this one."""
        with np.errstate(over="ignore"):
            number, nats = self.round_up(float(np.exp(log_value)))
        self.nats += nats
        self.shown[name] = number
        return math.log(number) if number > 0 else -math.inf


@dataclass(frozen=True)
class OneNorms:
    """A pass, finished up to some layer."""

    graph: Graph
    layers: list[LayerGain]
    paid: Paid | None
    """None: the numbers of the network itself, for a class of one number."""


def run_one_norms(graph: Graph, paid: Paid | None = None) -> OneNorms:
    """The pass from the inputs to the layer below the scores.

    Args:
        graph: any network of the kinds in `RULES`.
        paid: where every norm is a number of the class; these are rounded up and paid for here.

    Returns:
        The pass.

    Raises:
        ValueError: weights that are not finite; norms beyond float64 that must be paid for.

    Example:
        >>> [round(math.exp(layer.gain), 9) for layer in run_one_norms(graph).layers]
        [1.0, 1.0]
    """
    state = OneNorms(graph, [INPUT], paid)
    for index, layer in graph.computed():
        if index < len(graph.layers) - 1:
            state.layers.append(RULES[type(layer)](state, index, layer))
    return state


def score_rows(graph: Graph, index: int) -> list[tuple[int | None, Rows]]:
    """(source, log ‖w_{e,u}‖₁ for every element e) of a linear layer, its bias as what it reads from None."""
    return [*_parts(graph, index, lambda term: True), *_bias(graph, index)]


def top_gain(state: OneNorms) -> LayerGain:
    """Of the last layer, as that of any other."""
    last = len(state.graph.layers) - 1
    return RULES[type(state.graph.layers[last])](state, last, state.graph.layers[last])


def _bias(graph: Graph, index: int) -> list[tuple[None, Rows]]:
    return [] if graph.linear(index).bias is None else [(None, log_of(biases(graph, index)))]


def _parts(graph: Graph, index: int, which: Callable[[Term], bool]) -> list[tuple[int, Rows]]:
    """(source, log Σ |w_ee'| over the elements e' of the source, for every element e), of some of the terms."""
    layer, scale = linear_layer(graph, index), layer_scale(graph.linear(index))
    terms = [term for term in layer.terms if which(term)]
    found = []
    for source in graph.sources(index) if terms else ():
        ones = np.zeros(int(graph.offsets[-1]) + 1)
        ones[graph.offsets[source] : graph.offsets[source + 1]] = 1.0
        rows = np.sum([term.apply(ones, lambda w: np.abs(w) / scale) for term in terms], axis=0)
        found.append((source, log_of(rows) + math.log(scale)))
    return found


def _linear(state: OneNorms, index: int, layer: Linear) -> LayerGain:
    if state.paid is None:
        rows = [part + _of(state, source).gain for source, part in score_rows(state.graph, index)]
        return LayerGain(float(np.max(np.logaddexp.reduce(rows, axis=0))))
    graph = state.graph
    fixed = _parts(graph, index, lambda term: not is_learned(term, False))
    learned = _parts(graph, index, lambda term: is_learned(term, False))
    numbers: list[tuple[int | None, float]] = [(source, float(part.max())) for source, part in fixed]
    for source, part in [*learned, *_bias(graph, index)]:
        below = "biases" if source is None else f"rows over {label(graph.layers[source])}"
        numbers.append((source, state.paid.log(f"{label(layer)}: {below}", float(part.max()))))
    return _mean(state, numbers, layer.slope, 1.0)


def _of(state: OneNorms, source: int | None) -> LayerGain:
    return INPUT if source is None else state.layers[source]


def _mean(
    state: OneNorms, numbers: list[tuple[int | None, float]], low: float, high: float, odd: bool = False
) -> LayerGain:
    """κ = Σ α_u κ_u, F and N the means of F_u and N_u with weights α_u κ_u; then an activation with these slopes."""
    below = [(log_number + _of(state, source).gain, _of(state, source)) for source, log_number in numbers]
    gain = _sum(weight for weight, _ in below)
    if gain == -math.inf:
        return LayerGain(gain)
    first = _sum(weight + of.first for weight, of in below) - gain
    exponential = _sum(weight + of.exponential for weight, of in below) - gain
    return LayerGain(gain, first + squared_nats(low, high, odd) / 2, exponential + activation_nats(low, high, odd))


def _sum(logs: Any) -> float:
    return float(np.logaddexp.reduce(np.fromiter(logs, np.float64)))


def _union(state: OneNorms, index: int) -> LayerGain:
    """Elements of any of the layers that this one reads: the largest κ, and E max ≤ Σ E."""
    below = [state.layers[source] for source in state.graph.sources(index)] or [LayerGain(-math.inf)]
    return LayerGain(max(of.gain for of in below), _sum(of.first for of in below), _sum(of.exponential for of in below))


def _max_pool(state: OneNorms, index: int, layer: MaxPool) -> LayerGain:
    """κ = k max_u κ_u for at most k elements; max_t z_t / k is in the hull on one side, both signs cost 2."""
    below = _union(state, index)
    if layer.window == 1:
        return below
    return LayerGain(below.gain + math.log(layer.window), below.first + LOG2, below.exponential + LOG2)


def _activation(state: OneNorms, index: int, layer: Activation) -> LayerGain:
    """κ = λ κ_u + |σ(0)|, the second part from the constant."""
    one, below = layer.function, _union(state, index)
    gain = below.gain + math.log(one.lipschitz)
    contracted = (
        below.first + squared_nats(one.low, one.high, one.odd) / 2,
        below.exponential + activation_nats(one.low, one.high, one.odd),
    )
    if not one.at_zero:
        return LayerGain(gain, *contracted)
    constant = math.log(abs(one.at_zero))
    whole = float(np.logaddexp(gain, constant))
    first, exponential = (float(np.logaddexp(gain + grown, constant)) - whole for grown in contracted)
    return LayerGain(whole, first, exponential)


RULES: dict[type, Callable[[OneNorms, int, Any], LayerGain]] = {
    Linear: _linear,
    MaxPool: _max_pool,
    Activation: _activation,
}
"""Kind by kind."""
