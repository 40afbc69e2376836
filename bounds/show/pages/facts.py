"""What a page says in words: the verdict, what was assumed, what nobody checked, versions and hashes."""

from __future__ import annotations

import hashlib
import math
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from sparsebounds.bounds.bound import Bound
from sparsebounds.bounds.evidence import Evidence
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.program import Program
from sparsebounds.bounds.picked import Picked, subject
from sparsebounds.bounds.printed import percent, readable, sure, upwards
from sparsebounds.bounds.registry import BOUNDS
from sparsebounds.bounds.verdicts import verdict_of

PACKAGES = ("sparsebounds", "jax", "numpy", "flax", "pandas")
YOURS = (
    "The samples are independent draws, originals alone and all of them: no augmented copies, no second record of one "
    "patient, video or series, no balancing or cleaning.",
    "The test set chose nothing: no epoch, no setting, no feature, nor which of several networks is shown.",
    "The architecture, what made the inputs, and m were fixed without the sample.",
    "New data come from the same distribution as the sample.",
)
"""Nothing in the numbers can show these."""
SAID = {
    "preprocessing": "where the constants of the normalisation come from",
    "repetitions": "inputs that repeat",
    "mask_fixed": "the zeros of the weights were fixed without the sample",
    "selections_fixed": "what the network reads was fixed without the sample",
    "pixel_range": "every coordinate that can occur lies in",
    "reference": "distances are measured from a reference that was fixed without the sample",
    "simultaneous": "all certificates hold together",
    "nodes": "a node is a",
}


def certificates(found: Mapping[str, Bound]) -> dict[str, Bound]:
    """Those that have a value, the smallest first."""
    rows = {name: bound for name, bound in found.items() if bound.covered and bound.guarantee == "certificate"}
    return dict(sorted(rows.items(), key=lambda item: item[1].value))


def verdict(found: Mapping[str, Bound]) -> dict[str, str]:
    """The headline of a page: what is guaranteed, by which bound, with what probability, and what that leaves open.

    The smallest of several was picked after looking, see `Picked`.

    Example:
        >>> rows = {name: Bound(value, 0, 0, 0, 0, 0.001, "certificate") for name, value in (("a", 0.05), ("b", 2.0))}
        >>> verdict(rows)["headline"]
        'With probability 99.8 % the network errs on at most 5 % of new data.'
        >>> nan = float("nan")
        >>> verdict(rows | {"c": Bound(nan, nan, nan, nan, 0, 0.001, "certificate")})["headline"][:23]
        'With probability 99.7 %'
    """
    rows = certificates(found)
    if not rows:
        return {"tone": "none", "word": "no certificate", "headline": "No bound here is a certificate.", "detail": ""}
    name, best = next(iter(rows.items()))
    picked = Picked.among((one, bound.guarantee, bound.delta) for one, bound in found.items())
    if verdict_of(best.value, best.guarantee) == "vacuous":
        headline = "Nothing is guaranteed: every certificate is 1 or more."
        detail = f"The smallest is {name}, {upwards(best.value)}; no error is above 1, so this says nothing."
        return {"tone": "bad", "word": "vacuous", "headline": headline, "detail": detail}
    if picked.nothing_left:
        headline = "Nothing is guaranteed: the smallest certificate was picked, and no probability is left for it."
        detail = (
            f"The chances δ of each of {picked.count} certificates to fail add up to {upwards(picked.spent)}: take a "
            "smaller δ, fewer bounds, or simultaneous=True, which divides one δ among them."
        )
        return {"tone": "bad", "word": "nothing left", "headline": headline, "detail": detail}
    errs = f"{subject(name)} errs on at most {percent(best.value)} of new data"
    return {
        "tone": "good",
        "word": "informative",
        "headline": f"With probability {sure(picked.spent)} {errs}.",
        "detail": _detail(name, best, rows, picked),
    }


ABOUT = {"held_out": " (errors on held-out samples, no theory)", "occam_quantised": " (not before rounding)"}
"""What has to be said of bounds that are no statement of theory about the network as it came."""


def _detail(name: str, best: Bound, rows: Mapping[str, Bound], picked: Picked) -> str:
    text = f"By {name}{ABOUT.get(name, '')}, which alone holds with probability {sure(best.delta)}"
    if picked.count > 1:
        text += f"; it is {picked.among_words}, picked after looking, so that their chances to fail are added up"
    text += "."
    theory = {one: bound for one, bound in rows.items() if one not in ABOUT}
    if name in ABOUT and theory:
        text += f" From the training sample alone theory guarantees {_guaranteed(*next(iter(theory.items())))}."
        if name == "held_out" and (rounded := rows.get("occam_quantised")) and rounded.value < 1.0:
            text += f" For the network rounded to few bits it is {percent(rounded.value)} (occam_quantised)."
    return text


def _guaranteed(name: str, bound: Bound) -> str:
    """What the smallest bound from theory says."""
    if verdict_of(bound.value, bound.guarantee) == "vacuous":
        return f"nothing: the smallest, {name}, is {upwards(bound.value)}, and no share of errors is above 1"
    return f"at most {percent(bound.value)} ({name})"


def numbers(evidence: Evidence) -> list[tuple[str, str]]:
    """A few numbers below the headline."""
    found: list[tuple[str, str]] = []
    if evidence.sample is not None:
        found.append(("training samples", f"{evidence.sample.m}"))
        found.append(("training error", f"{100 * evidence.sample.train_error:.3g} %"))
    if evidence.test is not None:
        n = len(evidence.test.margins)
        spread = math.sqrt(evidence.test.error * (1 - evidence.test.error) / n)
        found.append((f"test error ({n} samples)", f"{100 * evidence.test.error:.3g} % ± {100 * spread:.2g} %"))
    if isinstance(evidence.graph, Graph):
        found.append(("classes", f"{evidence.graph.classes}"))
        found.append(("parameters", f"{int(evidence.graph.summary()['parameters'].sum())}"))
    return found


def assumptions(found: Mapping[str, Bound]) -> list[tuple[str, str]]:
    """Theorem by theorem, of those that gave a number: names of the bounds, what they assume of the network."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, bound in found.items():
        if bound.covered and name in BOUNDS:
            groups.setdefault(BOUNDS[name].declaration.assumes, []).append(name)
    return [(", ".join(names), "; ".join(assumes)) for assumes, names in groups.items()]


def declared(evidence: Evidence) -> list[tuple[str, str]]:
    """What the caller said; it was believed. What was not claimed, False or None, is left out."""
    said = [(key, value) for key, value in evidence.said.items() if key in SAID and value not in (False, None)]
    return [
        (SAID[key], " to ".join(map(readable, value)) if key == "pixel_range" else readable(value))
        for key, value in said
    ]


def fingerprints(evidence: Evidence) -> list[tuple[str, str]]:
    """Versions, and hashes of weights and sample."""
    rows = [("Python", platform.python_version())]
    for package in PACKAGES:
        try:
            rows.append((package, version(package)))
        except PackageNotFoundError:
            rows.append((package, "not installed"))
    if evidence.graph is not None:
        rows.append(("weights, SHA-256", _hashed(_arrays(evidence.graph))))
    if evidence.sample is not None and evidence.sample.fingerprints is not None:
        marks = np.asarray(evidence.sample.fingerprints)
        rows.append(("training inputs in their order, SHA-256", _hashed([marks])))
        rows.append(("margins, SHA-256", _hashed([np.asarray(evidence.sample.margins)])))
    return rows


def _arrays(graph: Graph | Program) -> list[np.ndarray]:
    if isinstance(graph, Program):
        return [np.asarray(array) for _, array in graph.numbers]
    weights = [term.parameters for layer in graph.layers for term in layer.terms]
    biases = [layer.bias for layer in graph.layers]
    return [np.asarray(array) for array in (*weights, *biases) if array is not None]


def _hashed(arrays: list[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def verdict_word(bound: Bound) -> str:
    """For the table."""
    return verdict_of(bound.value, bound.guarantee)
