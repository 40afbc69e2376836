"""Layered networks whose layers have Lipschitz constants, as the spectral bounds need them, and what a class fixes.

A chain alternates learned linear maps A_1, …, A_L (no biases) with fixed maps that send 0 to 0: ReLU, leaky ReLU, max
and average pooling, one scale for all elements. Every number of a theorem that depends on the weights is paid for on
the grids of the margin engine:

* distance from zero: the network does not change when A_i is divided by s_i ≥ ‖A_i‖ and the product is given to the
  last layer, so a class fixes c = ρ Π s_i / γ and the ratios r_i = b_i / s_i alone (ρ: Lipschitz constants of the
  fixed maps);
* distance from a reference M: rescaling would move M, so a class fixes every s_i ≥ ‖A_i‖ and b_i ≥ ‖A_i − M_i‖, and
  then γ through c. A smaller margin has a smaller ramp loss, so the grid's γ may stand for the γ that was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.bound import NotCovered
from sparsebounds.bounds.graph.difference import difference
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import label
from sparsebounds.bounds.graph.memory import Memory
from sparsebounds.bounds.graph.terms import Diagonal, Dot, Pool
from sparsebounds.bounds.margin import slopes
from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.margin.grids import grid_up
from sparsebounds.bounds.norms import spectral_upper
from sparsebounds.bounds.norms.entries import linear_layer
from sparsebounds.bounds.sample.sample import Sample

LIPSCHITZ = math.sqrt(2.0)
"""Of the margin in ℓ2; the papers use 2."""
INTERNAL = 2.0
"""Covers whose elements lie in the class have twice the radius of those that need not (their norms are used below)."""
ASSUMES = (
    slopes.ASSUMES,
    "layered: every layer reads the one below it, no skips",
    "no biases",
    "max and average pooling and a common scale are fixed, not learned",
)


@dataclass(frozen=True)
class LipschitzChain:
    """A covered network: its learned layers with spectral norms, and the Lipschitz constants of the rest."""

    graph: Graph
    difference: Graph
    """Learned maps A − M; the network itself where there is no reference."""
    learned: tuple[int, ...]
    """Indices of the learned layers."""
    spectral: tuple[float, ...]
    """Never below ‖A_i‖."""
    log_fixed: float
    """log ρ: the product of the Lipschitz constants of pooling and scales."""
    centred: bool
    """Whether distances are taken from zero."""

    @property
    def memory(self) -> Memory:
        """What `per_graph` keeps of a chain belongs to its learned maps."""
        return self.difference.memory

    def dot(self, index: int) -> Dot:
        """The learned map of a layer."""
        return self.graph.dot(index)


def read_chain(graph: Graph, reference: object = None) -> LipschitzChain:
    """The chain of a graph.

    Args:
        graph: the network.
        reference: a Graph of the same structure whose weights were fixed without the sample, or None for zero.

    Returns:
        The chain.

    Raises:
        NotCovered: a skip, a bias, a learned scale, no learned layer; the layer is named.
        ValueError: weights that are not finite, or a reference of another structure.
    """
    learned, fixed = [], []
    for i, layer in graph.computed():
        if graph.sources(i) not in ([i - 1], []):
            raise NotCovered(f"{label(layer)} reads other layers than the one below it (a skip or a branch)")
        if layer.terms and _check_linear(graph, i):
            learned.append(i)
        else:
            fixed.append(i)
    if not learned:
        raise NotCovered("the network has no learned layer")
    uppers = {i: spectral_upper(graph, i) for i in (*learned, *fixed)}
    return LipschitzChain(
        graph=graph,
        difference=graph if reference is None else difference(graph, reference),
        learned=tuple(learned),
        spectral=tuple(uppers[i] for i in learned),
        log_fixed=sum(log(uppers[i]) for i in fixed),
        centred=reference is None,
    )


def _check_linear(graph: Graph, index: int) -> bool:
    """Whether the layer is learned; NotCovered for what the theorems do not allow."""
    layer = linear_layer(graph, index)
    if len(layer.terms) != 1:
        raise NotCovered(f"{label(layer)} adds several maps (a skip)")
    if layer.bias is not None and np.any(layer.bias != 0):
        raise NotCovered(f"{label(layer)} has a bias")
    (term,) = layer.terms
    if isinstance(term, Diagonal) and term.scale is not None and np.any(term.scale != term.scale.flat[0]):
        raise NotCovered(f"{label(layer)} scales elements one by one (a scale that may be learned)")
    if isinstance(term, Pool) and not _plain_pool(term):
        raise NotCovered(f"{label(layer)} pools with unequal weights (a scale that may be learned)")
    if not term.learned and not isinstance(term, Diagonal | Pool):
        raise NotCovered(f"{label(layer)} is a fixed map of a kind that this theorem does not know")
    return term.learned


def _plain_pool(pool: Pool) -> bool:
    """One coefficient for all windows, or one over the number of elements of each."""
    coefficient = np.asarray(pool.coefficient, dtype=np.float64)
    sites = np.maximum((pool.taps.sites >= 0).sum(axis=1), 1)[:, None]
    scaled = np.broadcast_to(coefficient, (len(sites), pool.taps.source.shape[2]))
    return any(np.ptp(values) <= 1e-6 * np.abs(values).max(initial=0.0) for values in (scaled, scaled * sites))


@dataclass(frozen=True)
class FixedClass:
    """What the union over norms costs, and the class that contains the network."""

    log_scale: float
    """log of ρ Π s_i, at γ = 1."""
    ratios: Float64[np.ndarray, " L"]
    """(L,) b_i / s_i of the class; never below the network's own."""
    nats: float
    """log(1/weight) of the grid points of every number but c."""
    terms: dict[str, Any] = field(default_factory=dict)

    @property
    def constant(self) -> bool:
        """Whether the class holds one function, 0."""
        return self.log_scale == -math.inf


def fix_class(chain: LipschitzChain, distances: Sequence[float], spectral: Sequence[float] | None = None) -> FixedClass:
    """Round the numbers that the class fixes up to their grids.

    Args:
        chain: the network.
        distances: (L,) b_i: norms of A_i − M_i, or of A_i, never below the truth.
        spectral: (L,) other Lipschitz constants than the chain's spectral norms.

    Returns:
        The class of smallest grid numbers that contains the network.

    Raises:
        ValueError: norms that overflow float64.
    """
    own = list(chain.spectral if spectral is None else spectral)
    shown = {
        "layers": tuple(chain.graph.layers[i].name for i in chain.learned),
        "s_i": tuple(own),
        "log rho of fixed maps": chain.log_fixed,
        "b_i": tuple(distances),
    }
    used: list[float] = own
    ratios: list[float] = []
    nats = 0.0
    zero = min(own) == 0 or chain.log_fixed == -math.inf
    if chain.centred:
        for s, b in zip(own, distances, strict=True):
            # The zero network lies in the class whose ratios are all 0.
            ratio, price = grid_up(0.0 if zero else b / s)
            ratios, nats = [*ratios, ratio], nats + price
    else:
        used = []
        for s, b in zip(own, distances, strict=True):
            up, price = grid_up(b)
            # A layer that has not moved has the norm of the reference, which was fixed in advance.
            s_up, s_price = (s, 0.0) if b == 0 else grid_up(s)
            used, nats = [*used, s_up], nats + price + s_price
            ratios.append(up / s_up if s_up > 0 else 0.0)
        shown |= {"s_i of the class": tuple(used)}
    log_scale = -math.inf if zero else sum(map(log, used)) + chain.log_fixed
    return FixedClass(log_scale, np.array(ratios), nats, {**shown, "b_i/s_i of the class": tuple(ratios)})


def covering_complexity(
    fixed: FixedClass,
    unit: float | Float64[np.ndarray, " L"],
    rademacher: Callable[[np.ndarray], float],
    terms: dict[str, Any],
) -> ClassSize:
    """The complexity of a class whose Rademacher complexity depends on C_i = unit · c · r_i.

    Args:
        fixed: the class.
        unit: what stands before c · r_i, one number or (L,).
        rademacher: (L,) C_i → an upper bound on R̂_S of the ramp losses, non-decreasing.
        terms: further factors for the reader.

    Returns:
        A curve with the 2 of symmetrisation in it.
    """
    shown = {**fixed.terms, **terms, "C_i / (c b_i/s_i)": np.asarray(unit).tolist()}
    prices = {"norms on their grids": fixed.nats}
    if fixed.constant:
        return ClassSize(-math.inf, 0.0, prices, terms=shown)

    def curve(c: float) -> float:
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = np.where(fixed.ratios * unit > 0, unit * c * fixed.ratios, 0.0)
        return 2.0 * rademacher(scaled)

    return ClassSize(fixed.log_scale, 0.0, prices, terms=shown, curve=curve)


def data_norm(sample: Sample) -> float:
    """‖X‖_F = (Σ_i ‖x_i‖²)^½.

    Raises:
        ValueError: it overflows float64.
    """
    scale = float(sample.energies.max(initial=0.0))
    norm = math.sqrt(scale) * math.sqrt(float((sample.energies / scale).sum())) if scale > 0 else 0.0
    if not math.isfinite(norm):
        raise ValueError("the inputs' norms overflow float64; needed smaller inputs: scale them")
    return norm


def log(x: float) -> float:
    """Natural logarithm with log 0 = −∞."""
    return math.log(x) if x > 0 else -math.inf
