"""Classes of ellipsoids: their weighted energies against the definition, their members against enumeration of signs."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from classes_fixed import three_clusters, two_layers

from sparsebounds import bounds
from sparsebounds.bounds.bound import NotCovered
from sparsebounds.bounds.certificates.chain import chain_moment
from sparsebounds.bounds.certificates.ellipsoids.family import Ellipsoids
from sparsebounds.bounds.certificates.ellipsoids.rehearsal import rehearsal_ellipsoids
from sparsebounds.bounds.certificates.energies import Energies, measure_energies
from sparsebounds.bounds.certificates.family import certify_family
from sparsebounds.bounds.moments import contraction, khintchine
from sparsebounds.bounds.moments.margin_forms import tree_form
from sparsebounds.bounds.moments.tree import Tree
from sparsebounds.bounds.sample.fingerprinting import fingerprints

PAIR = tree_form(Tree.balanced(2), 2)


def test_energy_weights_of_two_layers_by_hand() -> None:
    rng = np.random.default_rng(0)
    graph, *_ = two_layers(rng)
    top, hidden = rng.uniform(0.5, 2.0, size=(1, 4)), rng.uniform(0.5, 2.0, size=(1, 5, 3))
    found = Ellipsoids(PAIR, top, {1: hidden}).energy_weights(graph)
    p = chain_moment(graph)
    factor = float(khintchine(p) * contraction(p)) ** 2
    assert p == 2.0 and math.isclose(factor, ((1 + math.sqrt(2)) / 2) ** 2)
    by_hand = [factor * sum(top[0, n] ** 2 * hidden[0, k, n] ** 2 for n in range(3)) for k in range(4)]
    np.testing.assert_allclose(found.inputs[0], by_hand)
    np.testing.assert_allclose(
        found.constant[0], top[0, 3] ** 2 + factor * sum(top[0, n] ** 2 * hidden[0, 4, n] ** 2 for n in range(3))
    )


def test_radii_of_two_layers_by_hand() -> None:
    rng = np.random.default_rng(1)
    graph, w, b = two_layers(rng)
    top, hidden = rng.uniform(0.5, 2.0, size=(1, 4)), rng.uniform(0.5, 2.0, size=(1, 5, 3))
    rows = np.concatenate([w[0], b[0][None]])
    first = np.sqrt((rows / hidden[0]) ** 2).__pow__(2).sum(axis=0) ** 0.5
    half = (w[1][:, 0] - w[1][:, 1]) / 2 * first
    expected = math.sqrt(((half / top[0, :3]) ** 2).sum() + ((b[1][0] - b[1][1]) / 2 / top[0, 3]) ** 2)
    np.testing.assert_allclose(Ellipsoids(PAIR, top, {1: hidden}).radii(graph), [expected], rtol=1e-6)


def test_convolution_weighs_as_the_same_map_written_dense() -> None:
    rng = np.random.default_rng(2)
    kernel = rng.normal(size=(2, 2, 1, 3)).astype(np.float32)
    dense = rng.normal(size=(2 * 2 * 3, 2)).astype(np.float32)

    def conv(x):
        h = jax.lax.conv_general_dilated(x, kernel, (2, 2), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return jax.nn.relu(h).reshape(len(x), -1) @ dense

    graph = bounds.read_graph(conv, np.ones((2, 5, 5, 1), np.float32))
    top, axes = rng.uniform(0.5, 2, size=(1, 13)), rng.uniform(0.5, 2, size=(1, 5, 3))
    axes[:, -1] = 0.0
    found = Ellipsoids(PAIR, top, {1: axes}).energy_weights(graph)
    expected = np.zeros((5, 5))
    s2 = float(contraction(2.0)) ** 2
    for r, c, n, a, b in itertools.product(range(2), range(2), range(3), range(2), range(2)):
        expected[2 * r + a, 2 * c + b] += s2 * top[0, (r * 2 + c) * 3 + n] ** 2 * axes[0, 2 * a + b, n] ** 2
    np.testing.assert_allclose(found.inputs[0].reshape(5, 5), expected)


def supremum(x: np.ndarray, tau: np.ndarray, top: np.ndarray, steps: int, rng) -> float:
    """Lower estimate of E_ξ sup |Σ ξ D·σ(Wx)|, ‖D/top‖ ≤ 1, ‖w_n/τ_n‖ ≤ 1: all signs, ascent from random starts."""
    total = 0.0
    signs = list(itertools.product((-1.0, 1.0), repeat=len(x)))
    for xi in signs:
        # The best D for given hidden rows: ‖top ⊙ A‖, A_n = Σ ξ σ(w_n·x); rows decouple, each wants the largest A_n².
        best = 0.0
        for n in range(tau.shape[1]):
            u = rng.normal(size=(64, len(tau)))
            u /= np.linalg.norm(u, axis=1, keepdims=True)
            for step in range(steps):
                z = (u * tau[:, n]) @ x.T
                value = np.maximum(z, 0.0) @ np.asarray(xi)
                g = (np.sign(value)[:, None] * (z > 0) * np.asarray(xi)) @ x * tau[:, n]
                u = u + 0.5 / (1 + step) * g
                u /= np.maximum(np.linalg.norm(u, axis=1, keepdims=True), 1e-12)
            best += top[n] ** 2 * float(np.max(np.square(np.maximum((u * tau[:, n]) @ x.T, 0.0) @ np.asarray(xi))))
        total += math.sqrt(best)
    return total / len(signs)


def test_the_complexity_of_the_class_is_never_below_its_supremum() -> None:
    rng = np.random.default_rng(3)
    graph, *_ = two_layers(rng, hidden=2, inputs=2)
    closest = 0.0
    for _ in range(4):
        x = rng.normal(size=(5, 2))
        tau, top = rng.uniform(0.3, 2, size=(2, 2)), rng.uniform(0.3, 2, size=2)
        axes = np.concatenate([tau, np.zeros((1, 2))])[None]
        weights = Ellipsoids(PAIR, np.append(top, 0.0)[None], {1: axes}).energy_weights(graph)
        bound = math.sqrt(float(weights.of(x).sum()))
        closest = max(closest, supremum(x, tau, top, 30, rng) / bound)
    assert 0.6 < closest <= 1.0


def test_a_rehearsal_just_fits_into_its_class() -> None:
    rng = np.random.default_rng(4)
    graph, *_ = two_layers(rng, hidden=5, inputs=6, classes=3)
    form = tree_form(Tree.balanced(3), 3)
    means = rng.uniform(0.1, 1.0, size=(3, 7)) / 3
    ellipsoids = rehearsal_ellipsoids(graph, form, means, shaped_by=None)
    np.testing.assert_allclose(ellipsoids.radii(graph), 1.0, rtol=1e-9)
    # Scaling a hidden row up and its readers down changes no radius.
    assert all((axes >= 0).all() for axes in ellipsoids.hidden.values())


def test_rescaling_the_hidden_rows_changes_nothing() -> None:
    rng = np.random.default_rng(5)
    scale = np.array([0.1, 1.0, 30.0])
    w = [rng.normal(size=(4, 3)), rng.normal(size=(3, 2))]
    networks = []
    for lam in (np.ones(3), scale):
        a, b = (jnp.asarray(m, jnp.float32) for m in (w[0] * lam, w[1] / lam[:, None]))
        networks.append(bounds.read_graph(lambda x, a=a, b=b: jax.nn.relu(x @ a) @ b, np.ones((2, 4), np.float32)))
    axes = Ellipsoids(PAIR, np.append(rng.uniform(1, 2, 3), 0.0)[None], {1: rng.uniform(1, 2, size=(1, 5, 3))})
    np.testing.assert_allclose(axes.radii(networks[0]), axes.radii(networks[1]), rtol=1e-5)


def test_weights_outside_the_class_are_refused() -> None:
    graph, *_ = two_layers(np.random.default_rng(6))
    axes = np.ones((1, 5, 3))
    axes[0, 2, 1] = 0.0
    with pytest.raises(ValueError, match="fixes its axis to 0"):
        Ellipsoids(PAIR, np.ones((1, 4)), {1: axes}).radii(graph)
    with pytest.raises(ValueError, match="axes of shape"):
        Ellipsoids(PAIR, np.ones((1, 3)), {1: axes}).energy_weights(graph)


def test_structures_outside_the_theorem_are_refused() -> None:
    def f(x):
        return (jax.nn.relu(x) + x) @ np.ones((2, 2), np.float32)

    with pytest.raises(NotCovered, match="not one learned linear map"):
        Ellipsoids(PAIR, np.ones((1, 3))).energy_weights(bounds.read_graph(f, np.ones((1, 2), np.float32)))


@pytest.fixture
def measured():
    return three_clusters()


def test_certificate_is_the_sum_written_out(measured) -> None:
    graph, sample, x, y = measured
    form = tree_form(Tree.balanced(3), 3)
    ball = Ellipsoids(form, np.concatenate([np.ones((2, 3)), np.zeros((2, 1))], axis=1))
    weights = ball.energy_weights(graph)
    energies = measure_energies(weights, form, x, y, weights.limits(np.full(3, 1.5)))
    b = certify_family(graph, sample, ball, energies, delta=0.01, gamma=1.0, choices={"front end": 5}, tied_only=True)
    norms = [math.sqrt(1 + 0.25 + 0.25) / 2, math.sqrt(0.5)]  # (e0 − (e1 + e2)/2)/2 and (e1 − e2)/2
    z = np.square(x.astype(np.float64)).sum(axis=1)
    many, bound = 3 * 5, []  # the root once, the pair twice, five front ends
    for lam2 in (np.ones(4000), np.where(y == 0, 0.25, 2.25)):
        v, reach = lam2 * z, lam2.max() * 6.75 * 1.001
        log = math.log(2 * many * 2 / 0.01)
        bound.append(v.mean() + math.sqrt(2 * v.var(ddof=1) * log / 4000) + 7 * reach * log / (3 * 3999))
    unit = 2.0 * math.sqrt(4000 * bound[0]) + 0.5 * math.sqrt(4000 * bound[0]) + math.sqrt(4000 * bound[1])
    j = b.terms["grid index j"]
    assert 1.1**j / 1.1 < max(norms) <= 1.1**j * (1 + 1e-6)
    assert b.complexity == pytest.approx(2 / 4000 * 1.1**j * unit, rel=1e-5)
    nats = math.log(5) + math.log(2 * (abs(j) + 1) * (abs(j) + 2))
    assert b.confidence == pytest.approx(math.sqrt((math.log(2 / 0.01) + nats) / 8000), rel=1e-9)
    assert b.margin_error == pytest.approx(sample.ramp(1.0))
    assert b.value == pytest.approx(b.margin_error + b.complexity + b.confidence)


def test_every_choice_makes_the_certificate_larger(measured) -> None:
    graph, sample, x, y = measured
    form = tree_form(Tree.balanced(3), 3)
    ball = Ellipsoids(form, np.ones((2, 4)))
    weights = ball.energy_weights(graph)
    energies = measure_energies(weights, form, x, y, weights.limits(np.full(3, 1.5)))
    few, many = (
        certify_family(graph, sample, ball, energies, delta=0.01, choices={"configuration": n}, tied_only=True)
        for n in (1, 1000)
    )
    assert many.value > few.value
    union = "energies: log(1/failure probability) of each"
    assert many.terms[union] == pytest.approx(few.terms[union] + math.log(1000))
    assert many.terms["nats paid for choices"] >= few.terms["nats paid for choices"] + math.log(1000) - 3
    free = certify_family(graph, sample, ball, energies, delta=0.01)
    assert free.terms["nats: choice of radii, one of 4"] == pytest.approx(math.log(4))


def test_a_sample_beyond_its_stated_limit_is_refused(measured) -> None:
    graph, sample, x, y = measured
    form = tree_form(Tree.balanced(3), 3)
    weights = Ellipsoids(form, np.ones((2, 4))).energy_weights(graph)
    with pytest.raises(ValueError, match="stated limit"):
        measure_energies(weights, form, x, y, weights.limits(np.full(3, 0.5)))
    other = Energies(np.ones((2, 2)), np.ones((2, 2)), np.ones(2), 17, weights, form.weights, np.ones((3, 3)))
    with pytest.raises(ValueError, match="energies of 17 samples"):
        certify_family(graph, sample, Ellipsoids(form, np.ones((2, 4))), other, delta=0.01)


def test_what_does_not_belong_together_is_refused(measured) -> None:
    """Energies of another class, left-out samples, and a number of configurations that would drop out of the union."""
    graph, sample, x, y = measured
    form = tree_form(Tree.balanced(3), 3)
    ball, long = Ellipsoids(form, np.ones((2, 4))), Ellipsoids(form, np.full((2, 4), 2.0))
    weights = ball.energy_weights(graph)
    energies = measure_energies(weights, form, x, y, weights.limits(np.full(3, 1.5)))
    with pytest.raises(ValueError, match="another class"):
        certify_family(graph, sample, long, energies, delta=0.01)
    with pytest.raises(ValueError, match="1 of the 4000 certified"):
        certify_family(graph, sample, ball, energies, delta=0.01, left_out=fingerprints(x[7:8]))
    with pytest.raises(ValueError, match="3 of the 4000 certified"):  # without being told: the class knows
        own = Ellipsoids(form, ball.rows, shaped_by=fingerprints(x[7:10]))
        certify_family(graph, sample, own, energies, delta=0.01)
    for n in (0, -3, 2.5):
        with pytest.raises(ValueError, match="how many there were"):
            certify_family(graph, sample, ball, energies, delta=0.01, choices={"front end": n})


@pytest.mark.parametrize("what", ["smaller inputs", "other labels", "another order"])
def test_energies_of_other_inputs_or_labels_are_refused(measured, what) -> None:
    """As many samples, but not these: the raw inputs of a front end that makes them larger, or a test set."""
    graph, sample, x, y = measured
    form = tree_form(Tree.balanced(3), 3)
    ball = Ellipsoids(form, np.ones((2, 4)))
    weights, at = ball.energy_weights(graph), np.random.default_rng(1).permutation(len(x))
    x, y = {"smaller inputs": (x / 10, y), "other labels": (x, (y + 1) % 3), "another order": (x[at], y[at])}[what]
    energies = measure_energies(weights, form, x, y, weights.limits(np.full(3, 1.5)))
    if what == "another order":
        assert certify_family(graph, sample, ball, energies, delta=0.01).guarantee == "certificate"
        return
    with pytest.raises(ValueError, match="other inputs or labels than the sample's"):
        certify_family(graph, sample, ball, energies, delta=0.01)


def test_labels_drawn_at_random_get_no_certificate() -> None:
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(3000, 20)).clip(-2, 2).astype(np.float32), rng.integers(0, 2, size=3000)
    w = np.linalg.lstsq(x, 2.0 * y - 1.0, rcond=None)[0]

    def f(v):
        return v @ jnp.asarray(np.stack([-w, w], axis=1), jnp.float32)

    graph, ball = bounds.read_graph(f, x[:2]), Ellipsoids(PAIR, np.append(np.ones(20), 0.0)[None])
    weights = ball.energy_weights(graph)
    energies = measure_energies(weights, PAIR, x, y, weights.limits(np.full(20, 2.0)))
    value = certify_family(graph, bounds.Sample.measure(f, x, y), ball, energies, delta=0.001).value
    assert value >= 1 - 1 / 2 - 0.01
