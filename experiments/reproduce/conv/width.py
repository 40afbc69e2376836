"""How the bounds of Figure 1 depend on width: CONV-3-H for several H, as coded and corrected.

Command: sparsebounds reproduce width [--preset quick|cpu]
"""

from dataclasses import dataclass
from functools import partial

from sparsebounds.experiments.reproduce.conv.family import draw_against, runner
from sparsebounds.experiments.reproduce.conv.runs import Conv, Setting, plan_all
from sparsebounds.experiments.reproduce.conv.summary import show_summary
from sparsebounds.experiments.reproduce.registry import Experiment


@dataclass(frozen=True)
class WidthConfig(Setting):
    """CONV-L-H for every H of `widths`, L = `depth`."""

    depth: int = 3
    widths: tuple[int, ...] = (8, 16, 32, 64)


def networks(config: WidthConfig) -> list[Conv]:
    """The networks that are trained."""
    return [Conv(config.depth, width) for width in config.widths]


EXPERIMENT = Experiment(
    name="width",
    summary="bounds against width, CONV-3-H of Galanti et al. 2023, as coded and corrected",
    presets={
        "quick": WidthConfig("digits", epochs=30, milestones=(20,), points=1, widths=(4, 8, 16, 32)),
        "cpu": WidthConfig(train=20000, epochs=10, milestones=(8,), points=1),
    },
    minutes={"quick": 1.0, "cpu": None},
    run=runner(networks),
    figure=partial(draw_against, column="width", label="channels H", logarithmic=True),
    show=show_summary,
    plan=lambda config: plan_all(networks(config), config),
)
