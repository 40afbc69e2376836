"""Labels that a coin gave: nobody errs less than 0.9 on new ones, so that no certificate may be below that."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sparsebounds.experiments.certify.distance.tasks import TASKS
from sparsebounds.experiments.shared.distance.fit import fit_free, fit_near
from sparsebounds.experiments.shared.distance.network import network_of
from sparsebounds.experiments.shared.distance.recipe import RECIPES
from sparsebounds.experiments.shared.distance.space import configuration
from sparsebounds.experiments.shared.distance.split import split
from sparsebounds.experiments.shared.scoring import misses
from sparsebounds.experiments.shared.user_model import Arrays

SAMPLES = 4000
"""Of the training images, trained by the preset quick; half of them are left out in the form that needs a reference."""


def random_labels(task: str, form: str, *, seed: int, delta: float, data_dir: Path | None) -> dict[str, Any]:
    """Certify a network that was trained on labels drawn uniformly, training and test alike.

    Args:
        task, form: of `sparsebounds certify`; every task has both here.
        seed: of the labels and the trainings.
        delta, data_dir: as for `sparsebounds certify`.
    """
    start = time.perf_counter()
    chosen = TASKS[task]
    found = split(_labelled(chosen.arrays(data_dir), seed), 0.0 if form == "data-free" else 0.5)
    network = network_of(chosen.built(form), task)
    choices = configuration(
        "random labels", network=0, form=form, left_out=0.5, layers="all", seed=seed, preset="quick"
    )
    fit = fit_free if form == "data-free" else fit_near
    fitted = fit(network, found, RECIPES["quick"], choices, seed=seed, delta=delta)
    wrong = misses(fitted.f, fitted.drawn.params, found.x_test, found.y_test)
    return {
        "task": task, "form": form, "seed": seed, "m": len(found.certified), "value": fitted.bound.value,
        "guarantee": fitted.bound.guarantee, "certified_error": fitted.bound.margin_error,
        "test_error": wrong / len(found.y_test), "delta": delta, "seconds": round(time.perf_counter() - start, 1),
    }  # fmt: skip


def _labelled(arrays: Arrays, seed: int) -> Arrays:
    rng = np.random.default_rng(seed)
    assert arrays.y_test is not None
    first = replace(arrays, x_train=arrays.x_train[:SAMPLES], y_train=arrays.y_train[:SAMPLES])
    return replace(
        first,
        y_train=rng.integers(0, 10, SAMPLES).astype(first.y_train.dtype),
        y_test=rng.integers(0, 10, len(arrays.y_test)).astype(arrays.y_test.dtype),
    )
