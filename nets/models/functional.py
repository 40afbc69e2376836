"""A model as its parameters and a pure function of them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

Params = Any  # a pytree of float32 arrays


def pure(model: nnx.Module) -> tuple[Params, Callable[[Params, jax.Array], jax.Array]]:
    """A model as a plain dict of its parameters, and the function from parameters and images to scores.

    Raises:
        ValueError: the model keeps state that changes as it runs (batch statistics, random numbers).
    """
    _, running, _ = nnx.state(model, nnx.Param, nnx.Any(nnx.BatchStat, nnx.RngState), ...)
    if kept := jax.tree_util.tree_flatten_with_path(running)[0]:
        path = ".".join(str(getattr(entry, "key", entry)) for entry in kept[0][0][:-1])
        raise ValueError(f"the model keeps running state ({path}); train() takes models with parameters alone")
    params, others, apply = frozen(model)
    return params, lambda values, x: apply(values, others, x)


def frozen(model: nnx.Module) -> tuple[Params, Params, Callable[[Params, Params, jax.Array], jax.Array]]:
    """A model as a function that nothing else changes: in evaluation mode also one with batch norm or dropout.

    Args:
        model: it is not changed, whatever the function is called on.

    Returns:
        (parameters, all other arrays, apply), apply(parameters, others, x) -> scores. It raises a ValueError where a
        call draws random numbers or changes statistics, as dropout and batch norm do in training mode.

    Example:
        >>> net = nnx.Sequential(nnx.Linear(3, 2, rngs=nnx.Rngs(0)), nnx.BatchNorm(2, rngs=nnx.Rngs(0)))
        >>> params, others, apply = frozen(net)
        >>> apply(params, others, jax.numpy.ones((4, 3)))                               # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        ValueError: layers.1 (BatchNorm) is in training mode: a call changes its mean; call model.eval() first ...
        >>> net.eval()
        >>> params, others, apply = frozen(net)
        >>> apply(params, others, jax.numpy.ones((4, 3))).shape
        (4, 2)
    """
    graphdef, params, *others = nnx.split(model, nnx.Param, ...)
    rest = others[0]
    kinds = {path: type(module).__name__ for path, module in nnx.iter_modules(model)}

    def apply(values: Params, others: Params, x: jax.Array) -> jax.Array:
        state, held = (jax.tree.map(lambda leaf: leaf, part) for part in (params, rest))
        nnx.replace_by_pure_dict(state, jax.tree.map(jnp.asarray, values))  # a layer may set what it reads
        nnx.replace_by_pure_dict(held, others)
        copy = nnx.merge(graphdef, state, held)
        before = _arrays(copy)
        scores: jax.Array = copy(x)
        after = _arrays(copy)
        for path, array in before.items():
            if after.get(path) is not array:
                raise ValueError(_changed(path, kinds))
        return scores

    return nnx.to_pure_dict(params), nnx.to_pure_dict(rest), apply


def _arrays(model: nnx.Module) -> dict[tuple[Any, ...], Any]:
    """Running statistics and random numbers by path: a call that leaves one alone leaves the very object."""
    kept = nnx.state(model, nnx.Any(nnx.BatchStat, nnx.RngState))
    return {path: variable.get_value() for path, variable in nnx.to_flat_state(kept)}


def _changed(path: tuple[Any, ...], kinds: dict[tuple[Any, ...], str]) -> str:
    """Which module changes what."""
    owner = next(
        path[:end] for end in range(len(path), -1, -1) if path[:end] in kinds and kinds[path[:end]] not in _RNGS
    )
    name, attribute = ".".join(map(str, owner)) or "the model", ".".join(map(str, path[len(owner) :]))
    said = f"{name} ({kinds[owner]})"
    does = "it draws random numbers" if attribute.startswith("rngs") else f"a call changes its {attribute}"
    return f"{said} is in training mode: {does}; call model.eval() first (it must heed that)"


_RNGS = ("Rngs", "RngStream")
