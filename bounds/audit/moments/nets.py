"""Small networks built from one operation per rule of Theorem 1, run for many weights at once, and read as graphs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.nonlinearities import ABS, GELU, SIGMOID, TANH, Nonlinearity, two_slopes
from sparsebounds.bounds.graph.score_difference import score_difference
from sparsebounds.bounds.moments import Columns, forward, own_numbers, read_plan
from sparsebounds.bounds.moments.peeling import COVERS
from sparsebounds.bounds.reader import read_graph

Kind = Literal["point", "pair", "dense", "residual", "post", "mean", "max"]
Form = Literal["layer", "tap", "scalar", "rows"]
BIAS = 0.7
"""Norm of every bias."""


@dataclass(frozen=True)
class Function:
    """An activation that is no leaky ReLU."""

    known: Nonlinearity
    traced: Callable[[Any], Any]
    """The same as a function of JAX."""


FUNCTIONS: dict[str, Function] = {
    "tanh": Function(TANH, jnp.tanh),
    "GELU": Function(GELU, partial(jax.nn.gelu, approximate=False)),
    "sigmoid": Function(SIGMOID, jax.nn.sigmoid),
    "abs": Function(ABS, jnp.abs),
    "PReLU": Function(two_slopes(-0.5, 1.0), lambda t: jnp.where(t < 0, -0.5 * t, t)),
}


@dataclass(frozen=True)
class Op:
    """One step: a learned map of every position ("point"), of two neighbours ("pair"), of all ("dense"), each with an
    activation; σ(Wz) + z ("residual"), σ(Wz + z) ("post"); the mean or the maximum of two neighbours.
    """

    kind: Kind
    channels: int = 1
    slope: float = 0.0
    biased: bool = False
    function: str = ""
    """A key of `FUNCTIONS`, applied where `slope` is 1."""


@dataclass(frozen=True)
class Net:
    """Operations on (positions, channels), and what the class fixes of each map.

    "layer": the norm of a node's weights is 1; "tap": that of every block is 1; "scalar": nodes are single
    coordinates, each of norm 1; "rows": each of the c rows of a node has norm 1/√c, and its bias in proportion.
    """

    positions: int
    channels: int
    ops: tuple[Op, ...]
    form: Form = "layer"

    def shapes(self) -> list[tuple[int, int, int]]:
        """(blocks, channels in, channels out) of every learned map."""
        found, n, c = [], self.positions, self.channels
        for op in self.ops:
            if op.kind in ("mean", "max"):
                n //= 2
                continue
            blocks = {"pair": 2, "dense": n}.get(op.kind, 1)
            out = c if op.kind in ("residual", "post") else op.channels
            found.append((blocks, c, out))
            n, c = {"pair": n - 1, "dense": 1}.get(op.kind, n), out
        return found

    def draw(self, rng: np.random.Generator, *lead: int) -> list[np.ndarray]:
        """Weights of the class and, one per map, biases (of norm 0 where there are none)."""
        maps = [op for op in self.ops if op.kind not in ("mean", "max")]
        weights = [rng.normal(size=(*lead, *shape)) for shape in self.shapes()]
        biases = [rng.normal(size=(*lead, s[2])) * op.biased for s, op in zip(self.shapes(), maps, strict=True)]
        return self.project([*weights, *biases])

    def project(self, weights: list[np.ndarray]) -> list[np.ndarray]:
        """Scaled to the norms of the class."""
        half = len(weights) // 2
        axes = {"layer": (-3, -2, -1), "tap": (-2, -1), "scalar": (-3, -2), "rows": (-3, -2)}[self.form]

        def share(w: np.ndarray) -> float:
            return 1 / math.sqrt(w.shape[-1]) if self.form == "rows" else 1.0

        def bias(b: np.ndarray) -> np.ndarray:
            return BIAS * (share(b) * np.sign(b) if self.form in ("scalar", "rows") else b / _norm(b, (-1,)))

        return [*(share(w) * w / _norm(w, axes) for w in weights[:half]), *map(bias, weights[half:])]


def _norm(w: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    return np.maximum(np.sqrt(np.sum(np.square(w), axis=axes, keepdims=True)), 1e-300)


def run(net: Net, weights: list[Any], x: Any, xp: Any = np) -> Any:
    """What the last layer reads: (…, m, K), for weights with leading axes and x (m, positions, channels)."""
    half, place, z = len(weights) // 2, 0, x
    for op in net.ops:
        if op.kind in ("mean", "max"):
            z = z[..., : z.shape[-2] // 2 * 2, :]
            pairs = z.reshape(*z.shape[:-2], -1, 2, z.shape[-1])
            z = pairs.mean(-2) if op.kind == "mean" else pairs.max(-2)
            continue
        t = _mapped(op, z, weights[place], xp)
        if op.biased:
            t = t + weights[half + place][..., None, None, :]
        place += 1
        t = t + z if op.kind == "post" else t
        t = _applied(op, t, xp)
        z = t + z if op.kind == "residual" else t
    return z.reshape(*z.shape[:-2], -1)


def _applied(op: Op, t: Any, xp: Any) -> Any:
    if op.function:
        function = FUNCTIONS[op.function]
        return function.known.apply(t) if xp is np else function.traced(t)
    return t if op.slope == 1.0 else xp.maximum(t, op.slope * t) if op.slope else xp.maximum(t, 0.0)


def _mapped(op: Op, z: Any, w: Any, xp: Any) -> Any:
    if op.kind == "pair":
        z = xp.concatenate([z[..., :-1, :], z[..., 1:, :]], axis=-1)
    if op.kind == "dense":
        z = z.reshape(*z.shape[:-2], 1, -1)
    matrix = w.reshape(*w.shape[:-3], -1, w.shape[-1])
    return z @ (matrix[..., None, :, :] if w.ndim > 3 else matrix)


def top(width: int) -> np.ndarray:
    """The weights of the one score: norm 1, and no two the same, so that scalar weights of ±1 below do not cancel."""
    weights = np.linspace(1.0, 2.0, width)
    return np.asarray(weights / np.linalg.norm(weights))


def graph_of(net: Net, weights: list[np.ndarray]) -> Graph:
    """The network with one score, of weights `top`, as a graph of the partition that its form speaks of."""
    x = np.ones((2, net.positions, net.channels))
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        last = top(run(net, weights, x).shape[-1])[:, None]

        # Traced by JAX; NumPy where the reader compares numbers, as nothing is compiled then.
        def f(z: Any) -> Any:
            return run(net, weights, z, np if isinstance(z, np.ndarray) else jnp) @ last

        # One output is read as the scores (0, d).
        return score_difference(read_graph(f, x, nodes="scalar" if net.form == "scalar" else "position"))


def claims(net: Net, graph: Graph, energies: np.ndarray, m: int, moments: tuple[float, ...]) -> np.ndarray:
    """Theorem 1: √(Σ q_i²) over what the last layer reads, for every p."""
    plan, last = read_plan(graph, covers=COVERS), graph.sources(len(graph.layers) - 1)
    numbers = own_numbers(plan, net.form == "tap")
    q = forward(plan, numbers, Columns.of_moments(graph.node_sums(0, energies), m, np.array(moments)))
    (source,) = last
    below = q[graph.node_offsets[source] : graph.node_offsets[source + 1]]
    return np.asarray(np.linalg.norm(below, axis=0) * np.exp(-numbers.log_scales[source]))
