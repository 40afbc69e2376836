"""Training of one network under many masks: compiled once, the masks are arguments."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from sparsebounds.nets import masks as masking
from sparsebounds.nets.models.functional import Params
from sparsebounds.nets.training.loop import Loop, Visits
from sparsebounds.nets.training.step import State, make_advance

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


class MaskedTrainer:
    """Trains copies of one network on one sample.

    Args:
        apply: scores from parameters and inputs.
        tx: the optimiser.
        loss: "mse" or "cross_entropy".
        x, y: the sample.
    """

    def __init__(
        self,
        apply: Callable[[Params, jax.Array], jax.Array],
        tx: optax.GradientTransformation,
        loss: str,
        x: Any,
        y: Any,
    ) -> None:
        self.tx = with_masks(tx)
        self.advance = make_advance(apply, self.tx, loss)
        self.x, self.y = jnp.asarray(x), jnp.asarray(y)

    def fit(self, params: Tree, masks: Tree, visits: Visits, epochs: int = 1) -> Tree:
        """The parameters after training from `params`, with exact zeros where the masks are false.

        Args:
            params, masks: nested dicts with the same paths.
            visits: which samples every step of an epoch visits.
            epochs: how many.

        Raises:
            Diverged: the loss is NaN or infinite.
        """
        start = jax.tree.map(jnp.asarray, masking.apply(params, masks))
        carried = self.tx.init(start)._replace(masks=jax.tree.map(jnp.asarray, masks))
        state = State(start, carried, jnp.zeros((), jnp.int32))
        with jax.numpy_dtype_promotion("standard"):  # optax mixes counts and floats
            return Loop(self.advance, self.x, self.y, visits, state).run(epochs).params
