"""Slopes of activations: part of the architecture where they are customary, otherwise paid for like trained numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

CUSTOMARY = (0.0, 0.01, 0.02, 0.05, 0.1, 1 / 6, 11 / 48, 0.2, 0.25, 0.3, 1 / 3, 0.5, 1.0)
"""Slopes below zero that people write down: ReLU, the defaults of the frameworks, RReLU at inference, no activation."""
ASSUMES = "ReLU or leaky ReLU (a slope that is not customary is paid for, as if it had been trained)"
"""What a bound says that pays `slope_prices`."""
BITS = {"float64": 63, "float32": 31, "float16": 15, "bfloat16": 15}
"""Numbers in [0, 1] are fewer than 2^62, 2^30, 2^14; the last factor 2 pays for how many distinct slopes there are."""


def slope_prices(slopes: Sequence[float], numbers: Sequence[str] | None = None) -> dict[str, float]:
    """What slopes cost that a network may have learned (PReLU): a class fixes its activations, and a slope is a number.

    Σ over distinct slopes of 31 log 2 (float32), and for every layer the choice among them. A slope is customary if the
    number in the network is the customary one rounded to the network's own type.

    Args:
        slopes: of all layers below the scores.
        numbers: the type of the numbers of each; None: float32.

    Returns:
        {"slopes of activations": nats}; empty where all are customary, and then taken for the architecture's.

    Raises:
        ValueError: a slope outside [0, 1]: no bound of this library covers it.

    Example:
        >>> slope_prices([0.0, 0.3, 1.0])
        {}
        >>> round(slope_prices([0.0, 0.2371])["slopes of activations"] / math.log(2))
        33

    Source: theorem 3 of docs/theory.md, "what is paid".
    """
    for slope in slopes:
        if not 0.0 <= slope <= 1.0:
            raise ValueError(f"an activation with slope {slope} below zero; needed one between 0 and 1")
    kinds = ["float32"] * len(slopes) if numbers is None else numbers
    pairs = {(_rounded(slope, kind), kind) for slope, kind in zip(slopes, kinds, strict=True)}
    other = {(slope, kind) for slope, kind in pairs if all(slope != _rounded(known, kind) for known in CUSTOMARY)}
    if not other:
        return {}
    nats = sum(BITS.get(kind, max(BITS.values())) for _, kind in other) * math.log(2.0)
    layers = sum(slope != 1.0 for slope in slopes)
    # A layer has one of the learned slopes or, all counted as one more option, the one that was written down.
    return {"slopes of activations": nats + layers * math.log(len(other) + 1)}


def _rounded(number: float, kind: str) -> float:
    return float(np.asarray(number, dtype=jnp.dtype(kind)))
