"""`sparsebounds evaluate model.py:function|model.onnx --data sample.npz`: the bounds of a network of your own.

Device: CPU. Time: one pass over the data, then milliseconds per bound; compiling takes a few seconds.
"""

import dataclasses
import hashlib
import math
from pathlib import Path
from typing import Any, cast

import pandas as pd

from sparsebounds import bounds
from sparsebounds.bounds.evidence import evidence_of, keep
from sparsebounds.bounds.graph.graph import Partition
from sparsebounds.bounds.margins_alike import PERCENTILE, check_margin
from sparsebounds.bounds.network import Network
from sparsebounds.experiments.evaluate.options import EvaluateConfig
from sparsebounds.experiments.evaluate.what_if import what_if as changes
from sparsebounds.experiments.shared.files import plain, prepare_folder, to_json, versions, write_files
from sparsebounds.experiments.shared.onnx_file import load_onnx
from sparsebounds.experiments.shared.passes import Passes
from sparsebounds.experiments.shared.problems import Problem, check_delta, margin_of, one_line, unknown
from sparsebounds.experiments.shared.rows import to_csv
from sparsebounds.experiments.shared.targets import file_of, is_onnx
from sparsebounds.experiments.shared.user_model import HINT, Arrays, load_arrays, load_function
from sparsebounds.nets.onnx import files_of


def evaluate(config: EvaluateConfig) -> pd.DataFrame:
    """Table of the bounds of one network, a row per bound.

    Args:
        config: names = () means every bound there is.

    Returns:
        The table of `bounds.tables`; a bound that refuses the network is a row with value NaN and the reason. Its
        attribute `said` has what a reader should know of the weights, such as that they are in half precision, or how
        far the scores of an ONNX file are from those of onnxruntime, which the `terms` of every row say too.

    Raises:
        Problem: a name, file, function or array is not what is needed.
    """
    for name in config.names:
        if name not in bounds.BOUNDS:
            raise unknown("bound", name, bounds.BOUNDS)
    check_delta(config.delta)
    gamma = margin_of_table(config.gamma)
    if config.what_if and isinstance(gamma, str) and gamma != "best":
        raise Problem(f"--what-if has no margins of its own to take --gamma {gamma} from: give a number, or best")
    if config.pixel_range is not None and not -math.inf < config.pixel_range[0] <= config.pixel_range[1] < math.inf:
        low, high = config.pixel_range
        raise Problem(f"--pixel-range {low:g} {high:g} is no range: give the lowest value, then the highest")
    arrays = load_arrays(config.data)
    _check_range(config.pixel_range, arrays)
    network, arrays, said, terms = _network(config, arrays)
    try:
        with Passes() as passes:
            frame = bounds.table(
                network,
                arrays.x_train,
                arrays.y_train,
                arrays.x_test,
                arrays.y_test,
                delta=config.delta,
                names=list(config.names) or None,
                nodes=cast(Partition, config.nodes),
                mask_fixed=config.mask_fixed,
                selections_fixed=config.selections_fixed,
                preprocessing=config.preprocessing,
                repetitions=config.repetitions,
                simultaneous=config.simultaneous,
                pixel_range=config.pixel_range,
                gamma=gamma,
                progress=passes,
            )
        _add_terms(frame, terms)
        frame.attrs["said"] = said
        return frame
    except (ValueError, TypeError) as error:  # the reader and the sample refuse, each in one sentence
        raise Problem(one_line(error)) from error
    except (NameError, AttributeError, ImportError, LookupError) as error:  # raised by the network itself
        raise Problem(
            f"{config.target} fails when it is called: {type(error).__name__}: {one_line(error)} ({HINT})"
        ) from error


def margin_of_table(text: str | None) -> float | str | None:
    """γ of all rows of a table: as in `margin_of`, or a percentile of the training margins; None: not given.

    Example:
        >>> margin_of_table("percentile:10"), margin_of_table("2"), margin_of_table(None)
        ('percentile:10', 2.0, None)
    """
    if text is None:
        return None
    if not text.startswith(PERCENTILE):
        try:
            return margin_of(text)
        except Problem as problem:
            raise Problem(f"{problem}, or a percentile of the training margins such as percentile:10") from None
    try:
        check_margin(text)
    except ValueError:
        raise Problem(
            f"--gamma {text} is no percentile: give a percentage between 0 and 100, such as percentile:10"
        ) from None
    return text


def _add_terms(frame: pd.DataFrame, terms: dict[str, float]) -> None:
    """Terms of every bound behind the rows."""
    evidence = evidence_of(frame)
    if terms and evidence is not None:
        told = {name: dataclasses.replace(row, terms={**row.terms, **terms}) for name, row in evidence.bounds.items()}
        keep(frame, dataclasses.replace(evidence, bounds=told))


def _network(config: EvaluateConfig, arrays: Arrays) -> tuple[Any, Arrays, str, dict[str, float]]:
    """The network, the data in its order, words for the table, and terms of every row."""
    if not is_onnx(config.target):
        if config.shape is not None:
            raise Problem(f"--shape is for ONNX files, and {config.target} is none: drop it")
        network, said = load_function(config.target, config.checkpoint, step=config.step, example=arrays.x_train[:1])
        return network, arrays, said, {}
    if config.checkpoint is not None:
        raise Problem(f"{config.target} has its weights inside: drop --checkpoint")
    if config.step is not None:
        raise Problem(f"--step is for Orbax folders, and {config.target} is an ONNX file: drop it")
    found = load_onnx(config.target, arrays, config.shape)
    return Network(found.f.apply, found.f.params), found.arrays, found.words, found.terms


def what_if(config: EvaluateConfig, now: pd.DataFrame) -> pd.DataFrame:
    """The table of `--what-if` beside that of `evaluate`."""
    network, arrays, *_ = _network(config, load_arrays(config.data))
    return changes(config, network, arrays, now)


def write(config: EvaluateConfig, frame: pd.DataFrame, folder: Path | None) -> list[Path]:
    """rows.csv, and config.json with the options, the hashes of what was read and the versions.

    Returns:
        The files; none where there is no folder.

    Raises:
        Problem: a folder that cannot be written.
    """
    if folder is None:
        return []
    prepare_folder(folder)
    read = files_of(config.target) if is_onnx(config.target) else (file_of(config.target),)
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (*read, config.data)}
    described = {"experiment": "evaluate", "options": plain(dataclasses.asdict(config)), "said": frame.attrs["said"]}
    files = {"config.json": to_json({**described, "sha256": hashes, "versions": versions()}), "rows.csv": to_csv(frame)}
    write_files(folder, files)
    return [folder / name for name in files]


def _check_range(pixel_range: tuple[float, float] | None, arrays: Arrays) -> None:
    """No value outside the range that is said to hold every input; the rounding of float32 is let through."""
    if pixel_range is None:
        return
    low, high = pixel_range
    slack = 1e-6 * max(abs(low), abs(high))
    for x in (arrays.x_train, arrays.x_test):
        if x is not None and x.size and x.dtype.kind in "biuf" and (x.min() < low - slack or x.max() > high + slack):
            raise Problem(
                f"--pixel-range {low:g} {high:g} does not hold the data, which reach from {x.min():g} to {x.max():g}: "
                "give the lowest and the highest value that an input can have"
            )
