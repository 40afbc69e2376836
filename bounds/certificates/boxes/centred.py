"""Classes of linear heads whose weights lie around those of a rehearsal: row S is D_S ∈ c·[D⁰_S − h_S, D⁰_S + h_S].

The rehearsal D⁰ and h are fixed in advance; all rows share c. The rehearsal's own scores are constants of the sample,
and constants drop out of every step of the margin: with X_i = Σ_n ξ_n λ_n x_ni

    E sup Σ_n ξ_n λ_n D_S·x_n = E sup Σ_n ξ_n λ_n (D_S − c D⁰_S)·x_n = c Σ_i h_{S,i} E|X_i|

The classes do not grow with c: a network is held by those with c between two numbers, or by none. Letters and proof:
docs/theory.md, "Boxes around a rehearsal".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, UInt64

from sparsebounds.bounds.bound import NotCovered
from sparsebounds.bounds.certificates.boxes.common import BoxClass
from sparsebounds.bounds.certificates.boxes.common_scale import common_scales
from sparsebounds.bounds.certificates.chain import head_rows, hidden_layers
from sparsebounds.bounds.certificates.energies import EnergyWeights
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.moments.margin_forms import MarginForm


@dataclass(frozen=True, eq=False)
class Centred(BoxClass):
    """A class of linear heads around a rehearsal, fixed without looking at the sample; N: the inputs and the constant.

    A `Family`: it weighs the inputs once for every row and sub-sample that counts.

    Args:
        form: of the margin step, R rows.
        centres: D⁰, the rows of the rehearsal, the bias last.
        halves: h ≥ 0.
        sizes: κ > 0, for every row and sub-sample that counts, in the order of `pairs`.
        largest: B, what no |x_i| exceeds; 1 for the constant.
        name: for the terms.
        shaped_by: fingerprints of the samples that the class comes from, none of which may be certified; None without.

    Example:
        >>> from sparsebounds.bounds import read_graph
        >>> from sparsebounds.bounds.moments.margin_forms import tree_form
        >>> from sparsebounds.bounds.moments.tree import Tree
        >>> form, ones = tree_form(Tree.balanced(2), 2), np.ones((1, 3))
        >>> centred = Centred(form, np.array([[1.0, -2.0, 0.0]]), np.array([[0.5, 1.0, 0.1]]), ones, ones[0])
        >>> graph = read_graph(lambda x: x @ np.array([[1.0, -1], [-2, 2]], np.float32), np.ones((1, 2), np.float32))
        >>> centred.radii(graph).round(4).tolist(), centred.most(graph)  # D = (1, −2), the rehearsal itself
        ([0.6667], 2.0)

    Source: theorem 3 of docs/theory.md, "Boxes around a rehearsal".
    """

    form: MarginForm
    centres: Float64[np.ndarray, "R N"]
    halves: Float64[np.ndarray, "R N"]
    sizes: Float64[np.ndarray, "pairs N"]
    largest: Float64[np.ndarray, " N"]
    name: str = "boxes around a rehearsal"
    shaped_by: UInt64[np.ndarray, " n"] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.centres.shape != self.halves.shape or not np.isfinite(self.centres).all():
            raise ValueError(f"centres of shape {self.centres.shape}; needed {self.halves.shape}, finite")

    @property
    def charges(self) -> Float64[np.ndarray, "R N"]:
        """The halves: the rehearsal's own scores are constants of the sample."""
        return self.halves

    def energy_weights(self, graph: Graph, *, frozen: int = 0) -> EnergyWeights:
        """`weights`, which do not depend on the network: it has no layer to freeze.

        Raises:
            NotCovered: a network with hidden layers.
        """
        self._check_linear(graph)
        return self.weights

    def radii(self, graph: Graph) -> Float64[np.ndarray, " R"]:
        """The smallest c at which the class holds the network, the same for all rows: (R,).

        Raises:
            NotCovered: a network with hidden layers.
            ValueError: no c does.
        """
        return np.full(len(self.halves), self._scales(graph)[0])

    def most(self, graph: Graph) -> float:
        """The largest such c."""
        return self._scales(graph)[1]

    def _scales(self, graph: Graph) -> tuple[float, float]:
        self._check_linear(graph)
        rows = head_rows(self.form, graph)
        if rows.shape != self.halves.shape:
            raise ValueError(f"rows of shape {rows.shape}, boxes {self.halves.shape}; the class is of another network")
        return common_scales(rows, self.centres, self.halves)

    def _check_linear(self, graph: Graph) -> None:
        if hidden_layers(graph):
            raise NotCovered("these boxes are for linear heads on fixed inputs; this network has hidden layers")
