"""Training: deterministic from a seed, checkpointed, and stopped at the first loss that is no number."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from sparsebounds.nets import masks as masking
from sparsebounds.nets.data.datasets import Dataset, fingerprint
from sparsebounds.nets.grow.transform import Rule
from sparsebounds.nets.masks import statistics as mask_statistics
from sparsebounds.nets.models.functional import pure
from sparsebounds.nets.training.checkpoint import Checkpoints
from sparsebounds.nets.training.config import TrainConfig
from sparsebounds.nets.training.progress import Bar
from sparsebounds.nets.training.step import State, batches, make_advance, make_error

Row = dict[str, Any]
OnEpoch = Callable[[int, Any, Row], None]
# Steps between two looks at the losses: few enough for Ctrl-C and the progress bar, enough to cost nothing.
CHUNK = 64


class Diverged(ArithmeticError):
    """The loss became NaN or infinite.

    Args:
        step: the first step (from 1) with such a loss.
        epoch: in which epoch (from 1).
        loss: the loss.
    """

    def __init__(self, step: int, epoch: int, loss: float) -> None:
        self.step, self.epoch, self.loss = step, epoch, loss
        super().__init__(f"the loss is {loss} at step {step} (epoch {epoch}); lower the learning rate")


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
        checkpoint: folder for checkpoints, one per epoch; None writes nothing.
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
    keeper = None
    if checkpoint is not None:
        tensors = fingerprint(data.x_train, data.y_train)
        keeper = Checkpoints(checkpoint, config, tensors, sparsity=run.sparsity, resume=resume)
    try:
        if keeper is not None:
            run.start(keeper)
        with Bar(config.epochs * run.steps, enabled=progress) as bar:
            while run.epoch < config.epochs:
                row = run.one_epoch(bar, keeper, checkpoint_every)
                if on_epoch is not None:
                    on_epoch(row["epoch"], model, row)
        return History(run.rows, run.masks())
    finally:
        if keeper is not None:
            keeper.close()


class _Run:
    """A training under way: the state, and how far it is (`epoch` complete ones, then `batch` steps)."""

    def __init__(self, model: Any, data: Dataset, config: TrainConfig, masks: Any, growth: Rule | None) -> None:
        self.model, self.config = model, config
        self.steps = -(-len(data.y_train) // config.batch_size)
        tx = config.optimizer(self.steps)
        self.start_masks, self.grows = masks, growth is not None
        if masks is not None:
            masking.apply(model, masks)
            tx = growth.around(tx, masks, model) if growth is not None else masking.keep_zeros(tx, masks)
        elif growth is not None:
            raise ValueError("growth was given without masks; give the masks it starts from, as from nets.prune.erk")
        self.sparsity = _identity(masks, growth)
        params, apply = pure(model)
        self.advance, self.error = make_advance(apply, tx, config.loss), make_error(apply)
        self.state = State(params, tx.init(params), jnp.zeros((), jnp.int32))
        self.x, self.y = jnp.asarray(data.x_train), jnp.asarray(data.y_train)
        self.rows: list[Row] = []
        self.epoch, self.batch, self.loss_sum = 0, 0, 0.0
        self.began, self.rho = time.monotonic(), _rho(model)

    def masks(self) -> Any:
        """As they are now."""
        return self.state.opt_state.masks if self.grows else self.start_masks

    def start(self, keeper: Checkpoints) -> None:
        """Take up the training in the folder, or keep its start there."""
        found = keeper.restore(self.state)
        if found is None:
            self.save(keeper)
            return
        self.state, where = found
        self.rows, self.epoch, self.batch, self.loss_sum = (
            where["rows"], where["epoch"], where["batch"], where["loss_sum"]
        )  # fmt: skip
        masking.set_parameters(self.model, self.state.params)

    def save(self, keeper: Checkpoints) -> None:
        """Keep everything a continuation needs."""
        where = {"rows": self.rows, "epoch": self.epoch, "batch": self.batch, "loss_sum": self.loss_sum}
        keeper.save(self.state, where)

    def one_epoch(self, bar: Bar, keeper: Checkpoints | None, every: int | None) -> Row:
        """The rest of the current epoch; the model gets its weights, the folder its checkpoint."""
        index, weight = batches(len(self.y), self.config.batch_size, self.config.seed, self.epoch)
        while self.batch < self.steps:
            due = every - self.batch % every if keeper is not None and every else CHUNK
            self.some_steps(index, weight, min(CHUNK, due, self.steps - self.batch))
            if keeper is not None and every and self.batch % every == 0 and self.batch < self.steps:
                self.check_weights()
                self.save(keeper)
            bar.update(self.epoch * self.steps + self.batch, self.describe())
        self.check_weights()
        row = self.finish_epoch()
        if keeper is not None:
            self.save(keeper)
        return row

    def some_steps(self, index: npt.NDArray[np.int32], weight: npt.NDArray[np.float32], count: int) -> None:
        """`count` steps of the current epoch, and a look at their losses."""
        here = slice(self.batch, self.batch + CHUNK)
        rows, weights = _filled(index[here]), _filled(weight[here])
        self.state, losses = self.advance(self.state, self.x, self.y, rows, weights, np.int32(count))
        found = np.asarray(losses[:count], np.float64)
        if (bad := np.flatnonzero(~np.isfinite(found))).size:
            step = self.epoch * self.steps + self.batch + int(bad[0]) + 1
            raise Diverged(step, self.epoch + 1, float(found[bad[0]]))
        self.loss_sum += float(found @ weights[:count].sum(axis=1, dtype=np.float64))
        self.batch += count

    def check_weights(self) -> None:
        """The last step of a chunk may give weights that no loss has seen yet: those are not kept."""
        if not all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(self.state.params)):
            raise Diverged(self.epoch * self.steps + self.batch, self.epoch + 1, math.nan)

    def finish_epoch(self) -> Row:
        """Hand the weights to the model and write the epoch's row."""
        masking.set_parameters(self.model, self.state.params)
        self.rho = _rho(self.model)
        row: Row = {
            "epoch": self.epoch + 1,
            "step": int(self.state.step),
            "loss": self.loss_sum / len(self.y),
            "train_error": self.error(self.state.params, self.x, self.y),
            "rho": self.rho,
            "seconds": time.monotonic() - self.began,
        }
        if self.grows:
            positions = self.model.positions() if hasattr(self.model, "positions") else None
            row["sparsity"] = mask_statistics.summary(self.masks(), positions, layout=self.model)
        self.rows.append(row)
        self.epoch, self.batch, self.loss_sum = self.epoch + 1, 0, 0.0
        return row

    def describe(self) -> str:
        """What the progress bar says."""
        error = f"{self.rows[-1]['train_error']:.2%}" if self.rows else "not measured yet"
        return f"epoch {self.epoch + 1}/{self.config.epochs}, train error {error}, ρ {self.rho:.4g}"


def _filled(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The rows of a chunk, filled up to CHUNK with zeros: one shape, one compilation."""
    return np.concatenate([rows, np.zeros((CHUNK - len(rows), rows.shape[1]), rows.dtype)])


def _identity(masks: Any, growth: Rule | None) -> dict[str, Any] | None:
    """What a continued training must agree with: the masks it started from, and how they change."""
    if masks is None:
        return None
    return {"masks": masking.fingerprint(masks), "growth": None if growth is None else growth.identity()}


def _rho(model: Any) -> float:
    return model.rho() if hasattr(model, "rho") else math.nan
