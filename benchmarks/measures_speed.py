"""What `bounds.measures`, its searches and the table cost beside the training of the network, in one run.

    python benchmarks/measures_speed.py

Digits, two convolutions of stride 2 and a dense layer, Adam until the cross entropy is below 0.01 (some 25 epochs); the
second of two networks, whose architecture was met before, as in a sweep. Two minutes on two cores.
"""

import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.datasets import load_digits

from sparsebounds import bounds

BATCH, STOP, MOST = 64, 0.01, 100


def network(p, x):
    def conv(x, k):
        return jax.lax.conv_general_dilated(x, k, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    x = jax.nn.relu(conv(x, p["k1"]) + p["b1"])
    return jax.nn.relu(conv(x, p["k2"]) + p["b2"]).reshape(len(x), -1) @ p["w"]


def initial(seed):
    rng = np.random.default_rng(seed)
    shapes = {"k1": (3, 3, 1, 16), "b1": (16,), "k2": (3, 3, 16, 32), "b2": (32,), "w": (128, 10)}
    fan_in = {name: max(1, int(np.prod(shape[:-1]))) for name, shape in shapes.items()}
    return {n: jnp.asarray(rng.normal(size=s) * (2 / fan_in[n]) ** 0.5 * (len(s) > 1), jnp.float32)
            for n, s in shapes.items()}  # fmt: skip


def trained(p, x, y):
    optimiser = optax.adam(3e-3)
    state = optimiser.init(p)

    def loss(p, x, y):
        return optax.softmax_cross_entropy_with_integer_labels(network(p, x), y).mean()

    @jax.jit
    def step(p, state, x, y):
        updates, state = optimiser.update(jax.grad(loss)(p, x, y), state)
        return optax.apply_updates(p, updates), state

    whole = jax.jit(loss)
    for epoch in range(MOST):
        order = np.random.default_rng(epoch).permutation(len(x))
        for i in range(0, len(x) - BATCH + 1, BATCH):
            p, state = step(p, state, x[order[i : i + BATCH]], y[order[i : i + BATCH]])
        if float(whole(p, x, y)) < STOP:
            break
    return p, epoch + 1


def timed(run):
    start = time.perf_counter()
    found = run()
    return found, time.perf_counter() - start


def main():
    data = load_digits()
    names = [name for name, measure in bounds.MEASURES.items() if measure.needs == "search"]
    x, y = (data.images[..., None] / 16).astype(np.float32), data.target.astype(np.int32)
    for seed in range(2):
        before = initial(seed)
        (p, epochs), training = timed(lambda before=before: trained(before, x, y))
        f, start = (lambda x, p=p: network(p, x)), (lambda x, p=before: network(p, x))
        parts = {
            "measures": lambda f=f, start=start: bounds.measures(f, x, y, start),
            "table": lambda f=f: bounds.table(f, x, y, gamma="percentile:10"),
            "searches": lambda f=f, start=start: bounds.measures(f, x, y, start, names=names),
        }
        print(f"network {seed}: {epochs} epochs, training {training:.2f} s")
        for name, run in parts.items():
            seconds = timed(run)[1]
            print(f"  {name:<9} {seconds:6.2f} s, {seconds / training:.2f} of the training")


if __name__ == "__main__":
    main()
