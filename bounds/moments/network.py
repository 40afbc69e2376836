"""The classes of networks that peeling by moments can fix: which numbers, on which grids, at what price."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.head import read_head
from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.margin.grids import exp_or_inf, shares_up
from sparsebounds.bounds.margin.slopes import slope_prices
from sparsebounds.bounds.moments import P_GRID, Columns, Numbers, forward, own_numbers, read_plan
from sparsebounds.bounds.moments.energies import EnergiesUpper, energies_upper
from sparsebounds.bounds.moments.head_axes import UNIFORM, HeadWeights
from sparsebounds.bounds.moments.margin_forms import MOST_CLASSES, MarginForm
from sparsebounds.bounds.moments.numbers import is_tap
from sparsebounds.bounds.moments.plan import LinearStep
from sparsebounds.bounds.moments.rounding import all_ones, any_paid, rounded
from sparsebounds.bounds.moments.tree import Tree, greedy_tree
from sparsebounds.bounds.sample.sample import Sample


def forms_of_theorem_3(
    sample: Sample, pixel_range: tuple[float, float] | None, tree: Tree, *, delta: float, nats: float = 0.0
) -> tuple[EnergiesUpper | None, ...]:
    """The plain form (None) and, where the range of the inputs is known in advance, the one-sided form.

    Args:
        sample: measured.
        pixel_range: see `peeling`; None where it is not known.
        tree: fixed without looking at the sample; its sets of classes get energies of their own.
        delta: of the whole certificate. Either form gets half of it; the one-sided form spends half of its half on the
            energies, which hold with probability 1 − δ/4.
        nats: log(1/weight) of the configuration: the energies hold with probability 1 − weight·δ/4.

    Returns:
        One entry per form.

    Raises:
        ValueError: coordinates of the sample outside the range.
        NotCovered: a sample without fourth moments.

    Example:
        >>> import numpy as np
        >>> s = Sample.measure(lambda x: x, np.eye(2), np.array([0, 1]))
        >>> [type(form).__name__ for form in forms_of_theorem_3(s, (0.0, 1.0), Tree.balanced(2), delta=0.01)]
        ['NoneType', 'EnergiesUpper']
    """
    if pixel_range is None:
        return (None,)
    sets = [split.classes for split in tree.splits] if sample.classes <= MOST_CLASSES else []
    return (None, energies_upper(sample, pixel_range, sets, delta=delta / 4, nats=nats))


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


class Peeled:
    """A network and a sample, prepared; every class that contains the network is a `size` of it."""

    def __init__(self, graph: Graph, sample: Sample, mask_fixed: bool = False) -> None:
        self.graph = graph
        self.plan = read_plan(graph, mask_fixed)
        self.head = read_head(graph)
        self.m = sample.m
        self.class_counts = sample.class_counts.astype(np.float64)
        self.sample = sample
        self.read = self.head.present if mask_fixed else np.ones(len(self.head.nodes), dtype=bool)
        self._moment_of: dict[bool, float] = {}
        self._numbers: dict[bool, Numbers] = {}
        self._structure: np.ndarray | None = None
        self._passes: dict[tuple[object, ...], np.ndarray] = {}
        self._columns_of: dict[tuple[object, ...], Columns] = {}
        self._squares: dict[tuple[object, ...], tuple[np.ndarray, np.ndarray, float]] = {}

    @cached_property
    def energies(self) -> np.ndarray:
        """Σ_i ‖x_ij‖² per input node."""
        return self.graph.node_sums(0, self.sample.energies)

    @cached_property
    def class_energies(self) -> np.ndarray:
        """The same per label, (C, input nodes)."""
        return np.stack([self.graph.node_sums(0, e) for e in self.sample.class_energies])

    def numbers(self, tap: bool) -> Numbers:
        """The network's own numbers."""
        if tap not in self._numbers:
            self._numbers[tap] = own_numbers(self.plan, tap)
        return self._numbers[tap]

    def choices(self) -> dict[str, tuple[bool | float, ...]]:
        """What there is to choose after looking; a matter of the architecture alone."""
        steps = [step for step in self.plan.steps if isinstance(step, LinearStep)]
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
        weights: Sequence[HeadWeights] = (UNIFORM,),
        upper: Sequence[EnergiesUpper | None] = (None,),
        prices: dict[str, float] | None = None,
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
        paid = {f"choice of {name}": math.log(n) for name, n in numbers.items() if n > 1} | (prices or {})
        paid |= slope_prices([s.slope for s in self.plan.steps if isinstance(s, LinearStep)])
        settings = [Setting(bool(t), r, bool(k), b) for t, r, k, b in itertools.product(*choices.values())]
        pairs = [(form, tau) for form in forms for tau in weights if tau.fits(form, len(self.head.nodes))]
        for (form, tau), energies, setting in itertools.product(pairs, upper, settings):
            size = self.size(form, setting, tau, energies)
            yield replace(size, prices={**paid, **size.prices})

    def size(
        self, form: MarginForm, setting: Setting, weights: HeadWeights = UNIFORM, upper: EnergiesUpper | None = None
    ) -> ClassSize:
        """The class that this form and setting fix around the network; without the price of the choice itself."""
        numbers, prices = rounded(self.numbers(setting.tap), setting.ratio)
        tau2 = weights.of(len(form.rows), len(self.head.nodes))[:, self.read]
        q, counts = self._moments(setting, numbers, form, upper)
        reach = self.reach(q, counts, tau2, setting.bias_weight)
        log_scale, shares, paid = self._rows(form, setting, tau2, numbers.log_scales)
        terms = {
            "margin form": form.name,
            "weights of the last layer": weights.name,
            "numbers below the last layer": "per tap" if setting.tap else "per layer",
            "p": self._moment(setting.tap),
            "ratio of the grids": setting.ratio,
            "rows share one number": setting.tied,
            "rows a_S / scale": shares.round(9).tolist() if len(shares) <= 20 else float(shares.max(initial=0.0)),
            "sqrt(sum tau^2 q^2) of the sample": float(reach[0, 0]) if reach.size else 0.0,
            "bias weight tau_0": setting.bias_weight,
        }
        unit = float(shares @ (form.multipliers * reach).sum(axis=1))
        guess = self._guess(tau2, setting.bias_weight) if weights.guess is None else weights.guess
        return ClassSize(
            log_scale - math.log(guess),
            unit * guess,
            {**prices, **form.prices, **paid},
            one_sided=upper is not None,
            terms={**terms, "unit of scale/gamma": guess},
            ratio=setting.ratio,
        )

    def _guess(self, tau2: np.ndarray, bias_weight: float) -> float:
        """The scale/γ around which the grid lies: a complexity of 0.1 if all inputs were ±1 and all norms 1.

        A matter of the architecture, of m and of the axes τ, nothing else.
        """
        if self._structure is None:
            ones = {i: all_ones(step) for i, step in self.numbers(False).steps.items()}
            energies = self.m * self.graph.node_sums(0, np.ones(self.graph.input.size))
            columns = Columns.of_moments(energies, self.m, np.array([2.0]))
            q = forward(self.plan, replace(self.numbers(False), steps=ones), columns)
            self._structure = q[self.head.nodes[self.read]]
        reach = self.reach(self._structure, np.array([float(self.m)]), tau2, bias_weight)
        unit = 2.0 * float(reach.sum())
        return GUESS * self.m / 2.0 / unit if 0.0 < unit < math.inf else 1.0

    def greedy_tree(self) -> Tree:
        """A tree that joins at each step the classes whose split costs least; to be paid for."""
        classes, numbers = self.graph.classes, self.numbers(False)
        columns = Columns.of_labels(
            self.class_energies, self.class_counts, np.concatenate([np.ones((1, classes)), np.eye(classes)]), 2.0
        )
        q2 = np.square(forward(self.plan, numbers, columns)[self.head.nodes[self.read]]).sum(axis=0)
        weights = self._scaled(numbers.log_scales)[0]

        def cost(left: Sequence[int], right: Sequence[int], row: np.ndarray) -> float:
            under = q2[[1 + r for r in (*left, *right)]].sum()
            return float(np.linalg.norm(row) * (math.sqrt(q2[0]) + math.sqrt(under)))

        return greedy_tree(classes, cost, weights)

    def parts(self, form: MarginForm) -> tuple[np.ndarray, np.ndarray]:
        """‖D_{S,i}‖² (rows, nodes read) and q_i (nodes read, sub-samples) with the network's own numbers."""
        numbers = self.numbers(False)
        blocks, _, shift = self._row_squares(form, False, numbers.log_scales)
        q = forward(self.plan, numbers, self._columns(form, self._moment(False), None))
        return blocks * exp_or_inf(2 * shift), q[self.head.nodes[self.read]]

    # ---- the last layer -------------------------------------------------------------------------------------------

    def reach(self, q: np.ndarray, counts: np.ndarray, tau2: np.ndarray, bias_weight: float) -> np.ndarray:
        """√(Σ_i τ_{S,i}² q_i² + τ_0² count), (rows, sub-samples): what a row with a_S = 1 reaches in each."""
        constant = 0.0 if self.head.bias is None else bias_weight**2 * counts
        return np.asarray(np.sqrt(tau2 @ np.square(q) + constant))

    def _rows(
        self, form: MarginForm, setting: Setting, tau2: np.ndarray, log_scales: np.ndarray
    ) -> tuple[float, np.ndarray, dict[str, float]]:
        """log of the largest a_S = √(Σ_i ‖D_{S,i}‖²/τ_{S,i}² + d_S²/τ_0²), all relative to it on a grid, the price."""
        blocks, biases, shift = self._row_squares(form, setting.tap, log_scales)
        norms = np.sqrt((blocks / tau2).sum(axis=1) + biases / setting.bias_weight**2)
        largest = float(norms.max(initial=0.0))
        if largest == 0.0:
            return -math.inf, np.ones(len(norms)), {}
        if setting.tied:
            return math.log(largest) + shift, np.ones(len(norms)), {}
        shares, nats = shares_up(norms / largest, setting.ratio)
        return math.log(largest) + shift, shares, {"numbers of the last layer": nats}

    def _row_squares(self, form: MarginForm, tap: bool, log_scales: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """‖D_{S,i}‖² (rows, nodes) and d_S² (rows,), both times exp(−2 shift), and the shift, a logarithm."""
        key = (tap, form.rows.tobytes())
        if key not in self._squares:
            weights, shift = self._scaled(log_scales)
            blocks = self.head.square_norms(form.rows @ weights)[:, self.read]
            bias = np.zeros(self.graph.classes) if self.head.bias is None else self.head.bias
            self._squares[key] = (blocks, np.square(form.rows @ bias * exp_or_inf(-shift)), shift)
        return self._squares[key]

    def _scaled(self, log_scales: np.ndarray) -> tuple[np.ndarray, float]:
        """The last layer's weights after the rescaling of the layers that they read, times exp(−shift); the shift."""
        logs = -log_scales[np.searchsorted(self.graph.offsets, self.head.elements, side="right") - 1]
        shift = float(logs.max(initial=0.0))
        return self.head.weights * np.exp(logs - shift), shift

    # ---- the layers below -----------------------------------------------------------------------------------------

    def _moment(self, tap: bool) -> float:
        """The p that makes the reach of the whole sample smallest; a device of the proof, free."""
        if tap not in self._moment_of:
            q = np.ones((1, 1))  # p = 2 where nothing below the last layer depends on p but the input
            if any(not isinstance(s, LinearStep) or s.slope < 1.0 for s in self.plan.steps):
                columns = Columns.of_moments(self.energies, self.m, np.array(P_GRID))
                q = forward(self.plan, self.numbers(tap), columns)[self.head.nodes[self.read]]
            self._moment_of[tap] = P_GRID[int(np.argmin(np.square(q).sum(axis=0)))]
        return self._moment_of[tap]

    def _moments(
        self, setting: Setting, numbers: Numbers, form: MarginForm, upper: EnergiesUpper | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """q of the nodes that the last layer reads, (J, K), and the energy of the constant, (K,), per sub-sample."""
        columns = self._columns(form, self._moment(setting.tap), upper)
        ratio = setting.ratio if any_paid(numbers) else 0.0
        key = (setting.tap, ratio, form.weights.tobytes(), upper is None)
        if key not in self._passes:
            self._passes[key] = forward(self.plan, numbers, columns)[self.head.nodes[self.read]]
        return self._passes[key], columns.counts

    def _columns(self, form: MarginForm, p: float, upper: EnergiesUpper | None) -> Columns:
        key = (form.weights.tobytes(), p, upper is None)
        if key not in self._columns_of:
            self._columns_of[key] = self._read_columns(form, p, upper)
        return self._columns_of[key]

    def _read_columns(self, form: MarginForm, p: float, upper: EnergiesUpper | None) -> Columns:
        if upper is None and (form.weights == 1.0).all():
            return Columns.of_moments(self.energies, self.m, np.full(len(form.weights), p))
        if upper is None:
            return Columns.of_labels(self.class_energies, self.class_counts, form.weights, p)
        found = [upper.of(row) for row in form.weights]
        energies = np.stack([self.graph.node_sums(0, e) for e, _ in found], axis=1)
        return Columns(energies, np.array([c for _, c in found]), np.full(len(found), p))
