"""The options of a report: their checks, the data and the training they name, and the config.json they become."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from sparsebounds import nets
from sparsebounds.experiments.report.architectures import ARCHITECTURES
from sparsebounds.experiments.report.options import ReportConfig
from sparsebounds.experiments.shared.files import plain, versions
from sparsebounds.experiments.shared.problems import Problem, check_delta, margin_of, one_line, unknown
from sparsebounds.nets.data.datasets import Dataset

PRESETS = {
    "report": nets.TrainConfig(epochs=30, learning_rate=0.1, momentum=0.9, weight_decay=1e-3, milestones=(20,)),
    **nets.PRESETS,
}
"""With "report" a convolution and a tree reach about the same test error on digits under the same settings."""


def check(config: ReportConfig) -> None:
    """Raise a Problem for any option that is wrong, before data are read."""
    if config.arch not in ARCHITECTURES:
        raise unknown("architecture", config.arch, ARCHITECTURES)
    if config.dataset not in nets.data.datasets.NAMES:
        raise unknown("data set", config.dataset, nets.data.datasets.NAMES)
    if config.preset not in PRESETS:
        raise unknown("preset", config.preset, PRESETS)
    for option, known in (
        ("normalisation", ("fixed", "paper")),
        ("init", ("torch", "flax")),
        ("repetitions", ("counted", "natural")),
    ):
        if getattr(config, option) not in known:
            raise unknown(option, getattr(config, option), known)
    if config.loss not in (None, "mse", "cross_entropy"):
        raise unknown("loss", str(config.loss), ("mse", "cross_entropy"))
    if config.depth is not None and ARCHITECTURES[config.arch].depth is None:
        raise Problem(f"--depth {config.depth}: the depth of a {config.arch} follows from the image, leave it out")
    for name in ("depth", "width", "tree_width", "epochs", "batch_size", "train"):
        value = getattr(config, name)
        if value is not None and value < 1:
            raise Problem(f"--{name.replace('_', '-')} {value}: it has to be at least 1")
    check_delta(config.delta)
    margin_of(config.gamma)


def training_of(config: ReportConfig) -> nets.TrainConfig:
    """The preset, with what the options replace in it."""
    names = ("epochs", "batch_size", "learning_rate", "momentum", "weight_decay", "loss")
    given = {name: value for name in names if (value := getattr(config, name)) is not None}
    try:
        return dataclasses.replace(PRESETS[config.preset], seed=config.seed, **given)
    except ValueError as error:
        raise Problem(one_line(error)) from error


def describe(config: ReportConfig, data: Dataset, training: nets.TrainConfig) -> dict[str, Any]:
    """config.json: what is needed to run it again; no paths."""
    options = {k: v for k, v in dataclasses.asdict(config).items() if k != "data_dir"}
    return plain(
        {
            "experiment": "report",
            "options": options,
            "training": dataclasses.asdict(training),
            "data": {
                "name": data.name,
                "train": len(data.y_train),
                "test": len(data.y_test),
                "shape": data.in_shape,
                "normalisation": data.normalisation,
                "preprocessing": data.preprocessing,
            },
            "versions": versions(),
        }
    )


def check_resumed(place: Path, described: dict[str, Any]) -> None:
    """Raise a Problem unless the run whose config.json lies at `place` can be gone on with.

    Args:
        place: config.json beside the checkpoints.
        described: what `describe` says of this run.
    """
    before = read_config(place)
    if before is None:
        raise Problem(f"nothing to resume in {place.parent}: leave out --resume, or give the --out of the run")
    for part in ("options", "training", "data"):
        for name, value in described[part].items():
            # a training may be prolonged
            if name != "epochs" and (old := before[part].get(name)) != value:
                raise Problem(
                    f"the run in {place.parent} had {name} = {old}, now it is {value}: "
                    "use the same options, or leave out --resume to start anew"
                )


def read_config(place: Path) -> dict[str, Any] | None:
    """The config.json of an earlier run; None where there is none."""
    try:
        found: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found
