"""What a reader sees of a distance certificate: certificate.json, the words on the screen, the figure."""

from __future__ import annotations

import math
from typing import Any

from rich.console import Console

from sparsebounds.bounds.confidence.binomial import binomial_upper
from sparsebounds.bounds.printed import sure
from sparsebounds.bounds.verdicts import verdict_of
from sparsebounds.experiments.certify.options import CertifyOptions
from sparsebounds.experiments.shared.distance.fit import Fitted
from sparsebounds.experiments.shared.distance.split import Split
from sparsebounds.experiments.shared.distance.weights import digest
from sparsebounds.experiments.shared.files import plain, versions
from sparsebounds.experiments.shared.scoring import misses
from sparsebounds.experiments.shared.tables import grid
from sparsebounds.experiments.shared.verdict import up
from sparsebounds.nets.data.datasets import fingerprint

FROZEN, TESTED = "reference, frozen, on the certified samples", "this network, on the test samples"
"""Of the held-out bounds beside the certificate."""
SCHEMA = 1
"""Of certificate.json; raised when a field changes its meaning."""


def document(
    name: str, form: str, options: CertifyOptions, found: Split, fitted: Fitted, configuration: Any
) -> dict[str, Any]:
    """certificate.json: value, every price, hashes of data and weights."""
    bound, terms = fitted.bound, fitted.bound.terms
    tested = _tested(fitted.f, fitted.drawn.params, found)
    return {
        "schema": SCHEMA,
        "network": name,
        "form": form,
        "preset": options.preset,
        "seed": options.seed,
        "value": bound.value,
        "guarantee": bound.guarantee,
        "delta": bound.delta,
        "test_error": tested["error"],
        "m": terms["m"],
        "errors": terms["errors"],
        "left_out": {"samples": len(found.left_out), "for": "reference, scales" if len(found.left_out) else "nothing"},
        "held_out": _held_out(fitted, found, options.delta, tested),
        "layers": options.layers,
        "nats": {"configuration": configuration.nats, **{k: v for k, v in terms.items() if k.startswith("nats of ")}},
        "space": {"name": configuration.space.name, "version": configuration.space.version,
                  "hash": configuration.space.hash},
        "seed of the draw": f"{fitted.drawn.seed:032x}",
        "sha256": {
            "weights": digest(fitted.handed_out),
            "certified samples": fingerprint(*found.part(found.certified)),
            "left out": fingerprint(*found.part(found.left_out)) if len(found.left_out) else None,
        },
        "tried": [_tried(one, fitted, found) for one in fitted.tried],
        "terms": plain(terms),
        "note": bound.note,
        "seconds": fitted.seconds,
        "versions": versions(),
        "source": bound.source,
    }  # fmt: skip


def _tested(f: Any, params: Any, found: Split) -> dict[str, Any]:
    if not len(found.y_test):
        return {"errors": None, "of": 0, "error": None}
    wrong = misses(f, params, found.x_test, found.y_test)
    return {"errors": wrong, "of": len(found.y_test), "error": wrong / len(found.y_test)}


def _held_out(fitted: Fitted, found: Split, delta: float, tested: dict[str, Any]) -> dict[str, Any]:
    """Binomial bounds beside the certificate: of the frozen reference by the same samples, of the network by a test."""
    terms, rows = fitted.bound.terms, {}
    if "held-out bound of the reference" in terms:
        of = _tested(fitted.f, fitted.drawn.reference, found)
        rows[FROZEN] = {
            "errors": terms["errors of the reference"], "of": terms["m"],
            "value": terms["held-out bound of the reference"], "test_error": of["error"],
        }  # fmt: skip
    if tested["of"]:
        value = binomial_upper(tested["errors"], tested["of"], math.log(delta))
        rows[TESTED] = {"errors": tested["errors"], "of": tested["of"], "value": value}
    return rows


def _tried(one: Any, fitted: Fitted, found: Split) -> dict[str, Any]:
    """A posterior that was tried, by its rehearsed draw: an illustration, no certificate."""
    tested = _tested(fitted.f, one.params, found)
    return {"strength": one.strength, "factor": one.factor, "nats": one.nats, "value": one.value, "errors": one.errors,
            "test_error": tested["error"]}  # fmt: skip


def show(console: Console, found: dict[str, Any]) -> None:
    """The certificate for people, at most 80 columns."""
    tested = "" if found["test_error"] is None else f" (of the test samples on {found['test_error']:.2%})"
    certified = found["guarantee"] == "certificate"
    verdict = "errs on at most" if certified else "would err, were there no objection, on at most"
    console.print(
        f"With probability {sure(found['delta'])}, over the samples and one draw of the weights, this network "
        f"{verdict} {up(found['value'])} of new data{tested}: {verdict_of(found['value'], found['guarantee'])}.",
        highlight=False,
    )
    cells = [(f"held-out bound: {name}", _up(row["value"])) for name, row in found["held_out"].items()]
    cells += [
        ("errors on the certified samples", f"{found['errors']} of {found['m']}"),
        ("samples left out, to train the reference", str(found["left_out"]["samples"])),
        ("price of the distance from it, in nats", f"{found['terms']['log ratio of the draw']:.2f}"),
        ("price of the settings, in nats", f"{found['nats']['configuration']:.2f}"),
    ]
    console.print(grid("What it is made of, and what is beside it", ("what", "value"), cells, left=2, gap=2))
    console.print(f"Note: {found['note']}.", highlight=False, style="dim")


def _up(value: float) -> str:
    """Four digits, rounded up: a bound is never shown smaller than it is."""
    return f"{math.ceil(value * 1e4 - 1e-9) / 1e4:.4f}"
