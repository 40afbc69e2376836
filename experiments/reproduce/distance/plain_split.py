"""What a certificate is to be judged by: the same network trained on more of the samples, counted on the rest."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

from sparsebounds.bounds.confidence.binomial import binomial_upper
from sparsebounds.experiments.certify.distance.tasks import TASKS
from sparsebounds.experiments.shared.distance.fit import reference_of
from sparsebounds.experiments.shared.distance.network import network_of
from sparsebounds.experiments.shared.distance.recipe import RECIPES
from sparsebounds.experiments.shared.distance.split import split
from sparsebounds.experiments.shared.scoring import misses


def plain_split(
    task: str, left_out: int, *, seed: int, delta: float, preset: str, data_dir: Path | None
) -> dict[str, Any]:
    """The held-out bound of one split: trained on `left_out` samples, none kept for scales, counted on all others.

    Args:
        task: of `sparsebounds certify`.
        left_out: samples that train the network; the split is the one that certificates use.
        seed: of the training.
        delta: failure probability of the one bound; whoever takes the best of N splits has to divide it by N.
        preset: whose training it gets.
        data_dir: folder of the data files.
    """
    start = time.perf_counter()
    chosen = TASKS[task]
    found = split(chosen.arrays(data_dir), left_out)
    network = network_of(chosen.built("distance"), task, augment=chosen.augment)
    trained = reference_of(network, found.training_on(found.left_out), RECIPES[preset], seed, None)
    x, y = found.part(found.certified)
    errors = misses(trained.f, trained.params, x, y)
    return {
        "task": task, "left_out": left_out, "seed": seed, "m": len(y), "errors": errors,
        "value": binomial_upper(errors, len(y), math.log(delta)), "delta": delta,
        "test_error": misses(trained.f, trained.params, found.x_test, found.y_test) / len(found.y_test),
        "seconds": round(time.perf_counter() - start, 1),
    }  # fmt: skip
