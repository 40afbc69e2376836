"""What a sweep costs beside its cells' own work: workers, resuming, overhead per cell, growth with the grid.

Command:    python benchmarks/sweep_speed.py
Takes:      about ten minutes on two cores
Expected:   see README.md
Shrink it:  --trivial 100 1000 --cells 6
Busy cores: processor seconds stand beside wall seconds; the ratio of workers means little there

Trivial cells give a file of one row and no network: what they take is Dask's and the folder's.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Client, LocalCluster

from sparsebounds.experiments.sweep.config import Sweep, parsed
from sparsebounds.experiments.sweep.grid import Cell, cells
from sparsebounds.experiments.sweep.run import work_off
from sparsebounds.experiments.sweep.store import Store, to_parquet
from sparsebounds.experiments.sweep.work import COLUMNS

WORDS = ("dataset", "architecture", "sparsity", "optimiser", "quantity", "kind", "nodes", "guarantee", "note")
REAL = """
[factors]
dataset = ["digits"]
train = [300]
depth = [2]
width = [32]
sparsity = ["dense", "random@0.5"]
seed = [{seeds}]
[settings]
cross_entropy = 1e-9
epochs = 1500
bounds = ["galanti", "bartlett"]
measures = ["none"]
"""


def trivial(cell: Cell, sweep: str) -> bytes:
    """The file of a cell without a network."""
    row: dict[str, Any] = {name: "" if name in WORDS else 0 for name in COLUMNS}
    return to_parquet([{**row, **cell.levels, "cell": cell.name, "code": cell.code}])


def grid(count: int) -> Sweep:
    """A grid of so many cells."""
    return parsed({"factors": {"seed": list(range(count))}}, "trivial")


def grown(client: Client, count: int, folder: Path) -> float:
    """Wall seconds of a sweep of trivial cells."""
    began = time.perf_counter()
    sweep = grid(count)
    found = cells(sweep, "code")
    store = Store.opened(folder, sweep, "code", resume=False)
    work_off(client, found, store, trivial, "", done=0, progress=False)
    seconds = time.perf_counter() - began
    assert len(store.present()) == count
    return seconds


def resumed(folder: Path, count: int) -> float:
    """Wall seconds until a finished folder is known to be finished."""
    began = time.perf_counter()
    sweep = grid(count)
    whole, broken = Store.opened(folder, sweep, "code", resume=True).done(cells(sweep, "code"))
    assert (len(whole), broken) == (count, 0)
    return time.perf_counter() - began


def real(folder: Path, workers: int, count: int) -> tuple[float, float]:
    """Wall seconds of the cells of a real sweep, and the processor seconds of all its processes."""
    config = folder / "real.toml"
    config.write_text(REAL.format(seeds=", ".join(map(str, range(count // 2)))))
    before = os.times()
    command = [sys.executable, "-m", "sparsebounds", "sweep", str(config), "--out", str(folder / f"real{workers}")]
    done = subprocess.run([*command, "--workers", str(workers), "--json"], capture_output=True, text=True, check=True)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return float(json.loads(done.stdout)["seconds"]), used


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """The slope of log seconds over log cells."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trivial", type=int, nargs="+", default=[300, 1000, 3000, 10000])
    parser.add_argument("--cells", type=int, default=24, help="of the real sweep")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    print(f"load {os.getloadavg()[0]:.1f}")
    local: dict[str, Any] = {"n_workers": 1, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with LocalCluster(**local) as cluster, Client(cluster, set_as_default=False) as client:
        grown(client, 20, folder / "warm")
        seconds = [grown(client, count, folder / str(count)) for count in given.trivial]
    for count, taken in zip(given.trivial, seconds, strict=True):
        print(f"{count} trivial cells: {taken:.2f} s, {1000 * taken / count:.1f} ms each")
    print(f"exponent: {exponent(given.trivial, seconds):.3f}")
    for count in given.trivial:
        print(f"{count} finished cells resume in {resumed(folder / str(count), count):.2f} s")
    one, two = (real(folder, workers, given.cells) for workers in (1, 2))
    print(f"{given.cells} real cells: one worker {one[0]:.1f} s ({one[1]:.1f} processor seconds), "
          f"two {two[0]:.1f} s ({two[1]:.1f}); ratio {one[0] / two[0]:.2f}")  # fmt: skip
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
