"""Chase: budgets, the soft bound, channel schedule and floors, the four scores; channels cut out of every network."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from sparsebounds import nets
from sparsebounds.nets import grow, masks, prune
from sparsebounds.nets.grow.alive import with_channels
from sparsebounds.nets.grow.channel_scores import SCORES
from sparsebounds.nets.masks import removal
from sparsebounds.nets.models.channels import removable
from sparsebounds.nets.models.functional import pure

RULE = grow.Chase(every=2, until=20, channel_every=4, channel_until=16, channel_share=0.5, floor_share=0.5)


def arrays(tree: dict) -> dict[str, np.ndarray]:
    return {path: np.asarray(leaf) for path, leaf in masks.leaves(tree).items()}


def run(net: nnx.Module, mask: dict, rule: grow.Rule, steps: int) -> list[tuple[dict, dict, dict]]:
    """(parameters, masks, alive) after each step, with gradients drawn from the step's number."""
    params = masks.parameters(masks.apply(net, mask))
    tx = rule.around(optax.sgd(0.05, momentum=0.9), mask, net)
    update, state, seen = jax.jit(tx.update), tx.init(params), []
    for step in range(1, steps + 1):
        rng = np.random.RandomState(step)
        slope = jax.tree.map(
            lambda leaf, rng=rng: jnp.asarray(np.asarray(rng.standard_normal(leaf.shape), np.float32)), params
        )
        updates, state = update(slope, state, params)
        params = optax.apply_updates(params, updates)
        alive = {layer: np.asarray(here) for layer, here in state.alive.items()}
        seen.append((arrays(params), arrays(state.masks), alive))
    masks.set_parameters(net, params)
    return seen


def test_chase_keeps_its_budget_and_its_schedules() -> None:
    net = nets.MLP((20, 12, 8, 3), rngs=nnx.Rngs(0))
    mask = prune.erk(net, 0.2)
    budget = round(0.2 * (240 + 96 + 24))
    seen = run(net, mask, RULE, 22)
    kernels = [f"dense{layer}.kernel" for layer in (1, 2, 3)]
    for step, (params, now, alive) in enumerate(seen, start=1):
        last = step - step % 2 if step < 20 else 20
        soft = budget * (1 + 0.25 * (1 + np.cos(np.pi * last / 20)))
        assert sum(now[path].sum() for path in kernels) == (round(soft) if step > 1 else budget)
        at = min(step - step % 4, 16)
        assert sum((~here).sum() for here in alive.values()) == int(0.5 * 20 * (1 - (1 - at / 16) ** 3) + 0.5)
        assert alive["dense1"].sum() >= 3 and alive["dense2"].sum() >= 2  # int(12/4), int(8/4)
        for layer, here in alive.items():
            reader = f"dense{int(layer[-1]) + 1}.kernel"
            assert not now[f"{layer}.kernel"][:, ~here].any() and not now[reader][~here].any()
            assert not now[f"{layer}.bias"][~here].any()
        assert all((params[path][~now[path]] == 0).all() for path in now)
    assert sum((~here).sum() for here in seen[-1][2].values()) == 10
    for before, after in pairwise(seen):  # what is gone stays gone
        assert all(not (after[2][layer] & ~before[2][layer]).any() for layer in after[2])


@pytest.mark.parametrize(("dropped", "value"), [("restart", 0.0), ("return", 1.0), ("stay_out", 0.0)])
def test_what_chase_prunes_may_grow_back(dropped: str, value: float) -> None:
    """Four weights are active and the budget is two: those of 2 and 1 go; then one grows by the largest gradient."""
    params = {"kernel": jnp.array([[4.0, 3.0, 2.0, 1.0, 0.0, 0.0]])}
    slope = {"kernel": jnp.array([[0.0, 0.0, 1.0, 9.0, 0.0, 5.0]])}
    mask = {"kernel": jnp.array([[True, True, False, False, False, False]])}
    rule = grow.Chase(every=4, until=8, extra=1.0, channel_share=0, dropped=dropped)  # 2 · (1 + ½) at step 4
    tx = rule.around(optax.sgd(0.1), mask)
    state = tx.init({"kernel": jnp.where(mask["kernel"], params["kernel"], 0)})
    state = state._replace(step=jnp.int32(3), masks={"kernel": params["kernel"] > 0})
    updates, state = tx.update(slope, state, params)
    place = 5 if dropped == "stay_out" else 3
    after = np.zeros((1, 6), np.float32)
    after[0, [0, 1, place]] = [4.0, 3.0, value]
    assert np.flatnonzero(state.masks["kernel"]).tolist() == [0, 1, place]
    np.testing.assert_array_equal(optax.apply_updates(params, updates)["kernel"], after)


def test_the_first_change_of_chase_against_a_literal_loop() -> None:
    """Channels by score over both layers, then weights by size, then by gradient, over all layers."""
    net = nets.MLP((6, 5, 4, 3), rngs=nnx.Rngs(1))
    rule = grow.Chase(every=4, until=8, channel_every=4, channel_until=4, channel_share=0.4, floor_share=0.0)
    mask = prune.random(net, 0.5)
    params = masks.parameters(masks.apply(net, mask))
    rng = np.random.RandomState(0)
    slope = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(rng.standard_normal(leaf.shape), np.float32)), params)
    tx = rule.around(optax.sgd(0.1), mask, net)
    _, state = tx.update(slope, tx.init(params)._replace(step=jnp.int32(3)), params)
    kernel = {path: np.abs(leaf) for path, leaf in arrays(params).items() if path.endswith("kernel")}
    active, allowed = (
        {p: arrays(mask)[p].copy() for p in kernel},
        {p: np.ones(k.shape, bool) for p, k in kernel.items()},
    )
    ranking = sorted((kernel[f"dense{i}.kernel"][:, c].mean(), i, c) for i, n in ((1, 5), (2, 4)) for c in range(n))
    gone = [(i, c) for _, i, c in ranking][:4]  # round(0.4 · 9); every layer keeps one here
    for i, c in gone:
        for table in (active, allowed):
            table[f"dense{i}.kernel"][:, c] = False
            table[f"dense{i + 1}.kernel"][c] = False
    budget, before = 30 // 2 + 20 // 2 + 12 // 2, {p: a.copy() for p, a in active.items()}
    left = budget - sum(int(a.sum()) for a in active.values())
    more = round(budget * (1 + 0.5 * 0.5)) - budget + left
    order = sorted((-abs(float(arrays(slope)[p][i])), p, i) for p in kernel for i in np.ndindex(kernel[p].shape)
                    if allowed[p][i] and not before[p][i])  # fmt: skip
    for _, path, index in order[:more]:
        active[path][index] = True
    for path in kernel:
        np.testing.assert_array_equal(arrays(state.masks)[path], active[path])
    assert {(i, int(c)) for i in (1, 2) for c in np.flatnonzero(~state.alive[f"dense{i}"])} == set(gone)


def test_a_layer_that_loses_all_its_weights_with_a_channel_grows_some_back() -> None:
    """dense2 reads unit 0 of dense1 alone, which is the weakest and goes: what it reads then comes by its gradient."""
    net = nets.MLP((3, 4, 4, 3), rngs=nnx.Rngs(0))
    kernels = {f"dense{i}": np.ones(shape, bool) for i, shape in ((1, (3, 4)), (2, (4, 4)), (3, (4, 3)))}
    kernels["dense2"][1:] = False
    kernels["dense1"][2, 1:] = False
    for layer in net.layers():
        layer.kernel[...] = 0.5 + jnp.abs(layer.kernel[...])
    net.dense1.kernel[...] = net.dense1.kernel[...].at[:, 0].set(0.01)
    mask = {
        name: {"kernel": jnp.asarray(keep), "bias": jnp.ones(keep.shape[1], bool)} for name, keep in kernels.items()
    }
    params = masks.parameters(masks.apply(net, mask))
    slope = jax.tree.map(jnp.ones_like, params)
    slope["dense2"]["kernel"] = 1e-3 * jnp.arange(1.0, 17.0).reshape(4, 4)  # smaller than anywhere else
    for extra in (0.0, 0.5):
        settings = {"channel_share": 0.125, "floor_share": 0.0, "extra": extra, "floor": 2}
        rule = grow.Chase(every=4, until=8, channel_every=4, channel_until=4, **settings)
        tx = rule.around(optax.sgd(0.1), mask, net)
        _, state = tx.update(slope, tx.init(params)._replace(step=jnp.int32(3)), params)
        now = arrays(state.masks)
        assert not state.alive["dense1"][0] and now["dense2.kernel"].sum() >= 2 and now["dense2.kernel"][3, 2:].all()
        total = sum(now[f"dense{i}.kernel"].sum() for i in (1, 2, 3))
        assert total == round(25 * (1 + extra / 2))


def test_channel_scores_by_hand() -> None:
    """One channel of 3 inputs and 2×1 kernels with weights 4, 2 active in one kernel and 3 in another."""
    mask = np.zeros((2, 1, 3, 2), bool)
    mask[0, 0, 0, 0] = mask[1, 0, 0, 0] = mask[1, 0, 2, 0] = True
    size = np.full((2, 1, 3, 2), 9.0, np.float32)
    size[mask] = [4.0, 2.0, 3.0]
    found = {name: np.asarray(score(jnp.asarray(size), jnp.asarray(mask))).tolist() for name, score in SCORES.items()}
    assert found == {"mean": [1.5, 0], "mean_active": [3, 0], "nonzeros": [0.5, 0],
                     "nonzero_kernels": [pytest.approx(2 / 3), 0]}  # fmt: skip


def test_removed_channels_are_cut_out_of_every_network() -> None:
    """Same scores from fewer numbers; masks are cut along; nothing is left to remove then."""
    images = np.random.RandomState(0).randn(4, 6, 6, 1).astype(np.float32)
    for net in (
        nets.ConvNet(2, 4, in_shape=(6, 6, 1), classes=3, rngs=nnx.Rngs(0)),
        nets.ResNet(2, in_shape=(6, 6, 1), classes=3, rngs=nnx.Rngs(0)),
    ):
        groups = removable(net.channels())
        alive = {group.layer: jnp.arange(group.count) % 2 == index % 2 for index, group in enumerate(groups)}
        # Denser than the gone half: every channel that stays is fed and read.
        final = with_channels(prune.erk(net, 0.8), alive, groups, masks.kernels(net))
        masks.apply(net, final)
        small, cut = removal.remove(net, masks=final)
        sizes = {group.layer: group.count for group in small.channels() if group.skip is None}
        assert sizes == {group.layer: group.count // 2 for group in groups}
        masks.check(small, cut)
        before, after = (jax.jit(pure(model)[1])(masks.parameters(model), images) for model in (net, small))
        np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-5)
        assert np.abs(before).max() > 1e-2
        again, _ = removal.remove(small)
        assert {g.layer: g.count for g in again.channels()} == {g.layer: g.count for g in small.channels()}


def test_an_unread_channel_goes_and_the_gain_makes_up_for_it() -> None:
    """conv1's channel 1 is read by nobody: its weights count in ‖v‖ of conv1, which shrinks when they go."""
    net = nets.ConvNet(2, 3, in_shape=(5, 5, 1), classes=2, rngs=nnx.Rngs(0))
    net.conv2.v[...] = net.conv2.v[...].at[:, :, 1].set(0.0)
    net.conv2.v[...] = net.conv2.v[...].at[..., 2].set(0.0)
    net.conv2.bias[...] = net.conv2.bias[...].at[2].set(0.0)  # and conv2's channel 2 is always zero
    small, nothing = removal.remove(net)
    assert small.conv1.v.shape[-1] == 2 and small.conv2.v.shape == (2, 2, 2, 2) and small.dense.kernel.shape == (18, 2)
    assert (small.dense.in_features, nothing) == (18, None) and net.conv1.v.shape[-1] == 3
    images = jnp.asarray(np.random.RandomState(0).randn(3, 5, 5, 1).astype(np.float32))
    np.testing.assert_allclose(small(images), net(images), rtol=1e-5, atol=1e-6)
    assert float(small.conv1.g[...]) < float(net.conv1.g[...])


def test_removals_refused() -> None:
    res = nets.ResNet(2, in_shape=(4, 4, 1), rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"channels of block1\.conv2 cannot be removed: the skip of block1"):
        removal.remove(res, {"block1.conv2": [0]})
    with pytest.raises(ValueError, match=r"channel 1 of block1\.conv1 changes the scores"):
        removal.remove(res, {"block1.conv1": [1]})
    with pytest.raises(ValueError, match=r"all 2 channels of block1\.conv1 would go"):
        removal.remove(res, {"block1.conv1": [0, 1]})
    with pytest.raises(ValueError, match="channels 0 to 1, and none 5"):
        removal.remove(res, {"block1.conv1": [5]})
    with pytest.raises(ValueError, match="dense is no layer with channels"):
        removal.remove(res, {"dense": [0]})
    with pytest.raises(ValueError, match="masked and not zero"):
        removal.remove(res, masks=prune.erk(res, 0.5))
    other = nnx.Linear(3, 2, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="Linear does not say which weights read which channels"):
        removal.remove(other)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"channel_share": 1.5}, "channel_share is 1.5"),
        ({"channel_share": 0.9, "floor_share": 0.0}, "asks for 5 of 6 channels, the layers' floors leave 3"),
        ({"channel_until": 50}, "channel_until is 50"),
        ({"floor_share": 2.0}, "floor_share is 2.0"),
    ],
)
def test_channel_settings_refused(settings: dict, said: str) -> None:
    class Narrow(nets.MLP):
        """Layers of 2 units, which keep one each."""

    with pytest.raises(ValueError, match="Chase removes channels; give the network too"):
        grow.Chase().around(optax.sgd(0.1), prune.erk(nets.MLP((4, 3), rngs=nnx.Rngs(0)), 0.5))
    net = Narrow((4, 2, 2, 2, 3), rngs=nnx.Rngs(0))
    rule = grow.Chase(every=2, until=20, **{"channel_every": 4, "channel_until": 16, **settings})
    with pytest.raises(ValueError, match=said):
        rule.around(optax.sgd(0.1), prune.erk(net, 0.5), net)
