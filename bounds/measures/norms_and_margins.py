"""Products, sums and ratios of norms of layers, over the margin or not, and distances from the beginning.

Every measure that speaks of σ_1 comes three times: of the reshaped kernel (the papers), `_FFT` (the kernel on the grid
of the input, strides ignored; dense layers as they are) and `_operator` (the map with its strides and padding; its
Frobenius norm counts a weight as often as it is used, and σ_1 is never below the truth).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sparsebounds.bounds.measures.measure import Measure, Needs, Rescale, declare_measure, defined
from sparsebounds.bounds.measures.subject import Subject, Undefined
from sparsebounds.bounds.measures.weights import Weights

NITARSHAN = "nitarshan/robust-generalization-measures 8e90129, data/generation/measures.py"
JIANG = "Jiang et al. 2020, arXiv 1912.02178"
SINGULAR = "the logarithm of 0: a layer is all zeros, or has not moved from the reference"


@dataclass(frozen=True)
class Norms:
    """Squared norms of the learned maps, in one reading of what a layer is."""

    suffix: str
    spectral: Callable[[Weights], float]
    frobenius: Callable[[Weights], float]

    def spectral_squares(self, weights: Sequence[Weights]) -> np.ndarray:
        """σ_1² of every map."""
        return np.array([_checked(self.spectral, one) ** 2 for one in weights])

    def frobenius_squares(self, weights: Sequence[Weights]) -> np.ndarray:
        """‖w‖_F² of every map."""
        return np.array([self.frobenius(one) ** 2 for one in weights])

    def log_prod(self, subject: Subject) -> float:
        """Σ log σ_1²."""
        return _log_sum(self.spectral_squares(subject.weights))

    def log_prod_fro(self, subject: Subject) -> float:
        """Σ log ‖w‖_F²."""
        return _log_sum(self.frobenius_squares(subject.weights))

    def ratios(self, subject: Subject, over: Sequence[Weights]) -> float:
        """Σ ‖·‖_F²/σ_1² of the trained map."""
        spectral = self.spectral_squares(subject.weights)
        if not spectral.all():
            raise Undefined(SINGULAR)
        return float((self.frobenius_squares(over) / spectral).sum())


def _checked(norm: Callable[[Weights], float], weights: Weights) -> float:
    try:
        return norm(weights)
    except ValueError as error:
        raise Undefined(f"layer {weights.name}: {error}") from error


READINGS = (
    Norms("", lambda w: w.spectral, lambda w: w.frobenius),
    Norms("_FFT", lambda w: w.spectral_fft, lambda w: w.frobenius),
    Norms("_operator", lambda w: w.spectral_operator, lambda w: w.frobenius_operator),
)
SHOWN = {"": "σ_1", "_FFT": "σ_FFT", "_operator": "‖A‖"}
FROBENIUS = {"": "‖w‖_F", "_FFT": "‖w‖_F", "_operator": "‖A‖_F"}


def _log_sum(squares: np.ndarray) -> float:
    if not squares.all():
        raise Undefined(SINGULAR)
    return float(np.log(squares).sum())


def _two_log_gamma(subject: Subject) -> float:
    return 2 * math.log(subject.gamma)


def _mean_log(log_product: float, d: int) -> float:
    """log d + (1/d) · the logarithm of the product."""
    return math.log(d) + log_product / d


def _logarithm(value: float) -> float:
    if value <= 0:
        raise Undefined(SINGULAR)
    return math.log(value)


Value = Callable[[Norms, Subject], float]
SPECTRAL: dict[str, tuple[str, Needs, Rescale, Value]] = {
    "log_prod_of_spec": ("Σ log σ²", "weights", "log", lambda n, s: n.log_prod(s)),
    "log_prod_of_spec_over_margin": (
        "Σ log σ² − 2 log γ", "outputs", "log", lambda n, s: n.log_prod(s) - _two_log_gamma(s),
    ),
    "log_sum_of_spec": (
        "log d + (1/d) Σ log σ²", "weights", "log", lambda n, s: _mean_log(n.log_prod(s), len(s.weights)),
    ),
    "log_sum_of_spec_over_margin": (
        "log d + (1/d)(Σ log σ² − 2 log γ)", "outputs", "log",
        lambda n, s: _mean_log(n.log_prod(s) - _two_log_gamma(s), len(s.weights)),
    ),
    "fro_over_spec": ("Σ φ²/σ²", "weights", "root", lambda n, s: n.ratios(s, s.weights)),
    "log_spec_orig_main": (
        "log Πσ² − 2 log γ + log Σ φ²/σ²", "outputs", "log",
        lambda n, s: n.log_prod(s) - _two_log_gamma(s) + _logarithm(n.ratios(s, s.weights)),
    ),
    "log_spec_init_main": (
        "log Πσ² − 2 log γ + log Σ φ(w−w⁰)²/σ²", "reference", "log",
        lambda n, s: n.log_prod(s) - _two_log_gamma(s) + _logarithm(n.ratios(s, s.moved)),
    ),
    "dist_spec_init": (
        "Σ σ(w−w⁰)²", "reference", "root", lambda n, s: float(n.spectral_squares(s.moved).sum()),
    ),
}  # fmt: skip
"""Name → formula (σ and φ the spectral and Frobenius norm of the reading), what it needs, how it is rescaled."""
ENTRYWISE: dict[str, tuple[str, Needs, Rescale, Value]] = {
    "log_prod_of_fro": ("Σ log φ²", "weights", "log", lambda n, s: n.log_prod_fro(s)),
    "log_prod_of_fro_over_margin": (
        "Σ log φ² − 2 log γ", "outputs", "log", lambda n, s: n.log_prod_fro(s) - _two_log_gamma(s),
    ),
    "log_sum_of_fro": (
        "log d + (1/d) Σ log φ²", "weights", "log", lambda n, s: _mean_log(n.log_prod_fro(s), len(s.weights)),
    ),
    "log_sum_of_fro_over_margin": (
        "log d + (1/d)(Σ log φ² − 2 log γ)", "outputs", "log",
        lambda n, s: _mean_log(n.log_prod_fro(s) - _two_log_gamma(s), len(s.weights)),
    ),
    "fro_dist": ("Σ φ(w−w⁰)²", "reference", "root", lambda n, s: float(n.frobenius_squares(s.moved).sum())),
    "param_norm": ("Σ φ²", "weights", "root", lambda n, s: float(n.frobenius_squares(s.weights).sum())),
}  # fmt: skip


def _declared(name: str, norms: Norms, row: tuple[str, Needs, Rescale, Value]) -> Measure:
    formula, needs, rescale, value = row
    shown = formula.replace("σ", SHOWN[norms.suffix]).replace("φ", FROBENIUS[norms.suffix])
    source = f"{JIANG}; {NITARSHAN}" if norms.suffix != "_operator" else f"{JIANG}, of the operators of the layers"

    def measure(subject: Subject) -> float:
        return defined(value(norms, subject), "the norms overflow float64")

    named = declare_measure(formula=shown, source=source, needs=needs, rescale=rescale, name=f"{name}{norms.suffix}")
    return named(measure)


SPECTRAL_MEASURES = tuple(_declared(name, norms, row) for norms in READINGS for name, row in SPECTRAL.items())
ENTRYWISE_MEASURES = tuple(
    _declared(name, norms, row) for norms in READINGS if norms.suffix != "_FFT" for name, row in ENTRYWISE.items()
)


@declare_measure(formula="‖w‖₂", source=NITARSHAN, needs="weights", rescale="root")
def l2(subject: Subject) -> float:
    """The norm of all weights, not squared."""
    return math.sqrt(READINGS[0].frobenius_squares(subject.weights).sum())


@declare_measure(formula="‖w−w⁰‖₂", source=NITARSHAN, needs="reference", rescale="root")
def l2_dist(subject: Subject) -> float:
    """The distance from the beginning, not squared."""
    return math.sqrt(READINGS[0].frobenius_squares(subject.moved).sum())
