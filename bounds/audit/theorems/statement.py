"""A statement about a class of networks, and broken twins of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sparsebounds.bounds.audit.search.families import Ball
from sparsebounds.bounds.audit.theorems import cases
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.margin.classes import ClassSize

Factor = Callable[[Graph, np.ndarray, int], float]
Claim = Factor
"""(a network of the class, Σ_i x_ij² per coordinate, m) → the bound on E_ξ sup Σ_i Σ_r ξ_ir f_r(x_i)."""


@dataclass(frozen=True)
class Twin:
    """A mistake that someone could make: the claim divided by `factor`."""

    name: str
    factor: Factor


@dataclass(frozen=True)
class Statement:
    """E_ξ sup Σ_i Σ_r ξ_ir f_r(x_i) ≤ claim, over all networks whose norms are not above the given one's."""

    bound: str
    what: str
    norm: str
    """Of the hidden layers: a norm of the architectures, or "path"."""
    ball: Ball
    """Of the last layer."""
    claim: Claim
    cases: Callable[[cases.Preset], tuple[cases.Case, ...]]
    twins: tuple[Twin, ...] = ()
    refuted: bool = False
    """A printed form or a twin that is known to be violated."""
    moment: float = 1.0
    """p: the statement is about (E sup (…)^p)^(1/p)."""


HALF = "half of it"
"""A factor 2 missing, or m doubled."""


def twins(factors: Mapping[str, Factor] | None = None) -> tuple[Twin, ...]:
    """Twins by name; every bound has the one that is half as large."""
    return tuple(Twin(name, factor) for name, factor in ({HALF: _two} | dict(factors or {})).items())


def _two(graph: Graph, energies: np.ndarray, m: int) -> float:
    return 2.0


def value_of(complexity: Callable[[Graph, np.ndarray, int], ClassSize]) -> Claim:
    return lambda graph, energies, m: complexity(graph, energies, m).value
