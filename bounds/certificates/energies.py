"""The energies that a class of networks sees, their confidence bounds, and Theorem 3 for rows of given radii."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsebounds.bounds.bound import Bound
from sparsebounds.bounds.certificates.checks import check_every_class, check_left_out
from sparsebounds.bounds.confidence.bernstein import bernstein_upper
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.margin.checks import check_delta, check_gamma, check_match, preprocessing_note
from sparsebounds.bounds.margin.classes import ClassSize, certify
from sparsebounds.bounds.margin.grids import shares_up
from sparsebounds.bounds.moments.margin_forms import MarginForm
from sparsebounds.bounds.sample.sample import Sample

RATIOS = (1.1, 1.2, 1.5)
"""Ratios of the grid of radii that differ from row to row."""
SLACK = 1e-3
"""Z is computed from float32 inputs: its stated range is taken so much larger."""


@dataclass(frozen=True, eq=False)
class Energies:
    """Means of λ_k(y)² Z_S(x) and of its square over the sample, (R, K) each, and the range of Z_S, (R,)."""

    means: np.ndarray
    squares: np.ndarray
    largest: np.ndarray
    m: int
    weights: EnergyWeights
    """What the inputs were weighed with."""


def measure_energies(
    weights: EnergyWeights,
    form: MarginForm,
    values: np.ndarray,
    labels: np.ndarray,
    limits: np.ndarray,
    *,
    batch_size: int = 4096,
) -> Energies:
    """Pass once over what the network receives.

    Args:
        weights: Z_S.
        form: its sub-samples, λ_k².
        values: (m, …) the inputs of the network.
        labels: (m,) integers 0..C−1.
        limits: (R,) what no Z_S can exceed, known without looking at the sample.
        batch_size: samples at a time.

    Returns:
        Energies, float64.

    Raises:
        ValueError: a sample with a larger Z_S than its stated limit.
    """
    shape = (len(weights.constant), len(form.weights))
    means, squares, largest = np.zeros(shape), np.zeros(shape), np.zeros(shape[0])
    for start in range(0, len(values), batch_size):
        z = weights.of(values[start : start + batch_size])
        lambda2 = form.weights[:, labels[start : start + batch_size]]  # (K, B)
        means += (lambda2 @ z).T
        squares += (np.square(lambda2) @ np.square(z)).T
        largest = np.maximum(largest, z.max(axis=0))
    stated = np.asarray(limits, dtype=np.float64) * (1 + SLACK)
    if (largest > stated).any():
        worst = int(np.argmax(largest / np.maximum(stated, 1e-300)))
        raise ValueError(
            f"a weighted energy of the sample is {largest[worst]:.6g}, its stated limit {limits[worst]:.6g}; "
            "give a limit that holds for every input, or clip the inputs in a front end"
        )
    return Energies(means / len(values), squares / len(values), stated, len(values), weights)


def check_inputs(
    graph: Graph,
    sample: Sample,
    energies: Energies,
    needed: EnergyWeights,
    *,
    delta: float,
    gamma: float | str,
    left_out: Iterable[np.ndarray | None],
) -> None:
    """Raise ValueError unless a graph, its sample and energies weighed as needed belong together.

    None of the samples whose fingerprints are in `left_out` may be among the certified ones.
    """
    check_delta(delta)
    check_gamma(gamma)
    check_match(graph, sample)
    check_every_class(sample)
    for marks in left_out:
        check_left_out(sample, marks)
    if energies.m != sample.m:
        raise ValueError(f"energies of {energies.m} samples, margins of {sample.m}; needed the same sample")
    _check_weights(energies.weights, needed)


def concluded(
    sample: Sample,
    own: np.ndarray,
    reach: np.ndarray,
    paid: dict[str, float],
    measured: tuple[float, float],
    *,
    terms: dict[str, Any],
    name: str,
    tied_only: bool,
    delta: float,
    gamma: float | str,
) -> Bound:
    """Theorem 3 for rows of radii `own` that add `reach` to T at radius 1.

    Args:
        sample: the margins.
        own, reach: (R,).
        paid: prices of choices in nats.
        measured: the largest root of energy bounds over means, and log(1/failure probability) of each.
        terms: of the configuration.
        name: of the class.
        tied_only, delta, gamma: as for `ellipsoid_certificate`.
    """
    inflation, log_inverse = measured
    best = certify(_sizes(name, reach, own, paid, tied_only), sample, delta=delta, gamma=gamma)
    terms = {
        **terms,
        "energies: confidence bounds / means": inflation,
        "energies: log(1/failure probability) of each": log_inverse,
        **best.terms,
    }
    return Bound(
        value=best.value,
        margin_error=best.ramp,
        complexity=best.complexity,
        confidence=best.confidence,
        gamma=best.gamma,
        delta=delta,
        guarantee="certificate" if sample.preprocessing == "fixed" else "published",
        terms=terms,
        source="sparsebounds, theorems 1–3 of docs/theory.md",
        note=preprocessing_note(sample),
    )


def _check_weights(measured: EnergyWeights, needed: EnergyWeights) -> None:
    same = all(
        a.shape == b.shape and np.allclose(a, b, rtol=1e-9, atol=0.0)
        for a, b in ((measured.inputs, needed.inputs), (measured.constant, needed.constant))
    )
    if not same:
        raise ValueError("the energies were measured for another class; measure them with its own `energy_weights`")


def bernstein_limits(form: MarginForm, energies: Energies, log_inverse: float) -> tuple[np.ndarray, np.ndarray]:
    """U ≥ E λ_k(y)² Z(x) for every weighted energy Z and sub-sample k, w.p. 1 − ε each; and √(U/mean)."""
    reach = form.weights.max(axis=1)[None, :] * energies.largest[:, None]
    upper = np.minimum(bernstein_upper(energies.means, energies.squares, reach, energies.m, log_inverse), reach)
    positive = energies.means > 0
    return upper, np.sqrt(np.divide(upper, energies.means, out=np.ones_like(upper), where=positive))


def _sizes(name: str, reach: np.ndarray, own: np.ndarray, paid: dict[str, float], tied_only: bool) -> list[ClassSize]:
    """One radius for all rows, and, unless that was settled in advance, a radius per row on each grid."""
    largest = float(own.max(initial=0.0))
    log_scale = math.log(largest) if largest > 0 else -math.inf
    options: tuple[float | None, ...] = (None,) if tied_only or len(own) == 1 else (None, *RATIOS)
    if len(options) > 1:
        paid = {**paid, f"choice of radii, one of {len(options)}": math.log(len(options))}
    sizes = []
    for ratio in options:
        shares, nats = np.ones(len(own)), 0.0
        if ratio is not None and largest > 0:
            shares, nats = shares_up(own / largest, ratio)
        prices = {**paid, **({"radii of the rows on their grid": nats} if nats else {})}
        terms = {
            "weights of the last layer": name,
            "rows share one radius": ratio is None,
            "rows a_S / scale": shares.round(9).tolist(),
            "complexity of each row / all": (shares * reach / max(float(shares @ reach), 1e-300)).round(6).tolist(),
        }
        sizes.append(ClassSize(log_scale, float(shares @ reach), prices, one_sided=True, terms=terms))
    return sizes


@dataclass(frozen=True, eq=False)
class EnergyWeights:
    """Z_S(x) = Σ_j inputs[S, j] x_j² + constant[S] ≥ 0: what a class of ellipsoids weighs its inputs with."""

    inputs: np.ndarray
    """float64 (R, input elements)."""
    constant: np.ndarray
    """float64 (R,)."""
    p: float
    """The moment in which the hidden layers were peeled."""

    def of(self, values: np.ndarray) -> np.ndarray:
        """Z_S of inputs (m, …): float64 (m, R)."""
        flat = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
        return np.square(flat) @ self.inputs.T + self.constant

    def limits(self, largest: np.ndarray) -> np.ndarray:
        """What no Z_S can exceed if |x_j| ≤ largest_j: (R,)."""
        return np.square(np.ravel(largest)) @ self.inputs.T + self.constant


def over_axes(weights: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """weights / axes, 0 where both are; ValueError where only the axis is."""
    if ((axes == 0) & (weights != 0)).any():
        raise ValueError("a weight differs from 0 where the class fixes its axis to 0; train inside the class")
    return np.divide(weights, axes, out=np.zeros(np.broadcast_shapes(weights.shape, axes.shape)), where=axes > 0)
