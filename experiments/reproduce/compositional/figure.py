"""The picture of the `compositional` experiment: errors, gaps and bounds against m, a column per target."""

from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sparsebounds.experiments.shared.style import LOOK, save

COLOURS = {"tree": "#0072B2", "dense": "#D55E00"}
LABELS = {"tree": "connected like the target", "dense": "dense, tuned"}
BOUNDS = {"galanti": "-", "path_norm_layered": "--", "occam": ":"}


def draw_compositional(rows: pd.DataFrame, path: Path) -> None:
    """Mean over seeds, with the range of the seeds shaded."""
    targets = list(dict.fromkeys(rows["target"]))
    with matplotlib.rc_context(LOOK):
        figure = Figure(figsize=(1.2 + 3.3 * len(targets), 8.4), layout="constrained")
        axes = figure.subplots(3, len(targets), squeeze=False, sharex=True, sharey="row")
        for column, target in enumerate(targets):
            part = rows[rows["target"] == target]
            _curves(axes[0, column], part[part["part"] == "result"], "test_error")
            _curves(axes[1, column], part[part["part"] == "result"], "gap")
            _bounds(axes[2, column], part[part["part"] == "bounds"])
            axes[0, column].set_title(target)
            axes[2, column].set_xlabel("training samples m")
        for row, (label, scale) in enumerate(
            (("test error", "log"), ("test error − train error", "linear"), ("bound on the test error", "log"))
        ):
            axes[row, 0].set_ylabel(label)
            axes[row, 0].set_yscale(scale)
        axes[0, 0].legend(frameon=False)
        handles, labels = axes[2, 0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside lower center", ncols=2, frameon=False, title="bounds", handlelength=4
        )
        save(figure, path)


def _curves(axis: Axes, rows: pd.DataFrame, value: str) -> None:
    for network, part in rows.groupby("network", sort=False):
        by_m = part.groupby("samples")[value]
        name = str(network)
        axis.fill_between(by_m.min().index, by_m.min(), by_m.max(), color=COLOURS[name], alpha=0.2, lw=0)
        axis.plot(by_m.mean().index, by_m.mean(), "o-", ms=3, color=COLOURS[name], label=LABELS[name])
    axis.set_xscale("log", base=2)
    axis.grid(True, axis="y", color="#EEEEEE")


def _bounds(axis: Axes, rows: pd.DataFrame) -> None:
    for network in COLOURS:
        for bound, style in BOUNDS.items():
            part = rows[(rows["network"] == network) & (rows["bound"] == bound)]
            median = part.groupby("samples")["value"].median()
            axis.plot(
                median.index, median, style, marker=".", ms=5, color=COLOURS[network], label=f"{network}: {bound}"
            )
    axis.axhline(1.0, color="#BBBBBB", lw=0.8, zorder=0)
    axis.annotate(
        "vacuous above 1", (0.99, 1.0), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=7
    )
