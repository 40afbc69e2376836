"""What a sweep survives, on real Dask processes: after each fault --resume ends with the cells of a quiet sweep."""

import itertools
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import psutil
import pytest
from sweeps import ROOT, cells_of, config, ended, files, kill, python, sweep, wait_for, workers

pytestmark = pytest.mark.slow


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


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    """The address of a scheduler without workers."""
    place = tmp_path / "scheduler.json"
    options = ("--port", "0", "--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", place)
    process = python("-m", "distributed.cli.dask_scheduler", *options)
    wait_for(place.exists, process)
    yield str(wait_for(lambda: pd.read_json(place, typ="series")["address"], process))
    end(process)


def worker(scheduler: str, folder: Path, path: Path = ROOT) -> "subprocess.Popen[str]":
    options = ("--nthreads", "1", "--no-dashboard", "--local-directory", folder)
    return python("-m", "distributed.cli.dask_worker", scheduler, *options, path=path)


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
    tmp_path: Path, out: Path, quiet: Path, scheduler: str
) -> None:
    process = sweep(config(tmp_path), out, "--scheduler", scheduler)
    wait_for((out / "failed").is_dir, process)
    late = worker(scheduler, tmp_path)
    ended(process)
    check_same(out, quiet)
    end(late)
    other = tmp_path / "other"
    for folder in ("bounds", "nets", "experiments", "sparsebounds"):
        shutil.copytree(ROOT / folder, other / folder, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    with (other / "nets" / "losses.py").open("a") as stream:
        stream.write("# another version\n")
    strange = worker(scheduler, tmp_path, other)
    wait_for(lambda: "Registered to" in (strange.stderr.readline() if strange.stderr else ""), strange)
    _, said = ended(sweep(config(tmp_path), tmp_path / "again", "--scheduler", scheduler), 2)
    end(strange)
    here = cells_of(quiet)["code"].iloc[0]
    assert f"this sweep {here}" in said and said.count("0.1.0+") == 2
    assert "start its workers from the same code" in said and not files(tmp_path / "again")


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
