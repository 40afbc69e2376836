"""Classes of linear heads whose weights lie between 0 and a number times a side with a sign, all fixed in advance.

A box bounds every weight on its own: by the number of its row, times its side. Letters: docs/theory.md, "Boxes".
Row S of the margin form is D_S = D' + D'' with 0 ≤ σ_{S,i} D'_i ≤ a_S β_{S,i}, and |D''_i| ≤ SLACK·a_S β_{S,i} for
rounding. The supremum goes coordinate by coordinate, so that first moments count: with X_i = Σ_n ξ_n λ_n x_ni

    E sup Σ_n ξ_n λ_n D_S·x_n ≤ (½ + SLACK) a_S Σ_i β_{S,i} E|X_i|
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, UInt64

from sparsebounds.bounds.bound import NotCovered
from sparsebounds.bounds.certificates.boxes.common import BoxClass
from sparsebounds.bounds.certificates.chain import head_rows, hidden_layers
from sparsebounds.bounds.certificates.energies import EnergyWeights
from sparsebounds.bounds.certificates.signs import HALF, SLACK, over_axes
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.moments.margin_forms import MarginForm


@dataclass(frozen=True, eq=False)
class Boxes(BoxClass):
    """A class of linear heads on fixed inputs, fixed without looking at the sample; N: the inputs and the constant 1.

    A `Family`: it weighs the inputs once for every row and sub-sample that counts.

    Example:
        >>> from sparsebounds.bounds import read_graph
        >>> from sparsebounds.bounds.moments.margin_forms import tree_form
        >>> from sparsebounds.bounds.moments.tree import Tree
        >>> form, ones = tree_form(Tree.balanced(2), 2), np.ones((1, 3))
        >>> boxes = Boxes(form, np.array([[1.0, 2.0, 1.0]]), np.array([[1.0, -1.0, 1.0]]), ones, ones[0])
        >>> f = lambda x: x @ np.array([[1.0, -1.0], [-1.0, 1.0]], np.float32)  # D = (1, −1)
        >>> boxes.radii(read_graph(f, np.ones((1, 2), np.float32))).tolist()
        [1.0]

    Source: theorem 3 of docs/theory.md, "Boxes".
    """

    form: MarginForm
    sides: Float64[np.ndarray, "R N"]
    """β ≥ 0."""
    signs: Float64[np.ndarray, "R N"]
    """1 or −1."""
    sizes: Float64[np.ndarray, "pairs N"]
    """κ > 0, for every row and sub-sample that counts, in the order of `pairs`."""
    largest: Float64[np.ndarray, " N"]
    """B, what no |x_i| exceeds; 1 for the constant."""
    name: str = "boxes"
    shaped_by: UInt64[np.ndarray, " n"] | None = None
    """Fingerprints of the samples that the class comes from, none of which may be certified; None without any."""

    share = HALF + SLACK

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.signs.shape != self.sides.shape or not np.isin(self.signs, (-1.0, 1.0)).all():
            raise ValueError(f"signs must be 1 or -1, of the shape {self.sides.shape} of the sides")

    @property
    def charges(self) -> Float64[np.ndarray, "R N"]:
        """The sides."""
        return self.sides

    def energy_weights(self, graph: Graph, *, frozen: int = 0) -> EnergyWeights:
        """`weights`, which do not depend on the network: it has no layer to freeze.

        Raises:
            NotCovered: a network with hidden layers.
        """
        self._check_linear(graph)
        return self.weights

    def radii(self, graph: Graph) -> Float64[np.ndarray, " R"]:
        """a_S of a network: float64 (R,).

        Raises:
            NotCovered: a network with hidden layers.
            ValueError: a weight that is not 0 where its side is.
        """
        self._check_linear(graph)
        rows = head_rows(self.form, graph)
        if rows.shape != self.sides.shape:
            raise ValueError(f"rows of shape {rows.shape}, sides {self.sides.shape}; the class is of another network")
        over = over_axes(rows, self.sides) * self.signs
        return np.asarray(np.maximum(over, -over / SLACK).max(axis=1))

    def _check_linear(self, graph: Graph) -> None:
        if hidden_layers(graph):
            raise NotCovered("boxes are for linear heads on fixed inputs; this network has hidden layers")
