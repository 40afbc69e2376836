"""Certificate against test error: the same task with the complexity charged less or more in training.

    sparsebounds reproduce pareto

At strength 1 training minimises the certificate itself; below, networks fit better and their certificates grow; far
below they are what training without a certificate in mind gives. One network per strength, mnist10-linear.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console

from sparsebounds.experiments.certify.certify import document, task_of
from sparsebounds.experiments.certify.data import load, prepare
from sparsebounds.experiments.certify.fit import fit
from sparsebounds.experiments.certify.options import CertifyOptions
from sparsebounds.experiments.certify.space import declared
from sparsebounds.experiments.certify.tasks import find_task
from sparsebounds.experiments.reproduce.certificates.study import row_of
from sparsebounds.experiments.reproduce.registry import Experiment
from sparsebounds.experiments.shared.program import stage
from sparsebounds.experiments.shared.rows import RowFile
from sparsebounds.experiments.shared.style import LOOK, save
from sparsebounds.experiments.shared.tables import grid
from sparsebounds.nets.training.progress import Bar

COLUMNS = ("value", "ramp", "complexity", "confidence", "test_error")


@dataclass(frozen=True)
class ParetoConfig:
    """Args:
    task: of `certify`.
    form: where the axes of the class come from.
    strengths: what stands before the complexity in training.
    preset: of `certify`.
    seed: of the rehearsal and of the trainings.
    spaces: (name, version, hash) of the configuration space; rows of other spaces are not gone on with.
    """

    task: str = "mnist10-linear"
    form: str = "boxes"
    strengths: tuple[float, ...] = (0.01, 0.1, 0.3, 1.0, 3.0)
    preset: str = "cpu"
    seed: int = 0
    spaces: tuple[tuple[str, int, str], ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "spaces", declared([find_task(self.task)]))


def run(
    config: ParetoConfig, folder: Path, *, resume: bool = False, progress: bool = True, data_dir: Path | None = None
) -> dict[str, Any]:
    """Certify one network per strength."""
    rows = RowFile(folder / "rows.csv", ("strength",), keep=resume)
    options = CertifyOptions(config.task, config.form, config.preset, config.seed)
    task = task_of(options)
    prepared = prepare(task, load(task, data_dir))
    with Bar(len(config.strengths), enabled=progress) as bar:
        for done, strength in enumerate(config.strengths):
            bar.update(done, f"strength {strength:g}")
            if rows.group(strength):
                continue
            fitted = fit(replace(task, pull=strength), config.form, prepared, seed=config.seed, delta=options.delta)
            found = document(options, task, fitted)
            rows.put([{"strength": strength, **row_of(found)}])
            said = f"strength {strength:g}: {found['value']:.4f} (test error {found['test_error']:.4f})"
            stage(said, enabled=progress)
    return {"rows": rows.frame().to_dict(orient="records")}


def figure(rows: pd.DataFrame, path: Path) -> None:
    """The curve, every point with its strength."""
    rows = rows.sort_values("strength")
    with matplotlib.rc_context(LOOK):
        drawing = Figure(figsize=(5.0, 4.0), layout="constrained")
        axes = drawing.subplots()
        axes.plot(rows["test_error"], rows["value"], "o-", color="#0072B2", label="certificate")
        axes.plot(rows["test_error"], rows["ramp"], "s--", color="#56B4E9", ms=4, label="its mean ramp loss")
        for _, row in rows.iterrows():
            axes.annotate(
                f"{row['strength']:g}", (row["test_error"], row["value"]), xytext=(4, 4), textcoords="offset points"
            )
        axes.set_xlabel("error on the test images")
        axes.set_ylabel("bound on the error of new images")
        axes.set_title(f"{rows['task'].iloc[0]}: strength of the complexity in training")
        axes.legend(frameon=False)
        save(drawing, path)


def show(console: Console, found: dict[str, Any]) -> None:
    """The curve as a table."""
    cells = [(f"{row['strength']:g}", *(f"{row[name]:.4f}" for name in COLUMNS)) for row in found["rows"]]
    console.print(grid("Certificate against test error", ("strength", *COLUMNS), cells, gap=2))


def plan(config: ParetoConfig) -> list[str]:
    """What would be trained."""
    return [f"{config.task}, {config.form}: one network with strength {s:g}" for s in config.strengths]


PARETO = Experiment(
    name="pareto", summary="certificate against test error, by how much training pays for the complexity",
    presets={
        "quick": ParetoConfig("digits-linear", strengths=(0.1, 1.0), preset="quick"),
        "cpu": ParetoConfig(),
    },
    minutes={"quick": None, "cpu": None}, run=run, plan=plan, figure=figure, show=show,
)  # fmt: skip
