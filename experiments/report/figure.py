"""Pictures from rows.csv alone: a network is never needed to draw again.

python -m sparsebounds.experiments.report.figure results/examples/report/rows.csv figure.png
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
    ("galanti_published", "position"): ("as the paper's authors compute it (no guarantee)", "#0072B2", "-"),
    ("galanti", "position"): ("the same, sound, nodes = positions", "#D55E00", "-"),
    ("galanti", "scalar"): ("the same, sound, nodes = scalars", "#E69F00", "--"),
    ("peeling", "position"): ("peeling, this library's", "#CC79A7", "-."),
    ("held_out", "position"): ("held-out images", "#56B4E9", "--"),
}
CERTIFICATE = ("certificate by distance (of a network drawn beside)", "#009E73", "*")
ERROR_STYLES = {
    "test_error": ("test error", "#000000", "-"),
    "train_error": ("train error", "#7F7F7F", ":"),
}
BOUND = "distance"
"""Name of the certificate by distance in the rows."""
NEEDED = frozenset(
    {"network", "data", "m", "delta", "epoch", "bound", "nodes", "value", "margin_error", "uncapped", "confidence"}
)


def draw_report(rows: pd.DataFrame) -> Figure:
    """One panel per network: bounds on the error of new images and both errors per epoch, logarithmic axis.

    Args:
        rows: rows.csv of a report.

    Returns:
        The figure. Of a bound margin + complexity + confidence is drawn, the complexity not capped at 1, so that one
        sees how far it is from saying anything. Values ≤ 0 have no place on a logarithmic axis and are left out.

    Raises:
        ValueError: no rows, or a column is missing.
    """
    if rows.empty or (missing := {*NEEDED, *ERROR_STYLES} - set(rows.columns)):
        raise ValueError(f"rows.csv lacks {', '.join(sorted(missing)) if len(rows) else 'rows'}: run report again")
    networks = list(dict.fromkeys(rows["network"]))
    figure = Figure(figsize=(1.0 + 4.6 * len(networks), 5.6), layout="constrained")
    axes = figure.subplots(1, len(networks), sharey=True, squeeze=False)[0]
    for axis, network in zip(axes, networks, strict=True):
        _panel(axis, rows[rows["network"] == network])
        axis.set_title(network)
    about = rows.iloc[0]
    figure.suptitle(f"Bounds on the error of new images: {about['data']}, m = {about['m']}, δ = {about['delta']:g}")
    axes[0].set_ylabel("error, or bound on it (complexity not capped)")
    one_legend(figure, columns=2, fontsize=None)
    return figure


def _panel(axis: Axes, rows: pd.DataFrame) -> None:
    for (bound, nodes), (label, colour, style) in BOUND_STYLES.items():
        part = rows[(rows["bound"] == bound) & (rows["nodes"] == nodes)].sort_values("epoch")
        height = part["margin_error"] + part["uncapped"] + part["confidence"]
        if height.notna().any():
            axis.plot(part["epoch"], height, color=colour, ls=style, label=label)
    errors = rows[rows["bound"] != BOUND].drop_duplicates("epoch").sort_values("epoch")
    for column, (label, colour, style) in ERROR_STYLES.items():
        height = errors[column].where(errors[column] > 0)
        if height.notna().any():
            axis.plot(errors["epoch"], height, color=colour, ls=style, marker=".", ms=4, label=label)
    certified = rows[(rows["bound"] == BOUND) & rows["value"].notna()]
    if len(certified):
        label, colour, marker = CERTIFICATE
        axis.plot(certified["epoch"], certified["value"], marker, color=colour, ms=12, zorder=5, label=label)
    axis.axhline(1.0, color="#BBBBBB", lw=0.8, zorder=0)
    axis.annotate(
        "vacuous above 1", (0.99, 1.0), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8
    )
    axis.set_yscale("log")
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
