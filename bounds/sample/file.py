"""Named arrays in one .npz file, written beside and renamed, read back with every doubt an error."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

_FORMAT = 1
_AGAIN = "measure and save the sample again"


def write(path: str | os.PathLike[str], values: Mapping[str, Any]) -> None:
    """Write arrays, numbers and mappings {index: array} to `path`; what stands there is whole or untouched.

    Args:
        path: the file; its folder must exist.
        values: name → array, number or text, or name → {index: array}.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write(folder + "/a.npz", {"m": 3, "hidden": {0: np.ones(1)}})
        ...     read(folder + "/a.npz", required={"m"}, mappings=("hidden",))["hidden"]
        {0: array([1.])}
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target.parent} is no folder; make it before saving {target.name} there")
    arrays: dict[str, Any] = {"format": _FORMAT}
    for name, value in values.items():
        arrays |= {f"{name}/{k}": v for k, v in value.items()} if isinstance(value, Mapping) else {name: value}
    handle, beside = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as out:
            np.savez_compressed(out, allow_pickle=False, **arrays)
        os.chmod(beside, 0o644)  # mkstemp's files are private; a saved sample is an ordinary file
        os.replace(beside, target)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def read(
    path: str | os.PathLike[str],
    *,
    required: Collection[str],
    mappings: Collection[str],
    optional: Collection[str] = (),
) -> dict[str, Any]:
    """Read what `write` wrote.

    Args:
        path: the file.
        required: names that must be there, and besides which only `mappings` and `optional` may be.
        mappings: names that were mappings; empty where nothing was stored.
        optional: names that may be missing.

    Returns:
        name → array (0-dimensional for numbers and text) or {index: array}.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a damaged file, or one that holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            held = {name: stored[name] for name in stored.files}
    except FileNotFoundError:
        raise
    except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{os.fspath(path)} is damaged or no saved sample ({error}); {_AGAIN}") from error
    if held.pop("format", None) != _FORMAT:
        raise ValueError(f"{os.fspath(path)} was not written by this version's Sample.save; {_AGAIN}")
    values: dict[str, Any] = {name: {} for name in mappings}
    for name, array in held.items():
        base, _, index = name.partition("/")
        if base in values and index.isdecimal():
            values[base][int(index)] = array
        else:
            values[name] = array
    if set(values) - set(optional) != set(required) | set(mappings):
        wrong = sorted((set(values) - set(optional)) ^ (set(required) | set(mappings)))
        raise ValueError(f"{os.fspath(path)} is no saved sample (missing or unknown: {', '.join(wrong)}); {_AGAIN}")
    return values
