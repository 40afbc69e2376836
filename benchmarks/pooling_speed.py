"""Seconds of `peeling` beside those of `galanti`: pooling over many positions, volumes, transposed convolutions.

Command:    python benchmarks/pooling_speed.py
Takes:      a minute on one core
Expected:   see README.md
Shrink it:  --rounds 2, or name some networks
Busy cores: --clock cpu counts processor seconds of all threads; set OPENBLAS_NUM_THREADS=1 with it

Every call gets a graph of its own, so that neither bound finds what the other has computed. The first round is printed
apart; of the later ones the smallest counts, as other work on the machine only adds.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import linen as nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sparsebounds import bounds

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
RNG = np.random.default_rng(0)
Function = Callable[[Any], Any]


def draw(*shape: int) -> Any:
    return (RNG.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))).astype(np.float32)


def conv(kernel: Any, x: Any) -> Any:
    numbers = ("NHWC", "HWIO", "NHWC") if kernel.ndim == 4 else ("NDHWC", "DHWIO", "NDHWC")
    return jax.nn.relu(jax.lax.conv_general_dilated(x, kernel, (1,) * (x.ndim - 2), "SAME", dimension_numbers=numbers))


def transposed(kernel: Any, x: Any) -> Any:
    numbers = ("NHWC", "HWIO", "NHWC") if kernel.ndim == 4 else ("NDHWC", "DHWIO", "NDHWC")
    return jax.nn.relu(jax.lax.conv_transpose(x, kernel, (2,) * (x.ndim - 2), "SAME", dimension_numbers=numbers))


def pool(size: int, stride: int, x: Any) -> Any:
    around = (size - stride + 1) // 2
    space = x.ndim - 2
    return nn.avg_pool(x, (size,) * space, (stride,) * space, ((around, around),) * space)


def network(shape: tuple[int, ...], *stages: tuple[Callable[[Any, Any], Any], Any]) -> tuple[Function, tuple[int, ...]]:
    """Stages, each a function of a kernel or a size, then a dense layer on all that is left."""

    def below(x: Any) -> Any:
        for stage, first in stages:
            x = stage(first, x)
        return x.reshape(len(x), -1)

    head = draw(jax.eval_shape(below, jax.ShapeDtypeStruct((1, *shape), np.float32)).shape[1], 10)
    return lambda x: below(x) @ head, shape


def mean(_: Any, x: Any) -> Any:
    return x.mean(axis=tuple(range(1, x.ndim - 1)))


def tiles(size: int, x: Any) -> Any:
    return pool(size, size, x)


def overlapping(size: int, x: Any) -> Any:
    return pool(size, 2, x)


IMAGE, SMALL, VOLUME = (128, 128, 3), (64, 64, 3), (24, 24, 24, 2)
PLANE, SPACE = draw(3, 3, 3, 8), draw(3, 3, 3, 2, 8)
NETWORKS = {
    "128², mean over all positions": network(IMAGE, (conv, PLANE), (mean, None)),
    "128², means of 8×8": network(IMAGE, (conv, PLANE), (tiles, 8)),
    "128², means of 2×2": network(IMAGE, (conv, PLANE), (tiles, 2)),
    "128², means of 3×3, stride 2": network(IMAGE, (conv, PLANE), (overlapping, 3)),
    "128², no pooling": network(IMAGE, (conv, PLANE)),
    "24³, mean over all positions": network(VOLUME, (conv, SPACE), (mean, None)),
    "24³, means of 2×2×2": network(VOLUME, (conv, SPACE), (tiles, 2)),
    "24³, means of 3×3×3, stride 2": network(VOLUME, (conv, SPACE), (overlapping, 3)),
    "64² → 128², transposed, mean": network(SMALL, (conv, PLANE), (transposed, draw(3, 3, 8, 8)), (mean, None)),
    "32² → 64², transposed": network((32, 32, 3), (conv, PLANE), (transposed, draw(3, 3, 8, 8))),
    "64² → 128², transposed alone": network(SMALL, (transposed, draw(2, 2, 3, 8)), (tiles, 2)),
    "12³ → 24³, transposed, mean": network((12, 12, 12, 2), (transposed, draw(3, 3, 3, 2, 8)), (mean, None)),
}


def seconds(f: Function, shape: tuple[int, ...], rounds: int, now: Callable[[], float]) -> dict[str, list[float]]:
    """Of both bounds, one number a round."""
    x = RNG.normal(size=(64, *shape)).astype(np.float32)
    sample = bounds.Sample.measure(f, x, np.arange(64) % 10)
    found: dict[str, list[float]] = {"galanti": [], "peeling": []}
    for _ in range(rounds):
        for name, times in found.items():
            graph = bounds.read_graph(f, x[:2])
            start = now()
            bounds.BOUNDS[name](graph, sample, delta=1e-3)
            times.append(now() - start)
    return found


def main() -> None:
    """Print milliseconds and ratio of every network."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("networks", nargs="*", help="parts of their names; all without any")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--clock", choices=sorted(CLOCKS), default="wall")
    options = parser.parse_args()
    print(f"{'':<32}{'galanti':>10}{'peeling':>10}{'ratio':>8}{'first call':>12}")
    for name, (f, shape) in NETWORKS.items():
        if options.networks and not any(part in name for part in options.networks):
            continue
        found = seconds(f, shape, max(2, options.rounds), CLOCKS[options.clock])
        ours, theirs = (min(found[bound][1:]) for bound in ("peeling", "galanti"))
        first = found["peeling"][0] / found["galanti"][0]
        print(f"{name:<32}{1e3 * theirs:>7.1f} ms{1e3 * ours:>7.1f} ms{ours / theirs:>8.2f}{first:>12.2f}", flush=True)


if __name__ == "__main__":
    main()
