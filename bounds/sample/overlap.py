"""Test samples that were trained on: what exchangeability allows, by exact fingerprints and by those of near copies.

If training and test samples are independent draws of one distribution, whatever it is, their union is as likely in any
other order: which of its members were trained on is a random choice. The number of test samples that have an input of
the training sample is compared with that of `SPLITS` random choices; if it is above all of them, which happens with
probability at most 1/(SPLITS + 1), the repeats within both do not explain it (docs/theory.md).
"""

from __future__ import annotations

import math

import numpy as np

from sparsebounds.bounds.sample.repetitions import Copies, Marked, judged

SPLITS = 999
KINDS = ("rounded to 8 bits", "up to scale and shift")
"""What the columns of `near` call equal."""
_DRAWN_APART = "needed test samples that had no part in training"


def shared(test: Marked, sample: Marked) -> np.ndarray:
    """Which inputs of `test` are in `sample` too: bool (n,), or (0,) where fingerprints are missing."""
    if test.fingerprints is None or sample.fingerprints is None:
        return np.zeros(0, dtype=bool)
    return np.isin(test.fingerprints, sample.fingerprints)


def overlap(test: Marked, sample: Marked) -> Copies:
    """The rules for inputs of test samples that were trained on.

    Args:
        test: samples that should have had no part in training.
        sample: the training sample.

    Returns:
        The verdict; without fingerprints its note says that nothing was checked.
    """
    if test.fingerprints is None or sample.fingerprints is None:
        return Copies(0, note="without fingerprints of both: whether they were trained on was not checked")
    number, n, m = int(shared(test, sample).sum()), len(test.fingerprints), len(sample.fingerprints)
    said = "have an input of the training sample"
    if more_than_chance(test.fingerprints, sample.fingerprints):
        return _excluded(number, n, said)
    if test.near is not None and sample.near is not None:
        for ours, theirs, kind in zip(test.near.T, sample.near.T, KINDS, strict=True):
            if more_than_chance(ours, theirs):
                return _excluded(int(np.isin(ours, theirs).sum()), n, f"{said}, {kind}")
    spaces = (test.input_space, sample.input_space)
    space = max(math.inf if s is None else s for s in spaces)
    stated = "natural" if "natural" in (test.repetitions, sample.repetitions) else "counted"
    return judged(number, n, float(n) * m, space, stated, said)


def _excluded(number: int, of: int, said: str) -> Copies:
    note = f"no certificate: {number} of {of} samples {said}, and repeats within either do not explain it"
    return Copies(number, excluded=True, note=f"{note}; {_DRAWN_APART}")


def more_than_chance(test: np.ndarray, train: np.ndarray) -> bool:
    """Whether more of `test` occurs in `train` than in each of `SPLITS` random splits of both together.

    Example:
        >>> marks = np.arange(40, dtype=np.uint64)
        >>> more_than_chance(marks, marks), more_than_chance(marks[:9], marks), more_than_chance(marks % 4, marks % 4)
        (True, True, False)
    """
    both = np.concatenate([train, test])
    _, group, counts = np.unique(both, return_inverse=True, return_counts=True)
    again = counts[group] > 1
    order = np.argsort(group[again], kind="stable")
    tested = (np.arange(len(both)) >= len(train))[again][order]
    starts = np.concatenate([[0], np.cumsum(counts[counts > 1])])[:-1]
    sizes = counts[counts > 1]
    observed = _shared_of(tested, starts, sizes)
    rng = np.random.default_rng(0)
    for _ in range(SPLITS if observed else 0):
        drawn = np.zeros(len(tested), dtype=bool)
        drawn[rng.permutation(len(tested))[: rng.hypergeometric(len(test), len(train), len(tested))]] = True
        if _shared_of(drawn, starts, sizes) >= observed:
            return False
    return observed > 0


def _shared_of(tested: np.ndarray, starts: np.ndarray, sizes: np.ndarray) -> int:
    """How many are test samples in a group that is not all test samples."""
    if not len(starts):
        return 0
    inside = np.add.reduceat(tested.astype(np.int64), starts)
    return int(inside[inside < sizes].sum())
