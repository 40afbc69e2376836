"""Convex hulls that hold what a layer can compute on the sample: their radius and number of generators.

On data X a learned map A computes a sum of weights times images of X under simple maps (one element to one element;
one channel, shifted). If each of these has norm at most ‖X‖_F, the result lies in radius · ‖X‖_F times the convex hull
of the normalised images and their negatives, and Maurey's lemma counts what approximates it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int

from sparsebounds.bounds.graph.elements import largest_count, present_elements
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.memory import per_graph
from sparsebounds.bounds.norms import kernel_tensor_norm, two_one_norm
from sparsebounds.bounds.norms.kernels import tap_of_columns
from sparsebounds.bounds.theorems.chains.lipschitz import LipschitzChain


@dataclass(frozen=True)
class Hull:
    """radius · ‖X‖_F · conv(± generators)."""

    radius: float
    kinds: float
    """Generators with both signs."""


def operator_hull(chain: LipschitzChain, index: int) -> Hull:
    """All matrices of the layer's size: Σ_j ‖(A − M)_j‖₂ over rows, 2 · (elements read) · (elements) generators.

    Args:
        chain: the network.
        index: number of a learned layer.

    Returns:
        The radius is never below the (2,1) norm: a row that applies several weights to one element (a window that
        wraps onto itself) r times at most counts √r-fold.

    Source: Bartlett, Foster, Telgarsky, NeurIPS 2017, lemma 3.2 with p = q = 2, s = 1, r = ∞.
    """
    dot = chain.dot(index)
    read = len(present_elements(dot.taps.source))
    kinds = 2.0 * max(read, 1) * chain.graph.layers[index].size
    return Hull(two_one_norm(chain.difference, index) * math.sqrt(dot.taps.repeats), kinds)


@per_graph
def kernel_hull(chain: LipschitzChain, index: int) -> Hull:
    """All kernels of the layer's shape: Σ_{taps, o} (Σ_c (K − K⁰)²)^½, 2 · (weights) generators.

    Args:
        chain: the network.
        index: number of a learned layer.

    Returns:
        Weight sharing counts each weight once. Where a tap shows one element to several rows (r at most) the shifted
        image is up to √r larger than X, and so is the radius.

    Source: Graf, Zeng, Rieck, Niethammer, Kwitt, NeurIPS 2022, the single-layer cover of theorem 3.5.
    """
    kernel = weights_by_tap(chain, index)
    return Hull(kernel_tensor_norm(kernel) * math.sqrt(_tap_repeats(chain.graph, index)), 2.0 * kernel.size)


def weights_by_tap(chain: LipschitzChain, index: int) -> Float64[np.ndarray, " taps in out"]:
    """The learned weights of A − M as one table, each weight that the program could set on its own once.

    Unlike `norms.layer_kernel` it does not let rows share weights because their values agree: a class must not depend
    on the trained values.

    Args:
        chain: the network.
        index: number of a learned layer.

    Returns:
        float64 (taps, in channels, outputs of all weight sets); zeros fill up taps with fewer channels.
    """
    tap = _taps(chain.graph, index)
    weight = chain.difference.dot(index).weight
    taps, channels = max(int(tap.max()) + 1, 1), max(int(np.bincount(tap[tap >= 0], minlength=1).max()), 1)
    table = np.zeros((len(weight), taps, channels, weight.shape[2]))
    for t in range(taps):
        columns = np.flatnonzero(tap == t)
        table[:, t, : len(columns)] = weight[:, columns]
    return table.transpose(1, 2, 0, 3).reshape(taps, channels, -1)


@per_graph
def _taps(graph: Graph, index: int) -> Int[np.ndarray, " K"]:
    """Number of the tap of every column of a learned map, −1 for columns that no row applies."""
    return tap_of_columns(graph, graph.dot(index))


def _tap_repeats(graph: Graph, index: int) -> int:
    """How often one tap reads one element over all rows of a weight set, at most."""
    dot = graph.dot(index)
    tap = _taps(graph, index)
    used = tap >= 0
    rows = (dot.taps.rows(b)[:, used].astype(np.int64) for b in range(dot.taps.shape[0]))
    return max((largest_count(read, tap[used][None, :]) for read in rows), default=1)
