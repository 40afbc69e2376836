"""The picture of the `architectures` experiment: networks against rows, filled where there is a number."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from sparsebounds.experiments.reproduce.architectures.matrix import without_files
from sparsebounds.experiments.shared.style import LOOK, save

COLOURS = ListedColormap(["#F0F0F0", "#0072B2"])


def draw_matrix(rows: pd.DataFrame, path: Path) -> None:
    """A filled cell for every row that counts; networks of files are left to the page."""
    rows = without_files(rows)
    networks, names = list(dict.fromkeys(rows["network"])), list(dict.fromkeys(rows["bound"]))
    filled = rows.pivot(index="network", columns="bound", values="counts").loc[networks, names].to_numpy(np.float64)
    with matplotlib.rc_context(LOOK):
        figure = Figure(figsize=(10.5, 1.8 + 0.28 * len(networks)), layout="constrained")
        axis = figure.subplots()
        axis.imshow(filled, cmap=COLOURS, vmin=0, vmax=1, aspect="auto")
        axis.set_xticks(range(len(names)), [name.replace("_", " ") for name in names], rotation=60, ha="right")
        totals = [f"{name}  ({int(count)})" for name, count in zip(networks, filled.sum(axis=1), strict=True)]
        axis.set_yticks(range(len(networks)), totals)
        axis.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
        axis.set_yticks(np.arange(len(networks) + 1) - 0.5, minor=True)
        axis.grid(which="minor", color="white", linewidth=1.5)
        axis.tick_params(which="both", length=0)
        save(figure, path)
