"""Classes of networks all of whose weights lie around those of a rehearsal: |w − w⁰| ≤ h, D_S ∈ c·[D⁰_S ± h_S].

What counts is how far the values z_j move from those of the rehearsal, z⁰_j, which are fixed functions of the input.
With e_i = E|Σ_n ξ_n λ_n z⁰_i(x_n)| and p_j = E (sup Σ_n ξ_n λ_n (z_j − z⁰_j)(x_n))₊, and σ of Lipschitz constant L

    input: p = 0      p_j ≤ L Σ_i [max(|w⁰_ji| + h_ji, 2 h_ji) p_i + h_ji e_i]      maximum, average, skip: sums of p

so that the class sees the rehearsal's values of all layers, the inputs among them, through sums over paths. Letters and
proof: docs/theory.md, "Boxes around a rehearsal".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float64, Shaped, UInt64

from sparsebounds.bounds.bound import NotCovered
from sparsebounds.bounds.certificates.boxes.common import BoxClass
from sparsebounds.bounds.certificates.boxes.common_scale import common_scales
from sparsebounds.bounds.certificates.boxes.moments import check_range
from sparsebounds.bounds.certificates.boxes.moves import moves_of, ranges_of
from sparsebounds.bounds.certificates.chain import head_rows
from sparsebounds.bounds.certificates.energies import EnergyWeights
from sparsebounds.bounds.graph.difference import difference
from sparsebounds.bounds.graph.evaluation import activations
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.reference import Reference
from sparsebounds.bounds.moments.margin_forms import MarginForm
from sparsebounds.bounds.sample.sample import Sample


@dataclass(frozen=True, eq=False)
class CentredNetwork(BoxClass):
    """A class of networks around a rehearsal, fixed without looking at the sample; a `Family`.

    Its energies are those of `features`: all values of the rehearsal below its scores; N counts these and the constant.

    Args:
        form: of the margin step, R rows.
        rehearsal: the network that the class lies around.
        rows: h ≥ 0 of the rows of the margin form, the bias last: (R, K + 1).
        hidden: h of the learned maps by layer, the bias last: (B, K + 1, N) each.
        sizes: κ > 0 of the features and the constant, for every row and sub-sample, in the order of `pairs`.
        inputs: what no |x_i| exceeds, (inputs,).
        name: for the terms.
        shaped_by: fingerprints of the samples that the class comes from, none of which may be certified; None without.

    Source: theorem 3 of docs/theory.md, "Boxes around a rehearsal".
    """

    form: MarginForm
    rehearsal: Graph
    rows: Float64[np.ndarray, "R M"]
    hidden: Mapping[int, Float64[np.ndarray, "_B _N _M"]]
    sizes: Float64[np.ndarray, "pairs N"]
    inputs: Float64[np.ndarray, " inputs"]
    name: str = "boxes around a rehearsal, all layers"
    shaped_by: UInt64[np.ndarray, " n"] | None = None
    largest: Float64[np.ndarray, " N"] = field(init=False)
    """What no value of the rehearsal exceeds, from the range of the inputs, and 1."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "largest", np.append(ranges_of(self.rehearsal, self.inputs), 1.0))
        super().__post_init__()

    @cached_property
    def moves(self) -> Float64[np.ndarray, "R N"]:
        """What stands before every e_i in the charge of every row at c = 1."""
        return moves_of(self.rehearsal, head_rows(self.form, self.rehearsal), self.rows, self.hidden)

    @property
    def charges(self) -> Float64[np.ndarray, "R N"]:
        """The moves."""
        return self.moves

    def features(self, x: Shaped[np.ndarray, "m ..."]) -> Float64[np.ndarray, "m elements"]:
        """The values of the rehearsal that the energies are of: (m, elements below the scores)."""
        return np.concatenate([v.reshape(len(x), -1) for v in activations(self.rehearsal, x)[:-1]], axis=1)

    def energy_weights(self, graph: Graph, *, frozen: int = 0) -> EnergyWeights:
        """Z of every pair, of the features: Σ_i (Ω_i/κ_i) z⁰_i², the constant among the i.

        Raises:
            ValueError: another structure than the rehearsal's, or a hidden weight outside its box.
        """
        if frozen:
            raise NotCovered("these boxes weigh all layers of the rehearsal; none of them can be frozen alone")
        self._check_hidden(graph)
        return self.weights

    def radii(self, graph: Graph) -> Float64[np.ndarray, " R"]:
        """The smallest c at which the class holds the network, the same for all rows: (R,).

        Raises:
            ValueError: no c does, or a hidden weight lies outside its box.
        """
        return np.full(len(self.rows), self._scales(graph)[0])

    def most(self, graph: Graph) -> float:
        """The largest such c."""
        return self._scales(graph)[1]

    def check(self, sample: Sample) -> None:
        """Raise ValueError unless all inputs of the sample are known to lie within their range."""
        check_range(sample, np.append(self.inputs, 1.0))

    def _scales(self, graph: Graph) -> tuple[float, float]:
        self._check_hidden(graph)
        return common_scales(head_rows(self.form, graph), head_rows(self.form, self.rehearsal), self.rows)

    def _check_hidden(self, graph: Graph) -> None:
        moved = difference(graph, Reference(self.rehearsal, fixed="before training"))
        for index, halves in self.hidden.items():
            layer = moved.linear(index)
            (dot,) = layer.dots
            outside = (np.abs(dot.weight) > halves[:, :-1]).any()
            if layer.bias is not None:
                outside |= (np.abs(dot.by_rows(layer.bias)) > halves[:, None, -1]).any()
            if outside:
                raise ValueError(f"a weight of {layer.name} lies outside its box around the rehearsal; train inside it")
