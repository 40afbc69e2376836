"""Sweeps as processes of their own, on networks that train in a second, and their cells to compare."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

ROOT = Path(__file__).resolve().parents[2]
TINY = """
[factors]
dataset = ["digits"]
train = [40]
width = [4]
depth = [1]
sparsity = ["dense", "random@0.5"]
seed = [0, 1, 2]
{more}
[settings]
cross_entropy = 1e-9
epochs = {epochs}
bounds = ["parameter_count"]
measures = ["none"]
scalar_nodes = []
"""
PATIENCE_S = 240


def config(folder: Path, *, epochs: int = 1500, more: str = "") -> Path:
    """A sweep of six cells, of about a second each."""
    path = folder / "tiny.toml"
    path.write_text(TINY.format(epochs=epochs, more=more))
    return path


def python(
    *arguments: Any, path: Path = ROOT, more: Mapping[str, str] | None = None, **options: Any
) -> "subprocess.Popen[str]":
    """A Python process that finds the package of this tree, or of another one, with more in its environment."""
    environment = {**os.environ, "PYTHONPATH": str(path), "PYTHONUNBUFFERED": "1", **(more or {})}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.Popen(command, text=True, cwd=path, env=environment, **pipes, **options)


def sweep(target: Path, out: Path, *arguments: Any, **options: Any) -> "subprocess.Popen[str]":
    """`sparsebounds sweep` in a process of its own."""
    return python("-m", "sparsebounds", "sweep", target, "--out", out, *arguments, **options)


def ended(process: "subprocess.Popen[str]", status: int = 0) -> tuple[str, str]:
    """What a process said by its end, which has to be this one; line breaks are blanks."""
    said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == status, said
    return " ".join(said[0].split()), " ".join(said[1].split())


def wait_for(there: Callable[[], Any], process: "subprocess.Popen[str] | None" = None) -> Any:
    """Until something is there; not longer than a process that should bring it about lives."""
    limit = time.monotonic() + PATIENCE_S
    while not (found := there()):
        assert time.monotonic() < limit, "it never came"
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.02)
    return found


def files(out: Path) -> list[Path]:
    """The files of finished cells."""
    return sorted((out / "cells").glob("*.parquet"))


def workers(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    """The worker processes of a sweep."""
    found = psutil.Process(process.pid).children(recursive=True)
    return [child for child in found if "spawn_main" in " ".join(child.cmdline())]


def kill(pid: int) -> None:
    """kill -9."""
    os.kill(pid, signal.SIGKILL)


def cells_of(out: Path) -> pd.DataFrame:
    """The folder as one table, without the times."""
    rows = pd.read_parquet(out / "cells").drop(columns=["seconds", "train_seconds", "measure_seconds"])
    return rows.sort_values(["cell", "quantity"]).reset_index(drop=True)
