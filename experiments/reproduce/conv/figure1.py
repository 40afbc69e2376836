"""Figure 1 of Galanti et al. (NeurIPS 2023): five bounds during the training of CONV-3-H, as coded and corrected.

Command: sparsebounds reproduce figure1 [--preset quick|cpu|paper]
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsebounds.experiments.reproduce.conv.data import FigureData, load_data
from sparsebounds.experiments.reproduce.conv.figure1_plot import draw
from sparsebounds.experiments.reproduce.conv.rows import coded_rows
from sparsebounds.experiments.reproduce.conv.runs import Conv, Setting, follow_all, plan_all
from sparsebounds.experiments.reproduce.conv.summary import show_summary, summary
from sparsebounds.experiments.reproduce.registry import Experiment


@dataclass(frozen=True)
class Figure1Config(Setting):
    """CONV-3-H for every H of `widths`.

    Args:
        depth: L.
        widths: the networks that are trained.
        starts: widths of networks that are drawn at random and evaluated as coded, without training.
    """

    depth: int = 3
    widths: tuple[int, ...] = (32,)
    starts: tuple[int, ...] = (200, 600, 1000)


PRESETS = {
    "quick": Figure1Config(dataset="digits", widths=(16,), starts=(), epochs=60, milestones=(40, 50), points=8),
    "cpu": Figure1Config(epochs=10, milestones=(6, 8), points=7),
    "paper": Figure1Config(widths=(200, 600, 1000), starts=(), epochs=500, milestones=(60, 120, 160), points=14),
}


def networks(config: Figure1Config) -> list[Conv]:
    """The networks that are trained."""
    return [Conv(config.depth, width) for width in config.widths]


def run(config: Figure1Config, folder: Path, *, resume: bool, progress: bool, data_dir: Path | None) -> dict[str, Any]:
    """Train, evaluate, write rows.csv; weights and checkpoints lie in the subfolder checkpoints."""
    data = load_data(config.dataset, data_dir, train=config.train, seed=config.seed)
    rows = follow_all(networks(config), config, data, folder, resume=resume, progress=progress)
    for width in config.starts:
        conv = Conv(config.depth, width)
        if not rows.group(conv.name, 0):
            rows.put(start_rows(conv, config, data))
    return summary(rows.frame())


def start_rows(conv: Conv, config: Figure1Config, data: FigureData) -> list[dict[str, Any]]:
    """The formulas as coded for a network as it is drawn: where the curves of the figure start."""
    model = conv.build(data, config.seed)
    about = conv.about(data, model, {"epoch": 0, "step": 0})
    return [row | about for row in coded_rows(model, data, delta=config.delta)]


def plan(config: Figure1Config) -> list[str]:
    """What a run does."""
    lines = plan_all(networks(config), config)
    if config.starts:
        starts = ", ".join(Conv(config.depth, width).name for width in config.starts)
        lines.append(f"evaluate the five formulas as coded for {starts} at their random start")
    return lines


FIGURE1 = Experiment(
    name="figure1",
    summary="Figure 1 of Galanti et al. 2023, five bounds while CONV-3-H trains, as coded and corrected",
    presets=PRESETS, minutes={"quick": 0.5, "cpu": 21.0, "paper": None},
    run=run, plan=plan, figure=draw, show=show_summary,
)  # fmt: skip
