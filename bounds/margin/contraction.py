"""What the step from margins to outputs costs: two classes are one output, more are a vector of scores."""

from __future__ import annotations

from sparsebounds.bounds.bound import Gamma
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.score_difference import score_difference
from sparsebounds.bounds.margin.payment import RAMP, VECTOR, Payment


def contracted(graph: Graph, delta: float, gamma: Gamma) -> tuple[Graph, Payment]:
    """The outputs whose suprema a theorem adds up, E sup Σ_i Σ_r ξ_ir f_r(x_i), and what stands before them.

    Two classes: M = ±d for the one output d = f_1 − f_0, so φ_γ(M) is 1/γ-Lipschitz in one number, and contraction
    gives (2/m)(1/γ) E sup Σ_i ξ_i d(x_i). More classes: √2 from the margin, √2 from the contraction of vectors.

    Args:
        graph: of the network.
        delta, gamma: as the bound received them.

    Returns:
        (graph of the outputs: of `score_difference`, or the network's own; payment with factor 2 or 4).

    Example:
        >>> outputs, payment = contracted(graph, 0.001, 1.0)
        >>> graph.classes, outputs.classes, payment.factor
        (2, 1, 2.0)

    Source: docs/theory.md, "Two classes". A rule that depends on the number of classes alone, free.
    """
    if graph.classes == 2:
        return score_difference(graph), Payment(delta, gamma, RAMP)
    return graph, Payment(delta, gamma, VECTOR)
