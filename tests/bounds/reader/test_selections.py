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
    "a mask that also scales": (lambda x: (x * (2.0 * MASK).astype(np.float32)) @ WHOLE, CHOICE),
    "where not": (lambda x: jnp.where(~MASK, 0.0, x) @ WHOLE, math.log(math.comb(40, 35)) + math.log(40)),
    "stacked columns": (lambda x: jnp.stack([x[:, i] for i in IDX], axis=1) @ W, CHOICE),
    "joined pieces": (lambda x: jnp.concatenate([x[:, i : i + 1] for i in IDX], axis=1) @ W, CHOICE),
    "joined runs": (lambda x: jnp.concatenate([x[:, 2:4], x[:, 11:12], x[:, 17:18], x[:, 30:31]], 1) @ W, CHOICE),
    "summed columns": (lambda x: sum(x[:, i : i + 1] @ w[None] for i, w in zip(IDX, W, strict=True)), CHOICE),
    "slices of slices": (lambda x: jnp.concatenate([x[:, i:][:, :1] for i in IDX], axis=1) @ W, CHOICE),
    "constant starts": (
        lambda x: jnp.concatenate([jax.lax.dynamic_slice(x, (0, i), (len(x), 1)) for i in IDX], axis=1) @ W,
        CHOICE,
    ),
    "taken one by one": (lambda x: jnp.stack([jnp.take(x, int(i), axis=1) for i in IDX], axis=1) @ W, CHOICE),
    "some of all columns": (lambda x: jnp.stack([jnp.unstack(x, axis=1)[i] for i in IDX], axis=1) @ W, CHOICE),
    "some parts of a split": (
        lambda x: jnp.concatenate(jnp.split(x, [2, 4, 11, 12, 17, 18, 30, 31], axis=1)[1::2], axis=1) @ W,
        CHOICE,
    ),
    "all columns stacked, then some": (
        lambda x: jnp.stack([jnp.stack([x[:, i] for i in range(40)], axis=1)[:, i] for i in IDX], axis=1) @ W,
        CHOICE,
    ),
    "columns of jitted pieces": (
        lambda x: jnp.concatenate([jax.jit(lambda v, i=i: 2 * v[:, i : i + 1])(x) for i in IDX], axis=1) @ W,
        CHOICE,
    ),
    "columns, later split": (
        lambda x: (lambda h: h[:, :2] @ W[:2] + h[:, 2:] @ W[2:])(
            jax.nn.relu(jnp.stack([x[:, i] for i in IDX], axis=1))
        ),
        CHOICE,
    ),
    "columns of hidden units": (
        lambda x: (lambda h: jnp.stack([h[:, i] for i in IDX], axis=1) @ W)(jax.nn.relu(x @ draw(3, 40, 40))),
        CHOICE,
    ),
    "each unit activated by itself": (
        lambda x: (lambda h: jnp.stack([jax.nn.relu(h[:, i]) for i in IDX], axis=1) @ W)(x @ draw(3, 40, 40)),
        CHOICE,
    ),
    "beside the whole input": (
        lambda x: x @ WHOLE + jnp.stack([jnp.unstack(x, axis=1)[i] for i in IDX], axis=1) @ W,
        CHOICE,
    ),
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
    fixed = bounds.read_graph(f, X, selections_fixed=True)
    assert fixed.selections == ()
    costs = [bounds.occam(g, sample, delta=0.01, mask_fixed=True).terms["bits"] for g in (graph, fixed)]
    assert costs[0] - costs[1] == math.ceil(price / math.log(2) - 1e-9)  # a true word on zero weights frees no list
    paid, free = (bounds.peeling(g, sample, delta=0.01) for g in (graph, fixed))
    assert paid.terms["nats paid for choices"] > free.terms["nats paid for choices"] + price - 20
    assert any(key.startswith("nats: selection of ") for key in paid.terms)
    assert not any(key.startswith("nats: selection of ") for key in free.terms)
    test = bounds.Sample.measure(f, X[:30], Y[:30])
    assert bounds.held_out(graph, sample, delta=0.01, test=test) == bounds.held_out(
        fixed, sample, delta=0.01, test=test
    )


def test_a_selection_slice_by_slice_is_named():
    (found,) = bounds.read_graph(SELECT["stacked columns"][0], X).selections
    assert found.lists.tolist() == [IDX.tolist()] and str(found).startswith("5 of 40, test_selections.py:")
    image = X.reshape(-1, 5, 8)
    (rows,) = bounds.read_graph(lambda x: jnp.stack([x[:, 1, 2], x[:, 3, 7]], axis=1) @ W[:2], image).selections
    assert rows.lists.tolist() == [[10, 31]] and rows.of == 40
    by_rows = bounds.read_graph(lambda x: jnp.stack([x[:, 1][:, 2], x[:, 3][:, 7]], axis=1) @ W[:2], image)
    assert [s.lists.tolist() for s in by_rows.selections] == [[[10, 31]]]


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


def turned(x):
    """Half swaps, as of rotary positions."""
    left, right = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([-right, left], axis=-1)


def shuffled(x):
    """Channels in two groups, one of them transformed."""
    left, right = x[:, :20], x[:, 20:]
    right = jax.nn.relu(right @ draw(17, 20, 20))
    return jnp.stack([left, right], axis=2).reshape(len(x), -1)


def patches(x, size, step, upto):
    starts = [(i, j) for i in range(0, upto, step) for j in range(0, upto, step)]
    h = [jax.nn.relu(x[:, i : i + size, j : j + size].reshape(len(x), -1) @ draw(18, size**2, 2)) for i, j in starts]
    return jnp.concatenate(h, axis=1) @ draw(19, 2 * len(h), 3)


def space_to_depth(x):
    parts = [x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
    return jnp.concatenate(parts, axis=-1).reshape(len(x), -1) @ draw(20, 784, 3)


def unlike_branches(x):
    """One half pooled, which leaves a row of it unread, the other whole."""
    h = jax.nn.relu(x[:, :27, :27] @ draw(21, 1, 4))
    left, right = h[..., :2], h[..., 2:]
    left = jax.lax.reduce_window(left, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    return left.reshape(len(x), -1) @ draw(22, 338, 3) + right.reshape(len(x), -1) @ draw(23, 1458, 3)


PIECES = {
    "half swaps": (lambda x: (x + turned(x)) @ WHOLE, X),
    "channel shuffle": (lambda x: shuffled(x) @ WHOLE, X),
    "all columns": (lambda x: jnp.stack([x[:, i] for i in range(40)], axis=1) @ WHOLE, X),
    "rolled": (lambda x: jnp.roll(x, 3, axis=1) @ WHOLE, X),
    "differences": (lambda x: (x[:, 1:] - x[:, :-1]) @ WHOLE[1:], X),
    "columns side by side": (lambda x: jnp.stack([x[:, i] for i in range(4, 9)], axis=1) @ W, X),
    "columns in equal steps": (lambda x: jnp.stack([x[:, i] for i in range(4, 33, 7)], axis=1) @ W, X),
    "pieces that nothing reads": (lambda x: (x[:, :3] * 0 + x[:, 7:8], x[:, 5:10] @ W)[1], X),
    "a crop of a crop, twice": (lambda x: x[:, 3:20][:, 2:7] @ W + x[:, 8:][:, 1:6] @ W, X),
    "steps of a sequence": (lambda x: sum(x.reshape(-1, 8, 5)[:, t] @ W for t in range(8)), X),
    "patches": (lambda x: patches(x, 7, 7, 28), IMAGES),
    "patches of a crop": (lambda x: patches(x, 5, 5, 25), IMAGES),
    "windows that overlap": (lambda x: patches(x, 6, 4, 21), IMAGES),
    "windows with gaps": (lambda x: patches(x, 2, 5, 25), IMAGES),
    "space to depth": (space_to_depth, IMAGES),
    "branches that read unlike parts": (unlike_branches, IMAGES),
    "pieces of what is padded": (lambda x: patches(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), 7, 7, 28), IMAGES),
}


@pytest.mark.parametrize("name", PIECES)
def test_pieces_that_leave_no_gaps_are_free(name):
    f, x = PIECES[name]
    assert bounds.read_graph(f, x).selections == ()


@pytest.mark.parametrize(("lists", "nats"), [
    ([[0, 2, 4, 6, 8]], math.log(math.comb(10, 5)) + math.log(10)),
    ([list(range(0, 1000, 2))], 3 * math.log(2000)),
    ([[1, 1, 2]], 4 * math.log(10)),
    ([[5]], 2 * math.log(10)),
])  # fmt: skip
def test_prices_by_hand(lists, nats):
    assert Selection(np.array(lists), 1000 if len(lists[0]) > 10 else 10).nats == pytest.approx(nats)
