"""How much noise on weights and biases a network bears: theorem P.

Let ‖U_t‖ ≤ τ_t for every learned map and ‖u_i‖ ≤ τ_i for every bias, over all its elements. Then for every input

    ‖f_{w+u}(x) − f_w(x)‖ ≤ Σ_t Λ⁺_t χ_t τ_t + Σ_i Λ⁺_i τ_i,

χ_t the size of what map t reads in the network itself, Λ⁺ the multiplier of the layer it stands in, with s + τ in place
of s above it. Proof: exchange the layers one after the other, the perturbed ones above, the others below. In one step
both networks read the same values, of norm at most χ, so that those of the layer differ by Σ_t τ_t χ_t + τ_i at most,
and all that lies above it has norms of at most s + τ.

Only for networks whose multipliers depend on no size of values: no products, no normalisation, no attention.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from sparsebounds.bounds.theorems.passes.cover import backward, forward
from sparsebounds.bounds.theorems.passes.fixed import Fixed
from sparsebounds.bounds.theorems.passes.maps import Place, sources_of_terms
from sparsebounds.bounds.theorems.passes.sizes import Size, joined, log_sum

Array = Place | int
"""A learned map, or the layer of a bias."""


@dataclass(frozen=True)
class Bearing:
    """A class of networks and what noise does to them; logarithms throughout."""

    fixed: Fixed
    sizes: tuple[Size, ...]
    """Of the values of each layer."""
    read: Mapping[Array, float]
    """log χ_t of what each map reads; 0 for a bias."""

    @classmethod
    def of(cls, fixed: Fixed, maps: Iterable[Place], inputs: Size) -> Bearing:
        """Of a class, on every input within these sizes.

        Args:
            fixed: norms of all maps and biases.
            maps: the learned ones.
            inputs: of any one input.
        """
        sizes = forward(fixed, inputs, 1)
        read: dict[Array, float] = dict.fromkeys(fixed.offsets, 0.0)
        for place in maps:
            sources = sources_of_terms(fixed.graph, place.layer)[place.term]
            read[place] = joined(sizes[v] for v in sources).largest
        return cls(fixed, sizes, read)

    def reaches(self, noise: Mapping[Array, float]) -> dict[Array, float]:
        """log Λ⁺_t χ_t, log Λ⁺_i of every array, where all that lies above has noise of these norms."""
        norms = {place: float(np.logaddexp(s, noise.get(place, -np.inf))) for place, s in self.fixed.norms.items()}
        multipliers = backward(replace(self.fixed, norms=norms), self.sizes)
        return {a: multipliers[_layer(a)] + size for a, size in self.read.items()}

    def bearable(self, shares: Mapping[Array, float], log_change: float) -> dict[Array, float]:
        """log τ of each array: noise that changes the scores by no more than this.

        Args:
            shares: log of the part of the change that each array may cause; the parts add up to 1. Arrays that no score
                depends on have none.
            log_change: log of the change in ℓ2.

        Returns:
            For the arrays in `shares`. The first guess leaves out what noise does to the norms above; it is then
            divided by how much too large it was: the change grows faster than the noise.
        """
        plain = self.reaches({})
        first = {a: share + log_change - plain[a] for a, share in shares.items()}
        raised = self.reaches(first)
        over = log_sum(first[a] + raised[a] for a in first) - log_change
        return {a: tau - max(over, 0.0) for a, tau in first.items()}


def _layer(array: Array) -> int:
    return array.layer if isinstance(array, Place) else array
