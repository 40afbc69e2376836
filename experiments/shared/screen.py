"""What people see: lines and tables that fit the width of the screen, and never break a word or a number."""

import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

WIDTH = 100
"""Columns where stdout is no terminal and $COLUMNS is not set."""
NARROW = 20
"""A column of words gets no narrower than this before whole columns are dropped."""
_PAIR = re.compile(r"(?<=\S) ?± ?(?=\S)")
_NUMBER = re.compile(r"[-+−–]?|[-+−]?[\d.]+(e[-+]?\d+)?( ?%)?(\xa0±\xa0[\d.]+ ?%?)?|[-+]?inf|[\d/., ]+")


class Screen(Console):
    """A console whose lines break at blanks alone, and where text is text: what stands in brackets is no style.

    A word that is longer than the line, such as a path, stands on one of its own and runs over.
    """

    def print(self, *objects: Any, **how: Any) -> None:
        shown = [Words(item) if isinstance(item, str | Text) else item for item in objects]
        super().print(*shown, **{"crop": False, "highlight": False, **how})


def screen() -> Screen:
    """Of stdout: as wide as the terminal, or $COLUMNS, or `WIDTH`."""
    return Screen(width=None if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit() else WIDTH)


@dataclass(frozen=True)
class Words:
    """Text that is broken at blanks; `indent` blanks before every line."""

    text: str | Text
    indent: int = 0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        text = Text(self.text) if isinstance(self.text, str) else self.text
        for line in text.split("\n", allow_blank=True):
            for part in wrapped(line, options.max_width - self.indent):
                shown = Text(" " * self.indent) + part
                shown.no_wrap, shown.overflow = True, "ignore"
                yield shown


def wrapped(text: Text, width: int) -> list[Text]:
    """Lines of at most `width` columns, broken at blanks alone; a longer word is a line of its own.

    Example:
        >>> [line.plain for line in wrapped(Text("one two  a-rather-long-word three"), 9)]
        ['one two', 'a-rather-long-word', 'three']
    """
    words = list(re.finditer(r"[^ ]+", text.plain))
    lines: list[tuple[int, int]] = []
    for word in words:
        if lines and cell_len(text.plain[lines[-1][0] : word.end()]) <= width:
            lines[-1] = (lines[-1][0], word.end())
        else:
            lines.append((word.start() if lines else 0, word.end()))
    return [text[start:end] for start, end in lines] or [Text("")]


@dataclass(frozen=True)
class Grid:
    """A plain table that fits.

    What does not fit as it is gets its words wrapped at blanks; then columns go, those of `drop` first, in its order,
    then from the right, never the first. The line below says which. What then still does not fit is shown row by row.

    Args:
        title: a line above.
        heads: of the columns; two lines where there is a line break.
        rows: the cells.
        left: the first so many columns hold words, and are flush left; so is every other that holds no numbers.
        gap: blanks between columns.
        drop: heads in the order in which they may go.
    """

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1
    gap: int = 1
    drop: tuple[str, ...] = field(default=())

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        yield Words(Text(self.title, style="bold"))
        yield Text("")
        kept = list(range(len(self.heads)))
        gone: list[int] = []
        order = [self.heads.index(head) for head in self.drop if head in self.heads]
        order += [place for place in reversed(kept[1:]) if place not in order]
        while (widths := self.widths(kept, width, NARROW)) is None and order:
            gone.append(order.pop(0))
            kept.remove(gone[-1])
        widths = widths or self.widths(kept, width, 0)
        if widths is None:
            yield from self._stacked(width)
        else:
            yield from self._lines(kept, widths)
            if gone:
                names = ", ".join(" ".join(self.heads[place].split()) for place in sorted(gone))
                yield Words(Text(f"at this width without {names}", style="dim"), 1)
        yield Text("")

    def widths(self, kept: Sequence[int], width: int, narrow: int) -> list[int] | None:
        """Of the columns kept; None where they do not fit, however their words are wrapped.

        Args:
            kept: places of columns.
            width: of the screen.
            narrow: no column of words gets narrower than this.
        """
        columns = [[self.heads[place], *(_unbroken(row[place]) for row in self.rows)] for place in kept]
        most = [max(cell_len(line) for cell in column for line in cell.split("\n")) for column in columns]
        inside = [
            max((cell_len(line) for cell in column[1:] for line in cell.split("\n")), default=0) for column in columns
        ]
        least = [
            max(min(narrow, wide), *(cell_len(word) for cell in column for word in cell.split()), 0)
            for column, wide in zip(columns, inside, strict=True)
        ]
        room = width - 2 - self.gap * (len(kept) - 1)
        if sum(least) > room:
            return None
        found = list(least)
        while sum(found) < room and (short := [i for i, wide in enumerate(most) if found[i] < wide]):
            found[min(short, key=lambda i: found[i])] += 1
        return found

    def _lines(self, kept: Sequence[int], widths: Sequence[int]) -> Iterable[Text]:
        flush = [place < self.left or not all(_is_number(row[place]) for row in self.rows) for place in kept]

        def line(cells: Sequence[str]) -> Iterable[Text]:
            parts = [
                [part.plain for piece in cell.split("\n") for part in wrapped(Text(_unbroken(piece)), wide)]
                for cell, wide in zip(cells, widths, strict=True)
            ]
            for number in range(max(map(len, parts))):
                words = [part[number] if number < len(part) else "" for part in parts]
                padded = [
                    word + " " * (wide - cell_len(word)) if left else " " * (wide - cell_len(word)) + word
                    for word, wide, left in zip(words, widths, flush, strict=True)
                ]
                shown = (" " + (" " * self.gap).join(padded)).rstrip(" ").replace("\xa0", " ")
                yield Text(shown, no_wrap=True, overflow="ignore")

        for shown in line([self.heads[place] for place in kept]):
            shown.stylize("bold")
            yield shown
        yield Text(" " + "─" * (sum(widths) + self.gap * (len(kept) - 1)), no_wrap=True, overflow="ignore")
        for row in self.rows:
            yield from line([row[place] for place in kept])

    def _stacked(self, width: int) -> Iterable[Any]:
        """Every row as lines of "head: cell"."""
        for row in self.rows:
            yield Words(row[0], 1)
            for head, cell in list(zip(self.heads, row, strict=True))[1:]:
                yield Words(f"{' '.join(head.split())}: {cell}", 3)


def _unbroken(cell: str) -> str:
    """A number and its standard error stay together."""
    return _PAIR.sub("\xa0±\xa0", cell)


def _is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(_unbroken(cell)) is not None
