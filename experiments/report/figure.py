"""Pictures from rows.csv alone: a network is never needed to draw again.

python -m sparsebounds.experiments.report.figure results/report-digits/rows.csv figure.png
"""

import sys
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sparsebounds.experiments.shared.files import write_files
from sparsebounds.experiments.shared.style import LOOK, one_legend, png

# Okabe and Ito's palette: told apart by everyone, and in grey by the line styles.
BOUND_STYLES = {
    ("galanti", "position"): ("sound form, nodes = positions", "#D55E00", "-"),
    ("galanti", "group"): ("sound form, nodes = channel groups", "#CC79A7", "-."),
    ("galanti", "scalar"): ("sound form, nodes = scalars", "#E69F00", "--"),
    ("galanti_published", "position"): ("published form (no guarantee)", "#0072B2", "-"),
}
ERROR_STYLES = {
    "test_error": ("test error", "#000000", "-"),
    "train_error": ("train error", "#7F7F7F", "--"),
    "gap": ("test error − train error", "#009E73", ":"),
}


def draw_report(rows: pd.DataFrame) -> Figure:
    """One panel per network: both forms of the bound, both errors and the gap per epoch, log₂ axis.

    Args:
        rows: the columns network, epoch, bound, nodes, complexity, confidence, train_error, test_error, gap.

    Returns:
        The figure. Of a bound its complexity + confidence is drawn, the part that speaks of the gap. Values
        ≤ 0 have no place on a logarithmic axis and are left out: an error of zero, a gap below zero.

    Raises:
        ValueError: no rows, or a column is missing.
    """
    needed = {"network", "epoch", "bound", "nodes", "complexity", "confidence", *ERROR_STYLES}
    if rows.empty or (missing := needed - set(rows.columns)):
        raise ValueError(f"rows.csv lacks {', '.join(sorted(missing)) if len(rows) else 'rows'}: run report again")
    networks = list(dict.fromkeys(rows["network"]))
    figure = Figure(figsize=(1.0 + 4.6 * len(networks), 5.2), layout="constrained")
    axes = figure.subplots(1, len(networks), sharey=True, squeeze=False)[0]
    for axis, network in zip(axes, networks, strict=True):
        _panel(axis, rows[rows["network"] == network])
        axis.set_title(network)
    axes[0].set_ylabel("log₂ scale")
    one_legend(figure, columns=2, fontsize=None)
    return figure


def _panel(axis: Axes, rows: pd.DataFrame) -> None:
    for (bound, nodes), (label, colour, style) in BOUND_STYLES.items():
        part = rows[(rows["bound"] == bound) & (rows["nodes"] == nodes)].sort_values("epoch")
        height = part["complexity"] + part["confidence"]
        if height.notna().any():
            axis.plot(part["epoch"], height, color=colour, ls=style, label=f"{label}: complexity + confidence")
    errors = rows.drop_duplicates("epoch").sort_values("epoch")
    for column, (label, colour, style) in ERROR_STYLES.items():
        height = errors[column].where(errors[column] > 0)
        if height.notna().any():
            axis.plot(errors["epoch"], height, color=colour, ls=style, marker=".", ms=4, label=label)
    axis.axhline(1.0, color="#BBBBBB", lw=0.8, zorder=0)
    axis.annotate(
        "vacuous above 1",
        (0.99, 1.0),
        xycoords=("axes fraction", "data"),
        ha="right",
        va="bottom",
        fontsize=8,
    )
    axis.set_yscale("log", base=2)
    axis.set_xlabel("epoch")
    axis.grid(True, axis="y", color="#EEEEEE")


def report_png(rows: pd.DataFrame) -> bytes:
    """The picture of `draw_report` as the bytes of a PNG file."""
    with matplotlib.rc_context(LOOK):
        return png(draw_report(rows))


def main(arguments: list[str]) -> None:
    """Draw `rows.csv` again: two arguments, the table and the picture."""
    if len(arguments) != 2:
        sys.exit("usage: python -m sparsebounds.experiments.report.figure ROWS.csv FIGURE.png")
    picture = Path(arguments[1])
    write_files(picture.parent, {picture.name: report_png(pd.read_csv(arguments[0]))})


if __name__ == "__main__":
    main(sys.argv[1:])
