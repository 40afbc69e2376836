"""Slopes of activations: part of the architecture where they are customary, otherwise paid for like trained numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

CUSTOMARY = (0.0, 0.01, 0.02, 0.05, 0.1, 1 / 6, 11 / 48, 0.2, 0.25, 0.3, 1 / 3, 0.5, 1.0)
"""Slopes below zero that people write down: ReLU, the defaults of the frameworks, RReLU at inference, no activation."""
ASSUMES = "ReLU or leaky ReLU (a slope that is not customary is paid for, as if it had been trained)"
"""What a bound says that pays `slope_prices`."""
NATS = 31 * math.log(2.0)
"""float32 numbers in [0, 1] are fewer than 2^30; the last factor 2 pays for how many distinct slopes there are."""


def slope_prices(slopes: Sequence[float]) -> dict[str, float]:
    """What slopes cost that a network may have learned (PReLU): a class fixes its activations, and a slope is a number.

    Σ over distinct slopes of 31 log 2, and for every layer the choice among them.

    Args:
        slopes: of all layers below the scores.

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
    other = {slope for slope in slopes if all(abs(slope - known) > 1e-6 for known in CUSTOMARY)}
    if not other:
        return {}
    layers = sum(slope != 1.0 for slope in slopes)
    # A layer has one of the learned slopes or, all counted as one more option, the one that was written down.
    return {"slopes of activations": len(other) * NATS + layers * math.log(len(other) + 1)}
