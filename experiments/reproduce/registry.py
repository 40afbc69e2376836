"""What an experiment of `sparsebounds reproduce` is; those there are stand in `experiments.reproduce.run`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from sparsebounds.experiments.shared.problems import Problem


@dataclass(frozen=True)
class Experiment:
    """One experiment, as the command line sees it.

    `run` trains and evaluates, and writes rows.csv as it goes. Everything else is done for it, see
    `experiments.reproduce.run`: the folder, config.json before, figure.png after.

    Args:
        name: NAME of `sparsebounds reproduce NAME`.
        summary: one line: what is reproduced, of which paper.
        presets: "quick", "cpu", and "paper" where it makes sense → a frozen dataclass of numbers, strings and
            tuples. Two runs with equal configs do the same; a folder of the user's never stands in it.
        minutes: measured minutes of processor time per preset, which two idle cores do not exceed; None where it has
            not been measured.
        run: run(config, folder, *, resume, progress, data_dir) → what the run amounts to, for `show` and --json.
        figure: draws the picture from the rows of rows.csv alone: figure(rows, path of the PNG file).
        show: prints what `run` returned for people.
        plan: lines that say what a config would train and evaluate.
    """

    name: str
    summary: str
    presets: Mapping[str, Any]
    minutes: Mapping[str, float | None]
    run: Callable[..., dict[str, Any]]
    figure: Callable[[pd.DataFrame, Path], None]
    show: Callable[[Console, dict[str, Any]], None]
    plan: Callable[[Any], list[str]]


def preset_of(experiment: Experiment, preset: str) -> Any:
    """The config of a preset.

    Raises:
        Problem: the experiment has no such preset.
    """
    if preset not in experiment.presets:
        known = ", ".join(experiment.presets)
        raise Problem(f"{experiment.name} has no preset {preset!r}: choose from {known}")
    return experiment.presets[preset]
