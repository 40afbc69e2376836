"""Boxes of all weights of a network: how they add up along paths, and by what its elements are divided to fit.

Letters: docs/theory.md, "Boxes", of hidden layers. A learned map of a layer has a side β ≥ 0 and a sign for every
weight, the bias last; a maximum, an average and a skip add up what they read:

    ω of what a layer reads = ω of the layer · (1 + 2η) β        ω · |coefficient|        ω of every element compared
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.bound import NotCovered
from sparsebounds.bounds.certificates.signs import SLACK, over_axes
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.head import read_head
from sparsebounds.bounds.graph.layers import Layer, Linear, MaxPool, label
from sparsebounds.bounds.graph.terms import Dot

SPREAD = 1.0 + 2.0 * SLACK
"""What the slack of the signs costs per layer: two-sided first moments are at most twice the one-sided ones."""


@dataclass(frozen=True, eq=False)
class Sides:
    """β ≥ 0 and signs, 1 or −1, of all weights: rows of the margin form, and learned maps by layer; biases last."""

    rows: Float64[np.ndarray, "R N"]
    signs: Float64[np.ndarray, "R N"]
    hidden: Mapping[int, Float64[np.ndarray, "_B _N _M"]]
    """Layer of the graph → (B, K + 1, N)."""
    hidden_signs: Mapping[int, Float64[np.ndarray, "_B _N _M"]]

    def __post_init__(self) -> None:
        if self.hidden.keys() != self.hidden_signs.keys():
            raise ValueError("sides and signs are of different layers")
        both = [(self.rows, self.signs), *((self.hidden[i], self.hidden_signs[i]) for i in self.hidden)]
        for sides, signs in both:
            if sides.shape != signs.shape or not (np.isfinite(sides).all() and (sides >= 0).all()):
                raise ValueError(f"sides {sides.shape} and signs {signs.shape}: needed one shape, no side negative")
            if not np.isin(signs, (-1.0, 1.0)).all():
                raise ValueError("signs of weights that are neither 1 nor -1")


def path_sums(graph: Graph, sides: Sides) -> Float64[np.ndarray, "R inputs"]:
    """Σ over the paths from an input to a row of the products of sides, (1 + 2η) per layer; the constant 1 last.

    Raises:
        NotCovered: a layer that is no linear map with an activation of slope 0 to 1, and no maximum.
        ValueError: sides of another network.
    """
    if graph.linear(-1).activated:
        raise NotCovered("the last layer is not linear")
    head = read_head(graph)
    if sides.rows.shape[1] != len(head.elements) + 1:
        raise ValueError(f"rows of {sides.rows.shape[1] - 1} sides; the last layer reads {len(head.elements)} elements")
    size = int(graph.offsets[-1])
    found = np.zeros((len(sides.rows), graph.layers[0].size + 1))
    for out, row in zip(found, sides.rows, strict=True):
        weights, constant = np.zeros(size), float(row[-1])
        weights[head.elements] = row[:-1]
        for index in reversed(range(1, len(graph.layers) - 1)):
            first, layer = int(graph.offsets[index]), graph.layers[index]
            below, added = _passed_down(graph, index, layer, weights[first : first + layer.size], sides)
            weights, constant = weights + below, constant + added
        out[:-1], out[-1] = weights[: graph.layers[0].size], constant
    return found


def scales_of(graph: Graph, sides: Sides) -> Float64[np.ndarray, " elements"]:
    """What every element is divided by so that its row lies in its box; 1 for inputs: (elements,).

    Boxes that begin at 0 hold a share of every element they hold, so that a sum and a maximum need the largest scale of
    what they read and no more.
    """
    scale = np.append(np.ones(int(graph.offsets[-1])), 0.0)  # ABSENT is −1
    for index in range(1, len(graph.layers) - 1):
        first, layer = int(graph.offsets[index]), graph.layers[index]
        scale[first : first + layer.size] = _layer_scale(index, layer, scale, sides)
    return scale[:-1]


def row_radii(
    rows: Float64[np.ndarray, "R N"], sides: Float64[np.ndarray, "R N"], signs: Float64[np.ndarray, "R N"]
) -> Float64[np.ndarray, " R"]:
    """The smallest a_S with D = D' + D'', 0 ≤ σD' ≤ a_S β and |D''| ≤ SLACK·a_S β: (R,)."""
    return np.asarray(_fit(rows, sides, signs).max(axis=1))


def learned_map(layer: Layer) -> Dot | None:
    """The learned map of a layer; None where all that it does is fixed.

    Raises:
        NotCovered: several of them, a learned scale, a bias of what is fixed, an activation of another kind.
    """
    if isinstance(layer, MaxPool):
        return None
    if not isinstance(layer, Linear):
        raise NotCovered(f"{label(layer)} is neither a linear map with an activation nor a maximum; boxes need these")
    if not 0.0 <= layer.slope <= 1.0:
        raise NotCovered(f"{label(layer)} has slope {layer.slope}; a slope between 0 and 1 is needed")
    if len(layer.dots) > 1 or any(term.parameters is not None for term in layer.fixed_terms):
        raise NotCovered(f"{label(layer)} has more than one learned map; boxes need one, beside skips and averages")
    if not layer.dots and layer.bias is not None:
        raise NotCovered(f"{label(layer)} has a bias and no learned map")
    return layer.dots[0] if layer.dots else None


def _passed_down(
    graph: Graph, index: int, layer: Layer, own: Float64[np.ndarray, " size"], sides: Sides
) -> tuple[Float64[np.ndarray, " elements"], float]:
    """What a layer puts on the elements that it reads, and on the constant."""
    size, dot, constant = int(graph.offsets[-1]), learned_map(layer), 0.0
    below = np.zeros(size + 1)
    if isinstance(layer, MaxPool):
        np.add.at(below, layer.elements, own[:, None])
        return below[:-1], 0.0
    if dot is not None:
        beta = _of_layer(sides.hidden, index, layer, dot)
        below[:-1] += SPREAD * dot.with_strengths(beta[:, :-1]).apply_transposed(own, np.abs, size)
        constant = SPREAD * float(np.einsum("bfn,bn->", dot.by_rows(own), beta[:, -1]))
    for term in layer.fixed_terms:  # type: ignore[union-attr]  # a Linear: learned_map refuses all else
        below[:-1] += term.apply_transposed(own, np.abs, size)
    return below[:-1], constant


def _layer_scale(
    index: int, layer: Layer, scale: Float64[np.ndarray, " padded"], sides: Sides
) -> Float64[np.ndarray, " size"]:
    dot = learned_map(layer)
    if isinstance(layer, MaxPool):
        return np.asarray(scale[layer.elements].max(axis=1))
    found = np.zeros(layer.size)
    if dot is not None:
        found = _dot_scale(index, layer, dot, scale, sides)  # type: ignore[arg-type]
    for term in layer.fixed_terms:  # type: ignore[union-attr]
        rows, elements, coefficients = term.entries()
        largest = np.where(coefficients != 0, scale[elements], 0.0)
        np.maximum.at(found, np.broadcast_to(rows, largest.shape), largest)
    return found


def _dot_scale(
    index: int, layer: Linear, dot: Dot, scale: Float64[np.ndarray, " padded"], sides: Sides
) -> Float64[np.ndarray, " size"]:
    """max_i of a weight's share of its side, times the scale of what it reads; rows that share weights, the largest."""
    beta, signs = (_of_layer(of, index, layer, dot) for of in (sides.hidden, sides.hidden_signs))
    out = np.zeros(dot.shape)
    for b in range(dot.shape[0]):
        shares = _fit(dot.weight[b], beta[b, :-1], signs[b, :-1])  # (K, N)
        read = np.unique(scale[dot.taps.rows(b)], axis=0)  # mostly one row: channels share their scale
        out[b] = np.max([(row[:, None] * shares).max(axis=0) for row in read], axis=0)
    if layer.bias is not None:
        biases = dot.by_rows(layer.bias)
        wide = [np.broadcast_to(of[:, None, -1], biases.shape) for of in (beta, signs)]
        out = np.maximum(out, _fit(biases, *wide))
    return dot.placed(np.broadcast_to(out.max(axis=1, keepdims=True), out.shape))


def _fit(
    weights: Float64[np.ndarray, "*shape"], sides: Float64[np.ndarray, "*shape"], signs: Float64[np.ndarray, "*shape"]
) -> Float64[np.ndarray, "*shape"]:
    over = over_axes(weights, sides) * signs
    return np.maximum(over, -over / SLACK)


def _of_layer(
    of: Mapping[int, Float64[np.ndarray, "_B _N _M"]], index: int, layer: Layer, dot: Dot
) -> Float64[np.ndarray, "B N M"]:
    shape = (dot.shape[0], dot.weight.shape[1] + 1, dot.shape[2])
    if index not in of or of[index].shape != shape:
        given = of[index].shape if index in of else None
        raise ValueError(f"sides of shape {given} for {label(layer)}; needed {shape}")
    return of[index]
