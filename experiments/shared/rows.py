"""The rows.csv of an experiment that is under way: whole on disk after every step, to be gone on with."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sparsebounds.experiments.shared.files import write_files
from sparsebounds.experiments.shared.problems import Problem


class RowLog:
    """Rows of one training by epoch, on disk after every epoch: they outlive an interruption.

    Args:
        path: a CSV file in an existing folder.
        keep: start from the rows the file holds.
    """

    def __init__(self, path: Path, *, keep: bool) -> None:
        self.path = path
        self.rows: dict[int, list[dict[str, Any]]] = {}
        if keep and path.exists():
            for row in pd.read_csv(path).to_dict(orient="records"):
                self.rows.setdefault(int(row["epoch"]), []).append({str(k): v for k, v in row.items()})

    def put(self, epoch: int, rows: list[dict[str, Any]]) -> None:
        """Rows of an epoch, in place of what was known of it."""
        self.rows[epoch] = rows
        write_files(self.path.parent, {self.path.name: to_csv(self.frame())})

    def frame(self) -> pd.DataFrame:
        """All rows, epochs ascending."""
        return pd.DataFrame([row for epoch in sorted(self.rows) for row in self.rows[epoch]])


def to_csv(frame: pd.DataFrame) -> str:
    """The table as CSV text, every digit of a float kept."""
    buffer = io.StringIO()
    frame.to_csv(buffer, index=False, lineterminator="\n")
    return buffer.getvalue()


def read_rows(path: Path) -> pd.DataFrame:
    """A rows.csv; texts that are empty are empty texts, not NaN.

    Raises:
        Problem: no such file.
    """
    try:
        rows = pd.read_csv(path)
    except OSError as error:
        raise Problem(f"cannot read {path} ({error.strerror}): run the experiment first") from error
    for name in {"note", "source", "guarantee", "nodes"} & set(rows.columns):
        rows[name] = rows[name].astype(object).where(rows[name].notna(), "")
    return rows


Key = tuple[Any, ...]


class RowFile:
    """Rows in groups, each group known by the columns `keys` and replaced as a whole.

    Args:
        path: rows.csv in an existing folder.
        keys: columns that name a group, such as ("network", "epoch"); groups are kept in the order in which they came.
        keep: start from the rows the file holds.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rows = RowFile(Path(folder) / "rows.csv", ("epoch",), keep=False)
        ...     rows.put([{"epoch": 0, "bound": "a", "value": 0.1}, {"epoch": 0, "bound": "b", "value": 0.2}])
        ...     again = RowFile(Path(folder) / "rows.csv", ("epoch",), keep=True)
        ...     again.put([{"epoch": 0, "bound": "c", "value": 0.3}])
        ...     len(rows.group(0)), len(again.group(0)), len(again.group(1))
        (2, 1, 0)
    """

    def __init__(self, path: Path, keys: Sequence[str], *, keep: bool) -> None:
        self.path, self.keys = path, tuple(keys)
        self.groups: dict[Key, list[dict[str, Any]]] = {}
        if keep and path.exists():
            for row in read_rows(path).to_dict(orient="records"):
                named = {str(name): value for name, value in row.items()}
                self.groups.setdefault(self._key(named), []).append(named)

    def put(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows of one group, in place of what was known of it.

        Raises:
            ValueError: no rows, or rows of several groups.
        """
        found = {self._key(row) for row in rows}
        if len(found) != 1:
            raise ValueError(f"rows of {len(found)} groups came; needed rows of one group, told apart by {self.keys}")
        self.groups[found.pop()] = [dict(row) for row in rows]
        write_files(self.path.parent, {self.path.name: to_csv(self.frame())})

    def group(self, *key: Any) -> list[dict[str, Any]]:
        """The rows of a group, empty if there are none."""
        return self.groups.get(tuple(key), [])

    def frame(self) -> pd.DataFrame:
        """All rows."""
        return pd.DataFrame([row for rows in self.groups.values() for row in rows])

    def _key(self, row: Mapping[str, Any]) -> Key:
        return tuple(row[name] for name in self.keys)
