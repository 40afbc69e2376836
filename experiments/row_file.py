"""The rows.csv of an experiment that is under way: whole on disk after every step, to be gone on with."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from .follow import to_csv
from .output import write_files
from .reproduce import read_rows

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
