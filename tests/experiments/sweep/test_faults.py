"""What a sweep survives, on real Dask processes: after each fault --resume ends with the cells of a quiet sweep."""

import itertools
import json
import re
import resource
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import psutil
import pytest
from distributed.system import MEMORY_LIMIT
from sweeps import ROOT, cells_of, config, ended, files, kill, python, sweep, wait_for, workers

from sparsebounds.experiments.shared.problems import Problem
from sparsebounds.experiments.sweep.cluster import connected

pytestmark = pytest.mark.slow
ENOUGH = 1.5e9
"""Bytes of a worker: twice what a small cell needs, and less than two arrays of 15000 × 15000."""


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an undisturbed sweep of six cells."""
    folder = tmp_path_factory.mktemp("quiet")
    out = folder / "out"
    ended(sweep(config(folder), out, "--workers", 1))
    assert cells_of(out)["cell"].nunique() == len(files(out)) == 6
    return out


def check_same(out: Path, quiet: Path) -> None:
    """The same cells, each once, and the same numbers to the last bit."""
    pd.testing.assert_frame_equal(cells_of(out), cells_of(quiet), check_exact=True)
    assert [path.name for path in files(out)] == [path.name for path in files(quiet)]
    assert not list((out / "failed").iterdir())


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


class Scheduler(NamedTuple):
    """A scheduler without workers."""

    address: str
    process: "subprocess.Popen[str]"


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[Scheduler]:
    place = tmp_path / "scheduler.json"
    options = ("--port", "0", "--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", place)
    process = python("-m", "distributed.cli.dask_scheduler", *options)
    wait_for(place.exists, process)
    yield Scheduler(str(wait_for(lambda: pd.read_json(place, typ="series")["address"], process)), process)
    end(process)


def worker(scheduler: Scheduler, folder: Path, *more: object, path: Path = ROOT) -> "subprocess.Popen[str]":
    options = ("--nthreads", "1", "--no-dashboard", "--local-directory", folder)
    return python("-m", "distributed.cli.dask_worker", scheduler.address, *options, *more, path=path)


def other_code(folder: Path) -> Path:
    """A copy of this tree that differs in a comment."""
    for name in ("bounds", "nets", "experiments", "sparsebounds"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "nets" / "losses.py").open("a") as stream:
        stream.write("# another version\n")
    return folder


def end(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    process.communicate(timeout=60)


def test_a_worker_is_killed_in_mid_cell(tmp_path: Path, out: Path, quiet: Path) -> None:
    process = sweep(config(tmp_path), out, "--workers", 2)
    wait_for(lambda: files(out), process)
    kill(workers(process)[0].pid)
    ended(process)
    check_same(out, quiet)


def test_the_client_is_killed(tmp_path: Path, out: Path, quiet: Path) -> None:
    process = sweep(config(tmp_path), out, "--workers", 2)
    wait_for(lambda: files(out), process)
    left = workers(process)
    kill(process.pid)
    process.communicate()
    assert 1 <= len(files(out)) < 6
    assert not psutil.wait_procs(left, timeout=60)[1], "workers outlive their client"
    _, said = ended(sweep(config(tmp_path), out, "--workers", 1), 2)
    assert "--resume goes on" in said
    ended(sweep(config(tmp_path), out, "--workers", 1, "--resume"))
    check_same(out, quiet)


def test_a_worker_joins_late_and_another_code_is_refused(
    tmp_path: Path, out: Path, quiet: Path, scheduler: Scheduler
) -> None:
    process = sweep(config(tmp_path), out, "--scheduler", scheduler.address)
    wait_for((out / "failed").is_dir, process)
    late = worker(scheduler, tmp_path)
    ended(process)
    check_same(out, quiet)
    end(late)
    strange = worker(scheduler, tmp_path, path=other_code(tmp_path / "other"))
    wait_for(lambda: "Registered to" in (strange.stderr.readline() if strange.stderr else ""), strange)
    _, said = ended(sweep(config(tmp_path), tmp_path / "again", "--scheduler", scheduler.address), 2)
    end(strange)
    check_refused(said, quiet)
    assert not files(tmp_path / "again")


def check_refused(said: str, quiet: Path) -> None:
    """Both versions are named."""
    here = cells_of(quiet)["code"].iloc[0]
    assert f"this sweep {here}" in said and len(set(re.findall(r"0\.1\.0\+\w+", said))) == 2
    assert "start its workers from the same code" in said


def test_another_code_that_joins_late_is_refused(tmp_path: Path, out: Path, quiet: Path, scheduler: Scheduler) -> None:
    process = sweep(config(tmp_path), out, "--scheduler", scheduler.address)
    wait_for((out / "failed").is_dir, process)
    strange = worker(scheduler, tmp_path, path=other_code(tmp_path / "other"))
    _, said = ended(process, 2)
    end(strange)
    check_refused(said, quiet)
    assert not files(out)
    ended(sweep(config(tmp_path), out, "--workers", 1))
    check_same(out, quiet)


def test_the_scheduler_dies(tmp_path: Path, out: Path, quiet: Path, scheduler: Scheduler) -> None:
    helper = worker(scheduler, tmp_path, "--death-timeout", 10)
    process = sweep(config(tmp_path), out, "--scheduler", scheduler.address)
    wait_for(lambda: files(out), process)
    kill(scheduler.process.pid)
    _, said = ended(process, 2)
    assert "the Dask scheduler is gone: what was done stays, --resume goes on from there" in said
    assert 1 <= len(files(out)) < 6 and not list((out / "failed").iterdir())
    end(helper)
    ended(sweep(config(tmp_path), out, "--workers", 1, "--resume"))
    check_same(out, quiet)


def test_nobody_listens(tmp_path: Path, out: Path) -> None:
    """Within ten seconds beyond the start of the program, and before anything is written."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(Problem, match=f"no Dask scheduler answers at {address}"), connected(address, None):
            pass
        assert time.monotonic() - began < 10
        _, said = ended(sweep(config(tmp_path), out, "--scheduler", address), 2)
    assert address in said and not out.exists()


def test_a_cell_runs_out_of_memory(tmp_path: Path, out: Path) -> None:
    """Dask ends its worker, twice here, then the cell has failed; the other one is done and stays."""
    target = config(tmp_path)
    text = target.read_text().replace("width = [4]", "width = [4, 15000]").replace("depth = [1]", "depth = [2]")
    target.write_text(text.replace("seed = [0, 1, 2]", "seed = [0]").replace('["dense", "random@0.5"]', '["dense"]'))
    more = {
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
        "DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE": "False",
        "DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": str(ENOUGH / MEMORY_LIMIT),
    }
    for options in ((), ("--resume",)):
        printed, _ = ended(sweep(target, out, "--workers", 1, *options, more=more), 1)
        assert "1 of 2 cells" in printed and "1 failed" in printed and "KilledWorker" in printed
        assert len(files(out)) == 1 and cells_of(out)["width"].unique().tolist() == [4]
        failed = [json.loads(path.read_text()) for path in (out / "failed").iterdir()]
        assert [cell["levels"]["width"] for cell in failed] == [15000]


def test_the_disk_is_full(tmp_path: Path, out: Path, quiet: Path) -> None:
    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    _, said = ended(sweep(config(tmp_path), out, "--workers", 1, preexec_fn=small), 2)
    assert f"cannot write to {out / 'cells'} (File too large)" in said
    assert not list((out / "cells").iterdir())
    ended(sweep(config(tmp_path), out, "--workers", 2))
    check_same(out, quiet)


def test_a_cell_diverges(tmp_path: Path, out: Path) -> None:
    """Half of the cells: they are listed, tried again on --resume, and the others stay."""
    diverging = config(tmp_path, epochs=3, more="learning_rate = [0.05, 3e38]")
    _, said = ended(sweep(diverging, out, "--workers", 1), 1)
    assert len(files(out)) == 6 == len(list((out / "failed").iterdir()))
    before = cells_of(out)
    printed, _ = ended(sweep(diverging, out, "--workers", 1, "--resume"), 1)
    assert "6 of 12 cells" in printed and "6 failed" in printed and "Diverged: the loss is nan" in printed, said
    pd.testing.assert_frame_equal(cells_of(out), before)
    names = {path.stem for path in itertools.chain((out / "failed").iterdir(), (out / "cells").iterdir())}
    assert len(names) == 12


def test_files_are_corrupted(tmp_path: Path, out: Path, quiet: Path) -> None:
    shutil.copytree(quiet, out)
    cut, empty, changed, *_ = files(out)
    cut.write_bytes(cut.read_bytes()[:-100])
    empty.write_bytes(b"")
    whole = bytearray(changed.read_bytes())
    whole[200] ^= 1
    changed.write_bytes(bytes(whole))
    printed, _ = ended(sweep(config(tmp_path), out, "--workers", 1, "--resume"))
    assert "3 could not be read and were computed again" in printed
    check_same(out, quiet)


def test_two_sweeps_share_a_folder(tmp_path: Path, out: Path, quiet: Path) -> None:
    target = config(tmp_path)
    first = sweep(target, out, "--workers", 1)
    wait_for((out / "config.json").exists, first)
    second = sweep(target, out, "--workers", 1, "--resume")
    ended(first)
    ended(second)
    check_same(out, quiet)


def test_another_sweep_is_refused(tmp_path: Path, quiet: Path) -> None:
    _, said = ended(sweep(config(tmp_path, epochs=7), quiet, "--workers", 1, "--resume"), 2)
    assert "holds another sweep: there epochs is 1500, here 7" in said
