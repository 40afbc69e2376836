"""All bounds by name, those of other packages among them, and the one loop that evaluates a set of them."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sparsebounds.bounds.bound import Bound, Theorem
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.program import Program
from sparsebounds.bounds.measures import MEASURES
from sparsebounds.bounds.moments.peeling import peeling
from sparsebounds.bounds.plugins import Origin, Plugin, measure_of, offered, plugin_of
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.theorems.covering.bartlett import bartlett, bartlett_dudley
from sparsebounds.bounds.theorems.covering.graf import graf_dudley, graf_norms, graf_params
from sparsebounds.bounds.theorems.covering.ledent import ledent
from sparsebounds.bounds.theorems.covering.long_sedghi import long_sedghi
from sparsebounds.bounds.theorems.description.occam import occam
from sparsebounds.bounds.theorems.description.parameter_count import parameter_count
from sparsebounds.bounds.theorems.description.quantised import occam_quantised
from sparsebounds.bounds.theorems.held_out import held_out
from sparsebounds.bounds.theorems.pac_bayes import pac_bayes
from sparsebounds.bounds.theorems.rademacher.galanti import galanti, galanti_best, galanti_published
from sparsebounds.bounds.theorems.rademacher.golowich import golowich, golowich_sharp
from sparsebounds.bounds.theorems.rademacher.golowich_l1 import golowich_l1
from sparsebounds.bounds.theorems.rademacher.gonon import gonon
from sparsebounds.bounds.theorems.rademacher.neyshabur import neyshabur_frobenius, neyshabur_l1
from sparsebounds.bounds.theorems.rademacher.neyshabur_two_layer import neyshabur_two_layer
from sparsebounds.bounds.theorems.rademacher.path_norm import path_norm, path_norm_layered

BOUNDS: dict[str, Theorem[...]] = {
    "peeling": peeling,
    "galanti_published": galanti_published,
    "galanti": galanti,
    "galanti_best": galanti_best,
    "neyshabur_frobenius": neyshabur_frobenius,
    "neyshabur_l1": neyshabur_l1,
    "neyshabur_two_layer": neyshabur_two_layer,
    "golowich": golowich,
    "golowich_sharp": golowich_sharp,
    "golowich_l1": golowich_l1,
    "path_norm_layered": path_norm_layered,
    "path_norm": path_norm,
    "gonon": gonon,
    "bartlett": bartlett,
    "bartlett_dudley": bartlett_dudley,
    "graf_norms": graf_norms,
    "graf_params": graf_params,
    "graf_dudley": graf_dudley,
    "ledent": ledent,
    "long_sedghi": long_sedghi,
    "occam": occam,
    "occam_quantised": occam_quantised,
    "pac_bayes": pac_bayes,
    "parameter_count": parameter_count,
    "held_out": held_out,
}
"""Name in the table → bound, called as (graph, sample, *, delta, …)."""


PLUGINS: dict[str, Plugin] = {}
"""Those of `BOUNDS` that other packages brought."""
ORIGINS: dict[str, Origin] = {}
"""Bounds and measures of other packages by name, and where they come from."""


def add_installed(taken: Iterable[str]) -> None:
    """Add the bounds and measures of other packages. They import this one, which must have all its names by then.

    Args:
        taken: names that none of them may have, beside those of `BOUNDS` and `MEASURES`.
    """
    for name, found, origin in offered("sparsebounds.bounds", {*taken, *BOUNDS, *MEASURES}):
        ORIGINS[name], PLUGINS[name] = origin, plugin_of(name, found, origin)
        BOUNDS[name] = PLUGINS[name].guarded()
    for name, found, origin in offered("sparsebounds.measures", {*taken, *BOUNDS, *MEASURES}):
        ORIGINS[name], MEASURES[name] = origin, measure_of(name, found, origin)


def named(names: Iterable[str] | None) -> dict[str, Theorem[...]]:
    if names is None:
        return dict(BOUNDS)
    if isinstance(names, str):
        raise ValueError(f"names is the text {names!r}; a list of names is needed: names=[{names!r}]")
    wanted = list(dict.fromkeys(names))
    unknown = [name for name in wanted if name not in BOUNDS]
    if unknown:
        raise ValueError(f"unknown bound {unknown[0]!r}; the known ones are {', '.join(BOUNDS)}")
    return {name: BOUNDS[name] for name in wanted}


def evaluated(bound: Theorem[...], graph: Graph | Program, sample: Sample, options: Mapping[str, Any]) -> Bound:
    """One bound with those of the options that it takes; what it refuses is a Bound too, NaN with the reason.

    Args:
        bound: a value of `bounds.BOUNDS`.
        graph, sample: what it is about.
        options: keywords; those that it does not take are left out. `delta` must be among them.

    Returns:
        Bound.

    Example:
        >>> from sparsebounds.bounds import BOUNDS
        >>> evaluated(BOUNDS["galanti"], graph, sample, {"delta": 0.01, "gamma": -1.0, "other": 3}).note
        "gamma=-1.0; needed a positive margin, or 'best'"
    """
    try:
        return bound(graph, sample, **_accepted(bound, options))
    except ValueError as error:  # this bound's refusal must not cost the other rows
        return Bound(
            *(math.nan, math.nan, math.nan, math.nan, math.nan),
            delta=options["delta"],
            guarantee=bound.declaration.guarantee,
            terms={},
            source=bound.declaration.source,
            note=str(error),
        )


def capacity_of(
    bound: Theorem[...], graph: Graph | Program, sample: Sample, options: Mapping[str, Any], found: Bound
) -> float:
    """`Theorem.capacity` at the γ of a row that was computed with these options; NaN where the row has no value.

    Example:
        >>> from sparsebounds.bounds import BOUNDS
        >>> rows = [evaluated(BOUNDS["golowich"], graph, sample, {"delta": 0.1, "gamma": g}) for g in (1.0, 0.7)]
        >>> sizes = [capacity_of(BOUNDS["golowich"], graph, sample, {"delta": 0.1}, row) for row in rows]
        >>> round(sizes[1] / sizes[0], 9) == round(1 / 0.7, 9)
        True
    """
    if not found.covered:
        return math.nan
    try:
        return bound.capacity(graph, sample, **_accepted(bound, {**options, "gamma": found.gamma}))
    except ValueError:  # norms beyond float64, of which the bound itself may still say something
        return math.nan


def _accepted(bound: Theorem[...], options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the options that a bound takes."""
    accepted = inspect.signature(bound).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in accepted.values())
    return {key: value for key, value in options.items() if takes_all or key in accepted}


def evaluations(
    bounds: Mapping[str, Theorem[...]], graph: Graph | Program, sample: Sample, options: Mapping[str, Any]
) -> Iterator[tuple[str, Bound, float]]:
    """A set of bounds of one network, one after the other; every table and every snapshot is made of these.

    Args:
        bounds: name → bound, such as `named` gives.
        graph, sample, options: as in `evaluated`.

    Yields:
        Name, bound, and the seconds that it took.

    Example:
        >>> [(name, found.covered) for name, found, _ in evaluations(named(["occam"]), graph, sample, {"delta": 0.01})]
        [('occam', True)]
    """
    for name, bound in bounds.items():
        start = time.perf_counter()
        found = evaluated(bound, graph, sample, options)
        yield name, found, time.perf_counter() - start
