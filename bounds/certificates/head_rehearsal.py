"""Weights of the last layer from a rehearsal: the same network trained on samples that are left out of the certificate.

The left-out samples are independent of the certified ones, so whatever is read off them costs no union. What is read
off here: for every row D_S of the margin form an ellipsoid whose axes follow the rehearsal's own row, and a size such
that the rehearsal itself has a_S/γ = 1.
"""

from __future__ import annotations

import math

import numpy as np

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.margin.checks import check_match
from sparsebounds.bounds.moments.head_axes import HeadWeights
from sparsebounds.bounds.moments.margin_forms import MarginForm
from sparsebounds.bounds.moments.network import Peeled
from sparsebounds.bounds.sample.sample import Sample

ROW_FLOOR = 0.1
"""Share of the mean block norm that every block gets: τ stays positive where the rehearsal has no weight."""
MOMENT_FLOOR = 0.1
"""Share of the mean q below which a node's q is not counted: rare features must not get long axes."""


def rehearsal_weights(
    graph: Graph, sample: Sample, form: MarginForm, *, m: int, gamma: float | None = None, mask_fixed: bool = False
) -> HeadWeights:
    """τ_{S,i}² = (‖D_{S,i}‖ + 0.1 mean) / (q_i + q^S_i + 0.1 mean), scaled so that the rehearsal's a_S/γ is 1.

    Args:
        graph: the rehearsal network, of the architecture that is to be certified.
        sample: the left-out samples; `certificate` refuses to certify one of them.
        form: the form of the margin step, along a tree fixed without the certified samples.
        m: how many samples will be certified.
        gamma: the rehearsal's margin; None: the one that minimises ramp + complexity at m samples.
        mask_fixed: as in `peeling`.

    Returns:
        HeadWeights, for this form alone.

    Raises:
        ValueError: a sample of other inputs, or a last layer without weights.
        NotCovered: a network outside the theorem.

    Example:
        >>> from sparsebounds.bounds import read_graph
        >>> from sparsebounds.bounds.moments.tree import Tree
        >>> from sparsebounds.bounds.moments.margin_forms import tree_form
        >>> f = lambda x: x @ np.array([[1.0, -1.0], [0.5, -0.5]], np.float32)
        >>> x, y = np.array([[1.0, 0.2], [-1.0, -0.2]], np.float32)[[0, 1] * 50], np.array([0, 1] * 50)
        >>> form = tree_form(Tree.balanced(2), 2)
        >>> w = rehearsal_weights(read_graph(f, x[:2]), Sample.measure(f, x, y), form, m=1000, gamma=1.0)
        >>> bool(abs((np.array([[1.0, 0.25]]) / w.tau2).sum() - 1.0) < 1e-9)  # a_S = 1
        True

    Source: theorem 3 of the theory page, "what the class fixes".
    """
    check_match(graph, sample)
    peeled = Peeled(graph, sample, mask_fixed)
    squares, q = peeled.parts(form)
    norms = np.sqrt(squares)
    if not norms.any():
        raise ValueError("the rehearsal's last layer is zero; train it before taking weights from it")
    moments = np.stack([q @ row for row in form.multipliers])  # (rows, nodes): q_i + q^S_i
    tau2 = (norms + ROW_FLOOR * norms.mean(axis=1, keepdims=True)) / (
        moments + MOMENT_FLOOR * moments.mean(axis=1, keepdims=True)
    )
    tau2 = np.where(np.isfinite(tau2) & (tau2 > 0), tau2, 1.0)
    sizes = np.sqrt((squares / tau2).sum(axis=1))
    reach = math.sqrt(m / sample.m) * float(sizes @ (form.multipliers * np.sqrt(tau2 @ np.square(q))).sum(axis=1))
    chosen = _best_gamma(sample, reach, m) if gamma is None else gamma
    scale = np.where(sizes > 0, sizes, sizes.max()) / chosen
    full = np.ones((len(form.rows), len(peeled.head.nodes)))
    full[:, peeled.read] = tau2 * np.square(scale)[:, None]
    return HeadWeights("rehearsal", full, form, guess=1.0, shaped_by=sample.fingerprints)


def _best_gamma(sample: Sample, reach: float, m: int) -> float:
    """argmin of mean ramp + (2/m) T/γ."""
    gammas = np.geomspace(2 * reach / m, 200 * reach / m, 60) if reach > 0 else np.ones(1)
    return float(min(gammas, key=lambda g: sample.ramp(g) + 2 * reach / (m * g)))
