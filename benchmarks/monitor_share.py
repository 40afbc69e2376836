"""What `bounds.monitor` takes of a training, as its own clock says and as a pair of trainings shows.

    python benchmarks/monitor_share.py [--minutes 8] [--share 0.01]

Three convolutions of 32 channels on images of the size of MNIST, batches of 32, a call after every 50 steps; first
without the monitor for a quarter of the minutes, then with it. Prints looks, share, and the ratio of the seconds of a
step.
"""

import argparse
import time
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from sparsebounds import bounds

BATCH, STEPS, SAMPLES = 32, 50, 2048
NAMES = ("galanti", "path_norm", "bartlett", "l2", "params")


def network(width: int) -> nnx.Module:
    """Three convolutions of stride 2, and a dense layer."""
    rngs = nnx.Rngs(0)
    sizes = [1, width, width, width]
    layers = [nnx.Conv(a, b, (3, 3), strides=2, rngs=rngs) for a, b in pairwise(sizes)]
    parts = [part for layer in layers for part in (layer, nnx.relu)]
    return nnx.Sequential(*parts, lambda x: x.reshape(len(x), -1), nnx.Linear(16 * width, 10, rngs=rngs))


def trained(seconds: float, x, y, watch) -> float:
    """Train for so long; seconds of a step, looks among them."""
    model = network(32)
    optimiser = nnx.Optimizer(model, optax.sgd(0.01), wrt=nnx.Param)

    @nnx.jit
    def step(model, optimiser, x, y):
        def loss(model):
            return optax.softmax_cross_entropy_with_integer_labels(model(x), y).mean()

        optimiser.update(model, nnx.grad(loss)(model))

    step(model, optimiser, x[:BATCH], y[:BATCH])  # compiled before the clock starts
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for _ in range(STEPS):
            at = BATCH * (steps % (SAMPLES // BATCH))
            step(model, optimiser, x[at : at + BATCH], y[at : at + BATCH])
            steps += 1
        jax.block_until_ready(nnx.state(model))
        watch(model, steps)
    return (time.perf_counter() - start) / steps


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--share", type=float, default=0.01)
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(SAMPLES, 28, 28, 1)), jnp.float32)
    y = jnp.asarray(rng.integers(0, 10, SAMPLES), jnp.int32)
    alone = trained(15 * asked.minutes, x, y, lambda model, step: None)
    watch = bounds.monitor(x, y, NAMES, share=asked.share)
    watched = trained(60 * asked.minutes, x, y, watch)
    print(watch)
    print(watch.frame().groupby("name", sort=False)["value"].count().to_dict())
    print(f"share of the time, as the monitor says: {watch.share:.4f}")
    print(f"a step with the monitor / without: {watched / alone:.4f}")


if __name__ == "__main__":
    main()
