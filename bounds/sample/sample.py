"""What a bound needs from the data, measured once: energies, margins, class counts."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from jaxtyping import Float64, Int64, Shaped, UInt64

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers.input import one_hot
from sparsebounds.bounds.graph.program import Program
from sparsebounds.bounds.network import Network
from sparsebounds.bounds.plain import plain
from sparsebounds.bounds.sample.batches import Progress, batches
from sparsebounds.bounds.sample.file import read, write
from sparsebounds.bounds.sample.front_end import Received
from sparsebounds.bounds.sample.given import Arrays, handed
from sparsebounds.bounds.sample.margins import margins_of, unchecked
from sparsebounds.bounds.sample.normalised import check_preprocessing
from sparsebounds.bounds.sample.parts import check_parts, check_several
from sparsebounds.bounds.sample.probes import Probes, check_probes
from sparsebounds.bounds.sample.ramps import Ramps
from sparsebounds.bounds.sample.repetitions import Copies, check_repetitions, within
from sparsebounds.bounds.sample.shown import html, short
from sparsebounds.bounds.sample.statistics import STATISTICS, Gathered, LabelledBatch

MOST_ONES = 1 << 25
"""Ones and zeros of a batch of tokens, unless one input has more: 256 MiB."""
_PROBES = {"probe_inputs": np.float64, "probe_scores": np.float64}
_DTYPES: dict[str, Any] = {"energies": np.float64, "class_counts": np.int64} | _PROBES
_DTYPES |= {s.name: s.dtype for s in STATISTICS}


@dataclass(frozen=True, eq=False, repr=False)
class Sample:
    """A labelled sample as the bounds see it: sums over the samples, never the samples themselves.

    All arrays are float64 (counts int64) and read-only. `energies` holds Σ_i x_ij² for every input
    coordinate j, `class_energies` the same per label, `margins` the m values f_y − max_{r≠y} f_r.
    `preprocessing` says where the constants of the inputs' normalisation come from: "fixed" (chosen without
    this sample) or "sample" (its own mean or deviation; a bound computed from it is then no certificate). "fixed" is
    not believed where the inputs look normalised by themselves (`looks_normalised`): it becomes "apparent", and no
    bound is a certificate, unless "stated" says that these constants were fixed all the same.

    A measured sample has all that `STATISTICS` declares, float64: also `class_fourths` (C, …), Σ_i x_ij⁴ per label,
    which with `class_energies` gives the variance of x_ij²; `largest` (…), max_i |x_ij|; `largest_norm`, max_i ‖x_i‖₂;
    and `fingerprints` (m,), a hash of each input (see `fingerprints`; 8 bytes a sample), by which copies are found and
    samples that must not meet are told apart, and `near` (m, 2), two coarser ones of what the network receives, which
    near copies share. Besides, `input_space`, how many inputs are possible, `overlapping`, the share of those that look
    like windows of one series, and `repetitions`, "natural" where the caller states that the distribution itself
    repeats inputs (`copies` follows from these, see `bounds.sample.repetitions`); and `probe_inputs` (K, …) with
    `probe_scores` (K, C), some inputs with the scores of the pass, by which every bound checks that its graph is the
    network that was measured.

    Example:
        >>> import numpy as np
        >>> x = np.array([[3.0, 0.0], [0.0, 4.0]], dtype=np.float32)
        >>> sample = Sample.measure(lambda x: x, x, np.array([0, 1]))
        >>> sample.energies.tolist(), sample.margins.tolist(), sample.train_error
        ([9.0, 16.0], [3.0, 4.0], 0.0)
    """

    m: int
    classes: int
    energies: Float64[np.ndarray, "*input"]
    class_energies: Float64[np.ndarray, " C *input"]
    margins: Float64[np.ndarray, " m"]
    class_counts: Int64[np.ndarray, " C"]
    preprocessing: str = "fixed"
    class_fourths: Float64[np.ndarray, " C *input"] | None = None
    largest: Float64[np.ndarray, "*input"] | None = None
    largest_norm: float | None = None
    fingerprints: UInt64[np.ndarray, " m"] | None = None
    near: UInt64[np.ndarray, " m 2"] | None = None
    input_space: float | None = None
    overlapping: float | None = None
    repetitions: str = "counted"
    probe_inputs: Shaped[np.ndarray, " probes *input"] | None = None
    probe_scores: Float64[np.ndarray, " probes C"] | None = None

    def __post_init__(self) -> None:
        for name, dtype in _DTYPES.items():
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else _frozen(value, dtype))
        for name in ("largest_norm", "input_space", "overlapping"):
            if (number := getattr(self, name)) is not None:
                object.__setattr__(self, name, float(number))
        object.__setattr__(self, "m", int(self.m))
        object.__setattr__(self, "classes", int(self.classes))
        object.__setattr__(self, "preprocessing", str(self.preprocessing))
        object.__setattr__(self, "repetitions", str(self.repetitions))
        check_parts(self)

    @classmethod
    def measure(
        cls,
        f: Any,
        x: Any,
        y: Any = None,
        preprocessing: str = "fixed",
        *,
        repetitions: str = "counted",
        vocabulary: int | None = None,
        batch_size: int = 256,
        progress: Progress | None = None,
    ) -> Self:
        """Pass once over the data, in batches, summing in float64; several devices of JAX share every batch.

        Args:
            f: function of one batched input giving (batch, C) scores, or one score d per input, which stands for the
                scores (0, d); or a Flax NNX module (left as it was).
            x: (m, …) inputs, exactly the tensors the network receives; or what a front end made of them
                (`FrontEnd.receive`): the energies are then those behind it, the fingerprints those before it.
                A memory map is read piece by piece. Without y, an iterable of batches (x, y), of which one at a time
                is in memory: it is gone over once, and what is checked of all samples together is checked on the way.
                The originals alone, drawn independently: augmented copies differ from one another, so that no count of
                copies finds them, and are no samples; nor are several records of one source (a patient, a video, a
                series); a class-balanced or filtered selection speaks of its like alone. Features, projections and
                embeddings that these samples chose are paid for by no bound, and m was not chosen by what they say.
            y: (m,) integer labels 0..C-1; with two classes also −1 and 1.
            preprocessing: "fixed", "sample" or "stated", see the class.
            repetitions: "natural" if the distribution itself repeats inputs; "counted": copies are counted, and more
                than coincidence leaves no certificate (the rule is in `bounds.sample.repetitions`).
            vocabulary: V where the inputs are tokens 0 … V − 1 (`graph.input.vocabulary`): the energies are then those
                of vectors of ones and zeros, (…, V).
            batch_size: samples per call of f, at most; fewer of large inputs.
            progress: called after every batch as (what, samples done, how many there are or None).

        Returns:
            Sample; its sums are exact up to float64 rounding.

        Raises:
            ValueError: an empty sample, wrong shapes, labels that are not integers 0..C-1 or all the same,
                inputs or scores that are not finite, an unknown preprocessing or repetitions.

        Example:
            >>> import numpy as np
            >>> Sample.measure(lambda x: x, np.eye(3), np.array([0, 1, 2]), batch_size=2).m
            3
        """
        check_repetitions(repetitions)
        check_preprocessing(preprocessing)
        received = x if isinstance(x, Received) else None
        given, network = handed(x if received is None else received.values, y), Network.of(f)
        if isinstance(given, Arrays):
            check_several(len(given.labels), np.unique(given.labels))
        size = int(np.prod(given.example.shape[1:])) * (vocabulary or 1)
        gathered, probing = Gathered(), given.probing(size)
        counts = np.zeros(0, dtype=np.int64)
        together = batch_size if vocabulary is None else min(batch_size, max(1, MOST_ONES // size))
        for batch, labels in batches(network, given, batch_size=together, progress=progress):
            if vocabulary is not None:
                batch = replace(batch, values=one_hot(np.asarray(batch.inputs), vocabulary))
            counts = np.bincount(labels, minlength=batch.scores.shape[1]) + (counts if counts.size else 0)
            part = None if received is None else received.fingerprints[batch.where]
            gathered.add(LabelledBatch(batch, labels, part))
            probing.add(batch, labels, margins_of(batch.scores, labels))
        check_several(int(counts.sum()), np.flatnonzero(counts))
        found, probes = gathered.result(), probing.result()
        return cls(
            m=int(counts.sum()),
            classes=len(counts),
            energies=found["class_energies"].sum(axis=0),
            class_counts=counts,
            preprocessing=given.believed(preprocessing, numbers=vocabulary is None),
            input_space=(given if received is None else received).input_space,
            overlapping=(given if received is None else received).overlapping,
            repetitions=repetitions,
            probe_inputs=probes.inputs,
            probe_scores=probes.scores,
            **found,
        )

    @property
    def train_error(self) -> float:
        """Share of the sample with margin ≤ 0."""
        return float(np.mean(self.margins <= 0))

    @cached_property
    def copies(self) -> Copies:
        """Inputs that repeat an earlier one, and whether they leave a certificate.

        Example:
            >>> x, f = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32), lambda x: x
            >>> again = Sample.measure(f, np.tile(x, (1000, 1)), np.arange(200_000) % 2, batch_size=10_000)
            >>> again.copies.number, again.copies.excluded
            (199800, True)
            >>> Sample.measure(f, np.eye(2)[[0, 1] * 5000], np.arange(10_000) % 2).copies.excluded
            False
        """
        return within(self.fingerprints, self.input_space, self.repetitions, self.overlapping)

    @property
    def unchecked(self) -> str:
        """What cannot be checked in a sample built by hand or read from an old file, and that it is no certificate."""
        return unchecked(self.fingerprints, self.probes, "Sample.measure")

    @cached_property
    def probes(self) -> Probes | None:
        """Some inputs and their scores in the pass; None where it was not measured."""
        if self.probe_inputs is None or self.probe_scores is None:
            return None
        return Probes(self.probe_inputs, self.probe_scores)

    def check_network(self, graph: Graph | Program) -> None:
        """Raise ValueError unless the graph gives the scores that were measured, on some of the inputs."""
        if self.probes is not None:
            check_probes(graph, self.probes)

    def ramp(self, gamma: float) -> float:
        """Mean ramp loss min(1, max(0, 1 − M/γ)); between the error and `margin_error(gamma)`.

        Example:
            >>> s = Sample(2, 2, np.ones(1), np.ones((2, 1)) / 2, np.array([0.5, 2.0]), np.array([1, 1]))
            >>> s.ramp(1.0)
            0.25
        """
        return float(np.mean(np.clip(1.0 - self.margins / _gamma(gamma), 0.0, 1.0)))

    def ramps(self, gammas: Float64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
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
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        write(path, {name: value for name, value in values.items() if value is not None})

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON takes them; `Sample(**…)` makes the same sample of it."""
        return {f.name: plain(getattr(self, f.name)) for f in fields(self)}

    def __repr__(self) -> str:
        return short(self)

    def _repr_html_(self) -> str:
        return html(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copied and pickled by its fields, checked and made read-only again."""
        return type(self), tuple(getattr(self, f.name) for f in fields(self))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote, and check it as if it were measured.

        Raises:
            FileNotFoundError: no such file.
            ValueError: a damaged file, another kind of file, or numbers that contradict each other.
        """
        optional = {f.name for f in fields(cls) if f.default is None} | {"repetitions"}  # older files lack it
        values = read(path, required={f.name for f in fields(cls)} - optional, optional=optional)
        try:
            return cls(**values)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{os.fspath(path)}: {error}") from error


def _gamma(gamma: float) -> float:
    if not (np.isfinite(gamma) and gamma > 0):
        raise ValueError(f"gamma is {gamma!r}; a margin above 0 is needed")
    return float(gamma)


def _frozen(value: Any, dtype: Any) -> np.ndarray:
    """A copy that nobody can write to; what is one already, and belongs to no other array, is taken as it is."""
    if isinstance(value, np.ndarray) and value.dtype == dtype and value.flags.owndata and not value.flags.writeable:
        return value
    array = np.array(value, dtype=dtype)
    array.setflags(write=False)
    return array
