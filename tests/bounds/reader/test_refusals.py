"""What the reader refuses, and that it says what and where; a large network within its memory."""

import re
import subprocess
import sys
import textwrap

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax
from networks import conv, draw, flat, images

from sparsebounds import bounds
from sparsebounds.bounds.graph import Unknown

K, W, W2 = draw(1, 2, 2, 2, 3), draw(2, 75, 4), draw(3, 72, 4)


def hidden(x):
    return conv(x, K)


UNKNOWN = {
    "exp": lambda x: flat(jnp.exp(hidden(x))) @ W,
    "dot_general": lambda x: jnp.einsum("bhwc,bvwc->bhv", x, x).reshape(len(x), -1) @ draw(4, 36, 4),
    "div": lambda x: flat(x) / (1 + jnp.abs(flat(x[..., ::-1]))) @ W2,
    "sort": lambda x: jnp.sort(flat(x), axis=1) @ W2,
    "top_k": lambda x: lax.top_k(flat(x), 4)[0],
    "argmax": lambda x: jnp.argmax(flat(x), axis=1, keepdims=True).astype(jnp.float32) @ draw(6, 1, 4),
    "gather": lambda x: jnp.take_along_axis(flat(x), jnp.argsort(flat(x), axis=1), axis=1) @ W2,
    "select_n": lambda x: flat(jnp.where(x > 0.5, hidden_pad(x), 0.0)) @ draw(7, 72, 4),
}


def hidden_pad(x):
    return conv(x, draw(8, 1, 1, 2, 2))


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_known_is_a_layer_that_names_operation_and_line(name):
    x = images(3)
    graph = bounds.read_graph(UNKNOWN[name], x)
    np.testing.assert_allclose(bounds.evaluate(graph, x), UNKNOWN[name](x), rtol=1e-3, atol=1e-4)
    unknown = [layer for layer in graph.layers if isinstance(layer, Unknown)]
    assert name in [layer.operation for layer in unknown]
    assert all(re.search(r"test_refusals\.py:\d+ ", layer.where) for layer in unknown)
    found = bounds.bartlett(graph, bounds.Sample.measure(UNKNOWN[name], images(20), np.arange(20) % 4), delta=0.1)
    assert re.search(
        rf"is ({'|'.join(layer.operation for layer in unknown)}|product|abs)(, | at test_refusals)", found.note
    )


def test_the_line_is_the_users_own():
    def f(x):
        z = hidden(x)
        z = jnp.sort(z)  # this line
        return flat(z) @ W

    lines, start = __import__("inspect").getsourcelines(f)
    expected = start + next(i for i, line in enumerate(lines) if "this line" in line)
    (unknown,) = [layer for layer in bounds.read_graph(f, images(2)).layers if isinstance(layer, Unknown)]
    assert f"test_refusals.py:{expected} " in unknown.where


class NormInTraining(nnx.Module):
    def __init__(self):
        self.norm, self.head = nnx.BatchNorm(2, rngs=nnx.Rngs(0)), nnx.Linear(72, 4, rngs=nnx.Rngs(1))

    def __call__(self, x):
        return self.head(flat(self.norm(x)))


def python_branch(x):
    return flat(x) @ W2 if x[0, 0, 0, 0] > 0 else -flat(x) @ W2


def mixes_the_batch(x):
    return flat(x - jnp.mean(x, axis=0, keepdims=True)) @ W2


def not_finite(x):
    return flat(x) @ jnp.where(jnp.arange(72)[:, None] == 3, jnp.nan, W2)


SHAPES = {
    "scalar": (lambda x: jnp.sum(x), r"\(\)|one row of scores"),
    "feature map": (hidden, r"\(1, 5, 5, 3\)|one row of scores"),
    "two outputs": (lambda x: (flat(x) @ W2, x), "returns 2 arrays"),
    "constant": (lambda x: jnp.ones((len(x), 4)), "does not depend"),
    "batch norm in training mode": (NormInTraining, r"^norm \(BatchNorm\) is in training mode; call model\.eval\(\)$"),
    "python branch": (python_branch, "branches|traced"),
    "batch mean": (mixes_the_batch, "batch"),
    "weights not finite": (not_finite, "not finite"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_functions_of_the_wrong_kind_are_refused(name):
    f, message = SHAPES[name]
    with pytest.raises(bounds.ReadError, match=message):
        bounds.read_graph(f() if isinstance(f, type) else f, images(2))


@pytest.mark.parametrize("x", [np.zeros((0, 6, 6, 2), np.float32), np.zeros(5, np.float32)])
def test_example_inputs_are_needed(x):
    with pytest.raises((ValueError, bounds.ReadError), match="example inputs"):
        bounds.read_graph(lambda x: flat(x) @ W2, x)


PROGRAM = """
import resource, sys
import jax, jax.numpy as jnp, numpy as np
sys.path.insert(0, {root!r})
import bounds

rng = np.random.default_rng(0)
def draw(*shape):
    return (rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]) / 2)).astype(np.float32)

def conv(x, k, stride=1):
    return jax.lax.conv_general_dilated(x, k, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

def pool(x, kind, size=2, padding="VALID", window=2):
    start = -jnp.inf if kind is jax.lax.max else 0.0
    return jax.lax.reduce_window(x, start, kind, (1, window, window, 1), (1, size, size, 1), padding)
{network}
x = rng.normal(size=(1, 224, 224, 3)).astype(np.float32)
graph = bounds.read_graph(f, x)
counts = graph.pred_counts()
assert np.allclose(bounds.evaluate(graph, x), np.asarray(f(x)), rtol=1e-3, atol=1e-3)

def peak():
    # MiB. On Linux ru_maxrss keeps the peak of the process that started this one; VmHWM is this one's own.
    try:
        lines = open("/proc/self/status").read().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**20  # bytes, outside Linux
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024

print(len(graph.layers), peak())
"""
VGG = """
sizes = [(64, 1), (128, 1), (256, 2), (512, 2), (512, 2)]
kernels, c = [], 3
for width, repeats in sizes:
    kernels.append([draw(3, 3, c if i == 0 else width, width) for i in range(repeats)])
    c = width
w1, w2 = draw(25088, 128), draw(128, 10)

def f(x):
    for block in kernels:
        for k in block:
            x = jax.nn.relu(conv(x, k) + jnp.full(k.shape[-1], 0.1))
        x = pool(x, jax.lax.add) / 4.0
    return jax.nn.relu(x.reshape(len(x), -1) @ w1) @ w2
"""
RESNET = """
stem = draw(7, 7, 3, 64)
blocks, c = [], 64
for width, stride in ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
    skip = draw(1, 1, c, width) if stride == 2 else None
    blocks.append((draw(3, 3, c, width), draw(3, 3, width, width), skip, stride))
    c = width
head = draw(512, 10)

def f(x):
    x = pool(jax.nn.relu(conv(x, stem, 2)), jax.lax.max, 2, "SAME", 3)
    for a, b, skip, stride in blocks:
        y = conv(jax.nn.relu(conv(x, a, stride)), b)
        x = jax.nn.relu(y + (x if skip is None else conv(x, skip, stride)))
    return jnp.mean(x, axis=(1, 2)) @ head
"""


@pytest.mark.slow
@pytest.mark.parametrize("network", [VGG, RESNET], ids=["VGG", "ResNet-18"])
def test_a_224_network_is_read_within_2_gib(network, pytestconfig):
    """Peak resident memory of a whole process: imports, weights, the check against f, and all predecessor counts."""
    program = textwrap.dedent(PROGRAM).format(root=str(pytestconfig.rootpath), network=network)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-2000:]
    layers, mebibytes = map(int, done.stdout.split())
    assert layers >= 12
    assert mebibytes < 2048, f"{mebibytes} MiB"
