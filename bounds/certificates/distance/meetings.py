"""Whether certified samples can pass for independent of the prior: copies, overlaps, normalisation by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt64

from sparsebounds.bounds.certificates.distance.prior import Prior
from sparsebounds.bounds.sample.fingerprinting import as_fingerprints, fingerprints
from sparsebounds.bounds.sample.normalised import looks_normalised
from sparsebounds.bounds.sample.overlap import overlap, shared
from sparsebounds.bounds.sample.repetitions import REPETITIONS, Copies, input_space, repeats, within

PREPROCESSING = {
    "fixed": "",
    "stated": "",
    "sample": "no certificate: the inputs were normalised by statistics of the sample itself",
}
APPARENT = (
    "no certificate: the inputs look normalised by statistics of the sample itself; "
    'preprocessing="stated" says that the constants were fixed without it'
)


@dataclass(frozen=True)
class _Marks:
    fingerprints: UInt64[np.ndarray, " n"]
    input_space: float | None
    repetitions: str
    near: None = None


@dataclass(frozen=True)
class Meetings:
    """What was found.

    Args:
        copied: samples that repeat another or shaped the prior, taken for coincidence: they count as errors.
        objections: why no certificate follows.
        notes: what a reader must know.
    """

    copied: Bool[np.ndarray, " m"]
    objections: tuple[str, ...]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, x: Any, prior: Prior, left_out: Any, preprocessing: str, repetitions: str) -> Meetings:
        """Compare the inputs with each other and with those that shaped the prior.

        Raises:
            ValueError: unknown preprocessing or repetitions, fingerprints that are none.
        """
        for name, given, known in (
            ("preprocessing", preprocessing, tuple(PREPROCESSING)), ("repetitions", repetitions, REPETITIONS),
        ):  # fmt: skip
            if given not in known:
                raise ValueError(f"{name} is {given!r}; it is one of {', '.join(map(repr, known))}")
        marks = _Marks(fingerprints(x), input_space(x), repetitions)
        copied = np.zeros(len(marks.fingerprints), dtype=bool)
        objections = [APPARENT if preprocessing == "fixed" and looks_normalised(x) else PREPROCESSING[preprocessing]]
        notes: list[str] = []
        inside = within(marks.fingerprints, marks.input_space, repetitions)
        found: list[tuple[Copies, Any]] = [(inside, repeats(marks.fingerprints))]
        for shaped in (prior.shaped_by, left_out):
            if shaped is not None and len(shaped):
                other = _Marks(as_fingerprints(shaped), marks.input_space, repetitions)
                found.append((overlap(marks, other), shared(marks, other)))
        for copies, which in found:
            if copies.coincidence:
                copied |= which
            (objections if copies.excluded else notes).append(copies.note)
        return cls(copied, tuple(o for o in objections if o), tuple(n for n in notes if n))
