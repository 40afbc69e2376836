"""What certifying a drawn network costs: ratios to one forward pass of it, and the memory of ten million weights.

Command:    python benchmarks/distance_speed.py
Takes:      about four minutes on two cores
Expected:   see README.md
Shrink it:  --images 2000
Busy cores: processor seconds of all threads are counted, not those of the clock

Each part runs in a process of its own, so that its peak memory is its own. The images are random numbers, which costs
what images cost; nothing is trained: the posterior is the reference, moved a little.
"""

import argparse
import itertools
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PARTS = {"perceptron, 10⁶ weights": (784, 1000, 256, 10), "perceptron, 10⁷ weights": (784, 3000, 2500, 10)}
CONVOLUTIONS = "convolutions and dense layer, 10⁶ weights"
BATCH = 1024


def mebibytes(field: str) -> float:
    """Resident memory of this process, now (VmRSS) or at most (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024


def network(name: str, rng: Any) -> tuple[Any, dict[str, Any]]:
    """A decoder f(params, x) and random weights."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    def normal(*shape: int) -> Any:
        return rng.normal(size=shape).astype(np.float32) / np.sqrt(np.prod(shape[:-1]))

    if name in PARTS:
        sizes = PARTS[name]
        params = {f"w{i}": normal(a, b) for i, (a, b) in enumerate(itertools.pairwise(sizes))}

        def dense(p: Any, x: Any) -> Any:
            x = x.reshape(len(x), -1)
            for i in range(len(sizes) - 1):
                x = x @ p[f"w{i}"] if i == len(sizes) - 2 else jax.nn.relu(x @ p[f"w{i}"])
            return x

        return dense, params
    params = {"c1": normal(5, 5, 1, 32), "c2": normal(5, 5, 32, 64), "w1": normal(1024, 900), "w2": normal(900, 10)}

    def conv(x: Any, k: Any) -> Any:
        x = jax.nn.relu(jax.lax.conv_general_dilated(x, k, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")))
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    def convolutional(p: Any, x: Any) -> Any:
        x = conv(conv(x, p["c1"]), p["c2"]).reshape(len(x), -1)
        return jax.nn.relu(x @ p["w1"]) @ p["w2"]

    return convolutional, params


def cost(name: str, images: int) -> dict[str, float]:
    """Processor seconds of one pass, of draw and certificate with a reference and without one, and memory."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from sparsebounds import bounds

    rng = np.random.default_rng(0)
    x, y = rng.uniform(-1, 1, (images, 28, 28, 1)).astype(np.float32), rng.integers(0, 10, images)
    before = mebibytes("VmRSS")
    f, reference = network(name, rng)
    run = jax.jit(f)
    placed = {key: jnp.asarray(value) for key, value in reference.items()}
    jax.block_until_ready(run(placed, x[:BATCH]))
    if images % BATCH:
        jax.block_until_ready(run(placed, x[-(images % BATCH) :]))
    start = time.process_time()
    for first in range(0, images, BATCH):
        jax.block_until_ready(run(placed, x[first : first + BATCH]))
    forward = time.process_time() - start
    mean = {key: value + np.float32(1e-4) for key, value in reference.items()}
    scales = dict.fromkeys(reference, 1e-2)
    found = {"weights": float(sum(value.size for value in reference.values())), "forward, cpu s": forward}
    for said, prior in (
        ("with a reference", bounds.Prior(reference, scales)),
        ("data-free", bounds.Prior.data_free(reference)),
    ):
        start = time.process_time()
        way = {"nats": 1.0} if said == "with a reference" else {"spread": scales}
        drawn = bounds.draw(prior, mean, **way)
        middle = time.process_time()
        bounds.distance_certificate(f, drawn, x, y, batch_size=BATCH)
        found[f"draw, {said}, cpu s"] = middle - start
        found[f"certificate, {said}, cpu s"] = time.process_time() - middle
        found[f"draw and certificate / forward, {said}"] = (time.process_time() - start) / forward
    return {**found, "peak, MiB": mebibytes("VmHWM"), "peak beyond import and images, MiB": mebibytes("VmHWM") - before}


def main() -> None:
    """Run each part in its own process and print its numbers."""
    names = [CONVOLUTIONS, *PARTS]
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--images", type=int, default=60000)
    parser.add_argument("--worker", choices=names, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
        print(json.dumps(cost(options.worker, options.images)))
        return
    for name in names:
        command = [sys.executable, __file__, "--worker", name, "--images", str(options.images)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        print(name)
        for key, value in json.loads(done.stdout).items():
            print(f"  {key:<52} {value:12.4g}", flush=True)


if __name__ == "__main__":
    main()
