"""What a run with CONV-L-H networks amounts to: the five bounds of every trained network, and their order."""

import math
from typing import Any

import pandas as pd
from rich.console import Console

from sparsebounds.experiments.reproduce.conv.curves import CURVES
from sparsebounds.experiments.reproduce.conv.rows import AS_CODED, THEOREM
from sparsebounds.experiments.shared.tables import grid, number


def summary(rows: pd.DataFrame) -> dict[str, Any]:
    """The last epoch of every network.

    Returns:
        {"networks": [{network, epoch, rho, train_error, test_error, gap, as coded: {curve: value}, corrected: {bound:
        value}, order as coded, order corrected}, …]}: values are gap_bound, the part of a bound that speaks of test
        error − train error; orders name the curves from the smallest.
    """
    networks = []
    for name, part in rows.groupby("network", sort=False):
        last = part[part["epoch"] == part["epoch"].max()]
        first = last.iloc[0]
        coded, corrected = _values(last, AS_CODED), _values(last, THEOREM)
        about = {key: first[key] for key in ("epoch", "rho", "train_error", "test_error", "gap")}
        theorems = {curve.coded: corrected.get(curve.theorem, math.nan) for curve in CURVES}
        networks.append(
            {
                "network": name,
                **about,
                "as coded": coded,
                "corrected": corrected,
                "order as coded": _order(coded),
                "order corrected": _order(theorems),
            }
        )
    return {"networks": networks}


def _values(rows: pd.DataFrame, form: str) -> dict[str, float]:
    part = rows[(rows["form"] == form) & (rows["nodes"] != "scalar")]
    return dict(zip(part["bound"], part["gap_bound"], strict=True))


def _order(values: dict[str, float]) -> list[str]:
    return sorted((name for name, value in values.items() if not math.isnan(value)), key=values.__getitem__)


def show_summary(console: Console, found: dict[str, Any]) -> None:
    """A table of the five bounds per network, both ways."""
    for network in found["networks"]:
        cells = [
            [
                curve.label,
                *_both(network["as coded"].get(curve.coded)),
                *_both(network["corrected"].get(curve.theorem)),
            ]
            for curve in CURVES
        ]
        heads = ("bound", "as coded", "log₂", "corrected", "log₂")
        console.print(grid(f"{network['network']}, epoch {network['epoch']}", heads, cells, gap=3))
        if not math.isnan(network["test_error"]):
            console.print(
                f" train error {network['train_error']:.2%}, test error {network['test_error']:.2%}, "
                f"gap {network['gap']:+.2%}, ρ {number(network['rho'])}",
                highlight=False,
            )
        console.print(f" smallest first, as coded: {', '.join(network['order as coded'])}", highlight=False)
        if network["order corrected"]:
            console.print(f" smallest first, corrected: {', '.join(network['order corrected'])}", highlight=False)


def _both(value: float | None) -> tuple[str, str]:
    if value is None or math.isnan(value) or value <= 0:
        return "–", "–"
    return number(value), f"{math.log2(value):.2f}"
