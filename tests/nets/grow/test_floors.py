"""Every layer keeps its floor, or the rule is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from sparsebounds.nets import grow, masks, prune
from sparsebounds.nets.models.mlp import MLP


def test_a_small_layer_keeps_its_floor_by_layer_too() -> None:
    """Four weights at density 0.1 are 0.4 of a weight: one stays."""
    shapes = {"a": (2, 2), "b": (20, 20)}
    params = {k: {"kernel": jnp.arange(1.0, 1.0 + np.prod(s)).reshape(s)} for k, s in shapes.items()}
    everything = jax.tree.map(lambda w: jnp.ones(w.shape, bool), params)
    for floor, kept in ((1, 1), (3, 3)):
        rule = grow.Gradual(every=1, until=2, density=0.1, scope="layer", floor=floor)
        tx, now = rule.around(optax.sgd(0.1), everything), params
        state = tx.init(now)
        for _ in range(2):
            updates, state = tx.update(now, state, now)
            now = optax.apply_updates(now, updates)
        assert [int(mask.sum()) for mask in masks.leaves(state.masks).values()] == [kept, 40]


def test_floors_of_chase_above_its_budget_are_refused() -> None:
    model = MLP((6, 20, 20, 4), rngs=nnx.Rngs(0))
    keep = prune.random(model, 0.1)
    settings = {"every": 1, "until": 4, "channel_every": 1, "channel_until": 3, "channel_share": 0.3}
    with pytest.raises(ValueError, match="the floors keep 90 weights and the masks 60; lower the floor"):
        grow.Chase(**settings, floor=30).around(optax.sgd(0.1), keep, model)
    grow.Chase(**settings, floor=20).around(optax.sgd(0.1), keep, model)
