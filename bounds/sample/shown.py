"""A sample in one line, and as a notebook shows it."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparsebounds.bounds.notebook import card
from sparsebounds.bounds.printed import nearest


def short(sample: Any) -> str:
    """Size, classes, shape, error.

    Example:
        >>> from sparsebounds.bounds.sample.sample import Sample
        >>> Sample.measure(lambda x: x, np.eye(2, dtype=np.float32), np.array([0, 1]))
        <Sample: m = 2, 2 classes, inputs 2, training error 0 %>
    """
    return f"<Sample: {_size(sample)}, training error {nearest(100 * sample.train_error, 3)} %>"


def html(sample: Any) -> str:
    """The same, with margins, counts and what was declared."""
    quarters = " · ".join(nearest(q) for q in np.quantile(sample.margins, (0.0, 0.25, 0.5, 0.75, 1.0)))
    counts = f"{sample.class_counts.min()} to {sample.class_counts.max()}"
    rows = [
        ("training error", f"{nearest(100 * sample.train_error, 3)} %"),
        ("margins: least, quartiles, largest", quarters),
        ("samples of a class", counts),
        ("preprocessing", sample.preprocessing),
        ("repetitions", sample.repetitions),
    ]
    return card(f"Sample: {_size(sample)}", rows, {"note": sample.unchecked})


def _size(sample: Any) -> str:
    shape = "×".join(map(str, sample.energies.shape)) or "1"
    return f"m = {sample.m}, {sample.classes} classes, inputs {shape}"
