"""Train one network and watch its bounds while it trains."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sparsebounds import nets
from sparsebounds.experiments.shared.passes import Passes
from sparsebounds.experiments.shared.problems import Problem
from sparsebounds.experiments.shared.program import stage
from sparsebounds.experiments.shared.rows import RowFile
from sparsebounds.experiments.shared.snapshot import Gamma, Snapshot, take_snapshot
from sparsebounds.experiments.shared.training import train_in
from sparsebounds.nets.data.datasets import Dataset

POINTS = 15


@dataclass(frozen=True)
class Network:
    """A network of the report: its name in the tables, the untrained model, and what is known of its zeros."""

    name: str
    model: Any
    mask_fixed: bool = False


@dataclass(frozen=True)
class Followed:
    """What came of a training: rows for every epoch looked at, and all factors at its end."""

    network: Network
    rows: pd.DataFrame
    final: Snapshot


def looked_at(epochs: int, points: int = POINTS) -> set[int]:
    """Epochs after which the bounds are computed: all of them, or `points` evenly spaced ones, and the last.

    Example:
        >>> sorted(looked_at(5)), sorted(looked_at(100, points=4))
        ([1, 2, 3, 4, 5], [1, 34, 67, 100])
    """
    return {int(e) for e in np.linspace(1, epochs, min(epochs, points)).round()}


def follow(
    network: Network,
    data: Dataset,
    training: nets.TrainConfig,
    folder: Path,
    *,
    delta: float,
    gamma: Gamma,
    repetitions: str,
    resume: bool = False,
    progress: bool = True,
) -> Followed:
    """Train, and take a snapshot at the start (epoch 0), on the way and, of every bound, at the end.

    The weights of a resumed run are those of an uninterrupted one. An epoch whose snapshot was under way when the
    run was interrupted has no rows.

    Args:
        network: what to train, in place.
        data: what on.
        training: how.
        folder: where the checkpoint and the rows so far are kept, so that an interrupted run goes on.
        delta, gamma, repetitions: as in `take_snapshot`.
        resume: go on from what the folder holds; without it the training starts anew.
        progress: show a progress bar.

    Raises:
        Problem: the loss became NaN or infinite; the message names the step, the last good checkpoint stays.
    """
    kept = folder / network.name
    if not resume and kept.exists():
        shutil.rmtree(kept)
    log = RowFile(folder / f"{network.name}-rows.csv", ("network", "epoch"), keep=resume)
    model = network.model

    def look(epoch: int, model: Any, row: dict[str, Any], **how: Any) -> Snapshot:
        options: dict[str, Any] = {
            "delta": delta,
            "gamma": gamma,
            "repetitions": repetitions,
            "mask_fixed": network.mask_fixed,
        }
        snapshot = take_snapshot(model, data, **options, **how)
        trained = {"step": row["step"], "loss": row["loss"], "rho": model.rho()}
        about: dict[str, Any] = {
            "network": network.name,
            "data": data.name,
            "m": len(data.y_train),
            "delta": delta,
            "epoch": epoch,
        }
        log.put([{**about, **trained, **r} for r in snapshot.rows])
        return snapshot

    due = looked_at(training.epochs) - {training.epochs}

    def on_epoch(epoch: int, model: Any, row: dict[str, Any]) -> None:
        if epoch in due:
            look(epoch, model, row)

    stage(f"{network.name}: training, {training.epochs} epochs", enabled=progress)
    with Passes() as passes:
        look(0, model, {"step": 0, "loss": np.nan}, progress=passes if progress else None)
    try:
        history = train_in(kept, model, data, training, resume=resume, on_epoch=on_epoch, progress=progress)
    except nets.Diverged as error:
        raise Problem(
            f"{network.name}: the loss was no longer finite at step {error.step} (epoch {error.epoch}): "
            f"lower --lr; the last good checkpoint is kept in {kept}"
        ) from error
    with Passes() as passes:
        final = look(training.epochs, model, history[-1], every=True, progress=passes if progress else None)
    return Followed(network, log.frame(), final)
