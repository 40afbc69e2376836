"""The picture of the `dynamic` experiment: channels over time and layer by layer, against chance."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sparsebounds.experiments.shared.style import LOOK, save

COLOURS = {
    "dense": "#000000", "random": "#7F7F7F", "erk": "#56B4E9", "set": "#009E73", "rigl": "#E69F00", "chase": "#D55E00",
}  # fmt: skip
LABELS = {"dense": "dense", "random": "static random", "erk": "static ERK", "set": "SET", "rigl": "RigL",
          "chase": "Chase"}  # fmt: skip


def draw_dynamic(rows: pd.DataFrame, path: Path) -> None:
    """Sparse channels and channels left over epochs; spread and density of every layer at the end. Means over seeds."""
    masked = rows[rows["method"] != "dense"]
    network, layers = masked[masked["part"] == "network"], masked[masked["part"] == "layer"]
    with matplotlib.rc_context(LOOK):
        figure = Figure(figsize=(10.5, 7.6), layout="constrained")
        first, second, third, fourth = figure.subplots(2, 2).ravel()
        _over_time(first, network, "below", "share of channels below 0.8 × layer's density", "below_random")
        network = network.assign(gone=1 - network["alive"] / network["channels"])
        _over_time(second, network, "gone", "share of channels without a weight")
        last = layers[layers["epoch"] == layers["epoch"].max()]
        ratio = (last["spread"] / last["spread_random"]).where(last["spread_random"] > 0)
        _by_layer(third, last.assign(ratio=ratio), "ratio", "spread of channel densities / that of a random mask")
        third.axhline(1.0, color="#BBBBBB", lw=0.8, zorder=0)
        _by_layer(fourth, last, "density", "density of the layer (SET and RigL: that of ERK)")
        fourth.set_yscale("log")
        first.legend(frameon=False, fontsize=8, ncols=2)
        save(figure, path)


def _over_time(axis: Axes, rows: pd.DataFrame, value: str, label: str, chance: str = "") -> None:
    for method, part in rows.groupby("method", sort=False):
        means = part.groupby("epoch")[[value, *([chance] if chance else [])]].mean()
        axis.plot(means.index, means[value], "o-", ms=3, color=COLOURS[str(method)], label=LABELS[str(method)])
        if chance:
            axis.plot(means.index, means[chance], ":", color=COLOURS[str(method)], lw=1)
    axis.set_xlabel("epoch" + ("   (dotted: expected of a random mask, same layer densities)" if chance else ""))
    axis.set_ylabel(label)
    axis.set_ylim(bottom=0)


def _by_layer(axis: Axes, rows: pd.DataFrame, value: str, label: str) -> None:
    order = sorted(rows["layer"].unique(), key=_depth)
    for method, part in rows.groupby("method", sort=False):
        means = part.groupby("layer")[value].mean().reindex(order)
        axis.plot(np.arange(len(order)), means, "o-", ms=4, lw=0.8, color=COLOURS[str(method)])
    names = [name.removesuffix(".v").removesuffix(".kernel") for name in order]
    axis.set_xticks(np.arange(len(order)), names, rotation=35, ha="right")
    axis.set_ylabel(label)


def _depth(layer: str) -> tuple[int, str]:
    """Stem first, dense layer last."""
    return {"stem": 0, "dense": 2}.get(layer.split(".")[0], 1), layer
