"""Channels of layers that people build: transposed convolutions, batch norm, and what cannot be cut is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from sparsebounds import nets
from sparsebounds.nets import grow, masks, prune
from sparsebounds.nets.grow.channel_scores import SCORES, by_channel
from sparsebounds.nets.masks import removal
from sparsebounds.nets.masks.layout import Layout

X = jnp.asarray(np.random.RandomState(0).randn(3, 4, 4, 2).astype(np.float32))


class Net(nnx.Module):
    """Transposed convolution, a norm over `kind`, convolution, pooling, dense layer of two axes of outputs."""

    def __init__(self, kind: str = "batch", rngs: nnx.Rngs | None = None) -> None:
        rngs = rngs or nnx.Rngs(0)
        self.up = nnx.ConvTranspose(2, 5, (2, 2), transpose_kernel=True, rngs=rngs)
        norms = {"batch": nnx.BatchNorm, "layer": nnx.LayerNorm, "rms": nnx.RMSNorm}
        self.norm = norms[kind](5, rngs=rngs)
        self.conv = nnx.Conv(5, 4, (3, 3), rngs=rngs)
        self.head = nnx.LinearGeneral(4, (3, 2), rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.relu(self.norm(self.up(x)))
        return self.head(jnp.mean(nnx.relu(self.conv(x)), axis=(1, 2))).reshape(x.shape[0], -1)

    def channels(self) -> tuple[nets.Channels, ...]:
        bias = ("norm.bias",) if hasattr(self.norm, "bias") else ()
        return (
            nets.Channels(
                "up", self.norm.num_features, ("up.kernel", "up.bias", "norm.scale", *bias), "conv.kernel", 2
            ),
            nets.Channels("conv", self.conv.kernel.shape[-1], ("conv.kernel", "conv.bias"), "head.kernel", 0),
        )


def evaluated(kind: str = "batch") -> Net:
    net = Net(kind)
    if kind == "batch":
        net.norm.mean[...] = jnp.arange(5.0) / 10
        net.norm.var[...] = 1 + jnp.arange(5.0)
    net.eval()
    return net


def test_channels_of_a_transposed_convolution_under_batch_norm() -> None:
    """Channels 1 and 3 of the first are read by nobody, channel 0 of the second is always zero: same scores without."""
    net = evaluated()
    net.conv.kernel[...] = net.conv.kernel[...].at[:, :, jnp.array([1, 3])].set(0.0)
    net.conv.kernel[...] = net.conv.kernel[...].at[..., 0].set(0.0)
    net.conv.bias[...] = net.conv.bias[...].at[0].set(0.0)
    scores = net(X)
    assert {layer: here.tolist() for layer, here in removal.alive_channels(net).items()} == {
        "up": [True, False, True, False, True], "conv": [False, True, True, True]
    }  # fmt: skip
    small, _ = removal.remove(net, x=X)
    assert small.up.kernel.shape == (2, 2, 3, 2) and small.conv.kernel.shape == (3, 3, 3, 3)
    assert small.head.kernel.shape == (3, 3, 2) and small.head.in_features == (3,)
    assert (small.up.out_features, small.conv.in_features, small.norm.num_features) == (3, 3, 3)
    np.testing.assert_allclose(small.norm.mean[...], [0, 0.2, 0.4])
    np.testing.assert_allclose(small(X), scores, rtol=1e-5, atol=1e-6)
    assert net.norm.mean.shape == (5,) and net.up.kernel.shape == (2, 2, 5, 2)
    np.testing.assert_array_equal(net(X), scores)
    assert masks.kernels(small).keys() == masks.kernels(net).keys()


def test_a_norm_keeps_a_channel_without_weights_alive() -> None:
    """Its output is the norm's bias, less a mean: not zero."""
    net = evaluated()
    net.up.kernel[...] = net.up.kernel[...].at[:, :, 2].set(0.0)
    net.up.bias[...] = net.up.bias[...].at[2].set(0.0)
    assert removal.alive_channels(net)["up"].all()
    net.norm.scale[...] = net.norm.scale[...].at[2].set(0.0)
    assert removal.alive_channels(net)["up"].tolist() == [True, True, False, True, True]


@pytest.mark.parametrize("kind", ["layer", "rms"])
def test_norms_over_channels_are_refused(kind: str) -> None:
    with pytest.raises(ValueError, match=r"channels of up cannot be removed: norm\.scale is of a (LayerNorm|RMSNorm)"):
        removal.remove(evaluated(kind))


R = nnx.Rngs(0)


class Small(nnx.Module):
    """Dense, something between, dense; unit 2 has no weights and no bias, or is read by nobody."""

    def __init__(self, between: object, unread: bool = False) -> None:
        self.a, self.b = nnx.Linear(4, 6, rngs=nnx.Rngs(0)), nnx.Linear(6, 3, rngs=nnx.Rngs(1))
        self.between = between
        if unread:
            self.b.kernel[...] = self.b.kernel[...].at[2].set(0.0)
        else:
            self.a.kernel[...] = self.a.kernel[...].at[:, 2].set(0.0)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.b(self.between(self.a(x)))  # type: ignore[operator]

    def channels(self) -> tuple[nets.Channels, ...]:
        return (nets.Channels("a", self.a.out_features, ("a.kernel", "a.bias"), "b.kernel", 0),)


DENSE_X = np.random.RandomState(0).randn(7, 4).astype(np.float32)


@pytest.mark.parametrize("act", [nnx.relu, jnp.tanh, nnx.gelu, nnx.leaky_relu])
def test_what_makes_nothing_of_nothing_lets_a_channel_go(act: object) -> None:
    net = Small(act)
    small, _ = removal.remove(net, x=DENSE_X)
    assert small.a.kernel.shape == (4, 5)
    np.testing.assert_allclose(small(DENSE_X), net(DENSE_X), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"Small does not say what an input is.*remove\(model, x=images\)"):
        removal.remove(net)


def plain(kind: type, **more: object) -> nnx.Module:
    return kind(6, use_scale=False, rngs=R, **more)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("between", "unread"),
    [
        (nnx.sigmoid, False),
        (nnx.softplus, False),
        (nnx.softmax, False),
        (nnx.softmax, True),
        (plain(nnx.LayerNorm, use_bias=False), False),
        (plain(nnx.RMSNorm), True),
        (plain(nnx.BatchNorm, use_bias=False, use_running_average=True), False),  # it would be called with 5 of 6
        (plain(nnx.GroupNorm, use_bias=False, num_groups=1), True),
    ],
)
def test_what_makes_something_of_nothing_does_not(between: object, unread: bool) -> None:
    net = Small(between, unread)
    for channels in (None, {"a": [2]}):
        with pytest.raises(
            ValueError, match=r"channels of a cannot be removed: (on random inputs|the smaller network)"
        ):
            removal.remove(net, channels, x=DENSE_X)


def test_chase_removes_the_channels_of_a_transposed_convolution() -> None:
    """Its outputs are the third axis: those with the smallest weights go and can be cut out. "up" is declared first and
    comes second in JAX's order."""
    net = evaluated()
    sizes = jnp.array([1.0, 1e-3, 1.0, 1e-4, 1.0])
    net.up.kernel[...] = net.up.kernel[...] * sizes[:, None]
    mask = prune.random(net, 0.6)
    params = masks.parameters(masks.apply(net, mask))
    rule = grow.Chase(every=2, until=4, channel_every=2, channel_until=2, channel_share=0.23, floor_share=0.5)
    tx = rule.around(optax.sgd(0.1), mask, net)
    slope = jax.tree.map(jnp.ones_like, params)
    updates, state = tx.update(slope, tx.init(params)._replace(step=jnp.int32(1)), params)
    assert state.alive["up"].tolist() == [True, False, True, False, True] and state.alive["conv"].all()
    now = {path: np.asarray(leaf) for path, leaf in masks.leaves(state.masks).items()}
    assert not now["up.kernel"][:, :, [1, 3]].any() and now["up.kernel"][:, :, [0, 2, 4]].any()
    assert not now["norm.scale"][[1, 3]].any() and not now["conv.kernel"][:, :, [1, 3]].any()
    masks.set_parameters(net, optax.apply_updates(params, updates))
    scores = net(X)
    small, cut = removal.remove(net, {"up": [1, 3]}, masks=state.masks, x=X)
    masks.check(small, cut)
    np.testing.assert_allclose(small(X), scores, rtol=1e-5, atol=1e-6)


def test_channel_scores_by_role() -> None:
    """A transposed kernel scores as its plain twin."""
    rng = np.random.RandomState(0)
    size, mask = jnp.asarray(np.abs(rng.randn(2, 3, 5, 4)).astype(np.float32)), jnp.asarray(rng.rand(2, 3, 5, 4) < 0.3)
    for score in SCORES.values():
        plain = [by_channel(leaf, Layout.of("window window in out")) for leaf in (size, mask)]
        turned = [by_channel(leaf.swapaxes(2, 3), Layout.of("window window out in")) for leaf in (size, mask)]
        np.testing.assert_allclose(score(*plain), score(*turned), rtol=1e-6)
        np.testing.assert_array_equal(score(*plain), score(size, mask))


class Told(nnx.Module):
    """Layers and what is said of their channels."""

    def __init__(self, said: nets.Channels, **layers: nnx.Module) -> None:
        self.said = said
        for name, layer in layers.items():
            setattr(self, name, layer)

    def channels(self) -> tuple[nets.Channels, ...]:
        return (self.said,)


DENSE = nnx.Linear(8, 3, rngs=R)


@pytest.mark.parametrize(
    ("said", "layers", "message"),
    [
        (("a", 4, ("a.kernel",), "b.kernel", 0), {"a": nnx.LinearGeneral(3, (2, 4), rngs=R)}, "lie on several axes"),
        (("a", 8, ("a.kernel",), "b.kernel", 0), {"a": nnx.Conv(4, 8, (3,), feature_group_count=2, rngs=R)}, "groups"),
        (("a", 5, ("a.kernel",), "b.kernel", 0), {"a": nnx.Linear(3, 8, rngs=R)}, "5 channels, a.kernel has 8"),
        (("a", 8, ("a.kernel",), "b.kernel", 1), {"a": nnx.Linear(3, 8, rngs=R)}, "by axis 1 of b.kernel"),
        (
            ("a", 8, ("a.kernel",), "c.kernel", 0),
            {"a": nnx.Linear(3, 8, rngs=R)},
            "name c.kernel, which is no parameter",
        ),
        (
            ("a", 8, ("a.kernel",), "b.kernel", 1),
            {"a": nnx.Linear(3, 8, rngs=R), "b": nnx.Conv(16, 2, (3,), feature_group_count=2, rngs=R)},
            "b.kernel reads them in groups",
        ),
    ],
)
def test_declared_channels_that_do_not_fit_are_refused(said: tuple, layers: dict, message: str) -> None:
    net = Told(nets.Channels(*said), **{"b": DENSE, **layers})
    for act in (
        lambda: removal.remove(net),
        lambda: grow.Chase().around(optax.sgd(0.1), prune.random(net, 0.5), net),
    ):
        with pytest.raises(ValueError, match=message):
            act()
