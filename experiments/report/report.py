"""`sparsebounds report`: train a network in front of you and print its bounds, every factor itemised.

Command: make report, or sparsebounds report --dataset mnist --data-dir DIR --width 16
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from sparsebounds import bounds
from sparsebounds.experiments.report.architectures import ARCHITECTURES, Size
from sparsebounds.experiments.report.certified import BOUND, certified_row
from sparsebounds.experiments.report.config import check, check_resumed, describe, training_of
from sparsebounds.experiments.report.figure import report_png
from sparsebounds.experiments.report.follow import Followed, Network, follow
from sparsebounds.experiments.report.options import ReportConfig
from sparsebounds.experiments.shared.data import load_data
from sparsebounds.experiments.shared.files import plain, prepare_folder, to_json, write_files
from sparsebounds.experiments.shared.problems import Problem, margin_of, one_line
from sparsebounds.experiments.shared.program import stages
from sparsebounds.experiments.shared.rows import to_csv
from sparsebounds.nets.data.datasets import Dataset


@dataclass(frozen=True)
class Report:
    """A finished report: its configuration, all rows of rows.csv, and what each training ended with."""

    config: dict[str, Any]
    rows: pd.DataFrame
    networks: list[Followed]
    certified: dict[str, bounds.Bound] = field(default_factory=dict)
    """By network, of one of its architecture: by the distance from a reference."""

    def last_rows(self) -> pd.DataFrame:
        """The table: the rows of the trained networks."""
        return final_rows(self.rows)

    def terms(self) -> list[dict[str, Any]]:
        """Every factor of every bound at the end of training."""
        near = [{"network": n, "bound": BOUND, "nodes": "–", **plain(bound)} for n, bound in self.certified.items()]
        return near + [
            {"network": f.network.name, "bound": form.bound, "nodes": form.nodes, **plain(bound)}
            for f in self.networks
            for form, bound in f.final.found.items()
        ]


def run(config: ReportConfig, out: Path, *, resume: bool = False, progress: bool = True) -> Report:
    """Train, measure, and write config.json, rows.csv, terms.json and figure.png into `out`.

    Args:
        config: what to do.
        out: folder of the results, made if it is not there; checkpoints go to its subfolder checkpoints.
        resume: go on with an interrupted run of the same configuration.
        progress: show progress bars.

    Returns:
        The report that was written.

    Raises:
        Problem: a wrong option, missing or damaged data, a loss that is no number, an unwritable folder.
    """
    check(config)
    part = {"normalisation": config.normalisation, "train": config.train, "seed": config.seed}
    data = load_data(config.dataset, config.data_dir, **part)
    training = training_of(config)
    described = describe(config, data, training)
    folder = out / "checkpoints"
    if resume:
        check_resumed(folder / "config.json", described)
    networks = plan(config, data)
    prepare_folder(out)
    prepare_folder(folder)
    write_files(folder, {"config.json": to_json(described)})
    followed = [
        follow(
            network,
            data,
            training,
            folder,
            delta=config.delta,
            gamma=margin_of(config.gamma),
            repetitions=config.repetitions,
            resume=resume,
            progress=progress,
        )
        for network in networks
    ]
    rows = pd.concat([f.rows for f in followed], ignore_index=True)
    certified: dict[str, bounds.Bound] = {}
    if config.certificate:
        rows = _with_certificates(config, data, folder, rows, certified, progress=progress)
    report = Report(described, rows, followed, certified)
    files: dict[str, bytes | str] = {"config.json": to_json(described), "rows.csv": to_csv(report.rows)}
    files |= {"terms.json": to_json(report.terms()), "figure.png": report_png(report.rows)}
    write_files(out, files)
    return report


def _with_certificates(
    config: ReportConfig,
    data: Dataset,
    folder: Path,
    rows: pd.DataFrame,
    certified: dict[str, bounds.Bound],
    *,
    progress: bool,
) -> pd.DataFrame:
    """The rows, with one more for each network, and the bounds behind these."""
    added = []
    for number, network in enumerate(plan(config, data)):
        with stages(Console(quiet=not progress), f"{network.name}: certificate") as tell:
            row, bound = certified_row(
                network, number, data, folder, delta=config.delta, seed=config.seed, repetitions=config.repetitions,
                tell=partial(_told, tell, network.name),
            )  # fmt: skip
        last = rows.loc[rows["network"] == network.name, "epoch"].max()
        about = {"network": network.name, "data": data.name, "m": len(data.y_train), "delta": config.delta}
        added.append({**about, "epoch": last, "step": np.nan, "loss": np.nan, "rho": np.nan, **row})
        if bound is not None:
            certified[network.name] = bound
    return pd.concat([rows, pd.DataFrame(added)], ignore_index=True)


def _told(tell: Callable[[str], None], name: str, text: str) -> None:
    tell(f"{name}: {text}")


def final_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of every network's last epoch."""
    last = rows.groupby("network")["epoch"].transform("max")
    return rows[rows["epoch"] == last].reset_index(drop=True)


def plan(config: ReportConfig, data: Dataset) -> list[Network]:
    """The network asked for, and the tree beside it."""
    wanted = [(config.arch, config.depth, config.width)]
    if config.tree and config.arch != "tree":
        wanted.append(("tree", None, config.tree_width))
    networks = []
    for name, depth, width in wanted:
        kind = ARCHITECTURES[name]
        size = Size(depth or kind.depth or 0, width or kind.width, config.init, config.seed)
        try:
            model = kind.build(data, size)
        except ValueError as error:  # a size that the images do not allow
            raise Problem(one_line(error)) from error
        networks.append(Network(name, model, kind.mask_fixed))
    return networks
