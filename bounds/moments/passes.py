"""The passes of Theorem 1 over one network and one sample, each made once; q and p: docs/theory.md, "Setting"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial

import numpy as np
from jaxtyping import Bool, Float64

from sparsebounds.bounds.graph.head import Head
from sparsebounds.bounds.moments.columns import Columns
from sparsebounds.bounds.moments.constants import P_GRID
from sparsebounds.bounds.moments.energies import EnergiesUpper
from sparsebounds.bounds.moments.forward_pass import forward
from sparsebounds.bounds.moments.margin_forms import MarginForm
from sparsebounds.bounds.moments.numbers import Numbers, own_numbers
from sparsebounds.bounds.moments.plan import LinearStep, Plan
from sparsebounds.bounds.moments.rounding import all_ones, any_paid, rounded
from sparsebounds.bounds.sample.sample import Sample

Rounded = tuple[Numbers, dict[str, float]]
UNUSED = 2.0
"""The ratio of grids on which no number stands."""


@dataclass(frozen=True, eq=False)
class Passes:
    """q of the nodes that the last layer reads, for every class around a network.

    What depends on settings is a property that holds a function of them, which remembers its values.
    """

    plan: Plan
    head: Head
    sample: Sample
    read: Bool[np.ndarray, " nodes"]
    """Those that count."""

    @cached_property
    def energies(self) -> Float64[np.ndarray, " inputs"]:
        """Σ_i ‖x_ij‖² per input node."""
        return self.plan.graph.node_sums(0, self.sample.energies)

    @cached_property
    def class_energies(self) -> Float64[np.ndarray, "C inputs"]:
        """The same per label, (C, input nodes)."""
        return np.stack([self.plan.graph.node_sums(0, e) for e in self.sample.class_energies])

    @cached_property
    def numbers(self) -> Callable[[bool], Numbers]:
        """The network's own numbers, per tap (True) or per layer."""
        return cache(partial(own_numbers, self.plan))

    @cached_property
    def rounded(self) -> Callable[[bool, float], Rounded]:
        """The same on the grids of a ratio, and their prices."""
        return cache(lambda tap, ratio: rounded(self.numbers(tap), ratio))

    @cached_property
    def moment(self) -> Callable[[bool], float]:
        """The p that makes the reach of the whole sample smallest; a device of the proof, free."""
        return cache(self._moment)

    @cached_property
    def columns(self) -> Callable[[MarginForm, float, EnergiesUpper | None], Columns]:
        """The sub-samples of a form in moment p: of the sample, or of upper bounds on expected energies."""
        return cache(self._columns)

    def q(self, tap: bool, ratio: float, form: MarginForm, upper: EnergiesUpper | None) -> Float64[np.ndarray, "J K"]:
        """(J, K): of the class on these grids, per sub-sample."""
        on_grids = any_paid(self.numbers(tap))  # otherwise all ratios share one pass
        return self._on_grids(tap, ratio if on_grids else UNUSED, form, upper)

    def of(self, numbers: Numbers, columns: Columns) -> Float64[np.ndarray, "J K"]:
        """One pass."""
        return forward(self.plan, numbers, columns)[self.head.nodes[self.read]]

    @cached_property
    def structure(self) -> Float64[np.ndarray, "J 1"]:
        """(J, 1), p = 2: if all inputs were ±1 and all norms 1; a matter of the architecture and of m."""
        own = self.numbers(False)
        ones = replace(own, steps={i: all_ones(step) for i, step in own.steps.items()})
        graph, m = self.plan.graph, self.sample.m
        energies = m * graph.node_sums(0, np.ones(graph.input.size))
        return self.of(ones, Columns.of_moments(energies, m, np.array([2.0])))

    @cached_property
    def by_class(self) -> Float64[np.ndarray, "J columns"]:
        """(J, 1 + C), p = 2, with the network's own numbers: of the whole sample, and of every label alone."""
        classes = self.plan.graph.classes
        weights = np.concatenate([np.ones((1, classes)), np.eye(classes)])
        return self.of(self.numbers(False), self._of_labels(weights, 2.0))

    @cached_property
    def _whole(self) -> Columns:
        """The whole sample in every moment that is tried."""
        return Columns.of_moments(self.energies, self.sample.m, np.array(P_GRID))

    @cached_property
    def _on_grids(self) -> Callable[[bool, float, MarginForm, EnergiesUpper | None], np.ndarray]:
        return cache(
            lambda tap, ratio, form, upper: self.of(
                self.rounded(tap, ratio)[0], self.columns(form, self.moment(tap), upper)
            )
        )

    def _moment(self, tap: bool) -> float:
        q = np.ones((1, 1))  # p = 2 where nothing below the last layer depends on p but the input
        if any(not isinstance(s, LinearStep) or s.slope < 1.0 for s in self.plan.steps):
            q = self.of(self.numbers(tap), self._whole)
        return P_GRID[int(np.argmin(np.square(q).sum(axis=0)))]

    def _of_labels(self, weights: Float64[np.ndarray, "K C"], p: float) -> Columns:
        return Columns.of_labels(self.class_energies, self.sample.class_counts.astype(np.float64), weights, p)

    def _columns(self, form: MarginForm, p: float, upper: EnergiesUpper | None) -> Columns:
        if upper is None and (form.weights == 1.0).all():
            return Columns.of_moments(self.energies, self.sample.m, np.full(len(form.weights), p))
        if upper is None:
            return self._of_labels(form.weights, p)
        found = [upper.of(row) for row in form.weights]
        energies = np.stack([self.plan.graph.node_sums(0, e) for e, _ in found], axis=1)
        return Columns(energies, np.array([c for _, c in found]), np.full(len(found), p))
