"""The rows.csv of an experiment: whole on disk after every step, to be gone on with."""

import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sparsebounds.experiments.shared.files import write_files
from sparsebounds.experiments.shared.problems import Problem
from sparsebounds.nets.training.progress import Bar

Value = str | bool | int | float | None
Row = dict[str, Any]
"""Column → `Value`."""
Key = tuple[Any, ...]
TEXTS = frozenset({"bound", "data", "guarantee", "layer", "nodes", "note", "source"})
"""Columns of words: where a row says nothing of them there is an empty text, elsewhere NaN."""


def to_csv(frame: pd.DataFrame) -> str:
    """The table as CSV text, every digit of a float kept."""
    buffer = io.StringIO()
    frame.to_csv(buffer, index=False, lineterminator="\n")
    return buffer.getvalue()


def read_rows(path: Path) -> pd.DataFrame:
    """A rows.csv, every float the one that was written; texts that are empty are empty texts, not NaN.

    Raises:
        Problem: no such file.
    """
    try:
        rows = pd.read_csv(path)
    except OSError as error:
        raise Problem(f"cannot read {path} ({error.strerror}): run the experiment first") from error
    for name in TEXTS & set(rows.columns):
        rows[name] = rows[name].astype(object).where(rows[name].notna(), "")
    return rows


def errors_row(train_error: float, test_error: float, tested: int) -> Row:
    """Both errors, their gap, and the standard error of the one that `tested` images gave.

    Example:
        >>> errors_row(0.0, 0.5, 100)
        {'train_error': 0.0, 'test_error': 0.5, 'test_error_se': 0.05, 'gap': 0.5}
    """
    spread = math.sqrt(test_error * (1 - test_error) / tested)
    gap = test_error - train_error
    return {"train_error": train_error, "test_error": test_error, "test_error_se": spread, "gap": gap}


class RowFile:
    """Rows in groups, each group known by the columns `keys` and replaced as a whole.

    Args:
        path: rows.csv in an existing folder.
        keys: columns that name a group, such as ("network", "epoch"); groups are kept in the order in which they came.
        keep: start from the rows the file holds.
        columns: every row gets these in this order, and no others; none: rows stay as they come.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rows = RowFile(Path(folder) / "rows.csv", ("epoch",), keep=False, columns=("epoch", "note", "value"))
        ...     rows.put([{"epoch": 0, "value": 0.1}])
        ...     again = RowFile(Path(folder) / "rows.csv", ("epoch",), keep=True)
        ...     again.put([{"epoch": 1, "value": 0.3}])
        ...     rows.group(0), len(again.group(0)), len(again.group(2))
        ([{'epoch': 0, 'note': '', 'value': 0.1}], 1, 0)
    """

    def __init__(self, path: Path, keys: Sequence[str], *, keep: bool, columns: Sequence[str] = ()) -> None:
        self.path, self.keys = path, tuple(keys)
        self._empty: Row = {name: "" if name in TEXTS else math.nan for name in columns}
        self.groups: dict[Key, list[Row]] = {}
        if keep and path.exists():
            for row in read_rows(path).to_dict(orient="records"):
                named = {str(name): value for name, value in row.items()}
                self.groups.setdefault(self._key(named), []).append(named)

    def put(self, rows: Sequence[Mapping[str, Value]]) -> None:
        """Write rows of one group, in place of what was known of it.

        Raises:
            ValueError: no rows, or rows of several groups.
        """
        found = {self._key(row) for row in rows}
        if len(found) != 1:
            raise ValueError(f"rows of {len(found)} groups came; needed rows of one group, told apart by {self.keys}")
        self.groups[found.pop()] = [self._whole(row) for row in rows]
        write_files(self.path.parent, {self.path.name: to_csv(self.frame())})

    def measure(self, todo: Iterable[Key], rows_of: Callable[..., Sequence[Row]], *, progress: bool) -> pd.DataFrame:
        """Put the rows of every group that is not there yet, under a bar.

        Args:
            todo: keys of the groups, in the order of the run.
            rows_of: rows_of(*key) → rows of that group; they get the columns of the key.
            progress: show the bar.

        Returns:
            All rows.
        """
        todo = list(todo)
        with Bar(len(todo), enabled=progress) as bar:
            for done, key in enumerate(todo):
                named = dict(zip(self.keys, key, strict=True))
                bar.update(done, ", ".join(f"{name} {value}" for name, value in named.items()))
                if not self.group(*key):
                    self.put([{**named, **row, **named} for row in rows_of(*key)])
            bar.update(len(todo), "done")
        return self.frame()

    def group(self, *key: Any) -> list[Row]:
        """The rows of a group, empty if there are none."""
        return self.groups.get(tuple(key), [])

    def frame(self) -> pd.DataFrame:
        """All rows."""
        return pd.DataFrame([row for rows in self.groups.values() for row in rows])

    def _key(self, row: Mapping[str, Any]) -> Key:
        return tuple(row[name] for name in self.keys)

    def _whole(self, row: Mapping[str, Value]) -> Row:
        if not self._empty:
            return dict(row)
        return {name: row.get(name, empty) for name, empty in self._empty.items()}
