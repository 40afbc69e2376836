"""Functions c/√(t + ε) and c·√(t + ε), which normalisations multiply or divide by."""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.bounds.reader.recognise import rounded
from sparsebounds.bounds.reader.values import Pointwise

ULPS = 16
"""How far values may be apart, in units of the last place."""


@dataclass(frozen=True)
class Root:
    """factor · (t + ε)^power for t ≥ 0, power −½ or ½, ε ≥ 0."""

    factor: float
    epsilon: float
    power: float


def root_of(value: Pointwise) -> Root | None:
    """The root that a composed function is of the view that it starts from, for t ≥ 0; None where it is none.

    The square of such a function, or its inverse, is linear: two values give ε and the factor, 200 others must agree.
    """
    if value.truth or not value.of_reals:
        return None
    kind = jnp.dtype(value.number)
    t = np.asarray(jnp.asarray(np.concatenate([[0.0, 1e6], np.logspace(-12, 8, 200)]), kind), dtype=np.float64)
    with jax.numpy_dtype_promotion("standard"), np.errstate(all="ignore"):
        found = np.asarray(value.function(jnp.asarray(t, kind)), dtype=np.float64)
        for power in (-0.5, 0.5):
            line = np.power(found, 1 / power)  # slope · t + offset
            slope, offset = (line[1] - line[0]) / t[1], line[0]
            if not (math.isfinite(slope) and slope > 0.0 and offset >= 0.0):
                continue
            epsilon = rounded(float(offset / slope))
            expected = slope**power * np.power(t + epsilon, power)
            good = np.abs(found - expected) <= ULPS * float(jnp.finfo(kind).eps) * np.abs(expected)
            if good[1:].all() and (good[0] or epsilon == 0.0):
                return Root(float(slope**power), epsilon, power)
    return None
