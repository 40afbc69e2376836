"""What stands behind a table of bounds: the bounds with all their factors, the network, the sample, what was said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from sparsebounds.bounds.bound import Bound
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.program import Program
from sparsebounds.bounds.sample.margins import Margins
from sparsebounds.bounds.sample.sample import Sample

KEPT = 64
"""Inputs that stay, spread over the sample, to show what the layers do with them."""
_NAME = "_evidence"


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a page shows beside the rows of a table."""

    bounds: Mapping[str, Bound]
    """Name → bound, in the order of the rows."""
    graph: Graph | Program | None = None
    sample: Sample | None = None
    test: Margins | None = None
    inputs: np.ndarray | None = None
    """Up to `KEPT` of the training inputs."""
    said: Mapping[str, Any] = field(default_factory=dict)
    """What the caller declared: delta, preprocessing, mask_fixed, …"""
    notices: tuple[str, ...] = ()
    """What looks wrong with the data."""


def spread(x: Any) -> np.ndarray:
    """Up to `KEPT` of the inputs, spread evenly, as they are.

    Example:
        >>> spread(np.arange(1000))[:3].tolist()
        [0, 15, 31]
    """
    return np.asarray(x[np.linspace(0, len(x) - 1, min(KEPT, len(x))).astype(int)])


def keep(frame: pd.DataFrame, evidence: Evidence) -> None:
    """Put it beside a table: on this very object, not on copies or selections, which speak of other rows."""
    object.__setattr__(frame, _NAME, evidence)


def evidence_of(frame: pd.DataFrame) -> Evidence | None:
    """What was put beside it; None for a copy, a selection, or a table from elsewhere.

    Example:
        >>> frame = pd.DataFrame({"bound": ["occam"]})
        >>> keep(frame, Evidence({}))
        >>> evidence_of(frame) is None, evidence_of(frame.copy()) is None
        (False, True)
    """
    return frame.__dict__.get(_NAME)
