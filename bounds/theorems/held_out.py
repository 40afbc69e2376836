"""The bound to measure all others by: samples that had no part in training, and the binomial distribution."""

from __future__ import annotations

import math

import numpy as np

from sparsebounds.bounds.arguments import check_match
from sparsebounds.bounds.bound import ANY_NETWORK, Bound, NotCovered, declare
from sparsebounds.bounds.confidence.binomial import binomial_upper
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.program import Program
from sparsebounds.bounds.margin.conclude import bound_from_step
from sparsebounds.bounds.margin.step import MarginStep
from sparsebounds.bounds.sample.margins import Measured
from sparsebounds.bounds.sample.overlap import overlap, shared
from sparsebounds.bounds.sample.repetitions import Copies, repeats
from sparsebounds.bounds.sample.sample import Sample

ABOUT = "about {n} held-out samples, which must have chosen nothing, not about the training sample"


@declare(
    summary="for orientation: from held-out samples instead of theory, exact binomial inversion",
    guarantee="certificate",
    assumes=("samples that had no part in training or in any choice about the network",),
    source="Langford, Tutorial on practical prediction theory for classification, JMLR 2005, theorem 3.3",
    covers=ANY_NETWORK,
)
def held_out(graph: Graph | Program, sample: Sample, *, delta: float, test: Measured | None = None) -> Bound:
    """What the error on held-out samples says about the true error.

    err ≤ max { e : P(Bin(n, e) ≤ errors on the held-out samples) ≥ δ }, w.p. ≥ 1 − δ over these n samples.
    It says nothing about why the network generalises, and costs data that could have trained it.

    Held-out samples whose inputs are in the training sample too, or nearly, are counted by their fingerprints: more
    than repeats within both explain leave no certificate (`bounds.sample.overlap`), those taken for coincidence count
    as errors; nor do windows of one series that overlap among themselves (`bounds.sample.windows`). What neither shows:
    noise, crops and other changes of an input, sources in common; that is for the caller to know.

    Args:
        graph: every architecture, or a `Program`.
        sample: for comparison alone: the bound does not use it.
        test: `Margins.measure` (or a `Sample`) of this network on data that had no part in training, in stopping, or in
            choosing anything: architecture, epoch, learning rate, features, which of several networks is shown, when
            enough of them had been drawn. Drawn like the data that the statement is about, and from other sources
            (patients, videos, series) than the training sample: a class-balanced or filtered selection speaks of its
            like alone. Normalised by constants that do not come from these data themselves.

    Returns:
        A certificate over the draw of the held-out samples; "published", with the reason in the note, where too many of
        them were trained on. `margin_error` is the error on them, `complexity` 0. Value NaN without them.

    Raises:
        ValueError: `test` is the training sample itself, was measured of another network, is empty or not finite.

    Example:
        >>> from sparsebounds.bounds.sample import Margins
        >>> test = Margins(np.array([-1.0] * 5 + [1.0] * 95))  # numbers alone: no certificate
        >>> found = held_out(graph, sample, delta=0.05, test=test)
        >>> round(found.value, 6), found.guarantee
        (0.102253, 'published')

    Source: as above.
    """
    if test is None:
        raise NotCovered("no held-out samples were given (x_test and y_test of the table, test= of this bound)")
    if not hasattr(test, "check_network"):
        raise ValueError(
            f"test is a {type(test).__name__}; needed a measured sample: bounds.Sample.measure(f, x_test, y_test)"
        )
    if isinstance(test, Sample):
        check_match(graph, test)
    test.check_network(graph)
    trained_on = overlap(test, sample)
    errors, n = _errors(sample, test, trained_on)
    value = max(binomial_upper(errors, n, math.log(delta)), errors / n)
    terms = {"errors": errors, "held-out samples": n, "delta": delta}
    step = MarginStep(errors / n, 0.0, value - errors / n, 0.0, delta, terms, whole=value)
    notes = ("" if trained_on.excluded else trained_on.note, f"for orientation: {ABOUT.format(n=n)}")
    return bound_from_step(
        step, held_out, test,
        note="; ".join(part for part in notes if part),
        objection=trained_on.note if trained_on.excluded else "",
    )  # fmt: skip


def _errors(sample: Sample, test: Measured, trained_on: Copies) -> tuple[int, int]:
    """Errors among the held-out samples, copies taken for coincidence among them, and how many samples there are."""
    margins = np.asarray(test.margins)
    if test is sample:
        raise ValueError("test is the training sample itself; needed samples that had no part in training")
    if margins.ndim != 1 or margins.size == 0 or not np.isfinite(margins).all():
        raise ValueError(
            f"held-out margins of shape {margins.shape}; needed one finite number per sample, at least one"
        )
    wrong = margins <= 0
    for copies, which in ((trained_on, shared(test, sample)), (test.copies, repeats(test.fingerprints))):
        if copies.coincidence:
            wrong = wrong | which
    return int(wrong.sum()), margins.size
