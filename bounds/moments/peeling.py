"""Peeling by moments: the library's own bound, from norms and structure alone.

Theorem 1 (`bounds.moments`) bounds the p-th moment of every node in one pass over the graph, with a factor of at most
1.21 per activation instead of 2, no logarithm of predecessors and the sum over paths instead of their number times the
largest pixel; Theorem 2 (`margin_forms`) leads from there to the margin loss; Theorem 3 pays for what the class fixes.
Statements and proofs: docs/theory.md.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from sparsebounds.bounds.bound import MASK_FIXED, MASK_UNCOUNTED, Bound, NotCovered, declare, refused
from sparsebounds.bounds.graph.graph import Graph, Partition, check_partition
from sparsebounds.bounds.margin.checks import check_delta, check_gamma, check_match, preprocessing_note
from sparsebounds.bounds.margin.classes import certify
from sparsebounds.bounds.moments.margin_forms import tree_form
from sparsebounds.bounds.moments.network import Peeled, forms_of_theorem_3
from sparsebounds.bounds.moments.tree import Tree
from sparsebounds.bounds.sample.sample import Sample

SOURCE = "sparsebounds, theorems 1–3 of docs/theory.md"
ASSUMES = (
    "ReLU, leaky ReLU or no activation; a slope that is not customary is paid for, as if it had been trained",
    "convolutions, dense and local layers, biases, skips, pooling, concatenation, masks",
    "the last layer is linear",
)


@declare(
    summary="peeling by moments: norms and structure, sum over paths, tree form of the margin",
    guarantee="certificate",
    assumes=ASSUMES,
    source=SOURCE,
)
def peeling(
    graph: Graph,
    sample: Sample,
    *,
    delta: float,
    gamma: float | Literal["best"] = "best",
    nodes: Partition | None = None,
    tree: Any = None,
    mask_fixed: bool = False,
    pixel_range: tuple[float, float] | None = None,
    reference: object = None,
) -> Bound:
    """The bound by peeling moments, with every cost paid.

    err ≤ mean ramp φ_γ on S + (2/m) c_j Σ_S a_S √(Σ_i (q_i + q^S_i)²) + 2 √((log(1/δ) + nats)/2m), q the pass of
    Theorem 1, S the C − 1 splits of a tree over the classes, a_S · c_j ≥ ‖D_S‖/γ the class's numbers.

    Args:
        graph: the network.
        sample: the data that trained it.
        delta: failure probability.
        gamma: the margin, or "best" (any γ may be chosen after looking).
        nodes: partition of the layers into nodes; None: the graph's own.
        tree: nested pairs of classes, fixed without looking at the sample; None: halves of consecutive classes.
        mask_fixed: True if the positions of zero weights were fixed before seeing the sample. Otherwise a block that
            happens to be zero still counts, unless its zero is paid for.
        pixel_range: (lo, hi) in which every coordinate lies as the network receives it, known in advance; allows the
            one-sided form of Theorem 3 beside the plain one.
        reference: not used by this bound.

    Returns:
        A certificate: never below the true error, except with probability δ over the draw of the sample. Value NaN
        for a network outside the assumptions. `terms` lists every price in nats.

    Raises:
        ValueError: delta, gamma, the tree, or coordinates of the sample outside `pixel_range`.

    Example:
        >>> import jax, numpy as np
        >>> from sparsebounds import bounds
        >>> f = lambda x: jax.nn.relu(x) @ np.eye(2, dtype=np.float32)
        >>> x, y = np.eye(2, dtype=np.float32)[[0, 1] * 5000], np.array([0, 1] * 5000)
        >>> b = bounds.peeling(bounds.read_graph(f, x[:2]), bounds.Sample.measure(f, x, y), delta=0.001)
        >>> round(b.value, 3), b.guarantee
        (0.082, 'certificate')

    Source: theorems 1–3 of docs/theory.md.
    """
    check_delta(delta)
    check_gamma(gamma)
    check_match(graph, sample)
    chosen = Tree.balanced(graph.classes) if tree is None else Tree.given(tree, graph.classes)
    if nodes is not None:
        check_partition(nodes)
        graph = graph.partition(nodes)
    declaration = peeling.declaration  # type: ignore[attr-defined]
    try:
        upper = forms_of_theorem_3(sample, pixel_range, chosen, delta=delta)
        sizes = list(Peeled(graph, sample, mask_fixed).sizes([tree_form(chosen, graph.classes)], upper=upper))
    except NotCovered as reason:
        shown = math.nan if isinstance(gamma, str) else float(gamma)
        return refused(str(reason), gamma=shown, delta=delta, declaration=declaration)
    best = certify(sizes, sample, delta=delta, gamma=gamma)
    return Bound(
        value=best.value,
        margin_error=best.ramp,
        complexity=best.complexity,
        confidence=best.confidence,
        gamma=best.gamma,
        delta=delta,
        guarantee="certificate" if sample.preprocessing == "fixed" else "published",
        terms={
            "nodes": graph.nodes,
            "tree": str(chosen.nested) if graph.classes <= 20 else "balanced",
            "mask": MASK_FIXED if mask_fixed else MASK_UNCOUNTED,
            **best.terms,
        },
        source=declaration.source,
        note=preprocessing_note(sample),
    )
