"""Peeling by moments: the library's own bound, from norms and structure alone.

Theorem 1 (`bounds.moments`) bounds the p-th moment of every node in one pass over the graph, with a factor of at most
1.21 per activation instead of 2, no logarithm of predecessors and the sum over paths instead of their number times the
largest pixel; Theorem 2 (`margin_forms`) leads from there to the margin loss; Theorem 3 pays for what the class fixes.
Statements and proofs: docs/theory.md.
"""

from __future__ import annotations

from typing import Any

from sparsebounds.bounds.bound import MASK_FIXED, MASK_UNCOUNTED, PIECEWISE_LINEAR, Bound, Gamma, declare
from sparsebounds.bounds.graph.graph import Graph, Partition, check_partition
from sparsebounds.bounds.margin.conclude import bound_from_step
from sparsebounds.bounds.margin.payment import Payment
from sparsebounds.bounds.margin.step import smallest
from sparsebounds.bounds.moments.energies import energy_forms
from sparsebounds.bounds.moments.margin_forms import tree_form
from sparsebounds.bounds.moments.network import PeeledNetwork
from sparsebounds.bounds.moments.tree import Tree
from sparsebounds.bounds.sample.sample import Sample

SOURCE = "sparsebounds, theorems 1–3 of docs/theory.md"
ASSUMES = (
    "any Lipschitz activation (for one that is not homogeneous the class fixes the largest row of the layer below it)",
    "convolutions, dense and local layers, biases, skips, pooling, concatenation, masks",
    "the last layer is linear",
)


COVERS = (*PIECEWISE_LINEAR, "activation")


@declare(
    summary="peeling by moments: norms and structure, sum over paths, tree form of the margin",
    guarantee="certificate",
    assumes=ASSUMES,
    source=SOURCE,
    covers=COVERS,
)
def peeling(
    graph: Graph,
    sample: Sample,
    *,
    delta: float,
    gamma: Gamma = "best",
    nodes: Partition | None = None,
    tree: Any = None,
    mask_fixed: bool = False,
    pixel_range: tuple[float, float] | None = None,
) -> Bound:
    """The bound by peeling moments, with every cost paid.

    err ≤ mean ramp φ_γ on S + (2/m) c_j Σ_S a_S √(Σ_i (q_i + q^S_i)²) + 2 √((log(1/δ) + nats)/2m), q the pass of
    Theorem 1, S the C − 1 splits of a tree over the classes, a_S · c_j ≥ ‖D_S‖/γ the class's numbers.

    Args:
        tree: nested pairs of classes, fixed without looking at the sample; None: halves of consecutive classes.
        mask_fixed: True if the positions of zero weights were fixed before seeing the sample. Otherwise a block that
            happens to be zero still counts, unless its zero is paid for.
        pixel_range: allows the one-sided form of Theorem 3 beside the plain one.

    Returns:
        A certificate. `terms` lists every price in nats.

    Raises:
        ValueError: the tree, or coordinates of the sample outside `pixel_range`.

    Example:
        >>> round(peeling(graph, sample, delta=0.001).value, 3)
        0.315

    Source: theorems 1–3 of docs/theory.md.
    """
    chosen = Tree.balanced(graph.classes) if tree is None else Tree.given(tree, graph.classes)
    if nodes is not None:
        check_partition(nodes)
        graph = graph.partition(nodes)
    upper = energy_forms(sample, pixel_range, chosen, delta=delta)
    sizes = PeeledNetwork(graph, sample, mask_fixed, COVERS).sizes([tree_form(chosen, graph.classes)], upper=upper)
    step = smallest(list(sizes), sample, Payment.of_theorem_3(delta, gamma))
    terms = {
        "nodes": graph.nodes,
        "tree": str(chosen.nested) if graph.classes <= 20 else "balanced",
        "mask": MASK_FIXED if mask_fixed else MASK_UNCOUNTED,
    }
    return bound_from_step(step, peeling, sample, terms=terms)
