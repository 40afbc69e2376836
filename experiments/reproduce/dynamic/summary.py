"""What the `dynamic` experiment amounts to: channels against chance, what removal gains, bounds."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from sparsebounds.experiments.shared.tables import grid, number

Row = dict[str, Any]
LEGEND = (
    "below 0.8: channels with less than 0.8 × their layer's mean density",
    "by chance: the same in a random mask with as many weights in every layer, and how far away that is",
    "spread: standard deviation of channel densities relative to that mask's",
)
MEANS = ("test_error", "train_error", "parameters", "density", "flops", "alive", "channels", "below", "below_random")


def at_end(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the last epoch."""
    return rows[rows["epoch"] == rows["epoch"].max()]


def spread_ratio(layers: pd.DataFrame) -> float:
    """How much more unevenly channels are filled than by chance: √(Σ spread² / Σ spread_random²), layers by channels.

    Args:
        layers: rows of the part "layer" of one mask; layers without chance (dense ones) do not count.

    Returns:
        About 1 for a random mask; NaN where nothing is left to chance.

    Example:
        >>> layers = pd.DataFrame({"channels": [4, 4], "spread": [0.2, 0.0], "spread_random": [0.1, 0.0]})
        >>> spread_ratio(layers)
        2.0
    """
    used = layers[layers["spread_random"] > 0]
    if used.empty:
        return math.nan
    chance = float((used["channels"] * used["spread_random"] ** 2).sum())
    return math.sqrt(float((used["channels"] * used["spread"] ** 2).sum()) / chance)


def summary(rows: pd.DataFrame) -> Row:
    """Per method the last epoch, means over seeds; what the removal did; every bound that covers the network.

    Args:
        rows: rows.csv.

    Returns:
        `methods`: name → errors, sizes, `below` (share of channels below 0.8 × their layer's density), `below_random`
        (the same by chance), `deviations` (their difference in standard deviations of one random mask, at the seed
        where it is smallest) and `spread_ratio`; `removal`: means over seeds, largest `difference`, `speedup`;
        `bounds`: name → method → median value.
    """
    last = at_end(rows)
    methods = {}
    for method, part in last.groupby("method", sort=False):
        network, layers = part[part["part"] == "network"], part[part["part"] == "layer"]
        away = (network["below"] - network["below_random"]) / network["below_sd"].where(network["below_sd"] > 0)
        ratios = [spread_ratio(group) for _, group in layers.groupby("seed")]
        methods[str(method)] = {name: float(network[name].mean()) for name in MEANS} | {
            "deviations": float(away.min()),
            "spread_ratio": float(np.mean(ratios)),
            "seeds": int(network["seed"].nunique()),
        }
    bounded = last[(last["part"] == "bound") & last["value"].notna()]
    values = bounded.pivot_table("value", "bound", "method", aggfunc="median", sort=False)
    found = {str(name): {str(k): float(v) for k, v in row.dropna().items()} for name, row in values.iterrows()}
    return {"methods": methods, "removal": _removal(rows[rows["part"] == "removal"]), "bounds": found}


def _removal(rows: pd.DataFrame) -> Row | None:
    if rows.empty:
        return None
    names = ("channels", "removed", "removed_share", "arrays_before", "arrays_after", "dense_flops_before",
             "dense_flops_after", "seconds_before", "seconds_after", "images")  # fmt: skip
    found = {name: float(rows[name].mean()) for name in names}
    speedup = float((rows["seconds_before"] / rows["seconds_after"]).median())
    return found | {"difference": float(rows["difference"].max()), "speedup": speedup}


def show_dynamic(console: Console, found: Mapping[str, Any]) -> None:
    """Methods, the removal and the bounds."""
    heads = ("method", "test error", "parameters", "MFLOP", "channels", "below 0.8", "by chance", "s.d. away", "spread")
    cells = [
        [name, f"{row['test_error']:.2%}", number(row["parameters"], 6), number(row["flops"] / 1e6, 3),
         f"{row['alive']:.0f} of {row['channels']:.0f}", f"{row['below']:.1%}", f"{row['below_random']:.1%}",
         number(row["deviations"], 3), number(row["spread_ratio"], 3)]
        for name, row in found["methods"].items()
    ]  # fmt: skip
    console.print(grid("Channels after training", heads, cells, gap=2))
    for line in LEGEND:
        console.print(line, highlight=False, style="dim")
    if (cut := found["removal"]) is not None:
        console.print(
            f"Chase: {cut['removed']:.0f} of {cut['channels']:.0f} channels cut out ({cut['removed_share']:.1%}), "
            f"largest change of a score {cut['difference']:.1e}; numbers stored {cut['arrays_before']:.0f} → "
            f"{cut['arrays_after']:.0f}, MFLOP with zeros multiplied {cut['dense_flops_before'] / 1e6:.3g} → "
            f"{cut['dense_flops_after'] / 1e6:.3g}, seconds for {cut['images']:.0f} images "
            f"{cut['seconds_before']:.3g} → {cut['seconds_after']:.3g} ({cut['speedup']:.2f}×)",
            highlight=False,
        )
    names = list(found["methods"])
    cells = [[bound] + [number(row.get(name, math.nan)) for name in names] for bound, row in found["bounds"].items()]
    console.print(grid("Bounds on the test error (below 1 they say something)", ("bound", *names), cells, gap=2))
