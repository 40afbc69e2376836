"""Boxes through hidden layers: what a search over their corners attains, over all signs, against the path sums.

Compared are first moments, one-sided: E_ξ (sup Σ_n ξ_n D·z(x_n))₊ over the class against Σ_i ω_i ½ E|Σ_n ξ_n x_ni|, ω
the path sums of the library (letters: docs/theory.md, "Boxes"). The supremum over the last row is in closed form, the
other rows go through the corners of their boxes. One input through any number of layers attains it; with slack η,
where every weight may have both signs, the factor 1 + 2η per layer is needed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Shaped

from sparsebounds.bounds.audit.run import Row
from sparsebounds.bounds.audit.search.ascent import all_signs
from sparsebounds.bounds.audit.theorems.cases import Preset

CORNERS = 4096
"""Corners of hidden boxes that are tried; drawn where there are more."""
Weights = list[np.ndarray]


@dataclass(frozen=True, eq=False)
class HiddenCase:
    """Inputs (m, d), and signed sides of every layer, (in, out); the last is (in, 1)."""

    name: str
    x: Shaped[np.ndarray, "m inputs"]
    sides: Weights
    slack: float = 0.0
    """η: the share of every side that may have the other sign, beside the side itself."""
    slope: float = 0.0
    """Of the activation."""


def claimed(case: HiddenCase, *, spread: bool = True, layers: bool = True) -> float:
    """Σ_i ω_i ½ E|Σ_n ξ_n x_ni|, with the factors 1 + 2η of the layers, and their sides, or without."""
    factor = 1 + 2 * case.slack if spread else 1.0
    paths = np.eye(case.x.shape[1])
    for sides in case.sides[:-1]:
        paths = paths @ (factor * np.abs(sides) if layers else np.abs(sides) / np.abs(sides).sum(axis=0))
    omega = paths @ (factor * np.abs(case.sides[-1][:, 0]))
    signs = all_signs(len(case.x))[:, :, 0]
    return float(omega @ np.abs(signs @ case.x).mean(axis=0)) / 2


def attained(case: HiddenCase, seed: int = 0) -> float:
    """E (sup Σ_n ξ_n D·z(x_n))₊ as far as the corners of the hidden boxes go, over all signs ξ."""
    signs = all_signs(len(case.x))[:, :, 0]
    best = np.zeros(len(signs))
    for hidden in _corners(case, np.random.default_rng(seed)):
        z = case.x
        for w in hidden:
            t = z @ w
            z = np.maximum(t, case.slope * t)
        shown, sides = signs @ z, case.sides[-1][:, 0]
        # 0 ≤ εD' ≤ β and |D''| ≤ ηβ, weight by weight.
        best = np.maximum(best, (np.maximum(shown * sides, 0) + case.slack * np.abs(shown * sides)).sum(axis=1))
    return float(best.mean())


def hidden_cases(preset: Preset) -> Iterator[HiddenCase]:
    """Where the bound is attained, and at random."""
    one = np.ones((1, 1))
    for layers in (2, 3):
        yield HiddenCase(f"one input, {layers} layers", one, [one] * layers)
    for slack in (0.1, 0.5):
        yield HiddenCase(f"one input, two layers, slack {slack}", one, [one] * 2, slack)
    rng = np.random.default_rng(0)
    for k in range(60 if preset == "full" else 10):
        widths = [int(rng.integers(1, 3)) for _ in range(2 + k % 2)] + [1]
        sides = [rng.normal(0.5, size=shape) * 2.0 for shape in itertools.pairwise(widths)]
        x = rng.normal(size=(int(rng.integers(1, 6)), widths[0]))
        slack, slope = (float(rng.choice(of)) for of in ((0.0, 1e-4, 0.3), (0.0, 0.3, 1.0)))
        yield HiddenCase(f"number {k}", x, sides, slack, slope)


def audit_hidden_boxes(preset: Preset = "quick") -> list[Row]:
    """One row per case, with the twins that leave out the slack's factor, and the sides of the hidden layers."""
    rows = []
    for case in hidden_cases(preset):
        right = claimed(case)
        twins = (
            ("without 1 + 2 eta", right / claimed(case, spread=False)),
            ("the sides of the last row alone", right / claimed(case, layers=False)),
        )
        statement = "boxes through hidden layers, first moment"
        rows.append(Row("peeling", statement, case.name, attained(case), right, 0.0, False, twins))
    return rows


def _corners(case: HiddenCase, rng: np.random.Generator) -> Iterator[list[Float64[np.ndarray, "_n _m"]]]:
    """Weights −ηβ or (1 + η)β, with the signs of the sides, in every hidden place; 0 too, without slack."""
    shapes = [sides.shape for sides in case.sides[:-1]]
    count = sum(int(np.prod(shape)) for shape in shapes)
    if 2**count <= CORNERS:
        choices = np.array(list(itertools.product((0.0, 1.0), repeat=count)))
    else:
        choices = (rng.uniform(size=(CORNERS, count)) < 0.6).astype(float)
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
    for choice in choices:
        parts = np.split(choice, ends)
        yield [
            sides * (part.reshape(sides.shape) * (1 + 2 * case.slack) - case.slack)
            for part, sides in zip(parts, case.sides[:-1], strict=True)
        ]
