"""Masks inside optimisers: NNX's own, those with more arguments, those whose memory a change of mask cannot reach."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from sparsebounds.nets import grow, masks, prune

X = jnp.asarray(np.random.RandomState(0).randn(16, 8), jnp.float32)
Y = jax.nn.one_hot(jnp.arange(16) % 4, 4)


def net() -> nnx.Sequential:
    return nnx.Sequential(nnx.Linear(8, 16, rngs=nnx.Rngs(0)), nnx.relu, nnx.Linear(16, 4, rngs=nnx.Rngs(1)))


def loss(model: nnx.Module) -> jax.Array:
    return jnp.mean((model(X) - Y) ** 2)  # type: ignore[operator]


def weights(model: nnx.Module) -> dict[str, np.ndarray]:
    return {path: np.asarray(leaf) for path, leaf in masks.leaves(masks.parameters(model)).items()}


def test_nnx_optimizer_trains_under_a_mask_as_optax_alone_does() -> None:
    with jax.numpy_dtype_promotion("standard"):
        model = net()
        keep = prune.magnitude(model, 0.3)
        masks.apply(model, keep)
        params = masks.parameters(model)
        graph, state = nnx.split(model)
        tx = masks.keep_zeros(optax.adam(1e-2), keep)
        memory = tx.init(params)
        optimizer = nnx.Optimizer(model, tx, wrt=nnx.Param)
        for _ in range(3):
            optimizer.update(model, nnx.grad(loss)(model))
            copy = jax.tree.map(lambda leaf: leaf, state)
            nnx.replace_by_pure_dict(copy, params)
            slope = masks.parameters(nnx.grad(loss)(nnx.merge(graph, copy)))
            updates, memory = tx.update(slope, memory, params)
            params = optax.apply_updates(params, updates)
        found, kept = weights(model), masks.leaves(keep)
        for path, leaf in masks.leaves(params).items():
            np.testing.assert_allclose(found[path], leaf, rtol=1e-5, atol=1e-7)
            assert not found[path][~np.asarray(kept[path])].any()


def test_nnx_optimizer_with_a_mask_that_changes() -> None:
    with jax.numpy_dtype_promotion("standard"):
        model = net()
        keep = prune.erk(model, 0.4)
        masks.apply(model, keep)
        tx = grow.RigL(every=2, until=9, fraction=0.5).around(optax.adam(1e-2), keep, model)
        optimizer = nnx.Optimizer(model, tx, wrt=nnx.Param)
        for _ in range(3):
            optimizer.update(model, nnx.grad(loss)(model))
        now = masks.leaves(nnx.as_pure(optimizer.opt_state).masks)
        for path, leaf in weights(model).items():
            assert not leaf[~np.asarray(now[path])].any()
            assert int(now[path].sum()) == int(masks.leaves(keep)[path].sum())
        assert any((now[path] != masks.leaves(keep)[path]).any() for path in now)


def test_what_an_optimiser_asks_for_beside_gradients_reaches_it() -> None:
    """L-BFGS with its line search on |w − 1|², two of four weights masked: the minimum is (1, 0, 1, 0), at once."""
    keep = {"w": jnp.array([True, False, True, False])}
    params = {"w": jnp.zeros(4)}

    def value(tree: dict[str, jax.Array]) -> jax.Array:
        return jnp.sum((tree["w"] - 1) ** 2)

    with jax.numpy_dtype_promotion("standard"):
        tx = masks.keep_zeros(optax.lbfgs(), keep)
        state = tx.init(params)
        for _ in range(4):
            now, slope = jax.value_and_grad(value)(params)
            updates, state = tx.update(slope, state, params, value=now, grad=slope, value_fn=value)
            params = optax.apply_updates(params, updates)
        np.testing.assert_allclose(params["w"], [1, 0, 1, 0], atol=1e-5)
        assert params["w"][1] == params["w"][3] == 0
        plateau = optax.chain(optax.sgd(0.1), optax.contrib.reduce_on_plateau())
        rule = grow.SET(every=5, until=9).around(plateau, {"kernel": jnp.eye(2, dtype=bool)})
        start = {"kernel": jnp.eye(2)}
        updates, _ = rule.update({"kernel": jnp.ones((2, 2))}, rule.init(start), start, value=jnp.float32(1.0))
        np.testing.assert_allclose(updates["kernel"], -0.1 * np.eye(2), rtol=1e-6)


@pytest.mark.parametrize(
    ("tx", "name"),
    [
        (optax.adafactor(1e-2, min_dim_size_to_factor=4), "FactoredState"),
        (optax.sm3(1e-2), "ScaleBySM3State"),
        (optax.lbfgs(), "ScaleByLBFGSState"),
    ],
)
def test_memory_that_a_change_cannot_reach_is_named(tx: optax.GradientTransformation, name: str) -> None:
    model = net()
    keep = prune.erk(model, 0.4)
    params = masks.apply(masks.parameters(model), keep)
    with jax.numpy_dtype_promotion("standard"):
        for rule in (grow.SET(), grow.RigL()):
            with pytest.raises(ValueError, match=rf"^{type(rule).__name__} cannot change masks under.*{name}.*adam do"):
                rule.around(tx, keep, model).init(params)


LABELS = {"layers": {0: {"kernel": "fast", "bias": "slow"}, 2: {"kernel": "fast", "bias": "slow"}}}


@pytest.mark.parametrize(
    "tx",
    [
        optax.contrib.muon(1e-2),
        optax.masked(optax.adam(1e-2), {"layers": {0: True, 2: False}}),
        optax.masked(optax.adamw(1e-2), jax.tree.map(lambda label: label == "fast", LABELS)),
        optax.multi_transform({"fast": optax.adam(1e-2), "slow": optax.sgd(0.1, momentum=0.9)}, LABELS),
    ],
)
def test_an_optimiser_of_parts_forgets_what_is_dropped(tx: optax.GradientTransformation) -> None:
    """Every memory of the first kernel is filled at a step, and empty outside the mask after the change."""
    model = net()
    keep = prune.erk(model, 0.4)
    rule = grow.RigL(every=2, until=10, fraction=0.9).around(tx, keep, model)
    params = masks.apply(masks.parameters(model), keep)
    state = rule.init(params)
    with jax.numpy_dtype_promotion("standard"):
        for step in range(2):
            slope = jax.tree.map(lambda w, step=step: jnp.sin(7.0 * jnp.arange(w.size) + step).reshape(w.shape), params)
            updates, state = rule.update(slope, state, params)
            params = optax.apply_updates(params, updates)
    now = masks.leaves(state.masks)["layers.0.kernel"]
    assert (now != masks.leaves(keep)["layers.0.kernel"]).any()
    held = [leaf for leaf in jax.tree.leaves(state.inner) if leaf.shape == now.shape]
    assert held
    for memory in held:
        assert not memory[~now].any() and memory[now].any()
    assert not np.asarray(masks.leaves(params)["layers.0.kernel"])[~np.asarray(now)].any()


@pytest.mark.parametrize("kinds", [(jnp.bfloat16, jnp.bfloat16), (jnp.float32, jnp.bfloat16)])
def test_numbers_of_other_kinds_than_the_parameters(kinds: tuple[object, object]) -> None:
    """bfloat16 weights, memory of float32; bfloat16 gradients of float32 weights. What is dropped is exactly 0."""
    weights, slopes = kinds
    keep = {"kernel": jnp.arange(40).reshape(8, 5) % 2 == 0}
    params = masks.apply({"kernel": jnp.asarray(np.random.RandomState(0).randn(8, 5), weights)}, keep)
    slope = {"kernel": jnp.asarray(np.random.RandomState(1).randn(8, 5), slopes)}
    for inner in (optax.sgd(0.1), optax.sgd(0.1, momentum=0.9, accumulator_dtype=jnp.float32)):
        tx, now = grow.RigL(every=1, until=10, fraction=0.9).around(inner, keep), params
        with jax.numpy_dtype_promotion("standard"):
            updates, state = tx.update(slope, tx.init(now), now)
            now = optax.apply_updates(now, updates)
        assert now["kernel"].dtype == weights and (state.masks["kernel"] != keep["kernel"]).any()
        assert not np.asarray(now["kernel"], np.float32)[~np.asarray(state.masks["kernel"])].any()


def test_masked_weights_that_a_compiled_init_could_not_see_go_to_zero_at_once() -> None:
    model = net()
    keep = prune.erk(model, 0.4)
    for tx in (masks.keep_zeros(optax.adam(0.1), keep), grow.SET().around(optax.adam(0.1), keep, model)):
        params = masks.parameters(model)
        with jax.numpy_dtype_promotion("standard"):
            updates, _ = tx.update(params, jax.jit(tx.init)(params), params)
        masks.check_zeros(optax.apply_updates(params, updates), keep)


def test_masked_weights_that_are_not_zero_are_refused_at_the_start() -> None:
    model = net()
    keep = prune.erk(model, 0.4)
    for tx in (masks.keep_zeros(optax.sgd(0.1), keep), grow.SET().around(optax.sgd(0.1), keep, model)):
        with pytest.raises(ValueError, match=r"layers\.0\.kernel has weights that are masked and not zero; apply"):
            tx.init(masks.parameters(model))


def test_a_memory_that_mixes_entries_is_filled_and_the_weights_stay_zero() -> None:
    """Centralised gradients: (1, 0) becomes (½, −½) before the momentum, as the docstring says."""
    keep = {"w": jnp.array([[True, False]])}
    params = {"w": jnp.array([[1.0, 0.0]])}
    tx = masks.keep_zeros(optax.chain(optax.centralize(), optax.trace(0.9)), keep)
    updates, state = tx.update({"w": jnp.ones((1, 2))}, tx.init(params), params)
    assert updates["w"].tolist() == [[0.5, 0.0]] and state[1].trace["w"].tolist() == [[0.5, -0.5]]


def test_keys_with_dots_and_names_of_methods() -> None:
    square = {"kernel": np.eye(2)}
    with pytest.raises(ValueError, match=r"two arrays have the path a\.b\.kernel"):
        prune.magnitude({"a": {"b": square}, "a.b": square}, 0.5)

    class Holder(nnx.Module):
        def __init__(self) -> None:
            self.held = nnx.data(
                {"keys": nnx.Linear(3, 4, rngs=nnx.Rngs(0)), "items": [nnx.Linear(3, 2, rngs=nnx.Rngs(0))]}
            )

    assert list(masks.kernels(Holder())) == ["held.items.0.kernel", "held.keys.kernel"]
