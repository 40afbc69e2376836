"""Covering theorems beyond chains without biases: what a class fixes, what it pays, and what must not change a row."""

import math
from dataclasses import replace

import jax
import numpy as np
import pytest
from networks import draw, network
from samples import of_any_network

from sparsebounds import bounds
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Activation, Linear
from sparsebounds.bounds.graph.nonlinearities import Nonlinearity
from sparsebounds.bounds.margin.grids import RATIO, grid_up
from sparsebounds.bounds.theorems.covering.own_numbers import read_numbers
from sparsebounds.bounds.theorems.covering.unions import ROUNDINGS, classes
from sparsebounds.bounds.theorems.passes.hulls import kernel_hull
from sparsebounds.bounds.theorems.passes.reach import Reach, reaches
from sparsebounds.bounds.theorems.passes.sizes import Size

ROWS = ("bartlett", "bartlett_dudley", "graf_norms", "graf_params", "graf_dudley", "ledent", "long_sedghi")
INPUTS = {"pixel_range": (-9.0, 9.0)}
UNCAPPED = "complexity uncapped"
ZOO = (
    "native_biased", "mlp_flat", "residual_post_activation", "residual_pre_activation", "concatenated", "max_pooled",
    "average_pooled", "nnx_batch_norm", "nested_calls",
)  # fmt: skip


def evaluate(name, graph, sample, **options):
    given = INPUTS if name in ("ledent", "long_sedghi") else {}
    return bounds.BOUNDS[name](graph, sample, delta=0.01, **given, **options)


def read(f, x):
    sample = of_any_network(bounds.Sample.measure(f, x, np.arange(len(x)) % 2))
    return bounds.read_graph(f, x[:2]), sample


def zoo(name):
    net = network(name)
    return read(net.f, net.x)


def changed(graph, index, change):
    """The graph with `change` done to one linear layer."""
    layers = list(graph.layers)
    layers[index] = change(layers[index])
    return replace(graph, layers=tuple(layers))


def doubled(graph):
    """The graph with the largest weight of its first learned map doubled."""
    index = next(i for i, layer in graph.linear_layers() if layer.dots)
    layer = graph.linear(index)
    weight = layer.dots[0].weight.copy()
    weight[np.unravel_index(np.argmax(np.abs(weight)), weight.shape)] *= 2
    terms = tuple(replace(t, weight=weight) if t is layer.dots[0] else t for t in layer.terms)
    return changed(graph, index, lambda layer: replace(layer, terms=terms))


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("name", ZOO)
def test_every_row_has_a_number_that_depends_on_each_weight(name, row):
    graph, sample = zoo(name)
    values = []
    for net in (graph, doubled(graph)):
        found = evaluate(row, net, sample)
        assert found.guarantee == ("published" if row == "ledent" else "certificate") and found.value > 0
        assert found.complexity <= 1 or row == "long_sedghi"
        values.append(found.complexity if row == "long_sedghi" else found.terms[UNCAPPED])
    assert np.isfinite(values).all() and values[0] < values[1]


def mlp(biased=True, skip=False):
    """Dense, two hidden layers."""
    w, v, u = draw(400, 6, 5), draw(401, 5, 5), draw(402, 5, 4)
    b, c, d = (draw(403, 5), draw(404, 5), draw(405, 4)) if biased else (np.float32(0),) * 3

    def f(x):
        h = jax.nn.relu(x @ w + b) if biased else jax.nn.relu(x @ w)
        k = jax.nn.relu(h @ v + c) if biased else jax.nn.relu(h @ v)
        k = h + k if skip else k
        return k @ u + d if biased else k @ u

    return read(f, draw(406, 30, 6))


def weight(ratio, up):
    """log of 1/(prior weight) of a grid point."""
    j = round(math.log(up / (1 + 1e-6)) / math.log(ratio))
    return math.log(2 * (abs(j) + 1) * (abs(j) + 2)) if up > 0 else math.log(4)


def params(c, weights, m):
    """graf_params by hand."""
    inside = sum(
        2 * w * (math.log(1 + math.ceil((len(c) * x) ** 2)) + 2) for w, x in zip(weights, c, strict=True) if x > 0
    )
    return 24 / math.sqrt(m) * math.sqrt(inside)


def test_a_chain_with_biases_by_hand():
    """C_l = 2√2 c (r_l (‖X‖/√m + Σ_{j<l} h_j) + g_l), and the price of every number."""
    graph, sample = mlp()
    found = evaluate("graf_params", graph, sample)
    t, m = found.terms, sample.m
    r, g = t["b_i/s_i of the class"], t["zeta_i/p_i of the class"]
    h = t["eta_i/p_i of the class"]
    assert len(r) == len(g) == 3 and len(h) == 2
    x = t["||X||_F"] / math.sqrt(m)
    reach = [r[0] * x + g[0], r[1] * (x + h[0]) + g[1], r[2] * (x + h[0] + h[1]) + g[2]]
    c = [2 * math.sqrt(2) * t["c_j"] * one for one in reach]
    assert t["weights W_i"] == (6 * 5 + 5, 5 * 5 + 5, 5 * 4 + 4)
    assert t[UNCAPPED] == pytest.approx(params(c, t["weights W_i"], m), rel=1e-9)
    paid = math.log(len(ROUNDINGS)) + sum(weight(t["grid ratio"], up) for up in g)
    if t["numbers"] != "one ratio of radii":
        paid += sum(weight(t["grid ratio"], up) for up in r)
    else:
        paid += weight(t["grid ratio"], max(one / math.sqrt(2 * w) for one, w in zip(r, (30, 25, 20), strict=True)))
    if t["numbers"] == "every number":
        paid += sum(weight(t["grid ratio"], up) for up in h)
    assert t["nats paid for choices"] == pytest.approx(paid, rel=1e-9)
    # Each number of the class is at least the network's own.
    products = np.cumprod(t["s_i"])
    for own, up, p in zip(t["zeta_i"], g, products, strict=True):
        assert own / p <= up * (1 + 1e-9)
    for own, up, p in zip(t["eta_i"], h, products, strict=False):
        assert own / p <= up * (1 + 1e-9)


def test_a_skip_by_hand():
    """h + relu(V h + c): λ_h = s_3 (1 + s_2), B of the sum B_h + s_2 B_h + η_2 √m."""
    graph, sample = mlp(skip=True)
    found = evaluate("graf_params", graph, sample)
    t, m = found.terms, sample.m
    (s1, s2, s3), (a1, a2, a3) = t["s_i of the class"], t["b_i of the class"]
    e1, e2, _ = t["eta_i of the class"]
    z1, z2, z3 = t["zeta_i of the class"]
    x = t["||X||_F"] / math.sqrt(m)
    h = s1 * x + e1
    reach = [s3 * (1 + s2) * (a1 * x + z1), s3 * (a2 * h + z2), a3 * (h + s2 * h + e2) + z3]
    c = [2 * math.sqrt(2) * t["c_j"] * one for one in reach]
    assert t[UNCAPPED] == pytest.approx(params(c, t["weights W_i"], m), rel=1e-9)
    assert t["c = scale/gamma"] == pytest.approx(1.0)


def first_class(graph):
    """Of all numbers, on the finest grid."""
    own = read_numbers(graph, None, kernel_hull)
    fixed = next(classes(own))
    return own, fixed, reaches(Reach(fixed.fixed, fixed.radii, fixed.shifts), own.layers, Size(1.0, 0.0, 0.0), 30)


def test_biases_of_zero_cost_generators_and_nats_alone():
    graph, _ = mlp()
    layers = [replace(h, bias=0 * h.bias) if isinstance(h, Linear) else h for h in graph.layers]
    zero, (plain, _) = replace(graph, layers=tuple(layers)), mlp(biased=False)
    (_, a, left), (_, b, right) = first_class(zero), first_class(plain)
    assert left == pytest.approx(right, rel=1e-9) and a.log_scale == pytest.approx(b.log_scale)
    # Three ζ and two η at the grid point 0, and the choice of how numbers are written.
    assert a.nats - b.nats == pytest.approx(5 * math.log(4) + math.log(len(ROUNDINGS)))


@pytest.mark.parametrize("row", ROWS)
def test_a_layer_of_zeros_leaves_the_biases(row):
    """A constant network is no class of one function: its bias is free."""
    graph, sample = mlp()
    first = graph.linear(1)
    zeros = replace(first, terms=tuple(t.with_strengths(0 * t.strengths) for t in first.terms))
    found = evaluate(row, changed(graph, 1, lambda layer: zeros), sample)
    assert found.value > 0 and found.complexity > 0.1


IDENTITY = Nonlinearity("identity", lambda t: t, 1.0, 1.0, odd=True)


def test_an_identity_changes_nothing():
    graph, _ = mlp(skip=True)
    last = graph.linear(-1)
    below = int(graph.offsets[-2])
    (source,) = graph.sources(len(graph.layers) - 1)
    elements = np.arange(graph.offsets[source], graph.offsets[source + 1], dtype=np.int32)
    same = Activation(1, len(elements), elements, IDENTITY)
    moved = last.renumbered(lambda e: np.where(e >= 0, e - graph.offsets[source] + below, e).astype(np.int32))
    longer = Graph((*graph.layers[:-1], same, moved))
    assert first_class(longer)[2] == pytest.approx(first_class(graph)[2], rel=1e-12)
    assert first_class(longer)[1].nats == first_class(graph)[1].nats


def test_a_skip_written_as_a_wider_dense_layer_is_not_smaller():
    w, v = draw(410, 4, 4), draw(411, 4, 3)
    wide, tall = np.hstack([w, np.eye(4), -np.eye(4)]), np.vstack([v, v, -v])
    nets = (lambda x: (x + jax.nn.relu(x @ w)) @ v, lambda x: jax.nn.relu(x @ wide.astype(np.float32)) @ tall)
    x = draw(412, 30, 4)
    for row in ROWS[:5]:
        skip, dense = (evaluate(row, *read(f, x)) for f in nets)
        assert skip.terms[UNCAPPED] <= dense.terms[UNCAPPED] * 1.2  # their grids differ


def test_a_shared_bias_counts_the_root_of_its_positions():
    graph, sample = zoo("native_biased")
    index = next(i for i, layer in graph.linear_layers() if layer.bias is not None and layer.positions > 1)
    layer = graph.linear(index)
    one = replace(layer, bias=np.tile([0.5, *[0.0] * (layer.channels - 1)], layer.positions), bias_of=None)
    shared = replace(one, bias_of=np.tile(np.arange(layer.channels, dtype=np.int32), layer.positions))
    apart, together = (changed(graph, index, lambda _, new=new: new) for new in (one, shared))
    before, after = (evaluate("graf_params", net, sample).terms for net in (apart, together))
    assert before["zeta_i"][0] == pytest.approx(0.5 * layer.positions)
    assert after["zeta_i"][0] == pytest.approx(0.5 * math.sqrt(layer.positions))
    assert before["eta_i"][0] == pytest.approx(after["eta_i"][0]) == pytest.approx(0.5 * math.sqrt(layer.positions))
    assert before["weights W_i"][0] - after["weights W_i"][0] == layer.size - layer.channels


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("skip", [False, True])
def test_distances_of_biases_are_from_the_reference(row, skip):
    graph, sample = mlp(skip=skip)
    known = bounds.Reference(graph, fixed="before training")
    near, far = evaluate(row, graph, sample, reference=known), evaluate(row, graph, sample)
    left, right = (r.terms.get(UNCAPPED, r.complexity) for r in (near, far))
    assert left <= 8 / sample.m < right
    half = changed(graph, 1, lambda layer: replace(layer, bias=layer.bias / 2))
    between = evaluate(row, graph, sample, reference=bounds.Reference(half, fixed="before training"))
    assert left < between.terms.get(UNCAPPED, between.complexity) < right
    assert between.confidence > 0


def test_a_coarser_grid_saves_nats_and_is_paid_for():
    graph, sample = mlp(skip=True)
    options = list(classes(read_numbers(graph, None, kernel_hull)))
    assert len(options) == len(ROUNDINGS) == 9
    finest = options[0].nats - math.log(9)
    numbers = [n for key in ("s_i", "b_i", "eta_i", "zeta_i") for n in options[0].terms[key]]
    assert finest == pytest.approx(sum(grid_up(n)[1] for n in numbers))
    # Where no way to write the class is below 1, its numbers stay close to the network's own.
    assert evaluate("graf_params", graph, sample).terms["grid ratio"] == RATIO
    many = np.full(10**7, 1e5), np.array([10**7, 0, 0, 0])
    large = bounds.Sample(10**7, 4, sample.energies, np.stack([sample.energies, *[0 * sample.energies] * 3]), *many)
    found = evaluate("graf_params", graph, large, gamma=1e5)
    assert found.value < 1 and found.terms["nats paid for choices"] < options[0].nats


def test_a_scale_that_a_branch_shares_may_have_been_learned():
    """In a chain it is part of c; beside a skip it is a map with numbers of its own."""
    w, v, alpha = draw(420, 4, 4), draw(421, 4, 3), np.float32(0.3)
    x = draw(422, 30, 4)

    def chain(z):
        return (jax.nn.relu(z @ w) * alpha) @ v

    def branch(z):
        h = jax.nn.relu(z @ w)
        return (jax.nn.relu(z) + h * alpha) @ v

    for f, count in ((chain, 2), (branch, 3)):
        graph, sample = read(f, x)
        t = evaluate("graf_params", graph, sample).terms
        assert len(t["s_i"]) == count
    assert 0.3 == pytest.approx(min(t["s_i"]), rel=1e-6)
