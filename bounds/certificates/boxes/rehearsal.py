"""Boxes from a rehearsal: a network trained on samples that are left out of the certificate.

Letters β, κ, B: docs/theory.md, "Boxes".
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, UInt64

from sparsebounds.bounds.certificates.boxes.family import Boxes, pairs
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
    roots = np.sqrt(form.weights @ means)[[k for _, k in pairs(form)]]
    sizes = np.maximum(roots, size_floor * roots.mean(axis=1, keepdims=True))
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
