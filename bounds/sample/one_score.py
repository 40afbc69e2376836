"""One score per input that is no score: a probability, or the number of a class."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float64

ENOUGH = 20
"""Of fewer samples all scores may lie between 0 and 1 by chance."""


class OneScore:
    """Looks at the scores (0, d) of a pass for d that are never below 0 nor above 1.

    (0, d) says class 1 wherever d > 0. A probability says so from one half on, and a class number never means 0 < 1.

    Example:
        >>> seen = OneScore()
        >>> seen.add(np.array([[0.0, 0.2], [0.0, 0.9]] * 10))
        >>> seen.check("sample")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: the network returns one score d for each input of the sample, all of them from 0 to 1, as ...
    """

    def __init__(self) -> None:
        self.count, self.first, self.low, self.high = 0, 0.0, math.inf, -math.inf

    def add(self, scores: Float64[np.ndarray, "B C"]) -> None:
        """Those of one more batch."""
        self.count += len(scores)
        self.first = max(self.first, float(np.abs(scores[:, 0]).max())) if scores.shape[1] == 2 else math.inf
        self.low, self.high = min(self.low, float(scores[:, -1].min())), max(self.high, float(scores[:, -1].max()))

    def check(self, what: str) -> None:
        """Raise ValueError where that is what they look like."""
        if self.count >= ENOUGH and self.first == 0.0 <= self.low < self.high <= 1.0:
            raise ValueError(
                f"the network returns one score d for each input of the {what}, all of them from 0 to 1, as "
                "probabilities and numbers of classes are; d stands for the scores (0, d), class 1 wherever d > 0: "
                "return the logit, or p - 0.5 of a probability p, and the scores in place of a class"
            )
