"""A certificate by distance for the report: half of the images train a reference, the other half are certified."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sparsebounds import bounds, nets
from sparsebounds.experiments.report.follow import Network
from sparsebounds.experiments.shared.distance.fit import Fitted, fit_near
from sparsebounds.experiments.shared.distance.network import OwnNetwork, network_of
from sparsebounds.experiments.shared.distance.recipe import RECIPES
from sparsebounds.experiments.shared.distance.space import configuration
from sparsebounds.experiments.shared.distance.split import Split, split
from sparsebounds.experiments.shared.distance.weights import digest
from sparsebounds.experiments.shared.problems import Problem, one_line
from sparsebounds.experiments.shared.scoring import margins
from sparsebounds.experiments.shared.user_model import Arrays
from sparsebounds.nets.data.datasets import Dataset, fingerprint

BOUND = "distance"
LEFT_OUT = 0.5
JITTER = nets.random_jitter(0.1, 0.6, 0.05)
"""Of images of 8×8 pixels, for the reference."""


def certified_row(
    network: Network,
    number: int,
    data: Dataset,
    folder: Path,
    *,
    delta: float,
    seed: int,
    repetitions: str,
    tell: Callable[[str], None] = lambda text: None,
) -> tuple[dict[str, Any], bounds.Bound | None]:
    """Train a network of this architecture near a reference, draw it once, and certify it.

    Args:
        network: untrained; it becomes the reference.
        number: its place among the networks of this data set, which is paid for.
        data: half of its training images are left out.
        folder: the draw is kept there before it is certified, and taken from there by every later run that would draw
            from the same: a second draw would have to be paid for.
        delta, seed, repetitions: as for the report.
        tell: called with what is done next.

    Returns:
        A row of rows.csv and the bound; NaN with the reason, and None, where no certificate can be had.
    """
    built = network_of(network.model, network.name, augment=JITTER)
    kept = folder / f"{_name(built, data, seed)}-draw.npz"

    def keep(drawn: bounds.Draw) -> bounds.Draw:
        if kept.exists():
            return bounds.Draw.load(kept, like=drawn.prior.reference)
        drawn.save(kept)
        return drawn

    choices = configuration(
        f"{data.name}, report", network=number, form="distance", left_out=LEFT_OUT, layers="all", seed=seed
    )
    try:
        found = split(Arrays(data.x_train, data.y_train, data.x_test, data.y_test), LEFT_OUT)
        fitted = fit_near(
            built, found, RECIPES["report"], choices,
            seed=seed, delta=delta, keep=keep, tell=tell,
            preprocessing=data.preprocessing, repetitions=repetitions,
        )  # fmt: skip
    except (Problem, ValueError, nets.Diverged) as error:  # too few images for ten classes, for example
        return _empty(one_line(error)), None
    return _row(fitted, found), fitted.bound


def _name(network: OwnNetwork, data: Dataset, seed: int) -> str:
    """Of the files of a draw: the same whenever it would be made for the same network, images and seed."""
    about = f"{digest(network.params)} {fingerprint(data.x_train, data.y_train)} {seed}"
    return f"{network.name}-{hashlib.sha256(about.encode()).hexdigest()[:8]}"


def _row(fitted: Fitted, found: Split) -> dict[str, Any]:
    bound = fitted.bound
    wrong = margins(lambda x: fitted.f(fitted.drawn.params, x), found.x_test, found.y_test) <= 0
    test_error, train_error = float(wrong.mean()), bound.margin_error
    reference = bound.terms["held-out bound of the reference"]
    note = (
        f"not of the network in the other rows, but of one of the same architecture, drawn once near a reference that "
        f"{len(found.left_out)} images trained; certified on the other {len(found.certified)}; test error "
        f"{test_error:.2%}; held-out bound of the frozen reference {reference:.4f}; declared, not checked: the first "
        "certificate on these images (of several reports, each with a network or seed of its own, the best is not one)"
    )
    return {
        "bound": BOUND, "nodes": "–", "value": bound.value, "complexity": bound.complexity,
        "margin_error": bound.margin_error, "confidence": bound.confidence, "gamma": bound.gamma,
        "guarantee": bound.guarantee, "source": bound.source, "note": f"{note}; {bound.note}",
        "uncapped": bound.complexity, "train_error": train_error, "test_error": test_error,
        "gap": test_error - train_error, "test_error_se": float(np.sqrt(test_error * (1 - test_error) / len(wrong))),
        "ratio": bound.value / test_error if test_error else np.nan, "seconds": sum(fitted.seconds.values()),
    }  # fmt: skip


def _empty(reason: str) -> dict[str, Any]:
    numbers = ("value", "complexity", "margin_error", "confidence", "gamma", "uncapped", "train_error", "test_error",
               "gap", "test_error_se", "ratio", "seconds")  # fmt: skip
    words = {"bound": BOUND, "nodes": "–", "guarantee": "certificate", "source": "", "note": reason}
    return {**dict.fromkeys(numbers, np.nan), **words}
