"""PAC-Bayes and sharpness measures: what the size of a move that the training error survives says."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.measures.measure import Measure, declare_measure, defined
from sparsebounds.bounds.measures.norms_and_margins import JIANG, NITARSHAN
from sparsebounds.bounds.measures.search import EPSILON, alpha, alpha_aware, sigma, sigma_aware
from sparsebounds.bounds.measures.subject import Subject
from sparsebounds.bounds.measures.weights import Weights

DELTA = 0.1
"""In the logarithms of the sharpness measures; the source that was read leaves it open."""
THIRD_PARTY = f"{JIANG}; two third-party implementations, δ = {DELTA:g} here"


def _vector(maps: tuple[Weights, ...]) -> Float64[np.ndarray, " omega"]:
    """All weights without biases."""
    return np.concatenate([one.matrix.ravel() for one in maps])


def _square(maps: tuple[Weights, ...]) -> float:
    return math.fsum(one.frobenius**2 for one in maps)


def _omega(subject: Subject) -> int:
    return sum(one.size for one in subject.weights)


def _pac_bayes(subject: Subject, square: float) -> float:
    """‖·‖²/4σ² + log(m/σ) + 10."""
    found: float = sigma(subject)
    return square / (4 * found**2) + math.log(subject.m / found) + 10


def _sharpness(subject: Subject, square: float) -> float:
    """‖·‖² log(2ω/δ)/4α² + log(m/δ) + 10."""
    found: float = alpha(subject)
    return square * math.log(2 * _omega(subject) / DELTA) / (4 * found**2) + math.log(subject.m / DELTA) + 10


def magnitude_aware(
    square: float, distances: Float64[np.ndarray, " omega"], size: float, spread: float, m: int
) -> float:
    """¼ Σ_i log[(ε² + spread · square/ω)/(ε² + size² d_i²)] + log(m/size) + 10.

    Example:
        >>> round(magnitude_aware(0.0, np.zeros(4), 1.0, 2.0, 1), 6)  # every logarithm is that of 1
        10.0
    """
    above = EPSILON**2 + spread * square / len(distances)
    below = EPSILON**2 + size**2 * np.square(distances)
    return 0.25 * float(np.log(above / below).sum()) + math.log(m / size) + 10


def _pac_bayes_aware(subject: Subject, square: float) -> float:
    found: float = sigma_aware(subject)
    return magnitude_aware(square, _vector(subject.moved), found, found**2 + 1, subject.m)


def _sharpness_aware(subject: Subject, square: float) -> float:
    found: float = alpha_aware(subject)
    spread = found**2 + 4 * math.log(2 * _omega(subject) / DELTA)
    return magnitude_aware(square, _vector(subject.moved), found, spread, subject.m)


BOX = "‖{}‖² log(2ω/δ)/4α² + log(m/δ) + 10"
AWARE = "¼Σlog[(ε² + (σ'²+1)‖{}‖²/ω)/(ε² + σ'²|w_i−w⁰_i|²)] + log(m/σ') + 10"
BOX_AWARE = "¼Σlog[(ε² + (α'²+4log(2ω/δ))‖{}‖²/ω)/(ε² + α'²|w_i−w⁰_i|²)] + log(m/α') + 10"
ROWS: dict[str, tuple[str, str, Callable[[Subject], float]]] = {
    "pacbayes_init": (
        "‖w−w⁰‖²/4σ² + log(m/σ) + 10", f"{JIANG}, eq. 48; {NITARSHAN}", lambda s: _pac_bayes(s, _square(s.moved)),
    ),
    "pacbayes_orig": (
        "‖w‖²/4σ² + log(m/σ) + 10", f"{JIANG}, eq. 49; {NITARSHAN}", lambda s: _pac_bayes(s, _square(s.weights)),
    ),
    "pacbayes_flatness": ("1/σ²", f"{JIANG}, eq. 53; {NITARSHAN}", lambda s: 1 / sigma(s) ** 2),
    "pacbayes_mag_init": (
        AWARE.format("w−w⁰"), f"{JIANG}, eq. 56; {NITARSHAN}", lambda s: _pac_bayes_aware(s, _square(s.moved)),
    ),
    "pacbayes_mag_orig": (
        AWARE.format("w"), f"{JIANG}, eq. 57; {NITARSHAN}", lambda s: _pac_bayes_aware(s, _square(s.weights)),
    ),
    "pacbayes_mag_flatness": ("1/σ'²", f"{JIANG}, eq. 61; {NITARSHAN}", lambda s: 1 / sigma_aware(s) ** 2),
    "sharpness_init": (BOX.format("w−w⁰"), f"eq. 51 of {THIRD_PARTY}", lambda s: _sharpness(s, _square(s.moved))),
    "sharpness_orig": (BOX.format("w"), f"eq. 52 of {THIRD_PARTY}", lambda s: _sharpness(s, _square(s.weights))),
    "sharpness_flatness": ("1/α²", f"eq. 54 of {THIRD_PARTY}", lambda s: 1 / alpha(s) ** 2),
    "sharpness_mag_init": (
        BOX_AWARE.format("w−w⁰"), f"eq. 59 of {THIRD_PARTY}", lambda s: _sharpness_aware(s, _square(s.moved)),
    ),
    "sharpness_mag_orig": (
        BOX_AWARE.format("w"), f"eq. 60 of {THIRD_PARTY}", lambda s: _sharpness_aware(s, _square(s.weights)),
    ),
    "sharpness_mag_flatness": ("1/α'²", f"eq. 62 of {THIRD_PARTY}", lambda s: 1 / alpha_aware(s) ** 2),
}  # fmt: skip


def _declared(name: str) -> Measure:
    formula, source, value = ROWS[name]

    def measure(subject: Subject) -> float:
        return defined(value(subject), "the norms overflow float64")

    named = declare_measure(formula=formula, source=source, needs="search", rescale="root", name=name)
    return named(measure)


MEASURES = tuple(map(_declared, ROWS))
