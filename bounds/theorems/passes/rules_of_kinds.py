"""The rules of the cover pass for layers without weights that are not linear.

    kind                            B (χ: m = 1)                                    ℓ per argument
    max pooling                     √r B                                            √r, attained: a bump that all r
                                                                                    windows read
    activation σ, slopes in [a, b]  λB + |σ(0)| √(n m), at most sup|σ| √(n m)       λ = max(|a|, |b|)
    product                         p_2 B_1, p_1 B_2, χ_1 B_2 or χ_2 B_1            left: p_2 or χ_2, right: p_1 or χ_1
    normalisation, ε                √(n m)                                          1/√ε, attained at constant inputs
    attention, T queries            √T B_v, √(T H m) R_v                            v: √T; q: s R_k R_v; k: s ‖q‖ R_v

r: how often an element is read; where one argument names an element r times, its ℓ and its B are √r-fold. n: elements
of the layer. p: what no element exceeds. All norms are ℓ2 over all elements of a layer; R is a bound on one token of
one head, ‖q‖ on all of them. Attention: output i of head h is a convex combination of values, so ‖do‖² ≤ Σ_ij A_ij
‖dv_j‖², and a column of A sums to T at most. For queries and keys, softmax is 1-Lipschitz from ℓ∞ to ℓ1, so ‖do_i‖ ≤
R_v max_j |ds_ij| with |ds_ij| ≤ s ‖dq_i‖ R_k, or ≤ s ‖q_i‖ ‖dk_j‖; the squares of both add up over i and h.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeVar

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Activation, Attention, Normalise, Product
from sparsebounds.bounds.theorems.passes.fixed import Fixed
from sparsebounds.bounds.theorems.passes.maps import Place, repeats
from sparsebounds.bounds.theorems.passes.sizes import Size, joined, log, log_sum

Kind = TypeVar("Kind", Activation, Product, Normalise, Attention)
Argument = tuple[int, float]
"""A layer that is read, and log ℓ."""


def max_size(fixed: Fixed, index: int, below: Sequence[Size], m: int) -> Size:
    """√r B; no element exceeds those that it is the maximum of."""
    root, read = fixed.norm(Place(index, 0)), joined(below[v] for v in fixed.graph.sources(index))
    return Size(root + read.total, root + read.largest, read.peak)


def same_for_all(fixed: Fixed, index: int, sizes: Sequence[Size]) -> Iterator[Argument]:
    """The Lipschitz constant of the layer."""
    ell = fixed.norm(Place(index, 0))
    return ((v, ell) for v in fixed.graph.sources(index))


def activation_size(fixed: Fixed, index: int, below: Sequence[Size], m: int) -> Size:
    """λB + |σ(0)| √(n m), at most sup|σ| √(n m)."""
    layer = _of(Activation, fixed.graph, index)
    ell, read = fixed.norm(Place(index, 0)), joined(below[v] for v in fixed.graph.sources(index))
    shift, most = log(abs(layer.function.at_zero)), log(layer.function.bound)
    n, slope = 0.5 * math.log(layer.size), log(layer.function.lipschitz)
    return Size(
        min(log_sum([ell + read.total, shift + n + 0.5 * math.log(m)]), most + n + 0.5 * math.log(m)),
        min(log_sum([ell + read.largest, shift + n]), most + n),
        min(log_sum([slope + read.peak, shift]), most),
    )


def product_size(fixed: Fixed, index: int, below: Sequence[Size], m: int) -> Size:
    """The smallest of four bounds."""
    layer, totals, norms = _of(Product, fixed.graph, index), [], []
    left, right = _arguments(fixed.graph, index, below)
    for elements, one, other in ((layer.left, left, right), (layer.right, right, left)):
        once = -0.5 * math.log(repeats(elements))  # each element meets all elements of the other that stand beside it
        totals += [other.peak + one.total, other.largest + one.total + once]
        norms += [other.peak + one.largest, other.largest + one.largest + once]
    return Size(min(totals), min(norms), min(left.peak + right.peak, *norms))


def product_arguments(fixed: Fixed, index: int, sizes: Sequence[Size]) -> Iterator[Argument]:
    """A factor's peak, or its norm where one element of the other meets all of it."""
    layer, (left, right) = _of(Product, fixed.graph, index), _arguments(fixed.graph, index, sizes)
    for elements, other in ((layer.left, right), (layer.right, left)):
        ell = min(0.5 * math.log(repeats(elements)) + other.peak, other.largest)
        yield from ((v, ell) for v in fixed.graph.layer_of(elements))


def normalise_size(fixed: Fixed, index: int, below: Sequence[Size], m: int) -> Size:
    """√n for each sample; no element exceeds the root of its group's size."""
    layer = _of(Normalise, fixed.graph, index)
    largest = 0.5 * math.log(layer.size)
    return Size(largest + 0.5 * math.log(m), largest, 0.5 * math.log(layer.elements.shape[1]))


def normalise_arguments(fixed: Fixed, index: int, sizes: Sequence[Size]) -> Iterator[Argument]:
    """1/√ε."""
    layer = _of(Normalise, fixed.graph, index)
    ell = 0.5 * (math.log(repeats(layer.elements)) - log(layer.epsilon))
    return ((v, ell) for v in fixed.graph.sources(index))


def attention_size(fixed: Fixed, index: int, below: Sequence[Size], m: int) -> Size:
    """√T B_v, √(T H m) R_v."""
    layer, value = _of(Attention, fixed.graph, index), _arguments(fixed.graph, index, below)[2]
    queries, heads = layer.query.shape[:2]
    root, every = 0.5 * math.log(queries), 0.5 * math.log(queries * heads) + _token(value, layer.value.shape[2])
    return Size(min(root + value.total, every + 0.5 * math.log(m)), min(root + value.largest, every), value.peak)


def attention_arguments(fixed: Fixed, index: int, sizes: Sequence[Size]) -> Iterator[Argument]:
    """Of values, queries and keys."""
    layer = _of(Attention, fixed.graph, index)
    query, key, value = _arguments(fixed.graph, index, sizes)
    root, scale = 0.5 * math.log(layer.query.shape[0]), log(abs(layer.scale))
    r_q, r_k = _token(query, layer.query.shape[2]), _token(key, layer.key.shape[2])
    r_v = _token(value, layer.value.shape[2])
    ells = (scale + r_k + r_v, scale + min(query.largest, root + r_q) + r_v, root)
    for elements, ell in zip((layer.query, layer.key, layer.value), ells, strict=True):
        yield from ((v, ell + 0.5 * math.log(repeats(elements))) for v in fixed.graph.layer_of(elements))


def _of(kind: type[Kind], graph: Graph, index: int) -> Kind:
    layer = graph.layers[index]
    if not isinstance(layer, kind):
        raise TypeError(f"layer {index} is a {type(layer).__name__}; its rule is that of a {kind.__name__}")
    return layer


def _token(size: Size, coordinates: int) -> float:
    """log R: of one token of one head."""
    return min(size.largest, 0.5 * math.log(coordinates) + size.peak)


def _arguments(graph: Graph, index: int, sizes: Sequence[Size]) -> list[Size]:
    """The size of each argument as it is read: elements that are named r times count √r-fold."""
    found = []
    for elements in graph.layers[index].elements_read:
        read, root = joined(sizes[v] for v in graph.layer_of(elements)), 0.5 * math.log(repeats(elements))
        found.append(Size(root + read.total, root + read.largest, read.peak))
    return found
