"""How much is trained, by preset: epochs, and the least number of steps where samples are few."""

from __future__ import annotations

import math
from dataclasses import dataclass

BATCH = 100
MOST = 500
"""Epochs, however few the samples are."""
BUDGETS = (2.0, 5.0, 10.0, 20.0)
"""Nats that a posterior may spend beside δ in the direct form, configuration included: written down in advance."""
LARGER = (50.0, 100.0, 200.0, 500.0)
"""Those of the excess form, which needs no list."""


@dataclass(frozen=True)
class Recipe:
    """Settings of every stage; none of them is paid for: they shape the reference, the scales or the posterior.

    Args:
        reference, scales, near: epochs.
        free: epochs with nothing left out, with cross-entropy and with 1 − p_y.
        steps: the least number of steps of reference, scales, near, and of each half with nothing left out.
        strengths: step sizes λ that are tried with rehearsed draws, see `nets.train_near`.
        rehearsals: budgets that are tried with each of them.
        rate: learning rate of the reference.
    """

    reference: int
    scales: int
    near: int
    free: tuple[int, int]
    steps: tuple[int, int, int, int]
    strengths: tuple[float, ...]
    rehearsals: int
    rate: float = 2e-3

    def epochs(self, stage: str, samples: int) -> int:
        """Of a stage on so many samples.

        Example:
            >>> RECIPES["cpu"].epochs("near", 30000), RECIPES["cpu"].epochs("near", 700)
            (3, 72)
        """
        stages = ("reference", "scales", "near")
        return max(getattr(self, stage), _passes(self.steps[stages.index(stage)], samples))

    def free_epochs(self, samples: int) -> tuple[int, int]:
        """Of the two halves with nothing left out."""
        least = _passes(self.steps[3], samples)
        return max(self.free[0], least), max(self.free[1], least)


def _passes(steps: int, samples: int) -> int:
    """Over the samples, until so many steps are done; of a handful of samples no more than `MOST`."""
    return min(math.ceil(steps / math.ceil(samples / BATCH)), MOST)


RECIPES = {
    "quick": Recipe(3, 1, 1, (2, 2), (600, 300, 200, 600), (1.0,), 1),
    "report": Recipe(8, 4, 2, (8, 8), (3000, 800, 400, 800), (0.3,), 2, rate=1e-2),
    "cpu": Recipe(20, 6, 3, (12, 12), (2000, 1000, 500, 4000), (0.1, 0.3, 1.0), 2),
}
