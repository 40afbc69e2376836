"""Progress bars of the passes over data and of the rows of a table: on a terminal, after two seconds."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

PATIENCE_S = 2.0


class Passes:
    """What `progress=` of `bounds.table` and `Sample.measure` takes: one bar for each thing that is being done.

    Args:
        console: where; stderr by default. Nothing is shown unless it is a terminal.
        patience: seconds after which bars appear.

    Example:
        >>> with Passes() as passes:
        ...     passes("sample", 256, 1000)
        ...     passes("sample", 512, None)
    """

    def __init__(self, console: Console | None = None, *, patience: float = PATIENCE_S) -> None:
        console = Console(stderr=True) if console is None else console
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console, transient=True)
        self._enabled, self._patience = console.is_terminal, patience
        self._tasks: dict[str, TaskID] = {}
        self._shown, self._started = False, time.monotonic()

    def __call__(self, what: str, done: int, total: int | None) -> None:
        """Move the bar of `what`; without a total it only shows that something happens."""
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total)
        if self._enabled and not self._shown and time.monotonic() - self._started > self._patience:
            self._progress.start()
            self._shown = True
        self._progress.update(self._tasks[what], completed=done, total=total)

    def __enter__(self) -> Passes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._progress.stop()
