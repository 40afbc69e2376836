"""Results on disk and on stdout: files appear complete or not at all, JSON is strict."""

import dataclasses
import json
import math
import os
import platform
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from sparsebounds.experiments.shared.problems import Problem


def plain(value: Any) -> Any:
    """The same value in what JSON knows: NaN becomes null, infinities the strings "inf" and "-inf".

    Example:
        >>> plain({"a": float("nan"), "b": np.float64(2.0), "c": (np.int64(1), float("inf"))})
        {'a': None, 'b': 2.0, 'c': [1, 'inf']}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain({f.name: getattr(value, f.name) for f in dataclasses.fields(value)})
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None if math.isnan(value) else str(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value)


def to_json(value: Any) -> str:
    """One strict JSON document, indented, with a final line break.

    Example:
        >>> to_json({"value": float("nan")})
        '{\\n  "value": null\\n}\\n'
    """
    return json.dumps(plain(value), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


FORMAT = 1
"""Of the JSON documents of the command line, docs/json.md: another number where a key changes its meaning or goes."""


def document_of(command: str, **content: Any) -> dict[str, Any]:
    """A JSON document of a command, with the version of its format.

    Example:
        >>> document_of("list", rows=[])
        {'command': 'list', 'format': 1, 'rows': []}
    """
    return {"command": command, "format": FORMAT, **content}


def versions() -> dict[str, str]:
    """Of Python and of the packages that numbers depend on."""
    packages = ("sparsebounds", "jax", "flax", "optax", "numpy")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def prepare_folder(folder: Path) -> None:
    """Create the folder and prove that it can be written, before any work that could be lost.

    Raises:
        Problem: it is a file, lies under a file, or may not be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise Problem(
            f"cannot write to {folder} ({error.strerror}): give a folder that can be written with --out"
        ) from error


def write_files(folder: Path, files: Mapping[str, bytes | str]) -> None:
    """Write all files beside their places, then rename each: a reader never sees half a file.

    Args:
        folder: an existing folder.
        files: file name → content; text is written as UTF-8.

    Raises:
        Problem: the disk is full or the folder may not be written; what stood there before is untouched.
    """
    written: list[tuple[Path, Path]] = []
    try:
        for name, content in files.items():
            handle, part = tempfile.mkstemp(dir=folder, prefix=f".{name}-", suffix=".part")
            written.append((Path(part), folder / name))
            with os.fdopen(handle, "wb") as stream:
                stream.write(content.encode() if isinstance(content, str) else content)
            os.chmod(part, 0o644)
        for source, place in written:
            source.replace(place)
    except OSError as error:
        raise Problem(
            f"cannot write to {folder} ({error.strerror}): free space there or give another folder with --out"
        ) from error
    finally:
        for source, _ in written:
            source.unlink(missing_ok=True)
