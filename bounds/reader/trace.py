"""The jaxpr of a function or module, its arrays named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from sparsebounds.bounds.network import split_module
from sparsebounds.bounds.reader.values import Const, ReadError, Value


def traced(f: Callable[..., Any], x: np.ndarray) -> tuple[Any, list[Value]]:
    """The program of f, and the parameters that are passed to it as arguments (named, for an NNX module)."""
    try:
        split = split_module(f)
        if split is None:
            return jax.make_jaxpr(f)(x), []
        call, state, names = split
        flat, tree = jax.tree.flatten(state)
        program = jax.make_jaxpr(lambda leaves, x: call(jax.tree.unflatten(tree, leaves), x))(flat, x)
        return program, [Const(leaf, frozenset([name])) for leaf, name in zip(flat, names, strict=True)]
    except ReadError:
        raise
    except Exception as error:
        if isinstance(error, (NameError, AttributeError, ImportError)):
            raise
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ReadError(
            f"the function could not be traced on inputs of shape {x.shape}: {first_line}; needed a function of one "
            "batched input without branches on its values or side effects (evaluation mode for batch norm and dropout)"
        ) from error
