"""All bounds of one network at one moment: the rows of rows.csv and the factors behind them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal, cast

import numpy as np

from sparsebounds import bounds
from sparsebounds.bounds.evidence import spread
from sparsebounds.bounds.graph.graph import Partition
from sparsebounds.bounds.network import Network
from sparsebounds.bounds.registry import evaluations, named
from sparsebounds.bounds.sample.batches import Progress
from sparsebounds.bounds.sample.margins import Margins
from sparsebounds.nets.data.datasets import Dataset

Gamma = float | Literal["best"]


@dataclass(frozen=True)
class Form:
    """One way to bound: a bound's name and what counts as a node."""

    bound: str
    nodes: str


FORMS = (
    Form("galanti_published", "position"),
    Form("galanti", "position"),
    Form("galanti", "scalar"),
    Form("galanti_best", "best"),
)

FOLLOWED = (*FORMS, Form("peeling", "position"), Form("held_out", "position"))
"""What is computed at every epoch looked at."""


@dataclass(frozen=True)
class Snapshot:
    """What was measured of a network at one epoch.

    Args:
        rows: one mapping per form, the columns of rows.csv.
        found: the same bounds with all their factors.
        graph, sample, test: what they were computed from.
        inputs: some of the training set, for pictures.
    """

    rows: list[dict[str, Any]]
    found: dict[Form, bounds.Bound]
    graph: bounds.Graph
    sample: bounds.Sample
    test: Margins
    inputs: np.ndarray


def take_snapshot(
    model: Any,
    data: Dataset,
    *,
    delta: float,
    gamma: Gamma = 1.0,
    repetitions: str = "counted",
    mask_fixed: bool = False,
    every: bool = False,
    progress: Progress | None = None,
) -> Snapshot:
    """Read the network, pass once over the training and the test set, and compute every form.

    Args:
        model: batched function or Flax module.
        data: the tensors the network was trained on, and the test set.
        delta: probability that a certificate fails.
        gamma: the margin, or "best": the sound form then chooses it (it pays for any γ), the published one,
            which speaks of a margin fixed in advance, keeps 1.
        repetitions: "natural" if the distribution itself repeats inputs, see `bounds.Sample.measure`.
        mask_fixed: its zeros, and the lists of what its nodes read, were fixed before the data were seen.
        every: besides `FOLLOWED`, which are followed through training, all other bounds that there are.
        progress: told of every batch and of every bound, for a bar.

    Returns:
        Rows with value, complexity, margin_error, confidence, gamma, guarantee, the errors and the gap with
        the standard error of the test error. NaN with a note where a theorem does not apply.
    """
    network = Network.of(model)
    graph = bounds.read_graph(network, data.x_train[:2], selections_fixed=mask_fixed)
    said: dict[str, Any] = {"preprocessing": data.preprocessing, "repetitions": repetitions}
    sample = bounds.Sample.measure(network, data.x_train, data.y_train, progress=progress, **said)
    # normalised by the training set alone
    test = Margins.measure(
        network, data.x_test, data.y_test, repetitions=repetitions, what="test sample", progress=progress
    )
    errors = {
        "train_error": sample.train_error,
        "test_error": test.error,
        "gap": test.error - sample.train_error,
        "test_error_se": math.sqrt(test.error * (1 - test.error) / len(test.margins)),
    }
    options: dict[str, Any] = {"delta": delta, "gamma": gamma, "mask_fixed": mask_fixed}
    options |= {"pixel_range": data.pixel_range, "test": test}
    if every:
        options["quantised"] = bounds.quantised(
            *(network, data.x_train, data.y_train), selections_fixed=mask_fixed, repetitions=repetitions
        )
    followed = {form.bound for form in FOLLOWED}
    others = [Form(name, "position") for name in bounds.BOUNDS if name not in followed] if every else []
    rows, found = [], {}
    for form, bound, seconds in _evaluations((*FOLLOWED, *others), graph, sample, options):
        found[form] = bound
        ratio = _ratio(bound.value, test.error)
        rows.append({**_row(form, bound), **errors, "ratio": ratio, "seconds": seconds})
        if progress is not None:
            progress("bounds", len(rows), len(FOLLOWED) + len(others))
    return Snapshot(rows, found, graph, sample, test, spread(data.x_train))


def _evaluations(
    forms: Sequence[Form], graph: bounds.Graph, sample: bounds.Sample, options: Mapping[str, Any]
) -> Iterator[tuple[Form, bounds.Bound, float]]:
    def shared(form: Form) -> tuple[str, Gamma]:
        if form.bound == "galanti_best":
            return form.nodes, "best"
        return form.nodes, 1.0 if form.bound == "galanti_published" and options["gamma"] == "best" else options["gamma"]

    for (nodes, gamma), group in groupby(forms, key=shared):
        partition = graph if nodes == "best" else graph.partition(cast(Partition, nodes))
        chosen = named(form.bound for form in group)
        for name, bound, seconds in evaluations(chosen, partition, sample, {**options, "gamma": gamma}):
            yield Form(name, nodes), bound, seconds


def _row(form: Form, bound: bounds.Bound) -> dict[str, Any]:
    columns = ("value", "complexity", "margin_error", "confidence", "gamma", "guarantee", "source", "note")
    found = {"bound": form.bound, "nodes": form.nodes} | {name: getattr(bound, name) for name in columns}
    return {**found, "uncapped": bound.terms.get("complexity uncapped", bound.complexity)}


def _ratio(value: float, error: float) -> float:
    return value / error if error > 0 else math.nan
