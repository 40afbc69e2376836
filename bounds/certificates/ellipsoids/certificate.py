"""Theorem 3, one-sided, for a class of ellipsoids: the energies' confidence bounds, the radii, and every price.

    err ≤ mean ramp φ_γ on S + (2/m) c_j Σ_S shares_S Σ_k mult_{S,k} √(m U_{S,k}) + √((log(2/δ) + nats)/2m)

U_{S,k} ≥ E λ_k(y)² Z_S(x), all together w.p. ≥ 1 − δ/2 (empirical Bernstein with the range of Z_S, known in advance).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from sparsebounds.bounds.bound import Bound
from sparsebounds.bounds.certificates.ellipsoids.family import Ellipsoids, energy_weights, hidden_layers, radii
from sparsebounds.bounds.certificates.energies import Energies, bernstein_limits, check_inputs, concluded
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.margin.classes import choice_prices
from sparsebounds.bounds.margin.slopes import slope_prices
from sparsebounds.bounds.sample.sample import Sample


def ellipsoid_certificate(
    graph: Graph,
    sample: Sample,
    ellipsoids: Ellipsoids,
    energies: Energies,
    *,
    delta: float,
    gamma: float | str = "best",
    choices: Mapping[str, int] | None = None,
    tied_only: bool = False,
    left_out: np.ndarray | None = None,
) -> Bound:
    """The certificate of a network in a class of ellipsoids.

    Args:
        graph: the network, read behind its front end.
        sample: its margins, of the same inputs.
        ellipsoids: the class, fixed without looking at the sample.
        energies: of the same sample, from `measure_energies`.
        delta: failure probability.
        gamma: the margin, or "best".
        choices: of configurations made with the sample at hand (front ends, classes …), by name: how many there were.
            They enlarge the energies' union as well.
        tied_only: the rows share one radius, decided in advance; otherwise the best of that and the grids, paid for.
        left_out: fingerprints of samples that had a part in anything beside the class, which knows its own.

    Returns:
        A certificate, all prices in `terms`.

    Raises:
        ValueError: δ, γ, choices, weights outside the class, energies of another class or sample, left-out samples
            among the certified ones.

    Example:
        >>> from sparsebounds.bounds import read_graph
        >>> from sparsebounds.bounds.certificates.ellipsoids.family import energy_weights
        >>> from sparsebounds.bounds.moments.tree import Tree
        >>> from sparsebounds.bounds.certificates.energies import measure_energies
        >>> from sparsebounds.bounds.moments.margin_forms import tree_form
        >>> f = lambda x: x @ np.eye(2, dtype=np.float32)
        >>> x, y = np.eye(2, dtype=np.float32)[[0, 1] * 5000], np.array([0, 1] * 5000)
        >>> graph, form = read_graph(f, x[:2]), tree_form(Tree.balanced(2), 2)
        >>> ball = Ellipsoids(form, np.array([[1.0, 1.0, 0.0]]))
        >>> weights = energy_weights(graph, ball)
        >>> energies = measure_energies(weights, form, x, y, weights.limits(np.ones(2)))
        >>> b = ellipsoid_certificate(graph, Sample.measure(f, x, y), ball, energies, delta=0.001, tied_only=True)
        >>> b.value < 0.1, b.guarantee
        (True, 'certificate')

    Source: theorems 1–3 of docs/theory.md.
    """
    needed = energy_weights(graph, ellipsoids)
    check_inputs(graph, sample, energies, needed, delta=delta, gamma=gamma, left_out=(left_out, ellipsoids.shaped_by))
    paid, options = choice_prices(choices)
    paid |= slope_prices([graph.layers[i].slope for i in hidden_layers(graph)])
    form = ellipsoids.form
    counted = form.multipliers != 0
    log_inverse = math.log(int(counted.sum()) * options * 2.0 / delta)
    upper, ratios = bernstein_limits(form, energies, log_inverse)
    reach = (form.multipliers * np.sqrt(sample.m * upper)).sum(axis=1)
    return concluded(
        sample, radii(graph, ellipsoids), reach, paid, (float(ratios[counted].max(initial=1.0)), log_inverse),
        name=ellipsoids.name, tied_only=tied_only, delta=delta, gamma=gamma,
    )  # fmt: skip
