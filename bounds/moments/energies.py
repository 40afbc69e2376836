"""Upper confidence bounds on expected energies, for the one-sided form of Theorem 3.

With X = x_j² · 1[y ∈ S] in [0, R²] and its sample variance V, empirical Bernstein says, w.p. ≥ 1 − ε,

    E X ≤ mean X + √(2 V log(2/ε) / m) + 7 R² log(2/ε) / (3(m − 1)).

All coordinates j, all sets S of labels and the frequencies P(y ∈ S) hold together: ε = δ / (their number).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.bound import NotCovered
from sparsebounds.bounds.confidence.bernstein import bernstein_upper
from sparsebounds.bounds.confidence.binomial import binomial_upper
from sparsebounds.bounds.moments.margin_forms import MOST_CLASSES
from sparsebounds.bounds.moments.tree import Tree
from sparsebounds.bounds.sample.sample import Sample


@dataclass(frozen=True, eq=False)
class EnergiesUpper:
    """m times upper bounds on E x_j² 1[y ∈ S] and on P(y ∈ S), for sets S fixed in advance; valid all together.

    Each is computed when it is asked for: those of a thousand classes together are as large as the sample.
    """

    sample: Sample
    reach: float
    """The largest x_j²."""
    fixed: frozenset[frozenset[int]]
    """The sets S; the whole and every single class are always there."""
    log_inverse: float
    """log(1/ε) of each."""

    def of(self, weights: Float64[np.ndarray, " C"]) -> tuple[Float64[np.ndarray, " ..."], float]:
        """m times upper bounds on E λ(y)² x_j² and E λ(y)², for weights λ² of the labels with at most two values.

        A set that was not fixed in advance (of a tree chosen after looking) is the sum of its classes.
        """
        low, high = float(weights.min()), float(weights.max())
        whole = self._fixed(frozenset(range(self.sample.classes)))
        if high == low:
            return low * whole[0], low * whole[1]
        if not np.isin(weights, (low, high)).all():
            raise ValueError(f"weights {weights.tolist()}; needed at most two different ones")
        part = self._set(frozenset(np.flatnonzero(weights == high).tolist()))
        return low * whole[0] + (high - low) * part[0], low * whole[1] + (high - low) * part[1]

    def _set(self, labels: frozenset[int]) -> tuple[Float64[np.ndarray, " ..."], float]:
        if labels in self.fixed:
            return self._fixed(labels)
        parts = [self._fixed(frozenset([r])) for r in sorted(labels)]
        return np.sum([p[0] for p in parts], axis=0), math.fsum(p[1] for p in parts)

    def _fixed(self, labels: frozenset[int]) -> tuple[Float64[np.ndarray, " ..."], float]:
        """Of a set that was fixed in advance: like one input, number."""
        if labels not in self._found:
            sample, chosen = self.sample, sorted(labels)
            assert sample.class_fourths is not None
            mean, square = (_over(a, chosen) / sample.m for a in (sample.class_energies, sample.class_fourths))
            upper = np.minimum(bernstein_upper(mean, square, self.reach, sample.m, self.log_inverse), self.reach)
            count = int(sample.class_counts[chosen].sum())
            self._found[labels] = sample.m * upper, sample.m * binomial_upper(count, sample.m, -self.log_inverse)
        return self._found[labels]

    @cached_property
    def _found(self) -> dict[frozenset[int], tuple[Float64[np.ndarray, " ..."], float]]:
        return {}


def _over(of_classes: Float64[np.ndarray, "C ..."], chosen: list[int]) -> Float64[np.ndarray, " ..."]:
    """The sum over some classes; over all of them without a copy."""
    return (of_classes if len(chosen) == len(of_classes) else of_classes[chosen]).sum(axis=0)


def energies_upper(
    sample: Sample,
    pixel_range: tuple[float, float],
    sets: Iterable[Iterable[int]] = (),
    *,
    delta: float,
    nats: float = 0.0,
) -> EnergiesUpper:
    """Upper bounds on the expected energies of all coordinates, for sets of labels fixed before looking.

    Args:
        sample: measured, so that it has the fourth moments and the largest values.
        pixel_range: (lo, hi), between which every coordinate lies as the network receives it; known in advance.
        sets: of labels, beside the whole and the single classes.
        delta: failure probability of all of them together.
        nats: log(1/weight) of the configuration; in logs, as δ times a weight may be too small for a float.

    Returns:
        EnergiesUpper: every energy and frequency not below the expected one, w.p. ≥ 1 − δ e^{−nats}.

    Raises:
        ValueError: coordinates of the sample outside the range, or m below 2.
        NotCovered: a sample without fourth moments.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.uniform(size=(4000, 2)).astype(np.float32), rng.integers(0, 2, 4000)
        >>> upper = energies_upper(Sample.measure(lambda x: x, x, y), (0.0, 1.0), delta=0.01)
        >>> energies, count = upper.of(np.array([1.0, 0.0]))
        >>> bool((energies > 4000 / 6).all()), 2000 < count < 2200  # E x² 1[y = 0] = 1/6
        (True, True)
    """
    reach = _checked_range(sample, pixel_range) ** 2
    everything = frozenset(range(sample.classes))
    wanted = {everything, *(frozenset([r]) for r in everything), *(frozenset(s) for s in sets)}
    log_inverse = math.log(len(wanted) * (sample.energies.size + 1) / delta) + nats
    if sample.m < 2:
        raise ValueError(f"m={sample.m} samples; the empirical variance needed at least 2")
    return EnergiesUpper(sample, reach, frozenset(wanted), log_inverse)


def energy_forms(
    sample: Sample, pixel_range: tuple[float, float] | None, tree: Tree, *, delta: float, nats: float = 0.0
) -> tuple[EnergiesUpper | None, ...]:
    """The plain form (None) and, where the range of the inputs is known in advance, the one-sided form.

    Args:
        sample: measured.
        pixel_range: see `peeling`; None where it is not known.
        tree: fixed without looking at the sample; its sets of classes get energies of their own.
        delta: of the whole certificate. Either form gets half of it; the one-sided form spends half of its half on the
            energies, which hold with probability 1 − δ/4.
        nats: log(1/weight) of the configuration: the energies hold with probability 1 − weight·δ/4.

    Returns:
        One entry per form.

    Raises:
        ValueError: coordinates of the sample outside the range.
        NotCovered: a sample without fourth moments.

    Example:
        >>> import numpy as np
        >>> s = Sample.measure(lambda x: x, np.eye(2), np.array([0, 1]))
        >>> [type(form).__name__ for form in energy_forms(s, (0.0, 1.0), Tree.balanced(2), delta=0.01)]
        ['NoneType', 'EnergiesUpper']
    """
    if pixel_range is None:
        return (None,)
    sets = [split.classes for split in tree.splits] if sample.classes <= MOST_CLASSES else []
    return (None, energies_upper(sample, pixel_range, sets, delta=delta / 4, nats=nats))


def _checked_range(sample: Sample, pixel_range: tuple[float, float]) -> float:
    """max |x| that the range allows."""
    low, high = (float(v) for v in pixel_range)
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"pixel_range={pixel_range}; needed two finite numbers, the smaller one first")
    if sample.largest is None or sample.class_fourths is None:
        raise NotCovered("the sample has no fourth moments and largest values; measure it with Sample.measure")
    reach = max(abs(low), abs(high))
    if float(sample.largest.max(initial=0.0)) > reach * (1 + 1e-6):
        raise ValueError(
            f"a coordinate of the sample has |x| = {float(sample.largest.max()):.6g}, outside "
            f"pixel_range={pixel_range}; give the range of what the network receives"
        )
    return reach * (1 + 1e-6)
