"""Boxes around a rehearsal in all layers: moves and ranges by hand, membership, a certificate, the attack."""

import math
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from classes_fixed import two_layers

from sparsebounds import bounds
from sparsebounds.bounds.audit.certificates.centred import audit_centred
from sparsebounds.bounds.certificates import CentredNetwork, boxes_around_network, certify_family, measure_energies
from sparsebounds.bounds.certificates.boxes.moves import moves_of, ranges_of
from sparsebounds.bounds.graph.evaluation import activations
from sparsebounds.bounds.moments.margin_forms import tree_form
from sparsebounds.bounds.moments.tree import Tree
from sparsebounds.nets.certify import CertifyConfig, Chain, train_chain_centred

TWO = tree_form(Tree.balanced(2), 2)


def test_moves_and_ranges_by_hand() -> None:
    rng = np.random.default_rng(0)
    graph, w, b = two_layers(rng)
    w0, w1 = (a.astype(np.float32).astype(np.float64) for a in w)
    b0 = b[0].astype(np.float32).astype(np.float64)
    centre, rows = np.append((w1[:, 0] - w1[:, 1]) / 2, 0.1)[None], rng.uniform(0.1, 2, size=(1, 4))
    half = rng.uniform(0.1, 2, size=(1, 5, 3))
    p = np.maximum(np.abs(centre[0]) + rows[0], 2 * rows[0])[:-1]
    expected = np.concatenate([half[0, :-1] @ p, rows[0, :-1], [rows[0, -1] + half[0, -1] @ p]])
    np.testing.assert_allclose(moves_of(graph, centre, rows, {1: half})[0], expected)
    inputs = rng.uniform(1, 2, size=4)
    ranges = ranges_of(graph, inputs)
    np.testing.assert_allclose(ranges, np.append(inputs, np.abs(w0).T @ inputs + np.abs(b0)), rtol=1e-6)
    x = rng.uniform(-1, 1, size=(200, 4)) * inputs
    values = np.concatenate([v.reshape(200, -1) for v in activations(graph, x)[:-1]], axis=1)
    assert (np.abs(values) <= ranges + 1e-6).all()
    with pytest.raises(ValueError, match="no h for"):
        moves_of(graph, centre, rows, {})
    with pytest.raises(ValueError, match="needed the same, not negative"):
        moves_of(graph, centre, -rows, {1: half})


def test_audit() -> None:
    rows = audit_centred("quick")
    assert not any(row.violated for row in rows) and max(row.ratio for row in rows) == pytest.approx(1.0)
    assert {name for row in rows for name, f in row.broken if row.catches(f)} == {"the last row alone shifted"}


def test_a_network_with_gelu_is_certified_around_a_rehearsal() -> None:
    rng = np.random.default_rng(1)
    m = 4000
    y = rng.integers(0, 2, m)
    x = (np.where(y == 0, 1.0, -1.0)[:, None] * [1.0, 0.5, -1.0] + 0.2 * rng.normal(size=(m, 3))).clip(-2, 2)
    x = x.astype(np.float32)
    w = [rng.normal(size=(3, 4)), rng.normal(size=(4, 2))]
    w[0][:, 0], w[0][:, 1] = [1, 0.5, -1], [-1, -0.5, 1]
    w[1][:2] = [[1, -1], [-1, 1]]
    w[1][2:] *= 0.05

    def net(scale):
        first, second = (jnp.asarray(scale(a), jnp.float32) for a in w)
        return lambda v: jax.nn.gelu(v @ first, approximate=False) @ second

    f0, f = net(lambda a: a), net(lambda a: a * (1 + 0.02 * np.sign(a)))
    graph0, graph = bounds.read_graph(f0, x[:2]), bounds.read_graph(f, x[:2])
    with pytest.raises(ValueError, match="width"):
        boxes_around_network(graph0, TWO, x[:500], y[:500], np.full(3, 2.0), width=0, shaped_by=None,
                             side_floor=0.05, size_floor=0.05)  # fmt: skip
    kept, x, y = (x[:500], y[:500]), x[500:], y[500:]
    around = boxes_around_network(
        graph0, TWO, *kept, np.full(3, 2.0), width=0.1, shaped_by=bounds.sample.fingerprints(kept[0]), side_floor=0.05,
        size_floor=0.05,
    )  # fmt: skip
    weights = around.energy_weights(graph)
    features = around.features(x)
    assert features.shape[1] + 1 == around.moves.shape[1] and (np.abs(features) <= around.largest[:-1] + 1e-5).all()
    limits = weights.limits(around.largest[:-1])
    energies = measure_energies(weights, TWO, x, y, limits)
    sample = bounds.Sample.measure(f, x, y)
    other_form = replace(TWO, weights=1e-6 * TWO.weights)
    for wrong, said in (
        (measure_energies(replace(weights, features=None), TWO, features, y, limits), "other features"),
        (measure_energies(weights, TWO, x[::-1], y, limits), "other inputs or labels"),
        (measure_energies(weights, TWO, 0.5 * x, y, limits), "other inputs or labels"),
        (measure_energies(weights, TWO, -x, y, limits), "those of other inputs"),
        (measure_energies(weights, other_form, x, y, limits), "another form"),
    ):
        with pytest.raises(ValueError, match=said):
            certify_family(graph, sample, around, wrong, delta=0.01)
    b = certify_family(graph, sample, around, energies, delta=0.01, choices={"width": 6})
    assert b.value < 0.5 and b.guarantee == "certificate" and "declared" not in b.note
    with pytest.raises(ValueError, match="500 of"):
        certify_family(graph, bounds.Sample.measure(f, *kept), around, energies, delta=0.01)
    told = replace(around, shaped_by=None)
    energies = measure_energies(told.weights, TWO, x, y, limits)
    assert "declared, not checked" in certify_family(graph, sample, told, energies, delta=0.01).note
    low, most = around.radii(graph)[0], around.most(graph)
    assert low <= b.terms["c_j = ratio^j"] * b.gamma <= most and low < 1.02 / 1.1 * 1.001
    assert b.terms["nats: choice of width, one of 6"] == pytest.approx(math.log(6))
    # Further away, and networks of another structure, are refused.
    far = bounds.read_graph(net(lambda a: 1.2 * a), x[:2])
    with pytest.raises(ValueError, match="lies outside its box"):
        around.radii(far)
    with pytest.raises(ValueError):
        around.radii(two_layers(rng, inputs=3, hidden=5)[0])
    with pytest.raises(ValueError, match="larger than the class states"):
        replace(around, inputs=np.full(3, 0.5)).check(sample)


def test_a_class_stays_what_it_was_charged_for() -> None:
    """Arrays that were handed in are copied, and nobody can write to the copies."""
    graph, _, _ = two_layers(np.random.default_rng(0))
    rows, half, inputs = np.ones((1, 4)), np.ones((1, 5, 3)), np.ones(4)
    around = CentredNetwork(TWO, graph, rows, {1: half}, np.ones((1, 8)), inputs)
    moves = around.moves.copy()
    rows[:], half[:], inputs[:] = 9.0, 9.0, 9.0
    np.testing.assert_array_equal(replace(around).moves, moves)
    for array in (around.rows, around.hidden[1], around.inputs, around.sizes, around.form.weights):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 9.0
    with pytest.raises(TypeError):
        around.hidden[1] = half  # type: ignore[index]
    with pytest.raises(ValueError, match="not negative"):
        replace(around, hidden={1: -half})


def test_a_chain_trained_inside_its_boxes_is_held_by_them() -> None:
    """Convolutions: what training keeps is inside the class, and the energies are those of the rehearsal's maps."""
    rng = np.random.default_rng(5)
    chain, codes = Chain((4, 4, 1), ((2, 2, 3), (1, 1, 2))), np.array([[1.0, -1.0]])
    y = rng.integers(0, 2, size=3000)
    x = (0.2 * rng.normal(size=(3000, 4, 4, 1)) + np.where(y == 0, 1.0, -0.2)[:, None, None, None]).clip(-1, 1)
    x = x.astype(np.float32)
    start = {name: np.abs(np.asarray(value)) for name, value in chain.start(1, seed=0).items()}
    start["rows"][0, -1] = -1.0

    def scores_of(params):
        kernels = {name: jnp.asarray(params[name], jnp.float32) for name in ("conv0", "conv1")}
        rows = np.asarray(params["rows"], np.float64)
        kernel, bias = (jnp.asarray(part @ codes, jnp.float32) for part in (rows[:, :-1].T, rows[:, -1]))
        return lambda v: chain.hidden(kernels, v) @ kernel + bias

    def graph_of(params):
        return bounds.read_graph(scores_of(params), x[:2])

    around = boxes_around_network(
        graph_of(start), TWO, x, y, np.ones(16), width=0.1, shaped_by=None, side_floor=0.05, size_floor=0.05
    )
    maps = np.concatenate(chain.maps({n: jnp.asarray(v, jnp.float32) for n, v in start.items()}, x[:50]), axis=1)
    np.testing.assert_allclose(around.features(x[:50]), maps, atol=1e-5)
    shapes = enumerate(chain.kernels)
    halves = {f"conv{i}": around.hidden[i + 1][0, :-1].reshape(s) for i, s in shapes} | {"rows": around.rows}
    config = CertifyConfig(60, 20, 500, 0.05)
    found = train_chain_centred(chain, x, y, codes, start, halves, np.array([0.05]), config)
    moved = {name: np.abs(np.asarray(found[name]) - start[name]) / halves[name] for name in ("conv0", "conv1")}
    assert all(0.5 < m.max() < 1.0 for m in moved.values())  # training used its room, and stayed inside
    graph = graph_of(found)
    assert 0 < around.radii(graph)[0] <= around.most(graph)
    limits = around.weights.limits(around.largest[:-1])
    energies = measure_energies(around.energy_weights(graph), TWO, x, y, limits)
    sample = bounds.Sample.measure(scores_of(found), x, y)
    b = certify_family(graph, sample, around, energies, delta=0.01, tied_only=True)
    assert b.value < 0.5
    with pytest.raises(ValueError, match="lies outside its box"):
        around.radii(graph_of({**found, "conv1": 1.3 * np.asarray(found["conv1"])}))
