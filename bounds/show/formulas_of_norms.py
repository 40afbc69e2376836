"""Formulas of the theorems about norms: scale, c, what stands beside it, and the ending that all share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from sparsebounds.bounds.margin.grids import RATIO, ROUNDING
from sparsebounds.bounds.show.formula import Formula, product

Terms = Mapping[str, Any]
UNCAPPED = "complexity uncapped"
SCALES = (
    "sum_r kappa_r", "max_r kappa_r", "prod ||A_l||_F", "scale", "path norm", "sum_k ||v_k|| ||u_k||",
    "(sum_r kappa_r^2)^(1/2)",
)  # fmt: skip
NORMS_OF = ("||A_l||_F", "||A_l||_1,inf")
TOPS = ("||W_L||_F", "sum_r ||w_r||_1", "max_r ||w_r||", "max_r ||w_r||_1", "sum_r ||w_r||")


def _scales() -> list[Formula]:
    """What the class fixes, and c."""
    return [
        *(_times(of, norms, top) for of in ("prod ||A_l||_F", "scale") for norms in NORMS_OF for top in TOPS),
        *(_divided(name) for name in SCALES),
        Formula("c = scale/gamma", "Π {s_i} / {gamma}", lambda t: product(t["s_i"]) / t["gamma"]),
        Formula("c = scale/gamma", "√2 · {chi} / {gamma}", lambda t: math.sqrt(2) * t["chi"] / t["gamma"]),
        _divided("chi"),
        Formula("path norm", "e^{log path norm}", lambda t: math.exp(t["log path norm"])),
    ]


def _times(of: str, norms: str, top: str) -> Formula:
    return Formula(of, f"Π {{{norms}}} · {{{top}}}", lambda t: product(t[norms]) * t[top])


def _divided(name: str) -> Formula:
    return Formula("c = scale/gamma", f"{{{name}}} / {{gamma}}", lambda t: t[name] / t["gamma"])


def _grid() -> list[Formula]:
    """The grid of c and its price."""
    return [
        Formula(
            "c_j",
            f"{RATIO:g}^{{grid index j}} · (1 + {ROUNDING:g})",
            lambda t: RATIO ** t["grid index j"] * (1 + ROUNDING),
        ),
        Formula(
            "c_j = ratio^j",
            f"{{ratio of the grids}}^{{grid index j}} · (1 + {ROUNDING:g})",
            lambda t: t["ratio of the grids"] ** t["grid index j"] * (1 + ROUNDING),
        ),
        Formula(
            "delta_j",
            "{delta} / (2 (|{grid index j}| + 1) (|{grid index j}| + 2))",
            lambda t: t["delta"] / (2 * (abs(t["grid index j"]) + 1) * (abs(t["grid index j"]) + 2)),
        ),
        Formula(
            "nats paid for choices",
            "sum of the lines that begin with nats:",
            lambda t: math.fsum(nats) if (nats := nats_of(t)) else math.nan,
        ),
    ]


def nats_of(t: Terms) -> list[float]:
    """The prices that stand among the terms by their names."""
    return [value for name, value in t.items() if name.startswith("nats: ")]


def _beside(text: str, unit: Callable[[Terms], float]) -> Formula:
    """A complexity proportional to c."""
    return Formula(
        UNCAPPED, f"{{factor}}/{{m}} · {{c_j}} · {text}", lambda t: t["factor"] / t["m"] * t["c_j"] * unit(t)
    )


def _root(t: Terms) -> float:
    return 1 + math.sqrt(2 * t["logs"])


def _two_dc(t: Terms) -> float:
    return math.sqrt(2 * math.log(2 * t["inputs D"] * t["classes C"]))


ROOT, TWO_DC = "(1 + √(2 · {logs}))", "√(2 log(2 · {inputs D} · {classes C}))"


def _units() -> list[Formula]:
    """What the supremum is at c = 1, theorem by theorem."""
    energy = "√{largest energy read}"
    return [
        _beside(f"{ROOT} · {energy}", lambda t: _root(t) * math.sqrt(t["largest energy read"])),
        _beside(
            f"{{classes C}} · {ROOT} · {energy}",
            lambda t: t["classes C"] * _root(t) * math.sqrt(t["largest energy read"]),
        ),
        _beside(
            f"{ROOT} · √{{max path prod |pred| * energy}}",
            lambda t: _root(t) * math.sqrt(t["max path prod |pred| * energy"]),
        ),
        _beside(
            f"{{(sum_r N_r)^(1/2)}} · {energy}", lambda t: t["(sum_r N_r)^(1/2)"] * math.sqrt(t["largest energy read"])
        ),
        _beside(
            "√{classes C} · 2^{activations} · {||X||_F}",
            lambda t: math.sqrt(t["classes C"]) * 2.0 ** t["activations"] * t["||X||_F"],
        ),
        _beside(
            f"2^{{activations}} · {TWO_DC} · {{max_j ||X_j||}}",
            lambda t: 2.0 ** t["activations"] * _two_dc(t) * t["max_j ||X_j||"],
        ),
        _beside(
            f"{{factor of depth F}} · {TWO_DC} · {{max_j ||X_j||}}",
            lambda t: t["factor of depth F"] * _two_dc(t) * t["max_j ||X_j||"],
        ),
        _beside(
            "{classes C} · √(2 · {logs}) · {max_j ||X_j||}",
            lambda t: t["classes C"] * math.sqrt(2 * t["logs"]) * t["max_j ||X_j||"],
        ),
        *_of_depth(),
        *_of_paths("max_j ||X_j||"),
        *_of_paths("S"),
    ]


def _of_depth() -> list[Formula]:
    """Theorems whose factor of depth stands among the terms."""
    whole = ("factor of depth", "2 sqrt(2C) + 2", "contraction s")
    return [
        _per_class("1 + sqrt(2 L log 2)", "||X||_F"),
        _per_class("2 sqrt(L + 1 + log D)", "max_j ||X_j||"),
        *(_at_once(factor, "||X||_F") for factor in whole),
        Formula("1 + sqrt(2 L log 2)", "1 + √(2 · {L} · log 2)", lambda t: 1 + math.sqrt(2 * t["L"] * math.log(2))),
        Formula("2 sqrt(2C) + 2", "2 √(2 · {classes C}) + 2", lambda t: 2 * math.sqrt(2 * t["classes C"]) + 2),
    ]


def _per_class(factor: str, data: str) -> Formula:
    return _beside(f"{{classes C}} · {{{factor}}} · {{{data}}}", lambda t: t["classes C"] * t[factor] * t[data])


def _at_once(factor: str, data: str) -> Formula:
    return _beside(f"{{{factor}}} · {{{data}}}", lambda t: t[factor] * t[data])


def _of_paths(data: str) -> list[Formula]:
    """Path norms, with what rounding the scales of activations adds."""
    added = "rounding of the scales"
    return [
        _beside(f"√(2 · {{logs}}) · {{{data}}}", lambda t: math.sqrt(2 * t["logs"]) * t[data]),
        _beside(
            f"(√(2 · {{logs}}) · {{{data}}} + {{{added}}})", lambda t: math.sqrt(2 * t["logs"]) * t[data] + t[added]
        ),
    ]


def _endings() -> list[Formula]:
    """From the complexity to the value, in the margin step."""
    return [
        Formula(
            UNCAPPED,
            "{factor}/{m} · {c_j = ratio^j} · {unit}",
            lambda t: t["factor"] / t["m"] * t["c_j = ratio^j"] * t["unit"],
        ),
        Formula("complexity", f"min(1, {{{UNCAPPED}}})", lambda t: min(1.0, t[UNCAPPED])),
        Formula(
            "complexity",
            "{factor}/{m} · {c_j = ratio^j} · {unit}",
            lambda t: t["factor"] / t["m"] * t["c_j = ratio^j"] * t["unit"],
        ),
        Formula(
            "confidence",
            "2 √((log(1/{delta_j}) + {nats paid for choices}) / (2 · {m}))",
            lambda t: 2 * math.sqrt((math.log(1 / t["delta_j"]) + t["nats paid for choices"]) / (2 * t["m"])),
        ),
        _confidence("2 ", 2.0, 1),
        _confidence("", 1.0, 2),
    ]


def _confidence(lead: str, roots: float, sides: int) -> Formula:
    """Of the plain and of the one-sided form of the margin step."""
    return Formula(
        "confidence",
        f"{lead}√((log({sides}/{{delta}}) + {{nats paid for choices}}) / (2 · {{m}}))",
        lambda t: roots * math.sqrt((math.log(sides / t["delta"]) + t["nats paid for choices"]) / (2 * t["m"])),
    )


NORMS: tuple[Formula, ...] = (*_scales(), *_grid(), *_units(), *_endings())
"""Tried in this order."""
