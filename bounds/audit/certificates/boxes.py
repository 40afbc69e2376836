"""Classes of boxes: the expected supremum, exactly, against what the class is charged.

It is E_ξ sup Σ_n ξ_n D·x_n over the rows D of the class (letters: docs/theory.md, "Setting" and "Boxes").
The supremum over a box goes coordinate by coordinate: the positive part of one signed sum each. Equal inputs come to
the bound as their number grows, since √(2/π) is what the central limit leaves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Shaped
from scipy.stats import binom

from sparsebounds.bounds.audit.run import Row
from sparsebounds.bounds.audit.search.ascent import all_signs
from sparsebounds.bounds.audit.theorems.cases import Preset
from sparsebounds.bounds.certificates.boxes.family import Boxes
from sparsebounds.bounds.moments.margin_forms import tree_form
from sparsebounds.bounds.moments.tree import Tree

PAIR = tree_form(Tree.balanced(2), 2)


@dataclass(frozen=True, eq=False)
class BoxCase:
    """Inputs (m, d), and sides with their signs (d,)."""

    name: str
    x: Shaped[np.ndarray, "m inputs"]
    sides: Float64[np.ndarray, " N"]


def attained(case: BoxCase) -> float:
    """E sup Σ_n ξ_n D·x_n over 0 ≤ D_i/sides_i ≤ 1: all signs, or a binomial sum where all inputs are 1."""
    m = len(case.x)
    if (case.x == 1.0).all():
        k = np.arange(m + 1)
        return float(np.sum(np.abs(2.0 * k - m) * binom.pmf(k, m, 0.5)) / 2 * np.abs(case.sides).sum())
    return float(np.maximum(all_signs(m)[:, :, 0] @ case.x * case.sides, 0.0).sum(axis=1).mean())


def claim(case: BoxCase, *, sizes: np.ndarray | None = None) -> float:
    """The library's charge for one row: of the two in T for two classes, q and q^S, one."""
    d, m = case.x.shape[1], len(case.x)
    squares = np.square(case.x).mean(axis=0)
    kappa = np.sqrt(np.maximum(squares, 1e-12)) if sizes is None else sizes
    largest = np.append(np.abs(case.x).max(axis=0), 1.0)
    sides, signs = np.append(np.abs(case.sides), 0.0)[None], np.append(np.where(case.sides < 0, -1.0, 1.0), 1.0)[None]
    boxes = Boxes(PAIR, sides, signs, np.append(kappa, 1.0)[None], largest)
    energy = boxes.weights.inputs @ squares
    assert d + 1 == sides.shape[1]
    return float(boxes.reach(energy[:, None], m)[0] / PAIR.multipliers[0, 0])


def box_cases(preset: Preset) -> Iterator[BoxCase]:
    """Equal inputs, few and many, and inputs at random."""
    for m in (1, 2, 11, 50, 10001):
        yield BoxCase(f"{m} equal inputs", np.ones((m, 1)), np.ones(1))
    rng = np.random.default_rng(0)
    for k in range(200 if preset == "full" else 20):
        shape = int(rng.integers(1, 11)), int(rng.integers(1, 4))
        x = np.sign(rng.normal(size=shape)) * np.abs(rng.normal(size=shape)) ** float(rng.choice([0.0, 0.5, 1.0, 3.0]))
        yield BoxCase(f"number {k}", x, rng.normal(size=shape[1]))


def audit_boxes(preset: Preset = "quick") -> list[Row]:
    """One row per case, with the twin that charges √(2/π) alone."""
    rows = []
    for case in box_cases(preset):
        right = claim(case)
        plain = float(np.sqrt(np.square(case.x).sum(axis=0)) @ np.abs(case.sides)) / np.sqrt(2 * np.pi)
        twins = (("√(2/π) without H", right / plain),)
        rows.append(
            Row("peeling", "boxes with signs, first moment", case.name, attained(case), right, 0.0, False, twins)
        )
    return rows
