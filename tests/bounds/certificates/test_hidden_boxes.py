"""Boxes through hidden layers: path sums and scales by hand, first moments over all signs, training, a certificate."""

import itertools
import math
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from classes_fixed import two_layers

from sparsebounds import bounds
from sparsebounds.bounds.audit.certificates.hidden_boxes import HiddenCase, audit_hidden_boxes, claimed
from sparsebounds.bounds.bound import NotCovered
from sparsebounds.bounds.certificates.boxes.hidden import HiddenBoxes
from sparsebounds.bounds.certificates.boxes.moments import pairs
from sparsebounds.bounds.certificates.boxes.rehearsal import box_of_rehearsal, hidden_boxes_of_rehearsal
from sparsebounds.bounds.certificates.boxes.sides import SPREAD, Sides, path_sums, scales_of
from sparsebounds.bounds.certificates.energies import measure_energies
from sparsebounds.bounds.certificates.family import certify_family
from sparsebounds.bounds.certificates.signs import SLACK
from sparsebounds.bounds.graph.evaluation import activations
from sparsebounds.bounds.moments.margin_forms import tree_form
from sparsebounds.bounds.moments.tree import Tree
from sparsebounds.nets.certify import CertifyConfig, Chain, train_chain_boxes

TWO, THREE = (tree_form(Tree.balanced(n), n) for n in (2, 3))


def sides_of(rng: np.random.Generator, graph, form=TWO) -> Sides:
    """Random sides for every weight of a chain, signs those of the network."""
    hidden, signs = {}, {}
    for index, layer in [one for one in graph.linear_layers() if one[1].dots][:-1]:
        dot = layer.dots[0]
        bias = np.zeros(dot.shape) if layer.bias is None else dot.by_rows(layer.bias)
        w = np.concatenate([dot.weight, bias[:, :1]], axis=1)
        hidden[index], signs[index] = rng.uniform(0.5, 2, size=w.shape), np.where(w < 0, -1.0, 1.0)
    rows = form.rows @ np.concatenate(
        [bounds.graph.head.read_head(graph).weights, np.zeros((graph.classes, 1))], axis=1
    )
    return Sides(rng.uniform(0.5, 2, size=rows.shape), np.where(rows < 0, -1.0, 1.0), hidden, signs)


def test_path_sums_and_radii_by_hand() -> None:
    rng = np.random.default_rng(0)
    graph, w, b = two_layers(rng)
    sides = sides_of(rng, graph)
    beta, top = sides.hidden[1][0], sides.rows[0]
    expected = np.append(SPREAD * beta[:-1] @ top[:-1], top[-1] + SPREAD * beta[-1] @ top[:-1])
    np.testing.assert_allclose(path_sums(graph, sides)[0], expected)
    assert SPREAD == 1 + 2 * SLACK
    scale = (np.abs(np.concatenate([w[0], b[0][None]])) / beta).max(axis=0)  # the signs are the network's own
    np.testing.assert_allclose(scales_of(graph, sides)[4:7], scale, rtol=1e-6)
    rows = np.append((w[1][:, 0] - w[1][:, 1]) / 2 * scale, (b[1][0] - b[1][1]) / 2)
    boxes = HiddenBoxes(TWO, sides, path_sums(graph, sides), np.ones((1, 5)), np.ones(5))
    over = rows / top * sides.signs[0]
    np.testing.assert_allclose(boxes.radii(graph), np.maximum(over, -over / SLACK).max(), rtol=1e-5)
    assert boxes.most(graph) == math.inf


def pooled(x, kernel, top):
    """A convolution, its average and its maximum over pairs, and a skip from the maximum through one more map."""
    z = jax.nn.relu(
        jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    )
    z = z.reshape(len(x), 2, 2, -1)
    high = z.max(axis=2)
    u = high + z.mean(axis=2)
    return u.reshape(len(x), -1) @ top


def test_maxima_averages_and_skips_are_sums() -> None:
    rng = np.random.default_rng(1)
    kernel, top = (jnp.asarray(rng.normal(size=s), jnp.float32) for s in ((1, 2, 1, 3), (6, 2)))
    x = rng.normal(size=(3, 1, 5, 1)).astype(np.float32)
    graph = bounds.read_graph(lambda v: pooled(v, kernel, top), x)
    sides = sides_of(rng, graph)
    (index,) = sides.hidden
    beta = sides.hidden[index][0][:-1]  # (2 taps, 3 channels)
    row = sides.rows[0][:-1].reshape(2, 3)
    expected = np.zeros(5)
    for half, t, channel, place in itertools.product(range(2), range(2), range(3), range(2)):
        expected[2 * half + place + t] += 1.5 * row[half, channel] * beta[t, channel]  # maximum 1, average 1/2
    np.testing.assert_allclose(path_sums(graph, sides)[0, :-1], SPREAD * expected, rtol=1e-6)
    scale = scales_of(graph, sides)
    channels = (np.abs(np.asarray(kernel, np.float64)[0, :, 0]) / beta).max(axis=0)
    for i, layer in list(graph.computed())[:-1]:  # a channel keeps its scale
        own = scale[graph.offsets[i] : graph.offsets[i + 1]].reshape(-1, 3)
        np.testing.assert_allclose(own, np.broadcast_to(channels, own.shape), rtol=1e-6, err_msg=str(layer))


def test_what_boxes_do_not_go_through() -> None:
    rng = np.random.default_rng(2)
    w = jnp.asarray(rng.normal(size=(4, 4)), jnp.float32)
    x = np.ones((2, 4), np.float32)
    graph = bounds.read_graph(lambda v: jnp.tanh(v @ w) @ w[:, :2], x)
    with pytest.raises(NotCovered, match="neither a linear map"):
        path_sums(graph, Sides(np.ones((1, 5)), np.ones((1, 5)), {}, {}))
    graph = two_layers(rng)[0]
    sides = sides_of(rng, graph)
    with pytest.raises(ValueError, match="sides of shape None"):
        path_sums(graph, replace(sides, hidden={}, hidden_signs={}))
    boxes = HiddenBoxes(TWO, sides, 0.9 * path_sums(graph, sides), np.ones((1, 5)), np.ones(5))
    with pytest.raises(ValueError, match="those of another network"):
        boxes.energy_weights(graph)
    with pytest.raises(NotCovered, match="no layer of it"):
        boxes.energy_weights(graph, frozen=1)
    with pytest.raises(ValueError, match="neither 1 nor -1"):
        replace(sides, signs=np.zeros_like(sides.signs))


def test_audit() -> None:
    rng = np.random.default_rng(6)
    sides = [rng.normal(size=(4, 3)), rng.normal(size=(3, 1))]
    graph = two_layers(rng)[0]
    tops = [np.concatenate([np.abs(s), np.zeros((1, s.shape[1]))]) for s in sides]
    library = path_sums(graph, Sides(tops[1].T, np.ones((1, 4)), {1: tops[0][None]}, {1: np.ones((1, 5, 3))}))[0]
    own = claimed(HiddenCase("", np.ones((1, 4)), sides, SLACK))  # one input of ones: ½ Σ ω
    np.testing.assert_allclose(own, SPREAD * library.sum() / 2)
    rows = audit_hidden_boxes("quick")
    assert not any(row.violated for row in rows)
    assert max(row.ratio for row in rows) > 0.99
    caught = {name for row in rows for name, factor in row.broken if row.catches(factor)}
    assert caught == {"without 1 + 2 eta", "the sides of the last row alone"}


def test_without_hidden_layers_they_are_the_boxes_of_heads() -> None:
    rng = np.random.default_rng(3)
    w = rng.normal(size=(4, 3)).astype(np.float32)
    graph = bounds.read_graph(lambda v: v @ w + jnp.asarray([0.1, 0.2, -0.3]), np.ones((2, 4), np.float32))
    means = rng.uniform(1, 2, size=(3, 5))
    rows = THREE.rows @ np.concatenate([w.T, [[0.1], [0.2], [-0.3]]], axis=1)
    given = {"shaped_by": None, "side_floor": 0.1, "size_floor": 0.1}
    hidden = hidden_boxes_of_rehearsal(graph, THREE, means, np.ones(4), **given)
    plain = box_of_rehearsal(THREE, rows, means, np.ones(4), **given)
    energies = rng.uniform(1, 2, size=plain.counted.shape)
    np.testing.assert_allclose(hidden.reach(energies, 70), plain.reach(energies, 70), rtol=1e-6)
    np.testing.assert_allclose(hidden.radii(graph), plain.radii(graph), rtol=1e-6)


def test_certificate_of_a_rehearsal_and_training_inside() -> None:
    """A chain trained inside its boxes keeps a radius near 1; all that the certificate adds up is seen."""
    rng = np.random.default_rng(5)
    chain = Chain((4, 4, 1), ((2, 2, 3),))
    y = rng.integers(0, 2, size=3000)
    x = (0.2 * rng.normal(size=(3000, 4, 4, 1)) + np.where(y == 0, 1.0, -0.2)[:, None, None, None]).clip(-1, 1)
    x = x.astype(np.float32)
    start = {
        "conv0": np.abs(rng.normal(size=(2, 2, 1, 3))),
        "rows": np.append(rng.uniform(0.5, 1, size=(1, 12)), [[-1.0]], axis=1),
    }
    codes = np.array([[1.0, -1.0]])

    def scores(params, v):
        rows = np.asarray(params["rows"], np.float64)
        kernel, bias = (jnp.asarray(part @ codes, jnp.float32) for part in (rows[:, :-1].T, rows[:, -1]))
        return chain.hidden({"conv0": jnp.asarray(params["conv0"], jnp.float32)}, v) @ kernel + bias

    def graph_of(params):
        return bounds.read_graph(lambda v: scores(params, v), x[:2])

    flat = np.concatenate([np.square(x.reshape(3000, -1)), np.ones((3000, 1))], axis=1)
    means = np.stack([flat[y == r].sum(axis=0) for r in (0, 1)]) / 3000
    boxes = hidden_boxes_of_rehearsal(
        graph_of(start), TWO, means, np.ones(16), shaped_by=None, side_floor=0.05, size_floor=0.05
    )
    assert boxes.radii(graph_of(start))[0] == pytest.approx(1.0, rel=1e-5)
    sides = boxes.sides
    edges = {
        "conv0": (sides.hidden[1] * sides.hidden_signs[1])[0, :-1].reshape(2, 2, 1, 3),
        "rows": sides.rows * sides.signs,
    }
    found = train_chain_boxes(
        chain, x, y, codes, edges, np.array([0.05]), CertifyConfig(60, 20, 500, 0.05), start=start
    )
    graph = graph_of(found)
    radius = boxes.radii(graph)[0]
    assert 0 < radius == pytest.approx(float(np.max(np.abs(found["rows"]) / sides.rows)), rel=0.2)
    weights = boxes.energy_weights(graph)
    limits = weights.limits(np.ones(16))
    energies = measure_energies(weights, TWO, x, y, limits)

    sample = bounds.Sample.measure(lambda v: scores(found, v), x, y)
    b = certify_family(graph, sample, boxes, energies, delta=0.01, tied_only=True)
    unit = boxes.reach(energies.means * b.terms["energies: confidence bounds / means"] ** 2, 3000)
    np.testing.assert_allclose(b.complexity, 2 / 3000 * b.terms["c_j = ratio^j"] * unit.sum(), rtol=1e-6)
    assert b.value < 0.5
    # Every hidden value lies in the class: divided by its scale it is reached by weights inside the sides.
    values = activations(graph, x[:50])[1].reshape(50, -1) / boxes.scales(graph)[16:28]
    patches = x[:50].reshape(50, 2, 2, 2, 2).transpose(0, 1, 3, 2, 4).reshape(50, 4, 4)
    beta = sides.hidden[1][0][:-1]
    assert (values.reshape(50, 4, 3) <= np.abs(patches) @ beta * (1 + 1e-5)).all() and len(pairs(TWO)) == 1
