"""Masks that change in training: SET, RigL, gradual pruning against literal loops; schedules, refusals, resumption."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from training import small, weights

from sparsebounds import nets
from sparsebounds.nets import grow, masks, prune
from sparsebounds.nets.grow import ranks, schedule

SHAPES = {"a": (6, 5), "b": (5, 4)}
CONFIG = nets.TrainConfig(epochs=6, batch_size=8, learning_rate=0.1, momentum=0.9, weight_decay=1e-3, seed=4)


def start(density: float = 0.4, seed: int = 0) -> tuple[dict, dict]:
    """Two dense layers of distinct sizes of weight, and their masks."""
    rng = np.random.RandomState(seed)
    params = {name: {"kernel": rng.randn(*shape).astype(np.float32)} for name, shape in SHAPES.items()}
    mask = prune.random(params, density, seed=seed)
    return masks.apply(jax.tree.map(jnp.asarray, params), mask), mask


def arrays(tree: dict) -> dict[str, np.ndarray]:
    return {path: np.asarray(leaf) for path, leaf in masks.leaves(tree).items()}


def gradient(seed: int) -> dict:
    rng = np.random.RandomState(100 + seed)
    return {name: {"kernel": jnp.asarray(rng.randn(*shape).astype(np.float32))} for name, shape in SHAPES.items()}


def one_change(rule: grow.Rule, params: dict, mask: dict, at: int = 1) -> tuple[dict, object]:
    """Updates and state after step `at`, which is one where the mask changes; earlier steps have no gradient."""
    tx = rule.around(optax.sgd(0.1, momentum=0.9), mask)
    state = tx.init(params)._replace(step=jnp.int32(at - 1))
    return tx.update(gradient(at), state, params)


def test_rigl_lets_a_dropped_weight_return_with_its_value() -> None:
    """Algorithm 1 on paper: of 5, 4 and 0.1 the last is dropped, and has the largest gradient of all not kept."""
    params = {"kernel": jnp.array([[5.0, 0.0], [4.0, 0.0], [0.1, 0.0]])}
    slope = {"kernel": jnp.array([[0.0, 0.2], [0.0, 0.1], [9.0, 0.0]])}
    mask = {"kernel": params["kernel"] != 0}
    returned, elsewhere = [[1, 0], [1, 0], [1, 0]], [[1, 1], [1, 0], [0, 0]]
    for dropped, wanted, value in (("return", returned, 0.1), ("restart", returned, 0), ("stay_out", elsewhere, 0)):
        rule = grow.RigL(every=1, until=10, fraction=0.5, dropped=dropped)
        tx = rule.around(optax.sgd(0.1, momentum=0.9), mask)
        state = tx.init(params)
        memory = jax.tree.map(jnp.ones_like, optax.tree.get(state.inner, "trace"))
        state = state._replace(inner=optax.tree.set(state.inner, trace=memory))
        updates, state = tx.update(slope, state, params)
        assert state.masks["kernel"].astype(int).tolist() == wanted
        after = np.asarray(optax.apply_updates(params, updates)["kernel"])
        np.testing.assert_array_equal(after, np.array([[5, 0], [4, 0], [value, 0]], np.float32))
        stay = np.array([[1, 0], [1, 0], [dropped == "return", 0]])
        np.testing.assert_array_equal(optax.tree.get(state.inner, "trace")["kernel"], stay)
    assert grow.RigL().dropped == grow.SET().dropped == "return" and grow.Chase().dropped == "restart"


@pytest.mark.parametrize("dropped", ["return", "stay_out"])
@pytest.mark.parametrize("step", [2, 6])
def test_rigl_against_a_literal_loop(step: int, dropped: str) -> None:
    params, mask = start()
    rule = grow.RigL(every=2, until=10, fraction=0.7, dropped=dropped)
    updates, state = jax.jit(lambda p: one_change(rule, p, mask, step))(params)
    share = 0.7 * 0.5 * (1 + np.cos(np.pi * step / 10))
    for path, before in arrays(mask).items():
        size, slope, now = np.abs(arrays(params)[path]), np.abs(arrays(gradient(step))[path]), before.copy()
        count = int(share * before.sum())
        assert 0 < count < (~before).sum()
        now.flat[np.argsort(np.where(before, size, np.inf), axis=None)[:count]] = False
        worth = np.where(now if dropped == "return" else before, -np.inf, slope)
        now.flat[np.argsort(-worth, axis=None)[:count]] = True
        np.testing.assert_array_equal(arrays(state.masks)[path], now)
        assert now.sum() == before.sum()
        after = arrays(optax.apply_updates(params, updates))[path]
        np.testing.assert_array_equal(after, np.where(now, arrays(params)[path], 0))


@pytest.mark.parametrize("dropped", ["return", "stay_out"])
def test_set_drops_the_same_and_grows_at_random(dropped: str) -> None:
    """What is kept is kept by every key; what is dropped returns as often as any other inactive weight grows."""
    params, mask = start()
    tx = grow.SET(every=1, until=100, fraction=0.3, dropped=dropped).around(optax.sgd(0.1), mask)
    update, seen, back = jax.jit(tx.update), set(), 0
    for seed in (*range(60), 0):
        begin = tx.init(params)._replace(key=jax.random.key_data(jax.random.key(seed)))
        _, state = update(gradient(1), begin, params)
        for path, before in arrays(mask).items():
            now, count = arrays(state.masks)[path], int(0.3 * before.sum() * 0.9997)
            smallest = np.argsort(np.where(before, np.abs(arrays(params)[path]), np.inf), axis=None)[:count]
            kept = before.copy()
            kept.flat[smallest] = False
            assert now[kept].all() and now.sum() == before.sum()
            back += now.flat[smallest].sum()
        seen.add(masks.fingerprint(state.masks))
    # 3 of 21 and 2 of 14 places grow: 5/7 of a dropped weight each time, 61 times: 43.6 ± 5.3 (here five of these).
    assert len(seen) > 55 and (abs(back - 43.6) < 26 if dropped == "return" else back == 0)


def test_random_growth_prefers_no_place() -> None:
    """2000 draws of 3 from 12 allowed places: each 500 times, standard error 19; 5 of these either way."""
    allowed = jnp.arange(24) % 2 == 0
    draws = jax.vmap(lambda key: ranks.best(jnp.zeros(24), allowed, jnp.int32(3), key))(
        jax.random.split(jax.random.key(0), 2000)
    )
    found = np.asarray(draws).sum(axis=0)
    assert (found[1::2] == 0).all() and (np.abs(found[::2] - 500) < 97).all() and found.sum() == 6000


def test_changed_weights_start_at_zero_without_memory() -> None:
    """At other steps the optimiser's own; nothing outside the mask ever moves."""
    params, mask = start()
    tx = grow.RigL(every=3, until=9, fraction=0.5).around(optax.sgd(0.1, momentum=0.9), mask)
    update, state = jax.jit(tx.update), tx.init(params)
    for step in range(1, 12):
        before, old = arrays(params), arrays(state.masks)
        updates, state = update(gradient(step), state, params)
        params = optax.apply_updates(params, updates)
        now, after, memory = arrays(state.masks), arrays(params), arrays(optax.tree.get(state.inner, "trace"))
        changed = any((now[path] != old[path]).any() for path in now)
        assert changed == (step in (3, 6)) and int(state.step) == step
        for path in now:
            assert (after[path][~now[path]] == 0).all() and (memory[path][~now[path]] == 0).all()
            if changed:  # the optimiser rests: what stays keeps its value, what comes starts at zero
                np.testing.assert_array_equal(after[path], np.where(now[path], before[path], 0))
                assert (memory[path][now[path] & ~old[path]] == 0).all()
            else:
                assert (after[path][now[path]] != before[path][now[path]]).all()


def test_gradual_follows_its_cubic_and_keeps_the_largest() -> None:
    params, mask = start(1.0)
    for scope in ("global", "layer"):
        tx = grow.Gradual(every=2, until=9, density=0.2, scope=scope).around(optax.sgd(0.0), mask)
        update, state, w = jax.jit(tx.update), tx.init(params), params
        left = []
        for step in range(1, 12):
            updates, state = update(gradient(step), state, w)
            w = optax.apply_updates(w, updates)
            left.append(sum(int(m.sum()) for m in arrays(state.masks).values()))
        wanted = [50, *(round(50 - 40 * (1 - (1 - t / 9) ** 3)) for t in (2, 2, 4, 4, 6, 6, 8, 9, 9, 9))]
        assert np.abs(np.subtract(left, wanted)).max() <= (0 if scope == "global" else 1)
        final = prune.magnitude(params, 0.2, scope=scope)  # sizes never changed
        assert masks.fingerprint(final) == masks.fingerprint(state.masks)


def test_schedules_by_hand() -> None:
    assert np.flatnonzero(schedule.due_at(7, 3, ends=True)).tolist() == [3, 6, 7]
    assert schedule.cosine(4) == pytest.approx([1, 0.853553, 0.5, 0.146447, 0], abs=1e-6)
    assert schedule.cubic(2) == pytest.approx([0, 0.875, 1])
    assert schedule.counts(np.array([2.4999, 0.29 * 100 - 0.5])).tolist() == [2, 29]


def test_a_layer_with_little_left_to_grow_changes_that_much() -> None:
    params, _ = start()
    full = {name: {"kernel": np.ones(shape, bool)} for name, shape in SHAPES.items()}
    full["a"]["kernel"][0, 0] = False
    params = masks.apply(params, jax.tree.map(jnp.asarray, full))
    _, state = one_change(grow.RigL(every=1, until=10, fraction=0.5, dropped="stay_out"), params, full)
    now = arrays(state.masks)
    assert now["a.kernel"].sum() == 29 and now["a.kernel"][0, 0] and now["b.kernel"].all()


def test_a_dense_layer_does_not_change() -> None:
    """All it drops is all it can grow, so every weight returns with its value."""
    params, _ = start()
    full = {name: {"kernel": np.ones(shape, bool)} for name, shape in SHAPES.items()}
    full["a"]["kernel"][0, 0] = False
    params = {"a": params["a"], "b": {"kernel": params["b"]["kernel"] + 1}}
    params = masks.apply(params, jax.tree.map(jnp.asarray, full))
    for rule in (grow.RigL(every=1, until=10, fraction=0.5), grow.SET(every=1, until=10, fraction=0.5)):
        updates, state = one_change(rule, params, full)
        assert arrays(state.masks)["b.kernel"].all() and not arrays(updates)["b.kernel"].any()
        assert arrays(state.masks)["a.kernel"].sum() == 29


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (grow.SET(every=0), "every is 0"),
        (grow.RigL(until=0), "until is 0"),
        (grow.RigL(fraction=0.0), "fraction is 0.0"),
        (grow.SET(dropped="again"), "dropped is 'again'"),
        (grow.Gradual(density=1.5), "density is 1.5"),
        (grow.Gradual(density=0.9), "density is 0.9 and the masks keep 0.4"),
        (grow.Gradual(density=0.02), "the floors keep 2 weights and the density 1"),
        (grow.Gradual(scope="row"), "scope is 'row'"),
        (grow.Gradual(floor=0), "floor is 0"),
        (grow.Chase(score="sum", channel_share=0), "score is 'sum'"),
        (grow.Chase(extra=-1, channel_share=0), "extra is -1"),
        (grow.Chase(dropped="", channel_share=0), "dropped is ''"),
    ],
)
def test_settings_refused(rule: grow.Rule, said: str) -> None:
    _, mask = start()
    with pytest.raises(ValueError, match=said):
        rule.around(optax.sgd(0.1), mask)


def test_nothing_left_to_grow_is_refused() -> None:
    params, mask = start(1.0)
    for name in ("set", "rigl", "chase"):
        settings = {"channel_share": 0} if name == "chase" else {}
        with pytest.raises(ValueError, match="nothing left to grow"):
            grow.METHODS[name](every=1, until=10, **settings).around(optax.sgd(0.1), mask)
    params, mask = start()
    tx = grow.SET().around(optax.sgd(0.1), mask)
    with pytest.raises(ValueError, match="no parameters were given"):
        tx.update(gradient(0), tx.init(params))
    with pytest.raises(ValueError, match=r"masks have a\.kernel"):
        tx.init({"b": params["b"]})


def net(seed: int = 0) -> nets.MLP:
    return nets.MLP((4, 8, 3), rngs=nnx.Rngs(seed))


def test_a_training_that_grows_resumes_bit_by_bit(tmp_path: Path) -> None:
    """Stopped inside an epoch between two changes; masks, channels, key and memory come from the checkpoint."""

    def stop(epoch: int, model: object, row: object) -> None:
        if epoch == 3:
            raise KeyboardInterrupt

    rule = grow.Chase(every=2, until=14, channel_every=4, channel_until=12, channel_share=0.25)
    straight, mask = net(), prune.erk(net(), 0.5)
    whole = nets.train(straight, small(), CONFIG, masks=mask, growth=rule)
    with pytest.raises(KeyboardInterrupt):
        nets.train(net(), small(), CONFIG, masks=mask, growth=rule, checkpoint=tmp_path, on_epoch=stop)
    continued = net(7)
    rest = nets.train(continued, small(), CONFIG, masks=mask, growth=rule, checkpoint=tmp_path, resume=True)
    for a, b in zip(weights(straight), weights(continued), strict=True):
        np.testing.assert_array_equal(a, b)
    assert masks.fingerprint(whole.masks) == masks.fingerprint(rest.masks) != masks.fingerprint(mask)
    assert [row["sparsity"] for row in whole.rows] == [row["sparsity"] for row in rest.rows]
    assert whole[-1]["sparsity"]["density"] == masks.density(mask) and whole[-1]["sparsity"]["flops"] == 2 * 28
    with pytest.raises(ValueError, match="was trained with sparsity"):
        other = replace(rule, seed=1)
        nets.train(net(), small(), CONFIG, masks=mask, growth=other, checkpoint=tmp_path, resume=True)
    with pytest.raises(ValueError, match="was trained with sparsity"):
        other_mask = prune.erk(net(), 0.5, seed=1)
        nets.train(net(), small(), CONFIG, masks=other_mask, growth=rule, checkpoint=tmp_path, resume=True)
    with pytest.raises(ValueError, match="growth was given without masks"):
        nets.train(net(), small(), CONFIG, growth=rule)
