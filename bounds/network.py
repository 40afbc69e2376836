"""The user's function or module, called without changing it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from flax import nnx


def split_module(f: Callable[..., Any]) -> tuple[Callable[..., Any], Any, list[str]] | None:
    """For an NNX module: a pure call, its state and the names of its arrays. The module itself is never called."""
    try:
        from flax import nnx
    except ImportError:
        return None
    if not isinstance(f, nnx.Module):
        return None
    definition, state = nnx.split(f)
    paths = jax.tree_util.tree_flatten_with_path(state)[0]
    names = [".".join(key_of(k) for k in path if key_of(k) != "value") for path, _ in paths]
    return (lambda s, x: nnx.merge(definition, s)(x)), state, names


def key_of(entry: Any) -> str:
    return str(getattr(entry, "key", getattr(entry, "name", getattr(entry, "idx", entry))))


def pure_call(f: Callable[..., Any]) -> Callable[..., Any]:
    """f as a function that leaves an NNX module as it was."""
    split = split_module(f)
    if split is None:
        return f
    call, state, _ = split
    return lambda x: call(state, x)


class Caller:
    """Calls f compiled; falls back to f itself when it cannot be traced (its own errors then surface)."""

    def __init__(self, f: Any) -> None:
        if isinstance(f, nnx.Module):
            definition, state = nnx.split(f)
            if _hashable(definition):
                # The weights are arguments: other weights of the same architecture do not compile again.
                self.plain, self.compiled = _of_module(definition, state, _run), _of_module(definition, state, _RUN)
                self.jittable: bool | None = None
                return
            f = _of_module(definition, state, _run)
        if not callable(f):
            raise ValueError(f"the network is a {type(f).__name__}; a function of one batched input is needed")
        self.plain, self.compiled = f, jax.jit(f)
        self.jittable = None

    def __call__(self, x: jax.Array) -> Any:
        if self.jittable is None:
            try:
                out = jax.block_until_ready(self.compiled(x))
                self.jittable = True
                return out
            except Exception:  # whatever stopped the compilation, the plain call decides what the user is told
                self.jittable = False
        return self.compiled(x) if self.jittable else self.plain(x)


def _run(definition: Any, state: Any, x: jax.Array) -> Any:
    return nnx.merge(definition, state, copy=True)(x)  # a copy: batch norm in training mode writes to itself


_RUN = jax.jit(_run, static_argnums=0)


def _of_module(definition: Any, state: Any, run: Callable[..., Any]) -> Callable[[jax.Array], Any]:
    return lambda x: run(definition, state, x)


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True
