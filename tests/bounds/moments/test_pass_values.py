"""The pass of Theorem 1 against literal loops: volumes, transposed convolutions, means that overlap and are padded."""

import itertools
import math

import jax
import networks
import numpy as np
import pytest
from node_moments import moments, top

from sparsebounds import bounds
from sparsebounds.bounds.moments import contraction, khintchine

P, M = 3.0, 30
S, B = float(contraction(P)), float(khintchine(P))


def found(below, shape, energies, channels, **options):
    """q of the nodes that a dense layer reads, and the number of channels of each checked."""
    size = math.prod(jax.eval_shape(below, jax.ShapeDtypeStruct((1, *shape), np.float32)).shape[1:])
    head = networks.draw(9, size, 3)
    graph = bounds.read_graph(lambda x: networks.flat(below(x)) @ head, np.ones((2, *shape), np.float32))
    assert graph.layers[-2].channels == channels
    options = {"tap": True} | options
    nodes = options.pop("nodes", "position")
    graph = graph.partition(nodes)
    return top(graph, moments(graph, energies, M, P, **options))


def inputs(shape, seed=3):
    """Energies, and q of the input by position."""
    energies = np.random.default_rng(seed).uniform(0.1, 5, shape)
    return energies, B * np.sqrt(energies.sum(axis=-1))


def convolved(q, alpha, low, dilation=1):
    """Σ_t α_t q at o + t − low, `dilation` − 1 zeros between the values of q and `low` zeros on every side."""
    apart = np.zeros([(n - 1) * dilation + 1 for n in q.shape])
    apart[tuple(slice(None, None, dilation) for _ in q.shape)] = q
    sizes = [n + sum(around) - k + 1 for n, around, k in zip(apart.shape, low, alpha.shape, strict=True)]
    out = np.zeros(sizes)
    for o, t in itertools.product(np.ndindex(*sizes), np.ndindex(*alpha.shape)):
        at = tuple(i + j - around[0] for i, j, around in zip(o, t, low, strict=True))
        if all(0 <= i < n for i, n in zip(at, apart.shape, strict=True)):
            out[o] += alpha[t] * apart[at]
    return out


def window_sums(q, size, stride, around):
    """Σ over windows, and how many positions each sees."""
    padded, there = (np.pad(values, around) for values in (q, np.ones(q.shape)))
    sizes = [(n - size) // stride + 1 for n in padded.shape]
    out, count = np.zeros(sizes), np.zeros(sizes)
    for o in np.ndindex(*sizes):
        at = tuple(slice(i * stride, i * stride + size) for i in o)
        out[o], count[o] = padded[at].sum(), there[at].sum()
    return out, count


def taps_of(kernel):
    """‖K_t‖_F."""
    return np.sqrt(np.square(kernel.astype(np.float64)).sum(axis=(-2, -1)))


NUMBERS = {2: ("NHWC", "HWIO", "NHWC"), 3: ("NDHWC", "DHWIO", "NDHWC")}


def conv(x, kernel, padding="VALID", dilation=1):
    space = kernel.ndim - 2
    return jax.lax.conv_general_dilated(
        x, kernel, (1,) * space, padding, lhs_dilation=(dilation,) * space, dimension_numbers=NUMBERS[space]
    )


@pytest.mark.parametrize("shape", [(5, 6, 2), (4, 5, 3, 2)], ids=["image", "volume"])
@pytest.mark.parametrize("size, stride, around", [(2, 2, 0), (3, 2, 1), (3, 1, 1), (2, 1, 0)])
@pytest.mark.parametrize("padding_counts", [True, False])
@pytest.mark.parametrize("then_relu", [False, True])
def test_means_over_windows(shape, size, stride, around, padding_counts, then_relu):
    """Without an activation a window adds up q / its size, below one ‖P_ji‖_F = √channels / its size counts."""
    space, channels = len(shape) - 1, 3
    kernel = networks.draw(4, *(2,) * space, 2, channels)
    same = ((1, 1),) * space
    energies, q = inputs(shape)
    q = (1.0 if then_relu else S) * convolved(q, taps_of(kernel), same)
    sums, count = window_sums(q, size, stride, around)
    divided = np.full(count.shape, size**space) if padding_counts else count

    def below(x):
        z = conv(x, kernel, same)
        windows = [(1, *(n,) * space, 1) for n in (size, stride)]
        zeros = ((0, 0), *((around, around),) * space, (0, 0))
        z = jax.lax.reduce_window(z if then_relu else jax.nn.relu(z), np.float32(0), jax.lax.add, *windows, zeros)
        z = z * (1 / divided[..., None]).astype(np.float32)
        return jax.nn.relu(z) if then_relu else z

    expected = S * math.sqrt(channels) * sums / divided if then_relu else sums / divided
    np.testing.assert_allclose(found(below, shape, energies, channels), expected.ravel(), rtol=1e-6)


@pytest.mark.parametrize("space", [2, 3])
def test_the_mean_over_all_positions(space):
    kernel = networks.draw(4, *(2,) * space, 2, 3)
    energies, q = inputs((4,) * space + (2,))
    expected = S * convolved(q, taps_of(kernel), ((0, 0),) * space).mean()
    below = lambda x: jax.nn.relu(conv(x, kernel)).mean(axis=tuple(range(1, space + 1)))  # noqa: E731
    np.testing.assert_allclose(found(below, (4,) * space + (2,), energies, 3), [expected], rtol=1e-6)


@pytest.mark.parametrize("shape", [(3, 4, 2), (2, 3, 2, 2)], ids=["image", "volume"])
@pytest.mark.parametrize("size", [2, 3])
def test_transposed_convolutions(shape, size):
    """Stride 2: the taps of a row are those that fall on a value, the others on zeros between them."""
    space = len(shape) - 1
    kernel, around = networks.draw(4, *(size,) * space, 2, 3), ((size - 1, 1),) * space
    energies, q = inputs(shape)
    below = lambda x: jax.nn.relu(conv(x, kernel, around, dilation=2))  # noqa: E731
    expected = S * convolved(q, taps_of(kernel), around, dilation=2)
    np.testing.assert_allclose(found(below, shape, energies, 3), expected.ravel(), rtol=1e-6)
    norm2 = convolved(np.ones(q.shape), np.square(taps_of(kernel)), around, dilation=2).max()  # of the largest row
    read = convolved(np.square(q), np.ones(kernel.shape[:-2]), around, dilation=2)
    ball = S * np.sqrt(norm2 * read)
    np.testing.assert_allclose(found(below, shape, energies, 3, tap=False), ball.ravel(), rtol=1e-6)


def test_lax_transposes_in_the_same_way():
    kernel, x = networks.draw(4, 3, 3, 2, 3), networks.draw(5, 2, 3, 4, 2)
    transposed = jax.lax.conv_transpose(x, kernel, (2, 2), "SAME", dimension_numbers=NUMBERS[2])
    np.testing.assert_allclose(transposed, conv(x, kernel, ((2, 1), (2, 1)), dilation=2), rtol=1e-5)


def test_nodes_of_one_element():
    """Several nodes that read the same others with a number each: q of (o, n) is s Σ |K_{t,c,n}| √energy."""
    kernel = networks.draw(4, 2, 2, 2, 2, 2)
    energies, _ = inputs((3, 3, 2, 2))
    read = B * np.sqrt(energies)
    none = ((0, 0),) * 3
    expected = [sum(S * convolved(read[..., c], np.abs(kernel[..., c, n]), none) for c in range(2)) for n in range(2)]
    q = found(lambda x: jax.nn.relu(conv(x, kernel)), (3, 3, 2, 2), energies, 2, nodes="scalar")
    np.testing.assert_allclose(q.reshape(2, 2, 1, 2), np.stack(expected, axis=-1), rtol=1e-6)


@pytest.mark.parametrize("then_relu", [False, True])
def test_a_skip_that_shows_a_node_two_others(then_relu):
    """Position (h, w) sees channel h of (0, w) and (1, w): √(q² + q²), below an activation row by row."""
    kernel, mixed = networks.draw(4, 1, 1, 2, 2), networks.draw(5, 1, 1, 2, 2)

    def below(x):
        z = jax.nn.relu(conv(x, kernel))
        y = conv(z, mixed) + z.transpose(0, 3, 2, 1)
        return jax.nn.relu(y) if then_relu else y

    energies, q = inputs((2, 2, 2))
    q = S * np.linalg.norm(kernel) * q
    seen = q.sum(axis=0) if then_relu else np.sqrt(np.square(q).sum(axis=0))
    expected = (S if then_relu else 1.0) * (np.linalg.norm(mixed) * q + seen[None])
    np.testing.assert_allclose(found(below, (2, 2, 2), energies, 2), expected.ravel(), rtol=1e-6)
