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
    """Write arrays, numbers and text to `path`; what stands there is whole or untouched.

    Args:
        path: the file; its folder must exist.
        values: name → array, number or text.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write(folder + "/a.npz", {"m": 3, "largest": np.ones(1)})
        ...     read(folder + "/a.npz", required={"m"}, optional={"largest"})["largest"]
        array([1.])
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target.parent} is no folder; make it before saving {target.name} there")
    handle, beside = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as out:
            np.savez_compressed(out, allow_pickle=False, format=_FORMAT, **values)
        os.chmod(beside, 0o644)  # mkstemp's files are private; a saved sample is an ordinary file
        os.replace(beside, target)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def read(path: str | os.PathLike[str], *, required: Collection[str], optional: Collection[str] = ()) -> dict[str, Any]:
    """Read what `write` wrote.

    Args:
        path: the file.
        required: names that must be there, and besides which only the optional ones may be.
        optional: names that may be missing.

    Returns:
        name → array (0-dimensional for numbers and text).

    Raises:
        FileNotFoundError: no such file.
        ValueError: a damaged file, or one that holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            # A name with a slash holds energies of a hidden layer, which were once kept and which nothing needs.
            values: dict[str, Any] = {name: stored[name] for name in stored.files if "/" not in name}
    except FileNotFoundError:
        raise
    except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{os.fspath(path)} is damaged or no saved sample ({error}); {_AGAIN}") from error
    if values.pop("format", None) != _FORMAT:
        raise ValueError(f"{os.fspath(path)} was not written by this version's Sample.save; {_AGAIN}")
    if wrong := sorted((set(values) - set(optional)) ^ set(required)):
        raise ValueError(f"{os.fspath(path)} is no saved sample (missing or unknown: {', '.join(wrong)}); {_AGAIN}")
    return values
