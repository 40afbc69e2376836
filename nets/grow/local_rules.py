"""Rules that change every layer by itself: SET and RigL."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.nets.grow import ranks, regrowth
from sparsebounds.nets.grow.schedule import Plan, check_share, cosine, due_at
from sparsebounds.nets.grow.transform import Change, Rule, View
from sparsebounds.nets.models.channels import Channels


@dataclass(frozen=True)
class SET(Rule):
    """Every ΔT steps each layer drops its smallest |w| and grows as many at random, of all that it did not keep.

    At step t the share is fraction · ½(1 + cos(π t/until)). A weight dropped a moment before may grow back and then
    keeps its value, so fewer weights are exchanged than are dropped, and a dense layer does not change.

    With dropped="stay_out" only weights that were inactive before grow; a layer with fewer of these changes that many.

    Args:
        every: ΔT, steps between two changes.
        until: no change at this step or later.
        seed: of the draws.
        fraction: share of the active weights of a layer that is dropped at the start.
        dropped: "return": a dropped weight may grow back, with its value; "restart": it may, from zero;
            "stay_out": not at the same step.

    Raises:
        ValueError: on use: a setting out of range, or masks without a single inactive weight.

    Example:
        >>> import optax
        >>> params = {"kernel": jnp.array([[5.0, 0.0], [1.0, 0.0]])}
        >>> tx = SET(every=1, until=10, fraction=0.8).around(optax.sgd(0.1), {"kernel": params["kernel"] != 0})
        >>> _, state = tx.update({"kernel": jnp.ones((2, 2))}, tx.init(params), params)
        >>> int(state.masks["kernel"].sum()), bool(state.masks["kernel"][0, 0])
        (2, True)

    Source: Mocanu et al., Nature Communications 2018, in the form of Evci et al., ICML 2020, and their released code:
        the cosine, one threshold for both signs, and the value kept. Mocanu's released codes drop the smallest positive
        and the smallest negative weights, each by the fraction, and start what grows anew: dropped="restart".
    """

    fraction: float = 0.3
    dropped: str = "return"

    def plan(self, masks: dict[str, np.ndarray], channels: tuple[Channels, ...]) -> Plan:
        """At every multiple of ΔT before `until`."""
        check_share("fraction", self.fraction)
        regrowth.check_dropped(self.dropped)
        if all(mask.all() for mask in masks.values()):
            raise ValueError("every weight is active already, so there is nothing left to grow; give sparse masks")
        share = (self.fraction * cosine(self.until)).astype(np.float32)
        return Plan(due_at(self.until, self.every, ends=False), {"share": share})

    def change(self, view: View) -> Change:
        """Layer by layer."""
        keys = ranks.keys(view.key, view.masks)
        found = {path: self._layer(view, path, view.numbers["share"], keys[path]) for path in view.masks}
        return Change({path: pair[0] for path, pair in found.items()}, {path: pair[1] for path, pair in found.items()})

    def _layer(self, view: View, path: str, share: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The layer's new mask, and what of it stays as it is."""
        before = view.masks[path].ravel()
        drops, grows, scores = jax.random.split(key, 3)
        active = jnp.sum(before, dtype=jnp.int32)
        count = jnp.floor(share * active.astype(jnp.float32)).astype(jnp.int32)
        if self.dropped == "stay_out":
            count = jnp.minimum(count, before.size - active)
        kept = before & ~ranks.best(-view.size[path].ravel(), before, count, drops)
        free = regrowth.candidates(kept, before, self.dropped)
        grown = ranks.best(self._worth(view, path, scores), free, count, grows)
        shape = view.masks[path].shape
        stay = regrowth.staying(kept, grown, before, self.dropped)
        return (kept | grown).reshape(shape), stay.reshape(shape)

    def _worth(self, view: View, path: str, key: jax.Array) -> jax.Array:
        """Which weights grow first."""
        return jax.random.uniform(key, (view.masks[path].size,))


@dataclass(frozen=True)
class RigL(SET):
    """As SET, but of all weights that a layer did not keep those grow whose |gradient| on the step's batch is largest.

    A weight dropped a moment before may grow back, and then keeps its value. Of a weight-normalised layer the gradient
    is by the kernel it applies.

    Args, Raises as for `SET`.

    Example:
        >>> import optax
        >>> params = {"kernel": jnp.array([[5.0, 0.0], [1.0, 0.0]])}
        >>> tx = RigL(every=1, until=10, fraction=0.8).around(optax.sgd(0.1), {"kernel": params["kernel"] != 0})
        >>> _, state = tx.update({"kernel": jnp.array([[0.0, 0.1], [0.0, -0.2]])}, tx.init(params), params)
        >>> state.masks["kernel"].tolist()
        [[True, False], [False, True]]

    Source: Evci, Gale, Menick, Castro, Elsen, ICML 2020, algorithm 1, as in the authors' released code.
    """

    def _worth(self, view: View, path: str, key: jax.Array) -> jax.Array:
        return view.gradient[path].ravel()
