"""One cell from its config to its rows: what a worker does."""

import time
from typing import Any

from sparsebounds.experiments.sweep.factors import FACTORS, method_and_density
from sparsebounds.experiments.sweep.grid import Cell
from sparsebounds.experiments.sweep.quantities import Row, quantities
from sparsebounds.experiments.sweep.samples import Pools, sample_of
from sparsebounds.experiments.sweep.training import fit
from sparsebounds.nets import masks as masking

NETWORK = (
    "reached", "epochs", "cross_entropy", "train_error", "test_error", "test_error_se", "gap", "tested", "parameters",
    "kept", "train_seconds", "measure_seconds",
)  # fmt: skip
QUANTITY = ("quantity", "kind", "nodes", "value", "capacity", "gamma", "guarantee", "seconds", "note")
COLUMNS = ("cell", "code", *FACTORS, *NETWORK, *QUANTITY)
"""The columns of every file: hyper-parameters, the network's errors, and one quantity a row."""


def rows_of(cell: Cell, pools: Pools) -> list[Row]:
    """Train the network of a cell and measure it.

    Args:
        cell: the cell.
        pools: images that this process holds.

    Returns:
        Rows with the columns of `COLUMNS`.

    Raises:
        Diverged: the loss became no number.
        ValueError, Problem: the network cannot be made, or there are no images of its data set here.
    """
    data = sample_of(cell, pools)
    trained = fit(cell, data)
    began = time.perf_counter()
    errors, found = quantities(cell, trained, data)
    kernels = masking.kernels(trained.model)
    leaves = masking.leaves(trained.masks)
    network: dict[str, Any] = {
        "reached": trained.reached,
        "epochs": len(trained.log),
        "cross_entropy": trained.log[-1]["cross_entropy"],
        **errors,
        "tested": len(data.y_test),
        "parameters": sum(leaves[path].size for path in kernels),
        "kept": sum(int(leaves[path].sum()) for path in kernels),
        "train_seconds": trained.seconds,
        "measure_seconds": time.perf_counter() - began,
    }
    density = method_and_density(str(cell.levels["sparsity"]), float(cell.levels["density"]))[1]
    levels = {**cell.levels, "density": density}
    same = {"cell": cell.name, "code": cell.code, **levels, **network}
    rows = [{**same, **row} for row in found]
    return [{name: row[name] for name in COLUMNS} for row in rows]
