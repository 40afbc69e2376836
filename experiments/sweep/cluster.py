"""Dask: a cluster on this machine or somewhere else, the images on its workers, the same code everywhere."""

import contextlib
import logging
import os
from collections.abc import Iterator
from typing import Any

import dask
from distributed import Client, LocalCluster, Worker, WorkerPlugin

from sparsebounds.experiments.shared.problems import Problem, one_line
from sparsebounds.experiments.sweep.grid import Cell
from sparsebounds.experiments.sweep.samples import Pools
from sparsebounds.experiments.sweep.store import to_parquet
from sparsebounds.experiments.sweep.version import code_version
from sparsebounds.experiments.sweep.work import rows_of

PATIENCE_S = 4
"""How long an address may stay silent."""
PINNED = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
"""One thread per worker in everything that computes: two workers share two cores, and sums have one order."""
_held: dict[str, Pools] = {}


class OtherCode(Exception):
    """A worker with another version of the code than the sweep."""


class Images(WorkerPlugin):
    """Puts the images of a sweep on every worker once, on those that join late or come back too.

    Args:
        sweep: what the workers know the images by.
        pools: the images.
        code: version of the code of the sweep.
    """

    def __init__(self, sweep: str, pools: Pools, code: str) -> None:
        self.name, self.sweep, self.pools, self.code = f"images-{sweep}", sweep, pools, code

    def setup(self, worker: Worker) -> None:
        """Called by Dask on the worker."""
        check_code(self.code, worker.address)
        _held[self.sweep] = self.pools

    def teardown(self, worker: Worker) -> None:
        """Called by Dask when the sweep is over."""
        _held.pop(self.sweep, None)


def check_code(code: str, where: str) -> None:
    """Whether this process runs the code of a sweep.

    Raises:
        OtherCode: it does not.
    """
    if code_version() != code:
        raise OtherCode(
            f"the worker {where} has code {code_version()}, this sweep {code}: start its workers from the same code"
        )


def on_worker(cell: Cell, sweep: str) -> bytes:
    """The Parquet file of a cell, made on a worker that holds the images."""
    check_code(cell.code, f"of process {os.getpid()}")
    return to_parquet(rows_of(cell, _held.get(sweep, {})))


@contextlib.contextmanager
def connected(scheduler: str | None, workers: int | None) -> Iterator[Client]:
    """A client of the cluster at an address, or of one that is started on this machine and ends with it.

    Args:
        scheduler: such as tcp://host:8786; None starts a cluster here.
        workers: processes of that cluster, with one thread each; None: as many as there are cores.

    Raises:
        Problem: nobody answers at the address.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what workers say of their end is in the failures
    if scheduler is None:
        with _local(workers) as cluster, Client(cluster, set_as_default=False) as client:
            yield client
        return
    try:
        client = Client(scheduler, timeout=PATIENCE_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise Problem(
            f"no Dask scheduler answers at {scheduler} ({one_line(error)}): start one with `dask scheduler`, or leave "
            "out --scheduler"
        ) from error
    with client:
        yield client


def _local(workers: int | None) -> LocalCluster:
    count = workers or len(os.sched_getaffinity(0))
    flags = {**PINNED, "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {PINNED['XLA_FLAGS']}".strip()}
    # One cell at a time on a worker: another that waits there would be blamed too when a cell takes its worker along.
    with dask.config.set({"distributed.scheduler.worker-saturation": 1.0}):
        return LocalCluster(
            n_workers=count, threads_per_worker=1, dashboard_address=None, env=flags, silence_logs=logging.CRITICAL
        )


def prepare(client: Client, sweep: str, pools: Pools, code: str) -> None:
    """Check the code of all workers, and put the images on them.

    Raises:
        Problem: a worker with other code, or none of it.
    """
    found: dict[str, Any] = client.run(code_version, on_error="return")
    for address, version in found.items():
        if isinstance(version, BaseException):
            raise Problem(f"the worker {address} cannot load this sweep ({one_line(version)}): install {code} there")
        if version != code:
            raise Problem(
                f"the worker {address} has code {version}, this sweep {code}: start its workers from the same code"
            )
    client.register_plugin(Images(sweep, pools, code))
