"""Training near a reference and with nothing left out: where the answer is known, it is found."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.optimize import minimize

from sparsebounds import nets

CURVATURES = np.array([0.5, 2.0, 50.0, 400.0], np.float32)
QUIET = {"progress": False}


def quadratic(middle=0.0):
    """Scores whose first column is ½ Σ h (w − middle)², the same for every input."""

    def f(params, x):
        value = 0.5 * jnp.sum(CURVATURES * jnp.square(params["w"] - np.float32(middle)))
        return jnp.stack([jnp.full(len(x), value), jnp.zeros(len(x), jnp.float32)], axis=1)

    return f


def first(scores, labels):
    """The loss of `quadratic`."""
    return scores[:, 0]


def sample(n: int = 400):
    return np.zeros((n, 1), np.float32), np.zeros(n, np.int64)


def digits():
    data = nets.data.datasets.load("digits")
    return data.x_train.reshape(len(data.y_train), -1), data.y_train, data.x_test.reshape(-1, 64), data.y_test


def linear(params, x):
    return x @ params["w"] + params["b"]


ZEROS = {"w": np.zeros((64, 10), np.float32), "b": np.zeros(10, np.float32)}


def errors(params, x, y) -> float:
    return float(np.mean(np.argmax(np.asarray(linear(params, x)), axis=1) != y))


def test_scales_go_to_the_root_of_tau_over_the_curvature(key: jax.Array) -> None:
    x, y = sample()
    found = nets.train_scales(
        quadratic(), {"w": np.zeros(4, np.float32)}, x, y, key=key, loss=first, strength=0.4, epochs=800,
        batch_size=20, learning_rate=0.01, **QUIET
    )  # fmt: skip
    expected = np.sqrt(0.4 / len(y) / CURVATURES)
    np.testing.assert_allclose(found["w"], expected, rtol=0.08)


def test_what_no_loss_holds_back_ends_at_the_largest(key: jax.Array) -> None:
    x, y, *_ = digits()
    given = {"key": key, "epochs": 12, "start": 0.5, "strength": 1000.0, **QUIET}
    found = nets.train_scales(linear, ZEROS, np.zeros_like(x), y, **given, largest=0.7)
    assert (np.asarray(found["w"]) == np.float32(0.7)).all()  # nothing is read of inputs that are 0


def test_the_step_is_the_minimum_of_loss_and_distance(key: jax.Array) -> None:
    x, y = sample()
    scales = np.array([0.1, 0.3, 0.05, 0.0], np.float32)
    prior = SimpleNamespace(reference={"w": np.full(4, 0.25, np.float32)}, scales={"w": scales})
    mean = nets.train_near(
        quadratic(1.0), prior, x, y, key=key, strength=0.5, loss=first, epochs=150, batch_size=20, learning_rate=0.05,
        **QUIET
    )  # fmt: skip
    # ½ h (s u − 0.75)² + |u|²/(2·0.5·m)
    u = CURVATURES * scales * 0.75 / (CURVATURES * scales**2 + 1 / (0.5 * len(y)))
    np.testing.assert_allclose(mean["w"], 0.25 + scales * u, rtol=0.02)
    assert mean["w"][3] == 0.25  # frozen, bit for bit


def test_a_larger_strength_goes_farther_and_errs_less(key: jax.Array) -> None:
    x, y, *_ = digits()
    prior = SimpleNamespace(reference=ZEROS, scales={"w": 0.05, "b": 0.05})
    means = [
        nets.train_near(linear, prior, x, y, key=key, strength=s, epochs=8, learning_rate=0.1, **QUIET)
        for s in (0.01, 3.0)
    ]
    near, far = (sum(float(np.square(leaf).sum()) for leaf in jax.tree.leaves(mean)) for mean in means)
    assert 4 * near < far
    assert errors(means[1], x, y) < errors(means[0], x, y) < 0.5


def test_nothing_left_out_finds_the_minimum(key: jax.Array) -> None:
    x, y = sample(300)

    def value(v: np.ndarray, price: float = 2.0) -> float:
        mu, s = v[:4], np.exp(v[4:])
        nats = 2 * np.log(np.mean(mu**2 + s**2)) - v[4:].sum()
        # Cross-entropy of scores (q, 0) of label 0 where q = −½ Σ h (w − 1)² is large and negative: that value.
        return float(0.5 * np.sum(CURVATURES * ((mu - 1) ** 2 + s**2)) + price / 300 * nats)

    best = minimize(value, np.concatenate([np.full(4, 0.9), np.full(4, -3.0)]), method="BFGS").x

    def f(params, x):
        worse = 30 + 0.5 * jnp.sum(CURVATURES * jnp.square(params["w"] - np.float32(1.0)))
        return jnp.stack([jnp.full(len(x), -worse), jnp.zeros(len(x), jnp.float32)], axis=1)

    mean, spread, sigma = nets.train_free(
        f, {"w": np.full(4, 0.8, np.float32)}, x, y, key=key, epochs=(400, 0), batch_size=20,
        learning_rates=(5e-3, 1e-2), **QUIET
    )  # fmt: skip
    np.testing.assert_allclose(mean["w"], best[:4], rtol=0.02)
    np.testing.assert_allclose(spread["w"], np.exp(best[4:]), rtol=0.12)
    np.testing.assert_allclose(sigma["w"], np.sqrt(np.mean(np.square(mean["w"]) + np.square(spread["w"]))), rtol=1e-6)


def test_around_a_center_the_distance_counts_from_there(key: jax.Array) -> None:
    x, y, *_ = digits()
    center = {"w": np.full((64, 10), 0.3, np.float32), "b": np.zeros(10, np.float32)}
    given = {"key": key, "center": center, "epochs": (1, 1), "learning_rates": (1e-6, 1e-6), **QUIET}
    _, _, sigma = nets.train_free(linear, center, x, y, **given)
    assert sigma["w"].item() == pytest.approx(0.02, rel=0.01)


def test_the_factor_is_the_largest_that_adds_hardly_an_error(key: jax.Array) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 2000)
    x = (2.0 * y[:, None] - 1 + 0.5 * rng.normal(size=(2000, 1))).astype(np.float32)

    def f(params, x):  # the sign of x + w: errors are Φ(−(1 ± w)/0.5)
        return jnp.concatenate([-(x + params["w"]), x + params["w"]], axis=1)

    factors = (0.8, 0.4, 0.1, 0.01)
    given = {"key": key, "factors": factors, "draws": 40}
    assert nets.choose_factor(f, {"w": np.zeros(1, np.float32)}, {"w": 1.0}, x, y, excess=2.5, **given) == 0.4
    assert nets.choose_factor(f, {"w": np.zeros(1, np.float32)}, {"w": 1.0}, x, y, excess=0.3, **given) == 0.1
    assert nets.choose_factor(f, {"w": np.zeros(1, np.float32)}, {"w": 1.0}, x, y, excess=0.001, **given) == 0.01
    assert nets.choose_factor(f, {"w": np.zeros(1, np.float32)}, {"w": 0.0}, x, y, **given) == 0.8


def test_leaves_that_do_not_move_keep_scale_and_weights(key: jax.Array) -> None:
    x, y, *_ = digits()
    reference = {"w": np.random.default_rng(1).normal(size=(64, 10)).astype(np.float32), "b": ZEROS["b"]}
    scales = nets.train_scales(linear, reference, x, y, key=key, moves={"w": False, "b": True}, epochs=1, **QUIET)
    assert not scales["w"].any() and (scales["b"] > 0).all()
    mean = nets.train_near(linear, SimpleNamespace(reference=reference, scales=scales), x, y, key=key, **QUIET)
    np.testing.assert_array_equal(mean["w"], reference["w"])
    assert (mean["b"] != reference["b"]).any()


def test_a_reference_learns(key: jax.Array) -> None:
    x, y, x_test, y_test = digits()
    found = nets.train_reference(linear, ZEROS, x, y, key=key, learning_rate=0.02, **QUIET)
    assert errors(found, x_test, y_test) < 0.08


def test_jitter_moves_every_image_by_itself(key: jax.Array) -> None:
    """A bright column in images that are only moved: its centre of mass follows, at most as far as said."""
    x = np.zeros((200, 9, 9, 1), np.float32)
    x[:, :, 4] = 1.0
    moved = np.asarray(nets.random_jitter(0.0, 2.0, 0.0)(jnp.asarray(x), key))[:, 4, :, 0]
    centres = moved @ np.arange(9) / moved.sum(axis=1)
    assert np.abs(centres - 4).max() <= 2 + 1e-4 and centres.std() > 0.8 and len(set(centres.round(3))) > 150


BAD = {
    "x has shape": {"y": np.zeros(3, int)},
    "need integers": {"y": np.zeros(400)},
    "scores for 0..1": {"y": np.full(400, 2)},
    "not finite": {"x": np.full((400, 1), np.nan)},
    "epochs is 0": {"epochs": 0},
    "batch_size is 0": {"batch_size": 0},
    "learning_rate is -1": {"learning_rate": -1.0},
    "strength is 0": {"strength": 0.0},
    "need .m, C. scores": {"f": lambda p, x: jnp.zeros(len(x))},
}


@pytest.mark.parametrize("said", BAD)
def test_what_does_not_fit_is_refused(said: str, key: jax.Array) -> None:
    x, y = sample()
    given = {"f": quadratic(), "x": x, "y": y, **BAD[said]}
    reference = {"w": np.zeros(4, np.float32)}
    prior = SimpleNamespace(reference=reference, scales={"w": 1.0})
    f, x, y = given.pop("f"), given.pop("x"), given.pop("y")
    for call in (
        lambda: nets.train_scales(f, reference, x, y, key=key, **given, **QUIET),
        lambda: nets.train_near(f, prior, x, y, key=key, **given, **QUIET),
    ):
        with pytest.raises(ValueError, match=said) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_trees_that_do_not_fit_are_refused(key: jax.Array) -> None:
    x, y = sample()
    reference = {"w": np.zeros(4, np.float32)}

    def near(scales, at=reference):
        nets.train_near(quadratic(), SimpleNamespace(reference=at, scales=scales), x, y, key=key, **QUIET)

    for said, call in {
        "another tree": lambda: near({"v": 1.0}),
        "negative": lambda: near({"w": -1.0}),
        "has shape": lambda: near({"w": np.ones(3)}),
        "all scales of the prior are 0": lambda: near({"w": 0.0}),
        "w holds numbers that are not finite": lambda: near({"w": np.nan}),
        "w holds int": lambda: near({"w": 1.0}, {"w": np.zeros(4, int)}),
        "need one boolean per leaf": lambda: nets.train_scales(quadratic(), reference, x, y, key=key, moves=[True]),
        "no True": lambda: nets.train_scales(quadratic(), reference, x, y, key=key, moves={"w": False}),
        "center is another tree": lambda: nets.train_free(quadratic(), reference, x, y, key=key, center=[1.0]),
        "center has a leaf": lambda: nets.train_free(quadratic(), reference, x, y, key=key, center={"w": np.ones(3)}),
        "prices": lambda: nets.train_free(quadratic(), reference, x, y, key=key, prices=(0.0, 1.0)),
        "factors is empty": lambda: nets.choose_factor(quadratic(), reference, {"w": 1.0}, x, y, key=key, factors=()),
        "factor is 0": lambda: nets.choose_factor(quadratic(), reference, {"w": 1.0}, x, y, key=key, factors=(0.0,)),
    }.items():
        with pytest.raises(ValueError, match=said):
            call()


def test_a_loss_that_is_no_number_stops(key: jax.Array) -> None:
    x, y = sample()
    with pytest.raises(nets.Diverged, match="lower the learning rate"):
        nets.train_reference(
            quadratic(), {"w": np.ones(4, np.float32)}, x, y, key=key, loss=lambda s, y: s[:, 0] * np.float32(np.nan),
            **QUIET
        )  # fmt: skip


class SetsItsWeights(nnx.Module):
    """As spectral normalisation does: the weights that are read are divided first, in the call."""

    def __init__(self, rngs):
        self.inner = nnx.Linear(3, 2, rngs=rngs)

    def __call__(self, x):
        self.inner.kernel[...] = self.inner.kernel[...] / 2.0
        return self.inner(x)


def test_a_layer_that_sets_its_weights_leaves_those_that_were_given() -> None:
    """Else the drawn weights would be others after the first pass."""
    f, params, _ = nets.split_module(SetsItsWeights(nnx.Rngs(0)))
    given = jax.tree.map(np.array, params)
    kept = jax.tree.map(np.copy, given)
    first, second = f(given, np.ones((4, 3), np.float32)), f(given, np.ones((4, 3), np.float32))
    assert np.array_equal(first, second) and np.array_equal(given["inner"]["kernel"], kept["inner"]["kernel"])
    assert np.allclose(first, kept["inner"]["kernel"].sum(axis=0) / 2.0 + kept["inner"]["bias"], atol=1e-6)
