"""Training: against a literal NumPy loop, deterministic, exact zeros under masks, stops on NaN, settings refused."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen, nnx
from training import small, weights

from sparsebounds import nets
from sparsebounds.nets import masks
from sparsebounds.nets.losses import sample_losses
from sparsebounds.nets.training.step import batches


def literal_sgd(
    w: np.ndarray, b: np.ndarray, data: nets.Dataset, config: nets.TrainConfig
) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """One dense layer, MSE on one-hot, PyTorch's SGD, in float64."""
    x, onehot = data.x_train.reshape(len(data.y_train), -1).astype(np.float64), np.eye(3)[data.y_train]
    w, b, losses, rate = w.astype(np.float64), b.astype(np.float64), [], config.learning_rate
    buffers = [np.zeros_like(w), np.zeros_like(b)]
    for epoch in range(config.epochs):
        rate *= config.decay if epoch in config.milestones else 1
        index, weight = batches(len(x), config.batch_size, config.seed, epoch)
        total = 0.0
        for rows, real in zip(index, weight, strict=True):
            rows = rows[real == 1]
            residual = x[rows] @ w + b - onehot[rows]
            total += (residual**2).mean(axis=1).sum()
            gradients = [2 * x[rows].T @ residual / residual.size, 2 * residual.sum(axis=0) / residual.size]
            for value, buffer, gradient in zip((w, b), buffers, gradients, strict=True):
                buffer *= config.momentum
                buffer += gradient + config.weight_decay * value
                value -= rate * buffer
        losses.append(total / len(x))
    return w, b, losses


def test_steps_against_a_literal_loop() -> None:
    """20 samples in batches of 8: the last batch holds 4, and its loss is their mean."""
    data = small()
    config = nets.TrainConfig(
        epochs=4, batch_size=8, learning_rate=0.3, momentum=0.9, weight_decay=0.01, milestones=(2,), decay=0.1
    )
    net = nets.MLP((4, 3), rngs=nnx.Rngs(0))
    w, b, losses = literal_sgd(np.asarray(net.dense1.kernel[...]), np.asarray(net.dense1.bias[...]), data, config)
    history = nets.train(net, data, config)
    np.testing.assert_allclose(net.dense1.kernel[...], w, rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(net.dense1.bias[...], b, rtol=2e-5, atol=2e-6)
    assert [row["loss"] for row in history.rows] == pytest.approx(losses, rel=1e-5)
    assert [row["step"] for row in history.rows] == [3, 6, 9, 12]
    scores = data.x_train.reshape(20, 4) @ w + b
    assert history[-1]["train_error"] == np.mean(scores.argmax(1) != data.y_train)
    assert history[-1]["rho"] == pytest.approx(np.linalg.norm(w), rel=1e-5)


def test_every_sample_once_per_epoch_in_new_order() -> None:
    orders = []
    for epoch in range(2):
        index, weight = batches(20, 8, seed=5, epoch=epoch)
        assert index.shape == (3, 8) and sorted(index[weight == 1].tolist()) == list(range(20))
        orders.append(index[weight == 1].tolist())
    assert orders[0] != orders[1] and orders[0] == batches(20, 8, 5, 0)[0][:3].ravel()[:20].tolist()
    assert orders[0] != batches(20, 8, 6, 0)[0].ravel()[:20].tolist()


def test_losses_by_hand() -> None:
    scores, labels = jnp.array([[1.0, 0.0], [0.5, 0.5]]), jnp.array([1, 0])
    np.testing.assert_allclose(sample_losses(scores, labels, "mse"), [1.0, 0.25])
    np.testing.assert_allclose(sample_losses(scores, labels, "cross_entropy"), [np.log(1 + np.e), np.log(2)], rtol=1e-6)


def test_same_seed_same_bits_other_seed_others() -> None:
    def run(seed: int, loss: str) -> list[np.ndarray]:
        net = nets.ConvNet(1, 3, in_shape=(2, 2, 1), classes=3, rngs=nnx.Rngs(0))
        nets.train(net, small(), nets.TrainConfig(epochs=3, batch_size=8, seed=seed, loss=loss))  # type: ignore[arg-type]
        return weights(net)

    first, again, other, entropy = run(0, "mse"), run(0, "mse"), run(1, "mse"), run(0, "cross_entropy")
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    for changed in (other, entropy):
        assert any((a != b).any() for a, b in zip(first, changed, strict=True))


def test_learns_digits() -> None:
    data = nets.data.datasets.load("digits")
    net = nets.LocalNet(nets.convolutional((8, 8), 2), 2, rngs=nnx.Rngs(0))
    seen = []
    config = nets.TrainConfig(epochs=8, learning_rate=0.2)
    history = nets.train(net, data, config, on_epoch=lambda epoch, model, row: seen.append((epoch, model.rho(), row)))
    assert [epoch for epoch, _, _ in seen] == list(range(1, 9))
    assert all(rho == row["rho"] for _, rho, row in seen) and [row for _, _, row in seen] == history.rows
    assert history[-1]["train_error"] < 0.1 < history[0]["train_error"]
    assert np.mean(np.argmax(net(jnp.asarray(data.x_test)), axis=1) != data.y_test) < 0.15


def test_masked_weights_stay_exactly_zero() -> None:
    """Through momentum, weight decay, a milestone and weight normalisation; the others do move."""
    data = small()
    net = nets.ConvNet(2, 6, in_shape=(4, 4, 1), classes=3, rngs=nnx.Rngs(0))
    data = nets.Dataset("up", *(np.tile(a, (1, 2, 2, 1)) if a.ndim == 4 else a for a in
                                (data.x_train, data.y_train, data.x_test, data.y_test)), 3, "fixed")  # fmt: skip
    mask = masks.random_mask(net, 0.3, seed=2)
    start = weights(masks.apply(net, mask))
    config = nets.TrainConfig(epochs=5, batch_size=8, momentum=0.9, weight_decay=0.05, milestones=(2,))
    nets.train(net, data, config, masks=mask)
    for before, after, keep in zip(start, weights(net), jax.tree.leaves(mask), strict=True):
        keep = np.asarray(keep)
        assert (after[~keep] == 0).all() and (after[keep] != before[keep]).any()
    kernel = np.asarray(net.conv2.kernel())
    assert (kernel == 0).sum() == (~np.asarray(mask["conv2"]["v"])).sum() > 0


def test_without_the_wrapper_the_zeros_are_lost() -> None:
    """What `keep_zeros` is for: masked once at the start, plain SGD brings the weights back."""
    net = nets.MLP((4, 3), rngs=nnx.Rngs(0))
    mask = masks.apply(net, masks.random_mask(net, 0.5)) and masks.random_mask(net, 0.5)
    nets.train(net, small(), nets.TrainConfig(epochs=1, batch_size=8))
    assert (np.asarray(net.dense1.kernel[...])[~np.asarray(mask["dense1"]["kernel"])] != 0).any()


@pytest.mark.parametrize("make", [lambda: optax.adamw(1e-2), lambda: optax.sgd(0.1, momentum=0.9, nesterov=True)])
def test_keep_zeros_with_other_optimisers(make: object) -> None:
    params = {"w": jnp.array([1.0, 0.0, 2.0]), "b": jnp.array(0.5)}
    tx = masks.keep_zeros(make(), {"w": jnp.array([True, False, True]), "b": jnp.array(True)})  # type: ignore[operator]
    with jax.numpy_dtype_promotion("standard"):
        state = tx.init(params)
        for step in range(5):
            gradient = {"w": jnp.array([1.0, jnp.nan if step == 3 else -4.0, 0.5]), "b": jnp.array(1.0)}
            updates, state = tx.update(gradient, state, params)
            params = optax.apply_updates(params, updates)
    assert float(params["w"][1]) == 0 and float(params["w"][0]) != 1 and bool(jnp.isfinite(params["w"]).all())
    with pytest.raises(ValueError, match="masks have b, which is no parameter"):
        tx.init({"w": params["w"]})


def test_masks_of_a_linen_model() -> None:
    params = linen.Dense(4).init(jax.random.key(0), jnp.zeros((1, 6)))["params"]
    mask = masks.random_mask(params, 0.25)
    assert int(mask["kernel"].sum()) == 6 and bool(mask["bias"].all())
    masked = masks.apply(params, mask)
    assert (np.asarray(masked["kernel"])[~np.asarray(mask["kernel"])] == 0).all()
    assert (np.asarray(params["kernel"]) != 0).all()  # a dict is not changed in place
    assert masks.density(mask) == 0.25
    again, other = masks.random_mask(params, 0.25), masks.random_mask(params, 0.25, seed=1)
    assert bool((mask["kernel"] == again["kernel"]).all()) and bool((mask["kernel"] != other["kernel"]).any())


def test_masks_of_an_nnx_state() -> None:
    net = nets.MLP((3, 2), rngs=nnx.Rngs(0))
    state = nnx.state(net, nnx.Param)
    masked = masks.apply(state, masks.random_mask(net, 0.0))
    assert isinstance(masked, nnx.State) and float(jnp.abs(masked["dense1"]["kernel"][...]).max()) == 0
    assert float(jnp.abs(net.dense1.kernel[...]).min()) > 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m["dense2"].pop("kernel"), "lack dense2.kernel"),
        (lambda m: m["dense1"].update(gain=jnp.array(True)), "have dense1.gain"),
        (lambda m: m["dense1"].update(kernel=jnp.ones((4, 4), bool)), r"dense1.kernel has shape \(4, 4\)"),
        (lambda m: m["dense1"].update(bias=jnp.ones(5)), "dense1.bias has type float32"),
    ],
)
def test_masks_that_do_not_fit(change: object, said: str) -> None:
    net = nets.MLP((4, 5, 3), rngs=nnx.Rngs(0))
    mask = masks.random_mask(net, 0.5)
    change(mask)  # type: ignore[operator]
    with pytest.raises(ValueError, match=said):
        nets.train(net, small(), nets.TrainConfig(epochs=1), masks=mask)
    with pytest.raises(ValueError, match=r"density is 1\.5"):
        masks.random_mask(net, 1.5)


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good(tmp_path: Path) -> None:
    data = small()
    bad = nets.Dataset("bad", data.x_train.copy(), data.y_train, data.x_test, data.y_test, 3, "fixed")
    bad.x_train[batches(20, 8, 0, 0)[0][1, 3]] = np.nan  # sample of the second step of the first epoch
    net = nets.MLP((4, 3), rngs=nnx.Rngs(0))
    before = weights(net)
    config = nets.TrainConfig(epochs=2, batch_size=8)
    with pytest.raises(nets.Diverged, match=r"nan at step 2 \(epoch 1\)") as stopped:
        nets.train(net, bad, config, checkpoint=tmp_path / "c")
    assert (stopped.value.step, stopped.value.epoch) == (2, 1)
    assert all((a == b).all() for a, b in zip(before, weights(net), strict=True))
    assert [folder.name for folder in (tmp_path / "c").iterdir()] == ["0"]


def test_divergence_after_good_epochs(tmp_path: Path) -> None:
    """A rate far too high: MSE grows until float32 ends; what is kept is finite and loads again."""
    net = nets.MLP((4, 8, 3), rngs=nnx.Rngs(0))
    config = nets.TrainConfig(epochs=50, batch_size=8, learning_rate=3.0, momentum=0.0)
    rows = []
    with pytest.raises(nets.Diverged) as stopped:
        nets.train(net, small(), config, checkpoint=tmp_path, on_epoch=lambda epoch, model, row: rows.append(row))
    kept = max(int(folder.name) for folder in tmp_path.iterdir())
    assert kept == (rows[-1]["step"] if rows else 0) < stopped.value.step
    assert all(np.isfinite(w).all() for w in weights(net))
    again = nets.MLP((4, 8, 3), rngs=nnx.Rngs(1))
    with pytest.raises(nets.Diverged) as second:
        nets.train(again, small(), config, checkpoint=tmp_path, resume=True)
    assert second.value.step == stopped.value.step
    assert all((a == b).all() for a, b in zip(weights(net), weights(again), strict=True))


def test_running_state_is_refused() -> None:
    class Normed(nnx.Module):
        def __init__(self, rngs: nnx.Rngs) -> None:
            self.norm = nnx.BatchNorm(4, rngs=rngs)

        def __call__(self, x: jax.Array) -> jax.Array:
            return self.norm(x.reshape(len(x), 4))

    with pytest.raises(ValueError, match="running state"):
        nets.train(Normed(nnx.Rngs(0)), small(), nets.TrainConfig(epochs=1))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": 1.5}, "batch_size is 1.5"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"momentum": 1.0}, "momentum is 1.0"),
        ({"weight_decay": -1e-3}, "weight_decay is -0.001"),
        ({"milestones": (5, 3)}, "rising"),
        ({"loss": "hinge"}, "cross_entropy"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_settings_refused(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        nets.TrainConfig(**arguments)  # type: ignore[arg-type]


def test_presets_are_the_papers() -> None:
    readme, file = nets.PRESETS["paper-readme"], nets.PRESETS["paper-settings"]
    assert (readme.epochs, readme.learning_rate, readme.momentum, readme.weight_decay) == (500, 0.01, 0.9, 3e-3)
    assert (readme.milestones, readme.decay, readme.batch_size, readme.loss) == ((60, 120, 160), 0.1, 32, "mse")
    assert (file.epochs, file.momentum, file.weight_decay) == (510, 0.0, 8e-4)
    assert (file.milestones, file.decay) == ((60, 100, 300), 0.2)
    rates = [float(readme.optimizer(10).update(*_unit(readme, count))[0]["w"]) for count in (0, 600, 1600)]
    assert rates == pytest.approx([-0.01 - 3e-5, -0.001 - 3e-6, -1e-5 - 3e-8], rel=1e-4)


def _unit(config: nets.TrainConfig, count: int) -> tuple[object, object, object]:
    """Gradient 1, a fresh state whose step counter stands at `count`, weight 1."""
    params = {"w": jnp.array(1.0)}
    state = config.optimizer(10).init(params)
    state = jax.tree.map(lambda leaf: jnp.asarray(count, leaf.dtype) if leaf.dtype == jnp.int32 else leaf, state)
    return params, state, params
