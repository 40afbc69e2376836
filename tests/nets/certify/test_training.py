"""Certificate-driven training: its complexities are those of the bounds, and it makes certificates smaller."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from sparsebounds import bounds
from sparsebounds.bounds.graph.head import read_head
from sparsebounds.bounds.moments import Columns, contraction, forward, khintchine, own_numbers, read_plan
from sparsebounds.bounds.moments.margin_forms import tree_form
from sparsebounds.bounds.moments.tree import Tree
from sparsebounds.nets import ConvNet
from sparsebounds.nets.certify import (
    CertifyConfig,
    Chain,
    tap_moments,
    train_chain_ellipsoids,
    train_ellipsoids,
    train_taps,
)
from sparsebounds.nets.certify.loop import visits
from sparsebounds.nets.certify.network import Charge, complexity, train_network
from sparsebounds.nets.models.functional import pure


def images(rng: np.random.Generator, n: int, size: int, channels: int = 1):
    """Two classes told apart by which half is bright."""
    y = rng.integers(0, 2, size=n)
    x = 0.3 * rng.normal(size=(n, size, size, channels))
    x[:, : size // 2] += np.where(y == 0, 1.0, -1.0)[:, None, None, None]
    return x.astype(np.float32), y


def class_energies(x: np.ndarray, y: np.ndarray, classes: int) -> np.ndarray:
    return np.stack([np.square(x[y == r].astype(np.float64)).sum(axis=0) for r in range(classes)])


def charge_of(x: np.ndarray, y: np.ndarray, classes: int, p: float) -> Charge:
    form = tree_form(Tree.balanced(classes), classes)
    roots = np.sqrt(np.tensordot(form.weights, class_energies(x, y, classes).sum(axis=3), axes=1))
    counts = np.sqrt(form.weights @ np.bincount(y, minlength=classes))
    b = float(khintchine(p))
    return Charge(form.rows, b * roots, b * counts, counts, form.multipliers, float(contraction(p)))


def test_the_complexity_of_a_convnet_is_that_of_the_peeling_pass() -> None:
    rng = np.random.default_rng(0)
    model = ConvNet(2, 3, in_shape=(6, 6, 2), classes=3, rngs=nnx.Rngs(0))
    x, y = rng.normal(size=(20, 6, 6, 2)).astype(np.float32), np.arange(20) % 3
    p, form = 3.0, tree_form(Tree.balanced(3), 3)
    found = float(complexity(model, pure(model)[0], charge_of(x, y, 3, p)))
    graph = bounds.read_graph(model, x[:2])
    sample = bounds.Sample.measure(model, x, y)
    plan, head = read_plan(graph), read_head(graph)
    numbers = own_numbers(plan, tap=True)
    energies = np.stack([graph.node_sums(0, e) for e in sample.class_energies])
    columns = Columns.of_labels(energies, sample.class_counts.astype(float), form.weights, p)
    q = forward(plan, numbers, columns)[head.nodes] * np.exp(-numbers.log_scales[-2])
    expected = float((np.sqrt(head.square_norms(form.rows @ head.weights)) * (form.multipliers @ q.T)).sum())
    assert head.bias is not None
    roots = np.sqrt(form.weights @ sample.class_counts)
    expected += float((np.abs(form.rows @ head.bias) * (form.multipliers @ roots)).sum())
    assert found == pytest.approx(expected, rel=1e-4)


def test_scalar_moments_by_hand() -> None:
    rng = np.random.default_rng(1)
    chain, s = Chain((7, 7, 1), ((2, 2, 3),)), float(contraction(2.5))
    params = chain.start(1, 0)
    moments = rng.uniform(0.5, 2.0, size=(2, 7, 7, 1))
    found = np.asarray(tap_moments(chain, params, jnp.asarray(moments, jnp.float32), s)).reshape(2, 3, 3, 3)
    kernel = np.abs(np.asarray(params["conv0"], np.float64))[:, :, 0, 1]
    assert found[1, 1, 2, 1] == pytest.approx(s * (kernel * moments[1, 2:4, 4:6, 0]).sum(), rel=1e-5)


def test_training_for_the_certificate_lowers_ramp_plus_complexity() -> None:
    rng = np.random.default_rng(2)
    x, y = images(rng, 400, 6)
    model = ConvNet(1, 4, in_shape=(6, 6, 1), classes=2, use_bias=False, rngs=nnx.Rngs(0))
    base = charge_of(x, y, 2, 2.0)
    charge = Charge(
        base.rows, base.moments * 2 / 2e4, base.constants * 2 / 2e4, base.last * 2 / 2e4, base.multipliers, base.factor
    )
    params, apply = pure(model)
    trained = train_network(model, x, y, charge, CertifyConfig(60, 30, 200, 0.02))

    def total(p):
        scores = np.asarray(apply(p, jnp.asarray(x)), np.float64)
        margin = np.where(y == 0, 1.0, -1.0) * (scores[:, 0] - scores[:, 1])
        return min(
            np.clip(1 - c * margin, 0, 1).mean() + c * float(complexity(model, p, charge))
            for c in 1.2 ** np.arange(-40.0, 40.0)
        )

    assert total(trained) < 0.5 * total(params)
    assert jax.tree.all(jax.tree.map(lambda a: bool(jnp.isfinite(a).all()), trained))


def test_heads_stay_inside_their_ellipsoids_and_beat_the_start() -> None:
    rng = np.random.default_rng(3)
    x, y = images(rng, 600, 4)
    v, signs = x.reshape(600, -1), np.array([[1.0, -1.0]])
    tau = np.append(rng.uniform(0.2, 1.0, 16), 0.0)[None]
    costs = np.array([2 / 60 * np.sqrt((np.square(tau[:, :-1]) @ np.square(v).mean(axis=0)).item())])
    weights, bias = train_ellipsoids(v, y, signs, tau, costs, CertifyConfig(100, 50, 300))
    assert bias.tolist() == [0.0]
    a = float(np.linalg.norm(weights / tau[:, :-1]))
    margin = np.where(y == 0, 2.0, -2.0) * (v @ weights[0])
    assert np.clip(1 - margin, 0, 1).mean() + a * costs[0] < 0.3


def test_taps_charged_more_are_used_less() -> None:
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, size=500)
    v = np.stack([2.0 * y - 1.0, 2.0 * y - 1.0], axis=1).astype(np.float32)
    costs = np.array([[0.01, 0.2, 0.01]])
    weights, _ = train_taps(v, y, np.array([[-1.0, 1.0]]), costs, CertifyConfig(300, 100, 250))
    assert abs(weights[0, 0]) > 5 * abs(weights[0, 1])


def test_convolutions_stay_inside_their_ellipsoids() -> None:
    rng = np.random.default_rng(5)
    x, y = images(rng, 200, 4)
    chain, signs = Chain((4, 4, 1), ((2, 2, 2),)), np.array([[1.0, -1.0]])
    start = chain.start(1, 0)
    axes = {"conv0": rng.uniform(0.3, 1.0, size=(2, 2, 1, 2)), "rows": rng.uniform(0.3, 1.0, size=(1, chain.out + 1))}
    config = CertifyConfig(40, 10, 100, 0.05)
    params = train_chain_ellipsoids(chain, x, y, signs, axes, np.array([0.01]), config, start=start)
    kernel = np.asarray(params["conv0"], np.float64)
    assert (np.sqrt(np.square(kernel / axes["conv0"]).sum(axis=(0, 1, 2))) <= 1 + 1e-5).all()
    scores = np.asarray(chain.scores(params, jnp.asarray(x), jnp.asarray(signs, jnp.float32)))
    assert np.mean((scores[:, 0] - scores[:, 1]) * np.where(y == 0, 1.0, -1.0) > 0) > 0.9


def test_order_visits_everything_equally_often() -> None:
    seen = visits(10, 5, 4, seed=0)
    assert np.bincount(seen.ravel()).tolist() == [2] * 10
    assert not np.array_equal(seen, visits(10, 5, 4, seed=1))
