"""Training of one network under many masks: compiled once, the masks are arguments."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from sparsebounds import nets
from sparsebounds.nets import masks as masking
from sparsebounds.nets.data.datasets import Dataset
from sparsebounds.nets.models.functional import pure
from sparsebounds.nets.training.step import State, batches, make_advance

Tree = Any


class Carried(NamedTuple):
    """Masks beside the state of the optimiser that obeys them."""

    masks: Tree
    inner: Any


def with_masks(tx: optax.GradientTransformation) -> optax.GradientTransformation:
    """`nets.masks.keep_zeros` with the masks in the state, so that one compiled step serves all of them.

    Its `init` starts with masks that keep everything; put others in place with `_replace(masks=...)`.

    Example:
        >>> tx, w = with_masks(optax.sgd(0.1)), {"w": jnp.array([1.0, 0.0])}
        >>> state = tx.init(w)._replace(masks={"w": jnp.array([True, False])})
        >>> tx.update({"w": jnp.ones(2)}, state, w)[0]["w"].tolist()
        [-0.10000000149011612, 0.0]
    """

    def init(params: Tree) -> Carried:
        return Carried(jax.tree.map(lambda leaf: jnp.ones(leaf.shape, bool), params), tx.init(params))

    def update(updates: Tree, state: Carried, params: Tree = None) -> tuple[Tree, Carried]:
        updates, inner = tx.update(masking.zeroed(updates, state.masks), state.inner, params)
        return masking.zeroed(updates, state.masks), Carried(state.masks, inner)

    return optax.GradientTransformation(init, update)


class Trainer:
    """Trains copies of one architecture on one data set.

    Args:
        model: of the architecture; its weights do not matter.
        data: what on.
        training: how; its seed is replaced in every call.
    """

    def __init__(self, model: Any, data: Dataset, training: nets.TrainConfig) -> None:
        self.training, self.samples = training, len(data.y_train)
        self.steps = -(-self.samples // training.batch_size)
        self.tx = with_masks(training.optimizer(self.steps))
        self.advance = make_advance(pure(model)[1], self.tx, training.loss)
        self.x, self.y = jnp.asarray(data.x_train), jnp.asarray(data.y_train)

    def fit(self, params: Tree, masks: Tree, seed: int) -> Tree:
        """The parameters after training from `params`, with exact zeros where the masks are false.

        Args:
            params, masks: nested dicts with the same paths.
            seed: of the order of the samples.

        Raises:
            Diverged: the loss is NaN or infinite.
        """
        start = jax.tree.map(jnp.asarray, masking.apply(params, masks))
        state = State(start, self.tx.init(start)._replace(masks=masks), jnp.zeros((), jnp.int32))
        for epoch in range(self.training.epochs):
            index, weight = batches(self.samples, self.training.batch_size, seed, epoch)
            state, losses = self.advance(state, self.x, self.y, index, weight, self.steps)
            lost = np.flatnonzero(~np.isfinite(np.asarray(losses)))
            if lost.size:
                raise nets.Diverged(epoch * self.steps + int(lost[0]) + 1, epoch + 1, float(losses[lost[0]]))
        return state.params
