"""The spectral norm of any linear layer or JAX function, from above and from below."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.graph.evaluation import evaluate
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import label
from sparsebounds.bounds.norms.estimates import STEPS, jacobian_direction
from sparsebounds.bounds.norms.spectral import Method, spectral_upper
from sparsebounds.bounds.reader import read_graph


@dataclass(frozen=True)
class SpectralNorm:
    """max ‖Az‖₂/‖z‖₂ of a linear map, enclosed."""

    upper: float
    """Never below it, rounding included: may stand in a certificate."""
    lower: float
    """‖Av‖/‖v‖ in float64 of one v, the result of power iteration: not above it but by rounding, a relative 1e-12."""
    maps: int
    """Linear maps in a row or side by side that the function consists of; with one `upper` is that map's own."""

    @property
    def ratio(self) -> float:
        """upper / lower: at most so much too large is the upper bound; NaN for the zero map."""
        return self.upper / self.lower if self.lower > 0 else math.nan


def spectral_norm(
    f: Callable[[Any], Any], shape: Sequence[int], *, method: Method = "cholesky", steps: int = STEPS, seed: int = 0
) -> SpectralNorm:
    """The spectral norm of a linear layer or function of inputs of a given shape, from above and from below.

    Convolutions with any stride, padding, dilation and groups, dense layers, projections of attention, means over
    windows, masks, and what is composed of them. The function is read as a network is: a convolution is bounded by its
    symbol on a grid on which padding does not wrap, a dense layer by its singular values, see `norms.spectral_upper`.
    Maps that the reader does not join multiply: n_i = ‖A_i‖ √(Σ over the maps s that it reads, n_s²).

    Args:
        f: batched, (B, *shape) → (B, …): a Flax NNX layer, or a function. A bias does not count.
        shape: of one input, without the batch.
        method: "cholesky" (within 1e-8 of the norm on the grid) or "gram" (some percent above, faster).
        steps, seed: of the power iteration.

    Returns:
        SpectralNorm. For a loss, see `norms.gram_upper`.

    Raises:
        ValueError: a function that is not linear; the message names the layer.
        ReadError: what the reader cannot read.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from flax import nnx
        >>> from sparsebounds import bounds
        >>> layer = nnx.Conv(3, 8, (3, 3), strides=2, rngs=nnx.Rngs(0))
        >>> found = bounds.spectral_norm(layer, (16, 16, 3))
        >>> 1.0 <= found.ratio < 1.1
        True
        >>> round(bounds.spectral_norm(lambda x: x @ jnp.array([[3.0, 0.0], [4.0, 0.0]]), (2,)).upper, 6)
        5.0
        >>> bounds.spectral_norm(lambda x: jax.nn.relu(x @ jnp.eye(2)), (2,))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: the function is not linear: dot 1 (...) has a ReLU; needed a linear map, perhaps with a bias

    Source: see `norms.spectral_upper` and `norms.jacobian_estimate`.
    """
    if not isinstance(shape, Sequence):
        raise ValueError(f"shape is {shape!r}; needed that of one input, such as (784,) or (28, 28, 1)")
    graph = read_graph(lambda x: f(x).reshape(len(x), -1), np.ones((1, *shape), np.float32))
    _require_linear(graph)
    upper = _upper(graph, method)
    v = jacobian_direction(lambda z: f(z[None]), shape, steps=steps, seed=seed)
    return SpectralNorm(upper, min(_stretch(graph, v), upper), len(graph.layers) - 1)


def _require_linear(graph: Graph) -> None:
    strange = graph.outside(("input", "linear"))
    if not strange and graph.ends:
        strange = f"it ends in {' and '.join(graph.ends)}"
    for _, layer in graph.linear_layers():
        if not strange and layer.activated:
            strange = f"{label(layer)} has a {'leaky ' if layer.slope else ''}ReLU"
    if strange:
        raise ValueError(
            f"the function is not linear: {strange.removesuffix(', which this theorem does not cover')}; needed a "
            "linear map, perhaps with a bias"
        )


def _upper(graph: Graph, method: Method) -> float:
    """n_i ≤ ‖A_i‖ √(Σ_s n_s²) for every layer, n_0 = 1: ‖A_i z‖ ≤ ‖A_i‖ ‖z‖, and z is what the layers s gave."""
    norms = [1.0]
    for i, _ in graph.linear_layers():
        below = math.hypot(*(norms[s] for s in graph.sources(i)))
        several = 1.0 if i == 1 else 1 + 1e-14  # products and roots are rounded
        norms.append(spectral_upper(graph, i, method=method) * below * several)
    return norms[-1]


def _stretch(graph: Graph, v: Float64[np.ndarray, "*shape"]) -> float:
    """‖Av‖/‖v‖ in float64; the bias is what zero gives."""
    v = v / max(float(np.abs(v).max()), 1e-300)
    out = evaluate(graph, np.stack([v, np.zeros_like(v)]))
    norm = float(np.linalg.norm(v))
    return float(np.linalg.norm(out[0] - out[1])) / norm if norm > 0 else 0.0
