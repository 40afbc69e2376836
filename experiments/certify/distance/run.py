"""`sparsebounds certify` by distance: data, network, one draw that is kept before it is certified, files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sparsebounds import nets
from sparsebounds.bounds.sample.normalised import looks_normalised
from sparsebounds.experiments.certify.distance.document import document
from sparsebounds.experiments.certify.distance.figure import figure
from sparsebounds.experiments.certify.distance.kept import Kept, declared
from sparsebounds.experiments.certify.distance.tasks import NUMBERS, TASKS
from sparsebounds.experiments.certify.options import CertifyOptions
from sparsebounds.experiments.shared.distance.fit import Fitted, fit_free, fit_near
from sparsebounds.experiments.shared.distance.network import OwnNetwork, load_network, network_of, network_of_file
from sparsebounds.experiments.shared.distance.recipe import RECIPES
from sparsebounds.experiments.shared.distance.space import configuration
from sparsebounds.experiments.shared.distance.split import Split, read_ids, split
from sparsebounds.experiments.shared.distance.weights import safetensors_bytes, save_orbax, together
from sparsebounds.experiments.shared.files import to_json, write_files
from sparsebounds.experiments.shared.problems import Problem, one_line, unknown
from sparsebounds.experiments.shared.targets import file_of, is_onnx
from sparsebounds.experiments.shared.user_model import Arrays, load_arrays

OWN = "a network of your own"


def is_by_distance(options: CertifyOptions) -> bool:
    """Whether these options ask for a distance certificate."""
    return options.target is not None or options.form in ("distance", "data-free") or options.task in FIRST


FIRST = tuple(name for name in TASKS if name not in ("mnist10-linear", "mnist10-filters"))
"""Tasks whose first form is the distance; the others have classes fixed in advance too."""


def default_folder(options: CertifyOptions) -> Path:
    """results/certify-NAME."""
    name = options.task or file_of(str(options.target)).stem
    return Path("results") / f"certify-{name}{'-data-free' if form_of(options) == 'data-free' else ''}"


def form_of(options: CertifyOptions) -> str:
    """ "distance" or "data-free"."""
    return "data-free" if options.data_free or options.form == "data-free" else "distance"


def run(
    options: CertifyOptions, folder: Path, data_dir: Path | None = None, *, tell: Callable[[str], None] = lambda t: None
) -> dict[str, Any]:
    """Train, draw, certify, and write everything.

    Args:
        options: what to run.
        folder: an existing one, for certificate.json, the network, the draw and the figure.
        data_dir: folder of the data files of built-in tasks.
        tell: called with what is done next.

    Returns:
        certificate.json.

    Raises:
        Problem: whatever a user can put right; a draw that an interrupted run left behind, unless `resume`, or one that
            was made with other options, data or network.
    """
    form = form_of(options)
    network, arrays, left_out, subject, number = _what(options, form, data_dir)
    found = _split(options, arrays, left_out, form)
    choices = configuration(
        subject, network=number, form=form, left_out=left_out, layers=options.layers, seed=options.seed,
        preset=options.preset,
    )  # fmt: skip
    try:
        if options.reference is not None:
            network = network.with_weights(options.reference)
        kept = Kept(folder, declared(options, form, network, found))
        kept.check(resume=options.resume)
        seen = _normalised(options, found)
        said = {"preprocessing": "sample" if seen else options.preprocessing, "repetitions": options.repetitions}
        fitted = _fitted(options, form, network, found, choices, kept, tell, said)
    except ValueError as error:  # bounds and nets refuse, each in one sentence
        raise Problem(one_line(error)) from error
    except nets.Diverged as error:
        raise Problem(f"{one_line(error)}: scale the inputs to about 1, or give a train of your own") from error
    words = document(network.name, form, options, found, fitted, choices)
    words["note"] += f"; declared, not checked: certificate number {options.tried + 1} on these samples"
    words["note"] += f"; {network.note}" if network.note else ""
    if seen:
        words["note"] += (
            "; all samples together look normalised by their own statistics: use constants, or statistics of those "
            "left out alone, or say --preprocessing stated"
        )
    if options.reference is not None:
        words["note"] += f"; declared, not checked: {options.reference} saw none of the certified samples"
    weights = together(fitted.handed_out, fitted.network.frozen)
    about = {"certificate": str(words["value"]), "guarantee": words["guarantee"], "delta": str(options.delta)}
    files = {"network.safetensors": safetensors_bytes(weights, about), "figure.png": figure(words)}
    if options.rank() is not None:  # the decoder of the draw, which holds its reference inside
        files["reference.safetensors"] = safetensors_bytes(together(fitted.network.params, fitted.network.frozen), {})
    write_files(folder, {**files, "certificate.json": to_json(words)})
    save_orbax(folder / "network", weights)
    return words


def _what(options: CertifyOptions, form: str, data_dir: Path | None) -> tuple[OwnNetwork, Arrays, float, str, int]:
    """The network, its data, how much is left out, the subject of the space, and the network's number in it."""
    if options.target is not None:
        assert options.data is not None
        arrays = load_arrays(options.data)
        if is_onnx(options.target):
            network, arrays = network_of_file(options.target, arrays, options.shape, options.reference)
        else:
            network = load_network(options.target)
        return network, arrays, 0.5 if options.left_out is None else options.left_out, OWN, options.tried
    if options.task not in TASKS:
        raise unknown("task", str(options.task), TASKS)
    task = TASKS[options.task]
    if form not in task.forms:
        raise unknown("form", form, task.forms)
    left_out = task.left_out if options.left_out is None else options.left_out
    return (
        replace(network_of(task.built(form), task.name, augment=task.augment), share=task.share),
        task.arrays(data_dir),
        left_out,
        task.dataset,
        task.number + NUMBERS * options.tried,
    )


def _split(options: CertifyOptions, arrays: Arrays, left_out: float, form: str) -> Split:
    saw = None if options.reference is None else read_ids(str(options.reference_saw), len(arrays.y_train))
    return split(arrays, 0.0 if form == "data-free" else left_out, saw=saw)


def _fitted(
    options: CertifyOptions, form: str, network: OwnNetwork, found: Split, choices: Any, kept: Kept,
    tell: Callable[[str], None], said: dict[str, str],
) -> Fitted:  # fmt: skip
    recipe = RECIPES[options.preset]
    checkpoints = kept.folder / "checkpoints"
    if form == "data-free":
        return fit_free(
            network, found, recipe, choices, seed=options.seed, delta=options.delta, folder=checkpoints,
            keep=kept.keep, tell=tell, **said,
        )  # fmt: skip
    return fit_near(
        network, found, recipe, choices, layers=options.layers, rank=options.rank(), seed=options.seed,
        delta=options.delta, folder=checkpoints, trained=options.reference is not None, keep=kept.keep,
        tell=tell, **said,
    )  # fmt: skip


def _normalised(options: CertifyOptions, found: Split) -> bool:
    """Whether all samples, or those of training, look normalised by their own statistics."""
    return options.preprocessing == "fixed" and (
        looks_normalised(found.x) or looks_normalised(np.concatenate([found.x, found.x_test]))
    )
