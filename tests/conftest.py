"""What every test shares: strict JAX flags, a key, and the folder with full data sets."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import jax
import matplotlib
import pytest

matplotlib.use("Agg")
# Strict promotion finds a float32 pass that should have been float64. Optimisers other than SGD need
# `with jax.numpy_dtype_promotion("standard")`. jax_debug_nans stays off: it misses overflow and stops at the
# NaN losses that tests produce on purpose.
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_legacy_prng_key", "error")
# Most of the time of the tests is compilation of small networks that run once, which takes half as long without XLA's
# expensive passes; processes that tests start do the same. JAX_DISABLE_MOST_OPTIMIZATIONS=0 compiles as users do.
quick = os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1") == "1"
jax.config.update("jax_disable_most_optimizations", quick)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)

MNIST_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

collect_ignore_glob = ["data/*/*.py"]  # what made the data: it needs packages that the tests do without


def pytest_configure(config: pytest.Config) -> None:
    """Keep what was compiled in pytest's cache, for the other workers, the processes that tests start and the next run.

    `make clean` removes it.
    """
    if (cache := getattr(config, "cache", None)) is not None:
        folder = str(cache.mkdir("jax"))
        jax.config.update("jax_compilation_cache_dir", folder)
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", folder)


@pytest.fixture
def key() -> jax.Array:
    """The one source of randomness of a test."""
    return jax.random.key(0)


@pytest.fixture(scope="session")
def mnist_dir() -> Path:
    """Folder with MNIST's four files; the test is skipped, and named, without them."""
    root = os.environ.get("SPARSEBOUNDS_DATA")
    if not root:
        pytest.skip("needs the full MNIST files: set SPARSEBOUNDS_DATA to the folder that holds them")
    for folder in (Path(root) / "mnist", Path(root)):
        if all((folder / name).exists() or (folder / f"{name}.gz").exists() for name in MNIST_FILES):
            return folder
    pytest.skip(f"needs the full MNIST files: none in {root} or its subfolder mnist")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name every test that was not run, one line each, with what it needs."""
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        terminalreporter.write_line(f"not run: {report.nodeid}: {reason.removeprefix('Skipped: ')}")


@pytest.fixture(scope="module", autouse=True)
def compiled_programs_are_let_go() -> Iterator[None]:
    """JAX keeps every program that it compiled; from 2 GiB on they go after each file, and come back from the disk."""
    yield
    if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 2 * 2**20:
        jax.clear_caches()
