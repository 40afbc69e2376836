"""Priors and draws: ratios against densities in literal NumPy, the law of the draw, what is refused."""

import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.stats import kstest, norm

from sparsebounds import bounds
from sparsebounds.bounds.certificates.distance import LowRank, Subspace
from sparsebounds.bounds.certificates.distance.prior import GRID

ZERO = {"w": np.zeros((2, 2), np.float32), "b": np.zeros(2, np.float32)}
NAMES = ("b", "w")
Prior, draw = bounds.Prior, bounds.draw


def replayed(prior, mean, **options):
    """A draw and its w in float64, from the seed alone."""
    drawn = draw(prior, mean, **options)
    again = draw(prior, mean, **options, seed=drawn.seed)
    assert again.fingerprint == drawn.fingerprint and again.log_ratio == drawn.log_ratio
    assert again.replayed and not drawn.replayed
    return drawn


def moved(shift):
    return {name: leaf + np.float32(shift) for name, leaf in ZERO.items()}


def log_density(w, mean, spread):
    return sum(float(norm.logpdf(w[n], mean[n], spread if np.isscalar(spread) else spread[n]).sum()) for n in NAMES)


def weights(drawn, mean, spread):
    """What was drawn, before the cast: mean + spread · ε."""
    rng = np.random.default_rng(drawn.seed)
    noise = {name: rng.standard_normal(ZERO[name].size).reshape(ZERO[name].shape) for name in NAMES}
    w = {n: mean[n].astype(float) + (spread if np.isscalar(spread) else spread[n]) * noise[n] for n in NAMES}
    for name in NAMES:
        assert np.abs(drawn.params[name] - w[name]).max() <= 1e-7 * max(1.0, np.abs(w[name]).max())
    return w


def test_a_mixture_over_factors_is_the_mixture_of_densities():
    prior = Prior(ZERO, 1.0, factors=(0.5, 1.0, 1.5))
    drawn = replayed(prior, moved(0.4), factor=1.5)
    w = weights(drawn, moved(0.4), 1.5)
    mixed = np.logaddexp.reduce([log_density(w, ZERO, c) for c in (0.5, 1.0, 1.5)]) - math.log(3)
    assert drawn.log_ratio == pytest.approx(log_density(w, moved(0.4), 1.5) - mixed, rel=1e-9)
    assert prior.nats == math.log(3) == drawn.nats_of_prior


def test_a_factor_for_every_leaf_is_a_product_of_mixtures():
    scales = {"w": np.full((2, 2), 0.3), "b": 2.0}
    prior = Prior(ZERO, scales, factors=(1.0, 3.0), each=True)
    drawn = replayed(prior, moved(0.4), factor={"w": 3.0, "b": 1.0})
    spread = {"w": 0.9, "b": 2.0}
    w, expected = weights(drawn, moved(0.4), spread), 0.0
    for name, scale in (("w", 0.3), ("b", 2.0)):
        own = norm.logpdf(w[name], moved(0.4)[name], spread[name]).sum()
        both = [norm.logpdf(w[name], 0.0, c * scale).sum() for c in (1.0, 3.0)]
        expected += own - (np.logaddexp(*both) - math.log(2))
    assert drawn.log_ratio == pytest.approx(expected, rel=1e-9)


def test_own_spreads_and_the_data_free_grid():
    """R = log of N(mean, t²) over the product over arrays of the mean of 128 Gaussians around 0."""
    spread, mean = {"w": np.full((2, 2), 0.1), "b": np.array([0.2, 0.3])}, moved(0.7)
    prior = bounds.Prior.data_free(ZERO)
    drawn = replayed(prior, mean, spread=spread)
    w = weights(drawn, mean, spread)
    prior_density = sum(
        np.logaddexp.reduce([norm.logpdf(w[name], 0.0, c).sum() for c in GRID]) - math.log(128) for name in NAMES
    )
    assert drawn.log_ratio == pytest.approx(log_density(w, mean, spread) - prior_density, rel=1e-9)
    assert drawn.log_ratio < sum(
        norm.logpdf(w[n], mean[n], spread[n]).sum() - max(norm.logpdf(w[n], 0.0, c).sum() for c in GRID) + math.log(128)
        for n in NAMES
    )  # the mixture is cheaper than its best component with the whole price


def test_a_data_free_prior_around_the_initialisation():
    prior = bounds.Prior.data_free(ZERO, center=moved(1.0), grid=(0.5, 1.0))
    drawn = replayed(prior, moved(1.2), spread=0.2)
    w = weights(drawn, moved(1.2), 0.2)
    density = sum(np.logaddexp(*[norm.logpdf(w[n], 1.0, c).sum() for c in (0.5, 1.0)]) - math.log(2) for n in NAMES)
    assert drawn.log_ratio == pytest.approx(log_density(w, moved(1.2), 0.2) - density, rel=1e-9)


def test_which_layers_move_costs_log_2_each():
    prior = Prior(ZERO, 0.5, factors=(0.0, 1.0), each=True)
    mean = {"w": ZERO["w"] + np.float32(0.5), "b": ZERO["b"]}
    drawn = draw(prior, mean, factor={"w": 1.0, "b": 0.0})
    assert np.array_equal(drawn.params["b"], ZERO["b"])
    noise = np.random.default_rng(drawn.seed).standard_normal(4)
    assert drawn.log_ratio == pytest.approx(4 * 0.5 + float(noise.sum()) + 2 * math.log(2), rel=1e-9)


def test_the_reference_itself_is_an_atom():
    drawn = draw(Prior(ZERO, 0.5, factors=(0.0, 1.0)), ZERO, factor=0.0)
    assert drawn.log_ratio == math.log(2) and np.array_equal(drawn.params["w"], ZERO["w"])


def test_half_space_has_the_ratio_it_was_given_and_the_law_of_the_prior_beyond_t():
    """Budget 10: t = 3.91, mean 4.14 along the direction; the rest is as under the prior."""
    prior, mean = Prior(ZERO, 0.5), moved(0.1)
    direction = np.full(6, 1 / math.sqrt(6))
    v = []
    for seed in range(2000):
        drawn = draw(prior, mean, nats=10.0, seed=seed)
        assert drawn.log_ratio == 10.0
        v.append(np.concatenate([drawn.params[n].reshape(-1) for n in NAMES]) / 0.5)
    along = np.array(v) @ direction
    t = -norm.ppf(math.exp(-10.0))
    assert t == pytest.approx(3.914, abs=1e-3) and along.min() >= t - 1e-6
    assert along.mean() == pytest.approx(math.exp(10.0) * norm.pdf(t), abs=0.02)
    assert math.exp(10.0) * norm.pdf(t) == pytest.approx(4.14, abs=0.01)
    assert kstest(norm.sf(along) / norm.sf(t), "uniform").pvalue > 1e-3
    across = np.array(v) - np.outer(along, direction)
    assert kstest((across[:, 0] - across[:, 1]) / math.sqrt(2), "norm").pvalue > 1e-3


def test_half_space_pays_for_its_factors_inside_the_same_nats():
    prior = Prior(ZERO, 0.5, factors=(1.0, 2.0))
    inside = [
        np.concatenate([draw(prior, moved(0.1), nats=5.0, factor=2.0, seed=s).params[n].reshape(-1) for n in NAMES])
        for s in range(400)
    ]
    t = -norm.ppf(math.exp(-5.0) * 2)
    assert (np.array(inside) @ np.full(6, 1 / math.sqrt(6))).min() >= t - 1e-6
    with pytest.raises(ValueError, match=r"above 0\.6931, which the choice of factors costs"):
        draw(prior, moved(0.1), nats=0.5, factor=1.0)


def test_gaussian_ratios_average_to_one():
    """E_Q e^(−R) = 1, for own spreads too (wide ones: of narrow ones the mean converges slowly)."""
    for prior, options in (
        (Prior(ZERO, 0.5), {}),
        (Prior(ZERO, 0.5), {"spread": 0.55}),
        (Prior(ZERO, 0.5, factors=(1.0, 1.4)), {"factor": 1.4}),
    ):
        found = [math.exp(-draw(prior, moved(0.1), **options).log_ratio) for _ in range(4000)]
        assert np.mean(found) == pytest.approx(1.0, abs=5 * np.std(found) / math.sqrt(4000))


def test_the_seed_has_128_bits_and_is_new_each_time():
    seeds = {draw(Prior(ZERO, 1.0), ZERO).seed for _ in range(20)}
    assert len(seeds) == 20 and max(seeds).bit_length() > 120


def test_a_flax_state_keeps_its_tree_and_a_file_gives_it_back(tmp_path):
    model = nnx.Sequential(nnx.Linear(3, 4, rngs=nnx.Rngs(0)), nnx.relu, nnx.Linear(4, 2, rngs=nnx.Rngs(1)))
    definition, state = nnx.split(model)
    x = np.ones((2, 3), np.float32)
    marks = bounds.sample.fingerprints(x)
    prior = Prior(state, 0.1, shaped_by=marks, saw="two images", own_errors=(1, 9))
    drawn = draw(prior, state)
    scores = nnx.merge(definition, drawn.params)(x)
    drawn.save(tmp_path / "draw.npz")
    again = bounds.Draw.load(tmp_path / "draw.npz", like=state)
    assert np.array_equal(nnx.merge(definition, again.params)(x), scores)
    assert again.log_ratio == drawn.log_ratio and again.seed == drawn.seed and again.layers == drawn.layers
    assert np.array_equal(again.prior.shaped_by, marks) and again.prior.own_errors == (1, 9)
    plain = bounds.Draw.load(tmp_path / "draw.npz")
    assert np.array_equal(plain.params["layers"]["0"]["kernel"], drawn.params["layers"][0]["kernel"][...])
    with pytest.raises(ValueError, match="the leaf"):
        bounds.Draw.load(tmp_path / "draw.npz", like={"w": np.ones(2)})


def test_a_file_with_other_weights_is_refused(tmp_path):
    drawn = draw(Prior(ZERO, 1.0), ZERO)
    drawn.save(tmp_path / "draw.npz")
    arrays = dict(np.load(tmp_path / "draw.npz"))
    arrays["params.0"] = arrays["params.0"] + np.float32(1e-6)
    np.savez(tmp_path / "other.npz", **arrays)
    with pytest.raises(ValueError, match="not those that were drawn"):
        bounds.Draw.load(tmp_path / "other.npz")
    drawn.params["w"][0, 0] += np.float32(1.0)
    with pytest.raises(ValueError, match="changed since the draw"):
        drawn.save(tmp_path / "draw.npz")


@pytest.mark.parametrize("nats", [None, 3.0])
def test_a_file_states_what_its_seed_draws(tmp_path, nats):
    """Not only the weights: the log ratio, the posterior and the prior that stand beside them."""
    drawn = draw(Prior(ZERO, {"w": 0.5, "b": 2.0}, factors=(0.5, 1.0)), moved(0.4), nats=nats, factor=0.5)
    drawn.save(tmp_path / "draw")  # .npz is added
    arrays = dict(np.load(tmp_path / "draw.npz"))
    assert bounds.Draw.load(tmp_path / "draw.npz").log_ratio == drawn.log_ratio
    stated = json.loads(str(arrays["stated"]))

    def refused(says, **changed):
        np.savez(tmp_path / "other.npz", **(arrays | changed))
        with pytest.raises(ValueError, match=says):
            bounds.Draw.load(tmp_path / "other.npz")

    def said(**changed):
        return np.array(json.dumps(stated | changed))

    assert [path.name for path in tmp_path.iterdir()] == ["draw.npz"]
    refused("log ratio", stated=said(log_ratio=-5.0))
    refused("log ratio" if nats is None else "is not what its seed draws", stated=said(seed="1" * 32))
    refused("log ratio" if nats is None else "is not what its seed draws", **{"scales.1": arrays["scales.1"] * 2})
    refused("holds no whole draw", stated=said(chosen={}, layers=None))
    refused("format 9", stated=said(format=9))


@pytest.mark.parametrize("content", [b"", b"hello", None])
def test_half_a_file_is_refused_in_one_sentence(tmp_path, content):
    place = tmp_path / "draw.npz"
    draw(Prior(ZERO, 1.0), ZERO).save(place)
    place.write_bytes(place.read_bytes()[:900] if content is None else content)
    with pytest.raises(ValueError, match=r"holds no whole draw|Cannot load file|pickle"):
        bounds.Draw.load(place)
    np.savez(place, a=1)
    with pytest.raises(ValueError, match="holds no whole draw"):
        bounds.Draw.load(place)


def test_the_prior_does_not_follow_later_changes():
    reference = {"w": np.zeros(3, np.float32)}
    prior = Prior(reference, 1.0)
    reference["w"] += 1.0
    assert prior.leaves["w"].tolist() == [0.0, 0.0, 0.0] == prior.reference["w"].tolist()
    with pytest.raises(ValueError, match="read-only"):
        prior.reference["w"] += 1.0


def test_subspace_and_adapter():
    basis = {"w": np.eye(4, 3, dtype=np.float32).reshape(2, 2, 3), "b": np.zeros((2, 3), np.float32)}
    space = Subspace(ZERO, basis)
    assert space.coordinates(space.decode(np.array([1.0, 2.0, 3.0], np.float32))).tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(ValueError, match="outside the subspace"):
        space.coordinates(moved(1.0))
    f = space.through(lambda params, x: x @ params["w"])
    drawn = draw(Prior({"v": np.zeros(3, np.float32)}, 1.0), {"v": np.ones(3)})
    v = drawn.params["v"]
    assert np.allclose(f(drawn.params, np.eye(2, dtype=np.float32)), [[v[0], v[1]], [v[2], 0.0]])
    big = {"w": np.ones((2, 4, 6), np.float32), "b": np.ones(6, np.float32)}
    adapter = LowRank(big, rank=1)
    assert all(np.array_equal(adapter.decode(adapter.start)[n], big[n]) for n in NAMES)
    assert sum(part.size for part in adapter.start["w"].values()) == 14


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Prior({"w": np.zeros(2, np.float16)}, 1.0), "is float16; needed float32"),
        (lambda: Prior({"w": np.array([np.nan], np.float32)}, 1.0), "not finite"),
        (lambda: Prior(ZERO, {"w": 1.0}), "the leaf b is missing in the scales"),
        (lambda: Prior(ZERO, {"w": 1.0, "b": 1.0, "c": 1.0}), "the leaf c stands only in the scales"),
        (lambda: Prior(ZERO, {"w": np.ones(3), "b": 1.0}), r"has shape \(3,\); the reference has \(2, 2\)"),
        (lambda: Prior(ZERO, -1.0), "finite and at least 0"),
        (lambda: Prior(ZERO, math.nan), "finite and at least 0"),
        (lambda: Prior(ZERO, 1.0, factors=()), "at least one"),
        (lambda: Prior(ZERO, 1.0, factors=(1.0, 1.0)), "different"),
        (lambda: Prior({}, 1.0), "no leaves"),
        (lambda: Prior({"k": jax.random.key(0)}, 1.0), "is a random key; give the weights alone"),
        (lambda: Prior({"w": np.array(["a"])}, 1.0), "needed an array of numbers"),
        (lambda: Prior({"n": np.ones(2, int)}, 1.0), "whole numbers; give it the scale 0"),
        (lambda: Prior(ZERO, 1.0, own_errors=(3, 2)), "own_errors"),
        (lambda: Prior(ZERO, 1.0, own_unused=True), "without own_errors"),
        (lambda: Prior(ZERO, 1.0, shaped_by=np.arange(3)), "are no fingerprints"),
        (lambda: bounds.Prior.data_free({"n": np.ones(2, int)}), "needed float32 weights alone"),
        (lambda: draw(Prior(ZERO, 1.0), {"w": ZERO["w"]}), "the leaf b is missing in the mean"),
        (lambda: draw(Prior(ZERO, 1.0), moved(math.nan)), "mean has numbers that are not finite"),
        (lambda: draw(Prior(ZERO, {"w": 1.0, "b": 0.0}), moved(1.0)), "leaf b moved where the scale is 0"),
        (lambda: draw(Prior(ZERO, 1.0, factors=(0.0, 1.0)), moved(1.0), factor=0.0), "moved where the scale"),
        (lambda: draw(Prior(ZERO, 1.0, factors=(1.0, 2.0)), ZERO), "neither factor nor spread .* one of 1, 2, or"),
        (lambda: draw(Prior(ZERO, 1.0, factors=(1.0, 2.0)), ZERO, factor=1.5), "none of the prior's"),
        (lambda: draw(Prior(ZERO, 1.0, each=True), ZERO, factor={"w": 1.0}), "one for each of"),
        (lambda: draw(Prior(ZERO, 1.0), ZERO, spread=0.0), "finite and positive"),
        (lambda: draw(Prior(ZERO, 1.0), ZERO, nats=3.0), "names no direction"),
        (lambda: draw(Prior(ZERO, 1.0), moved(1.0), nats=-3.0), "needed a finite number above 0"),
        (lambda: draw(Prior(ZERO, 1.0), moved(1.0), nats=3.0, spread=1.0), "both given"),
        (lambda: LowRank(ZERO, 0), "rank is 0"),
        (lambda: Prior(ZERO, 1.0, own_errors=3), "own_errors=3"),
        (lambda: Prior(ZERO, 1.0, own_errors=(1.5, 3)), "own_errors"),
        (lambda: Prior(ZERO, 1.0, factors=None), "factors=None"),
        (lambda: Prior(ZERO, 1.0, factors=2.0), "factors=2.0"),
        (lambda: Prior(moved(1.0), 1.0, centre="zero"), "zero is 0 everywhere"),
        (lambda: Prior(ZERO, 1.0, centre="none"), "centre='none'"),
        (lambda: Prior(ZERO, jax.tree.map(lambda a: jnp.ones(a.shape, jnp.bfloat16), ZERO)), "are bfloat16; needed"),
        (lambda: draw(Prior(ZERO, 1.0), ZERO, seed=-1), "seed=-1"),
        (lambda: draw(Prior(ZERO, 1.0), ZERO, seed=1.5), "seed=1.5"),
        (lambda: draw(ZERO, ZERO), "prior is a dict; needed a bounds.Prior"),
        (lambda: draw(Prior(ZERO, 1e-300), moved(1.0)), "too many scales away"),
        (lambda: draw(Prior(ZERO, 1e-300), moved(1.0), nats=3.0), "too many scales away"),
        (lambda: draw(Prior(ZERO, 1e-300), ZERO, spread=1.0), "log ratio of this draw is .*; needed a nearer mean"),
        (lambda: draw(Prior(ZERO, 1.0), jax.tree.map(lambda a: jnp.full(a.shape, jnp.nan, jnp.bfloat16), ZERO)),
         "not finite"),
    ],
)  # fmt: skip
def test_what_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_a_frozen_leaf_stays_and_costs_nothing():
    tree = {"w": np.ones(3, np.float32), "count": np.arange(2)}
    drawn = draw(Prior(tree, {"w": 0.1, "count": 0.0}), tree)
    assert np.array_equal(drawn.params["count"], tree["count"]) and drawn.params["count"].dtype == tree["count"].dtype
    assert drawn.log_ratio == 0.0
    half = {"w": np.array([0.1, 0.0, 0.1]), "count": 0.0}
    drawn = draw(Prior(tree, half), tree | {"w": np.array([1.1, 1.0, 1.0], np.float32)})
    assert drawn.params["w"][1] == 1.0 and drawn.layers["w"].moving == 2
