"""What one pass over the data gathers: every statistic with what a batch adds to it and which theorem needs it.

A new statistic is an entry of `STATISTICS` and the field of `Sample` that bears its name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64, Int, UInt64

from sparsebounds.bounds.sample.batch import Batch
from sparsebounds.bounds.sample.fingerprinting import fingerprints, near_marks
from sparsebounds.bounds.sample.margins import margins_of

Kind = Literal["sum", "maximum", "per sample"]
Over = Literal["class and coordinate", "coordinate", "sample", "sample and kind", "all"]


@dataclass(frozen=True, eq=False)
class LabelledBatch:
    """A batch with its labels, and what several statistics need of it, computed once."""

    batch: Batch
    labels: Int[np.ndarray, " B"]
    marks: UInt64[np.ndarray, " B"] | None = None
    """Fingerprints of what the inputs were before a front end."""

    @cached_property
    def squares(self) -> Float64[np.ndarray, "B D"]:
        """x_ij², float64 (B, D)."""
        return np.square(self.batch.values).reshape(len(self.labels), -1)

    def add_by_class(self, rows: Float64[np.ndarray, "B D"], sums: Float64[np.ndarray, "C ..."]) -> None:
        """Add (B, D) rows to the sums of their classes; those of classes that do not occur are not touched."""
        for label in np.unique(self.labels):
            sums[label] += rows[self.labels == label].sum(axis=0).reshape(sums.shape[1:])


@dataclass(frozen=True)
class Statistic:
    """One field of a `Sample` that is gathered in the pass.

    Args:
        name: the field.
        kind: how batches are joined: summed by class, the larger one taken, or one value per sample kept in order.
        over: what its entries belong to, hence its shape.
        needed_by: the theorems that read it.
        of: what one batch contributes; of a sum, the rows (B, D) of its samples.
        dtype: of the joined array.
    """

    name: str
    kind: Kind
    over: Over
    needed_by: str
    of: Callable[[LabelledBatch], np.ndarray] = field(repr=False)
    dtype: Any = np.float64

    def shape(self, m: int, classes: int, coordinates: tuple[int, ...]) -> tuple[int, ...]:
        """Its shape for m samples of inputs of shape `coordinates`."""
        shapes: dict[str, tuple[int, ...]] = {"sample": (m,), "sample and kind": (m, 2), "all": ()}
        shapes |= {"coordinate": coordinates, "class and coordinate": (classes, *coordinates)}
        return shapes[self.over]

    def scaled(self, value: np.ndarray | float, factor: float) -> Any:
        """The statistic if there were `factor` times as many samples like these; None where nobody can say."""
        if self.kind == "per sample":
            return None
        return value * factor if self.kind == "sum" else value


def _fingerprints(part: LabelledBatch) -> np.ndarray:
    return fingerprints(part.batch.inputs) if part.marks is None else part.marks


STATISTICS = (
    Statistic(
        "margins",
        "per sample",
        over="sample",
        needed_by="every bound: ramp losses and shares of margins at most γ",
        of=lambda part: margins_of(part.batch.scores, part.labels),
    ),
    Statistic(
        "class_energies",
        "sum",
        over="class and coordinate",
        needed_by="every bound on a class of networks; theorem 2 by class",
        of=lambda part: part.squares,
    ),
    Statistic(
        "class_fourths",
        "sum",
        over="class and coordinate",
        needed_by="theorem 3 (`moments.energies`): the variance of x_ij²",
        of=lambda part: np.square(part.squares),
    ),
    Statistic(
        "largest",
        "maximum",
        over="coordinate",
        needed_by="theorem 3, boxes and `limits`: whether the sample is inside the range said in advance",
        of=lambda part: np.abs(part.batch.values).max(axis=0),
    ),
    Statistic(
        "largest_norm",
        "maximum",
        over="all",
        needed_by="`limits` (long_sedghi, ledent, pac_bayes): whether it is within the bound said in advance",
        of=lambda part: np.sqrt(part.squares.sum(axis=1).max()),
    ),
    Statistic(
        "fingerprints",
        "per sample",
        over="sample",
        needed_by="certificates: that no sample left out is among those certified",
        of=_fingerprints,
        dtype=np.uint64,
    ),
    Statistic(
        "near",
        "per sample",
        over="sample and kind",
        needed_by="held_out: that no near copy of a test sample was trained on",
        of=lambda part: near_marks(part.batch.inputs),
        dtype=np.uint64,
    ),
)
"""All of them; `energies` and `class_counts` of a `Sample` follow from these and the labels."""


class Gathered:
    """The statistics of the batches so far."""

    def __init__(self) -> None:
        self.parts: dict[str, list[np.ndarray]] = {statistic.name: [] for statistic in STATISTICS}

    def add(self, part: LabelledBatch) -> None:
        """Join one more batch."""
        for statistic in STATISTICS:
            new, held = np.asarray(statistic.of(part)), self.parts[statistic.name]
            if statistic.kind == "sum":
                if not held:  # zeros that are never written to take no memory
                    held.append(np.zeros((part.batch.scores.shape[1], *part.batch.values.shape[1:])))
                part.add_by_class(new, held[0])
            elif statistic.kind == "per sample" or not held:
                held.append(new)
            else:
                np.maximum(held[0], new, out=held[0])

    def result(self) -> dict[str, Any]:
        """Name → array, over all batches; unwritable, so that nobody has to copy them."""
        found = {
            statistic.name: np.concatenate(held) if statistic.kind == "per sample" else held[0]
            for statistic in STATISTICS
            if (held := self.parts[statistic.name])
        }
        for array in found.values():
            array.setflags(write=False)
        return found
