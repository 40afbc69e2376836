"""An upper bound of a spectral norm that JAX can differentiate: Gram iteration on the symbol of a kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.bounds.norms.lattice import find_lattice
from sparsebounds.bounds.norms.symbol import Symbol, places
from sparsebounds.bounds.norms.windows import convolution_dot

ROUNDS = 6


def gram_upper(
    kernel: jax.Array,
    size: Sequence[int] = (),
    *,
    stride: Sequence[int] | int = 1,
    padding: str | Sequence[tuple[int, int]] = "VALID",
    dilation: Sequence[int] | int = 1,
    groups: int = 1,
    steps: int = ROUNDS,
) -> jax.Array:
    """An upper bound of the spectral norm of a convolution or dense layer, for use in a loss.

    ‖A‖ ≤ max over frequencies ω of ‖(K̂(ω)* K̂(ω))^(2^t)‖_F^(2^−(t+1)), K̂(ω) = Σ_k K_k e^{iω·k}, on a grid of frequencies
    on which padding does not wrap; a stride turns its phases into channels. A dense layer has one K̂, its matrix.

    Args:
        kernel: (*window, in channels / groups, out channels); (in, out) of a dense layer.
        size: sites per axis of the input; () for a dense layer.
        stride, padding, dilation, groups: as in `convolution_upper`.
        steps: t. The bound exceeds the largest |K̂(ω)| by a factor of at most n^(2^−(t+2)) for n channels: 2 % at six
            steps and 200 channels.

    Returns:
        A number of the kernel's type. Above the norm in exact arithmetic; computed in float32 it may fall below by
        about 1e-5 of it, so that it is nothing to certify with: `spectral_norm` is. 0, with gradient 0, for zeros.

    Raises:
        ValueError: sizes that do not fit each other, or fewer than one step.

    Example:
        >>> kernel = jnp.full((2, 2, 1, 1), 0.25)
        >>> value, gradient = jax.value_and_grad(lambda k: gram_upper(k, (8, 8), padding="CIRCULAR"))(kernel)
        >>> round(float(value), 4), gradient.shape
        (1.0, (2, 2, 1, 1))
        >>> round(float(gram_upper(jnp.diag(jnp.array([3.0, 7.0])))), 4)
        7.0

    Source: Delattre, Barthélemy, Araujo, Allauzen, Efficient bound of Lipschitz constant for convolutional layers by
    Gram iteration, ICML 2023; Sedghi, Gupta, Long, ICLR 2019, on an enlarged grid.
    """
    if steps < 1:
        raise ValueError(f"steps={steps}; needed at least one")
    if kernel.ndim != len(size) + 2:
        raise ValueError(f"a kernel of shape {kernel.shape}; needed {len(size)} window axes, in and out channels")
    kernel = kernel if kernel.dtype == jnp.float64 else kernel.astype(jnp.float32)
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(kernel), initial=0.0))
    scale = jnp.where(largest > 0, largest, jnp.ones_like(largest))
    if size:
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        maps, copies = _symbols(kernel / scale, tuple(size), options)
    else:
        maps, copies = (kernel / scale)[None], 1
    square = _largest(maps, steps) * copies
    return jnp.where(largest > 0, jnp.sqrt(square) * scale, jnp.zeros_like(largest))


def _symbols(kernel: jax.Array, size: tuple[int, ...], options: Mapping[str, Any]) -> tuple[jax.Array, int]:
    """K̂(ω) of every group and frequency, complex (groups, frequencies, in, out), and how often each counts."""
    dot = convolution_dot(np.zeros(kernel.shape), size, **options)
    groups, (per_group, outputs) = options["groups"], kernel.shape[-2:]
    weight = kernel.reshape(-1, per_group, groups, outputs // groups).transpose(2, 0, 1, 3)
    weight = weight.reshape(groups, -1, outputs // groups)
    rows = dot.taps.rows(0).astype(np.int64)
    lattice = find_lattice(rows, [(*size, per_group * groups)])
    if lattice is None:  # each row by itself, as often as rows read an element
        return weight[:, None], int(np.bincount(rows.ravel() + 1)[1:].max(initial=0))
    at = places(lattice)
    kinds = jnp.zeros((groups, len(at.taps), at.phases, weight.shape[2]), weight.dtype)
    kinds = kinds.at[:, at.tap, at.phase].add(weight[:, at.columns])
    plain = Symbol(np.zeros((1, len(at.taps), 1, 1)), at.taps, at.grid)
    turns = jnp.asarray(plain.phases(plain.frequencies(), at.taps), jax.lax.complex(weight, weight).dtype)
    return jnp.einsum("ft,gtio->gfio", turns, kinds.astype(turns.dtype), precision="highest"), lattice.copies


def _largest(maps: jax.Array, steps: int) -> jax.Array:
    """Not below the largest squared singular value of all matrices (…, in, out), up to rounding."""
    maps = maps if maps.shape[-2] >= maps.shape[-1] else maps.swapaxes(-1, -2)
    grams = jnp.einsum("...io,...ip->...op", maps.conj(), maps, precision="highest")
    logs, weight = jnp.zeros(grams.shape[:-2], maps.real.dtype), 1.0
    for _ in range(steps):
        norms = jax.lax.stop_gradient(_norms(grams))
        grams = grams / norms[..., None, None].astype(grams.dtype)
        logs, weight = logs + weight * jnp.log(norms), weight / 2
        grams = jnp.einsum("...ij,...kj->...ik", grams, grams.conj(), precision="highest")
    return jnp.exp(jnp.max(logs + weight * jnp.log(_norms(grams))))


def _norms(grams: jax.Array) -> jax.Array:
    """Frobenius norms; the smallest number for zeros, whose logarithm is finite."""
    squares = jnp.sum(jnp.real(grams * grams.conj()), axis=(-2, -1))
    return jnp.sqrt(jnp.maximum(squares, jnp.finfo(squares.dtype).tiny))
