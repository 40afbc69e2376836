"""The picture of figure1: both ways of computing five bounds during training, and where they start."""

from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, ScalarFormatter

from .conv_curves import CURVES, LOOK, draw_errors, draw_panel, finish, heights, one_legend, save
from .conv_rows import AS_CODED, THEOREM
from .readings import ENDS, STARTS


def draw(rows: pd.DataFrame, path: Path) -> None:
    """Draw rows.csv of figure1, with the published readings where it speaks of the same data and depth.

    Args:
        rows: its rows. The network shown is the first one that was trained.
        path: of the PNG file.
    """
    with matplotlib.rc_context(LOOK):
        save(_figure(rows), path)


def _figure(rows: pd.DataFrame) -> Figure:
    trained = rows[rows["epoch"] > 0]
    name = trained["network"].iloc[0]
    shown = rows[rows["network"] == name]
    starts = rows[(rows["epoch"] == 0) & (rows["form"] == AS_CODED)]
    with_starts = starts["width"].nunique() > 1
    figure = Figure(figsize=(12.5 if with_starts else 9.5, 6.4), layout="constrained")
    axes = figure.subplots(1, 3 if with_starts else 2, sharey=True)
    for axis, form, title in zip(axes, (AS_CODED, THEOREM), ("as coded for the paper", "corrected"), strict=False):
        draw_panel(axis, shown, form, "epoch")
        draw_errors(axis, shown, "epoch")
        _epochs(axis, shown)
        finish(axis, f"{name}, {title}")
    if (shown["dataset"] == "mnist").all() and (shown["depth"] == 3).all():
        _published(axes[0], shown["epoch"].max())
    axes[0].set_ylabel("bound on test error − train error; errors")
    if with_starts:
        _starts(axes[2], starts)
    one_legend(figure, 4)
    return figure


def _epochs(axis: Axes, rows: pd.DataFrame) -> None:
    axis.set_xscale("symlog", linthresh=1, linscale=0.4)
    axis.xaxis.set_major_locator(FixedLocator(sorted(rows["epoch"].unique())))
    axis.xaxis.set_major_formatter(ScalarFormatter())
    axis.set_xlabel("epoch")


def _published(axis: Axes, last: int) -> None:
    """The published readings of the narrowest network: starts on the left edge, ends on the right."""
    width = min(STARTS)
    for curve in CURVES:
        points = [2 ** STARTS[width][curve.coded], 2 ** ENDS[width][curve.coded]]
        axis.plot([0, last], points, ls="", marker="o", mfc="none", ms=7, color=curve.colour, clip_on=False)
    axis.plot([], [], ls="", marker="o", mfc="none", ms=7, color="black",
              label=f"published, H = {width}")  # fmt: skip


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
