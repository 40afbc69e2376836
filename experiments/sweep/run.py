"""`sparsebounds sweep`: the cells of a grid that are not there yet, on Dask, written as they are done."""

import contextlib
import hashlib
import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from distributed import Client, as_completed
from rich.console import Console

from sparsebounds.experiments.shared.files import plain
from sparsebounds.experiments.shared.problems import Problem, one_line
from sparsebounds.experiments.sweep.cluster import OtherCode, connected, on_worker, prepare
from sparsebounds.experiments.sweep.config import Sweep, load
from sparsebounds.experiments.sweep.grid import Cell, cells, count
from sparsebounds.experiments.sweep.options import SweepOptions
from sparsebounds.experiments.sweep.progress import Meter, duration
from sparsebounds.experiments.sweep.quantities import check_names
from sparsebounds.experiments.sweep.samples import load_pools
from sparsebounds.experiments.sweep.store import Store
from sparsebounds.experiments.sweep.version import code_version
from sparsebounds.nets.training.progress import Bar

MANY, SECONDS_A_CELL = 10**5, 5
LOOK_EVERY_S = 5.0
"""Between two looks at the folder for cells that another sweep has finished."""
BATCH = 1000
"""Cells sent to the scheduler in one message."""


def default_folder(sweep: Sweep) -> Path:
    """Where cells go without --out."""
    return Path("results") / f"sweep-{sweep.name}"


def run(options: SweepOptions, *, progress: bool) -> dict[str, Any]:
    """Do what is left of a sweep.

    Args:
        options: of the command line.
        progress: show how far it is.

    Returns:
        name, folder, cells, done, computed, failed (a list with the error of each), broken, seconds.

    Raises:
        Problem: the config, the folder, the data or the cluster is not what is needed.
    """
    began = time.monotonic()
    sweep, code = load(options.target), code_version()
    check_names(sweep.settings)
    check_size(count(sweep), options)
    grid = cells(sweep, code)
    folder = options.out or default_folder(sweep)
    pools = load_pools(grid, options.data_dir, hub=options.hub)
    with contextlib.ExitStack() as stack:
        client = None
        if options.scheduler is not None:  # before anything is written
            client = stack.enter_context(connected(options.scheduler, None))
        store = Store.opened(folder, sweep, code, resume=options.resume)
        done, broken = store.done(grid)
        todo = [cell for cell in grid if cell.name not in done]
        if todo:
            known_as = hashlib.sha256(json.dumps(plain([sweep, code])).encode()).hexdigest()[:20]
            client = client or stack.enter_context(connected(None, options.workers))
            prepare(client, known_as, pools, code)
            work_off(client, todo, store, on_worker, known_as, done=len(done), progress=progress)
    names = {cell.name for cell in grid}
    return {
        "name": sweep.name,
        "folder": str(folder),
        "cells": len(grid),
        "done": len(store.present() & names),
        "computed": len(todo),
        "broken": broken,
        "failed": [failure for failure in store.failures() if failure["cell"] in names],
        "seconds": round(time.monotonic() - began, 2),
    }


def check_size(wanted: int, options: SweepOptions) -> None:
    """A grid that would run for days is meant to be asked for.

    Raises:
        Problem: more than `MANY` cells without --yes.
    """
    if wanted > MANY and not options.yes:
        needed = duration(wanted * SECONDS_A_CELL)
        raise Problem(
            f"{wanted} cells, about {needed} on one worker at {SECONDS_A_CELL} seconds each: take fewer levels, "
            'design = "fraction", or say --yes'
        )


def work_off(
    client: Client, todo: Sequence[Cell], store: Store, work: Callable[[Cell, str], bytes], sweep: str, *,
    done: int, progress: bool,
) -> None:  # fmt: skip
    """Have all cells computed, each by one call of work(cell, sweep) on a worker, and write them as they come.

    Dask runs, repeats and moves the calls. Cells that another sweep has written in the meantime are left out.

    Raises:
        Problem: the folder cannot be written, a worker has other code, or the scheduler is gone.
    """
    order = random.sample(todo, len(todo))  # two sweeps in one folder begin with different cells
    keys = [f"cell-{cell.name}" for cell in order]
    futures = client.map(work, order, [sweep] * len(order), key=keys, batch_size=BATCH)
    waiting = {future.key: (future, cell) for future, cell in zip(futures, order, strict=True)}
    del futures
    looked = time.monotonic()
    with Bar(done + len(order), enabled=progress) as bar:
        meter = Meter(done + len(order), done, bar, enabled=progress)
        for future in as_completed([future for future, _ in waiting.values()], loop=client.loop):
            _, cell = waiting.pop(future.key)
            meter.count(failed=not _keep(future, cell, store))
            future.release()
            if time.monotonic() - looked > LOOK_EVERY_S:
                here, looked = store.present(), time.monotonic()
                client.cancel([future for future, cell in waiting.values() if cell.name in here])


def _keep(future: Any, cell: Cell, store: Store) -> bool:
    """Write what a call gave: its file, or why there is none. False if it failed."""
    if future.status == "finished":
        store.put(cell.name, future.result())
        return True
    if store.place(cell.name).exists():  # by another sweep; this call was taken back
        return True
    if future.status == "cancelled":
        raise Problem("the Dask scheduler is gone: what was done stays, --resume goes on from there")
    error = future.exception()
    if isinstance(error, OtherCode):
        raise Problem(one_line(error))
    store.fail(cell, f"{type(error).__name__}: {one_line(error)}")
    return False


def show(console: Console, document: dict[str, Any]) -> None:
    """What a run came to, for people."""
    failed = document["failed"]
    said = f"{document['done']} of {document['cells']} cells in {document['folder']}, {len(failed)} failed"
    if document["broken"]:
        said += f", {document['broken']} could not be read and were computed again"
    console.print(f"{said}; {duration(document['seconds'])}", highlight=False)
    for failure in failed[:10]:
        console.print(f"  {failure['cell']}: {failure['error']}", highlight=False, markup=False)
    if failed:
        console.print("their reasons are in the folder failed/; --resume tries them again", highlight=False)
    else:
        console.print(f"now: sparsebounds correlate {document['folder']}", highlight=False)
