"""The classes of networks that peeling by moments can fix: which numbers, on which grids, at what price.

Letters q, τ, a_S, D_S: docs/theory.md, "Theorem 1" and "Theorem 2".
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.bound import PIECEWISE_LINEAR
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.head import read_head
from sparsebounds.bounds.margin.architecture import architecture_prices
from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.margin.grids import exp_or_inf, shares_up
from sparsebounds.bounds.moments.energies import EnergiesUpper
from sparsebounds.bounds.moments.head_axes import UNIFORM, HeadAxes
from sparsebounds.bounds.moments.margin_forms import MarginForm
from sparsebounds.bounds.moments.numbers import is_tap
from sparsebounds.bounds.moments.passes import Passes
from sparsebounds.bounds.moments.plan import LinearStep, read_plan
from sparsebounds.bounds.moments.tree import Tree, greedy_tree
from sparsebounds.bounds.sample.sample import Sample

RATIOS = (1.1, 1.2, 1.5, 2.0)
"""Ratios of the grids of the numbers beside the scale."""
BIAS_WEIGHTS = (0.25, 1.0, 4.0)
"""τ_0: how large a bias of the last layer may be beside its weights."""

GUESS = 0.1
"""The complexity around which the grid of scale/γ lies; written down in advance."""


@dataclass(frozen=True)
class Setting:
    """One combination of choices made after looking."""

    tap: bool
    ratio: float
    tied: bool
    """One number for all rows of the last layer instead of one each."""
    bias_weight: float


class PeeledNetwork:
    """A network and a sample, prepared; every class that contains the network is a `size` of it."""

    def __init__(
        self, graph: Graph, sample: Sample, mask_fixed: bool = False, covers: Collection[str] = PIECEWISE_LINEAR
    ) -> None:
        plan = read_plan(graph, mask_fixed, covers)
        self.graph, self.m = graph, sample.m
        self.head = read_head(graph)
        self.read = self.head.present if mask_fixed else np.ones(len(self.head.nodes), dtype=bool)
        self.passes = Passes(plan, self.head, sample, self.read)
        self._unscaled, self._row_squares = cache(self._squares_of), cache(self._square_rows)
        # What several settings share: short results alone, as there may be many forms and weights.
        self._row_norms, self._guess = cache(self._norms_of_rows), cache(self._first_guess)
        self._sample_reach = cache(self._reach_of_sample)

    def choices(self) -> dict[str, tuple[bool | float, ...]]:
        """What there is to choose after looking; a matter of the architecture alone."""
        steps = [step for step in self.passes.plan.steps if isinstance(step, LinearStep)]
        taps = any(is_tap(t) for step in steps for t in step.learned)
        return {
            "numbers per tap or per layer": (False, True) if taps else (False,),
            "ratio of the grids": RATIOS,
            "rows share one number or not": (False, True) if self.graph.classes > 2 else (True,),
            "bias weight of the last layer": BIAS_WEIGHTS if self.head.bias is not None else (1.0,),
        }

    def sizes(
        self,
        forms: Sequence[MarginForm],
        *,
        weights: Sequence[HeadAxes] = (UNIFORM,),
        upper: Sequence[EnergiesUpper | None] = (None,),
        prices: Mapping[str, float] | None = None,
    ) -> Iterator[ClassSize]:
        """Every class, one per combination of choices, each with the price of every choice.

        Args:
            forms: of the margin step.
            weights: of the last layer, all fixed without looking at the sample.
            upper: None for the plain form, upper bounds on the expected energies for the one-sided form.
            prices: of choices beyond these.

        Yields:
            ClassSize; weights that belong to another form or another number of nodes are left out, and paid for.
        """
        choices = self.choices()
        numbers = {
            "margin form": len(forms),
            "weights of the last layer": len(weights),
            "plain or one-sided": len(upper),
        }
        numbers |= {name: len(options) for name, options in choices.items()}
        paid = {f"choice of {name}": math.log(n) for name, n in numbers.items() if n > 1} | dict(prices or {})
        paid |= architecture_prices(self.graph)
        settings = [Setting(bool(t), r, bool(k), b) for t, r, k, b in itertools.product(*choices.values())]
        pairs = [(form, tau) for form in forms for tau in weights if tau.fits(form, len(self.head.nodes))]
        for (form, tau), energies, setting in itertools.product(pairs, upper, settings):
            size = self.size(form, setting, tau, energies)
            yield replace(size, prices={**paid, **size.prices})

    def size(
        self, form: MarginForm, setting: Setting, weights: HeadAxes = UNIFORM, upper: EnergiesUpper | None = None
    ) -> ClassSize:
        """The class that this form and setting fix around the network; without the price of the choice itself."""
        prices, p = self.passes.rounded(setting.tap, setting.ratio)[1], self.passes.moment(setting.tap)
        reach = self._sample_reach(form, weights, upper, setting.tap, setting.ratio, setting.bias_weight)
        log_scale, shares, paid = self._rows(form, setting, weights)
        terms = {
            "margin form": form.name,
            "weights of the last layer": weights.name,
            "numbers below the last layer": "per tap" if setting.tap else "per layer",
            "p": p,
            "ratio of the grids": setting.ratio,
            "rows share one number": setting.tied,
            "rows a_S / scale": shares.round(9).tolist() if len(shares) <= 20 else float(shares.max(initial=0.0)),
            "sqrt(sum tau^2 q^2) of the sample": float(reach[0, 0]) if reach.size else 0.0,
            "bias weight tau_0": setting.bias_weight,
        }
        unit = float(shares @ (form.multipliers * reach).sum(axis=1))
        guess = self._guess(len(form.rows), weights, setting.bias_weight) if weights.guess is None else weights.guess
        return ClassSize(
            log_scale - math.log(guess),
            unit * guess,
            {**prices, **form.prices, **paid},
            one_sided=upper is not None,
            terms={**terms, "unit of scale/gamma": guess},
            ratio=setting.ratio,
        )

    def _tau2(self, rows: int, weights: HeadAxes) -> Float64[np.ndarray, "R J"]:
        return weights.of(rows, len(self.head.nodes))[:, self.read]

    def _first_guess(self, rows: int, weights: HeadAxes, bias_weight: float) -> float:
        """The scale/γ around which the grid lies: a complexity of 0.1 if all inputs were ±1 and all norms 1.

        A matter of the architecture, of m and of the axes τ, nothing else.
        """
        tau2, m = self._tau2(rows, weights), np.array([float(self.m)])
        reach = self.reach(self.passes.structure, m, tau2, bias_weight)
        unit = 2.0 * float(reach.sum())
        return GUESS * self.m / 2.0 / unit if 0.0 < unit < math.inf else 1.0

    def greedy_tree(self) -> Tree:
        """A tree that joins at each step the classes whose split costs least; to be paid for."""
        q2 = np.square(self.passes.by_class).sum(axis=0)
        weights = self._scaled(self.passes.numbers(False).log_scales)

        def cost(left: Sequence[int], right: Sequence[int], row: Float64[np.ndarray, " K"]) -> float:
            under = q2[[1 + r for r in (*left, *right)]].sum()
            return float(np.linalg.norm(row) * (math.sqrt(q2[0]) + math.sqrt(under)))

        return greedy_tree(self.graph.classes, cost, weights)

    def reach(
        self,
        q: Float64[np.ndarray, "J K"],
        counts: Float64[np.ndarray, " K"],
        tau2: Float64[np.ndarray, "R J"],
        bias_weight: float,
    ) -> Float64[np.ndarray, "R K"]:
        """√(Σ_i τ_{S,i}² q_i² + τ_0² count), (rows, sub-samples): what a row with a_S = 1 reaches in each."""
        constant = 0.0 if self.head.bias is None else bias_weight**2 * counts
        return np.asarray(np.sqrt(tau2 @ np.square(q) + constant))

    def _reach_of_sample(
        self,
        form: MarginForm,
        weights: HeadAxes,
        upper: EnergiesUpper | None,
        tap: bool,
        ratio: float,
        bias_weight: float,
    ) -> Float64[np.ndarray, "R K"]:
        q, counts = (
            self.passes.q(tap, ratio, form, upper),
            self.passes.columns(form, self.passes.moment(tap), upper).counts,
        )
        return self.reach(q, counts, self._tau2(len(form.rows), weights), bias_weight)

    def _rows(
        self, form: MarginForm, setting: Setting, weights: HeadAxes
    ) -> tuple[float, Float64[np.ndarray, " R"], dict[str, float]]:
        """log of the largest a_S = √(Σ_i ‖D_{S,i}‖²/τ_{S,i}² + d_S²/τ_0²), all relative to it on a grid, the price."""
        norms, shift = self._row_norms(form, setting.tap, weights, setting.bias_weight)
        largest = float(norms.max(initial=0.0))
        if largest == 0.0:
            return -math.inf, np.ones(len(norms)), {}
        if setting.tied:
            return math.log(largest) + shift, np.ones(len(norms)), {}
        shares, nats = shares_up(norms / largest, setting.ratio)
        return math.log(largest) + shift, shares, {"numbers of the last layer": nats}

    def _norms_of_rows(
        self, form: MarginForm, tap: bool, weights: HeadAxes, bias_weight: float
    ) -> tuple[Float64[np.ndarray, " R"], float]:
        """a_S times exp(−shift), and the shift."""
        blocks, biases, shift = self._row_squares(form, tap)
        tau2 = self._tau2(len(form.rows), weights)
        return np.sqrt((blocks / tau2).sum(axis=1) + biases / bias_weight**2), shift

    def _square_rows(
        self, form: MarginForm, tap: bool
    ) -> tuple[Float64[np.ndarray, "R J"], Float64[np.ndarray, " R"], float]:
        """‖D_{S,i}‖² (rows, nodes) and d_S² (rows,), both times exp(−2 shift), and the shift, a logarithm."""
        logs, shift = self._shifted(self.passes.numbers(tap).log_scales)
        blocks = self._unscaled(form) * np.exp(2.0 * logs)[self.read]
        bias = np.zeros(self.graph.classes) if self.head.bias is None else self.head.bias
        return blocks, np.square(form.rows @ bias * exp_or_inf(-shift)), shift

    def _squares_of(self, form: MarginForm) -> Float64[np.ndarray, "R J"]:
        """‖D_{S,i}‖² of the weights as they are, which the numbers below do not change."""
        return self.head.square_norms(form.rows @ self.head.weights)[:, self.read]

    def _scaled(self, log_scales: Float64[np.ndarray, " layers"]) -> Float64[np.ndarray, "C K"]:
        """The last layer's weights after the rescaling of the layers that they read, times a common factor."""
        return self.head.weights * np.exp(self._shifted(log_scales)[0])[self.head.node_of]

    def _shifted(self, log_scales: Float64[np.ndarray, " layers"]) -> tuple[Float64[np.ndarray, " J"], float]:
        """log of what the weights of each node are multiplied by, less the shift, its largest value; the shift."""
        logs = -log_scales[np.searchsorted(self.graph.node_offsets, self.head.nodes, side="right") - 1]
        shift = float(logs.max(initial=0.0))
        return logs - shift, shift
