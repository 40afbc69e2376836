"""A graph in JAX with its parameters as arguments: what is perturbed, and what gradients are taken of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Activation, Input, Layer, Linear, MaxPool, label
from sparsebounds.bounds.graph.nonlinearities import TANH_GELU
from sparsebounds.bounds.graph.taps import Taps
from sparsebounds.bounds.graph.terms import Diagonal, Dot, Pool
from sparsebounds.bounds.measures.subject import Undefined

Parameters = list[jax.Array]
"""Of every layer in turn: the strengths of the terms that have parameters, then the bias."""
Values = Float[jax.Array, "B size"]
Run = Callable[[Parameters, Values], Values]
POINTWISE: dict[str, Callable[..., jax.Array]] = {
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
    "GELU": lambda t: jax.nn.gelu(t, approximate=False),
    TANH_GELU.name: lambda t: jax.nn.gelu(t, approximate=True),
    "SiLU": jax.nn.silu,
    "ELU": jax.nn.elu,
    "ReLU6": jax.nn.relu6,
    "hard tanh": jax.nn.hard_tanh,
    "SELU": jax.nn.selu,
    "abs": jnp.abs,
    "PReLU": lambda t, below, above: jnp.where(t < 0, below * t, above * t),
}
"""Activations beside ReLU and leaky ReLU, which are part of linear layers."""


def parameters_of(graph: Graph) -> list[np.ndarray]:
    """All that training chose, in the order of `Parameters`; batch norm is folded where the reader folded it."""
    found: list[np.ndarray] = []
    for _, layer in graph.linear_layers():
        found += [term.parameters for term in layer.terms if term.parameters is not None]
        if layer.bias is not None:
            found.append(layer.bias)
    return found


def owners_of(graph: Graph) -> list[np.ndarray | None]:
    """For every array: which of its numbers are one parameter (a bias of all positions); None: each is its own."""
    found: list[np.ndarray | None] = []
    for _, layer in graph.linear_layers():
        found += [_owners(term) for term in layer.terms if term.parameters is not None]
        if layer.bias is not None:
            found.append(None if layer.bias_of is None else np.unique(layer.bias_of, return_inverse=True)[1].ravel())
    return found


def _owners(term: Dot | Pool | Diagonal) -> np.ndarray | None:
    """Of weights that are written once for every row: the sets are one."""
    if not isinstance(term, Dot) or len(term.weight) == len(term.numbers):
        return None
    once = np.arange(term.weight[0].size).reshape(term.weight[0].shape)
    return np.broadcast_to(once, term.weight.shape)


def forward(graph: Graph) -> Run:
    """(parameters, inputs (B, size)) → scores (B, C), a pure function that JAX can compile and differentiate.

    Raises:
        Undefined: a layer of a kind that is no sum of linear maps, known activation or maximum.
    """
    if graph.input.vocabulary is not None:
        raise Undefined("the input is tokens; a search moves weights of networks of arrays alone")
    steps = [(i, _step(graph, i, layer)) for i, layer in graph.computed()]

    def run(parameters: Parameters, x: Values) -> Values:
        values, rest = {0: x}, iter(parameters)
        for i, step in steps:
            values[i] = step(values, rest)
        return values[len(graph.layers) - 1]

    return run


def _step(graph: Graph, index: int, layer: Layer) -> Callable[[dict[int, jax.Array], Any], jax.Array]:
    if isinstance(layer, Linear):
        return _linear(graph, layer)
    if isinstance(layer, MaxPool):
        image = _reader(graph, layer.taps.source[0], -jnp.inf)
        return lambda values, _: _windows(image(values), layer.taps, -jnp.inf).max(axis=2).reshape(len(values[0]), -1)
    if isinstance(layer, Activation) and layer.function.name in POINTWISE:
        read, apply = _reader(graph, layer.elements), POINTWISE[layer.function.name]
        return lambda values, _: apply(read(values), *layer.function.numbers)
    kind = "input" if isinstance(layer, Input) else layer.kind
    raise Undefined(f"a search knows linear maps, maxima and {len(POINTWISE)} activations; {label(layer)} is {kind}")


def _linear(graph: Graph, layer: Linear) -> Callable[[dict[int, jax.Array], Any], jax.Array]:
    maps = [_term(graph, term) for term in layer.terms]
    learned = [term.parameters is not None for term in layer.terms]

    def step(values: dict[int, jax.Array], rest: Any) -> jax.Array:
        total = sum(apply(values, next(rest) if own else None) for apply, own in zip(maps, learned, strict=True))
        if layer.bias is not None:
            total = total + next(rest)
        return jnp.maximum(total, layer.slope * total) if layer.activated else jnp.asarray(total)

    return step


def _term(graph: Graph, term: Dot | Pool | Diagonal) -> Callable[[dict[int, jax.Array], Any], jax.Array]:
    if isinstance(term, Dot):
        return _dot(graph, term)
    if isinstance(term, Pool):
        image, scale = _reader(graph, term.taps.source[0]), term.coefficient.astype(np.float32)
        return lambda values, _: (_windows(image(values), term.taps).sum(axis=2) * scale).reshape(len(values[0]), -1)
    read = _reader(graph, term.elements)
    return lambda values, scale: read(values) if scale is None else read(values) * scale


def _dot(graph: Graph, term: Dot) -> Callable[[dict[int, jax.Array], Any], jax.Array]:
    images = [_reader(graph, source) for source in term.taps.source]
    order = None if term.order is None else np.argsort(term.order)

    def apply(values: dict[int, jax.Array], weight: jax.Array) -> jax.Array:
        parts = []
        for b, image in enumerate(images):
            rows = _windows(image(values), term.taps)
            parts.append(rows.reshape(*rows.shape[:2], -1) @ weight[b])
        flat = jnp.stack(parts, axis=1).reshape(len(values[0]), -1)
        return flat if order is None else flat[:, order]

    return apply


def _windows(image: jax.Array, taps: Taps, fill: float = 0.0) -> jax.Array:
    """(B, S, C) → (B, F, T, C), `fill` where a tap falls into padding."""
    if taps.sites.shape == (image.shape[1], 1) and np.array_equal(taps.sites[:, 0], np.arange(image.shape[1])):
        return image[:, :, None]
    padded = jnp.pad(image, ((0, 0), (0, 1), (0, 0)), constant_values=fill)
    return padded[:, taps.sites]


def _reader(
    graph: Graph, elements: Int[np.ndarray, "*shape"], fill: float = 0.0
) -> Callable[[dict[int, jax.Array]], jax.Array]:
    """Values of all layers so far → (B, *shape) of these elements, `fill` for ABSENT."""
    sources = graph.layer_of(elements)
    places, start = np.full(elements.shape, -1), 0
    for s in sources:
        low, high = graph.offsets[s], graph.offsets[s + 1]
        inside: Bool[np.ndarray, "*shape"] = (elements >= low) & (elements < high)
        places = np.where(inside, elements - low + start, places)
        start += int(high - low)
    whole = len(sources) == 1 and np.array_equal(places.ravel(), np.arange(start))

    def read(values: dict[int, jax.Array]) -> jax.Array:
        batch = len(values[0])
        if whole:
            return values[sources[0]].reshape(batch, *elements.shape)
        every = jnp.concatenate([values[s] for s in sources], axis=1) if sources else jnp.zeros((batch, 0))
        return jnp.pad(every, ((0, 0), (0, 1)), constant_values=fill)[:, places]

    return read
