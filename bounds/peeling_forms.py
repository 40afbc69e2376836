"""The classes of networks that peeling by moments can fix: which numbers, on which grids, at what price."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bounds.graph import Graph
from bounds.head import Head, read_head
from bounds.margin import exp_or_inf, grid_up, shares_up
from bounds.moments import P_GRID, Columns, Numbers, Plan, forward, own_numbers, read_plan
from bounds.moments.numbers import StepNumbers, is_tap
from bounds.moments.plan import LinearStep
from bounds.sample import Sample
from bounds.theorem3 import ClassSize
from bounds.tree_margin import MarginForm

RATIOS = (1.1, 1.2, 1.5, 2.0)
"""Ratios of the grids of the numbers beside the scale; the choice is paid for."""
BIAS_WEIGHTS = (0.25, 1.0, 4.0)
"""τ_0: how large a bias of the last layer may be beside its weights; the choice is paid for."""


@dataclass(frozen=True)
class Setting:
    """One combination of choices made after looking."""

    tap: bool
    ratio: float
    tied: bool
    """One number for all rows of the last layer instead of one each."""
    bias_weight: float


def settings(plan: Plan, head: Head, classes: int) -> Iterator[Setting]:
    """All combinations; what there is to choose depends on the architecture alone."""
    taps = any(is_tap(t) for step in plan.steps if isinstance(step, LinearStep) for t in step.learned)
    yield from itertools.starmap(
        Setting,
        itertools.product(
            (False, True) if taps else (False,),
            RATIOS,
            (False, True) if classes > 2 else (True,),
            BIAS_WEIGHTS if head.bias is not None else (1.0,),
        ),
    )


class Peeled:
    """A network and a sample, prepared; every class that contains the network is a `size` of it."""

    def __init__(self, graph: Graph, sample: Sample, mask_fixed: bool) -> None:
        self.plan = read_plan(graph, mask_fixed)
        self.head = read_head(graph)
        self.m = sample.m
        self.class_counts = sample.class_counts.astype(np.float64)
        self.class_energies = np.stack([graph.node_sums(0, e) for e in sample.class_energies])
        self.read = self.head.present if mask_fixed else np.ones(len(self.head.nodes), dtype=bool)
        self._q: dict[tuple[bool, float, int], np.ndarray] = {}

    def size(self, form: MarginForm, setting: Setting) -> ClassSize:
        """The class that this form and setting fix around the network."""
        numbers, prices = self._rounded(setting.tap, setting.ratio)
        q = self._moments(setting, numbers, form)
        log_scale, shares, head_price = self._rows(form, setting, numbers.log_scales)
        counts = form.weights @ self.class_counts
        bias2 = 0.0 if self.head.bias is None else setting.bias_weight**2 * counts
        reach = np.sqrt(np.square(q).sum(axis=0) + bias2)
        unit = float(shares @ (form.multipliers @ reach))
        terms = {
            "margin form": form.name,
            "numbers below the last layer": "per tap" if setting.tap else "per layer",
            "p": self._moment(setting.tap),
            "ratio of the grids": setting.ratio,
            "rows share one number": setting.tied,
            "rows a_S / scale": shares.round(9).tolist() if len(shares) <= 20 else float(shares.max(initial=0.0)),
            "sqrt(sum q^2) of the sample": float(reach[0]),
            "bias weight tau_0": setting.bias_weight,
        }
        return ClassSize(log_scale, unit, {**prices, **head_price}, terms=terms)

    # ---- the last layer -------------------------------------------------------------------------------------------

    def _rows(
        self, form: MarginForm, setting: Setting, log_scales: np.ndarray
    ) -> tuple[float, np.ndarray, dict[str, float]]:
        """log of the largest row norm, all rows relative to it on their grid, and the price."""
        logs = -log_scales[self._layer_of_elements]
        shift = float(logs.max(initial=0.0))
        rows = form.rows @ (self.head.weights * np.exp(logs - shift))
        squares = self.head.square_norms(rows)[:, self.read].sum(axis=1)
        if self.head.bias is not None:
            squares = squares + np.square(form.rows @ self.head.bias * exp_or_inf(-shift) / setting.bias_weight)
        norms = np.sqrt(squares)
        largest = float(norms.max(initial=0.0))
        if largest == 0.0:
            return -math.inf, np.ones(len(norms)), {}
        if setting.tied:
            return math.log(largest) + shift, np.ones(len(norms)), {}
        shares, nats = shares_up(norms / largest, setting.ratio)
        return math.log(largest) + shift, shares, {"numbers of the last layer": nats}

    @cached_property
    def _layer_of_elements(self) -> np.ndarray:
        return np.searchsorted(self.plan.graph.offsets, self.head.elements, side="right") - 1

    # ---- the layers below -----------------------------------------------------------------------------------------

    def _rounded(self, tap: bool, ratio: float) -> tuple[Numbers, dict[str, float]]:
        return rounded(own_numbers(self.plan, tap), ratio)

    def _moment(self, tap: bool) -> float:
        """The p that makes the reach of the whole sample smallest; a device of the proof, free."""
        key = (tap, 0.0, 0)
        if key not in self._q:
            columns = Columns.of_moments(self.class_energies.sum(axis=0), self.m, np.array(P_GRID))
            q = forward(self.plan, own_numbers(self.plan, tap), columns)[self.head.nodes[self.read]]
            self._q[key] = np.asarray(P_GRID[int(np.argmin(np.square(q).sum(axis=0)))])
        return float(self._q[key])

    def _moments(self, setting: Setting, numbers: Numbers, form: MarginForm) -> np.ndarray:
        """q of the nodes that the last layer reads, for every sub-sample of the form: (J, K)."""
        ratio = setting.ratio if any(_paid(numbers)) else 0.0
        key = (setting.tap, ratio, id(form.weights))
        if key not in self._q:
            p = self._moment(setting.tap)
            columns = Columns.of_labels(self.class_energies, self.class_counts, form.weights, p)
            self._q[key] = forward(self.plan, numbers, columns)[self.head.nodes[self.read]]
        return self._q[key]


def _paid(numbers: Numbers) -> Iterator[bool]:
    """Whether a number of the class is on a grid, one after the other."""
    for index, step in numbers.steps.items():
        yield from (not ((index, i) in numbers.free and not n.ndim) for i, n in enumerate(step.learned))
        yield from (scale is not None for scale in step.scales)
        yield step.bias is not None


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
