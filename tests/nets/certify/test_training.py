"""Certificate-driven training: its complexities are those of the bounds, and it makes certificates smaller."""

import jax.numpy as jnp
import numpy as np
import pytest

from sparsebounds.bounds.moments import contraction
from sparsebounds.nets.certify import (
    CertifyConfig,
    Chain,
    tap_moments,
    train_chain_ellipsoids,
    train_ellipsoids,
    train_taps,
)
from sparsebounds.nets.certify.loop import visits


def images(rng: np.random.Generator, n: int, size: int, channels: int = 1):
    """Two classes told apart by which half is bright."""
    y = rng.integers(0, 2, size=n)
    x = 0.3 * rng.normal(size=(n, size, size, channels))
    x[:, : size // 2] += np.where(y == 0, 1.0, -1.0)[:, None, None, None]
    return x.astype(np.float32), y


def test_scalar_moments_by_hand() -> None:
    rng = np.random.default_rng(1)
    chain, s = Chain((7, 7, 1), ((2, 2, 3),)), float(contraction(2.5))
    params = chain.start(1, 0)
    moments = rng.uniform(0.5, 2.0, size=(2, 7, 7, 1))
    found = np.asarray(tap_moments(chain, params, jnp.asarray(moments, jnp.float32), s)).reshape(2, 3, 3, 3)
    kernel = np.abs(np.asarray(params["conv0"], np.float64))[:, :, 0, 1]
    assert found[1, 1, 2, 1] == pytest.approx(s * (kernel * moments[1, 2:4, 4:6, 0]).sum(), rel=1e-5)


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
