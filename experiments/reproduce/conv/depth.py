"""How the bounds of Figure 1 depend on depth: CONV-L-H for L = 3…8, as coded and corrected.

Command: sparsebounds reproduce depth [--preset quick|cpu]
"""

from dataclasses import dataclass
from functools import partial

from sparsebounds.experiments.reproduce.conv.family import draw_against, runner
from sparsebounds.experiments.reproduce.conv.runs import Conv, Setting, plan_all
from sparsebounds.experiments.reproduce.conv.summary import show_summary
from sparsebounds.experiments.reproduce.registry import Experiment


@dataclass(frozen=True)
class DepthConfig(Setting):
    """CONV-L-H for every L of `depths`, H = `width`."""

    depths: tuple[int, ...] = (3, 4, 5, 6, 7, 8)
    width: int = 16


def networks(config: DepthConfig) -> list[Conv]:
    """The networks that are trained."""
    return [Conv(depth, config.width) for depth in config.depths]


EXPERIMENT = Experiment(
    name="depth",
    summary="bounds against depth, CONV-L-H of Galanti et al. 2023 with L = 3…8, as coded and corrected",
    presets={
        "quick": DepthConfig("digits", epochs=30, milestones=(20,), points=1, depths=(3, 4, 5, 6)),
        "cpu": DepthConfig(train=20000, epochs=10, milestones=(8,), points=1),
    },
    minutes={"quick": 1.0, "cpu": None},
    run=runner(networks),
    figure=partial(draw_against, column="depth", label="number of convolutions L", logarithmic=False),
    show=show_summary,
    plan=lambda config: plan_all(networks(config), config),
)
