"""Gonon, Brisebarre, Riccietti, Gribonval 2024: the path norm of a DAG, in expectation over the sample."""

from __future__ import annotations

import math

from sparsebounds.bounds.bound import PIECEWISE_LINEAR, Bound, declare
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.nonlinearities import Nonlinearity
from sparsebounds.bounds.graph.score_difference import score_difference
from sparsebounds.bounds.margin.architecture import architecture_prices
from sparsebounds.bounds.margin.conclude import bound_from_step
from sparsebounds.bounds.margin.grids import exp_or_inf
from sparsebounds.bounds.margin.payment import CAP
from sparsebounds.bounds.margin.step import MarginStep
from sparsebounds.bounds.norms import log_path_norm
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.theorems.chains.activations import log_growth, read_scales
from sparsebounds.bounds.theorems.chains.stages import Stages, read_stages
from sparsebounds.bounds.theorems.rademacher.path_norm import largest_of
from sparsebounds.bounds.unrounded import unrounded

NOTE = (
    "holds for the expectation over samples of the gap between error and ramp loss, for γ and a bound on the path norm "
    "fixed in advance; here the trained network's own, with the energies of this sample; δ plays no part"
)


OWN = "the activations' part of the constant is this library's proof"


@declare(
    summary="path norm of any network, in expectation",
    guarantee="expectation",
    assumes=("Lipschitz activations", "average and max pooling, skips, biases, inference batch norm"),
    source="Gonon, Brisebarre, Riccietti, Gribonval, A Path-Norm Toolkit for Modern Networks, ICLR 2024, Theorem 3.1, "
    "its constant as sharpened in the authors' code",
    covers=(*PIECEWISE_LINEAR, "activation"),
    fixed_gamma=True,
)
def gonon(graph: Graph, sample: Sample, *, delta: float, gamma: float = 1.0) -> Bound:
    """The ℓ1 path norm r, without a grid and without confidence.

    E err ≤ E mean ramp φ_γ + (4√2/(γ m)) σ r √(depth log 3 + Σ_pools log K + log((D + 1) C)),
    σ² = E max(m, max_j Σ_i x_ij²), depth one more than the stages of activations and max pools. Two classes:
    2√2, C = 1. For an activation that is not homogeneous log(1 + g) in place of log 3, and what rounding its scales
    changes, see `path_norm`.

    Args:
        gamma: a margin fixed in advance; "best" is not allowed.
        delta: recorded only. The sample's own energies stand for σ².

    Returns:
        An expectation, no certificate: `confidence` is 0.

    Example:
        >>> gonon(graph, sample, delta=0.001).guarantee
        'expectation'

    Source: as above. The loss is √2/γ-Lipschitz, for two classes 1/γ-Lipschitz in their difference. The authors count
    ResNet-18, whose first stage ends in a max pool, as depth 18; here that pool is one more, so that the constant
    follows from the peeling behind `path_norm` too: 1 + g ≤ 3 and 1 + 2K ≤ 3K.
    """
    if gamma == "best":
        raise ValueError("gamma='best'; the theorem speaks of one γ fixed in advance, give a number")
    architecture_prices(graph)  # nothing is paid in an expectation, but slopes that no theorem covers are refused
    binary = graph.classes == 2
    outputs = score_difference(graph) if binary else graph
    stages, log_r, scales = read_stages(outputs), log_path_norm(outputs), read_scales(outputs, sample.m)
    depth = 1 + stages.activations + len(stages.windows)
    constant = constant_of(depth, stages.windows, sample.energies.size, outputs.classes, _further(stages, scales.count))
    sigma = math.sqrt(max(sample.m, float(sample.energies.max())))
    lipschitz = (1.0 if binary else math.sqrt(2)) / gamma
    # 2 from symmetrisation, √2 more from the contraction of vectors; 1/γ stands apart, γ may be very small.
    factor = 2.0 if binary else 4.0
    rounding = scales.rounding(sample.energies, sample.m, largest_of(sample))
    unit = math.sqrt(2) * sigma * constant + rounding
    complexity = exp_or_inf(log_r + math.log(factor * unit / sample.m) - math.log(gamma))
    terms = {
        "path norm": exp_or_inf(log_r),
        "log path norm": log_r,
        "depth": depth,
        "K per max pool stage": stages.windows,
        **scales.terms,
        "inputs D": sample.energies.size,
        "classes C": graph.classes,
        "constant": constant,
        "sigma": sigma,
        "Lipschitz constant": lipschitz,
        "m": sample.m,
        "complexity uncapped": complexity,
    }
    step = MarginStep(
        sample.ramp(gamma), complexity if unrounded() else min(complexity, CAP), 0.0, float(gamma), delta, terms
    )
    own = any(isinstance(applied, Nonlinearity) for applied in stages.applied)
    return bound_from_step(step, gonon, sample, note="; ".join([NOTE, OWN] if own else [NOTE]))


def _further(stages: Stages, scales: int) -> float:
    """What activations need beyond log 3 each."""
    nats = [log_growth(applied, scales) for applied in stages.applied]
    return math.fsum(max(0.0, math.log1p(math.exp(n)) - math.log(3)) for n in nats)


def constant_of(depth: int, windows: tuple[int, ...], inputs: int, outputs: int, further: float = 0.0) -> float:
    """√(depth · log 3 + further + Σ log K + log((inputs + 1) · outputs)).

    Example:
        >>> round(4 * 2.64 / math.sqrt(int(0.99 * 1281167)) * constant_of(18, (9,), 150528, 1000), 7)
        0.0598941
    """
    pools = math.fsum(math.log(k) for k in windows)
    return math.sqrt(depth * math.log(3) + further + pools + math.log((inputs + 1) * outputs))
