"""The common ending of the theorems of the complexity type: checks, margin engine, Bound."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from sparsebounds.bounds.bound import Bound, Declaration, NotCovered, refused
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Linear
from sparsebounds.bounds.margin.checks import check_delta, check_gamma, check_match, preprocessing_note
from sparsebounds.bounds.margin.slopes import slope_prices
from sparsebounds.bounds.margin.step import Complexity, step
from sparsebounds.bounds.sample.sample import Sample

VECTOR = 4.0
"""For E sup Σ_i Σ_r ξ_ir f_r: 2 from symmetrisation, √2 from the margin's Lipschitz constant, √2 from contraction."""


def conclude(
    theorem: Callable[..., Bound],
    forms: Callable[[], Iterable[Complexity]],
    graph: Graph,
    sample: Sample,
    *,
    delta: float,
    gamma: float | str,
    factor: float = VECTOR,
    nats: float = 0.0,
    note: str = "",
) -> Bound:
    """From the forms of a theorem to its row: the smallest value, or the refusal.

    Args:
        theorem: the bound itself; its declaration says what the row may claim.
        forms: gives the complexities that apply to the network; may raise NotCovered.
        graph, sample, delta, gamma: as every bound receives them.
        factor: what stands before the complexity, see `margin.step`.
        nats: log(1/weight) of choices beyond those that the forms pay for themselves; slopes of activations that may
            have been trained are added here.
        note: what a reader must know about every row of this theorem.

    Returns:
        The bound with the theorem's own guarantee; "published" instead of a certificate where the inputs were
        normalised by statistics of the sample. Value NaN for a network outside the theorem.

    Raises:
        ValueError: delta, gamma, or a sample of other inputs or classes.

    Example:
        >>> import numpy as np
        >>> from sparsebounds import bounds
        >>> f = lambda x: x @ np.eye(2, dtype=np.float32)
        >>> sample = bounds.Sample.measure(f, np.eye(2, dtype=np.float32), np.array([0, 1]))
        >>> forms = lambda: [Complexity(0.0, 1.0)]
        >>> b = conclude(bounds.galanti, forms, bounds.read_graph(f, np.eye(2)), sample, delta=0.1, gamma=1.0)
        >>> b.complexity == 4.0 / 2 * b.terms["c_j"]
        True
    """
    check_delta(delta)
    check_gamma(gamma)
    check_match(graph, sample)
    declaration: Declaration = theorem.declaration  # type: ignore[attr-defined]
    try:
        found = list(forms())
    except NotCovered as reason:
        shown = math.nan if isinstance(gamma, str) else float(gamma)
        return refused(str(reason), gamma=shown, delta=delta, declaration=declaration)
    slopes = slope_prices([layer.slope for layer in graph.layers if isinstance(layer, Linear)])
    nats += math.fsum(slopes.values())
    steps = [step(form, sample, factor=factor, delta=delta, gamma=gamma, nats=nats) for form in found]
    best = min(steps, key=lambda s: s.value)
    fixed = sample.preprocessing == "fixed"
    return Bound(
        value=best.value,
        margin_error=best.ramp,
        complexity=best.complexity,
        confidence=best.confidence,
        gamma=best.gamma,
        delta=delta,
        guarantee=declaration.guarantee if fixed or declaration.guarantee != "certificate" else "published",
        terms={**best.terms, **{f"nats: {what}": price for what, price in slopes.items()}},
        source=declaration.source,
        note="; ".join(part for part in (preprocessing_note(sample), note) if part),
    )
