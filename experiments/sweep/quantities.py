"""Everything that is measured of a trained network: the one place that calls the table of bounds and the measures."""

import math
import time
from typing import Any

import numpy as np
import pandas as pd

from sparsebounds import bounds
from sparsebounds.bounds.evidence import evidence_of
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.margins_alike import margin_at
from sparsebounds.bounds.network import Network
from sparsebounds.bounds.reader import ReadError
from sparsebounds.bounds.registry import named
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.tables import row_of
from sparsebounds.experiments.shared.layers import layer_means
from sparsebounds.experiments.shared.problems import one_line, unknown
from sparsebounds.experiments.sweep.config import Settings
from sparsebounds.experiments.sweep.factors import DENSE, method_and_density
from sparsebounds.experiments.sweep.grid import Cell
from sparsebounds.experiments.sweep.training import Trained
from sparsebounds.nets import masks as masking
from sparsebounds.nets.data.datasets import Dataset
from sparsebounds.nets.prune import METHODS
from sparsebounds.nets.topology.network import SCORES, network_topology

Row = dict[str, Any]
NONE = ("none",)
SEARCHED = 2000
"""Images at most, drawn from the training set, on which perturbations are searched."""
HELD_OUT = ("held_out",)
"""Bounds that read the test sample: they rank by what is to be ranked, and are told apart."""
BATCH = 1000
"""Images of one call of the network."""
ERRORS = ("train_error", "test_error", "test_error_se", "gap")


def quantities(cell: Cell, trained: Trained, data: Dataset) -> tuple[Row, list[Row]]:
    """The errors of a network, and a row for each bound, measure and topology score.

    The network is read once, and run once over each sample: all that is measured shares graph and margins.

    Args:
        cell: its hyper-parameters and the sweep's settings.
        trained: the network.
        data: its training and test sample.

    Returns:
        The errors, and rows of quantity, kind, nodes, value, capacity, gamma, guarantee, seconds, note. A quantity
        that raises is a row of NaN with the reason: the cell is not lost.

    Raises:
        ReadError: a network that the reader refuses.
    """
    network, before = Network.of(trained.model), bounds.read_graph(trained.initial, data.x_train[:2])
    table = _table(cell, network, before, data)
    behind = evidence_of(table)
    if behind is None or not isinstance(behind.graph, Graph) or behind.sample is None:
        raise ReadError("the reader refuses this network: " + table["note"].iloc[0])
    errors = {name: float(table[name].iloc[0]) for name in ERRORS}
    rows = [_bound_row(row, "position") for row in table.to_dict(orient="records")]
    rows += _scalar(cell, behind.graph, behind.sample, before, data)
    return errors, [*rows, *_measures(cell, trained, network, behind.graph, before, data), *_topology(cell, trained)]


def check_names(settings: Settings) -> None:
    """Whether the bounds and measures of a sweep are known here, those of other packages among them.

    Raises:
        Problem: one is not.

    Example:
        >>> check_names(Settings(bounds=("galanti",), measures=NONE))
    """
    for what, names, known in (
        ("bound", (*settings.bounds, *settings.scalar_nodes), bounds.BOUNDS),
        ("measure", () if settings.measures == NONE else settings.measures, bounds.MEASURES),
    ):
        for name in names:
            if name not in known:
                raise unknown(what, name, known)


def _table(cell: Cell, network: Network, before: Graph, data: Dataset) -> pd.DataFrame:
    """All bounds, with layers' positions as nodes."""
    return bounds.table(
        network,
        data.x_train,
        data.y_train,
        data.x_test,
        data.y_test,
        delta=cell.settings.delta,
        gamma=cell.settings.gamma,
        names=cell.settings.bounds or None,
        reference=before,
        mask_fixed=_mask_fixed(cell),
        preprocessing=data.preprocessing,
        pixel_range=data.pixel_range,
        batch_size=BATCH,
    )


def _scalar(cell: Cell, graph: Graph, sample: Sample, before: Graph, data: Dataset) -> list[Row]:
    """Some bounds a second time, with single units as nodes."""
    settings = cell.settings
    chosen = named(name for name in settings.scalar_nodes if not settings.bounds or name in settings.bounds)
    given = {
        "delta": settings.delta,
        "gamma": margin_at(settings.gamma, sample),
        "reference": before.partition("scalar"),
        "mask_fixed": _mask_fixed(cell),
        "pixel_range": data.pixel_range,
    }
    units = graph.partition("scalar")
    rows = [row_of(name, bound, units, sample, given, settings.gamma) for name, bound in chosen.items()]
    return [_bound_row(row, "scalar") for row in rows]


def _mask_fixed(cell: Cell) -> bool:
    """Whether the zeros were chosen without the sample."""
    method, _ = method_and_density(str(cell.levels["sparsity"]), float(cell.levels["density"]))
    return method == DENSE or not METHODS[method].data


def _bound_row(row: Row, nodes: str) -> Row:
    name = row["bound"] if nodes == "position" else f"{row['bound']} ({nodes})"
    kept = {key: row[key] for key in ("value", "gamma", "guarantee", "seconds", "note")}
    kind = "held out" if row["bound"] in HELD_OUT else "bound"
    return {"quantity": name, "kind": kind, "nodes": nodes, "capacity": row["capacity"], **kept}


def _measures(cell: Cell, trained: Trained, network: Network, graph: Graph, before: Graph, data: Dataset) -> list[Row]:
    """The quantities of the literature that are no bounds; those that search use a part of the sample."""
    settings = cell.settings
    if settings.measures == NONE:
        return []
    found = bounds.measures(
        network,
        data.x_train,
        data.y_train,
        before,
        names=settings.measures or None,
        log=trained.written(),
        searches=settings.searches,
        seed=int(cell.levels["seed"]),
        searched=SEARCHED,
        graph=graph,
        batch_size=BATCH,
    )
    return [
        measure_row(_alone(row["measure"]), row["value"], row["guarantee"], row["seconds"], row["note"])
        for row in found.to_dict(orient="records")
    ]


def _alone(measure: str) -> str:
    """The name of a measure in a table that has bounds too."""
    return f"{measure} (measure)" if measure in bounds.BOUNDS else measure


def _topology(cell: Cell, trained: Trained) -> list[Row]:
    """Means over the masked layers of the scores of `nets.topology`; of a dense network they are not defined."""
    began, note, found = time.perf_counter(), "", dict.fromkeys(SCORES, math.nan)
    density = method_and_density(str(cell.levels["sparsity"]), float(cell.levels["density"]))[1]
    try:
        if density < 1:
            layers = network_topology(trained.masks, masking.parameters(trained.model), layout=trained.model)
            found = layer_means(layers, SCORES)
        else:
            note = "a dense network has no mask"
    except (ValueError, ArithmeticError, LookupError) as error:
        note = one_line(error)
    seconds = (time.perf_counter() - began) / len(SCORES)
    return [measure_row(f"topology_{name}", found[name], "measure", seconds, note) for name in SCORES]


def measure_row(name: str, value: float, guarantee: str, seconds: float, note: str) -> Row:
    """The row of a quantity that is no bound: what ranks is its value."""
    return {
        "quantity": name, "kind": "measure", "nodes": "", "value": value, "capacity": value, "gamma": np.nan,
        "guarantee": guarantee, "seconds": seconds, "note": note,
    }  # fmt: skip
