"""Small networks to search over: their hidden features, the norms a class may fix, and the network as a graph."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Linear
from sparsebounds.bounds.graph.score_difference import score_difference
from sparsebounds.bounds.graph.terms import Dot
from sparsebounds.bounds.reader import read_graph

TINY = 1e-300
"""Added under roots, whose gradient at 0 would be NaN."""


@dataclass(frozen=True, eq=False)
class Architecture:
    """A network up to its last layer, which is dense and reads every feature (and the constant 1 if `biased`).

    Weights are a list, one array per hidden layer: dense (out, in), with the bias as one more column, or a kernel
    (height, width, in, out).
    """

    input: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]
    features: Callable[[Any, Any], Any]
    """(weights, x (m, …)) → (m, K)."""
    norms: dict[str, Callable[[Any], Any]]
    """Name of a norm → weights ↦ weights of norm 1 in every layer."""
    biased: bool = False
    masks: tuple[np.ndarray | None, ...] = ()
    """Which weights there are, per layer; None: all."""
    paths: Callable[[Any], Any] | None = None
    """weights → ℓ1 path norm of every feature (K,), where running the network on ones would not give it."""

    def draw(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Gaussian weights."""
        return [rng.normal(size=shape) for shape in self.shapes]

    def read_by_last(self, weights: Any, x: Any) -> Any:
        """What the last layer reads: (m, K) or (m, K + 1)."""
        v = self.features(weights, x).reshape(x.shape[0], -1)
        return jnp.concatenate([v, jnp.ones_like(v[:, :1])], axis=1) if self.biased else v

    def path(self, weights: Any) -> Any:
        """ℓ1 path norm of everything that the last layer reads: the features of |weights| on the input of ones."""
        if self.paths is not None:
            return self.paths(weights)
        return self.read_by_last([jnp.abs(w) for w in weights], jnp.ones((1, *self.input), jnp.float64))[0]

    def graph(self, weights: Sequence[np.ndarray], top: np.ndarray) -> Graph:
        """The network with these weights, each in float64; a weight of 0 is a weight that is there.

        Args:
            weights: of the hidden layers.
            top: (C, K) last layer, or (C, K + 1) with its bias.
        """
        if self.paths is not None:  # several maps per layer: read as it is, in float32
            return _read(self, weights, np.asarray(top))
        return _with_weights(_template(self, len(top)), [*weights, top])


def _read(architecture: Architecture, weights: Sequence[np.ndarray], top: np.ndarray) -> Graph:
    """The network as the reader reads it."""
    weights, top = [np.asarray(w, np.float32) for w in weights], np.asarray(top.T, np.float32)

    def f(z: Any) -> Any:
        v = architecture.features(weights, z).reshape(z.shape[0], -1)
        return v @ top[:-1] + top[-1] if architecture.biased else v @ top

    with jax.numpy_dtype_promotion("standard"):
        graph = read_graph(f, np.ones((2, *architecture.input), np.float32))
    return score_difference(graph) if top.shape[1] == 1 else graph  # one output is read as the scores (0, d)


@cache
def _template(architecture: Architecture, classes: int) -> Graph:
    """The network with random weights."""
    rng = np.random.default_rng(0)
    masks = (*architecture.masks, *[None] * len(architecture.shapes))
    drawn = zip(architecture.draw(rng), masks, strict=False)
    weights = [w if mask is None else w * mask for w, mask in drawn]
    width = jax.eval_shape(architecture.read_by_last, weights, np.ones((1, *architecture.input))).shape[1]
    return _read(architecture, weights, rng.normal(size=(classes, width)))


def _with_weights(graph: Graph, weights: Sequence[np.ndarray]) -> Graph:
    """The graph with other numbers in its learned maps, in their order; a last column too many is a bias."""
    layers, left = [], [np.asarray(w, dtype=np.float64) for w in weights]
    for layer in graph.layers:
        if isinstance(layer, Linear) and isinstance(layer.terms[0], Dot):
            w = left.pop(0)
            term, bias = layer.terms[0], layer.bias
            if w.ndim == 2 and w.shape[1] > term.weight.shape[1]:
                w, bias = w[:, :-1], w[:, -1]
            matrix = w.T if w.ndim == 2 else w.reshape(-1, w.shape[-1])
            dot = replace(term, weight=matrix.reshape(term.weight.shape))
            layer = replace(layer, terms=(dot,), bias=bias)
        layers.append(layer)
    return replace(graph, layers=tuple(layers))


def scaled_to(norm: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Every layer divided by its norm."""
    return lambda weights: [w / (norm(w) + TINY) for w in weights]


def frobenius(w: Any) -> Any:
    """‖w‖_F."""
    return jnp.sqrt(jnp.sum(w**2) + TINY)


def two_norms(w: Any) -> Any:
    """ℓ2 norms of rows."""
    return jnp.sqrt(jnp.sum(w**2, axis=1) + TINY)


def two_one(w: Any) -> Any:
    """Σ over rows of their ℓ2 norm."""
    return jnp.sum(two_norms(w))


def _by_difference(hidden: Callable[[Any], Any], weights: Any) -> Any:
    """The difference of the two rows of the last layer scaled to norm 1, the layers below it by `hidden`."""
    return [*hidden(weights[:-1]), weights[-1] / frobenius(weights[-1][0] - weights[-1][1])]


ACTIVATIONS: dict[str, Callable[[Any], Any]] = {"ReLU": jax.nn.relu, "tanh": jnp.tanh, "ELU": jax.nn.elu}


@cache
def dense(widths: tuple[int, ...], biased: bool = False, function: str = "ReLU") -> Architecture:
    """Layers of these widths, inputs first. A bias is a weight from the constant 1, of the first layer alone."""
    activation = ACTIVATIONS[function]

    def features(weights: Any, x: Any) -> Any:
        for k, w in enumerate(weights):
            bias = k == 0 and biased
            x = x @ (w[:, :-1] if bias else w).T
            x = activation(x + w[:, -1] if bias else x)
        return x

    shapes = tuple((out, into + (k == 0 and biased)) for k, (into, out) in enumerate(itertools.pairwise(widths)))
    rows = lambda w: jnp.sum(jnp.abs(w), axis=1, keepdims=True)  # noqa: E731
    norms = {"frobenius": scaled_to(frobenius), "l1": scaled_to(rows), "two_one": scaled_to(two_one)}
    norms["nodes"] = norms["frobenius"]
    norms["difference"] = partial(_by_difference, norms["frobenius"])
    norms["two_one difference"] = partial(_by_difference, norms["two_one"])
    norms["l1 path"] = lambda weights: [
        *norms["l1"](weights[:-1]),
        weights[-1] / (jnp.sum(jnp.abs(weights[-1])) + TINY),
    ]
    norms["units"] = lambda weights: [
        *[w / jnp.sqrt(jnp.sum(w**2, axis=1, keepdims=True) + TINY) for w in weights[:-1]],
        weights[-1] / two_one(weights[-1].T),
    ]
    return Architecture((widths[0],), shapes, features, norms)


@cache
def convolutional(
    image: tuple[int, int, int], kernels: tuple[tuple[int, ...], ...], same: bool = False
) -> Architecture:
    """Convolutions of stride 1 with ReLU, one kernel for all positions; `same`: zeros below and to the right."""

    def features(weights: Any, x: Any) -> Any:
        for w in weights:
            kh, kw = w.shape[:2]
            if same:
                x = jnp.pad(x, ((0, 0), (0, kh - 1), (0, kw - 1), (0, 0)))
            rows, columns = x.shape[1] - kh + 1, x.shape[2] - kw + 1
            shifts = [x[:, a : a + rows, b : b + columns] for a in range(kh) for b in range(kw)]
            x = jax.nn.relu(jnp.concatenate(shifts, axis=-1) @ w.reshape(-1, w.shape[-1]))
        return x

    def operator(k: int) -> Callable[[Any], Any]:
        """‖A‖_F: every tap counts once per position that is not padding."""
        height, width = image[0], image[1]
        for earlier in kernels[:k]:
            height, width = (height, width) if same else (height - earlier[0] + 1, width - earlier[1] + 1)
        taps = np.array(
            [
                [(height - a) * (width - b) if same else (height - kernels[k][0] + 1) * (width - kernels[k][1] + 1)
                 for b in range(kernels[k][1])]
                for a in range(kernels[k][0])
            ],
            dtype=np.float64,
        )  # fmt: skip
        return lambda w: jnp.sqrt(jnp.sum(taps[:, :, None, None] * w**2) + TINY)

    operators = [operator(k) for k in range(len(kernels))]
    norms = {
        "nodes": scaled_to(frobenius),
        "frobenius": lambda weights: [w / norm(w) for w, norm in zip(weights, operators, strict=True)],
        "l1": scaled_to(lambda w: jnp.sum(jnp.abs(w), axis=(0, 1, 2))),
    }
    return Architecture(image, kernels, features, norms)


@cache
def unshared(positions: tuple[int, ...], channels: int) -> Architecture:
    """Every node reads two neighbours below and the constant 1, with weights of its own; the last layer has biases."""
    counts = list(itertools.pairwise(positions))
    masks = [
        np.hstack([np.kron(np.eye(n, k) + np.eye(n, k, 1), np.ones((channels, channels))), np.ones((n * channels, 1))])
        for k, n in counts
    ]

    def features(weights: Any, x: Any) -> Any:
        for w, (_, n) in zip(weights, counts, strict=True):
            x = jax.nn.relu(x.reshape(x.shape[0], -1) @ w[:, :-1].T + w[:, -1]).reshape(x.shape[0], n, channels)
        return x

    def project(weights: Any) -> Any:
        found = []
        for w, mask, (_, n) in zip(weights, masks, counts, strict=True):
            there = w * mask
            squares = jnp.sum(there.reshape(n, -1) ** 2, axis=1)
            found.append(there / jnp.repeat(jnp.sqrt(squares + TINY), channels)[:, None])
        return found

    shapes = tuple(mask.shape for mask in masks)
    return Architecture((positions[0], channels), shapes, features, {"nodes": project}, True, tuple(masks))


@cache
def everything(inputs: int, max_pool: str) -> Architecture:
    """Two ReLU layers, biases, a skip, a max pool over pairs; the last layer reads all of it.

    Args:
        inputs: coordinates.
        max_pool: path norm of a maximum over 2: the "sum", or 2 times the "max"; "layers": in place of path norms the
            largest of each layer; "nodes": those of the node pass with a node for each layer.
    """
    shapes = ((4, inputs + 1), (2, 2 + inputs))

    def features(weights: Any, x: Any) -> Any:
        a, c = weights
        h = jax.nn.relu(x @ a[:, :-1].T + a[:, -1])
        p = jnp.max(h.reshape(h.shape[0], 2, 2), axis=2)
        g = jax.nn.relu(p @ c[:, :2].T + x @ c[:, 2:].T)
        return jnp.concatenate([g, p, x], axis=1)

    def paths(weights: Any) -> Any:
        a, c = (jnp.abs(w) for w in weights)
        pairs = jnp.sum(a, axis=1).reshape(2, 2)
        p = jnp.sum(pairs, axis=1) if max_pool == "sum" else 2 * jnp.max(pairs, axis=1)
        return jnp.concatenate([c[:, :2] @ p + jnp.sum(c[:, 2:], axis=1), p, jnp.ones(inputs)])

    def layers(weights: Any) -> Any:
        a, c = (jnp.abs(w) for w in weights)
        p = 2 * jnp.max(jnp.sum(a, axis=1))
        g = jnp.max(jnp.sum(c[:, :2], axis=1) * p + jnp.sum(c[:, 2:], axis=1))
        return jnp.concatenate([jnp.stack([g, g, p, p]), jnp.ones(inputs)])

    def nodes(weights: Any) -> Any:
        a, c = weights
        h = two_norms(a[:, :-1]) + jnp.abs(a[:, -1])
        p = two_norms(2 * jnp.max(h.reshape(1, 2, 2), axis=2))[0]
        g = two_norms((two_norms(c[:, :2]) * p + two_norms(c[:, 2:]))[None])[0]
        return jnp.concatenate([jnp.stack([g, g, p, p]), jnp.ones(inputs)])

    gains = {"layers": layers, "nodes": nodes}.get(max_pool, paths)
    return Architecture((inputs,), shapes, features, {}, paths=gains)
