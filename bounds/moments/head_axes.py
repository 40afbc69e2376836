"""Axes of the ellipsoids that hold the rows of the last layer: part of the class, so fixed without the sample.

The axes are called τ: docs/theory.md, "Theorem 1", the rule of ellipsoids.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, UInt64

from sparsebounds.bounds.moments.margin_forms import MarginForm
from sparsebounds.bounds.sample.fingerprinting import as_fingerprints


@dataclass(frozen=True, eq=False)
class HeadAxes:
    """Axes of the ellipsoids that hold the rows of the last layer, fixed without looking at the sample.

    Written down by hand, or read off samples that are left out of the certificate. Long axes where a row may be large:
    Σ_i ‖D_{S,i}‖²/τ_{S,i}² enters the scale, Σ_i τ_{S,i}² q_i² the complexity.

    Example:
        >>> HeadAxes("centre", np.array([0.1, 1.0, 0.1])).of(rows=2, nodes=3).shape
        (2, 3)
    """

    name: str
    tau2: Float64[np.ndarray, "... J"] | None = None
    """τ_{S,i}², of every head node i for every row S of the form, or for all rows alike; None for ones."""
    form: MarginForm | None = None
    """The form whose rows these are; None where every row has the same."""
    guess: float | None = None
    """scale/γ around which the grid lies; None: what the architecture suggests."""
    shaped_by: UInt64[np.ndarray, " n"] | None = None
    """Fingerprints of the samples that the axes come from, none of which may be certified; None without any."""

    def __post_init__(self) -> None:
        if self.tau2 is not None and not (np.isfinite(self.tau2).all() and (np.asarray(self.tau2) > 0).all()):
            raise ValueError(f"the weights {self.name!r} hold τ² that are not finite or not above 0; needed axes")
        if self.guess is not None and not 0.0 < self.guess < math.inf:
            raise ValueError(f"the weights {self.name!r} guess scale/γ = {self.guess}; needed a number above 0")
        if self.shaped_by is not None:
            object.__setattr__(self, "shaped_by", as_fingerprints(self.shaped_by))

    def fits(self, form: MarginForm, nodes: int) -> bool:
        """Whether the axes are those of this form and of so many nodes."""
        if self.form is not None and not np.array_equal(self.form.rows, form.rows):
            return False
        return self.tau2 is None or self.tau2.shape in ((nodes,), (len(form.rows), nodes))

    def of(self, rows: int, nodes: int) -> Float64[np.ndarray, "R J"]:
        """τ² of every row and node."""
        return np.ones((rows, nodes)) if self.tau2 is None else np.broadcast_to(self.tau2, (rows, nodes))


UNIFORM = HeadAxes("uniform")
