"""Margins: score of the label less the largest other score."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
from jaxtyping import Float64, Int, UInt64

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.program import Program
from sparsebounds.bounds.network import Network
from sparsebounds.bounds.sample.batches import batches
from sparsebounds.bounds.sample.checks import check_classes, check_sample
from sparsebounds.bounds.sample.fingerprinting import as_fingerprints, fingerprints, near_marks
from sparsebounds.bounds.sample.front_end import Received
from sparsebounds.bounds.sample.normalised import believed
from sparsebounds.bounds.sample.probes import Probes, Probing, check_probes
from sparsebounds.bounds.sample.repetitions import REPETITIONS, Copies, Marked, input_space, within
from sparsebounds.bounds.sample.windows import overlapping


class Measured(Marked, Protocol):
    """Samples whose margins are known: a `Sample`, or `Margins`."""

    @property
    def margins(self) -> Float64[np.ndarray, " m"]: ...

    @property
    def copies(self) -> Copies: ...

    @property
    def unchecked(self) -> str: ...

    def check_network(self, graph: Graph | Program) -> None: ...


@dataclass(frozen=True, eq=False)
class Margins:
    """The margins of the network on samples, float64 (n,), and by what they are known again.

    `Margins.measure` makes them. Numbers alone are no measurement: what lacks fingerprints or probes says nothing that
    is a certificate, since neither that these samples were not trained on nor whose margins they are can be checked.

    Args:
        margins: (n,).
        fingerprints: uint64 (n,) of the inputs, or None.
        input_space: how many inputs are possible, see `input_space` of `bounds.sample.repetitions`.
        repetitions: "counted", or "natural" where the distribution itself repeats inputs.
        probes: some of the inputs and the scores that the pass gave them, or None.
        near: (n, 2) coarser fingerprints of what the network receives, or None.
        overlapping: the share of samples that look like windows of one series, see `bounds.sample.windows`, or None.
        preprocessing: as in `Sample`: "apparent" where the inputs look normalised by their own statistics.
    """

    margins: Float64[np.ndarray, " n"]
    fingerprints: UInt64[np.ndarray, " n"] | None = None
    input_space: float | None = None
    repetitions: str = "counted"
    probes: Probes | None = None
    near: UInt64[np.ndarray, "n 2"] | None = None
    overlapping: float | None = None
    preprocessing: str = "fixed"

    def __post_init__(self) -> None:
        if self.fingerprints is None:
            return
        object.__setattr__(self, "fingerprints", as_fingerprints(self.fingerprints))
        if np.shape(self.fingerprints) != np.shape(self.margins):
            raise ValueError(
                f"fingerprints of shape {np.shape(self.fingerprints)} for margins of shape {np.shape(self.margins)}; "
                "needed one per sample, in the same order"
            )

    @classmethod
    def measure(
        cls,
        f: Any,
        x: Any,
        y: Any,
        *,
        preprocessing: str = "fixed",
        repetitions: str = "counted",
        batch_size: int = 256,
        what: str = "sample",
    ) -> Self:
        """Pass once over samples, for `held_out`.

        Args:
            f: function of one batched input giving (batch, C) scores, or a Flax NNX module.
            x: (n, …) inputs, exactly as the network receives them, or what `FrontEnd.receive` gives. They had no part
                in training, in stopping, or in choosing anything (features and their own number among it), share no
                source with the training sample, and were drawn as it was: not balanced, not selected.
            y: (n,) integer labels 0..C-1.
            preprocessing: "fixed", also where the constants of the normalisation come from the training sample;
                "sample" if they come from these samples themselves; "stated" if they do not although it looks so.
            repetitions: "natural" if the distribution itself repeats inputs, see `Sample.measure`.
            batch_size: samples per call of f.
            what: their name in messages.

        Raises:
            ValueError: as in `Sample.measure`.

        Example:
            >>> Margins.measure(lambda x: x, np.array([[3.0, 1.0], [1.0, 2.0]]), np.array([0, 0])).margins.tolist()
            [2.0, -1.0]
        """
        if repetitions not in REPETITIONS:
            raise ValueError(f"repetitions is {repetitions!r}; it is one of {', '.join(map(repr, REPETITIONS))}")
        received = x if isinstance(x, Received) else None
        x, labels = check_sample(x if received is None else received.values, y, what=what)
        preprocessing = believed(preprocessing, x)
        probing, margins = Probing(labels, int(np.prod(x.shape[1:]))), np.empty(len(labels))
        for batch in batches(Network.of(f), x, batch_size=batch_size, what=what):
            labels = check_classes(labels, batch.scores.shape[1], what)
            margins[batch.where] = margins_of(batch.scores, labels[batch.where])
            probing.add(batch, margins[batch.where])
        marks, space, moved = (
            (fingerprints(x), input_space(x), overlapping(x))
            if received is None
            else (received.fingerprints, received.input_space, received.overlapping)
        )
        near, probes = near_marks(x), probing.result()
        return cls(margins, marks, space, repetitions, probes, near, overlapping=moved, preprocessing=preprocessing)

    @property
    def error(self) -> float:
        """Share of margins ≤ 0."""
        return float(np.mean(self.margins <= 0))

    @cached_property
    def copies(self) -> Copies:
        """Inputs that repeat an earlier one."""
        return within(self.fingerprints, self.input_space, self.repetitions, self.overlapping)

    @property
    def unchecked(self) -> str:
        """What cannot be checked, and why no certificate follows; empty: everything can."""
        return unchecked(self.fingerprints, self.probes, "Margins.measure")

    def check_network(self, graph: Graph | Program) -> None:
        """Raise ValueError unless the graph gives the scores that were measured, on some of the inputs."""
        if self.probes is not None:
            check_probes(graph, self.probes)


def unchecked(fingerprints: object, probes: object, remedy: str) -> str:
    """Why samples that lack fingerprints or probes leave no certificate; empty where they have both.

    Example:
        >>> unchecked(None, (), "Sample.measure")
        'no certificate: samples without fingerprints, whose copies cannot be seen; measure them with Sample.measure'
    """
    lacking = []
    if fingerprints is None:
        lacking.append("fingerprints, whose copies cannot be seen")
    if probes is None:
        lacking.append("probes, whose network cannot be checked")
    if not lacking:
        return ""
    return f"no certificate: samples without {', and without '.join(lacking)}; measure them with {remedy}"


def margins_of(scores: Float64[np.ndarray, "B C"], labels: Int[np.ndarray, " B"]) -> Float64[np.ndarray, " B"]:
    """Margin f_y − max_{r≠y} f_r of every row.

    Args:
        scores: (B, C) float64, C ≥ 2.
        labels: (B,) integers 0..C-1.

    Returns:
        (B,) float64.

    Example:
        >>> margins_of(np.array([[1.0, 3.0, 2.0]]), np.array([1]))
        array([1.])
    """
    rows = np.arange(len(labels))
    others = scores.copy()
    others[rows, labels] = -np.inf
    return scores[rows, labels] - others.max(axis=1)


def margin_percentile(margins: Float64[np.ndarray, " m"], percent: float) -> float:
    """|the ⌊m · percent/100⌋-th smallest margin|, at least the first: a negative one becomes positive, as papers do.

    Example:
        >>> margin_percentile(np.arange(20.0) - 5, 10)  # the second is −4
        4.0
    """
    return abs(float(np.sort(margins)[max(int(len(margins) * percent / 100), 1) - 1]))
