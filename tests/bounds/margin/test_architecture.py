"""Every row that calls itself a certificate pays for lists of what the network reads; so do the bounds on energies."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import gammaln

from sparsebounds import bounds
from sparsebounds.bounds.certificates import Ellipsoids, Tree, certify_family, measure_energies, tree_form
from sparsebounds.bounds.margin.architecture import architecture_prices

M, D, K = 4000, 60, 6
RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, size=(M, D)).astype(np.float32)
PICKED = np.sort(RNG.choice(D, K, replace=False))
Y = (X[:, PICKED].sum(axis=1) > 0).astype(int)
WEIGHT = np.stack([-np.ones(K), np.ones(K)], axis=1).astype(np.float32)
FREE = ("held_out",)
PRICE = float(gammaln(D + 1) - gammaln(K + 1) - gammaln(D - K + 1)) + math.log(D)


def f(x):
    return x[:, PICKED] @ WEIGHT


PAID, FIXED = (bounds.read_graph(f, X, selections_fixed=fixed) for fixed in (False, True))
SAMPLE = bounds.Sample.measure(f, X, Y)
CERTIFICATES = [name for name, bound in bounds.BOUNDS.items() if bound.declaration.guarantee == "certificate"]


@pytest.mark.parametrize("name", CERTIFICATES)
def test_every_certificate_pays_for_lists(name):
    given = {"delta": 0.01, "pixel_range": (-1.0, 1.0), "test": bounds.Sample.measure(f, X[:50] / 2, Y[:50])}
    paid, fixed = (bounds.registry.evaluated(bounds.BOUNDS[name], g, SAMPLE, given) for g in (PAID, FIXED))
    assert paid.covered == fixed.covered
    if name in FREE:
        assert paid == fixed
    elif paid.covered:
        assert paid.value > fixed.value


def test_the_rows_that_are_compared():
    given = {"delta": 0.01, "pixel_range": (-1.0, 1.0)}
    covered = [n for n in CERTIFICATES if bounds.registry.evaluated(bounds.BOUNDS[n], PAID, SAMPLE, given).covered]
    assert {"occam", "parameter_count", "peeling", "golowich", "path_norm", "bartlett_dudley"} <= set(covered)


def test_certificates_of_one_network_pay():
    graph = (
        bounds.certificate(f, X, Y, nodes="scalar"),
        bounds.certificate(f, X, Y, nodes="scalar", selections_fixed=True),
    )
    assert graph[0].value > graph[1].value and any("selection" in key for key in graph[0].terms)
    rows = [bounds.table(f, X, Y, names=["occam"], **said).value[0] for said in ({}, {"selections_fixed": True})]
    assert rows[0] > rows[1]
    unmoved = bounds.table(f, X, Y, names=["occam"], mask_fixed=True).value[0]
    assert unmoved > rows[1]  # a true word on zero weights frees no list


def test_parameter_count_pays_in_bits():
    paid, fixed = (bounds.parameter_count(g, SAMPLE, delta=0.01).terms for g in (PAID, FIXED))
    assert paid["bits"] - fixed["bits"] == paid["bits of selections"] == math.ceil(PRICE / math.log(2))
    assert "bits of selections" not in fixed


def test_two_stacks_of_features_that_follow_coins_certify_nothing():
    """All 600 features, each on the side of its correlation with coin flips: the true error is one half."""
    x, y = RNG.choice([-1.0, 1.0], size=(500, 600)).astype(np.float32), RNG.integers(0, 2, 500)
    up = (x * (2 * y - 1)[:, None]).mean(axis=0) > 0

    def votes(x):
        sides = [jnp.stack([x[:, i] for i in np.flatnonzero(side)], axis=1).sum(axis=1) for side in (~up, up)]
        return jnp.stack(sides, axis=1)

    rows = bounds.table(votes, jnp.asarray(x), y, names=["occam", "parameter_count"], mask_fixed=True)
    assert rows.train_error[0] < 0.2 and (rows.value > 0.5).all() and (rows.guarantee == "certificate").all()


def test_bounds_on_energies_pay_for_what_their_weights_depend_on():
    form = tree_form(Tree.balanced(2), 2)
    family = Ellipsoids(form, np.array([[1.0] * K + [0.0]]))
    weights = family.energy_weights(PAID)
    energies = measure_energies(weights, form, X, Y, weights.limits(np.ones(D)))
    key = "energies: log(1/failure probability) of each"
    paid, fixed = (certify_family(g, SAMPLE, family, energies, delta=0.01) for g in (PAID, FIXED))
    assert paid.terms[key] - fixed.terms[key] == pytest.approx(PRICE)
    assert math.fsum(architecture_prices(PAID).values()) == pytest.approx(PRICE)


def attention(temperature, epsilon=1e-5):
    names = {name: RNG.normal(size=(6, 6)).astype(np.float32) / 3 for name in "qkv"}

    def network(p, x):
        centred = x - x.mean(axis=-1, keepdims=True)
        x = centred / jnp.sqrt(x.var(axis=-1, keepdims=True) + p["e"])
        scores = jnp.einsum("btd,bsd->bts", x @ p["q"], x @ p["k"]) * p["t"]
        return (jnp.exp(scores) / jnp.exp(scores).sum(axis=-1, keepdims=True) @ (x @ p["v"])).mean(axis=1)[:, :2]

    held = names | {"t": np.float32(temperature), "e": np.float32(epsilon)}
    return bounds.read_graph(lambda x: network(held, x), RNG.normal(size=(2, 5, 6)).astype(np.float32))


@pytest.mark.parametrize(
    ("temperature", "epsilon", "learned"),
    [
        (6**-0.5, 1e-5, 0),
        (1 / 6, 1e-6, 0),
        (1.0, 1e-3, 0),
        (0.537, 1e-5, 1),
        (6**-0.5, 0.3172, 1),
        (0.537, 0.3172, 2),
    ],
)
def test_a_temperature_and_an_epsilon_may_have_been_learned(temperature, epsilon, learned):
    graph = attention(temperature, epsilon)
    assert {layer.role for layer in graph.layers} >= {"attention", "normalisation"}
    price = architecture_prices(graph).get("numbers of activations", 0.0)
    assert price == pytest.approx(learned * (33 * math.log(2) + math.log(learned + 1)))
