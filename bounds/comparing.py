"""Many models side by side: one row per model and bound or measure."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from glob import glob
from pathlib import Path
from typing import Any

import pandas as pd

from sparsebounds.bounds.measuring import measures
from sparsebounds.bounds.network import Network
from sparsebounds.bounds.reader import ReadError
from sparsebounds.bounds.sample.checks import check_sample
from sparsebounds.bounds.tables import table

COLUMNS = (
    "model", "name", "guarantee", "capacity", "value", "gamma", "train_error", "test_error", "test_error_se", "gap",
    "seconds", "source", "note",
)  # fmt: skip
ERRORS = ("train_error", "test_error", "test_error_se", "gap")


def compare(
    models: Mapping[str, Any] | str,
    x: Any,
    y: Any,
    x_test: Any = None,
    y_test: Any = None,
    *,
    build: Callable[[Path], Any] | None = None,
    gamma: float | str | None = "percentile:10",
    references: Mapping[str, Any] | None = None,
    logs: Mapping[str, Mapping[str, float]] | None = None,
    measured: bool = True,
    **options: Any,
) -> pd.DataFrame:
    """The bounds and measures of many models on one sample.

    Models of one architecture share what was compiled for the first of them: their weights are arguments.

    Args:
        models: name → network (whatever `table` takes) or path of a checkpoint; or a pattern of paths, "runs/*.ckpt",
            whose models are named by their files.
        x, y, x_test, y_test: as in `table`, the same for all.
        build: makes a network of the path of a checkpoint, which holds weights and no program.
        gamma: the margin of all rows of all models, as in `table`.
        references: name → graph of the model before training, for distances; a model without one has none.
        logs: name → training log, as in `measures`.
        measured: also the measures that need no search.
        options: further arguments of `table`, such as names or delta.

    Returns:
        DataFrame with the columns `COLUMNS`, `model` first. What orders models stands in `capacity`: of a bound its
        own (see `table`), of a measure its value; `value` is the bound on the error, which a measure has not. A model
        that cannot be read is one row with the reason. `frame.pivot(index="model", columns="name",
        values="capacity")` has a line for each model.

    Raises:
        ValueError: bad data, no models, a path without `build`, names of references or logs that no model has.
        ReadError, ValueError, OSError: the reason of the first model, where all of them are refused.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
        >>> nets = {f"times {k}": lambda x, k=k: k * x[:, :2] for k in (1.0, 2.0)}
        >>> rows = compare(nets, x, (x[:, 1] > x[:, 0]).astype(int), names=["golowich"], measured=False)
        >>> rows.model.tolist(), (rows.capacity / rows.capacity[0]).round(6).tolist()  # margins grow with the norm
        (['times 1.0', 'times 2.0'], [1.0, 1.0])
    """
    found = _named(models, build)
    for what, given in (("references", references), ("logs", logs)):
        strange = [name for name in given or {} if name not in found]
        if strange:
            raise ValueError(f"{what} has {strange[0]!r}, which no model is called; they are {', '.join(found)}")
    check_sample(x, y)
    rows, refusals = [], []
    for name, model in found.items():
        reference = (references or {}).get(name)
        log = (logs or {}).get(name) if measured else None
        with_all = {**options, "gamma": gamma, "reference": reference}
        try:
            network = Network.of(build(model) if build is not None and isinstance(model, Path) else model)
            rows += list(_rows(name, network, (x, y, x_test, y_test), with_all, measured, log))
        except (ReadError, ValueError, OSError) as error:  # this model's refusal must not cost the others
            refusals.append(error)
            rows.append({"model": name, "name": "", "guarantee": "", "source": "", "note": str(error)})
    if len(refusals) == len(found):
        raise refusals[0]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _named(models: Mapping[str, Any] | str, build: Callable[[Path], Any] | None) -> dict[str, Any]:
    """Name → network, or path of a checkpoint."""
    given = {Path(path).stem: path for path in sorted(glob(models))} if isinstance(models, str) else dict(models)
    if not given:
        raise ValueError(
            f"no models came ({models!r}); needed a name and a network each, or files that match a pattern"
        )
    found = {name: Path(m) if isinstance(m, str | os.PathLike) else m for name, m in given.items()}
    for name, model in found.items():
        if isinstance(model, Path) and build is None:
            raise ValueError(
                f"model {name!r} is the path {model}, weights without a program; give build=, a function of the path "
                "that makes the network of it"
            )
    return found


def _rows(
    name: str,
    network: Network,
    data: tuple[Any, Any, Any, Any],
    options: Mapping[str, Any],
    measured: bool,
    log: Mapping[str, float] | None,
) -> Iterator[dict[str, Any]]:
    bounds = table(network, *data, **options)
    for row in bounds.to_dict("records"):
        yield {"model": name, "name": row["bound"]} | {str(key): row[key] for key in row if key in COLUMNS}
    if not measured:
        return
    errors = bounds.iloc[0][list(ERRORS)].to_dict() if len(bounds) else {}
    for row in measures(network, *data[:2], options["reference"], log=log).to_dict("records"):
        own = {"model": name, "name": row["measure"], "capacity": row["value"]}
        yield own | {key: row[key] for key in ("guarantee", "seconds", "source", "note")} | errors
