"""Rows of certificates at the price of the present configuration space, without training anything anew.

    python -m sparsebounds.experiments.certify.reprice results/certificates results/pareto

For rows whose class, network and γ stay as they were. With L nats behind every confidence bound U of an energy, now L',
Bernstein's excess over the mean grows at most like L'/L, so

    U' ≤ U (1/ρ² + (1 − 1/ρ²) L'/L),     ρ² the largest U/mean of the row

and the complexity at most by the root of that. The result is a certificate, never below what computing it anew gives.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sparsebounds.bounds.margin.space import Configuration
from sparsebounds.experiments.certify.certify import form_of, task_of
from sparsebounds.experiments.certify.options import CertifyOptions
from sparsebounds.experiments.certify.space import configuration, declared
from sparsebounds.experiments.shared.files import to_json, write_files
from sparsebounds.experiments.shared.rows import read_rows, to_csv


def repriced(row: Mapping[str, Any], found: Configuration) -> dict[str, Any]:
    """A row as it stands if its configuration has the price of `found`.

    Args:
        row: with value, ramp, complexity, nats, nats: configuration, m, delta, energies, energies_upper, repriced.
        found: the same configuration, priced in the present space.

    Returns:
        The row with all that depends on the price; `repriced` is the factor of the complexity since it was computed.

    Example:
        >>> from sparsebounds.bounds.margin.codes import WholeNumbers
        >>> from sparsebounds.bounds.margin.space import ConfigurationSpace, Field
        >>> found = ConfigurationSpace("some", 1, (Field("n", WholeNumbers()),)).configuration({"n": 0})  # log 2 nats
        >>> row = {"ramp": 0.1, "complexity": 0.2, "nats": 0.0, "nats: configuration": 0.0, "m": 1000, "delta": 0.5,
        ...        "energies": 1, "energies_upper": math.sqrt(2.0), "repriced": 1.0}
        >>> again = repriced(row, found)  # L = log(2·2/0.5) = 3 log 2, L' = 4 log 2: U' ≤ U (½ + ½ · 4/3)
        >>> math.isclose(again["complexity"], 0.2 * math.sqrt(7 / 6))
        True
        >>> math.isclose(again["confidence"], math.sqrt(3 * math.log(2) / 2000))
        True
    """
    before, after = float(row["nats: configuration"]), found.nats
    union = math.log(4.0 * row["energies"] / row["delta"])  # log(2/ε), ε the failure probability of one energy
    grown = max(1.0, (union + after) / (union + before))
    mean = 1.0 / row["energies_upper"] ** 2
    factor = math.sqrt(mean + (1.0 - mean) * grown)
    nats = float(row["nats"]) + after - before
    complexity = factor * row["complexity"]
    confidence = math.sqrt((math.log(2.0 / row["delta"]) + nats) / (2.0 * row["m"]))
    return {
        **row,
        "value": row["ramp"] + complexity + confidence,
        "complexity": complexity,
        "confidence": confidence,
        "nats": nats,
        "nats: configuration": after,
        "energies_upper": factor * row["energies_upper"],
        "space": found.space.name,
        "space_version": found.space.version,
        "space_hash": found.space.hash,
        "repriced": factor * row["repriced"],
    }


def reprice(folder: Path) -> int:
    """Reprice the rows of a folder that are of another space than the present one; says how many."""
    described = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    rows, changed, tasks = [], 0, []
    for row in read_rows(folder / "rows.csv").to_dict(orient="records"):
        options = CertifyOptions(row["task"], row["form"], described["config"]["preset"], int(row["seed"]))
        tasks.append(task_of(options))
        found = configuration(tasks[-1], form_of(options), options.seed)
        same = row["space_hash"] == found.space.hash
        rows.append(row if same else repriced(row, found))
        changed += not same
    described["config"]["spaces"] = declared(tasks)
    write_files(folder, {"rows.csv": to_csv(pd.DataFrame(rows)), "config.json": to_json(described)})
    return changed


def main(folders: Sequence[str]) -> None:
    for folder in folders:
        print(f"{folder}: {reprice(Path(folder))} rows repriced")


if __name__ == "__main__":
    main(sys.argv[1:])
