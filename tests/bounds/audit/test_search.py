"""The adaptive searcher: refutes the price by the length of the search, and pays for his bits by the code."""

import math

import numpy as np
import pytest

from sparsebounds.bounds.audit.certificates.search import CERTIFICATES, LOOKS, SAMPLES, audit_search, searches
from sparsebounds.bounds.audit.overall import audit, closest


@pytest.fixture(scope="module")
def found():
    return list(searches(8, seed=1))


@pytest.mark.parametrize(("name", "low", "high"), [("certificate", 0.44, 0.48), ("boxes", 0.40, 0.45)])
def test_the_length_of_a_search_is_no_price(found, name: str, low: float, high: float) -> None:
    """Eight samples of 2000 coin flips, 512 front ends looked at: all certificates lie below the true error, ½."""
    values = [CERTIFICATES[name](one, one.length) for one in found]
    assert low < min(values) <= max(values) < high < 0.5


@pytest.mark.parametrize("name", CERTIFICATES)
def test_the_code_charges_for_every_bit(found, name: str) -> None:
    assert min(CERTIFICATES[name](one, one.configuration) for one in found) > 0.5
    assert found[0].configuration.nats == pytest.approx((LOOKS + 1) * math.log(2))


def test_more_looks_make_it_worse() -> None:
    one = next(searches(1, looks=2047))
    assert all(certificate(one, one.length) < 0.36 for certificate in CERTIFICATES.values())
    assert all(certificate(one, one.configuration) > 0.5 for certificate in CERTIFICATES.values())


def test_the_search_is_what_it_says() -> None:
    """By hand for one look: the majority is that look, turned to the side on which it was right more often."""
    for one in searches(20, looks=1, m=101):
        right = int((one.bits[:, 0] == 1 - 2 * one.labels).sum())
        assert right > 50 and one.errors == 101 - right and one.sides.shape == (1,)
        assert one.configuration.nats == pytest.approx(2 * math.log(2))  # majority, and one side


def test_the_rows_of_the_audit() -> None:
    rows = audit_search("quick")
    assert {row.statement: row.violated for row in rows} == {
        "nats of an adaptive search": False,
        "adaptive search, priced by a code": False,
        "a twin: a search priced by its length": True,
    }
    assert all(row.refuted == row.violated for row in rows) and all("512" in row.case for row in rows)
    nats = closest(rows)[0]
    assert 0.25 < nats.row.ratio < 0.45 and nats.caught == ("the length of the search",)
    assert np.mean([row.lower for row in rows if row.refuted]) == 1.0 and SAMPLES == 2000


def test_the_attack_is_part_of_the_audit(monkeypatch) -> None:
    from sparsebounds.bounds.audit import overall

    others = ("audit_nets", "audit_orthants", "audit_boxes", "audit_margins", "audit_losses", "audit_statement")
    for name in (*others, "audit_distance", "audit_hidden_boxes", "audit_centred"):
        monkeypatch.setattr(overall, name, lambda *args, **kwargs: [])
    monkeypatch.setattr(overall, "audit_coverage", lambda: [])
    monkeypatch.setattr(overall, "audit_certificate", lambda *args: [])
    assert "nats of an adaptive search" in {row.statement for row in audit("peeling")}
