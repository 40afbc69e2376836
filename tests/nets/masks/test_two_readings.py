"""Where two readings fit, none is taken: names, stacks, groups, own modules. Each case was once a wrong mask."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx
from flax.core import freeze

from sparsebounds.nets import masks, prune, topology
from sparsebounds.nets.masks.names import by_name

R = nnx.Rngs(0)


class Own(nnx.Module):
    """Arrays of these shapes, and what is said of them."""

    def __init__(self, said: dict[str, str], **arrays: tuple[int, ...]) -> None:
        self.said = said
        for name, shape in arrays.items():
            setattr(self, name, nnx.Param(jnp.ones(shape)))

    def layouts(self) -> dict[str, str]:
        return self.said


class Ada(nnx.LayerNorm):
    """A norm with a kernel of its own."""

    def __init__(self) -> None:
        super().__init__(4, rngs=R)
        self.kernel = nnx.Param(jnp.ones((5, 4)))


class Masked(nnx.Module):
    """A convolution that multiplies its kernel by a mask."""

    def __init__(self) -> None:
        self.conv = nnx.Conv(2, 2, (3, 3), mask=jnp.ones((3, 3, 2, 2)).at[1:].set(0), rngs=R)


@pytest.mark.parametrize(
    ("shapes", "choices"),
    [
        ({"out.kernel": (3, 3, 16, 16), "out.bias": (16,)}, ["in in in out", "window window in out"]),
        ({"o_proj.kernel": (4, 8, 32), "o_proj.bias": (32,)}, ["in in out", "window in out"]),
        ({"up.kernel": (2, 2, 8, 8), "up.bias": (8,)}, ["window window in out", "window window out in"]),
        ({"blocks.Conv_0.kernel": (5, 3, 3, 8, 8), "Conv_0.kernel": (3, 3, 3, 8), "Conv_0.bias": (8,)}, ["stack wind"]),
        ({"Conv_0.kernel": (4, 4, 3, 8), "blocks.LayerNorm_0.scale": (5, 8)}, ["stack window", "window window"]),
        ({"b.local_conv.kernel": (4, 3, 8, 8), "b.local_conv.bias": (4, 8), "b.n.scale": (4, 8)}, ["stack window in"]),
        ({"b.Dense_0.kernel": (8, 8, 8), "b.Dense_0.bias": (8, 8), "Dense_0.kernel": (8, 3)}, ["stack in", "in stack"]),
        ({"block1": (3, 3, 4, 8), "block2": (3, 3, 8, 8)}, ["none of Flax's"]),
        ({"film.gamma": (3, 8)}, ["none of Flax's"]),
    ],
)
def test_names_with_two_readings(shapes: dict[str, tuple[int, ...]], choices: list[str]) -> None:
    own = by_name(shapes)[next(iter(shapes))]
    assert own.kind == "unknown"
    assert all(choice in own.reason for choice in choices)


@pytest.mark.parametrize(
    ("module", "path", "said"),
    [
        (Own({}, kernel=(4, 6)), "kernel", "Own is a module of its own: let it say so by a method layouts()"),
        (Own({}, alpha=(6, 4)), "alpha", "module of its own"),
        (Own({}, w_scale=(6, 4)), "w_scale", "module of its own"),
        (Ada(), "kernel", "Ada is a module of its own"),
        (Own({"w": "in out"}, w=(3, 3, 4, 5)), "w", 'names 2 axes; if these are stacks in front, say "stack* in out"'),
        (Masked(), "conv.kernel", "multiplies it by a mask of its own"),
        (nnx.Einsum("...a,...ab->...b", (3, 2), rngs=R), "kernel", "names no inputs and outputs"),
    ],
)
def test_modules_that_do_not_say(module: nnx.Module, path: str, said: str) -> None:
    own = masks.layouts(module)[path]
    assert own.kind == "unknown" and said in own.reason
    with pytest.raises(ValueError, match=rf"{path} has shape"):
        prune.magnitude(module, 0.5)


def test_misspelt_words_of_a_module_are_refused_and_a_parent_may_speak_for_its_children() -> None:
    with pytest.raises(ValueError, match=r"Own\.layouts\(\) names Kernel, which is no parameter.*those are kernel"):
        masks.layouts(Own({"Kernel": "out in"}, kernel=(4, 6)))
    with pytest.raises(ValueError, match=r"names w, which is no parameter of layers\.0"):
        masks.layouts(nnx.Sequential(Own({"w": "out in"}, kernel=(4, 6))))
    parent = Own({"inner.kernel": "out in"})
    parent.inner = Own({"kernel": "in out"}, kernel=(4, 6))
    assert masks.layouts(parent)["inner.kernel"].axes == ("out", "in")  # the outer word counts
    assert masks.layouts(Own({"w": "stack* in out"}, w=(3, 4, 5)))["w"].axes == ("stack", "in", "out")


def stacked(axis: int, use_bias: bool) -> nnx.Module:
    make = nnx.vmap(lambda rngs: nnx.Linear(4, 8, use_bias=use_bias, rngs=rngs), in_axes=0, out_axes=axis)
    return nnx.split_rngs(splits=4)(make)(nnx.Rngs(0))


def test_the_bias_tells_which_axis_is_the_stack() -> None:
    """Four Linear(4, 8): (4, 4, 8) either way; the biases are (4, 8) and (8, 4)."""
    for axis, wanted in ((0, ("stack", "in", "out")), (1, ("in", "stack", "out"))):
        assert masks.layouts(stacked(axis, True))["kernel"].axes == wanted
        with pytest.raises(ValueError, match="leave a choice where the stack is: 'stack in out', or 'in stack out'"):
            prune.n_of_m(stacked(axis, False), 1, 2)
    assert masks.layouts(stacked(2, False))["kernel"].axes == ("in", "out", "stack")


class Positions(nnx.Module):
    """Tables of positions by the names they have."""

    def __init__(self) -> None:
        self.tok, self.pos_embed, self.wpe = (nnx.Embed(n, 8, rngs=R) for n in (20, 6, 6))
        self.position_net = nnx.Linear(8, 8, rngs=R)


def test_tables_of_positions_are_whole() -> None:
    found = prune.magnitude(Positions(), 0.25, scope="layer")
    assert found["pos_embed"]["embedding"].all() and found["wpe"]["embedding"].all()
    assert int(found["tok"]["embedding"].sum()) == 40 and int(found["position_net"]["kernel"].sum()) == 16


def test_a_name_that_may_speak_of_positions_is_no_table_of_them() -> None:
    """Words of a part-of-speech tagger, and positive weights; `pos_embed` is a table where it is the module."""
    for path in ("pos_tagger.words.embedding", "word_pos.embedding", "pos_embed.inner.embedding"):
        own = by_name({path: (50, 8)})[path]
        assert own.kind == "unknown" and "say 'gain', or 'in out'" in own.reason
    for name in ("w_pos", "pos_weight", "pos_kernel"):
        assert by_name({name: (8, 8)})[name].kind == "unknown"
    for name in (
        "pos",
        "abs_pos",
        "rel_pos_h",
        "positions",
        "position_bias_table",
        "pos_embed_class",
        "encoder_pos_emb",
    ):
        assert by_name({name: (8, 8)})[name].kind == "gain"
    tagger = nnx.Sequential(nnx.Dict(pos_tagger=nnx.Dict(words=nnx.Embed(50, 8, rngs=R))))
    with pytest.raises(ValueError, match="its module may be one of positions"):
        prune.magnitude(tagger, 0.5)


def test_batch_dimensions_are_no_stack() -> None:
    """DenseGeneral(4, batch_dims=(0,)) on (3, 6) is one layer with three groups, in the shapes of a stack."""
    shapes = {"DenseGeneral_0.kernel": (3, 6, 4), "DenseGeneral_0.bias": (3, 4)}
    assert by_name(shapes)["DenseGeneral_0.kernel"].reason == "it may be 'group in out', 'stack in out'"


class Depthwise(nn.Module):
    """Sixteen convolutions side by side."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.Conv(16, (3, 3), feature_group_count=16)(x)


def test_groups_of_a_convolution_are_not_guessed() -> None:
    """Full masks: nine inputs for each of sixteen outputs, 144 nodes on the left; read as one group they were nine."""
    params = Depthwise().init(jax.random.key(0), jnp.ones((1, 4, 4, 16)))["params"]
    full = prune.random(params, 1.0)
    with pytest.raises(ValueError, match=r"Conv_0\.kernel is a convolution, and nothing says in how many groups"):
        topology.network_topology(full)
    (layer,) = topology.network_topology(full, layout={"Conv_0.kernel": "window window in out groups=16"})
    assert (layer.left, layer.right) == (144, 16)
    net = nnx.Sequential(nnx.Conv(16, 16, (3, 3), feature_group_count=16, rngs=R))
    mask = prune.random(net, 1.0)
    assert topology.network_topology(mask, layout=net)[0].left == 144
    with pytest.raises(ValueError, match=r"Sequential has no parameter bias, those are layers\.0\.bias.*whole tree"):
        topology.network_topology(mask["layers"][0], layout=net)


def test_a_mask_of_three_axes_needs_words() -> None:
    """(2, 2, 3) as a query: 2 inputs, 6 outputs; as a convolution 4 and 3."""
    mask = np.ones((2, 2, 3), bool)
    with pytest.raises(ValueError, match="may be a convolution's, 'window in out', or an attention's"):
        topology.ramanujan_gap(mask)
    query = topology.bipartite(mask, layout="in out out")
    assert (query.left, query.right) == (2, 6)


V, G = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([100.0, 100.0])
OTHER = {"v": np.array([[10.0, 20.0], [30.0, 45.0]]), "g": np.array([1.0, 1.0])}


@pytest.mark.parametrize("make", [dict, freeze, lambda tree: [tree["0"], tree["1"]], lambda t: (t["0"], t["1"])])
def test_v_beside_g_is_weight_normalised_where_somebody_says_so(make: object) -> None:
    """Kernels g·v/‖v‖: the columns of the first have norm 100, of the second 1, in every kind of container."""
    tree = make({"0": {"v": V, "g": G}, "1": OTHER})  # type: ignore[operator]
    with pytest.raises(ValueError, match=r"0\.g: beside v it may be the g of a weight normalisation.*'norm of v'"):
        prune.magnitude(tree, 0.5, floor=1)
    said = {f"{i}.{name}": text for i in "01" for name, text in (("v", "in out"), ("g", "norm of v"))}
    kept = masks.leaves(prune.magnitude(tree, 0.5, floor=0, layout={**said, "1.v": "in out"}, scope="layer"))
    assert kept["0.v"].tolist() == kept["1.v"].tolist() == [[False, False], [True, True]]
    applied = masks.leaves(masks.applied(tree, said))
    np.testing.assert_allclose(applied["0.v"], 100 * V / np.sqrt([10, 20]), rtol=1e-6)
    with pytest.warns(prune.FloorApplied, match=r"lifted 1\.v"):
        whole = masks.leaves(prune.magnitude(tree, 0.5, floor=1, layout=said))
    assert int(whole["0.v"].sum()) == 3 and int(whole["1.v"].sum()) == 1  # v alone would have kept the second


class Gated(nnx.Module):
    """Two kernels that are called v and g; or a kernel v and a scale g."""

    def __init__(self, gain: bool) -> None:
        rng = np.random.RandomState(0)
        self.v = nnx.Param(jnp.asarray(rng.randn(6, 6), jnp.float32))
        self.g = nnx.Param(jnp.asarray(rng.randn(6) if gain else rng.randn(6, 6), jnp.float32))
        self.said = {"v": "in out", "g": "gain" if gain else "in out"}

    def layouts(self) -> dict[str, str]:
        return self.said

    def __call__(self, x: jax.Array) -> jax.Array:
        return (x @ self.v) * (self.g[...] if self.g.ndim == 1 else jax.nn.sigmoid(x @ self.g))


@pytest.mark.parametrize("gain", [True, False])
def test_v_beside_g_is_what_its_module_says(gain: bool) -> None:
    """|v| of the stored v, and |w · ∂L/∂w| of the very function; two kernels of 36 or one."""
    net, count = Gated(gain), 18 if gain else 36
    size = np.abs(np.asarray(net.v[...]))
    top = size >= np.sort(size.ravel())[18]
    np.testing.assert_array_equal(prune.magnitude(net, 0.5, scope="layer")["v"], top)
    x, y = jnp.asarray(np.random.RandomState(1).randn(8, 6), jnp.float32), np.arange(8) % 6

    def loss(v: jax.Array, g: jax.Array) -> jax.Array:
        scores = (x @ v) * (g if gain else jax.nn.sigmoid(x @ g))
        return -jnp.mean(jax.nn.log_softmax(scores)[jnp.arange(8), y])

    slopes = jax.grad(loss, (0, 1))(net.v[...], net.g[...])
    scores = [np.abs(np.asarray(w[...] * s)) for w, s in zip((net.v, net.g), slopes, strict=True)][: 1 if gain else 2]
    found = prune.snip(net, 0.5, batch=(x, y))
    kept = [np.asarray(found[name]) for name in ("v", "g")][: len(scores)]
    inside = np.concatenate([s[k] for s, k in zip(scores, kept, strict=True)])
    outside = np.concatenate([s[~k] for s, k in zip(scores, kept, strict=True)])
    assert len(inside) == count and inside.min() >= outside.max()
