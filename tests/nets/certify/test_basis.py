"""The basis in which noise on one weight hardly disturbs another."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparsebounds import nets


def f(params, x):
    return jnp.tanh(x @ params["a"] + params["b"]) @ params["c"]


RNG = np.random.default_rng(0)
PARAMS = {
    "a": RNG.normal(size=(6, 5)).astype(np.float32),
    "b": RNG.normal(size=5).astype(np.float32),
    "c": RNG.normal(size=(5, 3)).astype(np.float32),
}
# Inputs that are correlated, as neighbouring pixels are.
X = (RNG.normal(size=(500, 6)) @ (0.2 * RNG.normal(size=(6, 6)) + 1.0)).astype(np.float32)
Y = RNG.integers(0, 3, 500)


def fisher(g, params, name):
    """Σ over samples and classes of p_c ∇log p_c ∇log p_cᵀ, for one array, literally."""

    def logs(leaf, x):
        return jax.nn.log_softmax(g({**params, name: leaf}, x[None])[0])

    slopes = jax.vmap(lambda x: jax.jacrev(logs)(params[name], x))(jnp.asarray(X))
    slopes = np.asarray(slopes, np.float64).reshape(len(X), 3, -1)
    p = np.asarray(jax.nn.softmax(g(params, X)), np.float64)
    return np.einsum("nc,nci,ncj->ij", p, slopes, slopes)


def off_diagonal(matrix) -> float:
    return float(1 - np.square(np.diag(matrix)).sum() / np.square(matrix).sum())


def test_the_network_stays_and_so_do_lengths(key) -> None:
    basis = nets.eigenbasis(f, PARAMS, X, Y, key=key)
    v = basis.coordinates(PARAMS)
    np.testing.assert_allclose(basis.through(f)(v, X), f(PARAMS, X), atol=1e-4)
    for name, leaf in PARAMS.items():
        np.testing.assert_allclose(np.linalg.norm(v[name]), np.linalg.norm(leaf), rtol=1e-5)
        np.testing.assert_allclose(basis.weights(v)[name], leaf, atol=1e-5)
    for turn in [side for pair in basis.turns for side in pair if side is not None]:
        np.testing.assert_allclose(turn.T @ turn, np.eye(len(turn)), atol=1e-12)
    assert basis.turns[1][1] is None  # a vector has one side


@pytest.mark.parametrize("name", PARAMS)
def test_the_information_is_nearly_diagonal(name: str, key) -> None:
    basis = nets.eigenbasis(f, PARAMS, X, Y, key=key)
    before = fisher(f, PARAMS, name)
    after = fisher(basis.through(f), basis.coordinates(PARAMS), name)
    assert off_diagonal(after) < 0.35 * off_diagonal(before)
    # The same information: the basis turns it and no more.
    np.testing.assert_allclose(np.trace(after), np.trace(before), rtol=1e-3)


def test_scales_are_larger_in_it(key) -> None:
    """Σ log s rises where the noise of every weight no longer adds to that of all others."""
    basis = nets.eigenbasis(f, PARAMS, X, Y, key=key)
    given = {"key": key, "epochs": 30, "strength": 10.0, "progress": False}
    logs = [
        sum(float(jnp.sum(jnp.log(leaf))) for leaf in jax.tree.leaves(nets.train_scales(g, at, X, Y, **given)))
        for g, at in ((f, PARAMS), (basis.through(f), basis.coordinates(PARAMS)))
    ]
    assert logs[1] > logs[0] + 2


def test_no_samples_are_refused(key) -> None:
    with pytest.raises(ValueError, match="samples is 0"):
        nets.eigenbasis(f, PARAMS, X, Y, key=key, samples=0)
