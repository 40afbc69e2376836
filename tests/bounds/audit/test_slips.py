"""Slips as rows of the audit: with the check none is a certificate below ½, with the check disarmed all are."""

import pytest

from sparsebounds import bounds
from sparsebounds.bounds.audit.overall import audit, closest
from sparsebounds.bounds.audit.slips import slips
from sparsebounds.bounds.audit.slips.networks import TRUTH, Believed

MADE = [(name, slip) for slip in slips.SLIPS for name in slip.bounds]


@pytest.mark.parametrize(("name", "slip"), MADE, ids=lambda v: v if isinstance(v, str) else f"{v.what}, {v.case}")
def test_a_slip_fails_only_unchecked(name, slip, monkeypatch):
    monkeypatch.setattr(slips, "SLIPS", (slip,))
    monkeypatch.setattr(slips, "DRAWS", {"quick": 1})
    row, twin = slips.audit_slips(name, bounds.BOUNDS[name])
    assert row.statement == slip.what and twin.statement == f"a twin: {slip.what}, unchecked"
    assert (row.lower, row.violated, row.refuted) == (0.0, False, False)
    assert (twin.lower, twin.violated, twin.refuted) == (1.0, True, True)


def test_what_was_chosen_is_paid_for_in_a_certificate_above_the_truth():
    (slip,) = (slip for slip in slips.SLIPS if "columns stacked" in slip.case)
    learned = slip.learn(0)
    paid, free = (slip.row("occam", bounds.occam, learned, disarmed) for disarmed in (False, True))
    assert paid.guarantee == free.guarantee == "certificate"
    assert free.value < 0.4 and paid.value > TRUTH + 0.2
    assert paid.terms["bits of selections"] > 400 and "bits of selections" not in free.terms


def test_a_bound_that_believes_all_it_is_told_is_violated(monkeypatch):
    """Were the check to vanish, the row without it would say so."""
    monkeypatch.setattr(slips, "DRAWS", {"quick": 5})

    def believing(graph, sample, *, delta, test):
        return bounds.held_out(graph, sample, delta=delta, test=Believed(test.margins))

    rows = [r for r in slips.audit_slips("held_out", believing) if "trained on" in r.statement]
    assert all(row.violated for row in rows) and {c.failed for c in closest(rows)} == {True, False}


def test_slips_are_rows_of_the_audit():
    assert {row.statement for row in audit("held_out")} == {
        "failure probability / δ",
        "test samples trained on",
        "a twin: test samples trained on, unchecked",
        "windows split at random",
        "a twin: windows split at random, unchecked",
    }
