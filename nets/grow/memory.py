"""What an optimiser remembers of weights that a change of the mask drops or grows: it is set to zero."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

Tree = Any


def remembered(tx: Any, state: Any, keep: Tree) -> Any:
    """The state with zeros wherever it remembers a weight outside `keep`.

    Example:
        >>> w = {"w": jnp.ones(2)}
        >>> tx = optax.sgd(0.1, momentum=0.9)
        >>> state = tx.update(w, tx.init(w), w)[1]
        >>> remembered(tx, state, {"w": jnp.array([True, False])})[0].trace["w"].tolist()
        [1.0, 0.0]
    """
    return optax.tree.map_params(tx, _kept, state, keep, is_leaf=_is_left_out)


def _is_left_out(node: Any) -> bool:
    """Whether it stands for parameters that this part of the optimiser does not see, as of `optax.multi_transform`."""
    return isinstance(node, optax.MaskedNode)


def _kept(memory: Any, keep: Any) -> Any:
    if _is_left_out(memory):
        return memory
    if memory.shape != keep.shape:
        raise ValueError(f"an array of shape {memory.shape} for a parameter of shape {keep.shape}")
    return jnp.where(keep, memory, jnp.zeros_like(memory))


def check_memory(rule: str, tx: Any, params: Tree) -> None:
    """What the optimiser remembers is one array for every parameter, or numbers of all of them together.

    Args:
        rule: whose name the message has.
        tx: the optimiser.
        params: nested dict.

    Raises:
        ValueError: it is not; the message names the states that hold it.

    Example:
        >>> check_memory("SET", optax.adafactor(0.1, min_dim_size_to_factor=2), {"w": jnp.ones((2, 3))})
        Traceback (most recent call last):
            ...
        ValueError: SET cannot change masks under this optimiser: it keeps a FactoredState of an array of shape ...
    """
    state = jax.eval_shape(tx.init, params)
    keep = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(jnp.shape(leaf), bool), params)
    try:
        after = jax.eval_shape(lambda now, kept: remembered(tx, now, kept), state, keep)
    except Exception as error:  # optax raises whatever its tree functions do
        first = str(error).splitlines()[0] if isinstance(error, ValueError) and "an array of" in str(error) else ""
        raise ValueError(_refusal(rule, state, params, first)) from error
    if len(jax.tree.leaves(after)) != len(jax.tree.leaves(state)):
        raise ValueError(_refusal(rule, state, params, ""))


def _refusal(rule: str, state: Any, params: Tree, reason: str) -> str:
    names = ", ".join(sorted(_unlike(state, params))) or type(state).__name__
    of = f"of {reason}" if reason else "that has no array for some parameters"
    return (
        f"{rule} cannot change masks under this optimiser: it keeps a {names} {of}, so what it remembers of single "
        "weights cannot be found; use one that keeps arrays like the parameters, as sgd with momentum or adam do"
    )


def _unlike(state: Any, params: Tree) -> set[str]:
    """Names of the states, innermost, that hold arrays of other structure or shapes than the parameters."""
    wanted = [jnp.shape(leaf) for leaf in jax.tree.leaves(params)]
    if not _is_state(state):
        children = state if isinstance(state, list | tuple) else state.values() if isinstance(state, dict) else ()
        return set().union(*(_unlike(child, params) for child in children))
    below = set().union(*(_unlike(child, params) for child in state))
    held = [child for child in state if not _is_state(child) and jax.tree.leaves(child)]
    shapes = [[leaf.shape for leaf in jax.tree.leaves(child)] for child in held]
    odd = any(found != wanted and any(found) for found in shapes)
    return below or ({type(state).__name__} if odd else set())


def _is_state(node: Any) -> bool:
    return isinstance(node, tuple) and hasattr(node, "_fields")
