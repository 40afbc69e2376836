"""Theorem 3, simulated: how often a certificate lies below the true error, over thousands of samples.

Two distributions known exactly. *By heart*: N one-hot inputs, fair coins as labels; the network answers each input with
the label it met more often, and its true error is 1/2. *Front ends*: K front ends, fixed in advance, each showing the
same label's inputs as 1 with probability ε, independently, and as 0 otherwise; the network behind the luckiest of them
errs on the zeros (a margin of 0 is an error), so its true error is 1 − ε whatever was picked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.stats import binom

from sparsebounds.bounds.audit.run import Row
from sparsebounds.bounds.audit.search.architectures import dense
from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.margin.payment import Payment
from sparsebounds.bounds.margin.step import MarginStep, smallest
from sparsebounds.bounds.moments.margin_forms import tree_form
from sparsebounds.bounds.moments.network import PeeledNetwork
from sparsebounds.bounds.moments.tree import Tree
from sparsebounds.bounds.sample.ramps import Ramps
from sparsebounds.bounds.sample.sample import Sample

DELTA = 0.05
DRAWS = 2000
FRONT_ENDS, SHARE, SAMPLES = 10**7, 0.3, 400


@dataclass(frozen=True, eq=False)
class Margins:
    """What Theorem 3 reads of a sample."""

    margins: Float64[np.ndarray, " m"]

    @property
    def m(self) -> int:
        return len(self.margins)

    def ramp(self, gamma: float) -> float:
        return float(np.clip(1.0 - self.margins / gamma, 0.0, 1.0).mean())

    def ramps(self, gammas: np.ndarray) -> np.ndarray:
        return Ramps(self.margins).at(gammas)


def failures(values: np.ndarray, truth: float) -> tuple[float, float]:
    """Share of certificates below the truth, and its standard error (that of a share δ, where it is smaller)."""
    share = float((values < truth).mean())
    return share, math.sqrt(max(share * (1 - share), DELTA * (1 - DELTA)) / len(values))


def lucky(draws: int, front_ends: int, seed: int = 0) -> np.ndarray:
    """How many of the samples the luckiest of the front ends shows as 1: draws of max of K binomials, (draws,)."""
    u = np.random.default_rng(seed).uniform(size=draws)
    tail = -np.expm1(np.log(u) / front_ends)  # P(one of them is larger) at the quantile u of the maximum
    return np.asarray(binom.isf(tail, SAMPLES, SHARE), dtype=np.int64)


def front_end_certificate(ones: int, front_ends: int) -> MarginStep:
    """One-sided, of the network f = (x, 0) behind the chosen front end; E x² = ε is known exactly."""
    sample = Margins(np.where(np.arange(SAMPLES) < ones, 1.0, 0.0))
    unit = 2.0 * math.sqrt(SAMPLES * SHARE)  # |D| (q + q), D = (w_0 − w_1)/2
    price = {"choice of front ends": math.log(front_ends)} if front_ends > 1 else {}
    payment = Payment.of_theorem_3(DELTA, 1.0)
    return smallest([ClassSize(math.log(0.5), unit, price, one_sided=True)], sample, payment)


def without_union(step: MarginStep, m: int) -> float:
    """A twin: ramp + complexity + √(log(1/δ)/2m), nothing paid for what was chosen after looking."""
    return step.margin_error + step.complexity + math.sqrt(math.log(1 / DELTA) / (2 * m))


def by_heart(points: int, m: int, draws: int) -> np.ndarray:
    """Certificates of `bounds.moments.peeling` at γ = 0.9, (draws,).

    The norms are those of answers ±1, and Σ_j Σ_n x_nj² = m, for every sample: the class is the same for all.
    """
    graph = dense((points,)).graph([], np.stack([np.ones(points), np.zeros(points)]))
    rng, values, sizes = np.random.default_rng(points), np.empty(draws), None
    for k in range(draws):
        which, labels = rng.integers(0, points, m), rng.integers(0, 2, m)
        ones = np.bincount(which, weights=2.0 * labels - 1, minlength=points)
        margins = Margins(np.where(ones > 0, 1.0, -1.0)[which] * (2.0 * labels - 1))
        if sizes is None:
            by_class = np.stack([np.bincount(which[labels == r], minlength=points) for r in (0, 1)])
            counts = np.bincount(labels, minlength=2)
            sample = Sample(m, 2, by_class.sum(axis=0), by_class, margins.margins, counts)
            sizes = list(PeeledNetwork(graph, sample).sizes([tree_form(Tree.balanced(2), 2)]))
        values[k] = smallest(sizes, margins, Payment.of_theorem_3(DELTA, 0.9)).value
    return values


def audit_coverage(draws: int = DRAWS) -> list[Row]:
    """Rows with the share of failures against δ, and a twin that pays for nothing and fails more often."""
    rows = [_row(f"by heart, {n} points, m = {m}", by_heart(n, m, draws), 0.5) for n, m in ((1, 40), (3, 60))]
    ones, counts = np.unique(lucky(draws, FRONT_ENDS), return_counts=True)
    paid = np.repeat([front_end_certificate(int(k), FRONT_ENDS).value for k in ones], counts)
    twin = np.repeat([without_union(front_end_certificate(int(k), 1), SAMPLES) for k in ones], counts)
    name = f"best of {FRONT_ENDS:.0e} front ends, one-sided"
    return [*rows, _row(name, paid, 1 - SHARE), _row(name, twin, 1 - SHARE, refuted=True)]


def _row(name: str, values: np.ndarray, truth: float, refuted: bool = False) -> Row:
    share, error = failures(values, truth)
    statement = "a twin of theorem 3 without its union" if refuted else "theorem 3, share of failures / δ"
    return Row("peeling", statement, name, share, DELTA, error, refuted)
