"""The README's picture of what a bound is: margins, the ramp, and what is added to its mean.

python -m sparsebounds.experiments.report.picture results/certificates/rows.csv docs/bound.svg
"""

import io
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sparsebounds.experiments.shared.files import write_files
from sparsebounds.experiments.shared.rows import read_rows
from sparsebounds.experiments.shared.style import LOOK

TASK, FORM, SEED = "mnist10-filters", "boxes", 0
GAMMA = 1.0
PARTS = (("ramp", "mean ramp", "#E69F00"), ("complexity", "+ complexity", "#0072B2"),
         ("confidence", "+ confidence", "#CC79A7"))  # fmt: skip


def draw_picture(row: "pd.Series[float]") -> Figure:
    """Two panels: margins of a sample under the ramp, and the parts of one committed certificate.

    Args:
        row: of results/certificates/rows.csv.
    """
    figure = Figure(figsize=(8.4, 3.1), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    _margins(left)
    _parts(right, row)
    return figure


def _margins(axis: Axes) -> None:
    """A schema: a bell of margins, and the loss that each of them costs."""
    margin = np.linspace(-1.5, 5.0, 400)
    axis.fill_between(
        margin, np.exp(-(((margin - 2.2) / 1.1) ** 2)), color="#BBBBBB", lw=0, label="margins (schematic)"
    )
    axis.plot(margin, np.clip(1 - margin / GAMMA, 0, 1), color="#E69F00", lw=2, label="ramp: 1 at 0 and below, 0 at γ")
    axis.axvline(0.0, color="#000000", lw=0.8, ls=":")
    axis.set_xticks([0.0, GAMMA], ["0", "γ"])
    axis.set_yticks([0.0, 1.0])
    axis.set_ylim(-0.04, 1.5)
    axis.set_xlabel("margin: score of the label − best other score")
    axis.set_title("1. What the sample shows", loc="left")
    axis.legend(frameon=False, loc="upper right", fontsize=7)


def _parts(axis: Axes, row: "pd.Series[float]") -> None:
    start = 0.0
    for key, label, colour in PARTS:
        height = float(row[key])
        axis.barh([0.55], [height], 0.3, left=[start], color=colour, label=f"{label} {height:.3f}")
        start += height
    value, error = np.ceil(row["value"] * 1000) / 1000, float(row["test_error"])
    axis.plot([start, start], [0.35, 1.0], color="#000000", lw=1)
    axis.text(start, 0.83, f"bound {value:.3f} ", ha="right", va="bottom")
    axis.plot([error, error], [0.4, 0.7], color="#000000", lw=2, label=f"error on test images {error:.3f}")
    axis.set_ylim(-0.9, 1.1)
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)
    axis.set_xlim(0, 1.1 * start)
    axis.set_xlabel("error on new images")
    axis.set_title("2. What is added to it", loc="left")
    axis.legend(frameon=False, loc="lower left", fontsize=7)


def picture_svg(rows: pd.DataFrame) -> bytes:
    """The picture as SVG that depends on nothing but the rows."""
    row = rows[(rows["task"] == TASK) & (rows["form"] == FORM) & (rows["seed"] == SEED)].iloc[0]
    buffer = io.BytesIO()
    with matplotlib.rc_context({**LOOK, "svg.hashsalt": "sparsebounds", "svg.fonttype": "path"}):
        draw_picture(row).savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, facecolor="white")
    return buffer.getvalue()


def main(arguments: list[str]) -> None:
    """Two arguments: the committed certificates, and the picture."""
    if len(arguments) != 2:
        sys.exit("usage: python -m sparsebounds.experiments.report.picture ROWS.csv PICTURE.svg")
    picture = Path(arguments[1])
    write_files(picture.parent, {picture.name: picture_svg(read_rows(Path(arguments[0])))})


if __name__ == "__main__":
    main(sys.argv[1:])
