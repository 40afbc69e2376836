"""The bounds of trained CONV-L-H networks against their depth or their width: the picture and the run both share."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, ScalarFormatter

from sparsebounds.experiments.reproduce.conv.curves import draw_errors, draw_panel, finish
from sparsebounds.experiments.reproduce.conv.data import load_data
from sparsebounds.experiments.reproduce.conv.rows import AS_CODED, THEOREM
from sparsebounds.experiments.reproduce.conv.runs import Conv, Setting, follow_all
from sparsebounds.experiments.reproduce.conv.summary import summary
from sparsebounds.experiments.shared.style import LOOK, one_legend, save

Networks = Callable[[Any], Sequence[Conv]]


def runner(networks: Networks) -> Callable[..., dict[str, Any]]:
    """The `run` of an experiment that trains the networks of its config and nothing else."""

    def run(config: Setting, folder: Path, *, resume: bool, progress: bool, data_dir: Path | None) -> dict[str, Any]:
        data = load_data(config.dataset, data_dir, train=config.train, seed=config.seed)
        return summary(follow_all(networks(config), config, data, folder, resume=resume, progress=progress).frame())

    return run


def draw_against(rows: pd.DataFrame, path: Path, *, column: str, label: str, logarithmic: bool) -> None:
    """Draw every bound of the trained networks, and faintly before training, both ways of computing them.

    Args:
        rows: of rows.csv.
        path: of the PNG file.
        column: depth or width.
        label: of the horizontal axis.
        logarithmic: that axis.
    """
    with matplotlib.rc_context(LOOK):
        save(_figure(rows, column, label, logarithmic), path)


def _figure(rows: pd.DataFrame, column: str, label: str, logarithmic: bool) -> Figure:
    trained = rows[rows["epoch"] == rows["epoch"].max()]
    figure = Figure(figsize=(9.5, 6.0), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, form, title in zip(axes, (AS_CODED, THEOREM), ("as coded for the paper", "corrected"), strict=True):
        draw_panel(axis, trained, form, column, markers=True)
        draw_panel(axis, rows[rows["epoch"] == 0], form, column, faint=True)
        draw_errors(axis, trained, column, markers=True)
        axis.set_xscale("log" if logarithmic else "linear")
        axis.xaxis.set_major_locator(FixedLocator(sorted(rows[column].unique())))
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.set_xlabel(label)
        finish(axis, title)
    axes[0].set_ylabel("bound on test error − train error; errors")
    axes[0].plot([], [], color="black", alpha=0.3, label="faint: before training")
    one_legend(figure, 4)
    return figure
