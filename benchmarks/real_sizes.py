"""Time and memory of all bounds on architectures of real size, as ratios to one forward pass; growth with size.

Command:    python benchmarks/real_sizes.py
Takes:      about twenty minutes on two cores; --parts NAME runs some of it
Expected:   see README.md

Each part runs in a process of its own, so that its peak memory is its own.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SIDES = {"resnet50": 224, "vgg16": 224, "vit_s16": 224, "mobilenet_v2": 64, "densenet121": 64, "convnext_t": 64}
SPECTRAL = (
    "bartlett", "bartlett_dudley", "graf_norms", "graf_params", "graf_dudley", "ledent", "long_sedghi", "pac_bayes",
)  # fmt: skip
IMAGES = 8
CLOCKS = ("cpu s", "s")
GROWTH = {"depth": (2, 4, 8), "width": (8, 16, 32), "resolution": (16, 32, 64)}


def mebibytes(field: str) -> float:
    """Resident memory of this process, now (VmRSS) or at most (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024


def clocks() -> tuple[float, float]:
    """Processor seconds of this process on all its cores, and seconds of the clock."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, time.perf_counter()


def cost(network: Any, side: int) -> dict[str, float]:
    """Processor seconds and seconds of one forward pass, of reading, of the sample, and of all bounds."""
    import jax
    import numpy as np
    from flax import nnx

    from sparsebounds import bounds
    from sparsebounds.bounds.registry import evaluated

    rng = np.random.default_rng(0)
    x, y = rng.uniform(-1, 1, (IMAGES, side, side, 3)).astype(np.float32), np.arange(IMAGES)
    found, last = {}, clocks()

    def lap(name: str, detail: str = "") -> None:
        nonlocal last
        now = clocks()
        for clock, before, after in zip(CLOCKS, last, now, strict=True):
            found[f"{name}, {clock}"] = found.get(f"{name}, {clock}", 0.0) + after - before
        print(f"{detail or name}: {now[0] - last[0]:.1f} {CLOCKS[0]}, {mebibytes('VmHWM'):.0f} MiB", file=sys.stderr)
        last = clocks()

    graph = bounds.read_graph(network, x[:1])
    lap("read")
    sample = bounds.Sample.measure(network, x, y)
    lap("sample")
    found["peak with the sample, MiB"], covered = mebibytes("VmHWM"), 0
    for name, bound in sorted(bounds.BOUNDS.items(), key=lambda item: item[0] in SPECTRAL):
        covered += evaluated(bound, graph, sample, {"delta": 1e-3, "pixel_range": (-1.0, 1.0)}).covered
        lap("spectral rows" if name in SPECTRAL else "other rows", name)
    found |= {"rows with a value": covered, "peak, MiB": mebibytes("VmHWM")}
    run = nnx.jit(network)  # last: its memory is no part of the work
    jax.block_until_ready(run(x))
    last = clocks()
    jax.block_until_ready(run(x))
    lap("forward")
    return found


def whole(name: str) -> dict[str, float]:
    """One architecture at its full size."""
    import jax
    from flax import nnx

    from sparsebounds.nets import standard

    before = mebibytes("VmRSS")
    options = {"in_shape": (SIDES[name],) * 2 + (3,)} if name in ("vgg16", "vit_s16") else {}
    network = getattr(standard, name)(rngs=nnx.Rngs(0), **options)
    weights = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(network))) * 8 / 2**20
    found = cost(network, SIDES[name])
    for clock in CLOCKS:
        parts = ("read", "sample", "other rows", "spectral rows")
        found[f"all, {clock}"] = sum(found[f"{part}, {clock}"] for part in parts)
    found["all / forward"] = found["all, cpu s"] / found["forward, cpu s"]
    found["weights in float64, MiB"] = weights
    beyond = found["peak, MiB"] - before
    return {**found, "peak beyond import, MiB": beyond, "peak beyond import / weights": beyond / weights}


def growth() -> dict[str, float]:
    """Exponents of reading and all rows of small residual networks, fitted between the smallest and the largest."""
    from flax import nnx

    from sparsebounds.nets import standard

    found = {}
    for axis, values in GROWTH.items():
        seconds = []
        for value in values:
            depth, width, side = (value if axis == a else b for a, b in zip(GROWTH, (2, 8, 32), strict=True))
            network = standard.BottleneckNet((depth,), width, classes=10, rngs=nnx.Rngs(0))
            parts = cost(network, side)
            seconds.append(parts["other rows, cpu s"] + parts["spectral rows, cpu s"])
        found[axis] = math.log(seconds[-1] / seconds[0]) / math.log(values[-1] / values[0])
    return found


def main() -> None:
    """Run each part in its own process and print its numbers."""
    parts = [*SIDES, "growth"]
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--worker", choices=parts, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
        print(json.dumps(growth() if options.worker == "growth" else whole(options.worker)))
        return
    for part in options.parts:
        done = subprocess.run(
            [sys.executable, __file__, "--worker", part], check=True, stdout=subprocess.PIPE, text=True
        )
        print(part)
        for name, value in json.loads(done.stdout).items():
            print(f"  {name:<28} {value:10.4g}", flush=True)


if __name__ == "__main__":
    main()
