"""The network that is certified: what `build` gives, as a function of parameters and inputs."""

from __future__ import annotations

import hashlib
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
from sparsebounds.experiments.shared.distance.weights import load_weights, together
from sparsebounds.experiments.shared.onnx_file import load_onnx
from sparsebounds.experiments.shared.problems import Problem, one_line
from sparsebounds.experiments.shared.user_model import Arrays, load_builder
from sparsebounds.nets.checkpoints.names import name_of, named
from sparsebounds.nets.onnx import OnnxError, OnnxNetwork, drawn_anew

ANEW = "weights drawn anew, running statistics 0 and 1"
"""What is kept of an ONNX file besides: nothing that was learnt."""
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
        file: the ONNX file that it came from, its weights drawn anew; None for any other.
        note: what is said of it in the certificate.
        share: of the factor of the scales that noise hardly harms, see `fit.prior_of`.
        frozen: arrays of the module that are neither parameters nor keys, such as batch statistics; f has them inside.
    """

    name: str
    f: Decoder
    params: Any
    train: Train | None = None
    module: nnx.Module | None = None
    frozen: Any = None
    augment: Augment | None = None
    file: OnnxNetwork | None = None
    note: str = ""
    share: float = 1.0

    def with_params(self, params: Any) -> OwnNetwork:
        """The same function with other weights."""
        return replace(self, params=jax.tree.map(np.asarray, params))

    def with_weights(self, path: Path) -> OwnNetwork:
        """With the weights of a file, and its batch statistics where the network has some.

        Raises:
            Problem: the file does not fit.
        """
        if self.file is not None:
            found = load_weights(path, together(self.params, self.frozen))
            statistics = {name: found[name] for name in self.file.statistics}
            f = replace(self.file, params={name: found[name] for name in self.file.params}, statistics=statistics)
            note = self.note.replace(ANEW, f"weights of {path}")
            return replace(self, f=f.apply, params=f.params, frozen=f.statistics, file=f, note=note)
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
        return replace(network_of(self.module, self.name, self.train, self.augment), share=self.share)

    def program(self, x: np.ndarray) -> str:
        """A digest of what f computes with its weights and some inputs, whatever their values.

        Raises:
            Problem: weights that are not float32, or an f that fails, or that JAX cannot compile.
        """
        for name, leaf in named(self.params).items():
            if leaf.dtype not in (np.float32, np.float64):
                raise Problem(
                    f"{self.name}: the leaf {name} is {leaf.dtype}, and all are trained and drawn in float32: cast it, "
                    "and put what is no weight inside f"
                )
        some = jnp.asarray(x[:2], jnp.float32)
        try:
            text = jax.jit(self.f).lower(jax.tree.map(jnp.asarray, self.params), some).as_text()
        except ValueError as error:
            raise Problem(f"{self.name}: {one_line(error)}") from error
        except Exception as error:
            raise Problem(
                f"{self.name} fails on inputs of shape {some.shape}: {type(error).__name__}: {one_line(error)[:200]}; "
                "it must be a function of inputs (B, …) that JAX can compile, jax.numpy in place of NumPy"
            ) from error
        return hashlib.sha256(text.partition("\n")[2].encode()).hexdigest()[:16]  # the first line is a name

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


def network_of_file(
    target: str, arrays: Arrays, shape: str | None, reference: Path | None = None
) -> tuple[OwnNetwork, Arrays]:
    """The architecture of an ONNX file with weights drawn anew, and the data in its order.

    Where the reference is the same file nothing is drawn: what it saw is said of all that is in it.

    Raises:
        Problem: as `load_onnx`, or weights that cannot be drawn anew.
    """
    found = load_onnx(target, arrays, shape)
    whole = reference is not None and reference.exists() and reference.samefile(target)
    try:
        f = found.f if whole else drawn_anew(found.f, jax.random.key(0))
    except OnnxError as error:
        raise Problem(one_line(error)) from error
    note = f"{found.words}; the architecture of {target}, {ANEW}"
    return OwnNetwork(target, f.apply, f.params, frozen=f.statistics, file=f, note=note), found.arrays


def network_of(made: Any, name: str, train: Train | None = None, augment: Augment | None = None) -> OwnNetwork:
    """A Flax NNX module, or (f, params), as a network.

    Raises:
        Problem: it is neither.
    """
    keys = [leaf for leaf in jax.tree.leaves(made) if _is_key(leaf)] if isinstance(made, tuple) else []
    if keys:
        raise Problem(f"{name} built weights with a random key among them: put it inside f, and return weights alone")
    if isinstance(made, nnx.Module):
        f, params, frozen = nets.split_module(made)
        arrays = jax.tree.map(lambda a: None if _is_key(a) else np.asarray(a), frozen)
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


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and bool(jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key))
