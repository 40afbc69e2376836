"""The certificate of one drawn network: counts, e-values, prices, and what objects to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt64

from sparsebounds.bounds.arguments import check_delta
from sparsebounds.bounds.bound import Bound
from sparsebounds.bounds.certificates.distance.counting import Counting
from sparsebounds.bounds.certificates.distance.densities import shown
from sparsebounds.bounds.certificates.distance.drawn import Draw
from sparsebounds.bounds.certificates.distance.forms import (
    BUDGETS,
    FORMS,
    Counts,
    Form,
    Value,
    check_budgets,
    direct,
    excess,
)
from sparsebounds.bounds.certificates.distance.prices import Priced, Prices, prices
from sparsebounds.bounds.confidence.binomial import binomial_upper

SOURCE = "Rivasplata et al., PAC-Bayes analysis beyond the usual bounds, 2020, theorem 1; docs/theory.md, Distance"
IDEAL = "over the sample and one draw, the generator counted as ideal"
SURPRISING = 3.0
"""Standard deviations by which a reference may be better on the certified samples than on its own."""


def distance_certificate(
    f: Callable[[Any, Any], Any],
    drawn: Draw,
    x: Any,
    y: Any,
    *,
    delta: float = 1e-3,
    budgets: Sequence[float | str] = BUDGETS,
    choices: Mapping[str, int] | Priced | None = None,
    scales_only: tuple[str, ...] = (),
    draws: int = 1,
    form: Form = "direct",
    left_out: UInt64[np.ndarray, " n"] | None = None,
    preprocessing: str = "fixed",
    repetitions: str = "counted",
    batch_size: int = 1024,
) -> Bound:
    """With probability 1 − δ over the sample and the draw, the error of the drawn network is at most `value`.

    Direct: err ≤ max { p : P(Bin(m, p) ≤ k) ≥ δ e^(−R_j)/#budgets }, k errors, R_j the least budget that covers
    R = log r + prices, r the density of the drawn weights under the posterior over that under the prior. Excess: the
    Clopper–Pearson limit of the reference at 0.8 δ and the largest difference of the two errors that a betting e-value
    allows at 0.2 δ e^(−R). Both: the smaller, at δ/2 each. Architecture and training are free.

    Args:
        f: `f(params, x) -> (batch, C)` scores, fixed without these samples: statistics frozen, dropout off.
        drawn: from `bounds.draw`, its weights as they were drawn.
        x, y: the m certified samples, drawn independently; labels 0..C−1. They may have shaped the posterior, and
            neither prior nor f.
        delta: allowed probability of failure.
        budgets: nats, written down in advance, increasing; "kl" beside them is the one-sided kl, "tail" the exact
            binomial tail without budgets. Numbers together and each word have equal shares of δ.
        choices: by name how many stood on a list fixed in advance from which one was taken with these samples at hand
            (split, reference, architecture, decoder, prior), or a `bounds.Configuration` of a declared space.
        scales_only: names of those among them that chose scales of one and the same reference: they do not change what
            is said of the reference.
        draws: N networks drawn one after the other, N declared before the first; log N.
        form: "direct", "excess" or "both", decided in advance.
        left_out: fingerprints of more samples that must not be among these, see `Prior.shaped_by`.
        preprocessing, repetitions: as in `bounds.Sample.measure`.
        batch_size: samples per call of f.

    Returns:
        Bound; `terms` holds every price in nats, counts, m, K, the log ratio, what each layer has of K, the reference's
        errors and its held-out bound at δ on the same samples. "published", with the reason in the note, where
        something objects: certified samples that shaped the prior, a draw with a given seed, inputs normalised by these
        samples, copies among them.

    Raises:
        ValueError: weights that changed since the draw, bad data, labels, δ, budgets, choices, scores of another shape,
            an f that is random or mixes the inputs of a batch.

    Example:
        >>> from sparsebounds import bounds
        >>> rng = np.random.default_rng(0)
        >>> y = rng.integers(0, 2, 1000)
        >>> x = rng.normal(size=(1000, 3)).astype(np.float32) + 3 * y[:, None].astype(np.float32)
        >>> weights = {"w": np.array([[-1, 1]] * 3, np.float32), "b": np.array([4.5, -4.5], np.float32)}
        >>> drawn = bounds.draw(bounds.Prior(weights, 0.01), weights)
        >>> b = distance_certificate(lambda p, x: x @ p["w"] + p["b"], drawn, x, y)
        >>> b.guarantee, b.value < 0.05
        ('certificate', True)

    Source: docs/theory.md, "Distance from a reference".
    """
    if not isinstance(drawn, Draw):
        raise ValueError(f"drawn is a {type(drawn).__name__}; needed what bounds.draw returns")
    said: dict[str, Any] = {"left_out": left_out, "preprocessing": preprocessing, "repetitions": repetitions}
    return certified_draw(
        Counting(f, drawn.prior, x, y, batch_size=batch_size, **said), drawn, delta=delta, budgets=budgets,
        choices=choices, scales_only=scales_only, draws=draws, form=form,
    )  # fmt: skip


def certified_draw(
    sample: Counting,
    drawn: Draw,
    *,
    delta: float,
    budgets: Sequence[float | str],
    choices: Mapping[str, int] | Priced | None,
    form: Form,
    scales_only: tuple[str, ...] = (),
    draws: int = 1,
) -> Bound:
    """The same with a sample that is ready for draws; every one of them costs one pass."""
    check_delta(delta)
    check_budgets(budgets)
    if form not in FORMS:
        raise ValueError(f"form is {form!r}; it is one of {', '.join(map(repr, FORMS))}")
    paid = prices(choices, scales_only, draws)
    known = drawn.prior.centre == "reference" or form != "direct"
    counts = sample.counts(drawn, reference=known)
    values = _values(form, counts, drawn, delta, paid, budgets)
    best = min(values, key=lambda one: one.value)
    replayed = "no certificate: the draw was made with a given seed" if drawn.replayed else ""
    objections = [one for one in (*sample.meetings.objections, replayed) if one]
    return Bound(
        value=best.value,
        margin_error=counts.errors / counts.m,
        complexity=best.complexity,
        confidence=best.confidence,
        gamma=0.0,
        delta=delta,
        guarantee="published" if objections else "certificate",
        terms=_terms(best, values, counts, drawn, delta, paid, known=known),
        source=SOURCE,
        note="; ".join([*objections, *sample.meetings.notes, *_suspicions(counts, drawn), IDEAL, _declared(drawn)]),
    )


def _values(
    form: str, counts: Counts, drawn: Draw, delta: float, paid: Prices, budgets: Sequence[float | str]
) -> list[Value]:
    log_delta = math.log(delta) - (math.log(2.0) if form == "both" else 0.0)
    found = []
    if form != "excess":
        found.append(direct(counts, drawn.log_ratio, log_delta, paid, budgets))
    if form != "direct":
        found.append(excess(counts, drawn.log_ratio, log_delta, paid))
    return found


def _terms(
    best: Value, values: list[Value], counts: Counts, drawn: Draw, delta: float, paid: Prices, *, known: bool
) -> dict[str, Any]:
    prior = drawn.prior
    terms: dict[str, Any] = {
        "form": best.form,
        "errors": counts.errors,
        "m": counts.m,
        "log ratio of the draw": drawn.log_ratio,
        "K": math.fsum(layer.mean for layer in drawn.layers.values()),
        "posterior": drawn.kind,
        "nats of factors in the log ratio": prior.nats,
        **{f"nats of {name}": nats for name, nats in paid.choices.items()},
        "draws": paid.draws,
        "nats of draws": math.log(paid.draws),
        "nats of forms": math.log(len(values)),
        "delta": delta,
    }
    for one in values:
        terms[f"value, {one.form}"] = one.value
        terms |= one.terms
    if known:
        held_out = binomial_upper(counts.reference, counts.m, math.log(delta) - paid.reference)
        terms["errors of the reference"] = counts.reference
        terms["held-out bound of the reference"] = max(held_out, counts.reference / counts.m)
    return terms | {
        "reference": prior.centre,
        "layers": shown(drawn.layers),
        "fingerprint of the weights": drawn.fingerprint,
        **paid.terms,
    }


def _declared(drawn: Draw) -> str:
    prior = drawn.prior
    if prior.centre != "reference":
        return f"prior around {'zero' if prior.centre == 'zero' else 'the initialisation'}: nothing is left out"
    if prior.shaped_by is None:
        return f"reference and scales fixed without the sample (they saw {prior.saw}): declared, not checked"
    return f"reference and scales shaped by {len(prior.shaped_by)} samples, none of which is certified"


def _suspicions(counts: Counts, drawn: Draw) -> Iterable[str]:
    """A reference that does better here than where it did not train has probably seen these samples."""
    if drawn.prior.own_errors is None:
        return
    own, n = drawn.prior.own_errors
    share = (own + counts.reference) / (n + counts.m)
    deviation = math.sqrt(max(share * (1 - share), 1e-300) * (1 / n + 1 / counts.m))
    if own / n - counts.reference / counts.m > SURPRISING * deviation:
        yield (
            f"warning: the reference errs on {counts.reference} of {counts.m} certified samples and on {own} of {n} of "
            "its own; it has probably seen the certified ones"
        )
