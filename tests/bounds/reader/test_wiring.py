"""What a graph reads without a rule is paid for however it is written, also where it all together is everything."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from networks import NETWORKS, draw, network
from scipy.special import gammaln

from sparsebounds import bounds
from sparsebounds.bounds.reader.regular import MOST, regularity

FEATURES = 120
RNG = np.random.default_rng(0)
X = RNG.choice([-1.0, 1.0], size=(40, FEATURES)).astype(np.float32)
Y = np.arange(40) % 2
SIDE = RNG.permutation(np.repeat([True, False], FEATURES // 2))
LEFT, RIGHT = np.flatnonzero(SIDE), np.flatnonzero(~SIDE)
LISTS = jnp.asarray(np.stack([LEFT, RIGHT]))
PARTITION = float(gammaln(FEATURES + 1) - 2 * gammaln(FEATURES // 2 + 1))


def two(left, right):
    return jnp.stack([left, right], axis=1)


class Voters(nnx.Module):
    def __init__(self):
        self.lists = nnx.Variable(LISTS)

    def __call__(self, x):
        picked = [[x[:, self.lists[...][row, j]] for j in range(FEATURES // 2)] for row in (0, 1)]
        return two(*(jnp.stack(columns, axis=1).sum(axis=1) for columns in picked))


def scanned(x):
    def step(total, pair):
        return total + jnp.stack([jnp.take(x, pair[0], axis=1), jnp.take(x, pair[1], axis=1)], axis=1), None

    return jax.lax.scan(step, jnp.zeros((len(x), 2)), LISTS.T)[0]


VOTES = {
    "gather": lambda x: two(x[:, LEFT].sum(1), x[:, RIGHT].sum(1)),
    "one gather": lambda x: x[:, LISTS].sum(2),
    "scan over lists": lambda x: jax.lax.scan(lambda c, i: (c, jnp.take(x, i, axis=1).sum(1)), 0.0, LISTS)[1].T,
    "map over lists": lambda x: jax.lax.map(lambda i: jnp.take(x, i, axis=1).sum(1), LISTS).T,
    "vmap over lists": lambda x: jax.vmap(lambda i: jnp.take(x, i, axis=1).sum(1), out_axes=1)(LISTS),
    "scan over single indices": scanned,
    "slices": lambda x: two(*(jnp.stack([x[:, i] for i in side], 1).sum(1) for side in (LEFT, RIGHT))),
    "sums of slices": lambda x: two(sum(x[:, i] for i in LEFT), sum(x[:, i] for i in RIGHT)),
    "one sum less another": lambda x: (lambda s: two(s, -s))(sum(x[:, i] for i in LEFT) - sum(x[:, i] for i in RIGHT)),
    "dynamic slices": lambda x: two(
        *(
            jnp.concatenate([jax.lax.dynamic_slice(x, (0, LISTS[row, j]), (len(x), 1)) for j in range(60)], 1).sum(1)
            for row in (0, 1)
        )
    ),
    "indices in a module": Voters(),
    "a split": lambda x: two(
        *(jnp.concatenate([jnp.split(x, FEATURES, axis=1)[i] for i in side], 1).sum(1) for side in (LEFT, RIGHT))
    ),
    "masks": lambda x: two((x * SIDE.astype(np.float32)).sum(1), (x * (~SIDE).astype(np.float32)).sum(1)),
    "scaled masks": lambda x: two((x * (0.5 * SIDE).astype(np.float32)).sum(1), (x * (~SIDE / 2)).sum(1)),
    "scan over masks": lambda x: (
        jax.lax.scan(lambda c, mask: (c, (x * mask).sum(1)), 0.0, jnp.asarray(np.stack([SIDE, ~SIDE]), jnp.float32))[
            1
        ].T
    ),
    "where": lambda x: two(jnp.where(SIDE, x, 0.0).sum(1), jnp.where(SIDE, 0.0, x).sum(1)),
    "hidden units": lambda x: (lambda h: two(h[:, LEFT].sum(1), h[:, RIGHT].sum(1)))(
        jax.nn.relu(x @ np.eye(FEATURES, dtype=np.float32))
    ),
    "maxima": lambda x: two(x[:, LEFT].max(1), x[:, RIGHT].max(1)),
}


@pytest.mark.parametrize("name", VOTES)
def test_a_partition_of_the_features_is_paid_for(name):
    graph = bounds.read_graph(VOTES[name], jnp.asarray(X))
    assert math.fsum(found.nats for found in graph.selections) > 0.98 * PARTITION
    assert bounds.read_graph(VOTES[name], X, selections_fixed=True).selections == ()


def test_a_partition_costs_a_multinomial_coefficient():
    (found,) = bounds.read_graph(VOTES["slices"], X).selections
    ends = 2 * math.log(FEATURES) + 2 * math.log(2)
    assert found.nats == pytest.approx(PARTITION + ends)
    assert str(found) == "120 readings of 120 elements without a rule, input"


def test_few_of_the_elements_cost_no_more_than_their_list():
    chosen = np.sort(RNG.choice(FEATURES, 40, replace=False))
    listed = bounds.read_graph(lambda x: x[:, chosen] @ draw(1, 40, 2), X).selections
    sliced = bounds.read_graph(lambda x: jnp.stack([x[:, i] for i in chosen], 1) @ draw(1, 40, 2), X).selections
    price = math.log(math.comb(FEATURES, 40)) + math.log(FEATURES)
    assert math.fsum(s.nats for s in listed) == pytest.approx(price)
    assert math.fsum(s.nats for s in sliced) == pytest.approx(price, abs=1)


def test_which_of_two_layers_stands_where_is_paid_for():
    def f(x):
        a, b = jax.nn.relu(x @ draw(1, FEATURES, 60)), jax.nn.relu(x @ draw(2, FEATURES, 60))
        parts, used = [], [0, 0]
        for side in SIDE:
            part = (a, b)[int(side)]
            parts.append(part[:, used[int(side)]])
            used[int(side)] += 1
        return jnp.stack(parts, axis=1).reshape(len(x), 2, 60).sum(axis=2)

    assert math.fsum(found.nats for found in bounds.read_graph(f, X).selections) > PARTITION


IMAGES = RNG.normal(size=(2, 16, 16, 4)).astype(np.float32)


def conv(x, kernel, **options):
    numbers = {"dimension_numbers": ("NHWC", "HWIO", "NHWC")}
    return jax.lax.conv_general_dilated(x, kernel, options.pop("stride", (1, 1)), "SAME", **numbers, **options)


def head(x):
    return x.reshape(len(x), -1) @ draw(3, x.size // len(x), 3)


def glu(x):
    h = x.reshape(len(x), -1) @ draw(4, 1024, 64)
    return head(jax.nn.relu(h[:, :32]) - jax.nn.relu(h[:, 32:]))


def shuffle(x):
    h = conv(x, draw(5, 3, 3, 2, 4), feature_group_count=2)
    h = h.reshape(len(x), 16, 16, 2, 2).swapaxes(3, 4).reshape(len(x), 16, 16, 4)
    return head(jax.nn.relu(conv(h, draw(6, 3, 3, 2, 4), feature_group_count=2)))


def rotary(x):
    h = x.reshape(len(x), 256, 4)
    turned = jnp.concatenate([-h[..., 2:], h[..., :2]], axis=-1)
    interleaved = jnp.stack([-h[..., 1::2], h[..., ::2]], axis=-1).reshape(h.shape)
    return head(0.5 * h + 0.25 * turned + interleaved)


def patches(x):
    h = x.reshape(len(x), 4, 4, 4, 4, 4).transpose(0, 1, 3, 2, 4, 5).reshape(len(x), 16, 64) @ draw(7, 64, 8)
    token = jnp.broadcast_to(jnp.asarray(draw(8, 1, 1, 8)), (len(x), 1, 8))
    return head(jax.nn.relu(jnp.concatenate([token, h], axis=1)) @ draw(9, 8, 8))


def inception(x):
    pooled = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 1, 1, 1), "SAME")
    branches = [conv(x, draw(10, 1, 1, 4, 2)), conv(x, draw(11, 3, 3, 4, 2)), conv(x, draw(12, 5, 5, 4, 2)), pooled]
    return head(jax.nn.relu(jnp.concatenate(branches, axis=-1)))


def pre_activation(x):
    for seed in range(3):
        x = x + conv(jax.nn.relu(x), draw(seed, 5, 5, 4, 4))
    return head(x)


def unet(x):
    down = jax.nn.relu(conv(x, draw(13, 3, 3, 4, 8), stride=(2, 2)))
    up = jnp.repeat(jnp.repeat(down, 2, axis=1), 2, axis=2)
    return head(jax.nn.relu(conv(jnp.concatenate([x, up], axis=-1), draw(14, 3, 3, 12, 4))))


def pyramid(x):
    sums = []
    while x.shape[1] > 1:
        x = jax.lax.reduce_window(x, 0.0, jax.lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        sums.append(jax.nn.relu(x).reshape(len(x), -1))
    return head(jnp.concatenate(sums, axis=1))


def unrolled(x):
    h = jnp.zeros((len(x), 8))
    for t in range(16):
        h = jax.nn.relu(x[:, t].reshape(len(x), -1) @ draw(15, 64, 8) + h @ draw(16, 8, 8))
    return h @ draw(17, 8, 3)


STRUCTURE = {
    "strided": lambda x: head(conv(conv(x, draw(1, 2, 2, 4, 4)), draw(2, 3, 3, 4, 2), stride=(3, 3))),
    "dilated": lambda x: head(conv(x, draw(1, 3, 3, 4, 4), rhs_dilation=(2, 2))),
    "depthwise": lambda x: head(conv(x, draw(1, 3, 3, 1, 8), feature_group_count=4)),
    "transposed convolution": lambda x: head(
        jax.lax.conv_transpose(x, draw(1, 3, 3, 4, 2), (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    ),
    "gated halves": glu,
    "channel shuffle": shuffle,
    "half swaps": rotary,
    "patch embedding and a class token": patches,
    "shifted windows": lambda x: head(
        jax.nn.relu(jnp.roll(x, (-2, -2), (1, 2)).reshape(-1, 4, 4, 4, 4, 4).swapaxes(2, 3).reshape(-1, 16, 64)
                    @ draw(1, 64, 4))
    ),
    "flips": lambda x: head(x[:, ::-1] + jnp.flip(x, 2)),
    "pixel shuffle": lambda x: head(x.reshape(-1, 16, 16, 2, 2).transpose(0, 1, 3, 2, 4).reshape(-1, 32, 32, 1)),
    "nearest upsampling": lambda x: head(jax.image.resize(x, (len(x), 24, 24, 4), "nearest")),
    "channels first": lambda x: head(jnp.moveaxis(x, -1, 1)),
    "branches": inception,
    "skips before activations": pre_activation,
    "an hourglass": unet,
    "sums of squares of every size": pyramid,
    "a loop over rows": unrolled,
    "padding": lambda x: head(jnp.pad(x, ((0, 0), (1, 2), (3, 0), (0, 0)))),
}  # fmt: skip


@pytest.mark.parametrize("name", STRUCTURE)
def test_structure_costs_nothing(name):
    assert bounds.read_graph(STRUCTURE[name], IMAGES).selections == ()


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - {"random_predecessors", "predecessors", "predecessors_biased"}))
def test_the_networks_of_the_zoo_are_structure(name):
    assert not any("rule" in str(found) for found in bounds.read_graph(network(name).f, network(name).x).selections)


def test_phrases():
    assert regularity(np.arange(10**6)).phrases == 1
    assert regularity(RNG.permutation(5000)).phrases > MOST
    assert regularity(np.zeros(1, int)).structure
    assert not regularity(RNG.permutation(16)).structure
    assert regularity(RNG.permutation(5000)).nats(5000) == math.inf


def test_channels_that_are_picked_at_every_position_cost_their_own_partition():
    left = np.sort(RNG.permutation(32)[:16])
    right = np.setdiff1d(np.arange(32), left)
    maps = RNG.normal(size=(2, 7, 7, 32)).astype(np.float32)

    def f(x):
        return two(*(jnp.stack([x[..., i] for i in side], axis=-1).sum(axis=(1, 2, 3)) for side in (left, right)))

    (found,) = bounds.read_graph(f, maps).selections
    assert found.of == 32 and found.nats == pytest.approx(math.log(math.comb(32, 16)) + 2 * math.log(32) + math.log(4))
