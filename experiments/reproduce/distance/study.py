"""Ordinary networks on MNIST, each by its distance from a reference: `sparsebounds reproduce distance`.

Writes results/distance: rows.csv with one row per task, form, samples left out and seed, every cost paid, and a folder
runs/TASK-FORM-LEFT_OUT-SEED with the files of each: certificate, weights, draw, figure. A run that is there is never
drawn again. With the preset paper also what certificates are judged by: plain_splits.csv, held-out bounds of the same
networks trained on more; random_labels.csv, certificates of labels without a rule. Expected (δ = 0.001): mnist10-cnn
with half left out about 0.012, with nothing left out about 0.07.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console

from sparsebounds.experiments.certify.distance.document import FROZEN, TESTED
from sparsebounds.experiments.certify.distance.run import run as certify
from sparsebounds.experiments.certify.options import CertifyOptions
from sparsebounds.experiments.reproduce.distance.plain_split import plain_split
from sparsebounds.experiments.reproduce.distance.random_labels import random_labels
from sparsebounds.experiments.reproduce.registry import Experiment
from sparsebounds.experiments.shared.files import prepare_folder
from sparsebounds.experiments.shared.rows import RowFile
from sparsebounds.experiments.shared.style import LOOK, save
from sparsebounds.experiments.shared.tables import grid

Case = tuple[str, str, float | None]


@dataclass(frozen=True)
class DistanceConfig:
    """Args:
    cases: (task, form, samples left out; None: the task's own number) of every row.
    seeds: of the trainings; every run has a draw of its own.
    splits: (task, samples that train) of plain held-out bounds beside them; plain_splits.csv.
    coins: (task, form) that are certified on random labels, with every one of `coin_seeds`; random_labels.csv.
    preset: of `certify`.
    delta: probability that a certificate fails.
    """

    cases: tuple[Case, ...]
    seeds: tuple[int, ...]
    splits: tuple[tuple[str, int], ...] = ()
    coins: tuple[tuple[str, str], ...] = ()
    coin_seeds: tuple[int, ...] = ()
    preset: str = "cpu"
    delta: float = 1e-3


FEW: tuple[Case, ...] = (
    ("mnist10-cnn", "distance", None),
    ("mnist10-cnn", "data-free", None),
    ("mnist10-filters", "distance", None),
    ("mnist10-filters", "distance", 20000),
)
ALL: tuple[Case, ...] = (
    *FEW,
    ("mnist10-gelu", "distance", None),
    ("mnist10-linear", "distance", None),
    ("mnist10-resnet", "distance", None),
    ("mnist10-vit", "distance", None),
)
SPLITS = (("mnist10-cnn", 45000), ("mnist10-cnn", 50000))
COINS = tuple((task, form) for task in ("mnist10-cnn", "mnist10-linear") for form in ("distance", "data-free"))


def run(
    config: DistanceConfig, folder: Path, *, resume: bool = False, progress: bool = True, data_dir: Path | None = None
) -> dict[str, Any]:
    """Certify every case with every seed that has no certificate yet."""
    rows = RowFile(folder / "rows.csv", ("task", "form", "left_out", "seed"), keep=False)
    console = Console(stderr=True, quiet=not progress)
    for seed in config.seeds:
        for task, form, left_out in config.cases:
            place = folder / "runs" / f"{task}-{form}-{'own' if left_out is None else left_out}-{seed}"
            found = _certified(config, task, form, left_out, seed, place, resume, data_dir)
            rows.put([row_of(found)])
            console.print(f"{place.name}: {found['value']:.4f} (test error {found['test_error']:.4f})")
    _beside(config, folder, resume=resume, progress=progress, data_dir=data_dir)
    return {"rows": rows.frame().to_dict(orient="records")}


def _beside(config: DistanceConfig, folder: Path, *, resume: bool, progress: bool, data_dir: Path | None) -> None:
    """Plain splits and random labels."""
    said: dict[str, Any] = {"delta": config.delta, "data_dir": data_dir}
    splits = RowFile(folder / "plain_splits.csv", ("task", "left_out", "seed"), keep=resume)
    splits.measure(
        [(*split, seed) for split in config.splits for seed in config.seeds],
        lambda task, n, seed: [plain_split(task, n, seed=seed, preset=config.preset, **said)], progress=progress,
    )  # fmt: skip
    coins = RowFile(folder / "random_labels.csv", ("task", "form", "seed"), keep=resume)
    coins.measure(
        [(*coin, seed) for coin in config.coins for seed in config.coin_seeds],
        lambda task, form, seed: [random_labels(task, form, seed=seed, **said)], progress=progress,
    )  # fmt: skip


def _certified(
    config: DistanceConfig, task: str, form: str, left_out: float | None, seed: int, place: Path, resume: bool,
    data_dir: Path | None,
) -> dict[str, Any]:  # fmt: skip
    kept = place / "certificate.json"
    if resume and kept.exists():
        found: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        return found
    prepare_folder(place)
    options = CertifyOptions(task, form, config.preset, seed, config.delta, left_out=left_out, resume=resume)
    found = certify(options, place, data_dir)
    shutil.rmtree(place / "checkpoints", ignore_errors=True)
    return found


def row_of(found: dict[str, Any]) -> dict[str, Any]:
    """One line of rows.csv."""
    terms, held = found["terms"], found["held_out"]
    names = ("value", "test_error", "m", "errors", "guarantee", "delta")
    return {
        "task": found["network"], "form": found["form"], "left_out": found["left_out"]["samples"],
        "seed": found["seed"], **{name: found[name] for name in names},
        "frozen_held_out": held.get(FROZEN, {}).get("value"),
        "frozen_test_error": held.get(FROZEN, {}).get("test_error"),
        "held_out": held[TESTED]["value"],
        "log_ratio": terms["log ratio of the draw"], "K": terms["K"], "way": terms["form"],
        "nats: configuration": found["nats"]["configuration"],
        "space_hash": found["space"]["hash"], "weights": found["sha256"]["weights"],
        "seconds": round(sum(found["seconds"].values()), 1),
    }  # fmt: skip


def figure(rows: pd.DataFrame, path: Path) -> None:
    """Every certificate beside the test error and the held-out bound of its frozen reference."""
    order = rows.sort_values(["value"], ascending=False).reset_index(drop=True)
    with matplotlib.rc_context(LOOK):
        drawing = Figure(figsize=(7.5, 1.2 + 0.34 * len(order)), layout="constrained")
        axes = drawing.subplots()
        axes.barh(order.index, order["value"], color="#56B4E9", label="certificate")
        axes.plot(order["frozen_held_out"], order.index, "r|", ms=12, mew=2, ls="none",
                  label="held-out bound of the frozen reference")  # fmt: skip
        axes.plot(order["test_error"], order.index, "k|", ms=12, mew=2, ls="none", label="test error")
        names = [f"{r['task']}, {r['form']}, {r['left_out']} left out, seed {r['seed']}" for _, r in order.iterrows()]
        axes.set_yticks(order.index, names)
        axes.set_xlabel(f"error of new images, δ = {float(rows['delta'].iloc[0]):g}")
        axes.legend(frameon=False)
        save(drawing, path)


def show(console: Console, found: dict[str, Any]) -> None:
    """The table for people."""
    heads = ("task", "form", "left out", "seed", "certificate", "held-out", "test error")
    cells = []
    for row in found["rows"]:
        held = row["frozen_held_out"]
        numbers = (f"{row['value']:.4f}", "–" if pd.isna(held) else f"{held:.4f}", f"{row['test_error']:.4f}")
        cells.append((row["task"], row["form"], str(row["left_out"]), str(row["seed"]), *numbers))
    drop = ("seed", "left out", "test error")
    console.print(grid("Certificates by distance", heads, cells, left=2, gap=2, drop=drop))


def plan(config: DistanceConfig) -> list[str]:
    """What would be certified."""
    seeds = ", ".join(map(str, config.seeds))
    return [f"{task}, {form}, {'' if n is None else f'{n} left out, '}seeds {seeds}" for task, form, n in config.cases]


DISTANCE = Experiment(
    name="distance", summary="ordinary networks on MNIST, certified by their distance from a reference",
    presets={
        "quick": DistanceConfig((("mnist10-linear", "distance", None),), (0,), preset="quick"),
        "cpu": DistanceConfig(FEW, (0,)),
        "paper": DistanceConfig(ALL, (0, 1), SPLITS, COINS, (0, 1, 2, 3, 4)),
    },
    minutes={"quick": 1, "cpu": 30, "paper": None}, run=run, plan=plan, figure=figure, show=show,
)  # fmt: skip
