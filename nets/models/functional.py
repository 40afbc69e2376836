"""A model as its parameters and a pure function of them."""

from collections.abc import Callable
from typing import Any

import jax
from flax import nnx

Params = Any  # a pytree of float32 arrays


def pure(model: nnx.Module) -> tuple[Params, Callable[[Params, jax.Array], jax.Array]]:
    """A model as a plain dict of its parameters, and the function from parameters and images to scores.

    Raises:
        ValueError: the model keeps state that changes as it runs (batch statistics, random numbers).
    """
    graphdef, *states = nnx.split(model, nnx.Param, nnx.Any(nnx.BatchStat, nnx.RngState), ...)
    params, running, rest = states
    if kept := jax.tree_util.tree_flatten_with_path(running)[0]:
        path = ".".join(str(getattr(entry, "key", entry)) for entry in kept[0][0][:-1])
        raise ValueError(f"the model keeps running state ({path}); train() takes models with parameters alone")

    def apply(values: Params, x: jax.Array) -> jax.Array:
        state = jax.tree.map(lambda leaf: leaf, params)
        nnx.replace_by_pure_dict(state, values)
        return nnx.merge(graphdef, state, running, rest)(x)

    return nnx.to_pure_dict(params), apply
