"""What every certificate asks of its sample: every class has samples, and nothing left out is certified."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt64

from sparsebounds.bounds.sample.fingerprinting import as_fingerprints
from sparsebounds.bounds.sample.sample import Sample


def check_every_class(sample: Sample) -> None:
    """Raise ValueError if a class that the network scores has no sample: a slip far more often than a wish."""
    missing = np.flatnonzero(sample.class_counts == 0)
    if len(missing):
        raise ValueError(
            f"no sample has the label {missing[0]}, one of {sample.classes}; a certificate needs samples of every "
            "class that the network scores: draw more, all classes alike (samples added for one class alone are no "
            "independent draw), or certify the network without that score"
        )


def check_left_out(sample: Sample, left_out: UInt64[np.ndarray, " n"] | None) -> None:
    """Raise ValueError if a sample that had to be left out is among the certified ones.

    Args:
        sample: the certified samples.
        left_out: fingerprints of what shaped the front end, the weights or the grids; None where nothing did.

    Raises:
        ValueError: an overlap, something else than fingerprints, or a sample without any.

    Example:
        >>> s = Sample.measure(lambda x: x, np.eye(2), np.array([0, 1]))
        >>> check_left_out(s, s.fingerprints[:1])
        Traceback (most recent call last):
        ...
        ValueError: 1 of the 2 certified samples were among those left out; certify on samples that shaped nothing
    """
    if left_out is None:
        return
    marks = as_fingerprints(left_out)
    if sample.fingerprints is None:
        raise ValueError(
            "the sample has no fingerprints to compare with those left out; measure it with Sample.measure"
        )
    shared = int(np.isin(sample.fingerprints, marks).sum())
    if shared:
        raise ValueError(
            f"{shared} of the {sample.m} certified samples were among those left out; "
            "certify on samples that shaped nothing"
        )
