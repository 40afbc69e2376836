"""The numbers of a class below the last layer, on grids written down in advance: rounded up, and paid for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sparsebounds.bounds.margin.grids import grid_up, shares_up
from sparsebounds.bounds.moments.numbers import Numbers, StepNumbers


def all_ones(step: StepNumbers) -> StepNumbers:
    """All norms 1, no biases."""
    learned = tuple(np.ones_like(n) for n in step.learned)
    return StepNumbers(learned, tuple(None if s is None else 1.0 for s in step.scales), None)


def any_paid(numbers: Numbers) -> bool:
    """Whether any number below the last layer is on a grid."""
    for index, step in numbers.steps.items():
        if step.bias is not None or any(scale is not None for scale in step.scales):
            return True
        if any(n.ndim or (index, i) not in numbers.free for i, n in enumerate(step.learned)):
            return True
    return False


def rounded(numbers: Numbers, ratio: float) -> tuple[Numbers, dict[str, float]]:
    """Every number on its grid, and the prices in nats by kind.

    Args:
        numbers: the network's own.
        ratio: of the grids.

    Returns:
        Numbers not below the network's own, and log(1/weight) of: norms per layer, norms per tap, biases, scales.
    """
    prices = {"norms per layer": 0.0, "norms per tap": 0.0, "norms of biases": 0.0, "elementwise scales": 0.0}
    steps: dict[int, StepNumbers] = {}

    def pay(kind: str, value: float) -> float:
        up, nats = grid_up(value, ratio)
        prices[kind] += nats
        return up

    for index, step in numbers.steps.items():
        learned = []
        for i, number in enumerate(step.learned):
            top = 1.0 if (index, i) in numbers.free else pay("norms per layer", float(number.max(initial=0.0)))
            if not number.ndim:
                learned.append(np.asarray(top))
                continue
            shares, nats = shares_up(number / (top or 1.0), ratio)
            prices["norms per tap"] += nats
            learned.append(shares * top)
        scales = tuple(None if s is None else pay("elementwise scales", s) for s in step.scales)
        bias = None if step.bias is None else pay("norms of biases", step.bias)
        steps[index] = replace(step, learned=tuple(learned), scales=scales, bias=bias)
    return replace(numbers, steps=steps), {kind: nats for kind, nats in prices.items() if nats > 0.0}
