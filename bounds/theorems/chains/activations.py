"""What an activation costs inside E exp(λ sup …), and the scales at which a network has it.

σ with slopes in [a, b] is α·id + β·ψ, ψ 1-Lipschitz, |α| + β = λ = max(|a|, |b|), β = (b − a)/2. With A = sup |Σ ξ t|
and B = sup |Σ ξ ψ(t)| over one class, sup |Σ ξ σ(t)| ≤ |α| A + β B, and by Hölder's inequality and contraction

    E exp(μ sup |Σ ξ σ(t)|) ≤ (E e^{μλA})^{|α|/λ} (E e^{μλB})^{β/λ} ≤ 2^{β/λ} E exp(μλA)            (√2 for ReLU).

A unit of gain κ has, divided by it, the activation σ_k(t) = σ(kt)/k with k = κ/λ: σ itself where σ is homogeneous.
Otherwise the network's k lie between two powers of e, which the class fixes; rounded to K scales of ratio e^{1/m} they
change a normalised unit by at most (b − a)/λ · max(1, |x|_∞)/2m for every activation on a path, as
|d σ_k(t)/d log k| ≤ (b − a)|t|; and the K functions share α·id, so that K stands beside the 2 (σ odd: K alone, as the
class is symmetric).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Activation
from sparsebounds.bounds.graph.nonlinearities import Nonlinearity
from sparsebounds.bounds.norms.path import log_gains

Applied = float | Nonlinearity
"""The slope of a leaky ReLU between 0 and 1, or another function."""
SLACK = 1e-9
"""Logarithms of gains are known up to rounding."""


def log_growth(applied: Applied, scales: int = 1) -> float:
    """log of what an activation costs: β/λ · log 2, or log of 2K or K where it is not homogeneous.

    Args:
        applied: the slope of a leaky ReLU, or another function.
        scales: K.

    Example:
        >>> from sparsebounds.bounds.graph.nonlinearities import ABS, TANH
        >>> [round(math.exp(2 * log_growth(applied, 9)), 9) for applied in (0.0, ABS, TANH)]
        [2.0, 4.0, 9.0]
    """
    if not isinstance(applied, Nonlinearity):
        return (1.0 - applied) / 2 * math.log(2.0)
    share = (applied.high - applied.low) / (2 * applied.lipschitz)
    if applied.homogeneous:
        return share * math.log(2.0)
    return share * math.log(scales if applied.odd else 2.0 * scales)


def keeps_one(applied: Applied) -> bool:
    """Whether σ(1) = λ for a homogeneous σ: the constant 1 is then among what σ/λ makes of a class that contains it."""
    if not isinstance(applied, Nonlinearity):
        return True
    return applied.homogeneous and float(applied.apply(np.ones(1))[0]) == applied.lipschitz


def roughness(function: Nonlinearity) -> float:
    """(b − a)/λ, what rounding its scale may change; 0 where it is homogeneous."""
    return 0.0 if function.homogeneous else (function.high - function.low) / function.lipschitz


@dataclass(frozen=True)
class Scales:
    """The scales at which a network has its activations: K of them, e^top · e^{−i/m}."""

    top: int
    reach: int
    """They end above e^(top − reach)."""
    count: int
    """K."""
    roughness: float
    """Σ (b − a)/λ along the path on which it is largest."""

    @property
    def prices(self) -> dict[str, float]:
        """Of top and reach: weights 1/(2(|i|+1)(|i|+2)) and 1/((r+1)(r+2))."""
        if not self.roughness:
            return {}
        nats = math.log(2 * (abs(self.top) + 1) * (abs(self.top) + 2)) + math.log((self.reach + 1) * (self.reach + 2))
        return {"scales of activations": nats}

    def rounding(self, energies: Float64[np.ndarray, " ..."], m: int, largest: float | None) -> float:
        """What rounding the scales changes in Σ_i ξ_i f(x_i), at path norm 1: roughness/2m · Σ_i max(1, |x_i|_∞).

        Args:
            energies: Σ_i x_ij² per coordinate.
            m: number of inputs.
            largest: max_i |x_i|_∞; None: from the energies alone.
        """
        if not self.roughness:
            return 0.0
        total = math.sqrt(m * (m + float(np.sum(energies))))
        return self.roughness / 2 * min(total / m, math.inf if largest is None else max(1.0, largest))

    @property
    def terms(self) -> dict[str, object]:
        """For `terms`; empty where all activations are homogeneous."""
        if not self.roughness:
            return {}
        return {"scales of activations": f"e^{self.top} to e^{self.top - self.reach}", "scales K": self.count}


def read_scales(graph: Graph, m: int, max_pool: Literal["sum", "max"] = "sum") -> Scales:
    """The scales that a network needs, from the gains of what its activations read.

    Args:
        graph: any network.
        m: the ratio of neighbouring scales is e^{1/m}.
        max_pool: how gains pass max pools, see `log_path_norms`.
    """
    rough = [0.0] * len(graph.layers)
    for i, layer in graph.computed():
        own = roughness(layer.function) if isinstance(layer, Activation) else 0.0
        rough[i] = own + max((rough[s] for s in graph.sources(i)), default=0.0)
    gains = log_gains(graph, max_pool=max_pool)
    if gains.largest == -math.inf:
        return Scales(0, 0, 1, rough[-1])
    top = math.ceil(gains.largest + SLACK)
    reach = math.ceil(top - gains.smallest + SLACK)
    return Scales(top, reach, reach * m + 1, rough[-1])
