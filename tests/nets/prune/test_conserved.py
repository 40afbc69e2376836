"""SynFlow where its conservation law is at stake: norms, shifts by any name, frozen weights, what does not scale."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from sparsebounds.nets import masks, prune

R = nnx.Rngs(0)


def net(norm: Callable[[], object] | None = None, act: Callable = nnx.relu, dtype: object = None) -> nnx.Sequential:
    """Linear(16, 32), norm, activation, Linear(32, 32), norm, activation, Linear(32, 10)."""
    layers: list = []
    for index, width in enumerate((16, 32)):
        layers += [nnx.Linear(width, 32, dtype=dtype, rngs=nnx.Rngs(index)), *([norm()] if norm else []), act]
    return nnx.Sequential(*layers, nnx.Linear(32, 10, dtype=dtype, rngs=nnx.Rngs(2)))


def kernels(model: nnx.Sequential) -> list[np.ndarray]:
    return [np.abs(np.asarray(one.kernel[...], np.float64)) for one in model.layers if isinstance(one, nnx.Linear)]


def layer_norm() -> nnx.Module:
    return nnx.LayerNorm(32, rngs=R)


@pytest.mark.parametrize(
    "norm",
    [
        layer_norm,
        lambda: nnx.RMSNorm(32, rngs=R),
        lambda: nnx.GroupNorm(32, num_groups=4, rngs=R),
        lambda: nnx.LayerNorm(32, use_scale=False, use_bias=False, rngs=R),
    ],
)
def test_norms_are_read_as_their_gains(norm: Callable[[], nnx.Module]) -> None:
    """All gains are 1, so the scores are those of three matrices: R = 1ᵀ|A||B||C|1, of every layer."""
    model = net(norm)
    scores = list(prune.synflow_scores(model, in_shape=(16,)).values())
    a, b, c = kernels(model)
    into, out = np.ones(16) @ a, b @ c @ np.ones(10)
    np.testing.assert_allclose(scores[0], a * out, rtol=1e-6)
    np.testing.assert_allclose(scores[1], b * np.outer(into, c @ np.ones(10)), rtol=1e-6)
    assert [score.sum() for score in scores] == pytest.approx([into @ out] * 3, rel=1e-6)
    mask = prune.synflow(model, 0.3, in_shape=(16,))
    kept = [int(leaf.sum()) for path, leaf in masks.leaves(mask).items() if path.endswith("kernel")]
    assert min(kept) > 50 and sum(kept) == round(0.3 * (512 + 1024 + 320))
    flat = np.concatenate([np.asarray(leaf).ravel() for leaf in masks.leaves(mask).values() if leaf.ndim == 2])
    plain = masks.leaves(prune.synflow(net(), 0.3, in_shape=(16,))).values()
    np.testing.assert_array_equal(flat, np.concatenate([np.asarray(leaf).ravel() for leaf in plain if leaf.ndim == 2]))


def test_a_gain_scales_the_flow_by_its_absolute_value() -> None:
    model = net(layer_norm)
    model.layers[1].scale[...] = -2 * jnp.arange(32.0)
    a, b, c = kernels(model)
    flow = ((np.ones(16) @ a) * 2 * np.arange(32)) @ b @ c @ np.ones(10)
    scores = prune.synflow_scores(model, in_shape=(16,))
    assert [score.sum() for score in scores.values()] == pytest.approx([flow] * 3, rel=1e-6)


class Attentive(nnx.Module):
    """Tokens that are all alike, as those of an image of ones."""

    in_shape = (6, 8)

    def __init__(self) -> None:
        self.attention = nnx.MultiHeadAttention(2, 8, decode=False, rngs=nnx.Rngs(1))
        self.head = nnx.Linear(8, 3, rngs=nnx.Rngs(2))

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.head((x + self.attention(x)).mean(axis=1))


def test_layers_without_a_flow_are_refused_unless_they_stay_whole() -> None:
    """A softmax of equal numbers does not depend on queries and keys; behind a layer of zeros there is nothing."""
    model, silent = Attentive(), ("attention.key.kernel", "attention.query.kernel")
    with pytest.raises(ValueError, match=rf"no flow goes through {', '.join(silent)}, so their scores are 0 or"):
        prune.synflow(model, 0.9)
    mask = masks.leaves(prune.synflow(model, 0.9, layout=dict.fromkeys(silent, "gain")))
    assert all(mask[path].all() for path in silent) and not mask["attention.value.kernel"].all()
    stopped = net()
    stopped.layers[2].kernel[...] = 0 * stopped.layers[2].kernel[...]
    with pytest.raises(ValueError, match="sum to 0; need a number above 0"):
        prune.synflow(stopped, 0.9, in_shape=(16,))


class Rms(nnx.Module):
    """A norm that says nothing of itself."""

    def __call__(self, x: jax.Array) -> jax.Array:
        return x / jnp.sqrt(jnp.mean(x * x, axis=-1, keepdims=True))


@pytest.mark.parametrize(("norm", "act"), [(Rms, nnx.relu), (None, lambda x: jnp.tanh(20 * x)), (None, nnx.sigmoid)])
def test_what_does_not_scale_is_refused(norm: Callable | None, act: Callable) -> None:
    with pytest.raises(ValueError, match=r"SynFlow says nothing.*the scores of layers\.\d\.kernel sum to.*snip"):
        prune.synflow(net(norm, act), 0.3, in_shape=(16,))


def test_what_scales_roughly_is_told() -> None:
    model = net(act=nnx.gelu)
    model.layers[0].kernel[...] = 0.1 * model.layers[0].kernel[...]  # near 0 GELU is half of what it is far out
    with pytest.warns(prune.NotConserved, match="not conserved here: the scores of layers"):
        mask = prune.synflow(model, 0.3, in_shape=(16,))
    assert masks.density(mask) == pytest.approx(0.3, abs=1e-3)


class Shifted(nnx.Module):
    """x @ w plus a shift by any name."""

    def __init__(self, n_in: int, n_out: int, name: str, said: str) -> None:
        rng = np.random.RandomState(n_in)
        self.w = nnx.Param(jnp.asarray(rng.randn(n_in, n_out), jnp.float32))
        setattr(self, name, nnx.Param(jnp.full(n_out, 50.0)))
        self.name, self.said = name, {"w": "in out", name: said}

    def layouts(self) -> dict[str, str]:
        return self.said

    def __call__(self, x: jax.Array) -> jax.Array:
        return x @ self.w + getattr(self, self.name)


def test_a_shift_counts_as_zero_by_what_it_is_said_to_be() -> None:
    for name in ("bias", "b"):
        model = nnx.Sequential(Shifted(4, 6, name, "bias"), nnx.relu, Shifted(6, 3, name, "bias"))
        one, two = (np.abs(np.asarray(model.layers[i].w[...], np.float64)) for i in (0, 2))
        scores = prune.synflow_scores(model, in_shape=(4,))
        np.testing.assert_allclose(scores["layers.0.w"], one * (two @ np.ones(3)), rtol=1e-6)
    wrong = nnx.Sequential(Shifted(4, 6, "b", "gain"), nnx.relu, Shifted(6, 3, "b", "gain"))
    with pytest.raises(ValueError, match="declare what is added as 'bias'"):
        prune.synflow(wrong, 0.5, in_shape=(4,))


class Frozen(nnx.Module):
    """A signed matrix that is no parameter, then a head."""

    def __init__(self) -> None:
        self.base = nnx.Variable(jnp.asarray(np.random.RandomState(0).randn(4, 6), jnp.float32))
        self.head = nnx.Linear(6, 3, rngs=R)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.head(nnx.relu(x @ self.base[...]))


def test_frozen_weights_count_as_absolute() -> None:
    model = Frozen()
    into = np.abs(np.asarray(model.base[...], np.float64)).sum(axis=0)
    scores = prune.synflow_scores(model, in_shape=(4,))["head.kernel"]
    np.testing.assert_allclose(scores, np.abs(model.head.kernel[...]) * into[:, None], rtol=1e-6)


def test_layers_of_half_precision_are_scored_in_full() -> None:
    wanted = prune.synflow_scores(net(), in_shape=(16,))
    for path, score in prune.synflow_scores(net(dtype=jnp.bfloat16), in_shape=(16,)).items():
        np.testing.assert_allclose(score, wanted[path], rtol=1e-12)


def test_sizes_of_complex_weights() -> None:
    """|1|, |5i|, |0.2|, |3i|: the two imaginary ones are the largest."""
    tree = {"kernel": jnp.array([[1, 5j], [0.2, 3j]])}
    assert prune.magnitude(tree, 0.5)["kernel"].tolist() == [[False, True], [False, True]]
    assert prune.n_of_m(tree, 1, 2)["kernel"].tolist() == [[True, True], [False, False]]


def test_kernels_under_a_wrapper_that_normalises_are_not_compared() -> None:
    model = nnx.Sequential(nnx.SpectralNorm(nnx.Linear(4, 6, rngs=R), rngs=R), nnx.Linear(6, 4, rngs=R))
    for act in (
        lambda: prune.magnitude(model, 0.5),
        lambda: prune.n_of_m(model, 1, 2),
        lambda: prune.synflow(model, 0.5, in_shape=(4,)),
    ):
        with pytest.raises(
            ValueError, match=r"layers\.0\.layer_instance\.kernel is normalised by the nnx\.SpectralNorm"
        ):
            act()
    assert masks.density(prune.erk(model, 0.5)) == 0.5


def test_more_than_within_keeps_is_refused() -> None:
    tree = {"a": {"kernel": np.arange(1.0, 101).reshape(10, 10)}}
    within = prune.random(tree, 0.3)
    for scope, where in (("global", ""), ("layer", " in a.kernel")):
        with pytest.raises(ValueError, match=f"asks for 60 weights{where}, and the masks given as within keep 30"):
            prune.magnitude(tree, 0.6, scope=scope, within=within)  # type: ignore[arg-type]
    assert masks.density(prune.magnitude(tree, 0.2, within=within)) == 0.2
