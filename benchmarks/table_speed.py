"""Time and memory of the table of bounds and of a certificate, as ratios to a forward pass of the same network.

Command:    python benchmarks/table_speed.py
Takes:      about five minutes on two cores; --images 60000 for a whole MNIST, about fifteen
Expected:   see README.md
Shrink it:  --images 2000 --width 32
Busy cores: --clock cpu counts processor seconds of all threads in place of wall seconds

Each part runs in a process of its own, so that its peak memory is its own. Times of bounds are of one call with a
graph and a sample that are there already; the images are random numbers, which costs what images cost.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SPECTRAL = (
    "bartlett", "bartlett_dudley", "graf_norms", "graf_params", "graf_dudley", "ledent", "long_sedghi", "pac_bayes",
)  # fmt: skip
"""The bounds that need certified spectral norms."""
RANGE = (-1.0, 1.0)
BATCH = 256
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}

Seconds = Callable[[Callable[[], Any]], tuple[float, Any]]


def stopwatch(clock: str) -> Seconds:
    """A function that gives the seconds of a call, and what it returned."""
    now = CLOCKS[clock]

    def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
        start = now()
        result = call()
        return now() - start, result

    return seconds


def all_bounds(graph: Any, sample: Any, seconds: Seconds) -> dict[str, tuple[float, Any]]:
    """Seconds and Bound of every row of the table; spectral norms are computed by the first that needs them."""
    from sparsebounds import bounds
    from sparsebounds.bounds.registry import evaluated

    options = {"delta": 1e-3, "pixel_range": RANGE}
    return {
        name: seconds(lambda b=bound: evaluated(b, graph, sample, options)) for name, bound in bounds.BOUNDS.items()
    }  # type: ignore[misc]


def peak_mebibytes() -> float:
    """Largest resident memory of this process so far (Linux: its own, not that of what started it)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def conv(width: int, images: int, seconds: Seconds) -> dict[str, float]:
    """CONV-3-H: one forward pass, one measured sample, all bounds, one certificate with its own pass."""
    import jax
    import numpy as np
    from flax import nnx

    from sparsebounds import bounds, nets

    model = nets.ConvNet(3, width, use_bias=False, rngs=nnx.Rngs(0))
    rng = np.random.default_rng(0)
    x = rng.uniform(*RANGE, size=(images, 28, 28, 1)).astype(np.float32)
    y = rng.integers(0, 10, images)
    definition, state = nnx.split(model)
    apply = jax.jit(lambda state, x: nnx.merge(definition, state)(x))

    def forward() -> None:
        for start in range(0, images, BATCH):
            jax.block_until_ready(apply(state, x[start : start + BATCH]))

    for rows in {min(BATCH, images), images % BATCH or BATCH}:  # compile outside the clock
        jax.block_until_ready(apply(state, x[:rows]))
        bounds.Sample.measure(model, x[:rows], y[:rows])
    passes, measures, certificates = [], [], []
    for _ in range(1 if images > 20000 else 3):
        passes.append(seconds(forward)[0])
        measured, sample = seconds(lambda: bounds.Sample.measure(model, x, y))
        measures.append(measured)
        certify = lambda: bounds.certificate(model, x, y, pixel_range=RANGE)  # noqa: E731
        certificates.append(seconds(certify)[0])
    graph_seconds, graph = seconds(lambda: bounds.read_graph(model, x[:2]))
    rows = all_bounds(graph, sample, seconds)
    cheap = sum(s for name, (s, _) in rows.items() if name not in SPECTRAL)
    every = sum(s for s, _ in rows.values())
    return {
        "forward pass, seconds": min(passes),
        "sample measured / forward pass": ratio(measures, passes),
        "table: sample and all bounds / forward pass": ratio([s + every for s in measures], passes),
        "certificate / forward pass": ratio(certificates, passes),
        "graph read, seconds": graph_seconds,
        "bounds without spectral norms, seconds": cheap,
        "all bounds, seconds": every,
        "bounds with a value": sum(bound.covered for _, bound in rows.values()),
        "bounds": len(rows),
        "peak MiB": peak_mebibytes(),
    }


def ratio(ours: list[float], passes: list[float]) -> float:
    """The smallest over the rounds: other work on the machine only adds."""
    return min(a / b for a, b in zip(ours, passes, strict=True))


def resnet18(_: int, __: int, seconds: Seconds) -> dict[str, float]:
    """A ResNet-18 for 224 × 224 images, inference batch norm and skips: read it, and all bounds."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from sparsebounds import bounds

    rng = np.random.default_rng(0)
    f = resnet18_function(rng)
    x = rng.uniform(*RANGE, size=(64, 224, 224, 3)).astype(np.float32)
    y = np.arange(64) % 10
    run = jax.jit(f)
    jax.block_until_ready(run(x))
    once = seconds(lambda: jax.block_until_ready(run(jnp.asarray(x))))[0]
    reading, graph = seconds(lambda: bounds.read_graph(f, x[:1]))
    rows = all_bounds(graph, bounds.Sample.measure(f, x, y), seconds)
    found = sum(s for s, _ in rows.values())
    return {
        "forward pass of 64 images, seconds": once,
        "graph read, seconds": reading,
        "peeling, seconds": rows["peeling"][0],
        "all bounds, seconds": found,
        "read and all bounds / forward pass of 64 images": (reading + found) / once,
        "bounds with a value": sum(bound.covered for _, bound in rows.values()),
        "bounds": len(rows),
        "peak MiB": peak_mebibytes(),
    }


def resnet18_function(rng: Any) -> Callable[[Any], Any]:
    """ResNet-18 as a plain JAX function with drawn weights, the statistics of batch norm behind every convolution."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    def draw(*shape: int) -> Any:
        return (rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]) / 2)).astype(np.float32)

    def norm(width: int) -> tuple[Any, ...]:
        return tuple(rng.uniform(0.5, 1.5, size=(4, width)).astype(np.float32))

    def conv_norm(x: Any, part: tuple[Any, Any], stride: int) -> Any:
        kernel, (mean, variance, scale, shift) = part
        numbers = ("NHWC", "HWIO", "NHWC")
        x = jax.lax.conv_general_dilated(x, kernel, (stride, stride), "SAME", dimension_numbers=numbers)
        return (x - mean) / jnp.sqrt(variance + 1e-5) * scale + shift

    stem, head, width = (draw(7, 7, 3, 64), norm(64)), draw(512, 10), 64
    blocks = []
    for out, stride in ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        skip = (draw(1, 1, width, out), norm(out)) if stride == 2 else None
        blocks.append(((draw(3, 3, width, out), norm(out)), (draw(3, 3, out, out), norm(out)), skip, stride))
        width = out

    def f(x: Any) -> Any:
        x = jax.nn.relu(conv_norm(x, stem, 2))
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")
        for first, second, skip, stride in blocks:
            y = conv_norm(jax.nn.relu(conv_norm(x, first, stride)), second, 1)
            x = jax.nn.relu(y + (x if skip is None else conv_norm(x, skip, stride)))
        return jnp.mean(x, axis=(1, 2)) @ head

    return f


PARTS = {"conv": conv, "resnet18": resnet18}


def main() -> None:
    """Run each part in its own process and print its numbers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--width", type=int, default=200, help="H of CONV-3-H")
    parser.add_argument("--images", type=int, default=12000, help="of the data pass of CONV-3-H")
    parser.add_argument("--parts", nargs="+", choices=sorted(PARTS), default=sorted(PARTS))
    parser.add_argument("--clock", choices=sorted(CLOCKS), default="wall")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--worker", choices=sorted(PARTS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
        print(json.dumps(PARTS[options.worker](options.width, options.images, stopwatch(options.clock))))
        return
    found = {}
    for part in options.parts:
        command = [sys.executable, __file__, "--worker", part, "--width", str(options.width)]
        command += ["--images", str(options.images), "--clock", options.clock]
        found[part] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        if not options.json:
            print(f"CONV-3-{options.width}, {options.images} images" if part == "conv" else "ResNet-18, 224 × 224")
            for name, value in found[part].items():
                print(f"  {name:<50} {value:10.4g}", flush=True)
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
