"""The picture of the `sparsity` experiment: errors, gap, topology, and bounds in three partitions, against density."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from sparsebounds.experiments.reproduce.sparsity.summary import followed, methods, of_method
from sparsebounds.experiments.shared.style import LOOK, one_legend, save

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F", "#F0E442")
MARKERS = "os^Dv<>Ph"
PANELS = (
    ("test error", "test_error", "log"),
    ("test error − train error", "gap", "linear"),
    ("full-spectrum score of the masks", "full_spectrum", "linear"),
)
BOUND_PANELS = (
    ("galanti", "position", "galanti, nodes = positions"),
    ("galanti", "group", "galanti, nodes = groups of 8 channels"),
    ("galanti", "scalar", "galanti, nodes = single units"),
    ("peeling", "position", "peeling, nodes = positions"),
    ("peeling", "group", "peeling, nodes = groups of 8 channels"),
    ("peeling", "scalar", "peeling, nodes = single units"),
    ("path_norm", "", "path norm"),
)
COMPLEXITY = "complexity at γ = 1"


def draw_sparsity(rows: pd.DataFrame, path: Path) -> None:
    """Mean over seeds, with the range of the seeds shaded."""
    made = rows[rows["bound"] != "none"]
    with matplotlib.rc_context(LOOK):
        figure = Figure(figsize=(11.0, 12.6), layout="constrained")
        axes = figure.subplots(4, 3, sharex=True)
        networks = made.drop_duplicates(["method", "density", "seed"])
        for axis, (title, column, scale) in zip(axes[0], PANELS, strict=True):
            _curves(axis, networks, column)
            _named(axis, title, scale)
        for axis, (bound, nodes, title) in zip(axes[1:].ravel()[:7], BOUND_PANELS, strict=True):
            _curves(axis, followed(made, bound, nodes), "followed")
            _named(axis, title, "log")
        for row in axes[1:3]:
            _same_ends(row)
        _curves(axes[3, 1], followed(made, "galanti_best", "best"), "samples_needed")
        _named(axes[3, 1], "galanti, best margin and nodes", "log")
        _curves(axes[3, 2], followed(made, "occam", ""), "followed")
        _curves(axes[3, 2], followed(made, "occam_quantised", ""), "followed", style="--")
        _named(axes[3, 2], "Occam bound (dashed: 16 values per layer)", "linear")
        axes[3, 2].axhline(1.0, color="#999999", lw=0.8, zorder=0)
        for row in axes[1:]:
            row[0].set_ylabel(COMPLEXITY)
        axes[3, 1].set_ylabel("m from which on it is below 1")
        for axis in axes[3]:
            _densities(axis, made)
        one_legend(figure, 6)
        save(figure, path, dpi=130)


def _named(axis: Axes, title: str, scale: str) -> None:
    axis.set_yscale(scale)
    axis.set_title(title, fontsize=9)


def _same_ends(axes: np.ndarray) -> None:
    """Panels of one bound compare: the same range of values in each."""
    ends = np.array([axis.get_ylim() for axis in axes])
    for axis in axes:
        axis.set_ylim(ends.min(), ends.max())


def _curves(axis: Axes, rows: pd.DataFrame, column: str, style: str = "-") -> None:
    for place, method in enumerate(methods(rows)):
        by_density = of_method(rows, method).groupby("density")[column]
        colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
        mean = by_density.mean().dropna()
        if mean.empty:
            continue
        axis.fill_between(by_density.min().index, by_density.min(), by_density.max(), color=colour, alpha=0.15, lw=0)
        label = method if style == "-" else None
        axis.plot(mean.index, mean, style, marker=marker, ms=4, lw=1.2, color=colour, label=label)
    axis.grid(True, axis="y", color="#EEEEEE")


def _densities(axis: Axes, rows: pd.DataFrame) -> None:
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(FixedLocator(sorted(rows["density"].unique())))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_xlabel("density: share of weights kept")
