"""What the `sparsity` experiment amounts to: means over seeds, and which bounds fall with the density."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from scipy.stats import spearmanr

from sparsebounds.experiments.shared.tables import grid, number

DENSE = "dense"
FOLLOWED = (
    ("galanti", "position"), ("galanti", "group"), ("galanti", "scalar"), ("peeling", "position"),
    ("peeling", "group"), ("peeling", "scalar"), ("path_norm", ""), ("occam", ""), ("occam_quantised", ""),
)  # fmt: skip
"""Bounds (and nodes) followed from density to density: the complexity, of `BY_VALUE` the value."""
BY_VALUE = ("occam", "occam_quantised")
Row = dict[str, Any]


def followed(rows: pd.DataFrame, bound: str, nodes: str) -> pd.DataFrame:
    """One row per network of a bound, with the number that is followed in a column `followed`."""
    part = rows[(rows["bound"] == bound) & (rows["nodes"] == nodes)]
    return part.assign(followed=part["value" if bound in BY_VALUE else "complexity"])


def of_method(rows: pd.DataFrame, method: str) -> pd.DataFrame:
    """The rows of a method, those of the dense network as its density 1."""
    return rows[rows["method"].isin((method, DENSE))]


def methods(rows: pd.DataFrame) -> list[str]:
    """In the order of the run."""
    return [str(name) for name in dict.fromkeys(rows["method"]) if name != DENSE]


def summary(rows: pd.DataFrame) -> dict[str, Any]:
    """Means over seeds per method and density, and how every followed bound changes with the density.

    Returns:
        {"networks": [...], "falls": [...], "failed": [...]}. In falls: `ratio` of the number at the lowest density to
        that of the dense network, means over seeds, and Spearman's `rank` correlation of the number with the density
        over all networks of the method (1: it falls whenever the density does). In failed: networks that could not
        be made or trained, and why.
    """
    made = rows[rows["bound"] != "none"]
    failed = rows[rows["bound"] == "none"][["method", "density", "seed", "note"]]
    return {
        "networks": [_network(made, method, float(density))
                     for (method, density), _ in made.groupby(["method", "density"], sort=False)],
        "falls": [row for bound, nodes in FOLLOWED for method in methods(made)
                  if (row := _fall(made, method, bound, nodes))],
        "failed": failed.to_dict(orient="records"),
    }  # fmt: skip


def _network(rows: pd.DataFrame, method: str, density: float) -> Row:
    part = rows[(rows["method"] == method) & (rows["density"] == density)]
    one = part.drop_duplicates("seed")
    columns = ("kept", "train_error", "test_error", "gap", "full_spectrum", "defined")
    best = part[part["bound"] == "galanti_best"]
    return {
        "method": method,
        "density": density,
        **{name: float(one[name].mean()) for name in columns},
        "occam": float(part[part["bound"] == "occam"]["value"].mean()),
        "occam_quantised": float(part[part["bound"] == "occam_quantised"]["value"].mean()),
        "galanti_samples_needed": float(best["samples_needed"].mean()),
    }


def _fall(rows: pd.DataFrame, method: str, bound: str, nodes: str) -> Row | None:
    part = followed(of_method(rows, method), bound, nodes).dropna(subset=["followed"])
    means = part.groupby("density")["followed"].mean()
    if len(means) < 2:
        return None
    rank = spearmanr(part["density"], part["followed"]).statistic if part["followed"].nunique() > 1 else math.nan
    return {
        "bound": bound,
        "nodes": nodes,
        "method": method,
        "ratio": float(means.iloc[0] / means.iloc[-1]) if means.iloc[-1] > 0 else math.nan,
        "rank": float(rank),
    }


def show_sparsity(console: Console, found: Mapping[str, Any]) -> None:
    """A table of the networks, and one of the bounds' ratios."""
    heads = ("method", "density", "weights", "train error", "test error", "gap", "occam", "occam, quantised",
             "galanti: m for < 1")  # fmt: skip
    cells = [
        [row["method"], f"{row['density']:g}", f"{row['kept']:.0f}", f"{row['train_error']:.2%}",
         f"{row['test_error']:.2%}", f"{row['gap']:+.2%}", number(row["occam"], 3), number(row["occam_quantised"], 3),
         number(row["galanti_samples_needed"], 2)]
        for row in found["networks"]
    ]  # fmt: skip
    console.print(grid("networks, means over seeds", heads, cells, gap=2))
    names = list(dict.fromkeys(row["method"] for row in found["falls"]))
    ratios = {(row["bound"], row["nodes"], row["method"]): row["ratio"] for row in found["falls"]}
    cells = [
        [bound, nodes, *(number(ratios.get((bound, nodes, name), math.nan), 3) for name in names)]
        for bound, nodes in FOLLOWED
    ]
    title = "complexity (occam: value) at the lowest density over that of the dense network"
    console.print(grid(title, ("bound", "nodes", *names), cells, left=2, gap=2))
    for row in found["failed"]:
        console.print(f" {row['method']}, density {row['density']:g}, seed {row['seed']}: {row['note']}")
