"""Boxes around a rehearsal, hidden layers too: what a search over their corners attains, against the claim.

Compared, over all signs, are E_ξ sup Σ_n ξ_n (D·v − D⁰·v⁰)(x_n) over the class, the last row in closed form and the
hidden rows through corners and points of their boxes, and Σ_i Ω_i e_i with the library's Ω and exact
e_i = E|Σ_n ξ_n z⁰_i(x_n)| (letters: docs/theory.md, "Boxes around a rehearsal"). A twin shifts the last row alone, as
if D⁰·v were a constant of the sample.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Shaped

from sparsebounds.bounds.audit.run import Row
from sparsebounds.bounds.audit.search.architectures import dense
from sparsebounds.bounds.audit.search.ascent import all_signs
from sparsebounds.bounds.audit.theorems.cases import Preset
from sparsebounds.bounds.certificates.boxes.moves import moves_of
from sparsebounds.bounds.graph.evaluation import activations

TRIED = 2000
"""Points of the hidden boxes: half of them corners."""


@dataclass(frozen=True, eq=False)
class CentredCase:
    """Inputs (m, d), weights of the rehearsal and h layer by layer, (in, out), the last (in, 1); ReLU between."""

    name: str
    x: Shaped[np.ndarray, "m inputs"]
    weights: list[np.ndarray]
    halves: list[np.ndarray]


def claims(case: CentredCase) -> tuple[float, float]:
    """Σ_i Ω_i e_i, and what the twin says that shifts the last row alone."""
    top = case.weights[-1]
    widths = (case.weights[0].shape[0], *(w.shape[1] for w in case.weights[:-1]))
    graph = dense(widths).graph([w.T for w in case.weights[:-1]], np.concatenate([top, -top], axis=1).T)
    no_bias = [np.concatenate([h, np.zeros((1, h.shape[1]))]) for h in case.halves]
    hidden = {i + 1: h[None] for i, h in enumerate(no_bias[:-1])}
    centre = np.append(top[:, 0], 0.0)[None]
    values = np.concatenate([v.reshape(len(case.x), -1) for v in activations(graph, case.x)[:-1]], axis=1)
    moments = np.append(np.abs(all_signs(len(case.x))[:, :, 0] @ values).mean(axis=0), 0.0)
    right = moves_of(graph, centre, no_bias[-1].T, hidden)[0]
    unshifted = moves_of(graph, 0.0 * centre, no_bias[-1].T, hidden)[0]  # only D − D⁰ sees that the values move
    return float(right @ moments), float(unshifted @ moments)


def attained(case: CentredCase, seed: int = 0) -> float:
    """E sup Σ_n ξ_n (D·v − D⁰·v⁰)(x_n) as far as found."""
    rng, signs = np.random.default_rng(seed), all_signs(len(case.x))[:, :, 0]
    centre, half = case.weights[-1][:, 0], case.halves[-1][:, 0]
    still = signs @ _values(case.x, case.weights[:-1]) @ centre
    best = np.zeros(len(signs))
    for k in range(TRIED):
        moved = [rng.uniform(-1, 1, size=h.shape) for h in case.halves[:-1]]
        moved = [np.sign(u) for u in moved] if k % 2 else moved
        weights = [w + u * h for w, u, h in zip(case.weights[:-1], moved, case.halves[:-1], strict=True)]
        shown = signs @ _values(case.x, weights)
        best = np.maximum(best, shown @ centre + np.abs(shown) @ half - still)
    return float(best.mean())


def centred_cases(preset: Preset) -> Iterator[CentredCase]:
    """One input, where the claim is attained by half, and networks at random with boxes narrow and wide."""
    one = np.ones((1, 1))
    for h in (0.05, 0.5):
        yield CentredCase(f"one input, h = {h}", one, [one, one], [h * one, h * one])
    yield CentredCase("one input, no hidden layer", one, [one], [0.5 * one])
    rng = np.random.default_rng(0)
    for k in range(40 if preset == "full" else 6):
        widths = [int(rng.integers(1, 3)) for _ in range(2 + k % 2)] + [1]
        shapes = list(itertools.pairwise(widths))
        weights = [rng.normal(size=shape) for shape in shapes]
        halves = [float(rng.choice([0.03, 0.3, 2.0])) * np.abs(rng.normal(size=shape)) for shape in shapes]
        yield CentredCase(f"number {k}", rng.normal(size=(int(rng.integers(1, 6)), widths[0])), weights, halves)


def audit_centred(preset: Preset = "quick") -> list[Row]:
    """One row per case, with the twin that shifts the last row alone."""
    rows = []
    for case in centred_cases(preset):
        right, unshifted = claims(case)
        twins = (("the last row alone shifted", right / unshifted),)
        statement = "boxes around a rehearsal, first moment"
        rows.append(Row("peeling", statement, case.name, attained(case), right, 0.0, False, twins))
    return rows


def _values(x: Shaped[np.ndarray, "m inputs"], weights: list[np.ndarray]) -> Float64[np.ndarray, "m h"]:
    for w in weights:
        x = np.maximum(x @ w, 0.0)
    return np.asarray(x, dtype=np.float64)
