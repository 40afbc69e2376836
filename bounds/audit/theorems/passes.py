"""The cover pass against networks: how large the values of a layer are, how far a change of them moves the scores.

    (Σ_n ‖z_v(x_n)‖²)^½ ≤ B_v        ‖f(x; z_v + δ) − f(x; z_v)‖ ≤ λ_v ‖δ‖        for the network's own norms

Both sides belong to one network, so that nothing has to be kept in a class: the search climbs their quotient. It starts
where the constants are attained by hand, and every other start is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.bounds.audit.run import Row
from sparsebounds.bounds.audit.theorems.cases import Preset
from sparsebounds.bounds.graph.evaluation import activations, evaluate
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.reader import read_graph
from sparsebounds.bounds.theorems.passes.cover import backward, forward
from sparsebounds.bounds.theorems.passes.fixed import Fixed
from sparsebounds.bounds.theorems.passes.hulls import bias_norm
from sparsebounds.bounds.theorems.passes.maps import biased_layers, learned_terms, term_upper
from sparsebounds.bounds.theorems.passes.sizes import Size, log

STEPS = {"quick": 60, "full": 400}
WALKED = frozenset({"bartlett", "graf_norms"})
"""The bounds that stand for all that read the pass."""


@dataclass(frozen=True, eq=False)
class PassCase:
    """A small network, the layer whose values are changed, and a point where its constants are attained."""

    name: str
    program: Callable[[Any], Callable[[Any], Any]]
    """Weights → network."""
    layer: int
    attained: tuple[Any, ...]
    """Weights, input and change."""
    broken: tuple[tuple[str, float], ...] = ()


def audit_passes(bound: str, preset: Preset = "quick") -> list[Row]:
    """Two rows per case: the size of the changed layer, and how far the change moves the scores.

    Args:
        bound: whose rows these are.
        preset: "quick" or "full".
    """
    return [row for case in pass_cases() for row in _rows(bound, case, STEPS[preset])]


@cache
def pass_cases() -> tuple[PassCase, ...]:
    """Maxima that overlap beside a skip and biases; a concatenation with an ancestor, tanh."""
    eye = np.eye(3, 2)

    def maxima(w: Any) -> Callable[[Any], Any]:
        a, b, c, d = w

        def f(x: Any) -> Any:
            h = jax.nn.relu(x @ a + b)
            p = jax.lax.reduce_window(h, -jnp.inf, jax.lax.max, (1, 2), (1, 1), "VALID")
            return (p + jax.nn.relu(p @ c)) @ d

        return f

    def joined(w: Any) -> Callable[[Any], Any]:
        a, b, c = w
        return lambda x: jnp.concatenate([jnp.tanh(x @ a), x @ a], axis=1) @ jnp.concatenate([b, c])

    bump = (np.eye(3), 1e-3 * np.ones(3), np.eye(2), np.eye(2), np.array([0.0, 1.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    twin = (("overlapping maxima with constant 1", math.sqrt(2)),)
    small = (eye, np.eye(2), np.eye(2), np.array([1e-3, 0.0, 0.0]), np.array([1e-3, 0.0]))
    return (
        PassCase("skip, biases, overlapping maxima", maxima, 1, bump, twin),
        PassCase("tanh beside its argument", joined, 1, small),
    )


def _rows(bound: str, case: PassCase, steps: int) -> Iterator[Row]:
    for what, ratio in (("sizes of the cover pass", _size), ("multipliers of the cover pass", _multiplier)):
        found = max(_climbed(case.layer, ratio, start, steps) for start in _starts(case))
        yield Row(bound, what, case.name, found, 1.0, 0.0, False, case.broken if ratio is _multiplier else ())


@dataclass(frozen=True)
class _Point:
    """A network, an input, and a change of the layer's values."""

    graph: Graph
    x: np.ndarray
    delta: np.ndarray

    def stepped(self, rng: np.random.Generator, size: float) -> _Point:
        """A point nearby."""

        def step(array: np.ndarray) -> np.ndarray:
            return array + size * rng.normal(size=array.shape) * np.abs(array).max()

        layers = tuple(layer.with_parameters(step) for layer in self.graph.layers)
        return _Point(replace(self.graph, layers=layers), step(self.x), step(self.delta))


def _starts(case: PassCase) -> Iterator[_Point]:
    """The point where constants are attained, and two that are drawn."""
    rng = np.random.default_rng(0)
    for drawn in (False, True, True):
        parts = [np.asarray(rng.normal(size=np.shape(p)) if drawn else p, dtype=np.float64) for p in case.attained]
        *weights, x, delta = parts
        network = case.program([w.astype(np.float32) for w in weights])
        yield _Point(read_graph(network, np.ones((2, len(x)), np.float32)), x, delta)


def _climbed(layer: int, ratio: Callable[[int, _Point], float], point: _Point, steps: int) -> float:
    """The largest quotient that random steps from a point find."""
    rng, best, size = np.random.default_rng(1), ratio(layer, point), 0.3
    for _ in range(steps):
        step = point.stepped(rng, size)
        found = ratio(layer, step)
        best, point, size = (found, step, size) if found > best else (best, point, max(0.9 * size, 1e-3))
    return best


def _size(index: int, point: _Point) -> float:
    """‖z_v‖ / B_v."""
    values = activations(point.graph, point.x[None])[index]
    return float(np.linalg.norm(values)) / math.exp(forward(_own(point.graph), _start(point.x), 1)[index].total)


def _multiplier(index: int, point: _Point) -> float:
    """‖change of the scores‖ / (λ_v ‖δ‖)."""
    graph, x, layers, fixed = point.graph, point.x[None], list(point.graph.layers), _own(point.graph)
    layer = graph.linear(index)
    layers[index] = replace(layer, bias=point.delta if layer.bias is None else layer.bias + point.delta)
    moved = evaluate(replace(graph, layers=tuple(layers)), x) - evaluate(graph, x)
    most = math.exp(backward(fixed, forward(fixed, _start(point.x), 1))[index])
    return float(np.linalg.norm(moved)) / (most * float(np.linalg.norm(point.delta)))


def _own(graph: Graph) -> Fixed:
    """The class of a network's own norms."""
    norms = {place: log(term_upper(graph, place)) for place in learned_terms(graph)}
    return Fixed(graph, norms, {i: log(bias_norm(graph, i)) for i in biased_layers(graph)})


def _start(x: np.ndarray) -> Size:
    norm = log(float(np.linalg.norm(x)))
    return Size(norm, norm, log(float(np.abs(x).max())))
