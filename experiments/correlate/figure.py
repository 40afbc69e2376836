"""Two pictures: every statistic of every quantity, sorted; and one quantity against the gap."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sparsebounds.experiments.correlate.networks import Networks
from sparsebounds.experiments.shared.style import LOOK, save

PANELS = {
    "tau_gap": ("τ with the gap", (-1, 1)),
    "tau_error": ("τ with the test error", (-1, 1)),
    "psi": ("Ψ", (-1, 1)),
    "cmi": ("information", (0, 1)),
    "sign_error_p90": ("sign error, 90 %", (0, 1)),
}
COLOURS = {"bound": "C0", "measure": "C1", "own": "C2", "held out": "0.5"}


def draw_table(table: pd.DataFrame, path: Path) -> None:
    """Quantities as rows, statistics as panels, intervals as lines; in the order of the table."""
    shown = table[table["tau_gap"].notna()]
    panels = {name: said for name, said in PANELS.items() if shown[name].notna().any()}
    place = np.arange(len(shown))[::-1]
    with matplotlib.rc_context(LOOK):
        figure = Figure(figsize=(3 + 2 * len(panels), 1.2 + 0.16 * len(shown)), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, len(panels), sharey=True))
        for axis, (name, (title, limits)) in zip(axes, panels.items(), strict=True):
            for kind, colour in COLOURS.items():
                of = (shown["kind"] == kind).to_numpy()
                low, high = (shown[f"{name}_{end}"].to_numpy(float)[of] for end in ("low", "high"))
                axis.hlines(place[of], low, high, color=colour, alpha=0.4, linewidth=2)
                axis.plot(shown[name].to_numpy(float)[of], place[of], "o", color=colour, markersize=3, label=kind)
            axis.axvline(0.5 if name.startswith("sign_error") else 0, color="0.7", linewidth=0.8, zorder=0)
            axis.set(title=title, xlim=limits)
        axes[0].set_yticks(place, shown["quantity"], fontsize=7)
        axes[0].set_ylim(-1, len(shown))
        axes[-1].legend(loc="lower right", fontsize=7, frameon=False)
    save(figure, path)


def draw_scatter(networks: Networks, quantity: str, colour: str, path: Path) -> None:
    """One quantity against the gap, a point per network."""
    values, gap = networks.values[quantity].to_numpy(float), networks.errors["gap"].to_numpy()
    levels = networks.levels[colour]
    with matplotlib.rc_context(LOOK):
        figure = Figure(figsize=(5, 3.6), layout="constrained")
        axis = figure.subplots()
        for number, level in enumerate(sorted(levels.unique())):
            of = (levels == level).to_numpy() & np.isfinite(values)
            axis.plot(values[of], gap[of], "o", color=f"C{number % 10}", markersize=4, alpha=0.7, label=str(level))
        known = values[np.isfinite(values)]
        if known.size and known.min() > 0 and known.max() > 100 * known.min():
            axis.set_xscale("log")
        axis.set(xlabel=quantity, ylabel="test error − train error")
        axis.legend(title=colour, fontsize=7, frameon=False)
    save(figure, path)
