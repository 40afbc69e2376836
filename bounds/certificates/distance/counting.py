"""One sample and one prior: what no draw changes is looked at once, so that every draw costs one pass."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt64

from sparsebounds.bounds.certificates.distance.drawn import Draw
from sparsebounds.bounds.certificates.distance.errors import Passes
from sparsebounds.bounds.certificates.distance.forms import Counts
from sparsebounds.bounds.certificates.distance.meetings import Meetings
from sparsebounds.bounds.certificates.distance.prior import Prior
from sparsebounds.bounds.sample.checks import check_sample


class Counting:
    """Args:
    f, x, y, left_out, preprocessing, repetitions, batch_size: as for `distance_certificate`.
    prior: of all draws that are counted.
    """

    def __init__(
        self,
        f: Callable[[Any, Any], Any],
        prior: Prior,
        x: Any,
        y: Any,
        *,
        left_out: UInt64[np.ndarray, " n"] | None = None,
        preprocessing: str = "fixed",
        repetitions: str = "counted",
        batch_size: int = 1024,
    ) -> None:
        inputs, labels = check_sample(x, y)
        self.prior = prior
        self.meetings = Meetings.of(inputs, prior, left_out, preprocessing, repetitions)
        self._passes = Passes(f, inputs, labels, batch_size)

    def counts(self, drawn: Draw, *, reference: bool) -> Counts:
        """Errors of a draw and, where they are asked for, of the reference beside them.

        Raises:
            ValueError: a draw from another prior, or whose weights changed.
        """
        if drawn.prior is not self.prior:
            raise ValueError("the draw comes from another prior than these samples were counted with")
        if not drawn.unchanged():
            raise ValueError(
                "the weights changed since the draw; only those that were drawn are covered: draw anew after the last "
                "change"
            )
        wrong = self._passes.wrong(drawn.params)
        base = self._reference if reference else np.ones(len(wrong), dtype=bool)
        more = self.prior.own_errors if self.prior.own_unused else None
        return Counts.of(wrong, base, self.meetings.copied, more or (0, 0))

    @cached_property
    def _reference(self) -> Bool[np.ndarray, " m"]:
        return self._passes.wrong(self.prior.reference)
