"""WeightWatcher's measures: the eigenvalues λ of WᵀW of every layer, logarithms to base 10, means over layers.

A convolution is k² slices (out × in), each times √½, whose eigenvalues are pooled; layers with fewer than `FEWEST`
eigenvalues are left out. (Its documentation has √(k²/2); its code, run in its default mode, counts k² as 1.)
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.measures.measure import Measure, declare_measure, defined
from sparsebounds.bounds.measures.subject import Subject, Undefined, once
from sparsebounds.bounds.measures.weights import Weights

SOURCE = "WeightWatcher d6fd015 (Martin, Mahoney, JMLR 2021)"
FEWEST = 10
SMALLEST = 1e-5
"""Eigenvalues below take no part in the fit."""
EVERY_ALPHA = {"alpha": [1.0, math.inf]}
"""The package's own range ends at 3, and fits with a larger exponent would be passed over."""
MISSING = "α is fitted by the package powerlaw, which is not installed: pip install 'sparsebounds[spectra]'"


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The eigenvalues of one layer, ascending."""

    eigenvalues: Float64[np.ndarray, " n"]
    edge: float
    """Of the bulk that matrices of the same size with independent entries of the same variance have."""
    longest: int
    """The longer side of its matrices."""

    @property
    def largest(self) -> float:
        return float(self.eigenvalues[-1])

    @property
    def total(self) -> float:
        return float(self.eigenvalues.sum())

    @cached_property
    def alpha(self) -> float:
        """The exponent of the power law fitted to the tail."""
        return power_law_exponent(self.eigenvalues)

    @property
    def matrix_rank(self) -> float:
        """Singular values above max · N · eps."""
        values = np.sqrt(self.eigenvalues)
        return float(np.sum(values > values[-1] * self.longest * np.finfo(np.float64).eps))

    @property
    def matrix_entropy(self) -> float:
        """−Σ p log p / log rank, p = λ/Σλ."""
        shares = self.eigenvalues[self.eigenvalues > 0] / self.total
        return -float((shares * np.log(shares)).sum()) / math.log(self.matrix_rank) if self.matrix_rank > 1 else 0.0

    @property
    def softrank(self) -> float:
        """The largest eigenvalue within the bulk over the largest of all."""
        inside = self.eigenvalues[self.eigenvalues <= self.edge]
        return float(inside.max(initial=0.0)) / self.largest


def power_law_exponent(eigenvalues: Float64[np.ndarray, " n"]) -> float:
    """α of a power law p(λ) ∝ λ^−α for λ ≥ x_min, x_min where the Kolmogorov–Smirnov distance is smallest.

    α = 1 + n/Σ log(λ_i/x_min) over the n values from x_min on, by the package powerlaw.

    Raises:
        Undefined: fewer than two eigenvalues above `SMALLEST`, or the package is not installed.
    """
    try:
        import powerlaw
    except ImportError as error:
        raise Undefined(MISSING) from error
    kept = eigenvalues[eigenvalues > SMALLEST]
    if len(kept) < 2:
        raise Undefined(f"fewer than two eigenvalues above {SMALLEST:g}: no tail to fit")
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        return float(powerlaw.Fit(kept, verbose=0, parameter_ranges=EVERY_ALPHA).power_law.alpha)


def spectrum(weights: Weights) -> Spectrum:
    """The pooled eigenvalues of one learned map."""
    matrices = weights.slices
    eigenvalues = np.sort(np.concatenate([np.linalg.svd(one, compute_uv=False) ** 2 for one in matrices]))
    sides = matrices[0].shape
    deviation = float(np.std(np.concatenate([one.ravel() for one in matrices])))
    edge = (deviation * (math.sqrt(sides[0]) + math.sqrt(sides[1]))) ** 2
    return Spectrum(eigenvalues, edge, max(sides))


@once
def spectra(subject: Subject) -> list[Spectrum]:
    """Those of all layers that have `FEWEST` eigenvalues and are not all zeros."""
    found = [one for one in map(spectrum, subject.weights) if len(one.eigenvalues) >= FEWEST and one.largest > 0]
    if not found:
        raise Undefined(f"no layer has {FEWEST} eigenvalues, and smaller ones are left out")
    return found


def _mean(name: str, formula: str, of: Callable[[Spectrum], float]) -> Measure:
    def measure(subject: Subject) -> float:
        return defined(float(np.mean([of(one) for one in spectra(subject)])), "the logarithm of 0")

    declared = declare_measure(formula=f"mean over layers of {formula}", source=SOURCE, needs="weights", name=name)
    return declared(measure)


MEASURES = (
    _mean("norm", "Σλ", lambda s: s.total),
    _mean("log_norm", "log₁₀ Σλ", lambda s: math.log10(s.total)),
    _mean("spectral_norm", "λ_max", lambda s: s.largest),
    _mean("log_spectral_norm", "log₁₀ λ_max", lambda s: math.log10(s.largest)),
    _mean("stable_rank", "Σλ/λ_max", lambda s: s.total / s.largest),
    _mean("alpha", "α of the power law fitted to the tail of λ", lambda s: s.alpha),
    _mean("alpha_weighted", "α log₁₀ λ_max", lambda s: s.alpha * math.log10(s.largest)),
    _mean("log_alpha_norm", "log₁₀ Σλ^α", lambda s: math.log10(float((s.eigenvalues**s.alpha).sum()))),
    _mean("mp_softrank", "λ_MP/λ_max, λ_MP the largest λ below the bulk's edge", lambda s: s.softrank),
    _mean("matrix_rank", "the number of √λ above max·N·eps", lambda s: s.matrix_rank),
    _mean("matrix_entropy", "−Σp log p/log rank, p = λ/Σλ", lambda s: s.matrix_entropy),
)
