"""Weights on disk: safetensors, .npz and Orbax, by names that people can read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orbax.checkpoint as ocp
from safetensors.numpy import save

from sparsebounds import nets
from sparsebounds.experiments.shared.problems import Problem, one_line
from sparsebounds.nets.checkpoints.names import named
from sparsebounds.nets.onnx import named_weights


def together(params: Any, frozen: Any) -> dict[str, np.ndarray]:
    """Weights and batch statistics by name, as one network has them."""
    return {**named(params), **({} if frozen is None else named(frozen))}


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
    try:
        if path.suffix == ".onnx":
            return nets.Checkpoint(named_weights(path), "", path.name).into(like)
        return nets.Checkpoint.read(path).into(like)
    except ValueError as error:
        raise Problem(one_line(error)) from error


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
