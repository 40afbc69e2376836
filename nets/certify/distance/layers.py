"""Which weights of a network may move: all, the last layer's, or those of chosen paths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from sparsebounds.nets.certify.distance.sample import Apply, Tree, as_weights, named

PRODUCTS = ("dot_general", "conv_general_dilated")
Read = tuple[frozenset[int], bool]
"""Which leaves a value is made from, and whether it also depends on the input."""
NOTHING: Read = (frozenset(), False)


def moving(f: Apply, params: Tree, x: Any, layers: str | Callable[[str], bool] = "all") -> Tree:
    """Which leaves of a network may move: a tree of booleans, as `train_scales` takes it.

    Args:
        f: (weights, inputs) → scores (B, C).
        params: the weights.
        x: some inputs, for their shape.
        layers: "all"; "last": the weights of the last product with what is computed from the input, and all that is
            added or multiplied afterwards; or a function of a leaf's path, such as "dense.kernel".

    Returns:
        The tree of `params`, True where a leaf may move.

    Raises:
        ValueError: another word, no product with a weight, or no leaf that may move.

    Example:
        >>> f = lambda p, x: jax.nn.relu(x @ p["a"]) @ p["b"] + p["bias"]
        >>> p = {"a": jnp.ones((3, 4)), "b": jnp.ones((4, 2)), "bias": jnp.ones(2)}
        >>> moving(f, p, jnp.ones((1, 3)), "last")
        {'a': False, 'b': True, 'bias': True}
        >>> moving(f, p, jnp.ones((1, 3)), lambda path: path == "a")
        {'a': True, 'b': False, 'bias': False}
    """
    paths, structure = jax.tree_util.tree_flatten_with_path(params)
    if callable(layers):
        kept = [bool(layers(named(path))) for path, _ in paths]
    elif layers == "all":
        kept = [True] * len(paths)
    elif layers == "last":
        last = _last_layer(f, params, x)
        kept = [index in last for index in range(len(paths))]
    else:
        raise ValueError(f'layers is {layers!r}; choose "all", "last", or a function of a path')
    if not any(kept):
        raise ValueError(f"no leaf may move; the paths are {', '.join(named(path) for path, _ in paths)}")
    return jax.tree.unflatten(structure, kept)


def _last_layer(f: Apply, params: Tree, x: Any) -> frozenset[int]:
    """Numbers of the leaves that enter with or after the last product."""
    program = jax.make_jaxpr(f)(as_weights(params), jnp.asarray(x))
    count = len(program.jaxpr.invars) - 1
    given: list[Read] = [(frozenset([leaf]), False) for leaf in range(count)]
    entered: list[tuple[bool, frozenset[int]]] = list(_walk(program.jaxpr, [*given, (frozenset(), True)], []))
    products = [index for index, (product, _) in enumerate(entered) if product]
    if not products:
        raise ValueError("f multiplies the input by no weight, so that it has no last layer; name the leaves that move")
    return frozenset().union(*(leaves for _, leaves in entered[products[-1] :]))


def _walk(jaxpr: Any, given: list[Read], results: list[Read]) -> Iterator[tuple[bool, frozenset[int]]]:
    """(whether in a product, which leaves) wherever weights alone meet what depends on the input, in order."""
    known: dict[Any, Read] = dict(zip(jaxpr.invars, given, strict=True))

    def read(variable: Any) -> Read:
        return NOTHING if hasattr(variable, "val") else known.get(variable, NOTHING)

    for equation in jaxpr.eqns:
        arguments = [read(variable) for variable in equation.invars]
        inner = equation.params.get("jaxpr", equation.params.get("call_jaxpr"))
        inner = getattr(inner, "jaxpr", inner)
        found: list[Read] = []
        if inner is not None and len(inner.invars) == len(arguments):
            yield from _walk(inner, arguments, found)
        else:
            both = any(depends for _, depends in arguments)
            alone = frozenset().union(*(leaves for leaves, depends in arguments if not depends))
            if both and alone:
                yield equation.primitive.name in PRODUCTS, alone
            found = [(frozenset().union(*(leaves for leaves, _ in arguments)), both)] * len(equation.outvars)
        known.update(zip(equation.outvars, found, strict=True))
    results.extend(read(variable) for variable in jaxpr.outvars)
