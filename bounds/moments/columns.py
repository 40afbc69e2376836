"""What one pass is about: sub-samples, as weights λ² on the labels, and the moment p of each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.moments.constants import khintchine


@dataclass(frozen=True)
class Columns:
    """K runs of the pass at once. Run k bounds Σ_i λ_i ξ_i z_j(x_i), λ_i² = `weights[k, y_i]`, in moment `p[k]`.

    Weights 1 and 0 choose a sub-sample by label. Other weights are allowed because every rule is positively
    homogeneous: λ_i z_j(x_i) is a network of λ_i x_i and of a constant λ_i.
    """

    energies: Float64[np.ndarray, "nodes K"]
    """Of every input node j and sub-sample: Σ_i λ_i² ‖x_ij‖²."""
    counts: Float64[np.ndarray, " K"]
    """Σ_i λ_i², the energy of the constant 1."""
    p: Float64[np.ndarray, " K"]

    @classmethod
    def of_labels(
        cls,
        class_energies: Float64[np.ndarray, "C nodes"],
        class_counts: Float64[np.ndarray, " C"],
        weights: Float64[np.ndarray, "K C"],
        p: float,
    ) -> Columns:
        """From energies per label (C, input nodes), counts per label (C,) and weights (K, C), all in moment p."""
        weights = np.atleast_2d(np.asarray(weights, dtype=np.float64))
        return cls((weights @ class_energies).T, weights @ class_counts, np.full(len(weights), float(p)))

    @classmethod
    def of_moments(cls, energies: Float64[np.ndarray, " nodes"], count: float, p: Float64[np.ndarray, " K"]) -> Columns:
        """The whole sample, once per moment."""
        p = np.asarray(p, dtype=np.float64)
        return cls(np.repeat(energies[:, None], len(p), axis=1), np.full(len(p), float(count)), p)

    @cached_property
    def inputs(self) -> Float64[np.ndarray, "nodes K"]:
        """q of the input nodes: B √energy, (input nodes, K)."""
        return khintchine(self.p) * np.sqrt(self.energies)

    @property
    def constant(self) -> Float64[np.ndarray, " K"]:
        """q of the constant 1: B √count, (K,)."""
        return khintchine(self.p) * np.sqrt(self.counts)
