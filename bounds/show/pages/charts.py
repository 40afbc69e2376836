"""The charts of a page, as Vega-Lite specifications made by Altair. Colours come from the page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import altair as alt
import numpy as np

from sparsebounds.bounds.bound import Bound
from sparsebounds.bounds.printed import upwards
from sparsebounds.bounds.sample.margins import Measured
from sparsebounds.bounds.show.layers import HeatMap
from sparsebounds.bounds.show.pictures import BAD, BLUE, COLOURS, NEUTRAL, PARTS, histogram, on_a_logarithmic_axis

MOST_BARS = 40
Spec = dict[str, Any]


def values_chart(found: Mapping[str, Bound]) -> Spec:
    """Every value on a logarithmic axis, a bar from 1: to the left it says something, to the right nothing."""
    drawn = on_a_logarithmic_axis(found)
    rows: list[dict[str, Any]] = [
        {"bound": name, "value": bound.value, "verdict": bound.verdict, "shown": upwards(bound.value), "one": 1.0}
        for name, bound in drawn.items()
    ]
    words = [word for word in COLOURS if any(row["verdict"] == word for row in rows)]
    values = [bound.value for bound in drawn.values()]
    least, most = min(values, default=0.5), max(values, default=2.0)
    domain = [min(0.5, least / 1.3), max(2.0, most * 1.3)]
    base = alt.Chart(alt.Data(values=rows)).encode(y=alt.Y("bound:N", sort=list(drawn), title=None))
    bars = base.mark_bar(clip=True).encode(
        x=alt.X(
            "value:Q",
            scale=alt.Scale(type="log", domain=domain, nice=False),
            title="value, logarithmic",
            axis=alt.Axis(labelOverlap="greedy", labelSeparation=6),
        ),
        x2="one:Q",
        color=alt.Color(
            "verdict:N",
            scale=alt.Scale(domain=words, range=[COLOURS[word] for word in words]),
            legend=alt.Legend(orient="top", title=None),
        ),
        tooltip=[alt.Tooltip("bound:N"), alt.Tooltip("shown:N", title="value"), alt.Tooltip("verdict:N")],
    )
    line = alt.Chart(alt.Data(values=[{"one": 1.0}])).mark_rule(strokeWidth=1.5).encode(x="one:Q")
    return _finished((bars + line).properties(width="container", height=18 * max(len(rows), 1)))


def margins_chart(sample: Measured, gamma: float) -> Spec:
    """The distribution of margins, the ramp of one γ above it."""
    found = histogram(sample.margins)
    rows = [
        {"from": a, "to": b, "share": share}
        for (a, b), share in zip(pairwise(found.edges.tolist()), found.shares.tolist(), strict=True)
    ]
    bars = alt.Chart(alt.Data(values=rows)).mark_bar(color=NEUTRAL).encode(
        x=alt.X("from:Q", bin="binned", title="margin (label's score less the best other)",
                scale=alt.Scale(nice=False)),
        x2="to:Q",
        y=alt.Y("share:Q", title="share of the sample", axis=alt.Axis(format="%")),
        tooltip=[alt.Tooltip("from:Q", format=".3g"), alt.Tooltip("to:Q", format=".3g"),
                 alt.Tooltip("share:Q", format=".2%")],
    )  # fmt: skip
    if not 0 < gamma < math.inf:
        return _finished(bars.properties(width="container", height=200))
    ramp = [{"margin": margin, "loss": loss} for margin, loss in found.ramp(gamma)]
    line = alt.Chart(alt.Data(values=ramp)).mark_line(color=BAD, strokeWidth=2.5).encode(
        x="margin:Q", y=alt.Y("loss:Q", title="ramp loss", scale=alt.Scale(domain=[0, 1.05])),
    )  # fmt: skip
    layered = alt.layer(bars, line).resolve_scale(y="independent")
    return _finished(layered.properties(width="container", height=200))


def parts_chart(found: Mapping[str, Bound]) -> Spec:
    """The three parts of some bounds, stacked: what the sample shows, the class, the price of δ and of choices."""
    rows = [
        {"bound": name, "part": words, "size": max(getattr(bound, part), 0.0), "place": place}
        for name, bound in found.items()
        for place, (part, (words, _)) in enumerate(PARTS.items())
    ]
    words, colours = zip(*PARTS.values(), strict=True)
    chart = alt.Chart(alt.Data(values=rows)).mark_bar().encode(
        y=alt.Y("bound:N", sort=list(found), title=None),
        x=alt.X("size:Q", title="value, part by part"),
        color=alt.Color("part:N", sort=words, legend=alt.Legend(orient="top", title=None),
                        scale=alt.Scale(domain=words, range=colours)),
        order="place:O",
        tooltip=["bound:N", "part:N", alt.Tooltip("size:Q", format=".4g")],
    )  # fmt: skip
    return _finished(chart.properties(width="container", height=22 * max(len(found), 1)))


def heat_chart(heat: HeatMap) -> Spec:
    """The energy of one layer, cell by cell."""
    rows = [
        {"row": i, "column": j, "energy": float(f"{heat.values[i, j]:.4g}")}
        for i, j in np.ndindex(*heat.values.shape)
    ]  # fmt: skip
    height, width = heat.values.shape
    chart = alt.Chart(alt.Data(values=rows)).mark_rect().encode(
        x=alt.X("column:O", axis=None),
        y=alt.Y("row:O", axis=None),
        color=alt.Color("energy:Q", scale=alt.Scale(scheme="viridis", zero=True), legend=None),
        tooltip=[alt.Tooltip("row:O"), alt.Tooltip("column:O"), alt.Tooltip("energy:Q", format=".4g")],
    )  # fmt: skip
    return _finished(chart.properties(width=150, height=max(14, min(150, round(150 * height / width)))))


def gains_chart(gains: Mapping[str, float]) -> Spec:
    """Layers by what shrinking them would take off."""
    rows = [{"layer": name, "gain": gain} for name, gain in list(gains.items())[:MOST_BARS]]
    chart = alt.Chart(alt.Data(values=rows)).mark_bar(color=BLUE).encode(
        y=alt.Y("layer:N", sort=[row["layer"] for row in rows], title=None),
        x=alt.X("gain:Q", title="taken off the complexity of galanti", axis=alt.Axis(format="%")),
        tooltip=["layer:N", alt.Tooltip("gain:Q", format=".1%")],
    )  # fmt: skip
    return _finished(chart.properties(width="container", height=22 * max(len(rows), 1)))


def _finished(chart: Any) -> Spec:
    found: Spec = chart.to_dict()
    found.pop("config", None)  # colours of axes and text: the page's own, light or dark
    if found.get("width") == "container":
        found["autosize"] = {"type": "fit-x", "contains": "padding"}
    return found
