"""Convex hulls that hold what a learned map can compute on the sample: their radius and number of generators.

On data Z with ‖Z‖_F ≤ B a learned map A computes a sum of weights times images of Z under simple maps (one element to
one element; one channel, shifted). If each of these has norm at most ‖Z‖_F, the result lies in a·B times the convex
hull of the normalised images and their negatives, and Maurey's lemma counts what approximates it. A bias joins the
same hull: with one number b_g for a group of P elements the generator is constant 1 on the group, of norm √(P m) over
m samples, so that the biases of a layer lie in ζ √m times the hull, ζ = Σ_g √P |b_g|. One hull for all that is added
up in a layer has the radius Σ a_i B_i + ζ √m; no radius has to be shared between weights and biases.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int

from sparsebounds.bounds.graph.elements import largest_count, names_twice, present_elements
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.memory import per_graph
from sparsebounds.bounds.graph.terms import Dot, Pool
from sparsebounds.bounds.norms import kernel_tensor_norm, two_one_norm
from sparsebounds.bounds.norms.kernels import tap_of_columns
from sparsebounds.bounds.norms.spectral_term import absolute_upper
from sparsebounds.bounds.theorems.passes.maps import Place, bias_numbers, dot_at, repeats


@dataclass(frozen=True)
class Hull:
    """radius · (size of the data) · conv(± generators)."""

    radius: float
    kinds: float
    """Generators with both signs."""


Hulls = Callable[[Graph, Place], Hull]
"""(graph of the weights, or of their distances from a reference; place) → the hull of a learned map."""


def operator_hull(moved: Graph, place: Place) -> Hull:
    """All matrices of the layer's size: Σ_j ‖(A − M)_j‖₂ over rows, 2 · (elements read) · (elements) generators.

    Args:
        moved: graph of A − M, or of A itself.
        place: of a learned term.

    Returns:
        The radius is never below the (2,1) norm: a row that applies several weights to one element (a window that
        wraps onto itself) r times at most counts √r-fold.

    Source: Bartlett, Foster, Telgarsky, NeurIPS 2017, lemma 3.2 with p = q = 2, s = 1, r = ∞.
    """
    dot = dot_at(moved, place)
    if dot is None:
        return scale_hull(moved, place)
    read = len(present_elements(dot.taps.source))
    kinds = 2.0 * max(read, 1) * moved.layers[place.layer].size
    return Hull(two_one_norm(moved, place.layer, place.term) * math.sqrt(dot.taps.repeats), kinds)


@per_graph
def kernel_hull(moved: Graph, place: Place) -> Hull:
    """All kernels of the layer's shape: Σ_{taps, o} (Σ_c (K − K⁰)²)^½, 2 · (weights) generators.

    Args:
        moved: graph of A − M, or of A itself.
        place: of a learned term.

    Returns:
        Weight sharing counts each weight once. Where a tap shows one element to several rows (r at most) the shifted
        image is up to √r larger than Z, and so is the radius.

    Source: Graf, Zeng, Rieck, Niethammer, Kwitt, NeurIPS 2022, the single-layer cover of theorem 3.5.
    """
    dot = dot_at(moved, place)
    if dot is None:
        return scale_hull(moved, place)
    kernel = weights_by_tap(moved, place)
    return Hull(kernel_tensor_norm(kernel) * math.sqrt(tap_repeats(moved, place)), 2.0 * kernel.size)


def scale_hull(graph: Graph, place: Place) -> Hull:
    """A scale of single elements, g_e z_e: ‖g‖₂, 2 · (elements) generators.

    Where elements repeat (r times at most) or are sums over windows, ‖g‖₂ times the norm of what is scaled:
    Σ_e |g_e| ‖(PZ)_e‖ ≤ ‖g‖₂ ‖P‖ ‖Z‖_F.
    """
    term = graph.linear(place.layer).terms[place.term]
    if isinstance(term, Pool):
        plain = replace(term, coefficient=np.ones(1))
        strengths = np.broadcast_to(term.strengths, term.shape)
        return Hull(float(np.linalg.norm(strengths)) * absolute_upper(plain), 2.0 * strengths.size)
    image = math.sqrt(repeats(term.elements_read))
    return Hull(float(np.linalg.norm(term.strengths)) * image, 2.0 * term.strengths.size)


@per_graph
def bias_hull(moved: Graph, index: int) -> Hull:
    """All biases of a layer: ζ = Σ_g √size_g |b_g − b_g⁰| over the numbers that the program can set, each once."""
    numbers, sizes = bias_numbers(moved.linear(index))
    return Hull(math.fsum(np.sqrt(sizes) * numbers), 2.0 * len(numbers))


@per_graph
def bias_norm(graph: Graph, index: int) -> float:
    """η = ‖b‖₂ over all elements of a layer; never above ζ."""
    numbers, sizes = bias_numbers(graph.linear(index))
    return math.sqrt(math.fsum(sizes * np.square(numbers)))


def weights_by_tap(moved: Graph, place: Place) -> Float64[np.ndarray, " taps in out"]:
    """The learned weights of A − M as one table, each weight that the program could set on its own once.

    Unlike `norms.layer_kernel` it does not let rows share weights because their values agree: a class must not depend
    on the trained values.

    Args:
        moved: graph of A − M, or of A itself.
        place: of a `Dot`.

    Returns:
        float64 (taps, in channels, outputs of all weight sets); zeros fill up taps with fewer channels.
    """
    tap, weight = _taps(moved, place), _dot(moved, place).weight
    if len(weight) == 1 and not tap.any():  # one tap, all columns: the weights as they lie in memory
        return weight
    taps, channels = max(int(tap.max()) + 1, 1), max(int(np.bincount(tap[tap >= 0], minlength=1).max()), 1)
    table = np.zeros((len(weight), taps, channels, weight.shape[2]))
    for t in range(taps):
        columns = np.flatnonzero(tap == t)
        table[:, t, : len(columns)] = weight[:, columns]
    return table.transpose(1, 2, 0, 3).reshape(taps, channels, -1)


def _dot(graph: Graph, place: Place) -> Dot:
    found = dot_at(graph, place)
    if found is None:
        raise ValueError(f"term {place.term} of layer {place.layer} is a scale; needed a learned map")
    return found


@per_graph
def _taps(graph: Graph, place: Place) -> Int[np.ndarray, " K"]:
    """Number of the tap of every column of a learned map, −1 for columns that no row applies."""
    return tap_of_columns(graph, _dot(graph, place))[0]


def tap_repeats(graph: Graph, place: Place) -> int:
    """How often one tap reads one element over all rows of a weight set, at most."""
    dot, tap = _dot(graph, place), _taps(graph, place)
    used, source = tap >= 0, dot.taps.source
    by_site = tap.reshape(-1, dot.taps.channels)
    if (by_site == by_site[:, :1]).all() and (source >= 0).all() and not names_twice(source.reshape(len(source), -1)):
        site = by_site[:, 0]  # an element is read as often as its site
        return largest_count(dot.taps.sites[:, site >= 0].astype(np.int64), site[site >= 0])
    rows = (dot.taps.rows(b)[:, used].astype(np.int64) for b in range(dot.taps.shape[0]))
    return max((largest_count(read, tap[used][None, :]) for read in rows), default=1)
