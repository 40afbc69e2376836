"""Pruning without derivatives: selection against hand-made scores, ERK's densities, N:M, rewinding, refusals."""

import warnings

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from sparsebounds import nets
from sparsebounds.nets import masks, prune
from sparsebounds.nets.prune.select import best

EXPECTED_SHAPES = {"stem": (3, 3, 3, 16), "conv": (3, 3, 16, 32), "last": (3, 3, 32, 64), "dense": (64, 10)}


def mlp(*widths: int, seed: int = 0) -> nets.MLP:
    return nets.MLP(widths, rngs=nnx.Rngs(seed))


def counts(mask: dict) -> dict[str, int]:
    return {path: int(np.sum(np.asarray(leaf))) for path, leaf in masks.leaves(mask).items()}


def literal_best(scores: dict[str, np.ndarray], total: int, floor: int) -> dict[str, np.ndarray]:
    """Every layer's floor first, then the best of all that is left, one by one."""
    entries = sorted(((value, path, index) for path, leaf in scores.items() for index, value in np.ndenumerate(leaf)),
                     reverse=True)  # fmt: skip
    keep = {path: np.zeros(leaf.shape, bool) for path, leaf in scores.items()}
    for _, path, index in entries:
        if keep[path].sum() < min(floor, keep[path].size):
            keep[path][index] = True
    for _, path, index in entries:
        if sum(leaf.sum() for leaf in keep.values()) < total:
            keep[path][index] = True
    return keep


@pytest.mark.parametrize("floor", [1, 4])
def test_global_selection_against_a_literal_loop(floor: int) -> None:
    rng = np.random.default_rng(floor)
    scores = {"a": rng.normal(size=(5, 4)), "b": rng.normal(size=(3, 2)) - 2, "c": rng.normal(size=30)}
    for density in (0.25, 0.5, 1.0):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", prune.FloorApplied)
            kept = best(scores, density, floor=floor)
        wanted = literal_best(scores, round(density * 56), floor)
        for path in scores:
            np.testing.assert_array_equal(kept[path], wanted[path])


def test_an_empty_layer_is_refused_or_lifted_by_name() -> None:
    scores = {"big": np.arange(10.0) + 10, "small": np.arange(4.0)}
    with pytest.raises(ValueError, match="small would keep none of its 4 weights"):
        best(scores, 0.5)
    with pytest.warns(prune.FloorApplied, match="floor of 2 weights per layer lifted small$"):
        kept = best(scores, 0.5, floor=2)
    assert kept["small"].tolist() == [False, False, True, True] and kept["big"].sum() == 5
    with (
        pytest.warns(prune.FloorApplied, match="lifted small"),
        pytest.raises(ValueError, match="the floors keep 8 weights and the density 7"),
    ):
        best(scores, 0.5, floor=4)
    with pytest.raises(ValueError, match="the scores of big are not finite"):
        best({"big": np.array([1.0, np.nan])}, 0.5)
    with pytest.raises(ValueError, match="floor is -1"):
        best(scores, 0.5, floor=-1)


def test_what_is_gone_does_not_come_back_for_a_floor_or_a_density() -> None:
    """Two of "a" and one of "b" are left; the density would keep 4, the floor 2 of each."""
    gone = {"a": np.array([3.0, 1.0, -np.inf]), "b": np.array([2.0, -np.inf, -np.inf])}
    for scope in ("global", "layer"):
        kept = best(gone, 4 / 6, floor=2, scope=scope, tell=False)  # type: ignore[arg-type]
        assert kept["a"].tolist() == [True, True, False] and kept["b"].tolist() == [True, False, False]


@pytest.mark.parametrize("density", [0.0, -0.1, 1.5, float("nan")])
@pytest.mark.parametrize("name", list(prune.METHODS))
def test_densities_outside_the_range_are_refused_by_every_method(name: str, density: float) -> None:
    with pytest.raises(ValueError, match="need a number above 0 and at most 1"):
        prune.METHODS[name](mlp(4, 3, 2), density, batch=(np.ones((2, 4), np.float32), np.array([0, 1])))


def test_magnitude_compares_the_kernels_that_layers_apply() -> None:
    net = nets.ConvNet(2, 4, in_shape=(6, 6, 1), rngs=nnx.Rngs(0))
    for factor in (1.0, 100.0):  # the scale of v means nothing: the gain carries it
        net.conv2.v[...] = factor * net.conv2.v[...]
        mask = prune.magnitude(net, 0.3)
        kernels = {
            "conv1.v": net.conv1.kernel(), "conv2.v": net.conv2.kernel(), "dense.kernel": net.dense.kernel[...]
        }  # fmt: skip
        limit = np.sort(np.concatenate([np.abs(np.ravel(k)) for k in kernels.values()]))[::-1][round(0.3 * 720) - 1]
        for path, kernel in kernels.items():
            # One part in a million of slack: the kernel is computed in float32 on both sides, in another order.
            np.testing.assert_array_equal(masks.leaves(mask)[path], np.abs(kernel) >= limit * (1 - 1e-6))


def test_magnitude_by_layer_keeps_the_density_of_each() -> None:
    found = counts(prune.magnitude(mlp(20, 10, 5), 0.3, scope="layer"))
    assert found == {"dense1.bias": 10, "dense1.kernel": 60, "dense2.bias": 5, "dense2.kernel": 15}
    with pytest.raises(ValueError, match="scope is 'row'"):
        prune.magnitude(mlp(4, 2), 0.5, scope="row")  # type: ignore[arg-type]


def test_erk_densities_solve_their_equation() -> None:
    """Worked by hand at density 0.5: sizes 432, 4608, 18432, 640; Σ shape 25, 54, 102, 74.

    First ε = 0.5·24112/255 = 47.278; stem: 47.278·25/432 = 2.74 > 1 and dense: 47.278·74/640 = 5.47 > 1. Without
    both: ε = (12056 − 1072)/156 = 70.4103; conv .8251, last .3896.
    """
    found = prune.erk_densities(EXPECTED_SHAPES, 0.5)
    assert found == pytest.approx({"stem": 1, "conv": 0.825121, "last": 0.389640, "dense": 1}, rel=1e-5)
    for density in (0.02, 0.1, 0.3, 0.9, 1.0):
        p = prune.erk_densities(EXPECTED_SHAPES, density)
        sizes = {path: np.prod(shape) for path, shape in EXPECTED_SHAPES.items()}
        assert sum(p[path] * sizes[path] for path in p) == pytest.approx(density * 24112)
        assert max(p.values()) <= 1 + 1e-12
        ratio = {path: p[path] * sizes[path] / sum(EXPECTED_SHAPES[path]) for path in p if p[path] < 1 - 1e-12}
        assert not ratio or max(ratio.values()) == pytest.approx(min(ratio.values()))


def test_erk_of_grouped_kernels_by_their_own_shapes() -> None:
    """1 − p = 1 − ε·(n_in + n_out + kh + kw)/(n_in·n_out·kh·kw), n_in = channels/groups, as RigL's code has it.

    Depthwise (3, 3, 1, 8), sum 15 of 72; pointwise (1, 1, 8, 32), 42 of 256; four groups (3, 3, 8, 32), 46 of 2304. At
    density 0.3 of 2632 weights, 789.6: first ε = 789.6/103, the first two exceed 1; then ε = (789.6 − 72 − 256)/46.
    """
    model = nnx.Sequential(
        nnx.Conv(8, 8, (3, 3), feature_group_count=8, rngs=nnx.Rngs(0)),
        nnx.Conv(8, 32, (1, 1), rngs=nnx.Rngs(0)),
        nnx.Conv(32, 32, (3, 3), feature_group_count=4, rngs=nnx.Rngs(0)),
    )
    shapes = {path: leaf.shape for path, leaf in masks.leaves(masks.parameters(model)).items() if leaf.ndim == 4}
    assert list(shapes.values()) == [(3, 3, 1, 8), (1, 1, 8, 32), (3, 3, 8, 32)]
    found = prune.erk_densities(shapes, 0.3)
    assert list(found.values()) == pytest.approx([1, 1, (789.6 - 72 - 256) / 46 * 46 / 2304])
    kept = counts(prune.erk(model, 0.3))
    assert [kept[path] for path in shapes] == [72, 256, 462]


def test_erk_and_random_masks_meet_their_counts() -> None:
    shapes = {"stem": {"v": (3, 3, 1, 4), "g": (), "bias": (4,)}, "block": {"v": (3, 3, 4, 4), "g": (4,)}}
    shapes |= {"dense": {"kernel": (16, 10)}}
    net = {layer: {name: np.ones(shape) for name, shape in leaves.items()} for layer, leaves in shapes.items()}
    size = 36 + 144 + 160
    for density in (0.05, 0.1, 0.37):
        mask = prune.erk(net, density, seed=3)
        assert round(masks.density(mask) * size) == round(density * size)
        p = prune.erk_densities({path: masks.leaves(mask)[path].shape for path in masks.kernels(mask)}, density)
        for path, leaf in masks.leaves(mask).items():
            if path in p:
                assert abs(np.asarray(leaf).sum() - p[path] * leaf.size) <= 1
    again, other = prune.erk(net, 0.37, seed=3), prune.erk(net, 0.37, seed=4)
    assert masks.fingerprint(mask) == masks.fingerprint(again) != masks.fingerprint(other)
    flat = counts(prune.random(net, 0.25))
    assert flat["block.v"] == 36 and flat["dense.kernel"] == 40 and flat["stem.bias"] == 4
    with pytest.raises(ValueError, match=r"stem\.v would keep none of its 36 weights"):
        prune.random(net, 0.01)


def test_n_of_m_in_every_group() -> None:
    net = mlp(12, 7, 5)
    mask = prune.n_of_m(net, 2, 4)
    for layer in ("dense1", "dense2"):
        kernel, keep = np.abs(getattr(net, layer).kernel[...]), np.asarray(mask[layer]["kernel"])
        for start in range(0, len(kernel), 4):
            group, kept = kernel[start : start + 4], keep[start : start + 4]
            assert (kept.sum(axis=0) == min(2, len(group))).all()
            assert all(
                group[kept[:, o], o].min() >= group[~kept[:, o], o].max(initial=0) for o in range(group.shape[1])
            )
    assert counts(prune.METHODS["n_of_m"](net, 0.5)) == counts(prune.n_of_m(net, 1, 2))
    for n, m in ((0, 4), (5, 4), (1.5, 2)):
        with pytest.raises(ValueError, match="n:m is"):
            prune.n_of_m(net, n, m)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="need a fraction n/m"):
        prune.METHODS["n_of_m"](net, 0.123456)


def test_rewinding_brings_the_start_back_under_the_mask() -> None:
    net = mlp(6, 4, 3)
    start = {path: np.array(leaf) for path, leaf in masks.leaves(masks.parameters(net)).items()}
    snapshot = masks.with_leaves(masks.parameters(net), start)
    net.dense1.kernel[...] = jnp.full((6, 4), 7.0)
    mask = prune.random(net, 0.5)
    assert prune.rewind(net, snapshot, mask) is net
    for path, leaf in masks.leaves(masks.parameters(net)).items():
        np.testing.assert_array_equal(leaf, np.where(masks.leaves(mask)[path], start[path], 0))


def test_rewinding_to_another_network_is_refused_by_its_first_path() -> None:
    net = mlp(6, 4, 3)
    with pytest.raises(ValueError, match=r"initial parameters do not fit the model at dense2\.bias: no such parameter"):
        prune.rewind(net, mlp(6, 4), prune.random(net, 0.5))
    with pytest.raises(ValueError, match=r"dense1\.bias: shape \(5,\) there, shape \(4,\) here"):
        prune.rewind(net, mlp(6, 5, 3), prune.random(net, 0.5))


def test_lottery_tickets_are_nested_and_start_where_the_network_did() -> None:
    net, seen = mlp(8, 6, 3), []
    start = np.array(net.dense1.kernel[...])

    def train(model: nets.MLP, mask: dict) -> None:
        seen.append(np.asarray(mask["dense1"]["kernel"]))
        inside = np.asarray(model.dense1.kernel[...])
        np.testing.assert_array_equal(inside, np.where(seen[-1], start, 0))
        grown = np.where(seen[-1], np.random.RandomState(len(seen)).randn(8, 6), 0).astype(np.float32)
        model.dense1.kernel[...] = jnp.asarray(grown)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", prune.FloorApplied)
        found = prune.lottery_ticket(net, train, 0.125, rounds=3, floor=1)
    assert len(seen) == 3 and seen[0].all()
    assert masks.density(found) == pytest.approx(0.125, abs=0.01)
    last = np.asarray(found["dense1"]["kernel"])
    assert not (seen[2] & ~seen[1]).any() and not (last & ~seen[2]).any() and last.sum() < seen[2].sum() < seen[1].sum()
    np.testing.assert_array_equal(net.dense1.kernel[...], np.where(last, start, 0))
    with pytest.raises(ValueError, match="rounds is 0"):
        prune.lottery_ticket(net, train, 0.5, rounds=0)


def test_every_method_says_what_it_is() -> None:
    for name, method in {**prune.METHODS, **nets.grow.METHODS}.items():
        assert method.name == name and method.summary
    assert {name for name, method in prune.METHODS.items() if method.data} == {"snip", "iterative_snip", "grasp"}
    with pytest.raises(ValueError, match="no weights to prune"):
        prune.magnitude({"bias": jnp.ones(3)}, 0.5)
