"""Classes of networks whose weights, of all layers, lie between 0 and a side with a sign, all fixed in advance.

First moments go through hidden layers as through the last: with P_j = E (sup Σ_n ξ_n λ_n z_j(x_n))₊

    input: P = ½ E|Σ_n ξ_n λ_n x_n|        hidden node: P_j ≤ (1 + 2η) Σ_i β_ji P_i        maximum, average, skip: sums

so that the class sees the data through path sums of the inputs, without a factor for activations. Hidden rows are
scaled to fit their boxes, which leaves the network as it is; the radii a_S of the last layer's rows are paid for.
Letters and proof: docs/theory.md, "Boxes".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, UInt64

from sparsebounds.bounds.bound import NotCovered
from sparsebounds.bounds.certificates.boxes.common import BoxClass
from sparsebounds.bounds.certificates.boxes.sides import SPREAD, Sides, path_sums, row_radii, scales_of
from sparsebounds.bounds.certificates.energies import EnergyWeights
from sparsebounds.bounds.certificates.signs import HALF
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.head import read_head
from sparsebounds.bounds.moments.margin_forms import MarginForm


@dataclass(frozen=True, eq=False)
class HiddenBoxes(BoxClass):
    """Every weight of every layer in a box with a sign, fixed without looking at the sample; a `Family`.

    Args:
        form: of the margin step, R rows.
        sides: β and signs of all weights.
        paths: what `path_sums` makes of them: (R, inputs + 1).
        sizes: κ > 0 of the inputs and the constant, for every row and sub-sample that counts, in the order of `pairs`.
        largest: B, what no |x_i| exceeds; 1 for the constant.
        name: for the terms.
        shaped_by: fingerprints of the samples that the class comes from, none of which may be certified; None without.

    Example:
        >>> import jax.numpy as jnp
        >>> from sparsebounds.bounds import read_graph
        >>> from sparsebounds.bounds.moments.margin_forms import tree_form
        >>> from sparsebounds.bounds.moments.tree import Tree
        >>> w = np.array([[2.0, 0.0], [1.0, -1.0]], np.float32)
        >>> f = lambda x: jnp.maximum(x @ w, 0) @ np.array([[1.0, -1.0], [0.5, -0.5]], np.float32)
        >>> graph, form = read_graph(f, np.ones((1, 2), np.float32)), tree_form(Tree.balanced(2), 2)
        >>> signs = np.array([[[1.0, 1], [1, -1], [1, 1]]])
        >>> sides = Sides(np.array([[1.0, 1, 0]]), np.ones((1, 3)), {1: np.ones((1, 3, 2))}, {1: signs})
        >>> boxes = HiddenBoxes(form, sides, path_sums(graph, sides), np.ones((1, 3)), np.ones(3))
        >>> boxes.radii(graph).tolist()  # hidden rows of 2 and 1, read with the weights 1 and 1/2
        [2.0]

    Source: theorem 3 of docs/theory.md, "Boxes".
    """

    form: MarginForm
    sides: Sides
    paths: Float64[np.ndarray, "R N"]
    sizes: Float64[np.ndarray, "pairs N"]
    largest: Float64[np.ndarray, " N"]
    name: str = "boxes through all layers"
    shaped_by: UInt64[np.ndarray, " n"] | None = None

    share = SPREAD * HALF

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.sides.rows) != len(self.form.rows):
            raise ValueError(f"sides of {len(self.sides.rows)} rows; the margin form has {len(self.form.rows)}")

    @property
    def charges(self) -> Float64[np.ndarray, "R N"]:
        """The path sums."""
        return self.paths

    def energy_weights(self, graph: Graph, *, frozen: int = 0) -> EnergyWeights:
        """Z of every pair: Σ_i (ω_i/κ_i) x_i² with the path sums ω, the constant among the i.

        Raises:
            NotCovered: a structure that boxes do not go through, or a layer to freeze, whose κ the class does not know.
            ValueError: the path sums of the class are those of another structure.
        """
        if frozen:
            raise NotCovered("boxes weigh the inputs of a network, no layer of it")
        found = path_sums(graph, self.sides)
        if found.shape != self.paths.shape or not np.allclose(found, self.paths, rtol=1e-9, atol=0.0):
            raise ValueError("the path sums of the class are those of another network; make them with path_sums")
        return self.weights

    def scales(self, graph: Graph) -> Float64[np.ndarray, " elements"]:
        """What every element is divided by so that its row lies in its box; 1 for inputs: (elements,)."""
        return scales_of(graph, self.sides)

    def radii(self, graph: Graph) -> Float64[np.ndarray, " R"]:
        """a_S of a network whose hidden rows were scaled into their boxes: float64 (R,).

        Raises:
            ValueError: a weight that is not 0 where its side is.
        """
        head = read_head(graph)
        bias = np.zeros(graph.classes) if head.bias is None else head.bias
        read = head.weights * self.scales(graph)[head.elements]
        rows = self.form.rows @ np.concatenate([read, bias[:, None]], axis=1)
        return row_radii(rows, self.sides.rows, self.sides.signs)
