"""Weights of a layer as a kernel table, (rows, taps, channels), and the norms of such tables."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, Real

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import label
from sparsebounds.bounds.graph.terms import Dot
from sparsebounds.bounds.norms import entries as parts
from sparsebounds.bounds.norms.lattice import lattice_of


def layer_kernel(graph: Graph, index: int) -> Float64[np.ndarray, " taps in out"]:
    """The learned weights of a layer as one table (taps, in, out), however the program wrote them.

    Taps are the window offsets of a convolution; a layer whose rows share no weights (dense, locally connected) has
    one tap, its in channels are all that a row reads. Rows that are written with equal weights share them. Weights
    that lie in the padding for every row are left out; where taps have different numbers of channels, zeros fill up.

    Args:
        graph: the network.
        index: number of a linear layer with one learned term; fixed terms beside it (a skip) do not count.

    Returns:
        float64 (taps, in channels per group, outputs of all groups).

    Raises:
        ValueError: no learned term or several, or weights that are not finite.

    Example:
        >>> import jax
        >>> from sparsebounds import bounds
        >>> w = np.ones((2, 2, 1, 3), np.float32)
        >>> def f(x):
        ...     h = jax.lax.conv_general_dilated(x, w, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        ...     return h.reshape(len(x), -1) @ np.ones((12, 2), np.float32)
        >>> graph = bounds.read_graph(lambda x: jax.nn.relu(f(x)) @ np.ones((2, 2), np.float32), np.ones((1, 3, 3, 1)))
        >>> layer_kernel(graph, 1).shape
        (4, 1, 3)
    """
    layer = parts.linear_layer(graph, index)
    if len(layer.dots) != 1:
        raise ValueError(f"layer {label(layer)} has {len(layer.dots)} learned maps; needed one, to speak of its kernel")
    return term_kernel(graph, index, next(i for i, term in enumerate(layer.terms) if term.learned)).table


@dataclass(frozen=True, eq=False)
class Kernel:
    """The numbers of one learned map, each once."""

    table: Float64[np.ndarray, " taps in out"]
    places: Int64[np.ndarray, "taps axes"] | None
    """Offset of every tap on the grid that it reads; None where there is no grid."""


def term_kernel(graph: Graph, index: int, number: int) -> Kernel:
    """`layer_kernel` of one learned term of a layer, and where its taps lie.

    Raises:
        ValueError: the term is not learned, or weights that are not finite.
    """
    (dot,) = parts.linear_layer(graph, index, number).dots
    dot = dot.with_shared_rows
    tap, places = tap_of_columns(graph, dot)
    if len(dot.weight) == 1 and not tap.any():  # one tap, all columns: the weights as they lie in memory
        return Kernel(dot.weight, places)
    taps, channels = max(int(tap.max()) + 1, 1), max(int(np.bincount(tap[tap >= 0], minlength=1).max()), 1)
    kernel = np.zeros((len(dot.weight), taps, channels, dot.weight.shape[2]))
    for t in range(taps):
        columns = np.flatnonzero(tap == t)
        kernel[:, t, : len(columns)] = dot.weight[:, columns]
    return Kernel(kernel.transpose(1, 2, 0, 3).reshape(taps, channels, -1), places)


def tap_of_columns(graph: Graph, dot: Dot) -> tuple[Int64[np.ndarray, " K"], Int64[np.ndarray, "taps axes"] | None]:
    """Number of the tap that each column belongs to, −1 for columns that no row applies; the offsets of the taps."""
    used = np.any(np.array(list(dot.taps.column_counts())) > 0, axis=0)
    tap = np.full(len(used), -1, dtype=np.int64)
    if dot.taps.shape[1] == 1:
        tap[used] = 0
        return tap, None
    lattice = lattice_of(graph, dot.taps, 0)
    if lattice is None:
        given = np.repeat(np.arange(dot.taps.sites.shape[1]), dot.taps.source.shape[2])
        tap[used] = np.unique(given[used], return_inverse=True)[1]
        return tap, None
    place = lattice.offset[lattice.used][:, 1:-1]  # neither the layer that is read nor the channel
    places, number = np.unique(place, axis=0, return_inverse=True)
    tap[lattice.used] = np.ravel(number)
    return tap, places


def kernel_frobenius_norm(kernel: Real[np.ndarray, " ..."]) -> float:
    """‖K‖_F of a kernel of any shape.

    Args:
        kernel: array.

    Returns:
        Exact, up to rounding.

    Raises:
        ValueError: weights that are not finite.

    Example:
        >>> kernel_frobenius_norm(np.array([[3e200, 4e200]])) < 5.0001e200
        True
    """
    kernel, scale = _scaled(kernel)
    return math.sqrt(float(np.vdot(kernel, kernel))) * scale


def kernel_two_one_norm(kernel: Real[np.ndarray, "*taps in out"]) -> float:
    """Σ_o ‖K_o‖₂: over output channels, of the ℓ2 norm of the whole filter.

    Args:
        kernel: (…, in, out).

    Returns:
        Exact, up to rounding.

    Raises:
        ValueError: weights that are not finite.

    Example:
        >>> kernel_two_one_norm(np.array([[3.0, 1.0], [4.0, 0.0]]))
        6.0

    Source: Ledent, Mustafa, Lei, Kloft, AAAI 2021.
    """
    kernel, scale = _scaled(kernel)
    filters = kernel.reshape(-1, kernel.shape[-1])
    return math.fsum(np.sqrt(np.einsum("ko,ko->o", filters, filters))) * scale


def kernel_tensor_norm(kernel: Real[np.ndarray, "*taps in out"]) -> float:
    """Σ_{taps, o} (Σ_c K²)^½: ℓ2 over the input channels, summed over taps and output channels.

    Args:
        kernel: (*taps, in, out).

    Returns:
        Exact, up to rounding; never below `kernel_two_one_norm`.

    Raises:
        ValueError: weights that are not finite.

    Example:
        >>> kernel_tensor_norm(np.array([[[3.0], [4.0]], [[0.0], [1.0]]]))
        6.0

    Source: Graf, Zeng, Rieck, Niethammer, Kwitt, NeurIPS 2022, the norm of their theorem 3.5.
    """
    kernel, scale = _scaled(kernel)
    return math.fsum(np.sqrt(np.einsum("...co,...co->...o", kernel, kernel)).ravel()) * scale


def _scaled(kernel: Real[np.ndarray, "*shape"]) -> tuple[Float64[np.ndarray, "*shape"], float]:
    kernel = np.asarray(kernel, dtype=np.float64)
    if not np.isfinite(kernel).all():
        raise ValueError("a kernel with weights that are NaN or infinite; needed finite ones: retrain or repair it")
    scale = parts.power_of_two(kernel)
    return (kernel, 1.0) if parts.MODERATE[0] < scale < parts.MODERATE[1] else (kernel / scale, scale)
