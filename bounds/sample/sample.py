"""What a bound needs from the data, measured once: energies, margins, class counts."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from sparsebounds.bounds.graph.evaluation import activations
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.sample.batches import batches
from sparsebounds.bounds.sample.checks import check_classes, check_sample
from sparsebounds.bounds.sample.file import read, write
from sparsebounds.bounds.sample.fingerprints import fingerprints
from sparsebounds.bounds.sample.front_end import Received
from sparsebounds.bounds.sample.margins import margins_of
from sparsebounds.bounds.sample.ramps import Ramps

PREPROCESSING = ("fixed", "sample")
_HIDDEN = ("hidden", "reference_hidden")
_OPTIONAL = ("class_fourths", "largest", "largest_norm", "fingerprints")
_DTYPES: dict[str, Any] = {
    **dict.fromkeys(("energies", "class_energies", "margins", "class_fourths", "largest"), np.float64),
    "class_counts": np.int64,
    "fingerprints": np.uint64,
}


@dataclass(frozen=True, eq=False)
class HiddenEnergies:
    """Σ_i z² of one layer's values over the sample, float64 of shape (positions, channels), read-only."""

    energies: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "energies", _frozen(self.energies, np.float64))


@dataclass(frozen=True, eq=False)
class Sample:
    """A labelled sample as the bounds see it: sums over the samples, never the samples themselves.

    All arrays are float64 (counts int64) and read-only. `energies` holds Σ_i x_ij² for every input
    coordinate j, `class_energies` the same per label, `margins` the m values f_y − max_{r≠y} f_r.
    `preprocessing` says where the constants of the inputs' normalisation come from: "fixed" (chosen without
    this sample) or "sample" (its own mean or deviation; a bound computed from it is then no certificate).
    `hidden` maps the index of a layer in a graph to the energies of that layer's values, `reference_hidden`
    the same for a reference network.

    A measured sample also has, float64: `class_fourths` (C, …), Σ_i x_ij⁴ per label, which with `class_energies` gives
    the variance of x_ij²; `largest` (…), max_i |x_ij|; `largest_norm`, max_i ‖x_i‖₂; and `fingerprints` (m,), a hash
    of each input (see `fingerprints`), by which samples that must not meet are told apart. One built by hand may lack
    them (None).

    Example:
        >>> import numpy as np
        >>> x = np.array([[3.0, 0.0], [0.0, 4.0]], dtype=np.float32)
        >>> sample = Sample.measure(lambda x: x, x, np.array([0, 1]))
        >>> sample.energies.tolist(), sample.margins.tolist(), sample.train_error
        ([9.0, 16.0], [3.0, 4.0], 0.0)
    """

    m: int
    classes: int
    energies: np.ndarray
    class_energies: np.ndarray
    margins: np.ndarray
    class_counts: np.ndarray
    preprocessing: str = "fixed"
    hidden: Mapping[int, HiddenEnergies] = field(default_factory=dict)
    reference_hidden: Mapping[int, HiddenEnergies] = field(default_factory=dict)
    class_fourths: np.ndarray | None = None
    largest: np.ndarray | None = None
    largest_norm: float | None = None
    fingerprints: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name, dtype in _DTYPES.items():
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else _frozen(value, dtype))
        if self.largest_norm is not None:
            object.__setattr__(self, "largest_norm", float(self.largest_norm))
        object.__setattr__(self, "m", int(self.m))
        object.__setattr__(self, "classes", int(self.classes))
        object.__setattr__(self, "preprocessing", str(self.preprocessing))
        for name in _HIDDEN:
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))
        _check(self)

    @classmethod
    def measure(
        cls,
        f: Any,
        x: Any,
        y: Any,
        graph: Graph | None = None,
        reference: Graph | None = None,
        preprocessing: str = "fixed",
        *,
        batch_size: int = 256,
    ) -> Self:
        """Pass once over the data, in batches, summing in float64.

        Args:
            f: function of one batched input giving (batch, C) scores, or a Flax NNX module (left as it was).
            x: (m, …) inputs, exactly the tensors the network receives; or what a front end made of them
                (`FrontEnd.receive`): the energies are then those behind it, the fingerprints those before it.
            y: (m,) integer labels 0..C-1.
            graph: the network as read by `read_graph`, to keep the energies of its hidden layers too.
            reference: a graph with other weights (an initialisation), to keep its hidden energies.
            preprocessing: "fixed" or "sample", see the class.
            batch_size: samples per call of f.

        Returns:
            Sample; its sums are exact up to float64 rounding.

        Raises:
            ValueError: an empty sample, wrong shapes, labels that are not integers 0..C-1 or all the same,
                inputs or scores that are not finite, a single-output network, an unknown preprocessing.

        Example:
            >>> import numpy as np
            >>> Sample.measure(lambda x: x, np.eye(3), np.array([0, 1, 2]), batch_size=2).m
            3
        """
        if preprocessing not in PREPROCESSING:
            raise ValueError(f"preprocessing is {preprocessing!r}; it is one of {', '.join(map(repr, PREPROCESSING))}")
        marks = x.fingerprints if isinstance(x, Received) else None
        x, labels = check_sample(x.values if isinstance(x, Received) else x, y)
        if (labels == labels[0]).all():
            raise ValueError(
                f"all {len(labels)} samples have label {labels[0]}; margins compare classes: "
                "a sample in which two or more labels occur is needed"
            )
        sums = _Sums(x.shape, labels, graph, reference, marks)
        for batch in batches(f, x, batch_size=batch_size):
            sums.add(batch)
        return cls(preprocessing=preprocessing, **sums.result())

    @property
    def train_error(self) -> float:
        """Share of the sample with margin ≤ 0."""
        return float(np.mean(self.margins <= 0))

    def ramp(self, gamma: float) -> float:
        """Mean ramp loss min(1, max(0, 1 − M/γ)); between the error and `margin_error(gamma)`.

        Example:
            >>> s = Sample(2, 2, np.ones(1), np.ones((2, 1)) / 2, np.array([0.5, 2.0]), np.array([1, 1]))
            >>> s.ramp(1.0)
            0.25
        """
        return float(np.mean(np.clip(1.0 - self.margins / _gamma(gamma), 0.0, 1.0)))

    def ramps(self, gammas: np.ndarray) -> np.ndarray:
        """`ramp` at many γ, up to rounding: float64 of their shape."""
        return self._ramps.at(gammas)

    @cached_property
    def _ramps(self) -> Ramps:
        return Ramps(self.margins)

    def margin_error(self, gamma: float) -> float:
        """Share of the sample with margin ≤ γ."""
        return float(np.mean(self.margins <= _gamma(gamma)))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the sample as .npz, beside and then renamed: a file that exists is whole.

        Args:
            path: the file, by custom ending in .npz; its folder must exist.

        Example:
            >>> import tempfile
            >>> s = Sample(2, 2, np.ones(1), np.ones((2, 1)) / 2, np.array([0.5, 2.0]), np.array([1, 1]))
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     s.save(folder + "/s.npz")
            ...     Sample.load(folder + "/s.npz").margins.tolist()
            [0.5, 2.0]
        """
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in _HIDDEN:
            values[name] = {index: held.energies for index, held in values[name].items()}
        values = {name: value for name, value in values.items() if value is not None}
        write(path, values)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote, and check it as if it were measured.

        Raises:
            FileNotFoundError: no such file.
            ValueError: a damaged file, another kind of file, or numbers that contradict each other.
        """
        required = {f.name for f in fields(cls)} - {*_HIDDEN, *_OPTIONAL}
        values = read(path, required=required, mappings=_HIDDEN, optional=_OPTIONAL)
        for name in _HIDDEN:
            values[name] = {index: HiddenEnergies(held) for index, held in values[name].items()}
        try:
            return cls(**values)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{os.fspath(path)}: {error}") from error


class _Sums:
    """The running float64 sums of one pass."""

    def __init__(self, shape: tuple[int, ...], labels: np.ndarray, graph: Any, reference: Any, marks: Any) -> None:
        self.labels, self.marks = labels, marks
        self.shape = shape[1:]
        self.margins = np.empty(shape[0])
        self.class_energies: np.ndarray | None = None
        self.class_fourths: np.ndarray | None = None
        self.largest = np.zeros(self.shape)
        self.largest_norm = 0.0
        self.fingerprints = np.empty(shape[0], dtype=np.uint64)
        self.graphs = {"hidden": graph, "reference_hidden": reference}
        self.hidden: dict[str, dict[int, np.ndarray]] = {name: {} for name in self.graphs}

    def add(self, batch: Any) -> None:
        labels, classes = self.labels[batch.where], batch.scores.shape[1]
        if self.class_energies is None:
            check_classes(self.labels, classes)
            self.class_energies = np.zeros((classes, *self.shape))
            self.class_fourths = np.zeros_like(self.class_energies)
        assert self.class_fourths is not None
        squares = np.square(batch.values)
        rows = squares.reshape(len(labels), -1)
        one_hot = (labels[:, None] == np.arange(classes)).astype(np.float64)
        self.class_energies += (one_hot.T @ rows).reshape(self.class_energies.shape)
        self.class_fourths += (one_hot.T @ np.square(rows)).reshape(self.class_energies.shape)
        np.maximum(self.largest, np.abs(batch.values).max(axis=0), out=self.largest)
        self.largest_norm = max(self.largest_norm, math.sqrt(float(rows.sum(axis=1).max())))
        self.fingerprints[batch.where] = fingerprints(batch.inputs) if self.marks is None else self.marks[batch.where]
        self.margins[batch.where] = margins_of(batch.scores, labels)
        for name, graph in self.graphs.items():
            if graph is not None:
                _add_hidden(self.hidden[name], graph, batch.inputs)

    def result(self) -> dict[str, Any]:
        assert self.class_energies is not None
        classes = len(self.class_energies)
        return {
            "m": len(self.labels),
            "classes": classes,
            "energies": self.class_energies.sum(axis=0),
            "class_energies": self.class_energies,
            "class_fourths": self.class_fourths,
            "largest": self.largest,
            "largest_norm": self.largest_norm,
            "fingerprints": self.fingerprints,
            "margins": self.margins,
            "class_counts": np.bincount(self.labels, minlength=classes),
            **{name: {k: HiddenEnergies(v) for k, v in sums.items()} for name, sums in self.hidden.items()},
        }


def _add_hidden(sums: dict[int, np.ndarray], graph: Graph, inputs: Any) -> None:
    for index, values in enumerate(activations(graph, np.asarray(inputs))):
        energy = np.sum(np.square(values), axis=0)
        sums[index] = sums[index] + energy if index in sums else energy


def _gamma(gamma: float) -> float:
    if not (np.isfinite(gamma) and gamma > 0):
        raise ValueError(f"gamma is {gamma!r}; a margin above 0 is needed")
    return float(gamma)


def _frozen(value: Any, dtype: Any) -> np.ndarray:
    array = np.array(value, dtype=dtype)
    array.setflags(write=False)
    return array


def _check(s: Sample) -> None:
    """Refuse a sample whose parts contradict each other (a file edited by hand, a wrong constructor call)."""
    hidden = [h.energies for name in _HIDDEN for h in getattr(s, name).values()]
    problems = {
        "m must be at least 1": s.m < 1,
        "there must be two or more classes": s.classes < 2,
        f"margins must have shape ({s.m},)": s.margins.shape != (s.m,),
        f"class_counts must have shape ({s.classes},)": s.class_counts.shape != (s.classes,),
        "class_counts must be ≥ 0 and sum to m": (s.class_counts < 0).any() or s.class_counts.sum() != s.m,
        "class_energies must be (C, …) over energies": s.class_energies.shape != (s.classes, *s.energies.shape),
        "energies must be finite and ≥ 0": not _proper(s.energies) or not _proper(s.class_energies),
        "hidden energies must be finite and ≥ 0": not all(map(_proper, hidden)),
        "class_fourths must be like class_energies": not _like(s.class_fourths, s.class_energies),
        "largest must be like energies": not _like(s.largest, s.energies),
        "largest_norm must be finite and ≥ 0": s.largest_norm is not None and not 0 <= s.largest_norm < math.inf,
        "there must be one fingerprint per margin": s.fingerprints is not None and s.fingerprints.shape != (s.m,),
        "margins must be finite": not np.isfinite(s.margins).all(),
        f"preprocessing must be one of {PREPROCESSING}": s.preprocessing not in PREPROCESSING,
    }
    wrong = [text for text, failed in problems.items() if failed]
    if not wrong and not np.allclose(s.class_energies.sum(axis=0), s.energies, rtol=1e-9, atol=0.0):
        wrong.append("class_energies must sum to energies")
    if wrong:
        raise ValueError(f"this is no sample: {'; '.join(wrong)}; measure it with Sample.measure")


def _like(array: np.ndarray | None, other: np.ndarray) -> bool:
    return array is None or (array.shape == other.shape and _proper(array))


def _proper(array: np.ndarray) -> bool:
    return bool(np.isfinite(array).all() and (array >= 0).all())
