"""Images per second of training CONV-3-H, this project's JAX code against PyTorch, on the same machine.

Command:    python benchmarks/train_speed.py              (needs the extra `bench`: pip install -e '.[bench]')
Takes:      about six minutes on two cores
Expected:   a median ratio JAX/PyTorch of at least 0.9 at every width; see README.md for measured ones
Shrink it:  --seconds 0.5 --rounds 3 --widths 16 64

Each library trains in a process of its own, which waits while the other is measured. A round measures both, one
after the other, for every width, so that a busy machine slows both; the ratio is the median over the rounds.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

BATCH = 32
SAMPLES = 2048
DEPTH = 3


def jax_steps(width: int) -> Callable[[int], None]:
    """A function that takes so many training steps with JAX and waits for the last."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    from flax import nnx

    from sparsebounds import nets
    from sparsebounds.nets.models.functional import pure
    from sparsebounds.nets.training.loop import CHUNK
    from sparsebounds.nets.training.step import State, make_advance

    config = nets.TrainConfig(learning_rate=0.01, momentum=0.9, weight_decay=3e-3, batch_size=BATCH)
    tx = config.optimizer(SAMPLES // BATCH)
    params, apply = pure(nets.ConvNet(DEPTH, width, rngs=nnx.Rngs(0)))
    advance = make_advance(apply, tx, config.loss)
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal((SAMPLES, 28, 28, 1), dtype=np.float32))
    y = jnp.asarray(rng.integers(0, 10, SAMPLES, dtype=np.int32))
    weight = np.ones((CHUNK, BATCH), np.float32)
    state = State(params, tx.init(params), jnp.zeros((), jnp.int32))

    def take(steps: int) -> None:
        nonlocal state
        for done in range(0, steps, CHUNK):  # exactly the calls that nets.train makes
            index = rng.integers(0, SAMPLES, (CHUNK, BATCH), dtype=np.int32)
            state, _ = advance(state, x, y, index, weight, np.int32(min(CHUNK, steps - done)))
        jax.block_until_ready(state.step)

    return take


def torch_steps(width: int) -> Callable[[int], None]:
    """The same network, loss, optimiser and batches with PyTorch, in its usual eager form."""
    import torch
    from torch import nn
    from torch.nn.utils.parametrizations import weight_norm

    channels = [1] + [width] * DEPTH
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(channels):
        layers += [weight_norm(nn.Conv2d(n_in, n_out, 2), dim=None), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * (28 - DEPTH) ** 2, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=3e-3)
    x = torch.randn(SAMPLES, 1, 28, 28)
    y = nn.functional.one_hot(torch.randint(0, 10, (SAMPLES,)), 10).float()
    loss = nn.MSELoss()

    def take(steps: int) -> None:
        for _ in range(steps):
            rows = torch.randint(0, SAMPLES, (BATCH,))
            optimizer.zero_grad()
            loss(model(x[rows]), y[rows]).backward()
            optimizer.step()

    return take


def worker(library: str, width: int, seconds: float) -> None:
    """Warm up, then answer every line on stdin with the images per second of about `seconds` of training."""
    take = {"jax": jax_steps, "torch": torch_steps}[library](width)
    take(2)
    start = time.perf_counter()
    take(4)
    steps = max(4, round(4 * seconds / (time.perf_counter() - start)))
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        take(steps)
        print(steps * BATCH / (time.perf_counter() - start), flush=True)


class Worker:
    """A process that trains with one library when asked to."""

    def __init__(self, library: str, width: int, seconds: float) -> None:
        command = [sys.executable, __file__, "--worker", library, "--widths", str(width), "--seconds", str(seconds)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self._line() != "ready":
            raise SystemExit(f"the {library} half did not start; its message is above")

    def measure(self) -> float:
        """Images per second, now."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return float(self._line())

    def stop(self) -> None:
        """End the process."""
        self.process.communicate()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


def compare(width: int, rounds: int, seconds: float) -> dict[str, float | int | list[float]]:
    """Rounds of both libraries at one width."""
    workers = {library: Worker(library, width, seconds) for library in ("jax", "torch")}
    speeds: dict[str, list[float]] = {library: [] for library in workers}
    for turn in range(rounds):
        for library in sorted(workers, reverse=bool(turn % 2)):  # neither is always the first
            speeds[library].append(workers[library].measure())
    for each in workers.values():
        each.stop()
    ratios = [a / b for a, b in zip(speeds["jax"], speeds["torch"], strict=True)]
    return {
        "width": width,
        "jax": statistics.median(speeds["jax"]),
        "torch": statistics.median(speeds["torch"]),
        "ratio": statistics.median(ratios),
        "ratios": [round(ratio, 3) for ratio in ratios],
    }


def main() -> None:
    """Parse the command line and print one line per width."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64, 200])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of training per measurement")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    parser.add_argument("--worker", choices=["jax", "torch"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
        worker(options.worker, options.widths[0], options.seconds)
        return
    rows = []
    for width in options.widths:
        rows.append(row := compare(width, options.rounds, options.seconds))
        if not options.json:
            print(f"CONV-{DEPTH}-{width:<4} JAX {row['jax']:7.0f}  PyTorch {row['torch']:7.0f} images/s   "
                  f"median ratio {row['ratio']:.2f}   rounds {row['ratios']}", flush=True)  # fmt: skip
    if options.json:
        print(json.dumps({"python": platform.python_version(), "machine": platform.machine(), "rows": rows}))


if __name__ == "__main__":
    main()
