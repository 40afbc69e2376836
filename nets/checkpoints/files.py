"""Reads the arrays of a file or an Orbax folder. Whatever could run code while it is read, a pickle, is refused."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp
from safetensors import SafetensorError, flax, numpy, safe_open

from sparsebounds.nets.checkpoints.names import named, plain

FORMATS = ".safetensors, .npz or the folder of an Orbax checkpoint"
PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".bin", ".ckpt", ".joblib", ".dill")
MARKS = ("_METADATA", "manifest.ocdbt", "_sharding")
"""One of these lies in a folder that Orbax wrote a tree of arrays to."""
ITEMS = ("params", "state", "default", "model")
"""What trainings call the item that holds the weights."""


def read_arrays(path: Path, step: int | None = None) -> tuple[dict[str, np.ndarray], str]:
    """The arrays of a checkpoint by name, and words about what was read.

    Args:
        path: .safetensors, .npz, or the folder of an Orbax checkpoint: of one step, or of all steps of a
            `CheckpointManager`.
        step: which of several steps; the latest by default.

    Raises:
        ValueError: no such file, another format, a damaged one, or no such step.
    """
    if not path.exists():
        raise ValueError(f"no checkpoint {path}: give the path of {FORMATS}")
    if step is not None and not path.is_dir():
        raise ValueError(f"step {step} was asked of {path}, a single file; only an Orbax folder has steps")
    read, said = _reader(path, step)
    try:
        found = read()
    except (OSError, ValueError, KeyError, EOFError, SafetensorError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} cannot be read as weights ({' '.join(str(error).split())[:200]})") from error
    return {plain(name): value for name, value in found.items()}, said


def _reader(path: Path, step: int | None) -> tuple[Callable[[], Mapping[str, np.ndarray]], str]:
    if path.is_dir():
        folder, said = _folder(path.absolute(), step)
        return lambda: _orbax(folder), said
    if path.suffix == ".safetensors":
        return lambda: _safetensors(path), ""
    if path.suffix == ".npz":
        return lambda: _npz(path), ""
    if path.suffix in PICKLES:
        raise ValueError(
            f"{path}: a pickle can run any program while it is read and is never loaded; where you trust it, load it "
            "yourself and save its arrays with safetensors.numpy.save_file"
        )
    raise ValueError(f"{path}: weights come as {FORMATS}; save yours with safetensors.numpy.save_file")


def _safetensors(path: Path) -> dict[str, np.ndarray]:
    """By NumPy, which keeps float64; bfloat16 it does not know, which comes by JAX."""
    with safe_open(path, framework="np") as file:
        kinds = {file.get_slice(name).get_dtype() for name in file.keys()}
    load = flax.load_file if any(kind in ("BF16", "F8_E4M3", "F8_E5M2") for kind in kinds) else numpy.load_file
    return {name: np.asarray(value) for name, value in load(path).items()}


def _npz(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _folder(path: Path, step: int | None) -> tuple[Path, str]:
    """The folder that holds the tree: itself, or that of a step, or of the one item of a step."""
    steps = {int(each.name): each for each in path.iterdir() if each.is_dir() and each.name.isdigit()}
    said = ""
    if steps:
        chosen = max(steps) if step is None else step
        if chosen not in steps:
            known = ", ".join(map(str, sorted(steps)))
            raise ValueError(f"{path} has no step {step}; it has {known}")
        path, said = steps[chosen], f"step {chosen}"
    elif step is not None:
        raise ValueError(f"{path} has no steps, and step {step} was asked; give the folder of all steps, or leave it")
    items = [each for each in sorted(path.iterdir()) if each.is_dir() and _is_tree(each)]
    if not _is_tree(path) and items:
        weights = [each for each in items if each.name in ITEMS] or items
        if len(weights) > 1:
            raise ValueError(f"{path} holds {', '.join(each.name for each in weights)}: give the folder of one of them")
        return weights[0], said
    if not _is_tree(path):
        raise ValueError(f"{path} is a folder without an Orbax checkpoint: give {FORMATS}")
    return path, said


def _is_tree(folder: Path) -> bool:
    """Whether Orbax wrote a tree of arrays to it, and not only JSON."""
    return any((folder / mark).exists() for mark in MARKS)


def _orbax(folder: Path) -> dict[str, np.ndarray]:
    """Arrays of NumPy, whatever they lay on. What else a training keeps there, such as text, is no weight."""
    with ocp.PyTreeCheckpointer() as checkpointer:
        shapes = checkpointer.metadata(folder).item_metadata.tree
        wanted = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), shapes)
        found = named(checkpointer.restore(folder, restore_args=wanted))
    return {name: value for name, value in found.items() if value.dtype.kind not in "USO"}
