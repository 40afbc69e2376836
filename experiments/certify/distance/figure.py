"""The figure of a distance certificate: what a step away from the reference gains and costs."""

from __future__ import annotations

from typing import Any

import matplotlib
from matplotlib.figure import Figure

from sparsebounds.experiments.shared.style import LOOK, png


def figure(found: dict[str, Any]) -> bytes:
    """Certificate and test error against the step size, the held-out bound of the reference as a line; a PNG."""
    with matplotlib.rc_context(LOOK):
        drawing = Figure(figsize=(6.4, 4.0), layout="constrained")
        _draw(drawing.add_subplot(), found)
        return png(drawing)


def _draw(axes: Any, found: dict[str, Any]) -> None:
    tried = found["tried"]
    by_size = {one["strength"]: one for one in sorted(tried, key=lambda one: -one["value"])}  # the best of each
    sizes = sorted(by_size)
    if sizes:
        axes.plot(sizes, [by_size[s]["value"] for s in sizes], "o-", label="certificate of a rehearsed draw")
        if found["test_error"] is not None:
            axes.plot(sizes, [by_size[s]["test_error"] for s in sizes], "s--", label="its test error")
        best = min(tried, key=lambda one: one["value"])["strength"]
        axes.set_xscale("log")
    else:
        best = 1.0
        axes.set_xticks([])
    axes.plot([best], [found["value"]], "*", markersize=14, label="the certificate")
    if found["test_error"] is not None:
        axes.plot([best], [found["test_error"]], "x", markersize=9, label="test error")
    for name, row in found["held_out"].items():
        if name.startswith("reference"):
            axes.axhline(row["value"], color="0.4", linestyle=":", label="held-out bound of the frozen reference")
    axes.set_xlabel("step size λ" if sizes else "nothing left out")
    axes.set_ylabel("error")
    axes.set_ylim(0, 1.1 * axes.dataLim.ymax)  # the star stands in full
    axes.set_title(
        f"Error of {found['network']}, certified on m = {found['m']} samples, δ = {found['delta']:g}", fontsize=10
    )
    axes.legend(fontsize=8)
