"""Run a set of bounds on one network and lay them side by side."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sparsebounds.bounds.arguments import check_delta, check_flag
from sparsebounds.bounds.bound import Theorem
from sparsebounds.bounds.bound_table import BoundTable
from sparsebounds.bounds.evidence import Evidence, keep, spread
from sparsebounds.bounds.graph.graph import Graph, Partition
from sparsebounds.bounds.graph.program import Program
from sparsebounds.bounds.graph.reference import Reference
from sparsebounds.bounds.margins_alike import at_percentile, margin_at
from sparsebounds.bounds.network import Network
from sparsebounds.bounds.quantising import quantised
from sparsebounds.bounds.reader import ReadError, read_graph, read_program
from sparsebounds.bounds.registry import capacity_of, evaluations, named
from sparsebounds.bounds.sample.batches import Progress
from sparsebounds.bounds.sample.given import Arrays, Given, handed
from sparsebounds.bounds.sample.limits import Range
from sparsebounds.bounds.sample.margins import Margins
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.sample.slips import slips
from sparsebounds.bounds.table_arguments import check_alike, checked_options, checked_test

COLUMNS = (
    "bound", "value", "guarantee", "verdict", "complexity", "margin_error", "confidence", "gamma", "capacity",
    "train_error", "test_error", "test_error_se", "gap", "ratio", "seconds", "source", "note",
)  # fmt: skip
_NUMBERS = ("value", "complexity", "margin_error", "confidence", "gamma")


def table(
    f: Any,
    x_train: Any,
    y_train: Any = None,
    x_test: Any = None,
    y_test: Any = None,
    *,
    params: Any = None,
    delta: float = 1e-3,
    gamma: float | str | None = None,
    names: Iterable[str] | None = None,
    reference: Graph | Reference | None = None,
    nodes: Partition = "position",
    mask_fixed: bool = False,
    selections_fixed: bool = False,
    preprocessing: str = "fixed",
    repetitions: str = "counted",
    simultaneous: bool = False,
    pixel_range: Range | None = None,
    options: Mapping[str, Any] | None = None,
    batch_size: int = 256,
    progress: Progress | None = None,
) -> BoundTable:
    """One row per bound: value = margin_error + complexity + confidence, beside the errors it speaks of.

    All of them speak of 0/1 errors: whether the largest score is that of the one label of a sample. There is no bound
    on top-k errors, on several labels for one sample, or on the loss of a regression.

    Args:
        f: function of one batched input giving (batch, C) scores, or one score d per input, (0, d) then; or a Flax
            NNX module.
        params: if given, f is a function of (params, x): a pytree of arrays, such as the variables of a Linen module.
        x_train, y_train: the m samples the bounds are about, inputs exactly as the network receives them. Drawn
            independently, and all of them: augmented or oversampled copies are no samples, however they differ, and
            balanced, filtered or cleaned ones speak of a distribution of their own. Measure the originals. One of each
            source: frames of one video, records of one patient, windows of one series that overlap are one draw. All
            that made the inputs (features picked, PCA, an embedding) and m itself must not come from these samples, nor
            the architecture: which of several networks of different architectures is shown is a choice that no row of a
            table pays for.
            Data larger than memory: memory maps; or, without y_train, an iterable of batches (x, y), of which one is in
            memory at a time (`occam_quantised`, which needs several passes, is then left out). So too for x_test.
        x_test, y_test: other samples, for the test error and the bounds that take a `test` (`held_out`); without
            them its columns and these rows are NaN. They must have chosen nothing: neither the epoch, nor a setting,
            nor the features, nor how many they are, nor which of several networks is shown here; and they must have
            no source (video, patient, series) in common with the training samples.
        delta: allowed probability of failure of every single row, in (0, 1): each has its own δ, and of twenty
            certificates one may fail with a probability of up to 20 δ; see `simultaneous`.
        gamma: one margin for all rows that have one: "best", a number above 0, or "percentile:10", the 10th percentile
            of the training margins (its absolute value, as the papers take it); without it each bound has its own
            default. Theorems that speak of a margin fixed in advance have no row at the best one, and at a percentile
            no more than "published". Which γ a row has stands in its column.
        names: keys of `bounds.BOUNDS`, all of them by default.
        reference: weights fixed without the sample, read before training, for the bounds that speak of a distance from
            them; one with the network's own weights, or nearly, is refused unless `bounds.Reference` declares it.
        nodes: the partition, "position", "group" or "scalar".
        mask_fixed: whether the zeros of the weights were fixed without looking at the sample.
        selections_fixed: whether the lists of what the network reads (indices, slices, masks of values, predecessors)
            were fixed without looking at the sample, see `read_graph`; otherwise every certificate pays for them.
        preprocessing: "fixed", or "sample" when the normalisation's constants come from these samples; "stated" if they
            do not although it looks so, see `Sample`.
        repetitions: "natural" if the distribution itself repeats inputs; "counted": inputs that repeat an earlier one,
            and test samples that were trained on, are counted by fingerprints (8 bytes a sample), and more than
            coincidence leaves no certificate (the rule is in `bounds.sample.repetitions`).
        simultaneous: all rows that call themselves certificates hold together with probability 1 − δ: δ is divided by
            their number, that of the bounds asked for, covered or not.
        pixel_range: (low, high) of a coordinate as the network receives it, known in advance, such as (0.0, 1.0), and
            not the extremes of these samples; theorems that need it give NaN without it.
        options: further keywords, each passed to the bounds that take it, such as {"input_bound": 10.0}.
        batch_size: samples per call of f, at most; fewer of large inputs.
        progress: called as (what, done, how many or None) after every batch and every bound, for a progress bar.

    Returns:
        DataFrame with the columns of `COLUMNS`; printed, it shows those that fit. `verdict` is what the number is
        worth: "informative" for a certificate below 1, "vacuous", "no guarantee", "not covered". `capacity` is the
        complexity at the row's γ before grids, unions and cuts: what orders networks (`Theorem.capacity`). `gap` is
        test error − train error, `test_error_se` the standard error of the test error, `ratio` value / test error (NaN
        at zero), `seconds` the time of that bound alone. A bound that does not cover this network is a row of NaN, the
        reason in `note`. Of a network that the reader refuses the bounds that need no graph are given (`held_out`,
        `occam`, `occam_quantised`, `parameter_count`), see `read_program`; the refusal is the note of all others.

    Raises:
        ValueError: bad data (see `Sample.measure`), an unknown name, δ outside (0, 1), an option that no bound takes.
        ReadError: a network in training mode, or one that mixes the inputs of a batch; of one that cannot be read, if
            only bounds were asked for that need its graph.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
        >>> w = np.eye(3, dtype=np.float32)[:, :2]
        >>> rows = table(lambda x: x @ w, x, (x[:, 1] > x[:, 0]).astype(int), names=["galanti"])
        >>> rows.train_error.tolist(), rows.guarantee.tolist()
        ([0.0], ['certificate'])
    """
    chosen = named(names)
    check_delta(delta)
    for flag, value in (("mask_fixed", mask_fixed), ("simultaneous", simultaneous)):
        check_flag(flag, value)
    given = checked_options(options, chosen, pixel_range, gamma)
    train, test = handed(x_train, y_train), checked_test(x_test, y_test)
    check_alike(train, test)
    network = Network.of(f, params)
    # First: a refusal must not cost a pass.
    graph = _read(network, train.example, chosen, nodes, selections_fixed)
    sample = Sample.measure(
        *(network, train, None, preprocessing),
        repetitions=repetitions,
        vocabulary=graph.input.vocabulary,
        batch_size=batch_size,
        progress=progress,
    )
    notices = _noticed(network, train, sample)
    # Constants that come from the training sample are fixed for the test samples.
    said = "stated" if preprocessing == "stated" else "fixed"
    held_out = _held_out(network, test, batch_size, progress, preprocessing=said, repetitions=repetitions)
    errors = _errors(sample, held_out)
    given |= {"reference": reference, "mask_fixed": mask_fixed, "test": held_out}
    if "occam_quantised" in chosen and isinstance(train, Arrays):
        again: dict[str, Any] = {
            "selections_fixed": selections_fixed,
            "repetitions": repetitions,
            "batch_size": batch_size,
        }
        given["quantised"] = quantised(network, train.x, train.labels, **again)
    if gamma is not None:
        given["gamma"] = margin_at(gamma, sample)
    deltas = _deltas(chosen, delta, simultaneous)
    rows = [row | errors for row in _rows(chosen, graph, sample, given, deltas, gamma, progress)]
    declared: dict[str, Any] = {"delta": delta, "mask_fixed": mask_fixed, "selections_fixed": selections_fixed}
    declared |= {"preprocessing": preprocessing, "repetitions": repetitions, "simultaneous": simultaneous}
    declared |= {"pixel_range": pixel_range, "reference": reference is not None}
    shown = train.x if isinstance(train, Arrays) else train.example
    return _framed(rows, Evidence({}, graph, sample, held_out, spread(shown), declared, notices))


def _framed(rows: list[dict[str, Any]], evidence: Evidence) -> BoundTable:
    """The rows as a table, with what stands behind it."""
    frame = BoundTable(rows, columns=list(COLUMNS))
    test_error = frame["test_error"]
    frame["ratio"] = (frame["value"] / test_error).where(test_error > 0)
    keep(frame, replace(evidence, bounds={row["bound"]: row["found"] for row in rows}))
    return frame


def _read(
    network: Network, x: np.ndarray, chosen: Mapping[str, Theorem[...]], nodes: Partition, selections_fixed: bool
) -> Graph | Program:
    """The graph; where the reader refuses, the program, if some bound needs no more."""
    try:
        return read_graph(network, x, nodes=nodes, selections_fixed=selections_fixed)
    except ReadError as error:
        try:
            program = read_program(network, x, reason=str(error))
        except ReadError:  # there is no program of it either, and the first refusal says more
            raise error from None
        if all(program.outside(bound.declaration.covers) for bound in chosen.values()):
            raise
        return program


def _noticed(network: Network, train: Given, sample: Sample) -> tuple[str, ...]:
    """What looks wrong with the data, said once; of data that come in batches nothing can be looked at again."""
    found = slips(network, train.x, train.labels, sample.train_error) if isinstance(train, Arrays) else ()
    for notice in found:
        warnings.warn(notice, stacklevel=3)
    return found


def certificates(chosen: Mapping[str, Theorem[...]]) -> list[str]:
    """Names of the bounds whose rows call themselves certificates."""
    return [name for name, bound in chosen.items() if bound.declaration.guarantee == "certificate"]


def _deltas(chosen: Mapping[str, Theorem[...]], delta: float, simultaneous: bool) -> dict[str, float]:
    divided = delta / max(len(certificates(chosen)), 1) if simultaneous else delta
    return {name: divided if name in certificates(chosen) else delta for name in chosen}


def _held_out(
    network: Network, test: Given | None, batch_size: int, progress: Progress | None, **said: Any
) -> Margins | None:
    """The margins on the test samples, for their error and for the bounds that take a `test`."""
    return None if test is None else Margins.measure(network, test, batch_size=batch_size, progress=progress, **said)


def _errors(sample: Sample, test: Margins | None) -> dict[str, float]:
    share = math.nan if test is None else test.error
    return {
        "train_error": sample.train_error,
        "test_error": share,
        "test_error_se": math.nan if test is None else math.sqrt(share * (1 - share) / len(test.margins)),
        "gap": share - sample.train_error,
    }


def _rows(
    chosen: Mapping[str, Theorem[...]],
    graph: Graph | Program,
    sample: Sample,
    given: Mapping[str, Any],
    deltas: Mapping[str, float],
    gamma: float | str | None,
    progress: Progress | None,
) -> Iterator[dict[str, Any]]:
    for done, (name, bound) in enumerate(chosen.items(), start=1):
        yield row_of(name, bound, graph, sample, {**given, "delta": deltas[name]}, gamma)
        if progress is not None:
            progress("bounds", done, len(chosen))


def row_of(
    name: str,
    bound: Theorem[...],
    graph: Graph | Program,
    sample: Sample,
    options: Mapping[str, Any],
    gamma: float | str | None,
) -> dict[str, Any]:
    """One row of a table without the errors.

    Args:
        name: of the row.
        bound: a value of `bounds.BOUNDS`.
        graph, sample: what it is about.
        options: as in `registry.evaluated`; `gamma` among them is "best" or a number.
        gamma: the same margin in the words of `table`, where one was given.

    Returns:
        Columns of `COLUMNS`; the `Bound` itself is under "found".

    Example:
        >>> from sparsebounds.bounds import BOUNDS
        >>> row_of("galanti", BOUNDS["galanti"], graph, sample, {"delta": 0.01, "gamma": 1.0}, None)["gamma"]
        1.0
    """
    ((_, found, seconds),) = evaluations({name: bound}, graph, sample, options)
    capacity = capacity_of(bound, graph, sample, options, found)
    found = at_percentile(found, bound, gamma)
    row = {key: getattr(found, key) for key in (*_NUMBERS, "guarantee", "verdict", "source", "note")}
    return {"bound": name, "seconds": seconds, "capacity": capacity, "found": found} | row
