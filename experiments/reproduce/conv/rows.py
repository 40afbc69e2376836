"""The rows of one CONV-L-H at one epoch: the five curves as coded, and every theorem of `bounds.BOUNDS`."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sparsebounds import bounds, nets
from sparsebounds.experiments.reproduce.conv.data import NORMALISATIONS, FigureData
from sparsebounds.experiments.reproduce.conv.published import figure1_from_numbers, measure_network
from sparsebounds.experiments.shared.snapshot import take_snapshot

AS_CODED, THEOREM = "as coded", "theorem"
CODED_NOTE = "a figure's formula with its slips, see experiments/reproduce/conv/published.py; no guarantee"
PAID_NOTE = f"the normalisation is one of {NORMALISATIONS:.0e} fixed in advance, each with its share of δ"
COLUMNS = (
    "dataset", "network", "depth", "width", "epoch", "step", "loss", "rho", "form", "bound", "nodes", "gap_bound",
    "value", "margin_error", "complexity", "confidence", "gamma", "guarantee", "train_error",
    "test_error", "test_error_se", "gap", "seconds", "note",
)  # fmt: skip


def rows_of(model: nets.ConvNet, data: FigureData, about: Mapping[str, Any], *, delta: float) -> list[dict[str, Any]]:
    """All rows of a network; `gap_bound` is what both panels of a figure draw.

    Args:
        model: the network, without biases.
        data: what it was trained on.
        about: columns that are the same in every row.
        delta: probability that a certificate fails; the formulas as coded take the same.

    Returns:
        Rows of form "as coded" (their value is gap_bound, an expression for test error − train error) and of form
        "theorem" (gap_bound = complexity + confidence, the complexity before its cap at 1, for curves that can be told
        apart; value = margin_error + complexity + confidence). A theorem's certificate has paid for the choice of the
        normalisation.
    """
    snapshot = take_snapshot(model, data.dataset, delta=delta / NORMALISATIONS, every=True)
    theorems = [_theorem(row) for row in snapshot.rows]
    errors = {name: theorems[0][name] for name in ("train_error", "test_error", "test_error_se", "gap")}
    coded = [row | errors for row in coded_rows(model, data, delta=delta)]
    return [{**row, **about} for row in coded + theorems]


def coded_rows(model: nets.ConvNet, data: FigureData, *, delta: float) -> list[dict[str, Any]]:
    """The five formulas as the authors' figure evaluates them: of the weights and the images alone."""
    height, width, _ = data.dataset.in_shape
    kernels = [np.asarray(conv.kernel()) for conv in model.convolutions()]
    numbers = measure_network(kernels, np.asarray(model.dense.kernel[...]), height, width)
    values = figure1_from_numbers(numbers, data.images, data.samples, delta)
    common = {"form": AS_CODED, "guarantee": "published", "nodes": "", "note": CODED_NOTE}
    return [{**common, "bound": name, "value": value, "gap_bound": value} for name, value in values.items()]


def is_complete(rows: list[dict[str, Any]]) -> bool:
    """Whether every bound that there is now has its row."""
    return set(bounds.BOUNDS) <= {row["bound"] for row in rows if row["form"] == THEOREM}


def _theorem(row: Mapping[str, Any]) -> dict[str, Any]:
    guarantee, note = row["guarantee"], row["note"]
    if row["value"] == row["value"]:
        # δ can be shared between maps, an expectation cannot.
        guarantee = "published" if guarantee == "expectation" else guarantee
        note = "; ".join(text for text in (note, PAID_NOTE if guarantee == "certificate" else "") if text)
    gap_bound = row["uncapped"] + row["confidence"]
    return {**row, "form": THEOREM, "guarantee": guarantee, "note": note, "gap_bound": gap_bound}
