"""Covering-number bounds speak of ramp losses: what a search attains against the complexity of their row.

    E_ξ sup Σ_i ξ_i φ_γ(M(f, x_i, y_i)) ≤ (m/2) · complexity        (letters: docs/theory.md, "Setting")

The same holds for every other bound of the complexity type, and is read off its row, whatever its theorem says about:
with c on the grid, nothing is rounded, and what stands in the row is what the class pays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Shaped

from sparsebounds.bounds.audit.run import CHECKED, Row, confirmed
from sparsebounds.bounds.audit.search.architectures import Architecture, dense
from sparsebounds.bounds.audit.search.ascent import Found, all_signs, search
from sparsebounds.bounds.audit.search.families import losses
from sparsebounds.bounds.audit.search.inputs import inputs
from sparsebounds.bounds.audit.theorems.cases import Preset
from sparsebounds.bounds.audit.theorems.statement import HALF
from sparsebounds.bounds.bound import Bound
from sparsebounds.bounds.graph.evaluation import evaluate
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.margin.grids import RATIO
from sparsebounds.bounds.sample.sample import Sample

DELTA = 0.05


@dataclass(frozen=True)
class LossStatement:
    """The ramp losses of a bound's class against its row."""

    bound: str
    norm: str
    """What the architectures scale to 1 in every layer, the last one included; each class is then fixed by c."""
    options: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, eq=False)
class LossCase:
    """Networks c · (layers of norm 1), c = 1.1^j."""

    name: str
    architecture: Architecture
    x: Shaped[np.ndarray, "m ..."]
    power: int

    @property
    def scale(self) -> float:
        return float(RATIO**self.power)


@cache
def loss_cases(preset: Preset) -> tuple[LossCase, ...]:
    """One input, where a bound has no averaging to lose; and several, at scales from small to shattering."""
    found = []
    for power in (-12, 0, 72):
        found.append(LossCase(f"linear, one input, c = 1.1^{power}", dense((1,)), np.ones((1, 1)), power))
        found.append(LossCase(f"linear, five one-hot inputs, c = 1.1^{power}", dense((5,)), np.eye(5), power))
    powers = (0, 24, 72) if preset == "full" else (0, 72)
    for power in powers:
        name, x = f"two layers, five one-hot inputs, c = 1.1^{power}", inputs("one-hot", 5, (5,))
        found.append(LossCase(name, dense((5, 4)), x, power))
    return tuple(found)


def audit_losses(
    statement: LossStatement, row_of: Any, preset: Preset = "quick", cases: Sequence[LossCase] | None = None
) -> list[Row]:
    """One row per case.

    Args:
        statement: the class.
        row_of: the bound itself, as in BOUNDS.
        preset: "quick" or "full".
        cases: only these.

    Returns:
        Rows with the lower estimate and the claim divided by m.

    Raises:
        ArithmeticError: the search left the class.
    """
    possible = loss_cases(preset) if cases is None else cases
    found = [c for c in possible if c.architecture.shapes or statement.norm != "units"]
    return [_row(statement, row_of, case) for case in found]


def _row(statement: LossStatement, row_of: Any, case: LossCase) -> Row:
    found, graphs = _searched(case, statement.norm)
    m, options = len(case.x), dict(statement.options)
    claims = [row_of(graph, sample_of(graph, case.x), delta=DELTA, gamma=1.0, **options) for graph in graphs]
    claim = max(_claim(bound) for bound in claims)
    return Row(statement.bound, "ramp losses", case.name, found.moment()[0] / m, claim, 0.0, False, ((HALF, 2.0),))


def _claim(bound: Bound) -> float:
    if not bound.covered:
        raise ArithmeticError(f"the searched network is outside the theorem: {bound.note}")
    return bound.complexity / 2


@cache
def _searched(case: LossCase, norm: str) -> tuple[Found, tuple[Graph, ...]]:
    family, signs = losses(case.architecture, norm, case.scale), all_signs(len(case.x))
    # c · f(x) = f(c · x), as there are no biases: one compilation serves all c.
    found = search(losses(case.architecture, norm, 1.0), case.scale * case.x, signs, steps=80, restarts=6)
    graphs = []
    for k in np.linspace(0, len(signs) - 1, min(CHECKED, len(signs))).astype(int).tolist():
        graph = family.network(found.of(k), case.x, signs[k])
        scores = evaluate(graph, case.x)
        ramps = np.clip(1 - (scores[:, 0] - scores[:, 1:].max(axis=1)), 0, 1)
        confirmed(case.name, float(found.values[k]), float(signs[k, :, 0] @ ramps), len(case.x))
        graphs.append(graph)
    return found, tuple(graphs)


def sample_of(graph: Graph, x: np.ndarray) -> Sample:
    """The sample of inputs x with label 0 everywhere."""
    energies, scores = np.square(x).sum(axis=0), evaluate(graph, x)
    margins = scores[:, 0] - scores[:, 1:].max(axis=1)
    counts = np.zeros(graph.classes, dtype=np.int64)
    counts[0] = len(x)
    by_class = np.stack([energies, *[0 * energies] * (graph.classes - 1)])
    return Sample(len(x), graph.classes, energies, by_class, margins, counts)


INPUTS = (("input_bound", 1.0),)
LOSSES: tuple[LossStatement, ...] = (
    LossStatement("bartlett", "two_one difference"),
    LossStatement("bartlett_dudley", "two_one difference"),
    LossStatement("graf_norms", "two_one difference"),
    LossStatement("graf_params", "two_one difference"),
    LossStatement("graf_dudley", "two_one difference"),
    LossStatement("ledent", "two_one", INPUTS),
    LossStatement("neyshabur_two_layer", "units"),
    LossStatement("neyshabur_frobenius", "frobenius"),
    LossStatement("golowich_sharp", "difference"),
    LossStatement("galanti", "difference"),
    LossStatement("peeling", "difference"),
    LossStatement("path_norm_layered", "l1 path"),
)
