"""Which curves stand for the five bounds of Figure 1, as coded and corrected, and how they are drawn."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator

from sparsebounds.experiments.reproduce.conv.rows import AS_CODED, THEOREM


@dataclass(frozen=True)
class Curve:
    """One of the five curves.

    Args:
        coded: its key in `published.figure1_bounds`.
        theorem: the same theorem in `bounds.BOUNDS`.
        label: whose bound it is.
        colour: in both panels. Okabe and Ito's palette.
        marker: in the panels that have few points.
        sharper: a sharper form of the same theorem, drawn dashed.
    """

    coded: str
    theorem: str
    label: str
    colour: str
    marker: str
    sharper: str | None = None


CURVES = (
    Curve("paper", "galanti", "Galanti et al. 2023", "#0072B2", "o"),
    Curve("golowich", "golowich", "Golowich et al. 2018", "#D55E00", "s", "golowich_sharp"),
    Curve("graf", "graf_norms", "Graf et al. 2022", "#009E73", "^", "graf_params"),
    Curve("ledent", "ledent", "Ledent et al. 2021", "#CC79A7", "D"),
    Curve("long_sedghi", "long_sedghi", "Long, Sedghi 2020", "#E69F00", "v"),
)
OWN = ("peeling",)
"""Bounds of this library, drawn black and dashed in the corrected panel where rows.csv has them."""
SHARPER = {"golowich_sharp": "sharper", "graf_params": "by weights"}
"""What the legend says of the dashed curves."""
ERRORS = {
    "test_error": ("test error", "#000000", "-"),
    "train_error": ("train error", "#7F7F7F", "--"),
    "gap": ("|test − train error|", "#56B4E9", ":"),
}


def heights(rows: pd.DataFrame, form: str, bound: str, against: str) -> pd.Series:
    """The points of one curve: gap_bound by the column `against`; nodes are positions where there is a choice."""
    part = rows[(rows["form"] == form) & (rows["bound"] == bound) & (rows["nodes"] != "scalar")]
    return part.set_index(against)["gap_bound"].dropna().sort_index()


def draw_panel(
    axis: Axes, rows: pd.DataFrame, form: str, against: str, *, markers: bool = False, faint: bool = False
) -> None:
    """All curves of one form.

    Args:
        axis: where.
        rows: of rows.csv.
        form: "as coded" or "theorem".
        against: the column of the horizontal axis; one row per bound and value.
        markers: mark the points.
        faint: thin and unnamed, for comparison; sharper forms are left out.
    """
    look: dict[str, Any] = {"alpha": 0.3, "lw": 1.0} if faint else {}
    for curve in CURVES:
        named = [(curve.coded, "-")] if form == AS_CODED else [(curve.theorem, "-"), (curve.sharper, "--")]
        for bound, style in named[: 1 if faint else 2]:
            points = heights(rows, form, bound, against) if bound else pd.Series(dtype=float)
            if len(points):
                label = curve.label if style == "-" else f"{curve.label}, {SHARPER[str(bound)]}"
                mark = curve.marker if markers else None
                named_look = look or {"label": label}
                axis.plot(points.index, points, color=curve.colour, ls=style, marker=mark, ms=4, **named_look)
    for bound in OWN if form == THEOREM and not faint else ():
        points = heights(rows, form, bound, against)
        if len(points):
            axis.plot(points.index, points, color="black", ls="-.", marker="x" if markers else None, label=bound)


def draw_errors(axis: Axes, rows: pd.DataFrame, against: str, *, markers: bool = False) -> None:
    """Train error, test error and the size of the gap; what is zero has no place on the axis."""
    errors = rows.drop_duplicates(against).set_index(against).sort_index()
    for column, (label, colour, style) in ERRORS.items():
        points = errors[column].abs().where(errors[column] != 0)
        if points.notna().any():
            axis.plot(points.index, points, color=colour, ls=style, marker="." if markers else None, label=label)


def finish(axis: Axes, title: str) -> None:
    """The logarithmic axis with whole powers, the line above which a bound says nothing, the title."""
    axis.set_yscale("log", base=2)
    axis.yaxis.set_major_locator(LogLocator(base=2, subs=(1.0,), numticks=12))
    axis.yaxis.set_major_formatter(FuncFormatter(power_of_two))
    axis.minorticks_off()
    axis.axhline(1.0, color="#999999", lw=0.8, zorder=0)
    axis.annotate("above: says nothing", (0.5, 1.0), xycoords=("axes fraction", "data"), ha="center", va="bottom",
                  fontsize=7, color="#666666")  # fmt: skip
    axis.grid(True, axis="y", color="#EEEEEE")
    axis.set_title(title, fontsize=10)


def power_of_two(value: float, _: object = None) -> str:
    """A tick of a log₂ axis.

    Example:
        >>> power_of_two(1024.0), power_of_two(0.125)
        ('$2^{10}$', '$2^{-3}$')
    """
    return f"$2^{{{round(np.log2(value))}}}$"
