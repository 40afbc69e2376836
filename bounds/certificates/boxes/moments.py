"""What weights that are bounded one by one are charged: first moments of signed sums of the inputs.

With |x_ni| ≤ B_i, λ_n ≤ λ and X_i = Σ_n ξ_n λ_n x_ni (letters: docs/theory.md, "Boxes")

    E|X_i| ≤ √(2/π) √(Σ_n λ_n² x_ni² + H λ²B_i²) + REST λ B_i

Σ_i β_i √(…)_i ≤ √(Σ_i β_i κ_i) √(Σ_i (β_i/κ_i) (…)_i) for any κ > 0 fixed without looking at the sample, about √E x_i²:
the data are seen through one weighted energy per row and sub-sample, as for ellipsoids. Proof: docs/theory.md, "Boxes".
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float64

from sparsebounds.bounds.certificates.energies import EnergyWeights
from sparsebounds.bounds.moments.margin_forms import MarginForm
from sparsebounds.bounds.sample.sample import Sample

H, REST = 4.43, 0.0024
"""E|Σ ξ_n a_n| ≤ √(2/π) √(Σ a_n² + H max a_n²) + REST max |a_n|."""
FIRST = math.sqrt(2.0 / math.pi)


def pairs(form: MarginForm) -> list[tuple[int, int]]:
    """(row, sub-sample) with a multiplier that is not 0."""
    return [(int(r), int(k)) for r, k in zip(*np.nonzero(form.multipliers), strict=True)]


def counted_pairs(form: MarginForm) -> Bool[np.ndarray, "pairs K"]:
    """The sub-sample of each pair."""
    found = pairs(form)
    out = np.zeros((len(found), len(form.weights)), dtype=bool)
    out[np.arange(len(found)), [k for _, k in found]] = True
    return out


def pair_weights(
    form: MarginForm, sides: Float64[np.ndarray, "R N"], sizes: Float64[np.ndarray, "pairs N"]
) -> EnergyWeights:
    """Z of every pair: Σ_i (β_i/κ_i) x_i², the constant, last, among the i."""
    rows = sides[[r for r, _ in pairs(form)]] / sizes
    return EnergyWeights(rows[:, :-1], rows[:, -1], p=1.0)


def first_moments(
    form: MarginForm,
    sides: Float64[np.ndarray, "R N"],
    sizes: Float64[np.ndarray, "pairs N"],
    largest: Float64[np.ndarray, " N"],
    energies: Float64[np.ndarray, "pairs K"],
    m: int,
) -> Float64[np.ndarray, " R"]:
    """Σ_k mult_{S,k} Σ_i β_{S,i} E|X_i^k|, at most: (R,).

    Args:
        form: of the margin step, R rows and K sub-samples.
        sides: β ≥ 0 of the inputs and of the constant 1, last.
        sizes: κ > 0.
        largest: B.
        energies: of every pair, its mean over the sample or more, in the column of its sub-sample.
        m: samples.
    """
    found = np.zeros(len(sides))
    own = energies[counted_pairs(form)]
    for (row, k), kappa, energy in zip(pairs(form), sizes, own, strict=True):
        beta, top = sides[row], float(form.weights[k].max())  # top: λ²
        more = H * top * float(np.sum(beta / kappa * np.square(largest)))
        first = FIRST * math.sqrt(float(beta @ kappa) * (m * float(energy) + more))
        found[row] += form.multipliers[row, k] * (first + REST * math.sqrt(top) * float(beta @ largest))
    return found


def check_shapes(
    form: MarginForm,
    sides: Float64[np.ndarray, ...],
    sizes: Float64[np.ndarray, ...],
    largest: Float64[np.ndarray, ...],
) -> None:
    """Raise ValueError unless sides, sizes and range are of one class, the constant 1 the last input."""
    shape, count = sides.shape, len(pairs(form))
    if shape[0] != len(form.rows) or sizes.shape != (count, shape[1]):
        raise ValueError(f"sides {shape} and sizes {sizes.shape} do not match {count} pairs of {len(form.rows)} rows")
    if not (np.isfinite(sides).all() and (sides >= 0).all() and (sizes > 0).all()):
        raise ValueError("sides must not be negative, sizes positive")
    if largest.shape != shape[1:] or not (largest >= 0).all() or largest[-1] < 1:
        raise ValueError(f"largest of shape {largest.shape}; needed {shape[1:]}, not negative, the last 1")


def check_range(sample: Sample, largest: Float64[np.ndarray, " N"]) -> None:
    """Raise ValueError unless all inputs of the sample are known to lie within B.

    The weights of the energies do not know B: energies of a class with another one would pass.
    """
    if sample.largest is None:
        raise ValueError("the sample has no largest values to compare with those of the class; use Sample.measure")
    if (np.ravel(sample.largest) > largest[:-1]).any():
        raise ValueError("an input of the sample is larger than the class states; clip the inputs in a front end")
