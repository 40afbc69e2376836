"""The spectral norm of linear layers, bounded from above: convolutions by their symbol, everything else by its parts.

Every number here is computed in float64 from weights divided by a power of two, and raised by what rounding could
have taken away: an `…_upper` is never below the norm of the map that the float64 weights define.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from jaxtyping import Float64, Real

from sparsebounds.bounds.graph.elements import names_twice
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Linear, MaxPool
from sparsebounds.bounds.graph.memory import per_graph
from sparsebounds.bounds.norms import entries as parts
from sparsebounds.bounds.norms.eigenvalue import EPS
from sparsebounds.bounds.norms.lattice import find_lattice
from sparsebounds.bounds.norms.spectral_term import root_up, sets_upper, term_upper
from sparsebounds.bounds.norms.symbol import Symbol
from sparsebounds.bounds.norms.windows import convolution_dot

Method = Literal["cholesky", "gram"]
METHODS = ("cholesky", "gram")


@per_graph
def spectral_upper(graph: Graph, index: int, number: int | None = None, *, method: Method = "cholesky") -> float:
    """An upper bound on the ℓ2 Lipschitz constant of a layer: ‖A‖ = max ‖Az‖₂/‖z‖₂ of its linear map.

    A convolution (however it is written: native, patches times a matrix, shifted products) is bounded by its symbol,
    max over the frequencies of a grid on which padding does not wrap; a dense layer by its singular values; anything
    else by the smallest of ‖A‖_F, the norm of |A| (Schur's test), and max over elements e of √Σ_{rows r that read e}
    ‖W_r‖². Terms that read different elements add their squares, other terms their norms. A max pool is √(the number
    of windows that an element is in). Leaky ReLU and ReLU have Lipschitz constant 1, a bias 0.

    Args:
        graph: the network.
        index: number of a linear or max pooling layer.
        number: of one term of a linear layer, to leave out the others; None: all of them.
        method: "cholesky" (within 1e-8 of the norm on the grid) or "gram" (Gram iteration, some percent above).

    Returns:
        Never below the norm. A circular convolution and a dense layer are exact up to 1e-8 relative; zero padding is
        above by what the border costs; 0 for a layer of zeros; inf where the norm exceeds the float64 range.

    Raises:
        ValueError: weights that are not finite, the input layer, or an unknown method.

    Example:
        >>> import jax.numpy as jnp
        >>> from sparsebounds import bounds
        >>> graph = bounds.read_graph(lambda x: x @ jnp.array([[3.0, 0.0], [4.0, 0.0]]), np.ones((1, 2)))
        >>> round(spectral_upper(graph, 1), 6)
        5.0

    Source: Sedghi, Gupta, Long, The singular values of convolutional layers, ICLR 2019, theorem 6, on an enlarged
    grid; I. Schur's test; the rest is elementary.
    """
    _check_method(method)
    layer = graph.layers[index]
    if isinstance(layer, MaxPool):
        windows = np.bincount(layer.taps.rows(0).ravel() + 1)[1:]  # that each element is in; ABSENT is −1
        return root_up(float(windows.max()))
    layer = parts.linear_layer(graph, index, number)
    scale = parts.needed_scale(layer)
    if scale != 1.0:
        layer = replace(layer, terms=tuple(term.with_strengths(term.strengths / scale) for term in layer.terms))
    uppers = [term_upper(graph, term, method) for term in layer.terms]
    combined = math.hypot(*uppers) if parts.disjoint(layer.terms) else math.fsum(uppers)
    return _rescaled(min(combined * (1 + 4 * EPS), _frobenius_upper(layer)), scale)


def matrix_upper(matrix: Real[np.ndarray, "m n"], *, method: Method = "cholesky") -> float:
    """An upper bound on the largest singular value of a matrix.

    Args:
        matrix: (m, n).
        method: "cholesky" or "gram".

    Returns:
        Never below ‖matrix‖; above it by a factor of at most about 1 + 1e-8 ("cholesky").

    Raises:
        ValueError: not a matrix, entries that are not finite, or an unknown method.

    Example:
        >>> round(matrix_upper(np.diag([3.0, 7.0])), 6)
        7.0

    Source: see `bounds.norms.eigenvalue`.
    """
    _check_method(method)
    matrix = _finite(matrix, dimensions=2)
    scale = parts.power_of_two(matrix)
    taps = np.zeros((1, 1), dtype=np.int64)
    square = Symbol((matrix / scale)[None, None], taps, (1,)).largest_square_upper(method)
    return _rescaled(root_up(square), scale)


def convolution_upper(
    kernel: Real[np.ndarray, "*window in out"],
    size: Sequence[int],
    *,
    stride: Sequence[int] | int = 1,
    padding: str | Sequence[tuple[int, int]] = "VALID",
    dilation: Sequence[int] | int = 1,
    groups: int = 1,
    method: Method = "cholesky",
) -> float:
    """An upper bound on the spectral norm of a convolution: max over frequencies ω of σ_max(Σ_t K_t e^{iω·t}).

    Args:
        kernel: (*window, in channels / groups, out channels), as Flax keeps it (HWIO for images).
        size: sites per axis of the input.
        stride, dilation: per axis, or one number for all.
        padding: "VALID", "SAME", "CIRCULAR", or (before, after) per axis, of zeros.
        groups: feature groups.
        method: "cholesky" or "gram".

    Returns:
        Never below the operator's norm. Exact up to 1e-8 for circular padding whose strides divide the size; for zero
        or no padding it is the norm on the enlarged grid, above by what the border costs.

    Raises:
        ValueError: sizes that do not fit each other, entries that are not finite, or an unknown method.

    Example:
        >>> round(convolution_upper(np.full((2, 2, 1, 1), 0.25), (8, 8), padding="CIRCULAR"), 6)
        1.0

    Source: Sedghi, Gupta, Long, ICLR 2019, theorem 6; stride by polyphase.
    """
    _check_method(method)
    kernel = _finite(kernel, dimensions=len(size) + 2)
    dot = convolution_dot(kernel, size, stride=stride, padding=padding, dilation=dilation, groups=groups)
    scale = parts.power_of_two(kernel)
    codes_shape = (*size, kernel.shape[-2] * groups)
    dot = replace(dot, weight=dot.weight / scale)
    upper = sets_upper(dot, [find_lattice(dot.taps.rows(0).astype(np.int64), [codes_shape])] * groups, method)
    if not names_twice(dot.taps.sites):  # where a window longer than a circular axis meets a site twice, weights add up
        squares = sum(
            counts @ np.square(w).sum(axis=1) for w, counts in zip(dot.weight, dot.taps.column_counts(), strict=True)
        )
        upper = min(upper, _frobenius_from(float(squares), dot.weight.size))
    return _rescaled(upper, scale)


def _frobenius_upper(layer: Linear) -> float:
    """‖A‖_F, or a sum of such where terms read the same elements."""
    groups = [layer.terms] if len(layer.terms) == 1 or parts.disjoint(layer.terms) else [(t,) for t in layer.terms]
    squares = [parts.sum_of_entries(replace(layer, terms=group), np.square) for group in groups]
    return math.fsum(_frobenius_from(square, sum(term.additions for term in layer.terms)) for square in squares)


def _frobenius_from(square: float, additions: int) -> float:
    return root_up(square * (1 + 4 * (additions + 16) * EPS))


def _rescaled(value: float, scale: float) -> float:
    """value · scale, rounded up; inf past the float64 range."""
    exact = value * scale
    return exact if exact == 0 or math.isinf(exact) else math.nextafter(exact, math.inf)


def _check_method(method: str) -> None:
    if method not in METHODS:
        raise ValueError(f"method={method!r}; needed one of {', '.join(map(repr, METHODS))}")


def _finite(array: Real[np.ndarray, "*shape"], dimensions: int) -> Float64[np.ndarray, "*shape"]:
    array = np.asarray(array, dtype=np.float64)
    if array.ndim != dimensions or array.size == 0:
        raise ValueError(f"an array of shape {array.shape}; needed {dimensions} axes, none of them empty")
    if not np.isfinite(array).all():
        raise ValueError("weights that are NaN or infinite; needed finite ones: retrain or repair them")
    return array
