"""Bounds side by side, and the factors of one of them, as bars on a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sparsebounds.bounds.bound import Bound
from sparsebounds.bounds.evidence import evidence_of
from sparsebounds.bounds.printed import nearest, upwards
from sparsebounds.bounds.show.pictures import COLOURS, NEUTRAL, PARTS, on_a_logarithmic_axis
from sparsebounds.bounds.show.plot.axes import Axes, axes_or_new, plain_text

Bar = tuple[str, float, str, str]
"""Name, length, colour, and the number beside it."""
BAR, MARGIN = 0.24, 1.0
"""Inches of a bar, and of what is around all of them."""
ROOM = 0.24
"""For the numbers at the ends of bars: a share of the logarithmic axis at either side."""


def side_by_side(shown: pd.DataFrame | Mapping[str, Bound], *, axes: Axes | None = None) -> Axes:
    """Bounds on a logarithmic axis, a bar from 1 each: one to the left says something, one to the right nothing.

    Args:
        shown: the table that `bounds.table` returned, as it is, or bounds by name.
        axes: where to draw; None: a figure of its own.

    Returns:
        The axes, the smallest value on top, coloured by verdict. What has no value, or one that is 0 or infinite, is
        counted below.

    Raises:
        ValueError: a table without what stands behind it, as a copy is; anything else.
        ModuleNotFoundError: axes is None, and the extra [report] is not installed.

    Example:
        >>> from sparsebounds import bounds
        >>> axes = bounds.plot.side_by_side({"golowich": bounds.golowich(graph, sample, delta=0.001)})
        >>> [label.get_text() for label in axes.get_yticklabels()]
        ['golowich']
    """
    found = _bounds(shown)
    drawn = on_a_logarithmic_axis(found)
    axes = axes_or_new(axes, height=BAR * len(drawn) + MARGIN)
    bars = _bars(axes, [(name, b.value, COLOURS[b.verdict], upwards(b.value, 3)) for name, b in drawn.items()])
    words = {bound.verdict: bar for bound, bar in zip(drawn.values(), bars, strict=True)}
    if words:
        axes.legend(words.values(), words.keys(), frameon=False, loc="best")
    left_out = len(found) - len(drawn)
    axes.set_xlabel("bound on the error" + (f" ({left_out} more without a number to draw)" if left_out else ""))
    return axes


def factors(bound: Bound, *, axes: Axes | None = None) -> Axes:
    """What went into one bound, number by number from the top, on a logarithmic axis; its parts and value below.

    Args:
        bound: one with a value.
        axes: where to draw; None: a figure of its own.

    Returns:
        The axes: `bound.terms` in their order, those of several numbers one by one, then margin error, complexity,
        confidence and value. Numbers that are 0, negative or infinite have a name and no bar.

    Raises:
        ValueError: a bound that does not cover its network.
        ModuleNotFoundError: axes is None, and the extra [report] is not installed.

    Example:
        >>> from sparsebounds import bounds
        >>> axes = bounds.plot.factors(bounds.golowich(graph, sample, delta=0.001))
        >>> [label.get_text() for label in axes.get_yticklabels()][-4:]
        ['margin error', 'complexity', 'confidence', 'value']
    """
    if not bound.covered:
        raise ValueError(f"this bound has no value, so no factors: {bound.note or 'not covered'}")
    rows = [(name, value, NEUTRAL, nearest(value)) for name, value in _numbers(bound.terms)]
    for name, (words, colour) in PARTS.items():
        rows.append((words, getattr(bound, name), colour, upwards(getattr(bound, name))))
    rows.append(("value", bound.value, COLOURS[bound.verdict], upwards(bound.value)))
    axes = axes_or_new(axes, height=BAR * len(rows) + MARGIN)
    _bars(axes, rows)
    axes.set_xlabel(f"size; the value is {bound.verdict}")
    return axes


def _bounds(shown: pd.DataFrame | Mapping[str, Bound]) -> Mapping[str, Bound]:
    if isinstance(shown, Mapping):
        return shown
    if not isinstance(shown, pd.DataFrame):
        raise ValueError(f"came a {type(shown).__name__}; needed a table of bounds.table, or bounds by name")
    found = evidence_of(shown)
    if found is None:
        raise ValueError(
            "this table has lost what stands behind it, as copies and selections do; give the very table that "
            "bounds.table returned"
        )
    return found.bounds


def _numbers(terms: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Every number in the terms of a bound, with its name; texts and flags are none."""
    for name, value in terms.items():
        if isinstance(value, Mapping):
            yield from _numbers({f"{name}, {key}": one for key, one in value.items()})
        elif isinstance(value, np.ndarray | Sequence) and not isinstance(value, str):
            yield from _numbers({f"{name}, {place}": one for place, one in enumerate(value, start=1)})
        elif isinstance(value, int | float | np.number) and not isinstance(value, bool):
            yield name, float(value)


def _bars(axes: Axes, rows: Sequence[Bar]) -> list[Any]:
    """A bar from 1 to each number, from the top down; what a logarithmic axis cannot show has no bar."""
    lengths = np.array([value if 0 < value < math.inf else 1.0 for _, value, _, _ in rows])
    places = range(len(rows))
    axes.set_xscale("log")
    drawn = axes.barh(places, lengths - 1.0, 0.7, left=1.0, color=[colour for *_, colour, _ in rows])
    axes.bar_label(drawn, [shown for *_, shown in rows], padding=3, fontsize="small")
    axes.axvline(1.0, color="black", lw=1)
    axes.set_yticks(places, [plain_text(name) for name, *_ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    low, high = min(lengths.min(initial=1.0), 0.5), max(lengths.max(initial=1.0), 2.0)
    room = (high / low) ** ROOM
    axes.set_xlim(low / room, high * room)
    return list(drawn)
