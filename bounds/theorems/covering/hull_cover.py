"""The class of a network whose layers are covered by convex hulls, as two theorems have it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.theorems.chains.lipschitz import (
    INTERNAL,
    LIPSCHITZ,
    LipschitzChain,
    covering_complexity,
    data_norm,
    fix_class,
)
from sparsebounds.bounds.theorems.covering.dudley import closed_form, dudley_upper, layered_log_covering
from sparsebounds.bounds.theorems.covering.hulls import Hull

Rademacher = Callable[[np.ndarray, np.ndarray, int], float]
"""(C_i, generators with both signs per layer, m) → an upper bound on R̂_S of the ramp losses."""


def hull_class(
    chain: LipschitzChain, sample: Sample, hulls: Sequence[Hull], rademacher: Rademacher, terms: Mapping[str, Any]
) -> ClassSize:
    """C_i = INTERNAL · √2/γ · ‖X‖_F/√m · Π_j ρ_j s_j · b_i/s_i with the radii of the hulls for b_i.

    Args:
        chain: the network.
        sample: X.
        hulls: of the learned layers.
        rademacher: what their covering numbers say.
        terms: further factors for the reader.
    """
    kinds, x_norm = np.array([hull.kinds for hull in hulls]), data_norm(sample)
    fixed = fix_class(chain, [hull.radius for hull in hulls])
    unit = INTERNAL * LIPSCHITZ * x_norm / math.sqrt(sample.m)
    shown = {"||X||_F": x_norm, **terms}
    return covering_complexity(fixed, unit, lambda c: rademacher(c, kinds, sample.m), shown)


def closed_form_of(c: Float64[np.ndarray, " L"], kinds: Float64[np.ndarray, " L"], m: int) -> float:
    """`dudley.closed_form` with the most generators that a layer has."""
    return closed_form(c, float(kinds.max()), m)


def numeric_of(c: Float64[np.ndarray, " L"], kinds: Float64[np.ndarray, " L"], m: int) -> float:
    """The entropy integral of `dudley.layered_log_covering`."""
    return dudley_upper(layered_log_covering(c, kinds), m).value
