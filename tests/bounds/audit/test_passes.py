"""The cover pass is attacked, comes close, and a pass with a wrong constant is refuted."""

import pytest

from sparsebounds.bounds.audit.overall import closest
from sparsebounds.bounds.audit.theorems.passes import audit_passes


@pytest.fixture(scope="module")
def rows():
    return audit_passes("graf_norms", "quick")


def test_no_size_and_no_multiplier_is_exceeded(rows):
    assert len(rows) == 4
    for row in rows:
        assert 0.5 < row.ratio <= 1 + 1e-6, row


def test_overlapping_maxima_with_constant_1_are_refuted(rows):
    caught = {name for found in closest(rows) for name in found.caught}
    assert "overlapping maxima with constant 1" in caught
