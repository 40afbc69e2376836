"""When there is time for a look: what looks cost may not exceed a share of the time since the start."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

FIRST = 2.0
"""Seconds that the first look is taken to cost, before anybody knows: reading and compiling a small network."""
ROOM = 1.25
"""A look is taken to cost so many times the last one."""


class Thinning:
    """A budget of time: `due` says whether another look fits, `looking` measures one.

    After every look but the first, spent ≤ share · elapsed as long as a look costs at most `ROOM` times the one before.
    A look that cost more, the first with all that it compiles perhaps, is paid back before there is another.

    Args:
        share: of the elapsed time, above 0 and at most 1.
        clock: seconds.

    Example:
        >>> now = iter([0.0, 100.0, 199.0, 200.0, 200.0, 203.0, 204.0]).__next__
        >>> thinning = Thinning(0.01, now)  # started at 0
        >>> thinning.due, thinning.due  # after 100 s there is one second, after 199 s not quite the two of a first look
        (False, False)
        >>> thinning.due
        True
        >>> with thinning.looking():  # from 200 to 203
        ...     pass
        >>> thinning.spent, thinning.due
        (3.0, False)
    """

    def __init__(self, share: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self.share, self._clock, self._start = share, clock, clock()
        self.spent, self.looks = 0.0, 0
        self._expected = FIRST

    @property
    def elapsed(self) -> float:
        """Seconds since the start, looks among them."""
        return self._clock() - self._start

    @property
    def due(self) -> bool:
        """Whether another look, at what it is expected to cost, stays within the share."""
        return self.spent + self._expected <= self.share * self.elapsed

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Around a look, also one that fails."""
        start = self._clock()
        try:
            yield
        finally:
            cost = self._clock() - start
            self.spent += cost
            self.looks += 1
            self._expected = ROOM * cost
