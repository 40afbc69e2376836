"""The training loop: a compiled program in chunks of steps, with hooks; the first loss that is no number stops it."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from sparsebounds.nets.training.step import Advance, Schedule, State

# Steps between two looks at the losses: few enough for Ctrl-C and the progress bar, enough to cost nothing.
CHUNK = 64
Visits = Callable[[int], Schedule]
"""Epoch → which samples each of its steps visits, and their weights, as `batches` gives them."""


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


class Loop:
    """A training under way: its state, and how far it is (`epoch` complete ones, then `batch` steps).

    Args:
        advance: the program, from `make_advance`; several loops may share it.
        x, y: the sample.
        visits: which samples every step of an epoch visits.
        state: where it starts.
    """

    def __init__(self, advance: Advance, x: Any, y: Any, visits: Visits, state: State) -> None:
        self.advance, self.x, self.y, self.visits, self.state = advance, x, y, visits, state
        self.epoch, self.batch, self.loss_sum = 0, 0, 0.0
        self.loss = math.nan
        """Mean over the last complete epoch, over its samples as they were visited."""

    def run(
        self,
        epochs: int,
        *,
        every: int | None = None,
        after_steps: "Hook" = lambda loop: None,
        after_epoch: "Hook" = lambda loop: None,
    ) -> State:
        """Go on until so many epochs are complete.

        Args:
            epochs: in all, those already complete included.
            every: no chunk steps over a multiple of this number of an epoch's steps.
            after_steps: called after every chunk.
            after_epoch: called after every epoch, with `epoch` and `loss` counting it, and weights that are finite.

        Returns:
            The state at the end.

        Raises:
            Diverged: a loss or, at the end of an epoch, a weight is NaN or infinite.
        """
        while self.epoch < epochs:
            index, weight = self.visits(self.epoch)
            while self.batch < len(index):
                most = CHUNK if every is None else min(CHUNK, every - self.batch % every)
                self._some_steps(index, weight, min(most, len(index) - self.batch))
                after_steps(self)
            self.check_weights()
            self.loss = self.loss_sum / float(weight.sum())
            self.epoch, self.batch, self.loss_sum = self.epoch + 1, 0, 0.0
            after_epoch(self)
        return self.state

    def check_weights(self) -> None:
        """The last step of a chunk may give weights that no loss has seen yet: those are not kept."""
        if not all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(self.state.params)):
            raise Diverged(int(self.state.step), self.epoch + 1, math.nan)

    def _some_steps(self, index: npt.NDArray[np.int32], weight: npt.NDArray[np.float32], count: int) -> None:
        """`count` steps of the current epoch, and a look at their losses."""
        here = slice(self.batch, self.batch + CHUNK)
        rows, weights = _filled(index[here]), _filled(weight[here])
        before = int(self.state.step)
        self.state, losses = self.advance(self.state, self.x, self.y, rows, weights, np.int32(count))
        found = np.asarray(losses[:count], np.float64)
        if (bad := np.flatnonzero(~np.isfinite(found))).size:
            raise Diverged(before + int(bad[0]) + 1, self.epoch + 1, float(found[bad[0]]))
        self.loss_sum += float(found @ weights[:count].sum(axis=1, dtype=np.float64))
        self.batch += count


Hook = Callable[[Loop], None]


def _filled(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The rows of a chunk, filled up to CHUNK with zeros: one shape, one compilation."""
    return np.concatenate([rows, np.zeros((CHUNK - len(rows), rows.shape[1]), rows.dtype)])
