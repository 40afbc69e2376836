"""How far the values of a network move from a rehearsal's, as sums over paths; and how large these can be.

Letters: docs/theory.md, "Boxes around a rehearsal".
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.bound import NotCovered
from sparsebounds.bounds.certificates.boxes.sides import learned_map
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.head import read_head
from sparsebounds.bounds.graph.layers import Activation, Layer, MaxPool, label

Halves = Mapping[int, np.ndarray]
"""h of learned maps by layer, (B, K + 1, N) each, the bias last."""


def moves_of(
    rehearsal: Graph, centres: Float64[np.ndarray, "R K"], rows: Float64[np.ndarray, "R K"], hidden: Halves
) -> Float64[np.ndarray, "R N"]:
    """Ω with R_λ(D·v) ≤ c Σ_i Ω_{S,i} e_i: of every element below the scores, and of the constant, last.

    Args:
        rehearsal: the network in the middle of the class.
        centres, rows: D⁰ and h of the margin form's rows, the bias last.
        hidden: h of the learned maps.

    Raises:
        NotCovered: a layer that is no linear map, maximum, or Lipschitz function of one element.
        ValueError: h of another network.
    """
    head, size = read_head(rehearsal), int(rehearsal.offsets[-2])
    if rehearsal.linear(-1).activated:
        raise NotCovered("the last layer is not linear")
    if rows.shape != centres.shape or not (np.isfinite(rows).all() and (rows >= 0).all()):
        raise ValueError(f"h of shape {rows.shape} for rows {centres.shape}; needed the same, not negative")
    found = np.zeros((len(rows), size + 1))
    for out, centre, half in zip(found, centres, rows, strict=True):
        moved = np.zeros(int(rehearsal.offsets[-1]))  # what stands before p of every element
        moved[head.elements] = np.maximum(np.abs(centre) + half, 2 * half)[:-1]
        out[head.elements] += half[:-1]
        out[-1] += half[-1]
        for index in reversed(range(1, len(rehearsal.layers) - 1)):
            first, layer = int(rehearsal.offsets[index]), rehearsal.layers[index]
            _pass_down(index, layer, moved[first : first + layer.size].copy(), moved, out, hidden)
    return found


def ranges_of(rehearsal: Graph, inputs: Float64[np.ndarray, " inputs"]) -> Float64[np.ndarray, " elements"]:
    """What no |z⁰_i(x)| exceeds if no |x_i| exceeds its range: of every element below the scores."""
    found = np.zeros(int(rehearsal.offsets[-1]) + 1)  # ABSENT is −1
    found[: len(inputs)] = inputs
    for index in range(1, len(rehearsal.layers) - 1):
        first, layer = int(rehearsal.offsets[index]), rehearsal.layers[index]
        if isinstance(layer, Activation):
            at_zero = abs(float(layer.function.apply(np.zeros(1))[0]))
            own = at_zero + layer.function.lipschitz * found[layer.elements]
        elif isinstance(layer, MaxPool):
            own = found[layer.elements].max(axis=1)
        else:
            own = np.sum([term.apply(found, np.abs) for term in rehearsal.linear(index).terms], axis=0)
            bias = rehearsal.linear(index).bias
            own = own if bias is None else own + np.abs(bias)
        found[first : first + layer.size] = own
    return found[: int(rehearsal.offsets[-2])]


def _pass_down(
    index: int,
    layer: Layer,
    own: Float64[np.ndarray, " size"],
    moved: Float64[np.ndarray, " elements"],
    out: Float64[np.ndarray, " N"],
    hidden: Halves,
) -> None:
    """Add what a layer's p costs to the p and the e of what it reads."""
    if isinstance(layer, Activation):
        present = layer.elements >= 0
        np.add.at(moved, layer.elements[present], layer.function.lipschitz * own[present])
        return
    dot = learned_map(layer)
    if isinstance(layer, MaxPool):
        padded = np.append(moved, 0.0)
        np.add.at(padded, layer.elements, own[:, None])
        moved[:] = padded[:-1]
        return
    if dot is not None:
        half = hidden.get(index)
        if half is None or half.shape != (len(dot.weight), dot.weight.shape[1] + 1, dot.weight.shape[2]):
            raise ValueError(f"no h for {label(layer)}, or of another shape than its weights and a bias")
        if not (np.isfinite(half).all() and (half >= 0).all()):
            raise ValueError(f"h of {label(layer)} must be finite and not negative")
        most = np.maximum(np.abs(dot.weight) + half[:, :-1], 2 * half[:, :-1])
        moved += dot.with_strengths(most).apply_transposed(own, np.abs, len(moved))
        moves = dot.with_strengths(half[:, :-1]).apply_transposed(own, np.abs, len(moved))
        out[:-1] += moves[: len(out) - 1]
        out[-1] += float(np.einsum("bfn,bn->", dot.by_rows(own), half[:, -1]))
    for term in layer.fixed_terms:  # type: ignore[union-attr]  # a Linear: learned_map refuses all else
        moved += term.apply_transposed(own, np.abs, len(moved))
