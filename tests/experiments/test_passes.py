"""Progress bars of passes: on a terminal and after their patience, and nowhere else."""

import io

import pytest
from rich.console import Console

from sparsebounds.experiments.shared.passes import Passes


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
