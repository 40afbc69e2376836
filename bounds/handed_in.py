"""What people hand in for a network that is none yet, and what makes one of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jax
from flax import linen, nnx

HAIKU = (
    "the network is a Haiku {name}, a pair of functions without weights; needed a function of one batched input: "
    "lambda x: net.apply(params, None, x), net = hk.transform(…) and params as trained"
)
EQUINOX = (
    "the network is an Equinox module ({name}), which computes one input at a time; give jax.vmap(model), "
    "model = eqx.nn.inference_mode(model); of a module that takes whole batches, lambda x: model(x)"
)
LINEN = (
    "the network is a Linen module ({name}) without its weights; give lambda x: model.apply(variables, x), in "
    "evaluation mode (deterministic=True, train=False, use_running_average=True where it has them)"
)
STATE = (
    "the network is a {name}, weights without a program; give the module that they belong to: "
    "nnx.merge(graphdef, state), of graphdef, state = nnx.split(model)"
)
TRAIN_STATE = (
    "the network is a {name}, the state of a training run; give "
    'lambda x: state.apply_fn({{"params": state.params}}, x), in evaluation mode'
)
WEIGHTS = (
    "the network is a {name} of weights without a program; give the function that they belong to: "
    "lambda x: model.apply(weights, x)"
)
SHAPES = (
    "the network, a {name}, has shapes in place of weights, as nnx.eval_shape leaves it; fill it first: "
    "nnx.update(model, state) with the trained state"
)


def remedy(f: Any) -> str:
    """What is wrong with a network and what to write instead; empty where nothing is known to be.

    Libraries are known by the names of their modules: they need not be installed.

    Example:
        >>> remedy({"kernel": jax.numpy.ones((2, 2))})  # doctest: +ELLIPSIS
        'the network is a dict of weights without a program; give the function that they belong to: ...'
        >>> remedy(lambda x: x)
        ''
    """
    kind, libraries = type(f).__name__, {base.__module__.partition(".")[0] for base in type(f).__mro__}
    found = ""
    if "haiku" in libraries:
        found = HAIKU
    elif "equinox" in libraries:
        found = EQUINOX
    elif isinstance(f, linen.Module):
        found = LINEN if f.scope is None else ""
    elif isinstance(f, nnx.State | nnx.GraphDef) or _split(f):
        found = STATE
    elif hasattr(f, "apply_fn") and hasattr(f, "params"):
        found = TRAIN_STATE
    elif isinstance(f, dict) or kind == "FrozenDict":
        found = WEIGHTS
    elif isinstance(f, nnx.Module) and _only_shapes(f):
        found = SHAPES
    return found.format(name=kind)


def _split(f: Any) -> bool:
    return isinstance(f, tuple) and any(isinstance(part, nnx.State | nnx.GraphDef) for part in f)


def _only_shapes(module: nnx.Module) -> bool:
    return any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(nnx.state(module)))


def check_arrays(leaves: Iterable[tuple[str, Any]]) -> None:
    """Raise ValueError where parameters hold what is no number, such as the name of an activation.

    Example:
        >>> check_arrays([("w", jax.numpy.ones(2)), ("act", "relu")])
        Traceback (most recent call last):
        ...
        ValueError: params holds a str at act; needed arrays alone: what is none belongs into the function itself
    """
    for name, leaf in leaves:
        if isinstance(leaf, str | bytes) or callable(leaf):
            raise ValueError(
                f"params holds a {type(leaf).__name__} at {name}; needed arrays alone: what is none belongs into the "
                "function itself"
            )
