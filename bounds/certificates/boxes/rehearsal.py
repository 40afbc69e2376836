"""Boxes from a rehearsal: a network trained on samples that are left out of the certificate.

Letters β, κ, B: docs/theory.md, "Boxes".
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, UInt64

from sparsebounds.bounds.certificates.boxes.centred import Centred
from sparsebounds.bounds.certificates.boxes.family import Boxes
from sparsebounds.bounds.certificates.boxes.moments import pairs
from sparsebounds.bounds.moments.margin_forms import MarginForm


def box_of_rehearsal(
    form: MarginForm,
    rows: Float64[np.ndarray, "R N"],
    means: Float64[np.ndarray, "C N"],
    largest: Float64[np.ndarray, " inputs"],
    *,
    shaped_by: UInt64[np.ndarray, " n"] | None,
    side_floor: float,
    size_floor: float,
) -> Boxes:
    """The class that a rehearsal suggests: β = |D| + floor · mean, its signs, κ² = its energies with a floor.

    Args:
        form: of the margin step, along a tree fixed without the certified samples.
        rows: (R, K + 1) the rehearsal's rows, the bias last.
        means: (C, K + 1): Σ over the left-out samples of a class of x_j² and of 1, over their number.
        largest: (K,): B of the inputs.
        shaped_by: fingerprints of the left-out samples, as they were before any front end; None says that whatever
            they passed through refuses them already.
        side_floor, size_floor: shares of a row's mean weight, and of its mean size, that every input gets.

    Returns:
        Boxes; the rehearsal has a_S = 1 in it.
    """
    size = np.abs(rows)
    sides = size + side_floor * size.mean(axis=1, keepdims=True)
    sides *= np.divide(size, sides, out=np.zeros_like(size), where=sides > 0).max(axis=1, keepdims=True)
    sizes = _sizes(form, means, size_floor)
    signs = np.where(rows < 0, -1.0, 1.0)
    return Boxes(
        form,
        sides,
        signs,
        sizes,
        np.append(largest, 1.0),
        name="boxes of a rehearsal, with its signs",
        shaped_by=shaped_by,
    )


def box_around_rehearsal(
    form: MarginForm,
    rows: Float64[np.ndarray, "R N"],
    means: Float64[np.ndarray, "C N"],
    largest: Float64[np.ndarray, " inputs"],
    *,
    width: float,
    shaped_by: UInt64[np.ndarray, " n"] | None,
    side_floor: float,
    size_floor: float,
) -> Centred:
    """The class around a rehearsal: D⁰ its rows, h = width · max(|D⁰|, floor · mean), κ² its energies with a floor.

    Args:
        form, rows, means, largest, shaped_by: as for `box_of_rehearsal`.
        width: h beside |D⁰|, of a list that is paid for where it was chosen after looking; the smaller, the more the
            rehearsal decides.
        side_floor, size_floor: shares of a row's mean weight, and of its mean size, below which no weight counts.

    Returns:
        Centred; c = 1 holds the rehearsal.

    Raises:
        ValueError: a width that is not positive.
    """
    if not 0.0 < width < np.inf:
        raise ValueError(f"width {width!r}: needed a positive number, what h is beside the rehearsal's weights")
    size = np.abs(rows)
    halves = width * np.maximum(size, side_floor * size.mean(axis=1, keepdims=True))
    return Centred(
        form,
        np.asarray(rows, dtype=np.float64),
        halves,
        _sizes(form, means, size_floor),
        np.append(largest, 1.0),
        name=f"boxes around a rehearsal, h = {width:g} of its weights",
        shaped_by=shaped_by,
    )


def _sizes(form: MarginForm, means: Float64[np.ndarray, "C N"], floor: float) -> Float64[np.ndarray, "pairs N"]:
    """κ of every pair: the root mean squares, none below a share of the row's mean."""
    roots = np.sqrt(form.weights @ means)[[k for _, k in pairs(form)]]
    return np.maximum(roots, floor * roots.mean(axis=1, keepdims=True))
