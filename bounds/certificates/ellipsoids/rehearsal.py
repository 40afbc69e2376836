"""Ellipsoids from a rehearsal: the same network, trained on samples that are left out of the certificate.

The left-out samples are independent of the certified ones, so whatever is read off them costs no union (letters:
docs/theory.md, "Theorem 1"). Minimising
Σ_i τ_i² q_i² under Σ_i w_i²/τ_i² ≤ 1 gives τ_i² ∝ |w_i|/q_i: this is done for every row, with a floor under both.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, UInt64

from sparsebounds.bounds.certificates.chain import chain_moment, head_rows, hidden_layers
from sparsebounds.bounds.certificates.ellipsoids.family import Ellipsoids
from sparsebounds.bounds.certificates.signs import Orthants
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.head import read_head
from sparsebounds.bounds.moments.constants import contraction, khintchine
from sparsebounds.bounds.moments.margin_forms import MarginForm

WEIGHT_FLOOR = 0.1
"""Share of a row's mean weight that every weight gets: no axis is 0 where the rehearsal has no weight."""
MOMENT_FLOOR = 0.1
"""Share of the mean q below which a q is not counted: rare features must not get long axes."""


def rehearsal_ellipsoids(
    graph: Graph,
    form: MarginForm,
    means: Float64[np.ndarray, "C N"],
    *,
    shaped_by: UInt64[np.ndarray, " n"] | None,
    signed: bool = False,
    weight_floor: float = WEIGHT_FLOOR,
    moment_floor: float = MOMENT_FLOOR,
) -> Ellipsoids:
    """The class that a rehearsal network suggests: every row of every layer in an ellipsoid that it just fits into.

    τ_{S,i}² = (|D_{S,i}| + 0.1 mean) / (κ_{S,i} + 0.1 mean), κ_{S,i} = Σ_k mult_{S,k} q^k_i, scaled to ‖D_S/τ_S‖ = 1;
    in a hidden row, q_i is the root mean square over the positions of the row, weighted as the layers above weigh it.

    Args:
        graph: the rehearsal network, of the architecture to be certified; a chain of linear layers and activations.
        form: of the margin step, along a tree fixed without the certified samples.
        means: (C, inputs + 1) float64: Σ over the left-out samples of a class of x_j² and of 1, over their number.
        shaped_by: fingerprints of the left-out samples, as they were before any front end; None says that whatever
            they passed through refuses them already.
        signed: the class fixes the sign of every weight, too: that of the rehearsal's, 1 where that is 0.
        weight_floor, moment_floor: the two shares.

    Returns:
        Ellipsoids; the rehearsal network has a_S = 1 in it.

    Raises:
        NotCovered: another structure.

    Example:
        >>> from sparsebounds.bounds import read_graph
        >>> from sparsebounds.bounds.moments.tree import Tree
        >>> from sparsebounds.bounds.moments.margin_forms import tree_form
        >>> f = lambda x: x @ np.array([[1.0, -1.0], [0.5, -0.5]], np.float32)
        >>> graph, form = read_graph(f, np.ones((1, 2), np.float32)), tree_form(Tree.balanced(2), 2)
        >>> ellipsoids = rehearsal_ellipsoids(graph, form, np.full((2, 3), 0.5), shaped_by=None)
        >>> ellipsoids.radii(graph).round(9).tolist()
        [1.0]

    Source: theorem 3 of docs/theory.md, "What is paid".
    """
    layers = hidden_layers(graph)
    p = chain_moment(graph)
    squares = (form.weights @ means).T  # (inputs + 1, K)
    q = _moments(graph, squares, p)
    head, rows = read_head(graph), head_rows(form, graph)
    reach = np.concatenate([q[head.elements], np.sqrt(squares[-1:])])  # (K elements + 1, sub-samples)
    tau = _axes(rows.T, (reach @ form.multipliers.T), weight_floor, moment_floor).T
    if head.bias is None:
        tau[:, -1] = 0.0
    above = np.square(tau) @ np.square(reach[:, 0])
    weights = np.zeros(int(graph.offsets[-1]))
    weights[head.elements] = (np.square(tau[:, :-1]) / np.sqrt(above)[:, None]).sum(axis=0)
    hidden = {}
    for index in reversed(layers):
        hidden[index] = _hidden_axes(graph, index, q[:, 0], squares[-1, 0], weights, weight_floor, moment_floor)
        weights += _passed_down(graph, index, hidden[index], weights)
    if not signed:
        return Ellipsoids(form, tau, hidden, name="rehearsal", shaped_by=shaped_by)
    orthants = Orthants(_signs(rows), {index: _hidden_signs(graph, index) for index in layers})
    return Ellipsoids(form, tau, hidden, "rehearsal, with its signs", orthants, shaped_by)


def _signs(weights: Float64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    return np.where(weights < 0, -1.0, 1.0)


def _hidden_signs(graph: Graph, index: int) -> np.ndarray:
    """Of the weights, and of the biases: where rows that share weights disagree in the bias's, that of the largest."""
    layer, dot = graph.linear(index), graph.dot(index)
    bias = np.zeros(dot.shape) if layer.bias is None else dot.by_rows(layer.bias)
    largest = np.take_along_axis(bias, np.abs(bias).argmax(axis=1)[:, None], axis=1)
    return _signs(np.concatenate([np.asarray(dot.weight), largest], axis=1))


def _axes(
    rows: Float64[np.ndarray, "*shape"],
    moments: Float64[np.ndarray, "*shape"],
    weight_floor: float,
    moment_floor: float,
) -> Float64[np.ndarray, "*shape"]:
    """τ of columns of weights (K + 1, N) with moments of the same shape, each column of radius 1."""
    size = np.abs(rows)
    above = size + weight_floor * size.mean(axis=0)
    below = moments + moment_floor * moments.mean(axis=0)
    tau = np.sqrt(np.where(above > 0, above, 1.0) / np.maximum(below, 1e-30))
    norms = np.sqrt(np.square(rows / tau).sum(axis=0))
    return np.asarray(tau * np.where(norms > 0, norms, 1.0))


def _moments(graph: Graph, squares: Float64[np.ndarray, "inputs K"], p: float) -> Float64[np.ndarray, "padded K"]:
    """q of every element in the tap form on scalar nodes, per sub-sample and divided by √m: (elements + 1, K)."""
    q = np.zeros((int(graph.offsets[-1]) + 1, squares.shape[1]))
    constant = float(khintchine(p))
    q[: graph.layers[0].size] = constant * np.sqrt(squares[:-1])
    for index in hidden_layers(graph):
        layer, dot = graph.linear(index), graph.dot(index)
        out = np.stack([np.abs(dot.weight[b]).T @ q[dot.taps.rows(b)] for b in range(dot.shape[0])])  # (B, F, N, K)
        total = np.empty((layer.size, q.shape[1]))
        total[dot.places] = out.reshape(layer.size, -1)
        if layer.bias is not None:
            total += np.abs(layer.bias)[:, None] * constant * np.sqrt(squares[-1])
        first = int(graph.offsets[index])
        q[first : first + layer.size] = float(contraction(p, layer.slope)) * total
    return q


def _hidden_axes(
    graph: Graph,
    index: int,
    q: Float64[np.ndarray, " padded"],
    count: float,
    weights: Float64[np.ndarray, " elements"],
    weight_floor: float,
    moment_floor: float,
) -> Float64[np.ndarray, "B N M"]:
    layer, dot = graph.linear(index), graph.dot(index)
    b_count, f_count, n = dot.shape
    first = int(graph.offsets[index])
    own = dot.by_rows(weights[first : first + layer.size])
    total = own.sum(axis=1, keepdims=True)
    shares = np.where(total > 0, own / np.where(total > 0, total, 1.0), 1.0 / f_count)
    axes = np.zeros((b_count, dot.weight.shape[1] + 1, n))
    bias = np.zeros(dot.shape) if layer.bias is None else dot.by_rows(np.abs(layer.bias))
    for b in range(b_count):
        energy = np.square(q[dot.taps.rows(b)]).T @ shares[b]  # (K, N)
        largest = bias[b].max(axis=0)
        moments = np.sqrt(np.concatenate([energy, np.full((1, n), count)]))
        axes[b] = _axes(np.concatenate([dot.weight[b], largest[None]]), moments, weight_floor, moment_floor)
    if layer.bias is None:
        axes[:, -1] = 0.0
    return axes


def _passed_down(
    graph: Graph, index: int, axes: Float64[np.ndarray, "B N M"], weights: Float64[np.ndarray, " elements"]
) -> Float64[np.ndarray, " elements"]:
    """The weights that a hidden layer puts on the elements that it reads."""
    layer, dot = graph.linear(index), graph.dot(index)
    first = int(graph.offsets[index])
    own = dot.by_rows(weights[first : first + layer.size])
    out = np.zeros(len(weights) + 1)
    for b in range(dot.shape[0]):
        np.add.at(out, dot.taps.rows(b), own[b] @ np.square(axes[b, :-1]).T)
    return out[:-1]
