"""What is read by lists that may have been chosen by the data is paid for; structure is free."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from networks import draw

from sparsebounds import bounds
from sparsebounds.bounds.graph.selections import Selection

X = np.random.default_rng(0).normal(size=(60, 40)).astype(np.float32)
Y = np.arange(60) % 3
IDX = np.array([2, 3, 11, 17, 30])
MASK = np.isin(np.arange(40), IDX)
W, WHOLE = draw(1, 5, 3), draw(2, 40, 3)
CHOICE = math.log(math.comb(40, 5)) + math.log(40)
ROWS = np.array([[1, 4], [0, 3], [7, 30]])


class Picks(nnx.Module):
    def __init__(self):
        self.idx, self.head = nnx.Variable(jnp.asarray(IDX)), nnx.Linear(5, 3, rngs=nnx.Rngs(0))

    def __call__(self, x):
        return self.head(x[:, self.idx[...]])


SELECT = {
    "indices": (lambda x: x[:, IDX] @ W, CHOICE),
    "take": (lambda x: jnp.take(x, jnp.asarray(IDX), axis=1) @ W, CHOICE),
    "boolean mask": (lambda x: x[:, MASK] @ W, CHOICE),
    "product with zeros and ones": (lambda x: (x * MASK.astype(np.float32)) @ WHOLE, CHOICE),
    "where": (lambda x: jnp.where(MASK, x, 0.0) @ WHOLE, CHOICE),
    "in a module": (Picks(), CHOICE),
    "jitted": (jax.jit(lambda x: x[:, IDX] @ W), CHOICE),
    "twice the same": (lambda x: jax.nn.relu(x[:, IDX]) @ W + x[:, IDX] @ W, CHOICE),
    "in another order": (lambda x: x[:, IDX[::-1]] @ W, CHOICE + math.log(120)),
    "of hidden units": (lambda x: jax.nn.relu(x @ draw(3, 40, 40))[:, IDX] @ W, CHOICE),
    "predecessor lists": (
        lambda x: jnp.einsum("bnk,nk->bn", x[:, ROWS], draw(4, 3, 2)),
        3 * (math.log(math.comb(40, 2)) + math.log(40)),
    ),
}


@pytest.mark.parametrize("name", SELECT)
def test_a_selection_is_paid_for(name):
    f, price = SELECT[name]
    graph, sample = bounds.read_graph(f, X), bounds.Sample.measure(f, X, Y)
    assert math.fsum(s.nats for s in graph.selections) == pytest.approx(price)
    fixed = bounds.read_graph(f, X, mask_fixed=True)
    assert fixed.selections == () and bounds.occam(graph, sample, delta=0.01, mask_fixed=True).value == (
        bounds.occam(fixed, sample, delta=0.01, mask_fixed=True).value
    )
    paid, free = (bounds.peeling(g, sample, delta=0.01) for g in (graph, fixed))
    assert paid.terms["nats paid for choices"] > free.terms["nats paid for choices"] + price - 20
    assert any(key.startswith("nats: selection of ") for key in paid.terms)
    assert not any(key.startswith("nats: selection of ") for key in free.terms)
    test = bounds.Sample.measure(f, X[:30], Y[:30])
    assert bounds.held_out(graph, sample, delta=0.01, test=test) == bounds.held_out(
        fixed, sample, delta=0.01, test=test
    )


IMAGES = np.random.default_rng(0).normal(size=(2, 28, 28, 1)).astype(np.float32)
KERNEL, SMALL = draw(5, 6, 6, 1, 4), [draw(i, 2, 2, 1 if i == 6 else 3, 3) for i in (6, 7, 8)]


def strided(x, kernel, stride):
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.nn.relu(jax.lax.conv_general_dilated(x, kernel, (stride, stride), "VALID", dimension_numbers=numbers))


def three(x):
    for kernel in SMALL:
        x = strided(x, kernel, 2)
    return x.reshape(len(x), -1) @ draw(9, 27, 3)


STRUCTURE = {
    "6×6/3 leaves 55 pixels": lambda x: strided(x, KERNEL, 3).reshape(len(x), -1) @ draw(10, 256, 3),
    "three 2×2/2 leave 208": three,
    "crop": lambda x: x[:, 4:24, 4:24].reshape(len(x), -1) @ draw(11, 400, 3),
    "stride": lambda x: x[:, ::2, ::-2].reshape(len(x), -1) @ draw(12, 196, 3),
    "one row": lambda x: x[:, 3, :, 0] @ draw(13, 28, 3),
    "padding": lambda x: jnp.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0))).reshape(len(x), -1) @ draw(14, 1024, 3),
    "resized": lambda x: jax.image.resize(x, (len(x), 10, 10, 1), "nearest").reshape(len(x), -1) @ draw(15, 100, 3),
    "pooling": lambda x: (
        jnp.mean(x[:, :27, :27].reshape(-1, 9, 3, 9, 3), axis=(2, 4)).reshape(-1, 81) @ draw(16, 81, 3)
    ),
}


@pytest.mark.parametrize("name", STRUCTURE)
def test_structure_is_free(name):
    assert bounds.read_graph(STRUCTURE[name], IMAGES).selections == ()


@pytest.mark.parametrize(("lists", "nats"), [
    ([[0, 2, 4, 6, 8]], math.log(math.comb(10, 5)) + math.log(10)),
    ([list(range(0, 1000, 2))], 3 * math.log(2000)),
    ([[1, 1, 2]], 4 * math.log(10)),
    ([[5]], 2 * math.log(10)),
])  # fmt: skip
def test_prices_by_hand(lists, nats):
    assert Selection(np.array(lists), 1000 if len(lists[0]) > 10 else 10).nats == pytest.approx(nats)
