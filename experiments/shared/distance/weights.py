"""Weights on disk: safetensors, .npz and Orbax, by names that people can read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from sparsebounds.experiments.shared.problems import Problem, one_line
from sparsebounds.nets.onnx import named_weights

SOME = 6
"""Names that a message lists."""


def named(params: Any) -> dict[str, np.ndarray]:
    """A tree of arrays by the paths of its leaves.

    Example:
        >>> sorted(named({"dense": [np.zeros(2), np.zeros(3)]}))
        ['dense.0', 'dense.1']
    """
    leaves, _ = jax.tree_util.tree_flatten_with_path(params)
    return {name_of(path): np.asarray(leaf) for path, leaf in leaves}


def together(params: Any, frozen: Any) -> dict[str, np.ndarray]:
    """Weights and batch statistics by name, as one network has them."""
    return {**named(params), **({} if frozen is None else named(frozen))}


def name_of(path: tuple[Any, ...]) -> str:
    """The keys of a path, joined by dots; the box that Flax puts around an array is left out."""
    keys = [str(getattr(key, "key", getattr(key, "name", getattr(key, "idx", key)))) for key in path]
    return ".".join(keys[:-1] if len(keys) > 1 and keys[-1] in ("value", "raw_value") else keys)


def safetensors_bytes(params: Any, about: Mapping[str, str]) -> bytes:
    """The content of a .safetensors file: the arrays by name, and words about them."""
    arrays = {name: np.ascontiguousarray(value) for name, value in named(params).items()}
    return bytes(save(arrays, metadata=dict(about)))


def save_orbax(folder: Path, params: Any) -> None:
    """The arrays by name, as an Orbax checkpoint."""
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(folder.absolute(), named(params), force=True)


def load_weights(path: Path, like: Any) -> Any:
    """The weights of a file in the places of a tree.

    Args:
        path: .safetensors, .npz, .onnx, or the folder of an Orbax checkpoint.
        like: a tree of arrays of the same names and shapes.

    Raises:
        Problem: no such file, another format, or names and shapes that are not those of the network, all listed.
    """
    found = {_plain(name): value for name, value in _read(path).items()}
    leaves, structure = jax.tree_util.tree_flatten_with_path(like)
    names = [name_of(leaf_path) for leaf_path, _ in leaves]
    wrong = [f"{name} is missing" for name in names if name not in found]
    wrong += [f"{name} is not in the network" for name in found if name not in names]
    wrong += [
        f"{name} has shape {found[name].shape}, not {np.shape(leaf)}"
        for name, (_, leaf) in zip(names, leaves, strict=True)
        if name in found and found[name].shape != np.shape(leaf)
    ]
    wrong += [f"{name} is {value.dtype}, no numbers" for name, value in found.items() if value.dtype.kind in "USOMm"]
    if wrong:
        more = f", and {len(wrong) - SOME} more" if len(wrong) > SOME else ""
        raise Problem(f"{path} does not fit the network: {'; '.join(wrong[:SOME])}{more}")
    values = [np.asarray(found[name], np.asarray(leaf).dtype) for name, (_, leaf) in zip(names, leaves, strict=True)]
    return jax.tree_util.tree_unflatten(structure, values)


def _read(path: Path) -> Mapping[str, np.ndarray]:
    if not path.exists():
        raise Problem(f"no file {path}: give weights as .safetensors, .npz, .onnx or an Orbax folder")
    try:
        if path.is_dir():
            with ocp.StandardCheckpointer() as checkpointer:
                return named(checkpointer.restore(path.absolute()))
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        if path.suffix == ".onnx":
            return named_weights(path)
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, KeyError, EOFError, SafetensorError, json.JSONDecodeError) as error:
        raise Problem(f"{path} cannot be read as weights ({one_line(error)})") from error
    raise Problem(f"{path}: weights come as .safetensors, .npz, .onnx or an Orbax folder; a pickle is never loaded")


def _plain(name: str) -> str:
    return name.replace("/", ".").removesuffix(".value")


def digest(params: Any) -> str:
    """SHA-256 of names, shapes, types and bytes of all arrays.

    Example:
        >>> zeros, ones = {"w": np.zeros(2)}, {"w": np.ones(2)}
        >>> digest(zeros) == digest(dict(zeros)), digest(zeros) == digest(ones)
        (True, False)
    """
    found = hashlib.sha256()
    for name, value in sorted(named(params).items()):
        found.update(f"{name} {value.dtype.str} {value.shape}\n".encode())
        found.update(np.ascontiguousarray(value).tobytes())
    return found.hexdigest()
