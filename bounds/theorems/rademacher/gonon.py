"""Gonon, Brisebarre, Riccietti, Gribonval 2024: the path norm of a DAG, in expectation over the sample."""

from __future__ import annotations

import math

from sparsebounds.bounds.bound import Bound, NotCovered, declare
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import label
from sparsebounds.bounds.margin.conclude import bound_from_step
from sparsebounds.bounds.margin.grids import exp_or_inf
from sparsebounds.bounds.margin.step import MarginStep
from sparsebounds.bounds.norms import log_path_norm
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.theorems.chains.stages import Stages, read_stages

NOTE = (
    "holds for the expectation over samples of the gap between error and ramp loss, for γ and a bound on the path norm "
    "fixed in advance; here the trained network's own, with the energies of this sample; δ plays no part"
)


@declare(
    summary="path norm of any ReLU network, in expectation",
    guarantee="expectation",
    assumes=("ReLU", "average and max pooling, skips, biases, inference batch norm"),
    source="Gonon, Brisebarre, Riccietti, Gribonval, A Path-Norm Toolkit for Modern Networks, ICLR 2024, Theorem 3.1, "
    "its constant as sharpened in the authors' code",
)
def gonon(graph: Graph, sample: Sample, *, delta: float, gamma: float = 1.0) -> Bound:
    """The ℓ1 path norm r, without a grid and without confidence.

    E err ≤ E mean ramp φ_γ + (4√2/(γ m)) σ r √(depth log 3 + Σ_pools log K + log((D + 1) C)),
    σ² = E max(m, max_j Σ_i x_ij²), depth one more than the stages of activations and max pools.

    Args:
        gamma: a margin fixed in advance; "best" is not allowed.
        delta: recorded only. The sample's own energies stand for σ².

    Returns:
        An expectation, no certificate: `confidence` is 0.

    Example:
        >>> gonon(graph, sample, delta=0.001).guarantee
        'expectation'

    Source: as above. The loss is √2/γ-Lipschitz. The authors count ResNet-18, whose first stage ends in a max pool, as
    depth 18; here that pool is one more, so that the constant follows from the peeling behind `path_norm` too.
    """
    if gamma == "best":
        raise ValueError("gamma='best'; the theorem speaks of one γ fixed in advance, give a number")
    stages, log_r = _stages(graph), log_path_norm(graph)
    depth = 1 + stages.activations + len(stages.windows)
    constant = constant_of(depth, stages.windows, sample.energies.size, graph.classes)
    sigma = math.sqrt(max(sample.m, float(sample.energies.max())))
    complexity = exp_or_inf(log_r + math.log(4 * math.sqrt(2) * sigma * constant / sample.m) - math.log(gamma))
    terms = {
        "path norm": exp_or_inf(log_r),
        "log path norm": log_r,
        "depth": depth,
        "K per max pool stage": stages.windows,
        "inputs D": sample.energies.size,
        "classes C": graph.classes,
        "constant": constant,
        "sigma": sigma,
        "Lipschitz constant": math.sqrt(2) / gamma,
        "m": sample.m,
    }
    step = MarginStep(sample.ramp(gamma), complexity, 0.0, float(gamma), delta, terms)
    return bound_from_step(step, gonon, sample, note=NOTE)


def _stages(graph: Graph) -> Stages:
    for layer in graph.layers:
        if layer.slope not in (0.0, 1.0):
            raise NotCovered(f"a leaky ReLU in {label(layer)}")
    return read_stages(graph)


def constant_of(depth: int, windows: tuple[int, ...], inputs: int, outputs: int) -> float:
    """√(depth · log 3 + Σ log K + log((inputs + 1) · outputs)).

    Example:
        >>> round(4 * 2.64 / math.sqrt(int(0.99 * 1281167)) * constant_of(18, (9,), 150528, 1000), 7)
        0.0598941
    """
    pools = math.fsum(math.log(k) for k in windows)
    return math.sqrt(depth * math.log(3) + pools + math.log((inputs + 1) * outputs))
