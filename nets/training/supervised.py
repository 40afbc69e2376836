"""Training of a model on a data set: the loop with rows, checkpoints and a bar; deterministic from a seed."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax.numpy as jnp

from sparsebounds.nets import masks as masking
from sparsebounds.nets.data.datasets import Dataset, fingerprint
from sparsebounds.nets.grow.transform import Rule
from sparsebounds.nets.masks import statistics as mask_statistics
from sparsebounds.nets.models.functional import pure
from sparsebounds.nets.training.checkpoint import Checkpoints
from sparsebounds.nets.training.config import TrainConfig
from sparsebounds.nets.training.loop import Loop
from sparsebounds.nets.training.progress import Bar
from sparsebounds.nets.training.step import State, batches, make_advance, make_error

Row = dict[str, Any]
OnEpoch = Callable[[int, Any, Row], None]


@dataclass
class History:
    """What a training did: one row per epoch.

    Args:
        rows: dicts of epoch, step, loss (mean over the epoch's samples as they were visited), train_error (all
            samples, weights at its end), rho (at its end), seconds (since the start of this run); where the mask
            changes also sparsity (`nets.masks.statistics.summary` of the masks at its end).
        masks: the masks at the end; None without masks.
    """

    rows: list[Row] = field(default_factory=list)
    masks: Any = None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Row:
        return self.rows[index]


def train(
    model: Any,
    data: Dataset,
    config: TrainConfig,
    *,
    masks: Any = None,
    growth: Rule | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    checkpoint_every: int | None = None,
    on_epoch: OnEpoch | None = None,
    progress: bool = True,
) -> History:
    """Train a model in place on the training tensors of a data set.

    Every epoch visits every sample once, in an order that depends on the seed and the epoch alone; the last
    batch is smaller where the sizes do not divide, its loss the mean over the samples it holds.

    Args:
        model: an `nnx.Module` from images to scores; its `nnx.Param`s are trained. `model.rho()` is recorded
            if it has one.
        data: images and labels.
        config: settings, or one of `PRESETS`.
        masks: booleans as from `nets.masks`; weights whose mask is false become zero and stay exactly zero.
        growth: how the masks change on the way, as in `nets.grow.RigL(every=100, until=900)`; steps at which they do
            are counted, and no steps of the optimiser.
        checkpoint: folder for checkpoints: after epochs, at most every five seconds, when interrupted and at the
            end; None writes nothing.
        resume: continue a training found in that folder, with bit for bit the uninterrupted result.
        checkpoint_every: steps between checkpoints inside an epoch as well.
        on_epoch: called as on_epoch(epoch, model, row) after every epoch, with the model as it is then.
        progress: show a bar on stderr if this takes longer than two seconds.

    Returns:
        One row per epoch, those before a resumption included.

    Raises:
        Diverged: the loss is NaN or infinite; the model and the folder keep the last good weights.
        ValueError: masks, images or checkpoint do not fit the model and the settings.
        KeyboardInterrupt: passed on; the folder keeps the last checkpoint.

    Example:
        >>> from sparsebounds import nets
        >>> from flax import nnx
        >>> net = nets.MLP((64, 10), rngs=nnx.Rngs(0))
        >>> history = train(net, nets.data.datasets.load("digits", train=200), TrainConfig(epochs=2))
        >>> len(history), history[1]["step"]
        (2, 14)
    """
    run = _Run(model, data, config, masks, growth)
    if checkpoint is not None:
        tensors = fingerprint(data.x_train, data.y_train)
        run.keeper = Checkpoints(checkpoint, config, tensors, sparsity=run.sparsity, resume=resume)
    try:
        run.start()
        with Bar(config.epochs * run.steps, enabled=progress) as bar:
            every = checkpoint_every if checkpoint is not None else None
            run.loop.run(
                config.epochs,
                every=every,
                after_steps=lambda _: run.after_steps(bar, every),
                after_epoch=lambda _: run.after_epoch(on_epoch),
            )
        return History(run.rows, run.masks())
    finally:
        if run.keeper is not None:
            run.keeper.close()


class _Run:
    """What happens around the loop of one training."""

    def __init__(self, model: Any, data: Dataset, config: TrainConfig, masks: Any, growth: Rule | None) -> None:
        self.model, self.config = model, config
        self.keeper: Checkpoints | None = None
        samples = len(data.y_train)
        self.steps = -(-samples // config.batch_size)
        tx = config.optimizer(self.steps)
        self.start_masks, self.grows = masks, growth is not None
        if masks is not None:
            masking.apply(model, masks)
            tx = growth.around(tx, masks, model) if growth is not None else masking.keep_zeros(tx, masks)
        elif growth is not None:
            raise ValueError("growth was given without masks; give the masks it starts from, as from nets.prune.erk")
        self.sparsity = _identity(masks, growth)
        params, apply = pure(model)
        self.error = make_error(apply)
        self.loop = Loop(
            make_advance(apply, tx, config.loss),
            jnp.asarray(data.x_train),
            jnp.asarray(data.y_train),
            lambda epoch: batches(samples, config.batch_size, config.seed, epoch),
            State(params, tx.init(params), jnp.zeros((), jnp.int32)),
        )
        self.rows: list[Row] = []
        self.began, self.rho = time.monotonic(), _rho(model)

    def masks(self) -> Any:
        """As they are now."""
        return self.loop.state.opt_state.masks if self.grows else self.start_masks

    def start(self) -> None:
        """Take up the training in the folder, or keep its start there."""
        if self.keeper is None:
            return
        found = self.keeper.restore(self.loop.state)
        if found is None:
            self.save()
            return
        self.loop.state, where = found
        self.rows = where["rows"]
        self.loop.epoch, self.loop.batch, self.loop.loss_sum = where["epoch"], where["batch"], where["loss_sum"]
        masking.set_parameters(self.model, self.loop.state.params)

    def save(self, *, now: bool = True) -> None:
        """Keep everything a continuation needs, if there is a folder."""
        loop = self.loop
        if self.keeper is not None:
            where = {
                "rows": [dict(row) for row in self.rows],
                "epoch": loop.epoch,
                "batch": loop.batch,
                "loss_sum": loop.loss_sum,
            }
            self.keeper.save(loop.state, where, now=now)

    def after_steps(self, bar: Bar, every: int | None) -> None:
        """A checkpoint inside the epoch where one is due, and the bar."""
        if every is not None and self.loop.batch % every == 0 and self.loop.batch < self.steps:
            self.loop.check_weights()
            self.save()
        bar.update(int(self.loop.state.step), self.describe())

    def after_epoch(self, on_epoch: OnEpoch | None) -> None:
        """Hand the weights to the model, write the epoch's row, keep both, and tell whoever waits for it."""
        loop = self.loop
        masking.set_parameters(self.model, loop.state.params)
        self.rho = _rho(self.model)
        row: Row = {
            "epoch": loop.epoch,
            "step": int(loop.state.step),
            "loss": loop.loss,
            "train_error": self.error(loop.state.params, loop.x, loop.y),
            "rho": self.rho,
            "seconds": time.monotonic() - self.began,
        }
        if self.grows:
            positions = self.model.positions() if hasattr(self.model, "positions") else None
            row["sparsity"] = mask_statistics.summary(self.masks(), positions, layout=self.model)
        self.rows.append(row)
        self.save(now=loop.epoch == self.config.epochs)
        if on_epoch is not None:
            on_epoch(row["epoch"], self.model, row)

    def describe(self) -> str:
        """What the progress bar says."""
        error = f"{self.rows[-1]['train_error']:.2%}" if self.rows else "not measured yet"
        return f"epoch {self.loop.epoch + 1}/{self.config.epochs}, train error {error}, ρ {self.rho:.4g}"


def _identity(masks: Any, growth: Rule | None) -> dict[str, Any] | None:
    """What a continued training must agree with: the masks it started from, and how they change."""
    if masks is None:
        return None
    return {"masks": masking.fingerprint(masks), "growth": None if growth is None else growth.identity()}


def _rho(model: Any) -> float:
    return model.rho() if hasattr(model, "rho") else math.nan
