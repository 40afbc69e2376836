"""Classes with fixed signs: energies and radii by hand, the theorem under attack, training that keeps the signs."""

import math

import numpy as np
import pytest
from classes_fixed import two_layers

from sparsebounds.bounds.audit.certificates.signs import audit_orthants
from sparsebounds.bounds.certificates.ellipsoids.family import Ellipsoids
from sparsebounds.bounds.certificates.ellipsoids.rehearsal import rehearsal_ellipsoids
from sparsebounds.bounds.certificates.signs import GROWTH, SLACK, Orthants
from sparsebounds.bounds.moments.margin_forms import tree_form
from sparsebounds.bounds.moments.tree import Tree
from sparsebounds.nets.certify import CertifyConfig, Chain, train_chain_ellipsoids, train_ellipsoids

PAIR = tree_form(Tree.balanced(2), 2)


def own_signs(w: list[np.ndarray], b: list[np.ndarray]) -> Orthants:
    half = (np.append(w[1], b[1][None], axis=0) @ [0.5, -0.5])[None]
    return Orthants(np.sign(half), {1: np.sign(np.append(w[0], b[0][None], axis=0))[None]})


def test_energy_weights_by_hand() -> None:
    rng = np.random.default_rng(0)
    graph, w, b = two_layers(rng)
    top, hidden = rng.uniform(0.5, 2.0, size=(1, 4)), rng.uniform(0.5, 2.0, size=(1, 5, 3))
    found = Ellipsoids(PAIR, top, {1: hidden}, orthants=own_signs(w, b)).energy_weights(graph)
    # Half of every second moment, once; no factor of the ReLU; the slack of two layers.
    below = GROWTH**4 / 2 * np.square(hidden[0]) @ np.square(top[0, :3])
    np.testing.assert_allclose(found.inputs[0], below[:4])
    np.testing.assert_allclose(found.constant[0], below[4] + GROWTH**2 / 2 * top[0, 3] ** 2)
    assert found.p == 2.0 and GROWTH < 1.0002


def test_other_signs_count_ten_thousand_times() -> None:
    rng = np.random.default_rng(1)
    graph, w, b = two_layers(rng)
    signs = own_signs(w, b)
    axes = {1: np.ones((1, 5, 3))}
    plain = Ellipsoids(PAIR, np.ones((1, 4)), axes).radii(graph)
    np.testing.assert_allclose(Ellipsoids(PAIR, np.ones((1, 4)), axes, orthants=signs).radii(graph), plain)
    turned = signs.rows.copy()
    turned[0, 1] *= -1
    wrong = Ellipsoids(PAIR, np.ones((1, 4)), axes, orthants=Orthants(turned, signs.hidden)).radii(graph)
    scale = math.sqrt((w[0][:, 1] ** 2).sum() + b[0][1] ** 2)
    np.testing.assert_allclose(wrong, abs(w[1][1] @ [0.5, -0.5]) * scale / SLACK, rtol=1e-5)
    flipped = signs.hidden[1].copy()
    flipped[0, 2, 0] *= -1
    wrong = Ellipsoids(PAIR, np.ones((1, 4)), axes, orthants=Orthants(signs.rows, {1: flipped})).radii(graph)
    assert wrong[0] >= abs(w[1][0] @ [0.5, -0.5]) * abs(w[0][2, 0]) / SLACK * (1 - 1e-5)


def test_signs_are_one_or_minus_one() -> None:
    with pytest.raises(ValueError, match="neither 1 nor -1"):
        Orthants(np.array([[1.0, 0.0]]))


def test_a_rehearsal_lies_in_the_class_of_its_signs() -> None:
    rng = np.random.default_rng(2)
    graph, w, b = two_layers(rng, inputs=6, hidden=5, classes=3)
    form = tree_form(Tree.balanced(3), 3)
    means = rng.uniform(0.1, 1.0, size=(3, 7)) / 3
    ellipsoids = rehearsal_ellipsoids(graph, form, means, shaped_by=None, signed=True)
    np.testing.assert_allclose(ellipsoids.radii(graph), 1.0, rtol=1e-9)
    assert ellipsoids.orthants is not None
    np.testing.assert_array_equal(ellipsoids.orthants.hidden[1][0], np.sign(np.append(w[0], b[0][None], axis=0)))
    free = rehearsal_ellipsoids(graph, form, means, shaped_by=None).energy_weights(graph)
    assert (ellipsoids.energy_weights(graph).inputs < 0.36 * free.inputs).all()  # ½/s² = 0.343


def test_attained_through_any_number_of_layers() -> None:
    rows = audit_orthants("quick")
    assert not any(row.violated for row in rows if not row.refuted)
    deep = next(row for row in rows if row.case == "one input, 3 hidden layers")
    assert deep.ratio == pytest.approx(1.0, abs=1e-3) and all(deep.catches(f) for _, f in deep.broken)
    (twin,) = (row for row in rows if row.refuted)
    assert twin.ratio == pytest.approx(math.sqrt(2.0), rel=1e-3)


def halves(rng: np.random.Generator, n: int):
    y = rng.integers(0, 2, size=n)
    x = 0.3 * rng.normal(size=(n, 4, 4, 1))
    x[:, :2] += np.where(y == 0, 1.0, -1.0)[:, None, None, None]
    return x.astype(np.float32), y


def test_training_keeps_the_signs() -> None:
    rng = np.random.default_rng(3)
    x, y = halves(rng, 300)
    codes, orthant = np.array([[1.0, -1.0]]), np.where(rng.uniform(size=(1, 17)) < 0.5, -1.0, 1.0)
    orthant[0, :8] = np.abs(orthant[0, :8])
    config = CertifyConfig(60, 20, 150, 0.05)
    weights, bias = train_ellipsoids(
        x.reshape(300, -1), y, codes, np.ones((1, 17)), np.array([0.02]), config, orthant=orthant
    )
    assert (np.append(weights, bias) * orthant[0] >= 0).all() and weights[0, :8].max() > 0.01
    chain = Chain((4, 4, 1), ((2, 2, 2),))
    start = chain.start(1, 0)
    orthants = {name: np.where(np.asarray(value) < 0, -1.0, 1.0) for name, value in start.items()}
    axes = {name: np.ones(value.shape) for name, value in orthants.items()}
    config = CertifyConfig(20, 10, 100, 0.05)
    params = train_chain_ellipsoids(chain, x, y, codes, axes, np.array([0.01]), config, start=start, orthants=orthants)
    assert all((np.asarray(params[name]) * orthants[name] >= 0).all() for name in orthants)
