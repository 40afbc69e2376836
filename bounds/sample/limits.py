"""How large an input can be, known in advance: what theorems need that speak of all inputs, not of the sample."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.bound import NotCovered
from sparsebounds.bounds.graph.terms import Dot
from sparsebounds.bounds.sample.sample import Sample

Range = tuple[float | np.ndarray, float | np.ndarray]
MISSING = (
    "the theorem needs the largest norm that an input can have: give input_bound= (a norm), "
    "or pixel_range=(low, high) of the tensors that the network receives"
)


def largest_norm(sample: Sample, input_bound: float | None, pixel_range: Range | None) -> float:
    """χ ≥ ‖x‖₂ for every input that can occur.

    Args:
        sample: its energies must not contradict the bound.
        input_bound: χ itself, or None.
        pixel_range: (lowest, highest) value of a coordinate, numbers or arrays that broadcast to one input, or None.

    Returns:
        χ: the smaller of the two.

    Raises:
        NotCovered: neither was given.
        ValueError: not a positive finite number, low > high, or a sample that shows larger inputs.

    Example:
        >>> x = np.array([[3.0, 4.0], [0.0, 1.0]])
        >>> sample = Sample.measure(lambda x: x, x, np.array([0, 1]))
        >>> largest_norm(sample, None, (0.0, 5.0)) == 50**0.5, largest_norm(sample, 5.0, None)
        (True, 5.0)
    """
    squares = coordinate_squares(sample, pixel_range)
    candidates = [] if squares is None else [math.sqrt(float(squares.sum()))]
    if input_bound is not None:
        if not 0.0 < input_bound < math.inf:
            raise ValueError(f"input_bound={input_bound}; needed the largest norm of an input, positive and finite")
        mean = math.sqrt(float((sample.energies / sample.m).sum()))
        seen = mean if sample.largest_norm is None else sample.largest_norm
        if seen > input_bound * (1 + 1e-6):
            raise ValueError(f"input_bound={input_bound}; the inputs of the sample have norm {seen:.6g}")
        candidates.append(float(input_bound))
    if not candidates:
        raise NotCovered(MISSING)
    return min(candidates)


def largest_patch(sample: Sample, dot: Dot, input_bound: float | None, pixel_range: Range | None) -> float:
    """Not below the norm of what one row of the first layer can read.

    Args:
        sample, input_bound, pixel_range: as in `largest_norm`.
        dot: the first layer; it reads the input itself.

    Returns:
        At most `largest_norm`.

    Raises:
        NotCovered, ValueError: as in `largest_norm`.
    """
    norm = largest_norm(sample, input_bound, pixel_range)
    squares = coordinate_squares(sample, pixel_range)
    if squares is None:
        return norm
    flat, most = np.append(squares.ravel(), 0.0), 0.0  # ABSENT is −1
    for b in range(dot.taps.shape[0]):
        for start in range(0, dot.taps.shape[1], dot.taps.step):
            most = max(most, float(flat[dot.taps.rows(b, start, start + dot.taps.step)].sum(axis=1).max()))
    return min(norm, math.sqrt(most))


def coordinate_squares(sample: Sample, pixel_range: Range | None) -> Float64[np.ndarray, " ..."] | None:
    """The largest square of every coordinate, of the shape of one input; None without a range."""
    if pixel_range is None:
        return None
    low, high = (np.broadcast_to(np.asarray(v, dtype=np.float64), sample.energies.shape) for v in pixel_range)
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low <= high).all()):
        raise ValueError(f"pixel_range={pixel_range}; needed finite numbers (low, high) with low ≤ high")
    squares = np.square(np.maximum(np.abs(low), np.abs(high)))
    if not squares.any():
        raise ValueError(f"pixel_range={pixel_range} allows nothing but zero; needed the range of the inputs")
    seen = sample.energies / sample.m if sample.largest is None else np.square(sample.largest)
    if (seen > squares * (1 + 1e-6)).any():
        raise ValueError(
            f"pixel_range={pixel_range}; the sample has values outside: give the range after normalisation"
        )
    return squares
