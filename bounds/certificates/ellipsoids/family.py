"""Classes of networks whose rows all lie in ellipsoids fixed in advance, and the input energies that they weigh.

An ellipsoid says how large each weight may be beside the others; letters: docs/theory.md, "Setting" to "Theorem 3".
Fix τ > 0 for every weight of a chain of layers, hidden row n: ‖w_n/τ_n‖ ≤ 1 (the bias is one more coordinate), row S
of the margin form: ‖D_S/τ_S‖ ≤ a_S. Nodes are scalars. By Theorem 1 (step ii, one row per node)

    q_n² ≤ s² Σ_i τ_{n,i}² q_i²        hence        Σ_i |D_{S,i}| q_i ≤ a_S √(Σ_j ω_{S,j} B² Σ_n x_nj² + …)

with input weights ω that depend on the class alone: the bound sees the data through one number per row and sub-sample,
the mean of Z_S(x) = Σ_j ω_{S,j} x_j² + ω_{S,0}. A layer's rows may be multiplied by any λ > 0 if the weights that read
them are divided by it, so that all hidden radii are 1 and only the a_S are numbers of the class.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Float64, UInt64

from sparsebounds.bounds.certificates.chain import chain_moment, hidden_layers
from sparsebounds.bounds.certificates.energies import EnergyWeights
from sparsebounds.bounds.certificates.signs import GROWTH, HALF, Orthants, over_axes, radius_of, squares_in
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.head import read_head
from sparsebounds.bounds.graph.layers import Linear, label
from sparsebounds.bounds.graph.terms import Dot
from sparsebounds.bounds.moments.constants import contraction, khintchine
from sparsebounds.bounds.moments.margin_forms import MarginForm
from sparsebounds.bounds.sample.fingerprinting import as_fingerprints
from sparsebounds.bounds.sample.sample import Sample

Axes = np.ndarray


@dataclass(frozen=True, eq=False)
class Ellipsoids:
    """Every row of every layer in an ellipsoid, fixed without looking at the sample; a `Family`.

    Example:
        >>> from sparsebounds.bounds import read_graph
        >>> from sparsebounds.bounds.moments.margin_forms import tree_form
        >>> from sparsebounds.bounds.moments.tree import Tree
        >>> graph = read_graph(lambda x: x @ np.eye(2, dtype=np.float32), np.ones((1, 2), np.float32))
        >>> ellipsoids = Ellipsoids(tree_form(Tree.balanced(2), 2), np.array([[1.0, 2.0, 0.0]]))
        >>> ellipsoids.energy_weights(graph).inputs.tolist(), ellipsoids.radii(graph).round(4).tolist()
        ([[1.0, 4.0]], [0.559])

    Source: theorems 1 and 2 of docs/theory.md; "What is paid".
    """

    form: MarginForm
    rows: Float64[np.ndarray, "R N"]
    """τ_{S,k} for the elements that the last layer reads, in ascending order, and for its bias."""
    hidden: Mapping[int, Float64[np.ndarray, "_B _N _M"]] = field(default_factory=dict)
    """Layer of the graph → τ of its weights, and of its bias."""
    name: str = "uniform"
    orthants: Orthants | None = None
    """The signs of all weights, where the class fixes them: p = 2 then, without the factors of the activations."""
    shaped_by: UInt64[np.ndarray, " n"] | None = None
    """Fingerprints of the samples that the class comes from, none of which may be certified; None without any."""

    def __post_init__(self) -> None:
        if self.shaped_by is not None:
            object.__setattr__(self, "shaped_by", as_fingerprints(self.shaped_by))

    @property
    def counted(self) -> Bool[np.ndarray, "R K"]:
        """bool (R, K): the sub-samples of each row."""
        return self.form.multipliers != 0

    def energy_weights(self, graph: Graph, *, frozen: int = 0) -> EnergyWeights:
        """The weights of the inputs, ω, with the constants of Theorem 1 in them, for the best p.

        Args:
            graph: a chain of linear layers with activations; only its structure counts here.
            frozen: the last layer that is taken for an input, as if all up to it were fixed in advance; the weights are
                then of its elements, in a network whose hidden rows have radius 1. For people who ask what a layer
                costs.

        Returns:
            EnergyWeights: Σ_i |D_{S,i}| q_i ≤ a_S √(Σ_n Z_S(x_n)) for every network of the class.

        Raises:
            NotCovered: a graph that is no such chain.
            ValueError: axes of the wrong shape, or negative.
        """
        layers, head = hidden_layers(graph), read_head(graph)
        _check_axes("the last layer", self.rows, (len(self.form.rows), len(head.elements) + 1))
        signed = self.orthants is not None
        p = 2.0 if signed else chain_moment(graph)
        weights = np.zeros((len(self.rows), int(graph.offsets[-2])))
        weights[:, head.elements] = np.square(self.rows[:, :-1])
        hidden_constant = np.zeros(len(weights))
        for index in (i for i in reversed(layers) if i > frozen):
            factor = GROWTH if signed else float(contraction(p, graph.layers[index].slope))
            axes = factor * np.asarray(self.hidden.get(index, np.zeros(0)))
            weights, added = _below(graph, index, axes, weights)
            hidden_constant += added
        first = int(graph.offsets[frozen])
        weights = weights[:, first : first + graph.layers[frozen].size]
        if signed:
            share = HALF * GROWTH**2
            return EnergyWeights(share * weights, share * (np.square(self.rows[:, -1]) + hidden_constant), p)
        b2 = float(khintchine(p)) ** 2
        return EnergyWeights(b2 * weights, np.square(self.rows[:, -1]) + b2 * hidden_constant, p)

    def scales(self, graph: Graph) -> Float64[np.ndarray, " elements"]:
        """Radius of the row of every element, what it reads scaled to radius 1; 1 for inputs: (elements,)."""
        scale = np.ones(int(graph.offsets[-1]))
        for index in hidden_layers(graph):
            layer, first = graph.linear(index), int(graph.offsets[index])
            signs = None if self.orthants is None else self.orthants.hidden[index]
            scale[first : first + layer.size] = _row_radii(layer, graph.dot(index), self.hidden[index], signs, scale)
        return scale

    def radii(self, graph: Graph) -> Float64[np.ndarray, " R"]:
        """a_S of a network after all its hidden rows were scaled to radius 1: float64 (R,), not below the exact ones.

        Raises:
            ValueError: a weight that is not 0 where its axis is.
        """
        scale, head = self.scales(graph), read_head(graph)
        bias = np.zeros(graph.classes) if head.bias is None else head.bias
        rows = self.form.rows @ np.concatenate([head.weights * scale[head.elements], bias[:, None]], axis=1)
        orthant = None if self.orthants is None else self.orthants.rows
        right, wrong = squares_in(over_axes(rows, self.rows), orthant)
        return radius_of(right.sum(axis=1), wrong.sum(axis=1))

    def reach(self, energies: Float64[np.ndarray, "R K"], m: int) -> Float64[np.ndarray, " R"]:
        """What a radius of 1 adds to T: Σ_k mult_{S,k} √(m energy_{S,k}), (R,)."""
        return np.asarray((self.form.multipliers * np.sqrt(m * energies)).sum(axis=1))

    def most(self, graph: Graph) -> float:
        """No limit: an ellipsoid of a larger radius holds the smaller ones."""
        return math.inf

    def check(self, sample: Sample) -> None:
        """Nothing: the class states no range of its inputs beside those of the energies."""


def _below(
    graph: Graph, index: int, axes: Axes, weights: Float64[np.ndarray, "R elements"]
) -> tuple[Float64[np.ndarray, "R below"], Float64[np.ndarray, " R"]]:
    """Weights of the layer that a hidden layer reads, from those of its own elements; and what its biases add.

    Its axes come with the factor of its activation.
    """
    layer, dot = graph.layers[index], graph.dot(index)
    b_count, _, n = dot.shape
    _check_axes(label(layer), axes, (b_count, dot.weight.shape[1] + 1, n))
    first = int(graph.offsets[index])
    own = weights[:, first : first + layer.size][:, dot.places].reshape(-1, *dot.shape)
    tau2 = np.square(axes)
    below = np.zeros((len(weights), int(graph.offsets[index]) + 1))
    for b in range(b_count):
        seen = dot.taps.rows(b)  # (F, K), ABSENT is −1: the last column, dropped
        shares = own[:, b] @ tau2[b, :-1].T
        for row, share in zip(below, shares, strict=True):
            np.add.at(row, seen, share)
    return below[:, :-1], np.einsum("rbfn,bn->r", own, tau2[:, -1])


def _row_radii(
    layer: Linear, dot: Dot, axes: Axes, signs: Axes | None, scale: Float64[np.ndarray, " elements"]
) -> Float64[np.ndarray, " size"]:
    """‖w_n/τ_n‖ of every element of a layer, weights multiplied by the scale of what they read: (size,)."""
    right, wrong = np.zeros((2, *dot.shape))
    for b in range(dot.shape[0]):
        seen = dot.taps.rows(b)
        reading = np.square(np.where(seen >= 0, scale[seen], 0.0))
        parts = squares_in(over_axes(dot.weight[b], axes[b, :-1]), None if signs is None else signs[b, :-1])
        right[b], wrong[b] = (reading @ part for part in parts)
    if layer.bias is not None:
        biases = dot.by_rows(layer.bias)
        over = over_axes(biases, np.broadcast_to(axes[:, None, -1], biases.shape))
        parts = squares_in(over, None if signs is None else signs[:, None, -1])
        right, wrong = right + parts[0], wrong + parts[1]
    # Rows that share weights share their scale: the largest.
    out = radius_of(right, wrong)
    shared = np.broadcast_to(out.max(axis=1, keepdims=True), out.shape)
    return dot.placed(shared)


def _check_axes(what: str, axes: Float[np.ndarray, "*axes"], shape: tuple[int, ...]) -> None:
    if axes.shape != shape or not (np.isfinite(axes).all() and (axes >= 0).all()):
        raise ValueError(f"axes of shape {axes.shape} for {what}; needed {shape}, finite and not negative")
