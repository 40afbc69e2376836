"""How the bounds of Figure 1 depend on depth and on width: trained CONV-L-H, as coded and corrected.

Commands: sparsebounds reproduce depth [--preset quick|cpu], sparsebounds reproduce width [--preset quick|cpu]
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, ScalarFormatter

from sparsebounds.experiments.reproduce.conv.curves import draw_errors, draw_panel, finish
from sparsebounds.experiments.reproduce.conv.data import load_data
from sparsebounds.experiments.reproduce.conv.rows import AS_CODED, THEOREM
from sparsebounds.experiments.reproduce.conv.runs import Conv, Setting, follow_all, plan_all
from sparsebounds.experiments.reproduce.conv.summary import show_summary, summary
from sparsebounds.experiments.reproduce.registry import Experiment
from sparsebounds.experiments.shared.style import LOOK, one_legend, save


@dataclass(frozen=True)
class DepthConfig(Setting):
    """CONV-L-H for every L of `depths`, H = `width`."""

    depths: tuple[int, ...] = (3, 4, 5, 6, 7, 8)
    width: int = 16

    def networks(self) -> list[Conv]:
        """The networks that are trained."""
        return [Conv(depth, self.width) for depth in self.depths]


@dataclass(frozen=True)
class WidthConfig(Setting):
    """CONV-L-H for every H of `widths`, L = `depth`."""

    depth: int = 3
    widths: tuple[int, ...] = (8, 16, 32, 64)

    def networks(self) -> list[Conv]:
        """The networks that are trained."""
        return [Conv(self.depth, width) for width in self.widths]


Family = DepthConfig | WidthConfig


def run(config: Family, folder: Path, *, resume: bool, progress: bool, data_dir: Path | None) -> dict[str, Any]:
    """Train the networks of the config, evaluate them, write rows.csv."""
    data = load_data(config.dataset, data_dir, train=config.train, seed=config.seed)
    return summary(follow_all(config.networks(), config, data, folder, resume=resume, progress=progress).frame())


def plan(config: Family) -> list[str]:
    """What a run does."""
    return plan_all(config.networks(), config)


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
        save(_figure(rows, column, label, logarithmic), path, dpi=130)


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


_TRAINED: Any = {"train": 20000, "epochs": 10, "milestones": (8,), "points": 1}
_QUICK: Any = {"dataset": "digits", "epochs": 30, "milestones": (20,), "points": 1}
DEPTH = Experiment(
    name="depth",
    summary="bounds against depth, CONV-L-H of Galanti et al. 2023 with L = 3…8, as coded and corrected",
    presets={"quick": DepthConfig(**_QUICK, depths=(3, 4, 5, 6)), "cpu": DepthConfig(**_TRAINED)},
    minutes={"quick": 1.0, "cpu": None}, run=run, plan=plan, show=show_summary,
    figure=partial(draw_against, column="depth", label="number of convolutions L", logarithmic=False),
)  # fmt: skip
WIDTH = Experiment(
    name="width", summary="bounds against width, CONV-3-H of Galanti et al. 2023, as coded and corrected",
    presets={"quick": WidthConfig(**_QUICK, widths=(4, 8, 16, 32)), "cpu": WidthConfig(**_TRAINED)},
    minutes={"quick": 1.0, "cpu": None}, run=run, plan=plan, show=show_summary,
    figure=partial(draw_against, column="width", label="channels H", logarithmic=True),
)  # fmt: skip
