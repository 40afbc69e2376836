"""The folder of a sweep: config.json, a Parquet file per finished cell, a JSON file per failed one."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sparsebounds.experiments.shared.files import plain, prepare_folder, to_json, versions, write_files
from sparsebounds.experiments.shared.problems import Problem
from sparsebounds.experiments.sweep.config import Sweep
from sparsebounds.experiments.sweep.factors import FACTORS
from sparsebounds.experiments.sweep.grid import Cell
from sparsebounds.experiments.sweep.work import COLUMNS, Row

CELLS, FAILED = "cells", "failed"
_TYPES = {
    **{name: type(factor.default) for name, factor in FACTORS.items()},
    **dict.fromkeys(("cell", "code", "quantity", "kind", "nodes", "guarantee", "note"), str),
    **dict.fromkeys(("epochs", "tested", "parameters", "kept"), int),
    "reached": bool,
}
_ARROW = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
SCHEMA = pa.schema([(name, _ARROW[_TYPES.get(name, float)]) for name in COLUMNS])
"""Of every file, whatever a cell gave: so that a folder of them reads as one table."""


def to_parquet(rows: Sequence[Row]) -> bytes:
    """The rows of a cell as the bytes of a Parquet file, with checksums."""
    # One type per column: a level such as 0 of a hyper-parameter with a point is a float.
    columns = {name: [_typed(row[name], name) for row in rows] for name in COLUMNS}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns, SCHEMA), sink, compression="zstd", write_page_checksum=True)
    return bytes(sink.getvalue())


def _typed(value: Any, name: str) -> Any:
    return _TYPES.get(name, float)(value)


class Store:
    """The folder of one sweep.

    Args:
        folder: from `opened`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def opened(cls, folder: Path, sweep: Sweep, code: str, *, resume: bool) -> "Store":
        """The folder of a sweep, made if it is not there.

        Raises:
            Problem: it holds another sweep, or cells and `resume` was not said, or cannot be written.
        """
        said = {"config": plain(sweep), "code": code}
        found = _config(folder / "config.json")
        empty = not any((folder / CELLS).glob("*.parquet"))
        if found is not None and not (empty and found != said):
            _check_same(folder, found, said)
            if not (resume or empty):
                raise Problem(
                    f"{folder} holds cells of this sweep: --resume goes on, or give another folder with --out"
                )
        elif resume:
            raise Problem(f"nothing to resume in {folder}: leave out --resume, or give the sweep's --out")
        elif found is None and folder.is_dir() and any(folder.iterdir()):
            raise Problem(f"{folder} holds something else than a sweep: give another folder with --out")
        for place in (folder, folder / CELLS, folder / FAILED):
            prepare_folder(place)
        if found != said:
            write_files(folder, {"config.json": to_json({**said, "versions": versions()})})
        return cls(folder)

    def place(self, name: str) -> Path:
        """The file of a cell."""
        return self.folder / CELLS / f"{name}.parquet"

    def done(self, cells: Iterable[Cell]) -> tuple[set[str], int]:
        """Names of the cells whose file is whole, and how many files were not and are removed."""
        whole, broken = set(), 0
        for cell in cells:
            place = self.place(cell.name)
            if not place.exists():
                continue
            if _is_whole(place, cell.name):
                whole.add(cell.name)
            else:
                broken += 1
                place.unlink(missing_ok=True)
        return whole, broken

    def present(self) -> set[str]:
        """Names of the cells that have a file, read or not."""
        return {path.stem for path in (self.folder / CELLS).glob("*.parquet")}

    def put(self, name: str, file: bytes) -> None:
        """Write the file of a cell, whole or not at all; it has not failed any more."""
        write_files(self.folder / CELLS, {f"{name}.parquet": file})
        (self.folder / FAILED / f"{name}.json").unlink(missing_ok=True)

    def fail(self, cell: Cell, error: str) -> None:
        """Keep the reason why a cell has no file."""
        document = {"cell": cell.name, "error": error, "levels": dict(cell.levels)}
        write_files(self.folder / FAILED, {f"{cell.name}.json": to_json(document)})

    def failures(self) -> list[dict[str, Any]]:
        """The cells that failed and have not been finished since."""
        found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((self.folder / FAILED).glob("*.json"))]
        return [failure for failure in found if not self.place(failure["cell"]).exists()]


def _config(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {"config": found["config"], "code": found["code"]}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Problem(f"{path} is not the config of a sweep: give another folder with --out") from error


def _check_same(folder: Path, found: dict[str, Any], said: dict[str, Any]) -> None:
    old, new = found["config"], said["config"]
    for key in {**new, **old}:
        if old.get(key) != new.get(key):
            parts = [value if isinstance(value, dict) else {key: value} for value in (old.get(key), new.get(key))]
            name = next(name for name in {**parts[0], **parts[1]} if parts[0].get(name) != parts[1].get(name))
            raise Problem(
                f"{folder} holds another sweep: there {name} is {parts[0].get(name)}, here {parts[1].get(name)}; "
                "give another folder with --out"
            )
    if found["code"] != said["code"]:
        raise Problem(
            f"{folder} holds cells of code {found['code']}, this is {said['code']}: go on with that code, or give "
            "another folder with --out"
        )


def _is_whole(path: Path, name: str) -> bool:
    """Every byte of every column, against its checksum."""
    try:
        table = pq.ParquetFile(path, page_checksum_verification=True).read()
    except (OSError, pa.ArrowException):
        return False
    return bool(table.schema.equals(SCHEMA) and table.num_rows > 0 and set(table["cell"].to_pylist()) == {name})
