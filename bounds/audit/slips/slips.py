"""Honest slips on fair coins, whose true error is ½, each made twice: as a user makes it, and with the check disarmed.

A slip fails where its row calls itself a certificate and lies below ½. As a user makes it, it is refused, or its row is
no certificate, or has paid for what was chosen. The twin is what was said before there was a check: the same row by a
false statement, or from a sample without the marks by which the check knows it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from sparsebounds.bounds.audit.moments.theorem_3 import DELTA, failures
from sparsebounds.bounds.audit.run import Row
from sparsebounds.bounds.audit.slips.networks import (
    FEATURES,
    FEW_INPUTS,
    INPUTS,
    PICKED,
    RANGE,
    REPEATED,
    SAMPLES,
    SERIES,
    TIMES,
    TRUTH,
    WINDOW,
    WRITTEN,
    Believed,
    Learned,
    OfAnyNetwork,
    by_heart,
    by_neighbours,
    voted,
)
from sparsebounds.bounds.audit.theorems.cases import Preset
from sparsebounds.bounds.bound import Bound
from sparsebounds.bounds.graph.pruning import pruned
from sparsebounds.bounds.graph.reference import Reference
from sparsebounds.bounds.reader.read import read_graph
from sparsebounds.bounds.sample.margins import Margins
from sparsebounds.bounds.sample.sample import Sample

DRAWS = {"quick": 5, "full": 20}


@dataclass(frozen=True)
class Slip:
    """One slip: of which bounds, and what a user gets who makes it."""

    bounds: tuple[str, ...]
    what: str
    case: str
    learn: Callable[[int], Learned]
    row: Callable[[str, Any, Learned, bool], Bound]
    """(name, the bound, what was learned, whether the check is disarmed) → the bound's row; ValueError: refused."""


def _trained_on(share: float, name: str, bound: Any, learned: Learned, disarmed: bool) -> Bound:
    """Some of the test samples are training samples, the others are new."""
    old = int(share * len(learned.y))
    fresh = np.clip(learned.rng.normal(size=(len(learned.y) - old, INPUTS)), *RANGE).astype(np.float32)
    y = np.concatenate([learned.y[:old], learned.rng.integers(0, 2, len(fresh))])
    test = Sample.measure(learned.network, np.concatenate([learned.x[:old], fresh]), y)
    return _row(bound, learned.graph, learned.sample, test=Believed(test.margins) if disarmed else test)


def _own_reference(name: str, bound: Any, learned: Learned, disarmed: bool) -> Bound:
    """The initial weights are an alias of the trained ones."""
    graph = learned.graph
    reference = Reference(graph, fixed="before training") if disarmed else graph
    options = {"pixel_range": RANGE} if name == "long_sedghi" else {}
    gamma = float(learned.sample.margins.min())
    return _row(bound, graph, learned.sample, reference=reference, gamma=gamma, **options)


def _another_network(name: str, bound: Any, learned: Learned, disarmed: bool) -> Bound:
    """The graph is of the pruned network, the sample of the dense one."""
    sample = OfAnyNetwork.of(learned.sample) if disarmed else learned.sample
    return _row(bound, pruned(learned.graph, -1, 0.002), sample)


def _selected(name: str, bound: Any, learned: Learned, disarmed: bool) -> Bound:
    """The features that the network reads were chosen by the data."""
    graph = read_graph(learned.network, learned.x[:2], selections_fixed=disarmed)
    return _row(bound, graph, learned.sample, mask_fixed=disarmed)


def _repeated(name: str, bound: Any, learned: Learned, disarmed: bool) -> Bound:
    """Every sample is there many times."""
    x, y = np.tile(learned.x, (TIMES, 1)), np.tile(learned.y, TIMES)
    repetitions = "natural" if disarmed else "counted"
    return _row(bound, learned.graph, Sample.measure(learned.network, x, y, repetitions=repetitions, batch_size=20_000))


def _windows(name: str, bound: Any, learned: Learned, disarmed: bool) -> Bound:
    """Windows that overlap were split at random."""
    half, said = len(learned.y) // 2, "natural" if disarmed else "counted"
    sample = Sample.measure(learned.network, learned.x[:half], learned.y[:half])
    test = Margins.measure(learned.network, learned.x[half:], learned.y[half:], repetitions=said)
    return _row(bound, learned.graph, sample, test=test)


def _row(bound: Any, graph: Any, sample: Sample, **options: Any) -> Bound:
    row: Bound = bound(graph, sample, delta=DELTA, **options)
    return row


_COINS = f"{SAMPLES} coins, {INPUTS} inputs"
_VOTE = f"{PICKED} of {FEATURES}, m = {SAMPLES}"
SLIPS = (
    *(
        Slip(("held_out",), "test samples trained on", f"{said} of {SAMPLES}", by_heart, partial(_trained_on, share))
        for said, share in (("all", 1.0), ("half", 0.5))
    ),
    Slip(("bartlett", "graf_norms", "long_sedghi"), "reference: the network itself", _COINS, by_heart, _own_reference),
    Slip(("occam",), "sample of another network", _COINS, by_heart, _another_network),
    *(
        Slip(("occam",), "features chosen by the data", f"{how}, {_VOTE}", partial(voted, written=how), _selected)
        for how in WRITTEN
    ),
    Slip(
        ("occam",),
        "samples repeated",
        f"{REPEATED} coins, each {TIMES} times",
        partial(by_heart, m=REPEATED, inputs=FEW_INPUTS),
        _repeated,
    ),
    Slip(("held_out",), "windows split at random", f"{SERIES} numbers, {WINDOW} in each", by_neighbours, _windows),
)


def audit_slips(name: str, bound: Any, preset: Preset = "quick") -> Iterator[Row]:
    """Shares of failures of a bound when a slip is made, and when the check is disarmed.

    Args:
        name: of the bound.
        bound: as in BOUNDS.
        preset: "quick" or "full".
    """
    for slip in SLIPS:
        if name in slip.bounds:
            certified = [_certified(slip, name, bound, slip.learn(seed)) for seed in range(DRAWS[preset])]
            for values, disarmed in zip(np.array(certified).T, (False, True), strict=True):
                share, error = failures(values, TRUTH)
                statement = f"a twin: {slip.what}, unchecked" if disarmed else slip.what
                yield Row(name, statement, slip.case, share, DELTA, error, disarmed)


def _certified(slip: Slip, name: str, bound: Any, learned: Learned) -> list[float]:
    """What is certified with and without the check: 1, which says nothing, if the row is refused or no certificate."""
    rows = [slip.row(name, bound, learned, True)]
    with contextlib.suppress(ValueError):
        rows.insert(0, slip.row(name, bound, learned, False))
    values = [row.value if row.guarantee == "certificate" else 1.0 for row in rows]
    return values if len(values) == 2 else [1.0, *values]
