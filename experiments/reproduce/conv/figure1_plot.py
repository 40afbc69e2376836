"""The picture of figure1: both ways of computing five bounds during training, and where they start."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, ScalarFormatter

from sparsebounds.experiments.reproduce.conv.curves import CURVES, draw_errors, draw_panel, finish, heights
from sparsebounds.experiments.reproduce.conv.readings import ENDS, STARTS
from sparsebounds.experiments.reproduce.conv.rows import AS_CODED, THEOREM
from sparsebounds.experiments.shared.style import LOOK, one_legend, save


def draw(rows: pd.DataFrame, path: Path) -> None:
    """Draw rows.csv of figure1, with the published readings where it speaks of the same data and depth.

    Args:
        rows: its rows; every network that was trained has its own row of panels.
        path: of the PNG file.
    """
    with matplotlib.rc_context(LOOK):
        save(_figure(rows), path, dpi=130)


def _figure(rows: pd.DataFrame) -> Figure:
    names = list(dict.fromkeys(rows[rows["epoch"] > 0]["network"]))
    starts = rows[(rows["epoch"] == 0) & (rows["form"] == AS_CODED)]
    columns = 3 if starts["width"].nunique() > 1 else 2
    figure = Figure(figsize=(12.5 if columns == 3 else 9.5, 1.4 + 5.0 * len(names)), layout="constrained")
    axes = figure.subplots(len(names), columns, sharey=True, squeeze=False)
    for row, name in zip(axes, names, strict=True):
        _training(row, rows[rows["network"] == name], name)
        if columns == 3:
            row[2].set_visible(False)
    if columns == 3:
        axes[0, 2].set_visible(True)
        _starts(axes[0, 2], starts)
    one_legend(figure, 4)
    return figure


def _training(axes: Sequence[Axes], rows: pd.DataFrame, name: str) -> None:
    for axis, form, title in zip(axes, (AS_CODED, THEOREM), ("as coded for the paper", "corrected"), strict=False):
        draw_panel(axis, rows, form, "epoch")
        draw_errors(axis, rows, "epoch")
        _epochs(axis, rows)
        finish(axis, f"{name}, {title}")
    axes[0].set_ylabel("bound on test error − train error; errors")
    if (rows["dataset"] == "mnist").all() and (rows["depth"] == 3).all():
        width = int(rows["width"].iloc[0])
        _published(axes[0], width if width in STARTS else min(STARTS), rows["epoch"].max())


def _epochs(axis: Axes, rows: pd.DataFrame) -> None:
    axis.set_xscale("symlog", linthresh=1, linscale=0.4)
    axis.xaxis.set_major_locator(FixedLocator(sorted(rows["epoch"].unique())))
    axis.xaxis.set_major_formatter(ScalarFormatter())
    axis.set_xlabel("epoch")


def _published(axis: Axes, width: int, last: int) -> None:
    """The published readings: starts on the left edge, ends on the right."""
    for curve in CURVES:
        points = [2 ** STARTS[width][curve.coded], 2 ** ENDS[width][curve.coded]]
        axis.plot([0, last], points, ls="", marker="o", mfc="none", ms=7, color=curve.colour, clip_on=False)
    axis.plot([], [], ls="", marker="o", mfc="none", ms=7, color="black",
              label=f"read off the published figure, left: H = {width}")  # fmt: skip


def _starts(axis: Axes, rows: pd.DataFrame) -> None:
    for curve in CURVES:
        points = heights(rows, AS_CODED, curve.coded, "width")
        axis.plot(points.index, points, color=curve.colour, marker=".")
        read = {width: 2 ** values[curve.coded] for width, values in STARTS.items()}
        axis.plot(list(read), list(read.values()), ls="", marker="o", mfc="none", ms=7, color=curve.colour)
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(FixedLocator(sorted(rows["width"].unique())))
    axis.xaxis.set_major_formatter(ScalarFormatter())
    axis.minorticks_off()
    axis.set_xlabel("width H")
    finish(axis, "before training, as coded")
