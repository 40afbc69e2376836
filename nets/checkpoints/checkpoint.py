"""A checkpoint, and a network with its weights."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import linen, nnx

from sparsebounds.nets.checkpoints.files import read_arrays
from sparsebounds.nets.checkpoints.fitting import fitted
from sparsebounds.nets.checkpoints.names import name_of


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The arrays of a file or an Orbax folder, by name.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(folder + "/w.npz", kernel=np.ones((3, 2), np.float16), bias=np.zeros(2, np.float16))
        ...     found = Checkpoint.read(folder + "/w.npz")
        >>> module = found.into(nnx.Linear(3, 2, rngs=nnx.Rngs(0)))
        >>> module(np.ones((1, 3), np.float32)).tolist(), found.note
        ([[3.0, 3.0]], 'weights in half precision (float16), widened as they are: kernel, bias')
        >>> found.into(nnx.Linear(4, 2, rngs=nnx.Rngs(0)))
        Traceback (most recent call last):
        ...
        ValueError: w.npz does not fit the network: kernel has shape (3, 2), not (4, 2); needed ...
    """

    arrays: Mapping[str, np.ndarray]
    note: str
    """What a reader should know: the step, numbers in half precision; empty where there is nothing."""
    name: str = "the checkpoint"

    @classmethod
    def read(cls, path: str | os.PathLike[str], step: int | None = None) -> Checkpoint:
        """Read .safetensors, .npz or an Orbax folder.

        Args:
            path: of the file or folder; a folder of several steps is fine.
            step: which of them; the latest by default.

        Raises:
            ValueError: no such file or step, another format, a damaged file; a pickle, which is never loaded.
        """
        arrays, said = read_arrays(Path(path), step)
        return cls(arrays, "; ".join(part for part in (said, _half(arrays)) if part), Path(path).name)

    def into(self, network: Any, example: Any = None) -> Any:
        """The network with these weights; what was handed in stays as it was.

        Args:
            network: a Flax NNX module, of `nnx.eval_shape` too; a Linen module, which needs an `example`; a pair
                (f, params); or a pytree of arrays, such as the variables of a Linen module.
            example: (B, …) an input, from which a Linen module has its shapes.

        Returns:
            An NNX module; a function of one batched input for a Linen module; (f, params); a pytree.

        Raises:
            ValueError: names or shapes that are not those of the network, all of them in one message.
        """
        if isinstance(network, nnx.Module):
            return self._module(network)
        if isinstance(network, linen.Module):
            variables = self._tree(_variables(network, example))
            return lambda x: network.apply(variables, x)
        if isinstance(network, tuple) and len(network) == 2 and callable(network[0]):
            return network[0], self._tree(network[1])
        return self._tree(network)

    def _module(self, module: nnx.Module) -> nnx.Module:
        definition, *states = nnx.split(module, nnx.RngState, ...)
        keys, state = states
        names = {name_of(path) for path, _ in jax.tree_util.tree_flatten_with_path(keys)[0]}
        return nnx.merge(definition, keys, self._tree(state, frozenset(names)))

    def _tree(self, tree: Any, apart: frozenset[str] = frozenset()) -> Any:
        leaves, structure = jax.tree_util.tree_flatten_with_path(tree)
        wanted = {name_of(path): leaf for path, leaf in leaves}
        found = fitted(self.arrays, wanted, apart, self.name)
        return jax.tree_util.tree_unflatten(structure, [found[name_of(path)] for path, _ in leaves])


def load_checkpoint(network: Any, path: str | os.PathLike[str], *, step: int | None = None, example: Any = None) -> Any:
    """A network with the weights of a checkpoint: `Checkpoint.read(path, step).into(network, example)`.

    Args:
        network: a Flax NNX or Linen module, (f, params), or a pytree of arrays.
        path: .safetensors, .npz, or an Orbax folder.
        step: which step of an Orbax folder; the latest by default.
        example: (B, …) an input, for a Linen module.

    Returns:
        See `Checkpoint.into`.

    Raises:
        ValueError: a file that cannot be read, or that does not fit.

    Example:
        >>> import tempfile
        >>> from safetensors.numpy import save_file
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_file({"params/kernel": 2 * np.eye(2, dtype=np.float32)}, folder + "/w.safetensors")
        ...     f = load_checkpoint(linen.Dense(2, use_bias=False), folder + "/w.safetensors", example=np.ones((1, 2)))
        >>> f(np.ones((1, 2), np.float32)).tolist()
        [[2.0, 2.0]]
    """
    return Checkpoint.read(path, step).into(network, example)


def _variables(module: linen.Module, example: Any) -> Any:
    """The shapes of a Linen module's variables."""
    if example is None:
        raise ValueError(
            f"a Linen module ({type(module).__name__}) has its shapes from an input alone; give one: example=x[:1]"
        )
    keys = {"params": jax.random.key(0), "dropout": jax.random.key(1)}
    return jax.eval_shape(module.init, keys, jax.numpy.asarray(example))


def _half(arrays: Mapping[str, np.ndarray]) -> str:
    found = {name: value.dtype.name for name, value in arrays.items() if value.dtype.name in ("float16", "bfloat16")}
    if not found:
        return ""
    names = list(found)
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    kinds = " and ".join(sorted(set(found.values())))
    return f"weights in half precision ({kinds}), widened as they are: {shown}"
