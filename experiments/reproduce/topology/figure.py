"""The `topology` experiment for people: its tables and its picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console

from sparsebounds.experiments.reproduce.topology.summary import ALL_SCORES, PAPER, summary
from sparsebounds.experiments.shared.style import LOOK, save
from sparsebounds.experiments.shared.tables import grid, number

COLOURS = {"erk": "#56B4E9", "random": "#7F7F7F", "snip": "#E69F00", "grasp": "#CC79A7", "synflow": "#009E73",
           "iterative_snip": "#D55E00"}  # fmt: skip
MARKERS = ("o", "s", "D", "^", "v", "<", ">")


def show_topology(console: Console, found: Mapping[str, Any]) -> None:
    """Accuracies, correlations, and a sentence that says what they decide."""
    methods = list(found["accuracies"][0]["mean"])
    cells = [
        [number(row["density"])]
        + [f"{row['mean'][name]:.2%} ± {row['standard_error'][name]:.2%}" for name in methods]
        + [f"{row['spread']:.2%}", f"{row['noise']:.2%}", "yes" if row["told_apart"] else "no"]
        for row in found["accuracies"]
    ]
    heads = ("density", *methods, "spread", "noise", "told apart")
    console.print(grid(f"Accuracy, {found['seeds']} seeds ± standard error", heads, cells, gap=2))
    densities = [str(row["density"]) for row in found["accuracies"]]
    cells = [
        [name, number(row["correlation"], 2), f"[{number(row['low'], 2)}, {number(row['high'], 2)}]",
         number(row["p"], 2), number(row["layers"], 2), *(number(row["by_density"][d], 2) for d in densities),
         " ".join(number(found["paper"].get(name, {}).get(d, float("nan")), 2) for d in densities), row["verdict"]]
        for name, row in found["scores"].items()
    ]  # fmt: skip
    heads = ("score", "pooled", "95 %", "p", "layers defined", *(f"at {d}" for d in densities), "paper's", "verdict")
    console.print(grid("Rank correlation with accuracy", heads, cells, gap=2))
    console.print(conclusion(found), highlight=False)


def conclusion(found: Mapping[str, Any]) -> str:
    """What the run decides, in one paragraph."""
    by: dict[str, list[str]] = {}
    for name, row in found["scores"].items():
        by.setdefault(row["verdict"], []).append(name)
    apart = [number(row["density"]) for row in found["accuracies"] if row["told_apart"]]
    parts = [f"{verdict}: {', '.join(names)}." for verdict, names in by.items() if verdict != "undecided"]
    if undecided := by.get("undecided"):
        parts.append(f"This run cannot decide about {', '.join(undecided)}.")
    where = f"only at densities {', '.join(apart)}" if len(apart) < len(found["accuracies"]) else "at every density"
    parts.append(
        f"The methods' mean accuracies are spread by more than twice their standard error {where}."
        if apart
        else "At no density are the methods' mean accuracies spread by more than twice their standard error: there "
        "may be no ranking that a score could predict."
    )
    return " ".join(parts)


def draw_topology(rows: pd.DataFrame, path: Path) -> None:
    """Accuracy against two scores, correlations of all scores, accuracies."""
    found = summary(rows)
    with matplotlib.rc_context(LOOK):
        figure = Figure(figsize=(10.5, 7.6), layout="constrained")
        first, second, third, fourth = figure.subplots(2, 2).ravel()
        _points(first, rows, "ramanujan_gap", "Δr, mean over layers")
        _points(second, rows, "imdb_normalised", "Δr_imdb / bound, mean over layers")
        _correlations(third, found)
        _accuracies(fourth, found)
        handles, labels = first.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)
        save(figure, path)


def _points(axis: Axes, rows: pd.DataFrame, score: str, label: str) -> None:
    for place, (density, part) in enumerate(rows.groupby("density", sort=False)):
        marker = MARKERS[place % len(MARKERS)]
        for method, points in part.groupby("method", sort=False):
            axis.plot(
                points[score], points["accuracy"], marker, ms=4, alpha=0.7,
                color=COLOURS[str(method)], ls="none", label=str(method) if place == 0 else None,
            )  # fmt: skip
        axis.plot([], [], marker, color="#000000", mfc="none", ls="none", label=f"density {density}")
    axis.set_xlabel(label)
    axis.set_ylabel("test accuracy")


def _correlations(axis: Axes, found: Mapping[str, Any]) -> None:
    place = np.arange(len(ALL_SCORES))
    rows = [found["scores"][name] for name in ALL_SCORES]
    middle = np.array([row["correlation"] for row in rows], float)
    ends = np.array([[row["low"], row["high"]] for row in rows], float).T
    axis.errorbar(middle, place, xerr=np.maximum(np.abs(ends - middle), 0), fmt="o", ms=4, color="#0072B2",
                  label="here, 95 % over seeds")  # fmt: skip
    for name, values in PAPER.items():
        x = list(values.values())
        axis.plot(x, [ALL_SCORES.index(name)] * len(x), "x", color="#D55E00", ms=5,
                  label="paper, per density" if name == "imdb_normalised" else None)  # fmt: skip
    axis.axvline(0, color="#BBBBBB", lw=0.8, zorder=0)
    axis.set_yticks(place, ALL_SCORES)
    axis.set_xlim(-1.08, 1.08)
    axis.set_xlabel("rank correlation with accuracy")
    axis.set_ylim(-0.6, len(ALL_SCORES) + 0.6)  # room above the scores for the legend
    axis.legend(frameon=False, fontsize=8, loc="upper left", ncols=2)


def _accuracies(axis: Axes, found: Mapping[str, Any]) -> None:
    densities = [row["density"] for row in found["accuracies"]]
    for shift, method in enumerate(found["accuracies"][0]["mean"]):
        mean = [row["mean"][method] for row in found["accuracies"]]
        error = [row["standard_error"][method] for row in found["accuracies"]]
        x = np.array(densities) * (1 + 0.04 * (shift - 2.5))
        axis.errorbar(x, mean, yerr=error, fmt="o-", ms=3, lw=0.8, color=COLOURS[method])
    axis.set_xscale("log")
    axis.set_xticks(densities, [f"{density:g}" for density in densities])
    axis.minorticks_off()
    axis.set_xlabel("density")
    axis.set_ylabel("mean test accuracy ± standard error")
