"""All measures by name."""

from __future__ import annotations

from sparsebounds.bounds.measures import (
    group_norms,
    mixtures,
    norms_and_margins,
    outputs,
    paths,
    sharpness,
    spectra,
    training_log,
)
from sparsebounds.bounds.measures.measure import Measure

FAMILIES: tuple[tuple[Measure, ...], ...] = (
    outputs.MEASURES,
    norms_and_margins.SPECTRAL_MEASURES,
    norms_and_margins.ENTRYWISE_MEASURES,
    (norms_and_margins.l2, norms_and_margins.l2_dist),
    paths.MEASURES,
    group_norms.MEASURES,
    spectra.MEASURES,
    mixtures.MEASURES,
    sharpness.MEASURES,
    training_log.MEASURES,
)
MEASURES: dict[str, Measure] = {measure.name: measure for family in FAMILIES for measure in family}
"""Name in the table → measure, called as measure(subject)."""
