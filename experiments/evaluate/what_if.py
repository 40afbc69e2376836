"""`sparsebounds evaluate … --what-if`: each bound after one change to the network or to the number of samples."""

import inspect
import itertools
from collections.abc import Mapping
from typing import Any

import pandas as pd

from sparsebounds import bounds
from sparsebounds.experiments.evaluate.options import EvaluateConfig
from sparsebounds.experiments.shared.passes import Passes
from sparsebounds.experiments.shared.problems import Problem, margin_of, one_line
from sparsebounds.experiments.shared.user_model import Arrays

COLUMNS = ("what if", "bound", "value now", "value", "complexity now", "complexity", "guarantee", "note")
DENSE = "dense"
MEASURED = ("held_out", "occam_quantised")
"""Bounds of margins of their own, which a change leaves behind."""


def what_if(config: EvaluateConfig, network: Any, arrays: Arrays, now: pd.DataFrame) -> pd.DataFrame:
    """A row for each change and each bound with a number.

    Args:
        config: `what_if` has the changes: "samples=M"; "LAYER=DENSITY", pruned by magnitude; "LAYER=dense", counted as
            fully connected. A layer is its name, or its number.
        network, arrays: as in `evaluate`.
        now: the table as it is; bounds without a value, and those of `MEASURED`, are left out.

    Returns:
        `COLUMNS`.

    Raises:
        Problem: a change that cannot be read or made.
    """
    try:
        graph = bounds.read_graph(network, arrays.x_train[:2], selections_fixed=config.selections_fixed)
        graph = graph.partition(config.nodes)  # type: ignore[arg-type]
    except ValueError as error:
        raise Problem(f"--what-if needs the graph of the network: {one_line(error)}") from error
    rows, before = [], now[now["value"].notna() & ~now["bound"].isin(MEASURED)].to_dict(orient="records")
    with Passes() as passes:
        sample = bounds.Sample.measure(
            network, arrays.x_train, arrays.y_train, config.preprocessing,
            repetitions=config.repetitions, progress=passes,
        )  # fmt: skip
        for change, row in itertools.product(config.what_if, before):
            found = _changed(config, change, bounds.BOUNDS[row["bound"]], graph, sample, arrays)
            values = (row["value"], found.value, row["complexity"], found.complexity)
            rows.append((change, row["bound"], *values, found.guarantee, found.note))
            passes("changed bounds", len(rows), len(config.what_if) * len(before))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _changed(
    config: EvaluateConfig, change: str, bound: Any, graph: bounds.Graph, sample: bounds.Sample, arrays: Arrays
) -> bounds.Bound:
    what, _, how = change.rpartition("=")
    gamma = None if config.gamma is None else margin_of(config.gamma)
    options = _taken(bound, {"pixel_range": config.pixel_range, "mask_fixed": config.mask_fixed, "gamma": gamma})
    layer = int(what) if what.lstrip("-").isdigit() else what
    try:
        if what == "samples":
            return bounds.what_if_samples(bound, graph, sample, int(how), delta=config.delta, **options)
        if how == DENSE:
            return bounds.what_if_dense(bound, graph, sample, layer=layer, delta=config.delta, **options)
        options.pop("mask_fixed", None)  # the mask comes from the weights
        return bounds.what_if_pruned(
            bound,
            graph,
            arrays.x_train,
            arrays.y_train,
            layer=layer,
            density=float(how),
            delta=config.delta,
            preprocessing=config.preprocessing,
            repetitions=config.repetitions,
            **options,
        )
    except ValueError as error:
        raise Problem(
            f"--what-if {change}: {one_line(error)}; it is samples=M, LAYER=DENSITY or LAYER={DENSE}"
        ) from error


def _taken(bound: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those options that a bound takes and that were given."""
    known = inspect.signature(bound).parameters
    return {key: value for key, value in options.items() if key in known and value is not None}
