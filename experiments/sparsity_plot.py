"""The picture of the `sparsity` experiment: errors, gap, bounds in three partitions and topology, against density."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from .conv_curves import LOOK, one_legend, save
from .sparsity_summary import followed, methods, of_method

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F", "#F0E442")
MARKERS = "os^Dv<>Ph"
PANELS = (
    ("test error", "test_error", "log"),
    ("test error − train error", "gap", "linear"),
    ("full-spectrum score of the masks", "full_spectrum", "linear"),
)
BEST = "galanti_best"
BOUND_PANELS = (
    ("galanti", "position", "galanti, nodes = positions"),
    ("galanti", "scalar", "galanti, nodes = single units"),
    ("galanti_best", "best", "galanti, best margin and nodes"),
    ("peeling", "position", "peeling, nodes = positions"),
    ("path_norm", "", "path norm"),
    ("occam", "", "Occam bound (dashed: 16 values per layer)"),
)


def draw_sparsity(rows: pd.DataFrame, path: Path) -> None:
    """Mean over seeds, with the range of the seeds shaded."""
    made = rows[rows["bound"] != "none"]
    with matplotlib.rc_context(LOOK):
        figure = Figure(figsize=(11.0, 9.5), layout="constrained")
        axes = figure.subplots(3, 3, sharex=True)
        for axis, (title, column, scale) in zip(axes[0], PANELS, strict=True):
            networks = made.drop_duplicates(["method", "density", "seed"])
            _curves(axis, networks, column)
            axis.set_yscale(scale)
            axis.set_title(title, fontsize=9)
        for axis, (bound, nodes, title) in zip(axes[1:].ravel(), BOUND_PANELS, strict=True):
            _curves(axis, followed(made, bound, nodes), "samples_needed" if bound == BEST else "followed")
            axis.set_yscale("log")
            axis.set_title(title, fontsize=9)
        last = axes[2, 2]
        _curves(last, followed(made, "occam_quantised", ""), "followed", style="--")
        last.set_yscale("linear")
        last.axhline(1.0, color="#999999", lw=0.8, zorder=0)
        ends = np.array([axis.get_ylim() for axis in axes[1, :2]])
        for axis in axes[1, :2]:
            axis.set_ylim(ends.min(), ends.max())
        axes[1, 2].set_ylabel("m from which on it is below 1")
        axes[1, 0].set_ylabel("complexity at γ = 1")
        axes[2, 0].set_ylabel("complexity at γ = 1")
        for axis in axes[2]:
            _densities(axis, made)
        one_legend(figure, 6)
        save(figure, path)


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
