"""The class of a network whose maps are covered by convex hulls, as two theorems have it.

Theorem G: cover the learned maps one after the other, each on the data that the covers before it produce. With Λ_t the
multiplier of the layer where map t ends, all that changes there by ε_t moves the losses by (√2/γ) Λ_t ε_t at most, so
their covering number at Σ_t (√2/γ) Λ_t ε_t is at most the product of those of the maps, each a hull of radius R_t. Two
classes: the one output f_1 − f_0, and 1/γ for √2/γ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.margin.grids import exp_or_inf
from sparsebounds.bounds.margin.payment import Payment
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.theorems.covering.choice import preferred
from sparsebounds.bounds.theorems.covering.dudley import closed_form, dudley_upper, layered_log_covering
from sparsebounds.bounds.theorems.covering.own_numbers import OwnNumbers
from sparsebounds.bounds.theorems.covering.unions import FixedClass, classes
from sparsebounds.bounds.theorems.passes.reach import Reach, reaches
from sparsebounds.bounds.theorems.passes.sizes import Size, log

INTERNAL = 2.0
"""Covers whose elements lie in the class have twice the radius of those that need not (their norms are used below)."""
CAP = 1.0
"""Twice ½: losses lie in [0, 1], so that E sup Σ ξ φ ≤ E Σ max(ξ, 0) = m/2."""

Rademacher = Callable[[np.ndarray, np.ndarray, int], float]
"""(C_i, generators with both signs per layer, m) → an upper bound on R̂_S of the ramp losses."""


def hull_class(
    own: OwnNumbers, sample: Sample, rademacher: Rademacher, terms: Mapping[str, Any], payment: Payment
) -> ClassSize:
    """C_t = INTERNAL · (√2/γ, or 1/γ) · Λ_t R_t/√m, R_t = Σ a_i B_i + ζ √m, of the class that is used.

    Args:
        own: the network's numbers.
        sample: X.
        rademacher: what covering numbers of hulls say.
        terms: further factors for the reader.
        payment: δ and γ, for the choice among the classes.
    """
    kinds = np.array([own.kinds(i) for i in own.layers])
    data, m = data_size(sample), sample.m
    unit = INTERNAL * own.lipschitz / math.sqrt(m)

    def size_of(fixed: FixedClass) -> ClassSize:
        found = reaches(Reach(fixed.fixed, fixed.radii, fixed.shifts), own.layers, data, m)
        shown = {**terms, "||X||_F": exp_or_inf(data.total), "C_i / c": tuple(unit * exp_or_inf(one) for one in found)}
        return covering_complexity(fixed, unit, found, lambda c: rademacher(c, kinds, m), shown)

    return preferred(map(size_of, classes(own)), sample, payment)


def covering_complexity(
    fixed: FixedClass,
    unit: float,
    logs: list[float],
    rademacher: Callable[[np.ndarray], float],
    terms: Mapping[str, Any],
) -> ClassSize:
    """The complexity of a class whose Rademacher complexity depends on C_i = unit · c · exp(logs_i).

    Args:
        fixed: the class.
        unit: what stands before.
        logs: (L,) of Λ_i R_i at c = 1.
        rademacher: (L,) C_i → an upper bound on R̂_S of the ramp losses, non-decreasing.
        terms: further factors for the reader.

    Returns:
        A curve with the 2 of symmetrisation in it.
    """
    shown, prices = {**fixed.terms, **terms}, {"norms on their grids": fixed.nats}
    if fixed.log_scale == -math.inf:
        return ClassSize(-math.inf, 0.0, prices, terms=shown, cap=CAP)
    scaled = [math.log(unit) + one for one in logs]

    def curve(c: float) -> float:
        return 2.0 * rademacher(np.array([exp_or_inf(one + log(c)) for one in scaled]))

    return ClassSize(fixed.log_scale, 0.0, prices, terms=shown, curve=curve, cap=CAP)


def data_size(sample: Sample) -> Size:
    """‖X‖_F = (Σ_i ‖x_i‖²)^½, the largest ‖x_i‖ and the largest coordinate.

    Raises:
        ValueError: norms that overflow float64.
    """
    scale = float(sample.energies.max(initial=0.0))
    norm = math.sqrt(scale) * math.sqrt(float((sample.energies / scale).sum())) if scale > 0 else 0.0
    if not math.isfinite(norm):
        raise ValueError("the inputs' norms overflow float64; needed smaller inputs: scale them")
    largest = norm if sample.largest_norm is None else min(norm, sample.largest_norm)
    peak = largest if sample.largest is None else min(largest, float(sample.largest.max(initial=0.0)))
    return Size(log(norm), log(largest), log(peak))


def closed_form_of(c: Float64[np.ndarray, " L"], kinds: Float64[np.ndarray, " L"], m: int) -> float:
    """`dudley.closed_form` with the most generators that a layer has."""
    return closed_form(c, float(kinds.max()), m)


def numeric_of(c: Float64[np.ndarray, " L"], kinds: Float64[np.ndarray, " L"], m: int) -> float:
    """The entropy integral of `dudley.layered_log_covering`."""
    return dudley_upper(layered_log_covering(c, kinds), m, latest=CAP / 8).value
