"""What a bound spends: δ, the margin, and what stands before the complexity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from sparsebounds.bounds.bound import Gamma

VECTOR = 4.0
"""For E sup Σ_i Σ_r ξ_ir f_r: 2 from symmetrisation, √2 from the margin's Lipschitz constant, √2 from contraction."""
RAMP = 2.0
"""For E sup Σ_i ξ_i φ_γ(M_i): symmetrisation is all that is left."""
CAP = 1.0
"""Twice a Rademacher average of losses in [0, 1]: (1/m) E Σ_i (ξ_i)₊ = ½."""
ALTERNATIVES = 3.0
"""¾ δ for the main form leaves ¼ δ, one third of it, for all alternatives together."""


@dataclass(frozen=True)
class Payment:
    """δ, γ, the factor before the complexity, and the price of choices that all classes share.

    The grid points of scale/γ have weights that sum to ¾. The last quarter serves `alternatives`: a form with prior
    weight w uses a third of the weight of its grid point, times w, and all w may sum to 1. Where every choice is paid
    for by its logarithm instead, the quarter is the weight of 0, a grid point for networks whose margin is constant.
    """

    delta: float
    gamma: Gamma
    factor: float = VECTOR
    prices: Mapping[str, float] = field(default_factory=dict)
    """log(1/weight), by name."""
    alternatives: bool = True

    @classmethod
    def of_theorem_3(cls, delta: float, gamma: Gamma) -> Self:
        """For the library's own classes: ramp losses, every choice paid for by its logarithm."""
        return cls(delta, gamma, RAMP, alternatives=False)

    @property
    def cap(self) -> float:
        """What the complexity never exceeds: 1 where a Rademacher average of ramp losses stands behind it."""
        return CAP if self.factor >= RAMP else math.inf

    @property
    def fixed_gamma(self) -> float | None:
        """γ, where it is given by hand."""
        return None if isinstance(self.gamma, str) else float(self.gamma)


def alternative(log_choices: float = 0.0) -> dict[str, float]:
    """The prices of a form that is not the main one, with weight 1/choices among its like.

    Example:
        >>> [round(price, 4) for price in alternative(math.log(2)).values()]
        [1.0986, 0.6931]
    """
    return {"alternative form": math.log(ALTERNATIVES), "its choices": log_choices}
