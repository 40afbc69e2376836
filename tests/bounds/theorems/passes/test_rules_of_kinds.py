"""The rules of kinds without weights: points that attain them, and a search that never exceeds them."""

import math

import numpy as np
import pytest

from sparsebounds import bounds
from sparsebounds.bounds.graph import ABSENT, Activation, Attention, Graph, Input, Normalise, Product
from sparsebounds.bounds.graph.nonlinearities import TANH, Nonlinearity
from sparsebounds.bounds.theorems.passes.cover import backward, forward
from sparsebounds.bounds.theorems.passes.fixed import Fixed
from sparsebounds.bounds.theorems.passes.sizes import Size, log

SIGMOID = Nonlinearity("sigmoid", lambda t: 1 / (1 + np.exp(-t)), 0.0, 0.25, at_zero=0.5, bound=1.0)
ABS = Nonlinearity("abs", np.abs, -1.0, 1.0, homogeneous=True)
RNG = np.random.default_rng(0)


def numbers(*values):
    return np.array(values, dtype=np.int32)


def normalise(groups, size, centred):
    elements = np.arange(groups * size, dtype=np.int32).reshape(groups, size)
    return Normalise(groups, size, elements, elements, centred, 0.1)


def attention(tokens=2, heads=1, width=1, mask=None):
    parts = np.arange(3 * tokens * heads * width, dtype=np.int32).reshape(3, tokens, heads, width)
    return Attention(tokens, heads * width, *parts, 0.7, mask)


LAYERS = {
    "tanh": (Activation(1, 3, numbers(0, 1, 2), TANH), 3),
    "tanh of one element twice": (Activation(1, 3, numbers(0, 0, 1), TANH), 2),
    "sigmoid beside a zero": (Activation(1, 3, numbers(0, 1, ABSENT), SIGMOID), 2),
    "abs": (Activation(1, 3, numbers(0, 1, 2), ABS), 3),
    "gate": (Product(1, 3, numbers(0, 1, 2), numbers(3, 4, 5)), 6),
    "gate for a channel": (Product(3, 1, numbers(0, 1, 2), numbers(3, 3, 3)), 4),
    "square": (Product(1, 2, numbers(0, 1), numbers(0, 1)), 2),
    "layer norm": (normalise(2, 3, True), 6),
    "RMS norm": (normalise(1, 4, False), 4),
    "attention": (attention(), 6),
    "attention, two heads": (attention(3, 2, 2), 36),
    "attention, causal": (attention(3, 1, 2, np.tril(np.ones((3, 3), dtype=bool))), 18),
}  # fmt: skip


def graph_of(name):
    layer, size = LAYERS[name]
    return Graph((Input((size,), size, 1), layer))


def claims(graph, x, m=1):
    """The size of the layer and log ℓ, where no input is larger than those of x."""
    norm, peak = log(np.linalg.norm(x, axis=1).max()), log(np.abs(x).max())
    fixed = Fixed(graph, {}, {})
    sizes = forward(fixed, Size(log(np.linalg.norm(x)), norm, peak), m)
    return sizes[1], backward(fixed, sizes)[0]


def steepness(graph, x, y):
    """‖f(x) − f(y)‖ / ‖x − y‖ beside what is said of inputs as large as these."""
    moved = np.linalg.norm(bounds.evaluate(graph, x) - bounds.evaluate(graph, y), axis=1)
    ratios = moved / np.linalg.norm(x - y, axis=1)
    return max(ratio / math.exp(claims(graph, np.stack(pair))[1]) for ratio, *pair in zip(ratios, x, y, strict=True))


def climbed(graph, ratio, start, steps=300):
    """The largest ratio that small random steps find."""
    rng, best, point, size = np.random.default_rng(1), ratio(start), start, 0.5
    for _ in range(steps):
        step = point + rng.normal(size=start.shape) * size
        found = ratio(step)
        best, point, size = (found, step, size * 1.2) if found > best else (best, point, max(size * 0.95, 1e-3))
    return best


@pytest.mark.parametrize("name", LAYERS)
def test_a_search_finds_no_steeper_place(name):
    graph, found = graph_of(name), 0.0
    for scale, gap in ((0.1, 1e-3), (1.0, 1e-3), (1.0, 1.0), (5.0, 0.1)):
        pair = RNG.normal(size=(2, LAYERS[name][1])) * scale
        pair[1] = pair[0] + gap * RNG.normal(size=pair[0].shape)
        found = max(found, climbed(graph, lambda p: steepness(graph, p[:1], p[1:]), pair))
    assert (0.2 if "attention" in name else 0.5) < found <= 1 + 1e-9


@pytest.mark.parametrize("name", LAYERS)
def test_no_values_are_larger_than_said(name):
    graph, closest = graph_of(name), 0.0
    for scale in (0.01, 1.0, 20.0):
        x = RNG.normal(size=(200, LAYERS[name][1])) * scale
        size, _ = claims(graph, x, len(x))
        values = bounds.evaluate(graph, x)
        found = (
            np.linalg.norm(values) / math.exp(size.total),
            np.linalg.norm(values, axis=1).max() / math.exp(size.largest),
        )
        peak = np.abs(values).max() / math.exp(size.peak)
        assert max(*found, peak) <= 1 + 1e-9
        closest = max(closest, *found, peak)
    assert closest > 0.3


@pytest.mark.parametrize(
    ("name", "x", "y", "least"),
    [
        ("tanh", [0, 0, 0], [1e-4, 0, 0], 0.999),
        ("tanh of one element twice", [0, 0], [1e-4, 0], 0.999),
        ("abs", [1, 2, 3], [2, 4, 6], 1.0),
        ("gate", [1, 0, 0, 0, 0, 0], [1, 0, 0, 1e-3, 0, 0], 0.5),
        ("gate for a channel", [1, 1, 1, 0], [1, 1, 1, 1e-4], 0.6),
        ("square", [1, 0], [1 - 1e-6, 0], 0.999),
        ("layer norm", [0] * 6, [1e-4, -1e-4, 0, 0, 0, 0], 0.999),
        ("RMS norm", [0] * 4, [1e-4, 0, 0, 0], 0.999),
        # Both queries attend to the first key alone: a change of its value shows in both.
        ("attention", [6, 6, 6, -6, 0, 0], [6, 6, 6, -6, 1e-4, 0], None),
    ],
)
def test_points_that_attain_a_rule(name, x, y, least):
    graph = graph_of(name)
    x, y = np.array([x], dtype=float), np.array([y], dtype=float)
    if least is None:
        moved = np.linalg.norm(bounds.evaluate(graph, x) - bounds.evaluate(graph, y)) / np.linalg.norm(x - y)
        assert moved == pytest.approx(math.sqrt(2), rel=1e-6)  # √T, and T = 1 as the constant would be refuted
    else:
        assert least <= steepness(graph, x, y) <= 1 + 1e-9
