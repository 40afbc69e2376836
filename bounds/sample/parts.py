"""Whether the parts of a sample fit together."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparsebounds.bounds.sample.normalised import APPARENT, PREPROCESSING
from sparsebounds.bounds.sample.repetitions import REPETITIONS
from sparsebounds.bounds.sample.statistics import STATISTICS


def check_parts(s: Any) -> None:
    """Refuse a sample whose parts contradict each other (a file edited by hand, a wrong constructor call)."""
    problems = {
        "m must be at least 1": s.m < 1,
        "there must be two or more classes": s.classes < 2,
        f"class_counts must have shape ({s.classes},)": s.class_counts.shape != (s.classes,),
        "class_counts must be ≥ 0 and sum to m": (s.class_counts < 0).any() or s.class_counts.sum() != s.m,
        "energies must be finite and ≥ 0": not _proper(s.energies),
        "margins must be finite": not np.isfinite(s.margins).all(),
        f"preprocessing must be one of {PREPROCESSING}": s.preprocessing not in (*PREPROCESSING, APPARENT),
        f"repetitions must be one of {REPETITIONS}": s.repetitions not in REPETITIONS,
        "input_space must be at least 1": s.input_space is not None and not s.input_space >= 1,
        "overlapping must be a share": s.overlapping is not None and not 0 <= s.overlapping <= 1,
        "probe_inputs and probe_scores must be as many of each": not _proper_probes(s),
    }
    wrong = [text for text, failed in problems.items() if failed]
    for statistic in STATISTICS:
        value, shape = getattr(s, statistic.name), statistic.shape(s.m, s.classes, s.energies.shape)
        if value is not None and np.shape(value) != shape:
            wrong.append(f"{statistic.name} must have shape {shape}")
        elif value is not None and statistic.kind != "per sample" and not _proper(np.asarray(value)):
            wrong.append(f"{statistic.name} must be finite and ≥ 0")
    if not wrong and not np.allclose(s.class_energies.sum(axis=0), s.energies, rtol=1e-9, atol=0.0):
        wrong.append("class_energies must sum to energies")
    if wrong:
        raise ValueError(f"this is no sample: {'; '.join(wrong)}; measure it with Sample.measure")


def _proper_probes(s: Any) -> bool:
    if s.probe_inputs is None or s.probe_scores is None:
        return s.probe_inputs is s.probe_scores
    count = len(s.probe_inputs)
    shapes = s.probe_inputs.shape == (count, *s.energies.shape) and s.probe_scores.shape == (count, s.classes)
    return count > 0 and shapes and bool(np.isfinite(s.probe_inputs).all() and np.isfinite(s.probe_scores).all())


def _proper(array: np.ndarray) -> bool:
    return bool(0 <= array.min(initial=0.0) and array.max(initial=0.0) < np.inf)  # NaN is neither


def check_several(m: int, labels: np.ndarray) -> None:
    """Refuse m samples of which all have one label."""
    if len(labels) == 1:
        raise ValueError(
            f"all {m} samples have label {labels[0]}; margins compare classes: "
            "a sample in which two or more labels occur is needed"
        )
