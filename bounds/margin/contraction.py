"""What the step from margins to outputs costs: two classes are one output, more are a vector of scores."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from sparsebounds.bounds.bound import Gamma
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.score_difference import score_difference
from sparsebounds.bounds.margin.payment import RAMP, VECTOR, Payment

LIPSCHITZ = math.sqrt(2.0)
"""Of the margin in the ℓ2 norm of the scores; the papers use 2."""


def contracted(graph: Graph, delta: float, gamma: Gamma, *, mask_fixed: bool = False) -> tuple[Graph, Payment]:
    """The outputs whose suprema a theorem adds up, E sup Σ_i Σ_r ξ_ir f_r(x_i), and what stands before them.

    Two classes: M = ±d for the one output d = f_1 − f_0, so φ_γ(M) is 1/γ-Lipschitz in one number, and contraction
    gives (2/m)(1/γ) E sup Σ_i ξ_i d(x_i). More classes: √2 from the margin, √2 from the contraction of vectors.

    Args:
        graph: of the network.
        delta, gamma: as the bound received them.
        mask_fixed: see `score_difference`.

    Returns:
        (graph of the outputs: of `score_difference`, or the network's own; payment with factor 2 or 4).

    Example:
        >>> outputs, payment = contracted(graph, 0.001, 1.0)
        >>> graph.classes, outputs.classes, payment.factor
        (2, 1, 2.0)

    Source: docs/theory.md, "Two classes". A rule that depends on the number of classes alone, free.
    """
    if graph.classes == 2:
        return score_difference(graph, mask_fixed), Payment(delta, gamma, RAMP)
    return graph, Payment(delta, gamma, VECTOR)


def outputs_in_l2(graph: Graph, *, mask_fixed: bool = False) -> tuple[Callable[[Graph], Graph], float]:
    """The outputs that margins are a function of, and its Lipschitz constant in their ℓ2 norm.

    Two classes whose scores are rows of dense maps: M = ±d for the one row d, constant 1. Otherwise the scores, √2: two
    scores that are no such rows are read by the fixed row (−1, 1), whose ℓ2 norm that is.

    Args:
        graph: of the network.
        mask_fixed: see `score_difference`.

    Returns:
        (graph, or one of its structure such as a reference → graph of the outputs; 1 or √2).

    Example:
        >>> outputs, constant = outputs_in_l2(graph)
        >>> graph.classes, outputs(graph).classes, constant
        (2, 1, 1.0)

    Source: docs/covers.md, "Two classes".
    """
    last = graph.layers[-1]
    rows = bool(last.dots) and len(last.dots) == len(last.terms) and all(dot.dense for dot in last.dots)
    if graph.classes == 2 and rows and last.affine:
        return partial(score_difference, mask_fixed=mask_fixed), 1.0
    return lambda same: same, LIPSCHITZ
