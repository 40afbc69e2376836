"""Rules that change every layer by itself: SET and RigL."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.nets.grow import ranks
from sparsebounds.nets.grow.schedule import Plan, check_share, cosine, due_at
from sparsebounds.nets.grow.transform import Leaves, Rule, View
from sparsebounds.nets.models.channels import Channels


@dataclass(frozen=True)
class SET(Rule):
    """Every ΔT steps each layer drops its smallest |w| and grows as many inactive weights at random.

    At step t the share is fraction · ½(1 + cos(π t/until)). Weights dropped at a step are not grown at the same
    step. A layer with fewer inactive weights changes that many; a dense layer does not change.

    Args:
        every: ΔT, steps between two changes.
        until: no change at this step or later.
        seed: of the draws.
        fraction: share of the active weights of a layer that is exchanged at the start.

    Raises:
        ValueError: on use: a setting out of range, or masks without a single inactive weight.

    Example:
        >>> import optax
        >>> params = {"kernel": jnp.array([[5.0, 0.0], [1.0, 0.0]])}
        >>> tx = SET(every=1, until=10, fraction=0.8).around(optax.sgd(0.1), {"kernel": params["kernel"] != 0})
        >>> updates, state = tx.update({"kernel": jnp.ones((2, 2))}, tx.init(params), params)
        >>> updates["kernel"].tolist(), int(state.masks["kernel"].sum()), bool(state.masks["kernel"][0, 0])
        ([[0.0, 0.0], [-1.0, -0.0]], 2, True)

    Source: Mocanu et al., Nature Communications 2018; with the cosine of Evci et al., ICML 2020.
    """

    fraction: float = 0.3

    def plan(self, masks: dict[str, np.ndarray], channels: tuple[Channels, ...]) -> Plan:
        """At every multiple of ΔT before `until`."""
        check_share("fraction", self.fraction)
        if all(mask.all() for mask in masks.values()):
            raise ValueError("every weight is active already, so there is nothing left to grow; give sparse masks")
        share = (self.fraction * cosine(self.until)).astype(np.float32)
        return Plan(due_at(self.until, self.every, ends=False), {"share": share})

    def change(self, view: View) -> Leaves:
        """Layer by layer."""
        keys = ranks.keys(view.key, view.masks)
        return {path: self._layer(view, path, view.numbers["share"], keys[path]) for path in view.masks}

    def _layer(self, view: View, path: str, share: jax.Array, key: jax.Array) -> jax.Array:
        active = view.masks[path].ravel()
        drops, grows, scores = jax.random.split(key, 3)
        kept, free = jnp.sum(active, dtype=jnp.int32), jnp.sum(~active, dtype=jnp.int32)
        count = jnp.minimum(jnp.floor(share * kept.astype(jnp.float32)).astype(jnp.int32), free)
        dropped = ranks.best(-view.size[path].ravel(), active, count, drops)
        grown = ranks.best(self._worth(view, path, scores), ~active, count, grows)
        return ((active & ~dropped) | grown).reshape(view.masks[path].shape)

    def _worth(self, view: View, path: str, key: jax.Array) -> jax.Array:
        """Which inactive weights are grown first."""
        return jax.random.uniform(key, (view.masks[path].size,))


@dataclass(frozen=True)
class RigL(SET):
    """As SET, but grows the inactive weights whose |gradient| on the step's batch is largest.

    Of a weight-normalised layer the gradient is by the kernel it applies.

    Args, Raises as for `SET`.

    Example:
        >>> import optax
        >>> params = {"kernel": jnp.array([[5.0, 0.0], [1.0, 0.0]])}
        >>> tx = RigL(every=1, until=10, fraction=0.8).around(optax.sgd(0.1), {"kernel": params["kernel"] != 0})
        >>> _, state = tx.update({"kernel": jnp.array([[0.0, 0.1], [0.0, -0.2]])}, tx.init(params), params)
        >>> state.masks["kernel"].tolist()
        [[True, False], [False, True]]

    Source: Evci, Gale, Menick, Castro, Elsen, ICML 2020.
    """

    def _worth(self, view: View, path: str, key: jax.Array) -> jax.Array:
        return view.gradient[path].ravel()
