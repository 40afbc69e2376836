"""Boxes from a rehearsal: a network trained on samples that are left out of the certificate.

Letters β, κ, B: docs/theory.md, "Boxes".
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int, Shaped, UInt64

from sparsebounds.bounds.certificates.boxes.centred import Centred
from sparsebounds.bounds.certificates.boxes.centred_network import CentredNetwork
from sparsebounds.bounds.certificates.boxes.family import Boxes
from sparsebounds.bounds.certificates.boxes.hidden import HiddenBoxes
from sparsebounds.bounds.certificates.boxes.moments import pairs
from sparsebounds.bounds.certificates.boxes.sides import Sides, learned_map, path_sums
from sparsebounds.bounds.certificates.chain import head_rows
from sparsebounds.bounds.graph.evaluation import activations
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.head import read_head
from sparsebounds.bounds.moments.margin_forms import MarginForm


def box_of_rehearsal(
    form: MarginForm,
    rows: Float64[np.ndarray, "R N"],
    means: Float64[np.ndarray, "C N"],
    largest: Float64[np.ndarray, " inputs"],
    *,
    shaped_by: UInt64[np.ndarray, " n"] | None,
    side_floor: float,
    size_floor: float,
) -> Boxes:
    """The class that a rehearsal suggests: β = |D| + floor · mean, its signs, κ² = its energies with a floor.

    Args:
        form: of the margin step, along a tree fixed without the certified samples.
        rows: (R, K + 1) the rehearsal's rows, the bias last.
        means: (C, K + 1): Σ over the left-out samples of a class of x_j² and of 1, over their number.
        largest: (K,): B of the inputs.
        shaped_by: fingerprints of the left-out samples, as they were before any front end; None says that whatever
            they passed through refuses them already.
        side_floor, size_floor: shares of a row's mean weight, and of its mean size, that every input gets.

    Returns:
        Boxes; the rehearsal has a_S = 1 in it.
    """
    return Boxes(
        form,
        _sides(rows, side_floor),
        _signs(rows),
        _sizes(form, means, size_floor),
        np.append(largest, 1.0),
        name="boxes of a rehearsal, with its signs",
        shaped_by=shaped_by,
    )


def hidden_boxes_of_rehearsal(
    graph: Graph,
    form: MarginForm,
    means: Float64[np.ndarray, "C N"],
    largest: Float64[np.ndarray, " inputs"],
    *,
    shaped_by: UInt64[np.ndarray, " n"] | None,
    side_floor: float,
    size_floor: float,
) -> HiddenBoxes:
    """The same for a network with hidden layers: β = |w| + floor · mean in every row of every learned map, its signs.

    Args:
        graph: the rehearsal network, of the architecture to be certified.
        form, means, largest, shaped_by, side_floor, size_floor: as for `box_of_rehearsal`, of the inputs.

    Returns:
        HiddenBoxes; the rehearsal has a_S = 1 in it, or less.

    Raises:
        NotCovered: a structure that boxes do not go through.
    """
    head, rows = read_head(graph), head_rows(form, graph)
    top, hidden, hidden_signs = _sides(rows, side_floor), {}, {}
    top[:, -1] *= head.bias is not None
    for index, layer in list(graph.linear_layers())[:-1]:
        dot = learned_map(layer)
        if dot is not None:
            biases = np.zeros(dot.shape) if layer.bias is None else dot.by_rows(layer.bias)
            largest_bias = np.take_along_axis(biases, np.abs(biases).argmax(axis=1)[:, None], axis=1)
            weights = np.concatenate([np.asarray(dot.weight), largest_bias], axis=1)
            hidden[index], hidden_signs[index] = _sides(weights, side_floor), _signs(weights)
            hidden[index][:, -1] *= layer.bias is not None
    sides = Sides(top, _signs(rows), hidden, hidden_signs)
    paths, sizes = path_sums(graph, sides), _sizes(form, means, size_floor)
    return HiddenBoxes(form, sides, paths, sizes, np.append(largest, 1.0), shaped_by=shaped_by)


def box_around_rehearsal(
    form: MarginForm,
    rows: Float64[np.ndarray, "R N"],
    means: Float64[np.ndarray, "C N"],
    largest: Float64[np.ndarray, " inputs"],
    *,
    width: float,
    shaped_by: UInt64[np.ndarray, " n"] | None,
    side_floor: float,
    size_floor: float,
) -> Centred:
    """The class around a rehearsal: D⁰ its rows, h = width · max(|D⁰|, floor · mean), κ² its energies with a floor.

    Args:
        form, rows, means, largest, shaped_by: as for `box_of_rehearsal`.
        width: h beside |D⁰|, of a list that is paid for where it was chosen after looking; the smaller, the more the
            rehearsal decides.
        side_floor, size_floor: shares of a row's mean weight, and of its mean size, below which no weight counts.

    Returns:
        Centred; c = 1 holds the rehearsal.

    Raises:
        ValueError: a width that is not positive.
    """
    return Centred(
        form,
        np.asarray(rows, dtype=np.float64),
        _halves(rows, width, side_floor),
        _sizes(form, means, size_floor),
        np.append(largest, 1.0),
        name=f"boxes around a rehearsal, h = {width:g} of its weights",
        shaped_by=shaped_by,
    )


def _sides(weights: Float64[np.ndarray, "*shape"], floor: float) -> Float64[np.ndarray, "*shape"]:
    """β of rows along the second axis, the bias last, of radius 1 where there are weights."""
    size = np.abs(weights)
    sides = size + floor * size.mean(axis=1, keepdims=True)
    shares = np.divide(size, sides, out=np.zeros_like(size), where=sides > 0)
    return np.asarray(sides * shares.max(axis=1, keepdims=True))


def _signs(weights: Float64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    return np.where(weights < 0, -1.0, 1.0)


def boxes_around_network(
    graph: Graph,
    form: MarginForm,
    x: Shaped[np.ndarray, "n ..."],
    y: Int[np.ndarray, " n"],
    inputs: Float64[np.ndarray, " inputs"],
    *,
    width: float,
    shaped_by: UInt64[np.ndarray, " n"] | None,
    side_floor: float,
    size_floor: float,
) -> CentredNetwork:
    """The class around a rehearsal with hidden layers: h = width · max(|w⁰|, floor · mean) in every row of every map.

    Args:
        graph: the rehearsal network, of the architecture to be certified; any Lipschitz activations.
        form: of the margin step, along a tree fixed without the certified samples.
        x, y: samples that are left out: the sizes κ are those of the rehearsal's values on them.
        inputs: what no |x_i| exceeds.
        width, shaped_by, side_floor, size_floor: as for `box_around_rehearsal`.

    Returns:
        CentredNetwork; c = 1 holds the rehearsal.

    Raises:
        NotCovered: a structure that these boxes do not go through.
    """
    head, rows = read_head(graph), head_rows(form, graph)
    hidden = {}
    for index, layer in list(graph.linear_layers())[:-1]:
        dot = learned_map(layer)
        if dot is not None:
            biases = np.zeros(dot.shape) if layer.bias is None else dot.by_rows(layer.bias)
            weights = np.concatenate([np.asarray(dot.weight), np.abs(biases).max(axis=1, keepdims=True)], axis=1)
            hidden[index] = _halves(weights, width, side_floor)
            hidden[index][:, -1] *= layer.bias is not None
    values = [v.reshape(len(x), -1) for v in activations(graph, x)[:-1]]
    squares = np.square(np.concatenate([*values, np.ones((len(x), 1))], axis=1))
    means = np.equal.outer(np.arange(graph.classes), y).astype(np.float64) @ squares / len(x)
    top = _halves(rows, width, side_floor)
    top[:, -1] *= head.bias is not None
    return CentredNetwork(
        form, graph, top, hidden, _sizes(form, means, size_floor), np.asarray(inputs, np.float64), shaped_by=shaped_by
    )


def _halves(weights: Float64[np.ndarray, "*shape"], width: float, floor: float) -> Float64[np.ndarray, "*shape"]:
    """h of rows along the second axis."""
    if not 0.0 < width < np.inf:
        raise ValueError(f"width {width!r}: needed a positive number, what h is beside the rehearsal's weights")
    size = np.abs(weights)
    return np.asarray(width * np.maximum(size, floor * size.mean(axis=1, keepdims=True)))


def _sizes(form: MarginForm, means: Float64[np.ndarray, "C N"], floor: float) -> Float64[np.ndarray, "pairs N"]:
    """κ of every pair: the root mean squares, none below a share of the row's mean."""
    roots = np.sqrt(form.weights @ means)[[k for _, k in pairs(form)]]
    return np.maximum(roots, floor * roots.mean(axis=1, keepdims=True))
