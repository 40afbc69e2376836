"""What the `compositional` experiment amounts to: samples for equal error, gaps and bounds, tree against dense."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from sparsebounds.experiments.shared.tables import grid, number


def samples_needed(rows: pd.DataFrame, level: float) -> float:
    """The m from which on a network's test error is at most `level`: geometric mean over seeds.

    Between two m the error is taken as linear in log m. Where the smallest m is enough the answer is that m, so it is
    an upper bound then; where the largest is not enough it is infinite.

    Args:
        rows: columns samples, seed, test_error of one network.
        level: share of errors.

    Returns:
        m.

    Example:
        >>> rows = pd.DataFrame({"samples": [100, 400], "seed": 0, "test_error": [0.3, 0.1]})
        >>> round(samples_needed(rows, 0.2)), samples_needed(rows, 0.05), round(samples_needed(rows, 0.4))
        (200, inf, 100)
    """
    found = [_crossing(group.sort_values("samples"), level) for _, group in rows.groupby("seed")]
    return float(np.exp(np.mean(found)))


def _crossing(rows: pd.DataFrame, level: float) -> float:
    """log m after the last m whose error is above the level."""
    logs, errors = np.log(rows["samples"].to_numpy(float)), rows["test_error"].to_numpy(float)
    above = np.flatnonzero(errors > level)
    if not above.size:
        return float(logs[0])
    last = int(above[-1])
    if last == len(errors) - 1:
        return math.inf
    share = (errors[last] - level) / (errors[last] - errors[last + 1])
    return float(logs[last] + share * (logs[last + 1] - logs[last]))


def equal_error(rows: pd.DataFrame) -> list[dict[str, float]]:
    """For every m of the dense network: its mean test error, and the samples that the tree needs for the same.

    Args:
        rows: rows.csv of one target.

    Returns:
        dense_samples, error, tree_samples, ratio = dense_samples/tree_samples (at least that, where the smallest m is
        already enough for the tree).
    """
    result = rows[rows["part"] == "result"]
    tree, dense = (result[result["network"] == name] for name in ("tree", "dense"))
    lines = []
    for m, group in dense.groupby("samples"):
        level = float(group["test_error"].mean())
        needed = samples_needed(tree, level)
        lines.append({"dense_samples": int(m), "error": level, "tree_samples": needed, "ratio": float(m) / needed})
    return lines


def summary(rows: pd.DataFrame) -> dict[str, Any]:
    """Per target: equal errors, means over seeds per network and m, and every bound at the largest m that has one."""
    return {"targets": {str(target): _one(part) for target, part in rows.groupby("target", sort=False)}}


def _one(rows: pd.DataFrame) -> dict[str, Any]:
    result, bounded = rows[rows["part"] == "result"], rows[rows["part"] == "bounds"]
    columns = ["width", "learning_rate", "parameters", "train_error", "test_error", "gap"]
    means = result.groupby(["network", "samples"], sort=False)[columns].mean().reset_index()
    spread = result.groupby(["network", "samples"], sort=False)["gap"].std(ddof=1).reset_index()["gap"]
    means["gap_se"] = spread / math.sqrt(result["seed"].nunique())
    last = bounded[bounded["samples"] == bounded["samples"].max()]
    values = last.pivot_table("value", "bound", "network", aggfunc="median", sort=False).dropna(how="all")
    return {
        "equal_error": equal_error(rows),
        "networks": means.to_dict(orient="records"),
        "bounds_at": int(last["samples"].iloc[0]),
        "bounds": values.reset_index().to_dict(orient="records"),
    }


def show_compositional(console: Console, found: Mapping[str, Any]) -> None:
    """Two tables per target: samples and gaps, and bounds."""
    for target, one in found["targets"].items():
        networks = {(row["network"], row["samples"]): row for row in one["networks"]}
        cells = []
        for line in one["equal_error"]:
            m = line["dense_samples"]
            tree, dense = networks["tree", m], networks["dense", m]
            cells.append(
                [str(m), *(f"{row['test_error']:.2%}" for row in (dense, tree)),
                 *(f"{row['gap']:+.2%}" for row in (dense, tree)), number(line["tree_samples"], 3),
                 number(line["ratio"], 3)]
            )  # fmt: skip
        heads = ("m", "dense: error", "tree: error", "dense: gap", "tree: gap", "tree needs", "ratio")
        console.print(grid(f"{target}: errors and samples for the dense network's error", heads, cells, gap=2))
        cells = [[row["bound"], number(row.get("tree", math.nan)), number(row.get("dense", math.nan))]
                 for row in one["bounds"]]  # fmt: skip
        title = f"{target}: bounds on the test error at m = {one['bounds_at']}, median over seeds"
        console.print(grid(title, ("bound", "tree", "dense"), cells, gap=2))
