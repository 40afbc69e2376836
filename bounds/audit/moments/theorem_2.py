"""Theorem 2 against the true margin: the largest signed sum of margins over a class, with any labels, over all signs.

    E_ξ sup Σ_n ξ_n M(f, x_n, y_n)        (letters: docs/theory.md, "Setting" and "Theorem 2")

The class is that of the tree form: ‖D_S‖ ≤ a_S for the Haar coefficients of a last layer that reads one node. Given
which rival class is the largest on each sample, the signed sum is linear in the D_S, and its best point known; the
search goes on from there, for all signs at once. Every value is that of a head of the class.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int

from sparsebounds.bounds.audit.run import Row
from sparsebounds.bounds.audit.search.ascent import all_signs
from sparsebounds.bounds.audit.theorems.cases import Preset
from sparsebounds.bounds.moments.margin_forms import MarginForm, tree_form
from sparsebounds.bounds.moments.tree import Tree

STEPS, RESTARTS = 40, 24


@dataclass(frozen=True, eq=False)
class MarginCase:
    """Inputs, labels and the class's numbers."""

    name: str
    form: MarginForm
    v: Float64[np.ndarray, "m d"]
    """What the last layer reads, one node."""
    y: Int[np.ndarray, " m"]
    radii: Float64[np.ndarray, " R"]
    """a_S."""


def claim(case: MarginCase) -> float:
    """T of Theorem 2: Σ_S a_S Σ_k mult_{S,k} √(Σ_n λ_k(y_n)² ‖v_n‖²)."""
    energies = np.bincount(case.y, weights=np.square(case.v).sum(axis=1), minlength=case.form.rows.shape[1])
    return float(case.radii @ (case.form.multipliers @ np.sqrt(case.form.weights @ energies)))


def halved(form: MarginForm) -> MarginForm:
    """A twin: q^S/2 for q^S, and (q + q^S/2) for 2q where S holds every label."""
    multipliers = form.multipliers.copy()
    multipliers[:, 1:] /= 2
    multipliers[:, 0] = np.where(form.multipliers[:, 0] == 2.0, 1.5, multipliers[:, 0])
    return replace(form, multipliers=multipliers)


def attained(case: MarginCase, *, steps: int = STEPS, restarts: int = RESTARTS, seed: int = 0) -> np.ndarray:
    """The largest signed sum found for every sign vector: float64 (2^m,)."""
    return climb(case, steps, restarts, seed)[0]


def climb(case: MarginCase, steps: int, restarts: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The values, and the heads D (2^m, R, d) that attain them."""
    signs = all_signs(len(case.y))[:, :, 0]
    rng = np.random.default_rng(seed)
    heads = _scaled(rng.normal(size=(len(signs), restarts, len(case.radii), case.v.shape[1])), case.radii)
    best, kept = np.full(len(signs), -np.inf), heads[:, 0]
    for step in range(steps + 1):
        values, slopes = _signed(case, signs[:, None], heads)
        place = values.argmax(axis=1)
        found = np.take_along_axis(values, place[:, None], 1)[:, 0]
        better = found > best
        best = np.where(better, found, best)
        kept = np.where(better[:, None, None], heads[np.arange(len(signs)), place], kept)
        # Full steps where the sum is convex in the head; shorter ones later, where it is not.
        heads = _scaled(heads / (1 + step) + _scaled(slopes, case.radii), case.radii)
    for row in range(len(case.radii)):  # where the sum is concave in a row, its best point may be 0
        heads = kept.copy()
        heads[:, row] = 0.0
        values = _signed(case, signs, heads)[0]
        kept = np.where((values > best)[:, None, None], heads, kept)
        best = np.maximum(best, values)
    return best, kept


def _coefficients(case: MarginCase) -> np.ndarray:
    """f_r − f̄ = Σ_S h[r, S] D_S·v."""
    return np.linalg.pinv(case.form.rows)


def _rivals(case: MarginCase, heads: np.ndarray) -> np.ndarray:
    """h[y_n, S] − h[r, S] for the largest other class r on each sample: (…, m, R)."""
    h = _coefficients(case)
    scores = (heads @ case.v.T).swapaxes(-1, -2) @ h.T  # (…, m, C)
    scores = np.where(np.arange(len(h)) == case.y[:, None], -np.inf, scores)
    return np.asarray(h[case.y] - h[scores.argmax(axis=-1)])


def _signed(case: MarginCase, signs: np.ndarray, heads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Σ_n ξ_n M_n, and its slope in every D_S."""
    part = signs[..., None] * _rivals(case, heads)  # (…, m, R)
    slopes = part.swapaxes(-1, -2) @ case.v
    return np.asarray((slopes * heads).sum(axis=(-2, -1))), np.asarray(slopes)


def _scaled(heads: np.ndarray, radii: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(heads, axis=-1, keepdims=True)
    return np.asarray(heads / np.maximum(norms, 1e-300) * radii[:, None])


def sharpened(case: MarginCase, rounds: int, rate: float = 0.6) -> MarginCase:
    """Inputs and numbers moved along the slope of log(attained / claim); the best of all rounds."""
    best, found = -math.inf, case
    for k in range(rounds):
        values, heads = climb(case, 6, 3, k)
        ratio = float(values.mean()) / claim(case)
        if ratio > best:
            best, found = ratio, case
        case = _moved(case, heads, float(values.mean()), rate / (1 + k / 20))
    return found


def _moved(case: MarginCase, heads: np.ndarray, mean: float, rate: float) -> MarginCase:
    signs = all_signs(len(case.y))[:, :, 0]
    part = signs[..., None] * _rivals(case, heads)
    up_v = (part @ heads).mean(axis=0) / mean
    up_radii = np.where(
        case.radii > 0, ((part.swapaxes(-1, -2) @ case.v) * heads).sum(-1).mean(0) / np.maximum(case.radii, 1e-9), 0.0
    )
    energies = np.bincount(case.y, weights=np.square(case.v).sum(axis=1), minlength=case.form.rows.shape[1])
    roots = np.maximum(np.sqrt(case.form.weights @ energies), 1e-9)
    down_v = (case.radii @ (case.form.multipliers / roots)) @ case.form.weights[:, case.y]
    total = claim(case)
    v = case.v + rate * (up_v - down_v[:, None] / total * case.v)
    radii = case.radii * np.exp(rate * case.radii * (up_radii / mean - case.form.multipliers @ roots / total))
    return replace(case, v=v / np.linalg.norm(v), radii=radii / radii.max())


def margin_cases(preset: Preset) -> Iterator[MarginCase]:
    """Equal numbers on random inputs, the same with inputs and numbers searched, and where the bound is attained."""
    pair = tree_form(Tree.balanced(2), 2)
    yield MarginCase("two classes, one sample", pair, np.ones((1, 1)), np.array([0]), np.ones(1))
    leaf = tree_form(Tree.given([[0, 1], 2], 3), 3)
    yield MarginCase("labels on one leaf, other numbers 0", leaf, np.ones((1, 1)), np.array([2]), np.array([1.0, 0.0]))
    yield MarginCase("a label of a pair, other numbers 0", leaf, np.ones((1, 1)), np.array([0]), np.array([0.0, 1.0]))
    yield MarginCase("labels on one leaf, another number", leaf, np.ones((1, 1)), np.array([2]), np.array([1.0, 0.05]))
    three = np.array([[0.68, 0.689], [-0.152, 0.069], [0.15, 0.108]])  # found by climbing in inputs and heads together
    form = tree_form(Tree.balanced(3), 3)
    yield MarginCase("C = 3, equal numbers, three inputs", form, three, np.arange(3), np.ones(2))
    m, rounds = (6, 150) if preset == "full" else (4, 60)
    for classes in (3, 4, 5, 10) if preset == "full" else (3, 5):
        form = tree_form(Tree.balanced(classes), classes)
        equal = max(_equal(form, classes, m), key=lambda c: float(attained(c, steps=4, restarts=2).mean()) / claim(c))
        yield equal
        searched = sharpened(equal, rounds)
        yield replace(searched, name=f"C = {classes}, inputs and numbers searched")


def _equal(form: MarginForm, classes: int, m: int) -> Iterator[MarginCase]:
    """Several inputs and labels at a_S = 1."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        v = rng.normal(size=(m, 1 + seed % 3))
        if seed % 2:
            v *= np.where(np.arange(m) < 1 + seed % 3, 1.0, 0.05)[:, None]
        labels = rng.integers(0, classes, m) if seed % 4 else np.zeros(m, dtype=np.int64)
        yield MarginCase(f"C = {classes}, equal numbers", form, v, labels, np.ones(len(form.rows)))


def audit_margins(preset: Preset = "quick") -> list[Row]:
    """One row per case, with the twin that counts half of q^S."""
    rows = []
    for case in margin_cases(preset):
        right = claim(case)
        twin = ("q^S/2 for q^S", right / claim(replace(case, form=halved(case.form))))
        value = float(attained(case).mean())
        rows.append(Row("peeling", "theorem 2, true margins", case.name, value, right, 0.0, False, (twin,)))
    return rows
