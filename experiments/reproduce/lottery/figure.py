"""The picture of the `lottery` experiment: one panel per law."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sparsebounds.experiments.reproduce.lottery.summary import EXPECTED, line, n50
from sparsebounds.experiments.shared.style import LOOK, save

POINT, FIT, OTHER = "#0072B2", "#D55E00", "#7F7F7F"


def draw_laws(rows: pd.DataFrame, path: Path) -> None:
    """N50 against r, rate against √r, noisy error against √(r/N), error against the cut share of the teacher."""
    with matplotlib.rc_context(LOOK):
        figure = Figure(figsize=(9.5, 7.2), layout="constrained")
        first, second, third, fourth = figure.subplots(2, 2).ravel()
        halves = n50(rows)
        _panel(first, halves["r"], halves["n50"], "non-zeros r per neuron", "N₅₀: samples at which half succeed")
        r = np.array([halves["r"].min(), halves["r"].max()])
        expected = f"expected {EXPECTED['slope']} r − {-EXPECTED['intercept']}"
        first.plot(r, EXPECTED["slope"] * r + EXPECTED["intercept"], ":", color=OTHER, label=expected)
        first.legend(frameon=False)
        rate, noise, mask = (rows[rows["part"] == part] for part in ("rate", "noise", "mask"))
        _panel(second, np.sqrt(rate["r"]), rate["value"], "√r", "1 − ν per step at β = 0", rate["spread"])
        x = np.sqrt(noise["r"] / noise["samples"])
        _panel(third, x, noise["value"], "√(r/N)", "relative error with noise", noise["spread"])
        cut, label = mask["cut_norm"], "relative error with a wrong mask"
        _panel(fourth, cut, mask["value"], "cut share of the teacher, ‖W*∖M‖/‖W*‖", label, mask["spread"])
        fourth.plot(cut, cut, ":", color=OTHER, label="cut share itself")
        fourth.legend(frameon=False)
        save(figure, path)


def _panel(axis: Axes, x: Any, y: Any, x_label: str, y_label: str, spread: Any = None) -> None:
    x, y = np.asarray(x, float), np.asarray(y, float)
    axis.errorbar(x, y, yerr=spread, fmt="o", ms=4, color=POINT, lw=1)
    fit = line(x, y)
    ends = np.array([np.nanmin(x), np.nanmax(x)])
    sign = "+" if fit["intercept"] >= 0 else "−"
    label = f"{fit['slope']:.3g} x {sign} {abs(fit['intercept']):.3g}, R² = {fit['r2']:.4f}"
    axis.plot(ends, fit["slope"] * ends + fit["intercept"], "-", color=FIT, label=label)
    axis.set_xlabel(x_label)
    axis.set_ylabel(y_label)
    axis.legend(frameon=False)
