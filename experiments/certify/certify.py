"""`sparsebounds certify`: train a network for the tightest certificate, and say what limits it.

    sparsebounds certify --task mnist10-filters --preset cpu --json

The value is a bound on the error of the network on new images, with probability 1 − δ over the certified sample, after
all costs. Minutes on two idle cores: linear and fixed-filter tasks below 4, convolutions below 8.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from sparsebounds.bounds.confidence.binomial import binomial_upper
from sparsebounds.experiments.certify.data import Prepared, load, prepare
from sparsebounds.experiments.certify.fit import Fitted, fit
from sparsebounds.experiments.certify.forms import FORMS
from sparsebounds.experiments.certify.limits import limits
from sparsebounds.experiments.certify.options import CertifyOptions
from sparsebounds.experiments.certify.tasks import Task, find_task
from sparsebounds.experiments.shared.files import plain
from sparsebounds.experiments.shared.problems import unknown
from sparsebounds.experiments.shared.scoring import margins
from sparsebounds.experiments.shared.tables import grid, number_up
from sparsebounds.nets.data.filters import EdgeFilters

QUICK_FILTERS = EdgeFilters(strides=(5,))
QUICK_REHEARSAL = (100, 100)
SPACE = {"name": "", "version": ": version", "hash": ": hash"}


def form_of(options: CertifyOptions) -> str:
    """The form that is run.

    Raises:
        Problem: an unknown task or form.
    """
    if options.form is not None and options.form not in FORMS:
        raise unknown("form", options.form, FORMS)
    return options.form or "boxes"


def task_of(options: CertifyOptions) -> Task:
    """The task as the preset runs it.

    Raises:
        Problem: an unknown task.
    """
    task = find_task(str(options.task), form_of(options))
    task = task if options.width is None else replace(task, width=options.width)
    if options.preset == "cpu":
        return task
    steps = (max(50, task.steps[0] // 4), max(50, task.steps[1] // 4))
    filters = None if task.filters is None else QUICK_FILTERS
    return replace(task, steps=steps, rehearsal_steps=QUICK_REHEARSAL, filters=filters)


def certify(
    options: CertifyOptions, data_dir: Path | None = None, *, prepared: Prepared | None = None
) -> dict[str, Any]:
    """Train and certify.

    Args:
        options: what to run.
        data_dir: folder of the data files; None: $SPARSEBOUNDS_DATA.
        prepared: the data of this task and preset behind the front end, if they are at hand.

    Returns:
        JSON-able: value, test_error, terms, task, guarantee, space, left_out, labels_used, held_out, limits, …

    Raises:
        Problem: an unknown task, preset or form, missing data, δ outside (0, 1).
    """
    task, form = task_of(options), form_of(options)
    ready = prepare(task, load(task, data_dir)) if prepared is None else prepared
    return document(options, task, fit(task, form, ready, seed=options.seed, delta=options.delta))


def document(options: CertifyOptions, task: Task, fitted: Fitted) -> dict[str, Any]:
    """What a reader should see of a certified network."""
    bound, parts, form = fitted.bound, fitted.prepared.parts, form_of(options)
    wrong = int((margins(fitted.scores, fitted.prepared.test, parts.test.y) <= 0).sum())
    tested, labels_used = len(parts.test.y), FORMS[form].rehearsed
    left_out = {
        "images": len(parts.left_out.y),
        "labels_used": labels_used,
        "for": "mean and range of what the network receives" + FORMS[form].words,
    }
    return {
        "task": task.name,
        "form": form,
        "preset": options.preset,
        "seed": options.seed,
        "value": bound.value,
        "ramp": bound.margin_error,
        "complexity": bound.complexity,
        "confidence": bound.confidence,
        "nats": bound.terms["nats paid for choices"],
        "space": {part: bound.terms[f"configuration space{name}"] for part, name in SPACE.items()},
        "delta": bound.delta,
        "gamma": bound.gamma,
        "guarantee": bound.guarantee,
        "test_error": wrong / tested,
        "m": fitted.prepared.m,
        "left_out": left_out,
        "labels_used": labels_used,
        "held_out": _held_out(fitted, wrong, tested, options.delta),
        "limits": limits(fitted),
        "terms": plain(bound.terms),
        "seconds": fitted.seconds,
        "source": bound.source,
    }


def _held_out(fitted: Fitted, wrong: int, tested: int, delta: float) -> dict[str, Any]:
    """Binomial bounds beside the certificate: of this network by the test images, of the rehearsal by the sample."""
    found: dict[str, Any] = {"test images": {"errors": wrong, "of": tested, "value": _binomial(wrong, tested, delta)}}
    if fitted.rehearsal_margins is not None:
        errors, n = int((fitted.rehearsal_margins <= 0).sum()), len(fitted.rehearsal_margins)
        found["rehearsal network, frozen"] = {"errors": errors, "of": n, "value": _binomial(errors, n, delta)}
    return found


def _binomial(errors: int, n: int, delta: float) -> float:
    return binomial_upper(errors, n, math.log(delta))


def show(console: Console, found: dict[str, Any]) -> None:
    """The certificate for people."""
    console.print(
        f"{found['task']}, {found['form']}, seed {found['seed']}: with probability {1 - found['delta']:g} the error on "
        f"new images is at most {number_up(found['value'])} (test images: {found['test_error']:.4f})",
        highlight=False,
    )
    parts = ("ramp", "complexity", "confidence")
    cells = [(part, f"{found[part]:.4f}", f"{found['limits'][part]:.0%}") for part in parts]
    console.print(grid("what the number consists of", ("part", "value", "share"), cells, gap=2))
    space, nats = found["space"], found["terms"]["nats: configuration"]
    console.print(
        f"{nats:.1f} nats for the configuration, of the space “{space['name']}”, version {space['version']}, hash "
        f"{space['hash']}",
        highlight=False,
    )
    splits = found["limits"]["complexity per split of the classes"]
    worst = max(splits, key=splits.get)
    ramps = found["limits"]["ramp per class"]
    console.print(
        f"dearest split of the classes: {worst} ({splits[worst]:.4f}); dearest class: {max(ramps, key=ramps.get)} "
        f"({max(ramps.values()):.4f} of the ramp)",
        highlight=False,
    )
    positions, layers = found["limits"]["positions"], found["limits"]["complexity if all up to this layer were fixed"]
    console.print(f"dearest input: {positions[0]['position']} ({positions[0]['share']:.1%})", highlight=False)
    for (_, whole), (name, rest) in itertools.pairwise(layers.items()):
        console.print(
            f"were all layers up to {name} fixed, complexity {rest:.4f} instead of {whole:.4f}", highlight=False
        )
    for name, held in found["held_out"].items():
        console.print(f"for comparison, binomial bound from {held['of']} {name}: {held['value']:.4f}", highlight=False)
    images, used = found["left_out"]["images"], "with" if found["labels_used"] else "without"
    console.print(f"{images} images left out, {used} their labels; certified on {found['m']}", highlight=False)
