"""The bound to measure all others by: samples that had no part in training, and the binomial distribution."""

from __future__ import annotations

import math

import numpy as np

from sparsebounds.bounds.bound import Bound, declare, refused
from sparsebounds.bounds.confidence.binomial import binomial_upper
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.margin.checks import check_delta, check_match
from sparsebounds.bounds.sample.margins import Measured
from sparsebounds.bounds.sample.sample import Sample


@declare(
    summary="for orientation: from held-out samples instead of theory, exact binomial inversion",
    guarantee="certificate",
    assumes=("samples that had no part in training or in any choice about the network",),
    source="Langford, Tutorial on practical prediction theory for classification, JMLR 2005, theorem 3.3",
)
def held_out(
    graph: Graph, sample: Sample, *, delta: float, test: Measured | None = None, reference: object = None
) -> Bound:
    """What the error on held-out samples says about the true error.

    err ≤ max { e : P(Bin(n, e) ≤ errors on the held-out samples) ≥ δ }, w.p. ≥ 1 − δ over these n samples.
    It says nothing about why the network generalises, and costs data that could have trained it.

    Args:
        graph: the network; every architecture.
        sample: the data that trained it, for comparison alone: the bound does not use it.
        delta: failure probability.
        test: a `Sample` (or `Margins`) of this network on data that had no part in training, in stopping, or in
            choosing anything. Normalised by constants that do not come from these data themselves.
        reference: not used by this bound.

    Returns:
        A certificate: never below the true error, except with probability δ over the draw of the held-out samples.
        `margin_error` is the error on them, `complexity` 0. Value NaN without them.

    Raises:
        ValueError: delta out of range; `test` is the training sample itself, is empty or not finite.

    Example:
        >>> import numpy as np
        >>> from sparsebounds import bounds
        >>> f = lambda x: x @ np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
        >>> x, y = np.eye(2, dtype=np.float32)[[0, 1] * 50], np.array([0, 1] * 50)
        >>> sample, graph = bounds.Sample.measure(f, x, y), bounds.read_graph(f, x[:2])
        >>> from sparsebounds.bounds.sample import Margins
        >>> test = Margins(np.array([-1.0] * 5 + [1.0] * 95))
        >>> round(held_out(graph, sample, delta=0.05, test=test).value, 6)
        0.102253

    Source: as above.
    """
    check_delta(delta)
    check_match(graph, sample)
    declaration = held_out.declaration  # type: ignore[attr-defined]
    if test is None:
        reason = "no held-out samples were given (x_test and y_test of the table, test= of this bound)"
        return refused(reason, gamma=0.0, delta=delta, declaration=declaration)
    errors, n = _errors(sample, test)
    value = max(binomial_upper(errors, n, math.log(delta)), errors / n)
    own = getattr(test, "preprocessing", "fixed") != "fixed"
    return Bound(
        value=value,
        margin_error=errors / n,
        complexity=0.0,
        confidence=value - errors / n,
        gamma=0.0,
        delta=delta,
        guarantee="published" if own else "certificate",
        terms={"errors": errors, "held-out samples": n, "delta": delta},
        source=declaration.source,
        note="no certificate: the held-out inputs were normalised by their own statistics"
        if own
        else f"for orientation: about {n} held-out samples, not about the training sample",
    )


def _errors(sample: Sample, test: Measured) -> tuple[int, int]:
    """Errors among the held-out samples, and how many there are."""
    margins = np.asarray(test.margins)
    if test is sample:
        raise ValueError("test is the training sample itself; needed samples that had no part in training")
    if margins.ndim != 1 or margins.size == 0 or not np.isfinite(margins).all():
        raise ValueError(
            f"held-out margins of shape {margins.shape}; needed one finite number per sample, at least one"
        )
    return int((margins <= 0).sum()), margins.size
