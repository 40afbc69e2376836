"""Formulas of covering numbers, PAC-Bayes, lengths of descriptions and counted errors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import digamma

from sparsebounds.bounds.confidence.binomial import binomial_upper
from sparsebounds.bounds.show.formula import Formula, flat
from sparsebounds.bounds.show.formulas_of_norms import UNCAPPED, nats_of
from sparsebounds.bounds.theorems.covering.dudley import dudley_upper, layered_log_covering

Terms = Mapping[str, Any]


def _sizes(t: Terms, name: str = "C_i / c") -> np.ndarray:
    return t["c_j"] * np.array(flat(t[name]))


def _closed(t: Terms, kinds: float) -> float:
    m = t["m"]
    harmonic = float(digamma(m)) + float(np.euler_gamma)
    total = float(np.ceil(np.cbrt(np.square(_sizes(t)))).sum())
    return 8 / m + 24 * harmonic / math.sqrt(m) * math.sqrt(math.log(kinds)) * total**1.5 if total else 0.0


def _numeric(t: Terms, kinds: np.ndarray) -> float:
    return 2 * dudley_upper(layered_log_covering(_sizes(t), kinds), t["m"], latest=0.125).value


def _params(t: Terms) -> float:
    c = _sizes(t)
    weights = np.array(flat(t["weights W_i"]))
    logs = np.log1p(np.ceil(np.square(len(c) * c))) + 2 * (c > 0)
    return 24 / math.sqrt(t["m"]) * math.sqrt(float(np.sum(2 * weights * logs)))


def _ledent(t: Terms) -> float:
    m, r = t["m"], _sizes(t, "r_i / c")
    size = float(np.cbrt(np.square(r)).sum() ** 1.5)
    most = float((r * np.array(flat(t["elements"]))).max())
    logs = math.log2(32 * float(m) ** 2 * most + 7.0 * t["W bar"] * m)
    return 8 / m + 1536 * size * math.log(m) / math.sqrt(m) * math.sqrt(logs)


def _covering() -> list[Formula]:
    closed = "8/{m} + 24 H({m} − 1)/√{m} · √log(%s) · (Σ ⌈({c_j} · {C_i / c})^⅔⌉)^(3/2), H(n) = Σ_(k≤n) 1/k"
    numeric = (
        "2 min over α of 4α + 12/√{m} · ∫_α^½ √log N(ε) dε, log N(ε) = Σ_i log C(n_i − 1 + k_i, k_i), "
        "k_i = ⌈({c_j} · {C_i / c} / ω_i ε)²⌉, n_i = %s"
    )
    return [
        Formula(UNCAPPED, closed % "largest of {generators}", lambda t: _closed(t, max(flat(t["generators"])))),
        Formula(
            UNCAPPED, closed % "2 · largest of {weights W_i}", lambda t: _closed(t, 2 * max(flat(t["weights W_i"])))
        ),
        Formula(
            UNCAPPED,
            "24/√{m} · √(Σ_i 2 · {weights W_i} · (log(1 + ⌈(L · {c_j} · {C_i / c})²⌉) + 2))",
            _params,
        ),
        Formula(UNCAPPED, numeric % "{generators}", lambda t: _numeric(t, np.array(flat(t["generators"])))),
        Formula(UNCAPPED, numeric % "2 · {weights W_i}", lambda t: _numeric(t, 2 * np.array(flat(t["weights W_i"])))),
        Formula(
            UNCAPPED,
            "8/{m} + 1536 (Σ ({c_j} · {r_i / c})^⅔)^(3/2) · log {m}/√{m} · "
            "√log₂(32 Γ {m}² + 7 · {W bar} · {m}), Γ = max ({c_j} · {r_i / c} · {elements})",
            _ledent,
        ),
        *_distances(),
    ]


def _distances() -> list[Formula]:
    """long_sedghi: one number for all layers, or a ball for each."""

    def one(t: Terms) -> float:
        logs = math.log(3) + math.log(t["c_j"]) + t["log B at c = 1"] - math.log(t["epsilon"])
        covering = t["W"] * max(logs, 0.0) if logs > math.log(3) else 0.0
        return 2 * t["epsilon"] + math.sqrt((covering + t["log places of zeros"]) / (2 * t["m"]))

    def layered(t: Terms, outer: float) -> float:
        numbers, reaches = flat(t["W_t"]), flat(t["log of beta_t Lambda_t chi_t, eta_t Lambda_t"])
        start = math.log(outer * t["c_j"]) - math.log(t["epsilon"])
        covering = math.fsum(
            max(0.0, n * (math.log(3 * sum(numbers) / n) + reach + start))
            for n, reach in zip(numbers, reaches, strict=True)
            if n and reach > -math.inf
        )
        return 2 / t["m"] + math.sqrt((covering + t["log places of zeros"]) / (2 * t["m"]))

    balls = (
        "2/{m} + √((Σ_t {W_t} · log⁺(3 ΣW/W_t · %s{c_j} · e^{log of beta_t Lambda_t chi_t, eta_t Lambda_t} / "
        "{epsilon}) + {log places of zeros}) / (2 · {m}))"
    )
    return [
        Formula(
            "complexity",
            "2 · {epsilon} + √(({W} · log(3B/{epsilon}) + {log places of zeros}) / (2 · {m})), "
            "B = {c_j} · e^{log B at c = 1}",
            one,
        ),
        Formula("complexity", balls % "√2 · ", lambda t: layered(t, math.sqrt(2))),
        Formula("complexity", balls % "", lambda t: layered(t, 1.0)),
    ]


def _pac_bayes() -> list[Formula]:
    def divergence(t: Terms) -> float:
        pairs = zip(flat(t["||w_a||"]), flat(t["sigma_a"]), strict=True)
        return math.fsum(w**2 / (2 * sigma**2) for w, sigma in pairs if w) * (1 + 1e-9)

    def log_term(t: Terms) -> float:
        p = t["p"]
        entropy = -p * math.log(p) - (1 - p) * math.log1p(-p)
        return math.log(2 * t["m"] / t["delta"]) + entropy / (1 - p) + math.fsum(nats_of(t))

    def whole(t: Terms) -> float:
        return math.sqrt((t["KL"] / (1 - t["p"]) + t["log(2m/delta')"]) / (2 * (t["m"] - 1)))

    def part(t: Terms) -> float:
        return math.sqrt(t["KL"] / (1 - t["p"]) / (2 * (t["m"] - 1)))

    return [
        Formula("KL", "Σ_a {||w_a||}² / (2 · {sigma_a}²)", divergence),
        Formula(
            "log(2m/delta')",
            "log(2 · {m}/{delta}) + H({p})/(1 − {p}) + sum of the lines that begin with nats:",
            log_term,
        ),
        Formula("complexity", "√({KL} / (1 − {p}) / (2 ({m} − 1)))", part),
        Formula(
            "confidence",
            "√(({KL} / (1 − {p}) + {log(2m/delta')}) / (2 ({m} − 1))) − {complexity}",
            # As a quotient: of two numbers that may agree in ten digits.
            lambda t: t["log(2m/delta')"] / (2 * (t["m"] - 1)) / (whole(t) + part(t)),
        ),
    ]


def _upper(errors: int, m: int, log_delta: float) -> float:
    return max(binomial_upper(errors, m, log_delta), errors / m)


def _counts() -> list[Formula]:
    """Errors that were counted, and what a code or δ adds to their share."""
    n = "held-out samples"
    return [
        Formula(
            "log(delta 2^-bits)",
            "log {delta} − {bits} · log 2",
            lambda t: math.log(t["delta"]) - t["bits"] * math.log(2),
        ),
        Formula(
            "confidence",
            "max {e : P(Bin({m}, e) ≤ {errors}) ≥ {delta}} − {errors}/{m}",
            lambda t: _upper(t["errors"], t["m"], math.log(t["delta"])) - t["errors"] / t["m"],
        ),
        Formula(
            "complexity",
            "max {e : P(Bin({m}, e) ≤ {errors}) ≥ exp({log(delta 2^-bits)})} "
            "− max {e : P(Bin({m}, e) ≤ {errors}) ≥ {delta}}",
            lambda t: (
                _upper(t["errors"], t["m"], t["log(delta 2^-bits)"]) - _upper(t["errors"], t["m"], math.log(t["delta"]))
            ),
        ),
        Formula(
            "confidence",
            "max {e : P(Bin({held-out samples}, e) ≤ {errors}) ≥ {delta}} − {errors}/{held-out samples}",
            lambda t: _upper(t["errors"], t[n], math.log(t["delta"])) - t["errors"] / t[n],
        ),
    ]


def _others() -> list[Formula]:
    """Nothing at all, and rows that are no certificates."""
    return [
        Formula("complexity", "0", lambda t: 0.0),
        Formula("confidence", "0", lambda t: 0.0),
        _in_expectation(4.0),
        _in_expectation(2.0),
        Formula(
            "complexity",
            "2√2 ({rho} + 1) / ({gamma} · {m}) · {Lambda}",
            lambda t: 2 * math.sqrt(2) * (t["rho"] + 1) / (t["gamma"] * t["m"]) * t["Lambda"],
        ),
        Formula(
            "confidence",
            "3 √((log(2/{delta}) + 2 log({rho} + 2)) / (2 · {m}))",
            lambda t: 3 * math.sqrt((math.log(2 / t["delta"]) + 2 * math.log(t["rho"] + 2)) / (2 * t["m"])),
        ),
    ]


def _in_expectation(factor: float) -> Formula:
    """gonon, of several classes and of two."""
    return Formula(
        UNCAPPED,
        f"{factor:g}√2/({{m}} · {{gamma}}) · {{path norm}} · {{sigma}} · {{constant}}",
        lambda t: factor * math.sqrt(2) * t["path norm"] * t["sigma"] * t["constant"] / (t["m"] * t["gamma"]),
    )


COUNTS: tuple[Formula, ...] = (*_covering(), *_pac_bayes(), *_counts(), *_others())
"""Tried in this order, after those of norms."""
