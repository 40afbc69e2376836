"""The networks of a sweep: their hyper-parameters, errors, and what was measured of each."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from sparsebounds.experiments.shared.problems import Problem, one_line

Array = npt.NDArray[np.float64]
LEAST = 3
"""Networks below which nothing is ranked."""
REPLICATE = "seed"
"""Varied to repeat a setting, not to move the gap: no pair differs in it alone."""
WHOLE = "cells.parquet"
ERRORS = ("train_error", "test_error", "test_error_se", "gap")


@dataclass(frozen=True)
class Networks:
    """All networks that take part.

    Args:
        levels: a row per network, a column per hyper-parameter that varies; `seed` among them if it does.
        errors: their train_error, test_error, test_error_se and gap.
        values: a column per quantity: what ranks the networks, NaN where it is not defined.
        about: by quantity: kind and guarantee.
        factorial: whether pairs that differ in one hyper-parameter were meant to exist.
        short: how many networks were left out, as their training ended before its stopping rule.
    """

    levels: pd.DataFrame
    errors: pd.DataFrame
    values: pd.DataFrame
    about: pd.DataFrame
    factorial: bool
    short: int

    def factors(self) -> list[str]:
        """Hyper-parameters along which networks are compared."""
        return [str(name) for name in self.levels.columns if name != REPLICATE]


def read_networks(folder: Path, where: str | None = None) -> Networks:
    """The networks in the folder of a sweep, and columns of the user's own beside them.

    Args:
        folder: of `read_cells`; own/*.csv or own/*.parquet have a column `cell` and columns of numbers.
        where: a condition on the columns of the cells, as in `pandas.DataFrame.query`; other networks are left out.

    Raises:
        Problem: no such folder, a file that cannot be read, a condition that cannot, or too few networks.
    """
    rows = _chosen(read_cells(folder), where)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))["config"]
    first = rows.drop_duplicates("cell").set_index("cell").sort_index()
    kept = first[first["reached"].astype(bool)]
    if len(kept) < LEAST:
        raise Problem(
            f"{folder} has {len(first)} networks, {len(kept)} of which reached the stopping rule: needed at least "
            f"{LEAST}; go on with sparsebounds sweep --resume, or train for longer"
        )
    names = [name for name in config["factors"] if kept[name].nunique() > 1]
    if "density" in names and "sparsity" in names and (kept.groupby("sparsity")["density"].nunique() == 1).all():
        names.remove("density")  # a part of the level of sparsity
    values = rows.pivot(index="cell", columns="quantity", values="capacity").reindex(kept.index)
    about = rows.drop_duplicates("quantity").set_index("quantity")[["kind", "guarantee"]].loc[values.columns]
    values, about = _with_own(folder, values, about)
    return Networks(
        levels=kept[names],
        errors=kept[list(ERRORS)].astype(float),
        values=values.astype(float),
        about=about,
        factorial=config["design"] != "sobol",
        short=len(first) - len(kept),
    )


def read_cells(folder: Path) -> pd.DataFrame:
    """A row for each cell and quantity, from cells/*.parquet or from the one file of a folder that --out made.

    Raises:
        Problem: there is neither, or a file cannot be read.
    """
    whole = folder / WHOLE
    if not (folder / "config.json").is_file() or not (whole.exists() or any((folder / "cells").glob("*.parquet"))):
        raise Problem(f"{folder} holds no cells of a sweep: run sparsebounds sweep first, and name its folder")
    try:
        return pd.read_parquet(whole if whole.exists() else folder / "cells")
    except (OSError, pa.ArrowException) as error:
        raise Problem(
            f"a file in {folder / 'cells'} cannot be read ({one_line(error)}): sparsebounds sweep --resume mends it"
        ) from error


def _chosen(rows: pd.DataFrame, where: str | None) -> pd.DataFrame:
    try:
        found = rows if where is None else rows.query(where)
    except Exception as error:  # whatever pandas makes of the words
        raise Problem(
            f"--where {where!r} is no condition on the columns of the cells ({one_line(error)}): write such as "
            "\"sparsity != 'dense' and depth > 2\""
        ) from error
    if found.empty:
        raise Problem(f"--where {where!r} holds for no network: the columns are {', '.join(rows.columns[:20])}, …")
    return found


def _with_own(folder: Path, values: pd.DataFrame, about: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    for path in sorted([*(folder / "own").glob("*.csv"), *(folder / "own").glob("*.parquet")]):
        own = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
        if "cell" not in own or own["cell"].duplicated().any():
            raise Problem(f"{path} needs a column `cell` that names every network once, as in the files of the sweep")
        numbers = own.set_index("cell").select_dtypes("number")
        _check_new(path, numbers.columns, values.columns)
        values = values.join(numbers)
        said = {"kind": "own", "guarantee": "measure"}
        about = pd.concat([about, pd.DataFrame(said, index=numbers.columns)])
    return values, about


def _check_new(path: Path, names: Iterable[str], known: Iterable[str]) -> None:
    names = list(names)
    if not names:
        raise Problem(f"{path} has no column of numbers beside `cell`: nothing to rank")
    if twice := sorted(set(names) & set(known)):
        raise Problem(f"{path} has a column {twice[0]!r}, which the sweep has too: give it another name")
