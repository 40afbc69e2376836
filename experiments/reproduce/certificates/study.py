"""Certificates on MNIST, task by task: `sparsebounds reproduce certificates`.

Writes results/certificates: rows.csv with one row per task, form and seed, all costs paid, and the true test error,
which no certificate may be below. Expected (δ = 0.001), with fixed signs (signed, boxes): mnist01-linear 0.073,
mnist01 0.105, mnist10-linear 0.381, mnist10-conv 0.41 to 0.42, mnist10-filters 0.170; rehearsal, in this order:
0.090, 0.146, 0.495, 0.53 to 0.54, 0.263; uniform: mnist01-linear 0.106, mnist10-linear 0.586, mnist10-filters 0.419;
boxes through hidden layers: mnist01 0.077, mnist10-conv 0.32; around a rehearsal (centred): mnist10-linear 0.225,
mnist01 0.067, mnist10-conv 0.20.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console

from sparsebounds.experiments.certify.certify import certify, task_of
from sparsebounds.experiments.certify.data import Prepared, load, prepare
from sparsebounds.experiments.certify.options import CertifyOptions
from sparsebounds.experiments.certify.space import declared
from sparsebounds.experiments.certify.tasks import Task, find_task
from sparsebounds.experiments.reproduce.registry import Experiment
from sparsebounds.experiments.shared.program import stage
from sparsebounds.experiments.shared.rows import RowFile
from sparsebounds.experiments.shared.style import LOOK, save
from sparsebounds.experiments.shared.tables import grid
from sparsebounds.nets.training.progress import Bar

Case = tuple[str, str]


@dataclass(frozen=True)
class CertificatesConfig:
    """Args:
    cases: (task, form) of every row.
    seeds: of the trainings.
    preset: of `certify`.
    delta: probability that a certificate fails.
    spaces: (name, version, hash) of the configuration spaces; rows of other spaces are not gone on with.
    """

    cases: tuple[Case, ...]
    seeds: tuple[int, ...]
    preset: str = "cpu"
    delta: float = 1e-3
    spaces: tuple[tuple[str, int, str], ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "spaces", declared(find_task(task) for task, _ in self.cases))


ALL = (
    *(("mnist01-linear", form) for form in ("uniform", "rehearsal", "boxes")),
    *(("mnist10-linear", form) for form in ("uniform", "rehearsal", "boxes", "centred")),
    *(("mnist01", form) for form in ("rehearsal", "signed", "boxes", "centred")),
    *(("mnist10-conv", form) for form in ("rehearsal", "signed", "boxes", "centred")),
    *(("mnist10-filters", form) for form in ("uniform", "rehearsal", "boxes")),
)


def run(
    config: CertificatesConfig,
    folder: Path,
    *,
    resume: bool = False,
    progress: bool = True,
    data_dir: Path | None = None,
) -> dict[str, Any]:
    """Certify every case with every seed that rows.csv does not hold yet; a front end is computed once per task."""
    rows = RowFile(folder / "rows.csv", ("task", "form", "seed"), keep=resume)
    kept: tuple[Task, Prepared] | None = None
    todo = [(*case, seed) for seed in config.seeds for case in config.cases]
    with Bar(len(todo), enabled=progress) as bar:
        for done, (name, form, seed) in enumerate(todo):
            bar.update(done, f"{name} {form} seed {seed}")
            if rows.group(name, form, seed):
                continue
            options = CertifyOptions(name, form, config.preset, seed, config.delta)
            task = task_of(options)
            if kept is None or kept[0] != task:
                kept = None  # the old features may go before the new ones come
                kept = (task, prepare(task, load(task, data_dir)))
            found = certify(options, prepared=kept[1])
            rows.put([row_of(found)])
            said = f"{name} {form} seed {seed}: {found['value']:.4f} (test error {found['test_error']:.4f})"
            stage(said, enabled=progress)
    return {"rows": rows.frame().to_dict(orient="records")}


def row_of(found: dict[str, Any]) -> dict[str, Any]:
    """One line of rows.csv."""
    held, terms, delta = found["held_out"], found["terms"], found["delta"]
    union = terms["energies: log(1/failure probability) of each"] - terms["nats: configuration"]
    frozen = held.get("rehearsal network, frozen", {})
    names = ("task", "form", "seed", "value", "ramp", "complexity", "confidence", "nats", "test_error")
    return {name: found[name] for name in names} | {
        "held_out": held["test images"]["value"],
        "frozen_held_out": frozen.get("value"),
        "m": found["m"],
        "left_out": found["left_out"]["images"],
        "labels_used": found["labels_used"],
        "guarantee": found["guarantee"],
        "gamma": found["gamma"],
        "delta": delta,
        "space": found["space"]["name"],
        "space_version": found["space"]["version"],
        "space_hash": found["space"]["hash"],
        "energies_upper": terms["energies: confidence bounds / means"],
        "energies": round(math.exp(union) * delta / 2),
        **{k: v for k, v in terms.items() if k.startswith("nats: ")},
        "repriced": 1.0,
        "seconds": round(sum(found["seconds"].values()), 1),
    }


def figure(rows: pd.DataFrame, path: Path) -> None:
    """Every certificate as ramp + complexity + confidence, beside the true test error."""
    first = rows.sort_values("seed").groupby(["task", "form"]).first().reset_index()
    order = first.sort_values("value", ascending=False).reset_index(drop=True)  # one seed each: no best of several
    with matplotlib.rc_context(LOOK):
        drawing = Figure(figsize=(8.0, 0.9 + 0.5 * len(order)), layout="constrained")
        axes = drawing.subplots()
        left = pd.Series(0.0, index=order.index)
        colours = {"ramp": "#56B4E9", "complexity": "#E69F00", "confidence": "#999999"}
        for part, colour in colours.items():
            axes.barh(order.index, order[part], left=left, color=colour, label=part)
            left += order[part]
        for i, row in order.iterrows():
            axes.text(row["value"] + 0.008, i, f"{math.ceil(row['value'] * 1000) / 1000:.3f}", va="center")
        axes.plot(order["test_error"], order.index, "k|", ms=14, mew=2, ls="none", label="test error")
        axes.plot(order["held_out"], order.index, "r|", ms=14, mew=1, ls="none", label="binomial, from the test images")
        labels = [f"{r['task']}\n{r['form']}, {r['left_out']} left out" for _, r in order.iterrows()]
        axes.set_yticks(order.index, labels)
        axes.set_xlim(0, min(1.0, float(order["value"].max()) * 1.15))
        for i, row in order.iterrows():
            others = rows[(rows["task"] == row["task"]) & (rows["form"] == row["form"]) & (rows["seed"] != row["seed"])]
            axes.plot(others["value"], [i] * len(others), "k.", ms=4, label="other seeds" if i == 0 else None)
        axes.set_xlabel(f"bound on the error of new images, δ = {float(rows['delta'].iloc[0]):g}")
        axes.legend(frameon=False, loc="upper right")
        save(drawing, path)


def show(console: Console, found: dict[str, Any]) -> None:
    """The table for people."""
    heads = ("task", "form", "seed", "certificate", "ramp", "complexity", "confidence", "test error")
    parts = ("value", "ramp", "complexity", "confidence", "test_error")
    cells = [
        (row["task"], row["form"], str(row["seed"]), *(f"{row[part]:.4f}" for part in parts)) for row in found["rows"]
    ]
    drop = ("confidence", "complexity", "ramp", "test error")
    console.print(grid("Certificates", heads, cells, left=2, gap=2, drop=drop))


def plan(config: CertificatesConfig) -> list[str]:
    """What would be certified."""
    return [f"{task}, {form}: seeds {', '.join(map(str, config.seeds))}" for task, form in config.cases]


CERTIFICATES = Experiment(
    name="certificates", summary="bounds on the error of networks trained for them, MNIST, every cost paid",
    presets={
        "quick": CertificatesConfig(tuple(("digits-linear", form) for form in ("uniform", "rehearsal", "boxes")), (0,)),
        "cpu": CertificatesConfig(ALL, (0, 1)),
    },
    minutes={"quick": 1, "cpu": 20}, run=run, plan=plan, figure=figure, show=show,
)  # fmt: skip
