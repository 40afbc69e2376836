"""Entrywise norms of layers: Frobenius, (2,1) and ℓ1,∞, of the operator and of its kernel.

The *operator* of a layer is the matrix that maps all elements it reads to all its elements; a convolution's has each
weight once per position where its tap meets the image. The *kernel* is the table of weights itself, (taps, in, out).
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.memory import per_graph
from sparsebounds.bounds.norms import entries as parts


@per_graph
def frobenius_norm(graph: Graph, index: int, number: int | None = None) -> float:
    """‖A‖_F of a layer's operator: (Σ_taps (positions where the tap meets the image) · ‖K_tap‖²_F)^½.

    Args:
        graph: the network.
        index: number of a linear layer. Biases do not count.
        number: of one of its terms, to leave out the others; None: all of them.

    Returns:
        Exact, up to float64 rounding.

    Raises:
        ValueError: not a linear layer, or weights that are not finite.

    Example:
        >>> import jax.numpy as jnp
        >>> from sparsebounds import bounds
        >>> graph = bounds.read_graph(lambda x: x @ jnp.array([[3.0, 0.0], [0.0, 4.0]]), np.ones((1, 2)))
        >>> frobenius_norm(graph, 1)
        5.0

    Source: elementary.
    """
    layer = parts.linear_layer(graph, index, number)
    scale = parts.layer_scale(layer)
    return math.sqrt(parts.sum_of_entries(layer, lambda w: np.square(w / scale))) * scale


@per_graph
def row_norms(graph: Graph, index: int, number: int | None = None) -> Float64[np.ndarray, " size"]:
    """‖A_j‖₂ for every row j of a layer's operator: the ℓ2 norm of what comes into each element.

    Args, Raises: as for `frobenius_norm`.

    Returns:
        float64 (size of the layer,), unwritable, exact up to rounding.

    Example:
        >>> import jax.numpy as jnp
        >>> from sparsebounds import bounds
        >>> graph = bounds.read_graph(lambda x: x @ jnp.array([[3.0, 0.0], [4.0, 1.0]]), np.ones((1, 2)))
        >>> row_norms(graph, 1).tolist()
        [5.0, 1.0]

    Source: elementary.
    """
    layer = parts.linear_layer(graph, index, number)
    scale = parts.layer_scale(layer)
    return np.sqrt(parts.row_sums(layer, lambda w: np.square(w / scale))) * scale


def two_one_norm(graph: Graph, index: int, number: int | None = None) -> float:
    """‖Aᵀ‖_{2,1} = Σ_j ‖A_j‖₂ over the rows (output elements) of a layer's operator.

    Args, Raises: as for `frobenius_norm`.

    Returns:
        Exact, up to rounding: positions · Σ_o ‖K_o‖₂ for a convolution without zero padding.

    Example:
        >>> import jax.numpy as jnp
        >>> from sparsebounds import bounds
        >>> graph = bounds.read_graph(lambda x: x @ jnp.array([[3.0, 0.0], [4.0, 1.0]]), np.ones((1, 2)))
        >>> two_one_norm(graph, 1)
        6.0

    Source: Bartlett, Foster, Telgarsky, NeurIPS 2017, their ‖A^⊤‖_{2,1}.
    """
    return math.fsum(row_norms(graph, index, number))


def one_inf_norm(graph: Graph, index: int) -> float:
    """‖A‖_{1,∞} = max_j ‖A_j‖₁ over the rows of a layer's operator: its norm from ℓ∞ to ℓ∞.

    Args, Raises: as for `frobenius_norm`.

    Returns:
        Exact, up to rounding.

    Example:
        >>> import jax.numpy as jnp
        >>> from sparsebounds import bounds
        >>> graph = bounds.read_graph(lambda x: x @ jnp.array([[3.0, 0.0], [-4.0, 1.0]]), np.ones((1, 2)))
        >>> one_inf_norm(graph, 1)
        7.0

    Source: Golowich, Rakhlin, Shamir, COLT 2018, theorem 2.
    """
    layer = parts.linear_layer(graph, index)
    scale = parts.layer_scale(layer)
    return float(parts.row_sums(layer, lambda w: np.abs(w / scale)).max()) * scale
