"""The adaptive searcher: front ends looked at one by one, the next made from what the sample said of those before.

N front ends that show one fair bit each, the labels fair coins as well: every network errs on half of all new data. He
looks at each once, and then takes the sign of Σ_k s_k φ_k, s_k the side on which φ_k was right more often. N + 1
configurations were looked at, but 2^N might have been the last. Priced by their number the certificate falls below ½ in
nearly every sample; by a prefix code he pays for his N bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from sparsebounds.bounds.audit.moments.theorem_3 import DELTA, failures
from sparsebounds.bounds.audit.run import Row
from sparsebounds.bounds.audit.search.architectures import dense
from sparsebounds.bounds.audit.theorems.cases import Preset
from sparsebounds.bounds.certificates.boxes.family import Boxes
from sparsebounds.bounds.certificates.certificate import certified
from sparsebounds.bounds.certificates.energies import measure_energies
from sparsebounds.bounds.certificates.family import certify_family
from sparsebounds.bounds.confidence.binomial import log_binomial_cdf
from sparsebounds.bounds.margin.codes import Listed
from sparsebounds.bounds.margin.space import Configuration, ConfigurationSpace, Field
from sparsebounds.bounds.moments.margin_forms import tree_form
from sparsebounds.bounds.moments.tree import Tree
from sparsebounds.bounds.sample.sample import Sample

LOOKS, SAMPLES = 512, 2000
DRAWS = {"quick": 20, "full": 400}
TRUTH = 0.5
PAIR = tree_form(Tree.balanced(2), 2)
GRAPH = dense((1,)).graph([], np.array([[1.0], [0.0]]))
"""f = (x, 0) on the bit x = ±1 that the last front end shows."""
Choices = Mapping[str, int] | Configuration


@dataclass(frozen=True, eq=False)
class Searched:
    """A sample behind the front end that the search ended with."""

    bits: np.ndarray
    """float32 (m, 1), ±1."""
    labels: np.ndarray
    """(m,), 0 where the network should see 1."""
    sides: np.ndarray
    """(N,), ±1: what the searcher learned from the sample."""

    @property
    def errors(self) -> int:
        return int((self.bits[:, 0] != 1 - 2 * self.labels).sum())

    @cached_property
    def configuration(self) -> Configuration:
        """What he ended with, in a space that was written down before."""
        sides = {f"side {k}": int(side) for k, side in enumerate(self.sides)}
        return _space(len(self.sides)).configuration({"front end": "majority"} | sides)

    @property
    def length(self) -> dict[str, int]:
        """The old price: how many he looked at."""
        return {"front end": len(self.sides) + 1}


def searches(draws: int, looks: int = LOOKS, m: int = SAMPLES, seed: int = 0) -> Iterator[Searched]:
    """One search per sample."""
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        labels = rng.integers(0, 2, m)
        shown = (2 * rng.integers(0, 2, (m, looks)) - 1).astype(np.float32)
        sides = np.where((1 - 2 * labels) @ shown >= 0, 1, -1)
        yield Searched(np.where(shown @ sides >= 0, 1, -1).astype(np.float32)[:, None], labels, sides)


def peeled_certificate(found: Searched, choices: Choices) -> float:
    """Of `bounds.certificate`, the range of the bit known."""
    return certified(GRAPH, _sample(found), delta=DELTA, pixel_range=(-1.0, 1.0), choices=choices).value


def boxed_certificate(found: Searched, choices: Choices) -> float:
    """Of a box with one side, fixed before anything was looked at."""
    boxes = Boxes(PAIR, np.array([[1.0, 0.0]]), np.ones((1, 2)), np.ones((1, 2)), np.ones(2))
    weights = boxes.energy_weights(GRAPH)
    energies = measure_energies(weights, boxes.form, found.bits, found.labels, weights.limits(np.ones(1)))
    return certify_family(GRAPH, _sample(found), boxes, energies, delta=DELTA, choices=choices, tied_only=True).value


CERTIFICATES = {"certificate": peeled_certificate, "boxes": boxed_certificate}


def audit_search(preset: Preset = "quick") -> list[Row]:
    """Shares of failures by both prices, and the nats that the searcher gains against those that the code charges."""
    found = list(searches(DRAWS[preset]))
    case = f"{LOOKS} looks, m = {SAMPLES}"
    rows = [_nats(found, case)]
    for name, certificate in CERTIFICATES.items():
        paid = np.array([certificate(one, one.configuration) for one in found])
        twin = np.array([certificate(one, one.length) for one in found])
        rows.append(_row("adaptive search, priced by a code", f"{name}, {case}", paid))
        rows.append(_row("a twin: a search priced by its length", f"{name}, {case}", twin, refuted=True))
    return rows


def _row(statement: str, case: str, values: np.ndarray, refuted: bool = False) -> Row:
    share, error = failures(values, TRUTH)
    return Row("peeling", statement, case, share, DELTA, error, refuted)


def _nats(found: list[Searched], case: str) -> Row:
    """−log P(as few errors by chance), exceeded in a share δ of the samples, against log(1/δ) + the price."""
    gained = [-log_binomial_cdf(one.errors, SAMPLES, TRUTH) for one in found]
    claim, length = (math.log(1 / DELTA) + nats for nats in (found[0].configuration.nats, math.log(LOOKS + 1)))
    lower = float(np.quantile(gained, 1 - DELTA, method="lower"))
    twins = (("the length of the search", claim / length),)
    return Row("peeling", "nats of an adaptive search", case, lower, claim, 0.0, False, twins)


def _sample(found: Searched) -> Sample:
    m, counts = len(found.labels), np.bincount(found.labels, minlength=2)
    margins = found.bits[:, 0] * (1.0 - 2.0 * found.labels)
    by_class = counts[:, None].astype(np.float64)  # x² = x⁴ = 1
    return Sample(
        m, 2, by_class.sum(axis=0), by_class, margins, counts, class_fourths=by_class, largest=np.ones(1)
    )  # fmt: skip


@cache
def _space(looks: int) -> ConfigurationSpace:
    """One front end as it is, or the majority with a side for each."""
    sides = tuple(Field(f"side {k}", Listed((1, -1))) for k in range(looks))
    below = {"one of them": (Field("which", Listed(tuple(range(looks)))),), "majority": sides}
    return ConfigurationSpace("one-bit front ends", 1, (Field("front end", Listed(tuple(below)), below),))
