"""The energies that a class of networks sees, and their confidence bounds.

One weighted energy Z_S per row S of the margin form, and one mean of it per sub-sample k: docs/theory.md, "Theorem 3".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int, Shaped, UInt64

from sparsebounds.bounds.confidence.bernstein import bernstein_upper
from sparsebounds.bounds.moments.margin_forms import MarginForm
from sparsebounds.bounds.sample.fingerprinting import fingerprints

Features = Callable[[np.ndarray], np.ndarray]
"""(m, …) inputs → (m, D): fixed functions of them whose energies a class sees, in place of the inputs' own."""
SLACK = 1e-3
"""Z is computed from float32 inputs: its stated range is taken so much larger."""


@dataclass(frozen=True, eq=False)
class EnergyWeights:
    """Z_S(x) = Σ_j inputs[S, j] x_j² + constant[S] ≥ 0: what a class weighs its inputs with."""

    inputs: Float64[np.ndarray, "R D"]
    constant: Float64[np.ndarray, " R"]
    p: float
    """The moment in which the hidden layers were peeled."""
    features: Features | None = None
    """What of the inputs is weighed; None: they themselves."""

    def of(self, values: Shaped[np.ndarray, "m ..."]) -> Float64[np.ndarray, "m R"]:
        """Z_S of inputs (m, …): float64 (m, R)."""
        seen = values if self.features is None else self.features(values)
        flat = np.asarray(seen, dtype=np.float64).reshape(len(values), -1)
        return np.square(flat) @ self.inputs.T + self.constant

    def limits(self, largest: Float[np.ndarray, " ..."]) -> Float64[np.ndarray, " R"]:
        """What no Z_S can exceed if |x_j| ≤ largest_j: (R,)."""
        return np.square(np.ravel(largest)) @ self.inputs.T + self.constant


@dataclass(frozen=True, eq=False)
class Energies:
    """Means of λ_k(y)² Z_S(x) and of its square over the sample, (R, K) each, and the range of Z_S, (R,)."""

    means: Float64[np.ndarray, "R K"]
    squares: Float64[np.ndarray, "R K"]
    largest: Float64[np.ndarray, " R"]
    m: int
    weights: EnergyWeights
    """What the inputs, or their features, were weighed with."""
    lambdas: Float64[np.ndarray, "K C"]
    """λ² of the form that they were added up with."""
    inputs: Float64[np.ndarray, "C d"]
    """Σ over the samples of a class of the inputs squared: whose energies these are."""
    marks: UInt64[np.ndarray, " m"] | None = None
    """Fingerprints of the inputs whose features were weighed: sums of squares do not know the sign of an input."""


def measure_energies(
    weights: EnergyWeights,
    form: MarginForm,
    values: Shaped[np.ndarray, "m ..."],
    labels: Int[np.ndarray, " m"],
    limits: Float64[np.ndarray, " R"],
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
    inputs = np.zeros((form.weights.shape[1], math.prod(values.shape[1:])))
    for start in range(0, len(values), batch_size):
        shown, own = values[start : start + batch_size], labels[start : start + batch_size]
        z = weights.of(shown)
        lambda2 = form.weights[:, own]  # (K, B)
        inputs += np.equal.outer(np.arange(len(inputs)), own) @ np.square(
            shown.reshape(len(shown), -1), dtype=np.float64
        )
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
    n, marks = len(values), None if weights.features is None else marks_of(values)
    return Energies(means / n, squares / n, stated, n, weights, form.weights.copy(), inputs, marks)


def marks_of(values: Shaped[np.ndarray, "m ..."]) -> UInt64[np.ndarray, " m"]:
    """Fingerprints of what a network receives, as float32."""
    return fingerprints(np.asarray(values, dtype=np.float32))


def bernstein_limits(
    form: MarginForm, energies: Energies, log_inverse: float
) -> tuple[Float64[np.ndarray, "R K"], Float64[np.ndarray, "R K"]]:
    """U ≥ E λ_k(y)² Z(x) for every weighted energy Z and sub-sample k, w.p. 1 − ε each; and √(U/mean)."""
    reach = form.weights.max(axis=1)[None, :] * energies.largest[:, None]
    upper = np.minimum(bernstein_upper(energies.means, energies.squares, reach, energies.m, log_inverse), reach)
    positive = energies.means > 0
    return upper, np.sqrt(np.divide(upper, energies.means, out=np.ones_like(upper), where=positive))
