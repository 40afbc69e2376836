"""Measure a network by all that the literature knows and that is no bound: one row for each measure."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.reference import Reference
from sparsebounds.bounds.measures.measure import Measure
from sparsebounds.bounds.measures.subject import CONVENTIONS, Convention, Subject, Undefined
from sparsebounds.bounds.measures.training_log import logged
from sparsebounds.bounds.network import Network
from sparsebounds.bounds.reader import read_graph
from sparsebounds.bounds.registry import MEASURES
from sparsebounds.bounds.sample.batches import batches
from sparsebounds.bounds.sample.checks import check_classes, check_sample

COLUMNS = ("measure", "value", "guarantee", "seconds", "source", "note")


def measures(
    f: Any,
    x: Any,
    y: Any,
    reference: Any = None,
    *,
    params: Any = None,
    names: Iterable[str] | None = None,
    log: Mapping[str, float] | None = None,
    searches: bool = False,
    seed: int = 0,
    convention: Convention = "robust-measures",
    searched: int = 2000,
    graph: Graph | None = None,
    batch_size: int = 256,
) -> pd.DataFrame:
    """One row per measure: quantities that are no bounds, promise nothing, and are compared by the order they give.

    Args:
        f: function of one batched input giving (batch, C) scores, or a Flax NNX module, as in `table`.
        x, y: the m samples that trained it.
        reference: the network before training: a Graph, a `Reference`, or whatever f may be. Without it the measures
            of distance are NaN.
        params: if given, f is a function of (params, x).
        names: keys of `bounds.MEASURES`, all of them by default.
        log: what the training wrote down, such as {"training_loss": 0.01, "epochs_to_stop": 12}; names that
            `bounds.MEASURES` does not know become rows too.
        searches: without names, also those that search: σ and α at which the training error rises by 0.1 (seconds to
            minutes). Names that are given are computed whatever they need.
        seed: of all that is drawn.
        convention: of the searches for σ, "robust-measures" (as their code has it) or "paper".
        searched: the searches use so many samples at most, the first of a permutation by `seed`.
        graph: the network as `read_graph` gave it, where that was done already.
        batch_size: samples per call of f.

    Returns:
        DataFrame with the columns `COLUMNS`. `guarantee` is "measure" in every row; `value` is NaN where a measure
        cannot be computed, and `note` says why; a measure that raises costs its own row alone.

    Raises:
        ValueError: bad data (see `Sample.measure`), an unknown name or convention.
        ReadError: a network that the reader refuses.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
        >>> w = np.eye(3, dtype=np.float32)[:, :2]
        >>> rows = measures(lambda x: x @ w, x, (x[:, 1] > x[:, 0]).astype(int), names=["params", "l2_dist"])
        >>> rows.value.round(4).tolist(), rows.note[1]
        ([0.5477, nan], 'no reference was given: the network before training, as reference=')

    Source: docs/measures.md names formula, source and convention of each.
    """
    if convention not in CONVENTIONS:
        raise ValueError(f"convention is {convention!r}; it is one of {', '.join(map(repr, CONVENTIONS))}")
    written = dict(log or {})
    chosen = _chosen(names, written, searches)
    x, labels = check_sample(x, y)
    network = Network.of(f, params)
    found = read_graph(network, np.asarray(x[:2])) if graph is None else graph
    scores = _scores(network, x, batch_size)
    subject = Subject(
        graph=found,
        scores=scores,
        x=np.asarray(x),
        y=check_classes(labels, scores.shape[1]),
        reference=_before(reference, np.asarray(x[:2])),
        log=written,
        seed=seed,
        convention=convention,
        searched=searched,
    )
    return pd.DataFrame(list(_rows(chosen, subject)), columns=list(COLUMNS))


def _chosen(names: Iterable[str] | None, log: Mapping[str, float], searches: bool) -> dict[str, Measure]:
    for name in log:
        if name in MEASURES and MEASURES[name].needs != "log":
            raise ValueError(f"log has {name!r}, the name of a measure that is computed; call the logged one otherwise")
    known = MEASURES | {name: logged(name, "as handed in") for name in log if name not in MEASURES}
    if names is None:
        return {name: measure for name, measure in known.items() if searches or measure.needs != "search"}
    if isinstance(names, str):
        raise ValueError(f"names is the text {names!r}; a list of names is needed: names=[{names!r}]")
    wanted = list(dict.fromkeys(names))
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ValueError(f"unknown measure {unknown[0]!r}; the known ones are {', '.join(known)}")
    return {name: known[name] for name in wanted}


def _scores(network: Network, x: Any, batch_size: int) -> Float64[np.ndarray, "m C"]:
    return np.concatenate([batch.scores for batch in batches(network, x, batch_size=batch_size)])


def _before(reference: Any, x: np.ndarray) -> Graph | None:
    """The graph before training."""
    if reference is None or isinstance(reference, Graph):
        return reference
    return reference.graph if isinstance(reference, Reference) else read_graph(Network.of(reference), x)


def _rows(chosen: Mapping[str, Measure], subject: Subject) -> Iterator[dict[str, Any]]:
    for name, measure in chosen.items():
        start = time.perf_counter()
        try:
            value, note = float(measure(subject)), ""
            if math.isnan(value):
                note = "not a number: it was handed in so, or is not defined for these weights"
        except Undefined as reason:
            value, note = math.nan, str(reason)
        except Exception as error:  # a measure of somebody else's must not cost the other rows
            value, note = math.nan, f"{type(error).__name__}: {error}"
        declared = measure.declaration
        yield {
            "measure": name,
            "value": value,
            "guarantee": declared.guarantee,
            "seconds": time.perf_counter() - start,
            "source": declared.source,
            "note": note,
        }
