"""The network that is certified: what `build` gives, as a function of parameters and inputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from sparsebounds import nets
from sparsebounds.experiments.shared.distance.weights import load_weights, name_of, together
from sparsebounds.experiments.shared.problems import Problem, one_line
from sparsebounds.experiments.shared.user_model import load_builder

Decoder = Callable[[Any, Any], Any]
"""f(params, x) → scores (B, C)."""
Augment = Callable[[jax.Array, jax.Array], jax.Array]
"""(inputs of a batch, key) → inputs of the same shape; in the training of the reference alone."""
Train = Callable[[Decoder, Any, np.ndarray, np.ndarray, jax.Array], Any]


@dataclass(frozen=True, eq=False)
class OwnNetwork:
    """A network before it is trained.

    Args:
        name: `model.py:build`, or the name of a task.
        f: f(params, x) → scores (B, C).
        params: a tree of arrays, as `build` made them.
        train: (f, params, x, y, key) → params, the user's own training; None: the usual one.
        module: the Flax module that it came from; None for a plain function.
        augment: changes of the inputs while the reference is trained; None: none.
        frozen: arrays of the module that are neither parameters nor keys, such as batch statistics; f has them inside.
    """

    name: str
    f: Decoder
    params: Any
    train: Train | None = None
    module: nnx.Module | None = None
    frozen: Any = None
    augment: Augment | None = None

    def with_params(self, params: Any) -> OwnNetwork:
        """The same function with other weights."""
        return replace(self, params=jax.tree.map(np.asarray, params))

    def with_weights(self, path: Path) -> OwnNetwork:
        """With the weights of a file, and its batch statistics where the network has some.

        Raises:
            Problem: the file does not fit.
        """
        if self.module is None:
            return self.with_params(load_weights(path, self.params))
        found = load_weights(path, together(self.params, self.frozen))
        state = nnx.state(self.module)
        placed = jax.tree_util.tree_map_with_path(lambda where, leaf: found.get(name_of(where), leaf), state)
        nnx.update(self.module, placed)
        return self.again()

    def again(self) -> OwnNetwork:
        """The module as it is now, after a training in place."""
        assert self.module is not None
        return network_of(self.module, self.name, self.train, self.augment)

    def plain(self) -> OwnNetwork:
        """As a function alone, its batch statistics those that it was built with."""
        return replace(self, module=None)


def load_network(target: str) -> OwnNetwork:
    """What `module.py:build` builds, and `train` of the same file if it is there.

    Raises:
        Problem: no such file or name, `build` fails, or gives something that cannot be trained.
    """
    build, train = load_builder(target, "train")
    try:
        made = build(**_arguments(build))
    except Exception as error:
        raise Problem(f"{target} fails to build: {type(error).__name__}: {one_line(error)}") from error
    return network_of(made, target, train)


def network_of(made: Any, name: str, train: Train | None = None, augment: Augment | None = None) -> OwnNetwork:
    """A Flax NNX module, or (f, params), as a network.

    Raises:
        Problem: it is neither.
    """
    if isinstance(made, nnx.Module):
        f, params, frozen = nets.split_module(made)
        arrays = jax.tree.map(lambda a: None if jnp.issubdtype(a.dtype, jax.dtypes.prng_key) else np.asarray(a), frozen)
        return OwnNetwork(name, f, jax.tree.map(np.asarray, params), train, made, arrays, augment)
    if isinstance(made, tuple) and len(made) == 2 and callable(made[0]) and jax.tree.leaves(made[1]):
        return OwnNetwork(name, made[0], jax.tree.map(np.asarray, made[1]), train, augment=augment)
    raise Problem(
        f"{name} built a {type(made).__name__}: it must build a Flax NNX module, or a pair (f, params) with "
        "f(params, x) → scores (B, C); of a Linen module that is (module.apply, module.init(key, x))"
    )


def _arguments(build: Callable[..., Any]) -> dict[str, Any]:
    """`rngs` if `build` has a parameter for it: the first one, whatever its name."""
    try:
        parameters = list(inspect.signature(build).parameters.values())
    except (TypeError, ValueError):
        return {}
    named = [p.name for p in parameters if p.name == "rngs"]
    needed = [p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    first = [p.name for p in parameters[:1] if p.kind is p.POSITIONAL_OR_KEYWORD and needed]
    return {name: nnx.Rngs(0) for name in (named or first)}
