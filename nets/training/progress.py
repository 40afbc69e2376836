"""A progress bar on stderr for whatever takes longer than two seconds."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

PATIENCE_S = 2.0


class Bar:
    """Shows `done` of `total` steps and a line of text, on a terminal, once two seconds have passed.

    Args:
        total: number of steps.
        enabled: false shows nothing.
    """

    def __init__(self, total: int, *, enabled: bool = True) -> None:
        console = Console(stderr=True)
        self._started = time.monotonic()
        self._enabled = enabled and console.is_terminal
        self._shown = False
        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console, transient=True)
        self._task = self._progress.add_task("training", total=total)

    def update(self, done: int, text: str) -> None:
        """Move to `done` steps and show `text`."""
        if self._enabled and not self._shown and time.monotonic() - self._started > PATIENCE_S:
            self._progress.start()
            self._shown = True
        self._progress.update(self._task, completed=done, description=text)

    def __enter__(self) -> "Bar":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._progress.stop()
