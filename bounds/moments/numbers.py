"""What the class of networks fixes below the last layer: norms, after a rescaling that does not change the network.

A ReLU network keeps its function when a layer's values are multiplied by λ > 0 and the weights that read them divided
by it. Layers that a skip, a pooling or a maximum ties together share their λ; the first learned map of every such
group then has norm 1, and needs no number. All scale goes to the last layer, where it meets γ.
Letters λ and γ: docs/theory.md, "Theorem 3" and "Setting".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.margin.grids import exp_or_inf
from sparsebounds.bounds.moments.activations import ActivationStep
from sparsebounds.bounds.moments.plan import Learned, LinearStep, Plan

MOST_TAPS = 64
"""A shared map of at most so many blocks may have a number per block (tap form)."""


@dataclass(frozen=True)
class StepNumbers:
    """The numbers of one layer."""

    learned: tuple[Float64[np.ndarray, " ..."], ...]
    """Per learned map: a scalar A ≥ max_j ‖W_j‖_F, or (tap form) α ≥ ‖W_ji‖ of shape (1, T, M)."""
    scales: tuple[float | None, ...]
    """Per fixed map: max |scale|, None where nothing is learned."""
    bias: float | None
    """max_j ‖b_j‖, None where the layer has no bias."""


@dataclass(frozen=True)
class Numbers:
    """The numbers of all layers, and what each layer was multiplied by."""

    steps: dict[int, StepNumbers]
    log_scales: Float64[np.ndarray, " layers"]
    """log λ."""
    free: frozenset[tuple[int, int]]
    """(layer, learned map) whose largest number is 1 by the rescaling: nothing to pay for it."""


def own_numbers(plan: Plan, tap: bool = False) -> Numbers:
    """The exact numbers of the network itself, rescaled.

    Args:
        plan: see `read_plan`.
        tap: a number per block of a shared map with at most 64 of them, instead of one per map.

    Returns:
        Numbers; of the class with exactly these numbers the network is a member, up to rounding of float64.
    """
    groups = _tied(plan)
    log_scales = np.zeros(len(plan.graph.layers))
    known = {groups[0]}
    steps: dict[int, StepNumbers] = {}
    free: set[tuple[int, int]] = set()
    for step in plan.linear_steps.values():
        below = [_source_scale(plan, t, log_scales) for t in step.learned]
        norms = [_norms(t, tap) for t in step.learned]
        if groups[step.index] not in known:
            known.add(groups[step.index])
            size = float(norms[0].max(initial=0.0))
            log_scales[[i for i, g in enumerate(groups) if g == groups[step.index]]] = below[0] - math.log(size or 1.0)
            free.add((step.index, 0))
        steps[step.index] = _numbers(step, norms, below, float(log_scales[step.index]))
    return Numbers(steps, log_scales, frozenset(free))


def is_tap(learned: Learned) -> bool:
    """Whether a map may have a number per block; a matter of structure, not of weights."""
    if learned.rows is not None:
        return False
    b_count, t, m = learned.blocks.table.shape
    return b_count == 1 and 1 < t * m <= MOST_TAPS


def _norms(learned: Learned, tap: bool) -> Float64[np.ndarray, " ..."]:
    if tap and is_tap(learned):
        used = np.asarray((learned.blocks.taps >= 0).any(axis=1))[:, :, None]
        return np.where(used, learned.norms, 0.0)
    return np.asarray(learned.node_norms.max(initial=0.0))


def _numbers(step: LinearStep, norms: list[Float64[np.ndarray, " ..."]], below: list[float], own: float) -> StepNumbers:
    bias = None if step.bias is None else float(step.bias.max(initial=0.0)) * exp_or_inf(own)
    return StepNumbers(
        learned=tuple(np.asarray(n * exp_or_inf(own - b)) for n, b in zip(norms, below, strict=True)),
        scales=tuple(f.scale for f in step.fixed),
        bias=bias,
    )


def _source_scale(plan: Plan, learned: Learned, log_scales: Float64[np.ndarray, " layers"]) -> float:
    """log λ of the layers that a map reads; they are tied, so they have one."""
    nodes = learned.blocks.taps
    first = nodes.max(initial=-1)
    if first < 0:
        return 0.0
    return float(log_scales[np.searchsorted(plan.graph.node_offsets, first, side="right") - 1])


def _tied(plan: Plan) -> list[int]:
    """For every layer the first layer of its group: those that must share their λ."""
    parent = list(range(len(plan.graph.layers)))

    def find(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    def tie(layers: list[int]) -> None:
        roots = sorted({find(i) for i in layers})
        for root in roots[1:]:
            parent[root] = roots[0]

    for step in plan.steps:
        layer = plan.graph.layers[step.index]
        if isinstance(step, ActivationStep):
            # σ that is not homogeneous keeps its scale, which is that of the inputs.
            tie([step.index, *plan.graph.sources(step.index), *([] if step.function.homogeneous else [0])])
        if layer.maximum:
            tie([step.index, *plan.graph.sources(step.index)])
        for term in layer.terms:
            read = plan.graph.layer_of(term.elements_read)
            tie(read if term.learned else [*read, step.index])
    return [find(i) for i in range(len(parent))]
