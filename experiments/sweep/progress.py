"""How far a sweep is: rate, time left, failures; a bar on a terminal, a line now and then elsewhere."""

import sys
import time

from sparsebounds.nets.training.progress import Bar

EVERY_S = 30.0


class Meter:
    """Counts the cells of a run.

    Args:
        total: cells of the grid.
        done: of these, finished before.
        bar: where it is drawn.
        enabled: false shows nothing.
    """

    def __init__(self, total: int, done: int, bar: Bar, *, enabled: bool) -> None:
        self.total, self.done, self.failed, self.bar, self.enabled = total, done, 0, bar, enabled
        self.before, self.began = done, time.monotonic()
        self.said = self.began

    def count(self, *, failed: bool) -> None:
        """One more cell, finished or failed."""
        self.done, self.failed = self.done + (not failed), self.failed + failed
        now = time.monotonic()
        line = self.line(now - self.began)
        self.bar.update(self.done + self.failed, line)
        if self.enabled and not sys.stderr.isatty() and now - self.said >= EVERY_S:
            print(f"sparsebounds: {line}", file=sys.stderr, flush=True)
            self.said = now

    def line(self, seconds: float) -> str:
        """Cells, rate, time left, failures.

        Example:
            >>> meter = Meter(10, 2, Bar(10, enabled=False), enabled=False)
            >>> meter.count(failed=False)
            >>> meter.line(30.0)
            '3/10 cells, 2 a minute, 4 min left, 0 failed'
        """
        now = self.done - self.before + self.failed
        left = seconds / now * (self.total - self.done - self.failed) if now else 0.0
        rate = 60 * now / seconds if seconds > 0 else 0.0
        return f"{self.done}/{self.total} cells, {rate:.3g} a minute, {duration(left)} left, {self.failed} failed"


def duration(seconds: float) -> str:
    """A time for people.

    Example:
        >>> duration(45), duration(600), duration(10000), duration(400000)
        ('45 s', '10 min', '2.8 h', '4.6 days')
    """
    for least, size, unit, digits in ((86400, 86400, "days", 1), (5400, 3600, "h", 1), (90, 60, "min", 0)):
        if seconds >= least:
            return f"{seconds / size:.{digits}f} {unit}"
    return f"{seconds:.0f} s"
