"""The scales of activations that are not homogeneous, step by step: what they cost, and what rounding them changes.

    E exp(μ sup_{k,t} |Σ ξ_n σ(k t_n)/k|) ≤ g E exp(μ λ sup_t |Σ ξ_n t_n|), g for K scales k              (all signs)
    |y_D − y'_D| ≤ D ((b − a)/λ) (η/2) max(1, |x|), y_l = σ(k_l y_{l−1})/k_l λ, y' with k_l e^{±η/2}    (chains)

Letters: docs/theory.md, "Path norms". Both sides are of one class each, so that nothing has to be searched but points.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.audit.run import Row
from sparsebounds.bounds.audit.search.ascent import all_signs
from sparsebounds.bounds.graph.nonlinearities import SIGMOID, TANH, Nonlinearity, elu, soft_shrink
from sparsebounds.bounds.theorems.chains.activations import log_growth, roughness

BOUND = "path_norm_layered"
"""Whose rows these are."""
LINE = np.array([0.0, 1.0, 0.0, 0.0, 1.9716, -1.0])
"""Six inputs on a line, on which two scales together attain more than what is linear."""
MULTIPLES = (1.0, 0.5, 0.25)
STEP = 0.5
"""η."""
NO_FACTOR, FURTHER = "no factor", "a further λ per activation"


def audit_scales() -> list[Row]:
    """Rows of both statements."""
    return [*_moments(), *_chains()]


def _moments() -> Iterator[Row]:
    """Two scales at which a function is linear here and nearly a ReLU or a step there."""
    for function, scales, mu in ((TANH, (0.01, 1.0), 0.3), (elu(), (0.01, 32.0), 1.0)):
        points = np.outer([*MULTIPLES, *(-t for t in MULTIPLES)], LINE)
        values = np.concatenate([function.apply(k * points) / k for k in scales])
        factor = math.exp(log_growth(function, len(scales)))
        claim = factor * _moment(mu * function.lipschitz * points)
        case = f"{function.name}, {len(scales)} scales"
        twins = ((NO_FACTOR, factor),)
        yield Row(BOUND, "one moment for all scales", case, _moment(mu * values), claim, 0.0, False, twins)


def _moment(values: Float64[np.ndarray, "T m"]) -> float:
    """E exp(sup |Σ ξ t|)."""
    return float(np.exp(np.abs(all_signs(values.shape[1])[:, :, 0] @ values.T).max(axis=1)).mean())


def _chains() -> Iterator[Row]:
    """The largest change that scales on a grid find; λ of sigmoid is ¼, and its value at 0 is taken off."""
    for function, depth in ((soft_shrink(0.5), 1), (SIGMOID, 1), (SIGMOID, 2), (SIGMOID, 3)):
        lower = max(_change(function, depth, log_k, x) for log_k in np.linspace(-3, 6, 400) for x in (1.0, 4.0))
        twin = function.lipschitz**-depth
        claim = depth * roughness(function) * STEP / 2
        broken = ((FURTHER, twin),) if twin > 1 else ()
        yield Row(BOUND, "rounding of scales", f"{function.name}, depth {depth}", lower, claim, 0.0, False, broken)


def _change(function: Nonlinearity, depth: int, log_k: float, x: float) -> float:
    """|y_D − y'_D| / max(1, |x|) of one scale for all layers, rounded in either direction."""
    ends = []
    for shift in (0.0, -STEP / 2, STEP / 2):
        k = math.exp(log_k + shift)
        y = np.array(x)
        for _ in range(depth):
            y = (function.apply(k * y) - function.at_zero) / (k * function.lipschitz)
        ends.append(float(y))
    return max(abs(end - ends[0]) for end in ends) / max(1.0, abs(x))
