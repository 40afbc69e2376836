"""Progress bars of passes: on a terminal and after their patience, and nowhere else."""

import io

import numpy as np
import pytest
from rich.console import Console

from sparsebounds.experiments.shared.passes import Passes
from sparsebounds.experiments.shared.snapshot import take_snapshot
from sparsebounds.nets.data.datasets import Dataset


@pytest.mark.parametrize(
    ("terminal", "patience", "shown"), [(True, 0.0, True), (True, 60.0, False), (False, 0.0, False)]
)
def test_bars(terminal: bool, patience: float, shown: bool) -> None:
    written = io.StringIO()
    with Passes(Console(file=written, force_terminal=terminal), patience=patience) as passes:
        passes("sample", 256, 1024)
        passes("sample", 512, 1024)
        passes("test sample", 10, None)
    assert ("512/1024" in written.getvalue()) == shown
    assert ("test sample" in written.getvalue()) == shown
    assert bool(written.getvalue()) == shown


def test_a_snapshot_tells_of_its_batches_and_of_its_bounds() -> None:
    told: list[tuple[str, int, int | None]] = []
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 2, 3, 1)).astype(np.float32), np.arange(60, dtype=np.int32) % 2
    data = Dataset("noise", x[:40], y[:40], x[40:], y[40:], classes=2, preprocessing="fixed")
    weights = rng.normal(size=(6, 2)).astype(np.float32)
    taken = take_snapshot(
        lambda x: x.reshape(-1, 6) @ weights, data, delta=0.01, progress=lambda *said: told.append(said)
    )
    ends = {what: (done, total) for what, done, total in told}
    assert sorted(ends.values()) == sorted((n, n) for n in (40, 20, len(taken.rows)))
