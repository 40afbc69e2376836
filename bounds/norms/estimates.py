"""Power iteration: a spectral norm from below, for any map that JAX can differentiate."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float64, Int

from sparsebounds.bounds.graph.elements import present_elements
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Linear
from sparsebounds.bounds.graph.terms import Diagonal, Pool, Term
from sparsebounds.bounds.norms import entries as parts

STEPS = 50


def jacobian_estimate(
    f: Callable[[jax.Array], jax.Array],
    shape: Sequence[int],
    *,
    at: np.ndarray | None = None,
    steps: int = STEPS,
    seed: int = 0,
) -> float:
    """An estimate of ‖J‖ = max ‖Jv‖₂/‖v‖₂ by v ← JᵀJv/‖JᵀJv‖, with Jv from `jax.jvp` and Jᵀu from `jax.vjp`.

    Args:
        f: a function of one array; a linear or affine map is its own Jacobian.
        shape: shape of that array.
        at: where to take the Jacobian of a function that is not affine; zeros by default.
        steps: rounds of the iteration.
        seed: of the random start.

    Returns:
        ‖Jv‖/‖v‖ of the last v, in float32: never above the norm but by rounding, and possibly well below it. An
        estimate to look at, never a part of a certificate.

    Raises:
        ValueError: fewer than one step.

    Example:
        >>> round(jacobian_estimate(lambda z: jnp.array([[3.0, 0.0], [4.0, 0.0]]) @ z, (2,)), 4)
        5.0

    Source: Yoshida, Miyato, arXiv 1705.10941; Virmaux, Scaman, NeurIPS 2018, for the automatic form.
    """
    return _iterated(f, shape, at, steps, seed)[1]


def jacobian_direction(
    f: Callable[[jax.Array], jax.Array], shape: Sequence[int], *, steps: int = STEPS, seed: int = 0
) -> Float64[np.ndarray, "*shape"]:
    """The last v of `jacobian_estimate`, a direction that a map stretches most, nearly: float64 of this shape."""
    return _iterated(f, shape, None, steps, seed)[0]


def _iterated(
    f: Callable[[jax.Array], jax.Array], shape: Sequence[int], at: np.ndarray | None, steps: int, seed: int
) -> tuple[Float64[np.ndarray, "*shape"], float]:
    """The last v, and ‖Jv‖/‖v‖ of the one before."""
    if steps < 1:
        raise ValueError(f"steps={steps}; needed at least one round")
    point = jnp.zeros(tuple(shape), jnp.float32) if at is None else jnp.asarray(at, jnp.float32)

    def step(v: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
        v = _unit(v)
        out = jax.jvp(f, (point,), (v,))[1]
        # The norm leaves before the transposed map, which squares it.
        return jax.vjp(f, point)[1](_unit(out))[0], jnp.sqrt(jnp.sum(jnp.square(out)))

    start = jax.random.normal(jax.random.key(seed), point.shape, jnp.float32)
    v, norms = jax.lax.scan(step, start, length=steps)
    return np.asarray(v, np.float64), float(norms[-1])


def _unit(v: jax.Array) -> jax.Array:
    largest = jnp.max(jnp.abs(v))
    v = v / jnp.where(largest > 0, largest, jnp.ones_like(largest))
    norm = jnp.sqrt(jnp.sum(jnp.square(v)))
    return v / jnp.where(norm > 0, norm, jnp.ones_like(norm))


def spectral_estimate(graph: Graph, index: int, *, steps: int = STEPS, seed: int = 0) -> float:
    """An estimate of the spectral norm of a linear layer of a graph, by power iteration.

    Args:
        graph: the network.
        index: number of a linear layer; its bias and activation do not count.
        steps, seed: as in `jacobian_estimate`.

    Returns:
        Never above the norm but by float32 rounding, possibly below it: beside `spectral_upper` it shows how tight
        that is.

    Raises:
        ValueError: not a linear layer, or weights that are not finite.

    Example:
        >>> from sparsebounds import bounds
        >>> graph = bounds.read_graph(lambda x: x @ jnp.array([[3.0, 0.0], [4.0, 0.0]]), np.ones((1, 2)))
        >>> round(spectral_estimate(graph, 1), 4)
        5.0

    Source: see `jacobian_estimate`.
    """
    layer = parts.linear_layer(graph, index)
    scale = parts.layer_scale(layer)
    f, size = linear_map(layer, scale)
    return jacobian_estimate(f, (size,), steps=steps, seed=seed) * scale


def linear_map(layer: Linear, scale: float = 1.0) -> tuple[Callable[[jax.Array], jax.Array], int]:
    """A linear layer without bias and activation, divided by `scale`, as a JAX function of the elements it reads.

    Returns:
        The function from the vector of all elements that some term reads (ascending) to the layer's elements, and the
        length of that vector.

    Example:
        >>> from sparsebounds import bounds
        >>> graph = bounds.read_graph(lambda x: x @ jnp.array([[3.0, 0.0], [4.0, 0.0]]), np.ones((1, 2)))
        >>> f, size = linear_map(graph.layers[1])
        >>> size, f(jnp.array([1.0, 1.0])).tolist()
        (2, [7.0, 0.0])
    """
    elements = present_elements(np.concatenate([read.ravel() for read in layer.elements_read]))

    def place(numbers: Int[np.ndarray, "*shape"]) -> Int[np.ndarray, "*shape"]:
        """Index into the compact vector; the zero at its end stands for ABSENT."""
        return np.where(numbers < 0, len(elements), np.searchsorted(elements, numbers))

    maps = [_term_map(term, place, scale) for term in layer.terms]

    def f(z: jax.Array) -> jax.Array:
        extended = jnp.concatenate([z, jnp.zeros((1,), z.dtype)])
        out = maps[0](extended)
        for each in maps[1:]:
            out = out + each(extended)
        return out

    return f, len(elements)


def _term_map(term: Term, place: Callable[[np.ndarray], np.ndarray], scale: float) -> Callable[[jax.Array], jax.Array]:
    weights = jnp.asarray(term.strengths / scale, jnp.float32)
    if isinstance(term, Diagonal):
        at = place(term.elements)
        return lambda z: z[at] * weights
    image = place(np.concatenate([term.taps.source, np.full_like(term.taps.source[:, :1], -1)], axis=1))
    sites = term.taps.sites
    if isinstance(term, Pool):
        return lambda z: (z[image][0][sites].sum(axis=1) * weights).ravel()
    b_count, f_count, k = term.taps.shape
    back = None if term.order is None else np.argsort(term.order)

    def dot(z: jax.Array) -> jax.Array:
        rows = z[image][:, sites].reshape(b_count, f_count, k)
        out = jnp.einsum("bfk,bkn->bfn", rows, weights, precision="highest").ravel()
        return out if back is None else out[back]

    return dot
