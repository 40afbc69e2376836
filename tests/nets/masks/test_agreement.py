"""One reading of a kernel for all: N:M, ERK, topology, statistics, SET, RigL, gradual pruning, weight normalisation."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from sparsebounds import nets
from sparsebounds.nets import grow, masks, prune, topology
from sparsebounds.nets.masks import statistics
from sparsebounds.nets.masks.layers import Layers
from sparsebounds.nets.masks.layout import Layout, from_tables, tables
from sparsebounds.nets.models.conv import WeightNormConv
from sparsebounds.nets.models.residual import ChannelNormConv


def stacked(make: object, count: int = 3) -> nnx.Module:
    build = nnx.vmap(lambda rngs: make(rngs), in_axes=0, out_axes=0)  # type: ignore[operator]
    return nnx.split_rngs(splits=count)(build)(nnx.Rngs(0))  # type: ignore[no-any-return]


def leaves(tree: object) -> dict[str, np.ndarray]:
    return {path: np.asarray(leaf) for path, leaf in masks.leaves(masks.parameters(tree)).items()}


@pytest.mark.parametrize(
    ("layer", "axes"),
    [
        (nnx.LinearGeneral(8, (2, 4), rngs=nnx.Rngs(0)), (0,)),
        (nnx.LinearGeneral((2, 4), 8, axis=(-2, -1), rngs=nnx.Rngs(0)), (0, 1)),
        (nnx.Einsum("nta,hab->nthb", (2, 8, 4), rngs=nnx.Rngs(0)), (1,)),
        (nnx.Einsum("tq,wq->tw", (5, 8), rngs=nnx.Rngs(0)), (1,)),
        (nnx.Conv(2, 3, (2, 2), rngs=nnx.Rngs(0)), (0, 1, 2)),
        (nnx.Conv(8, 8, (2, 2), feature_group_count=4, rngs=nnx.Rngs(0)), (0, 1, 2)),
        (nnx.Conv(3, 3, (2, 4), feature_group_count=3, rngs=nnx.Rngs(0)), (0, 1, 2)),  # depthwise
        (nnx.ConvTranspose(2, 3, (2, 2), transpose_kernel=True, rngs=nnx.Rngs(0)), (0, 1, 3)),
        (nnx.Embed(8, 3, rngs=nnx.Rngs(0)), (0,)),
        (stacked(lambda rngs: nnx.LinearGeneral(8, (2, 4), rngs=rngs)), (1,)),
        (nnx.LinearGeneral(8, 4, batch_axis={0: 3}, rngs=nnx.Rngs(0)), (1,)),
    ],
    ids=lambda case: type(case).__name__,
)
def test_one_of_every_four_inputs_of_every_output(layer: nnx.Module, axes: tuple[int, ...]) -> None:
    """The inputs of an output in stored order, cut into fours; a literal loop over outputs."""
    (path,) = masks.kernels(layer)
    weights, keep = np.abs(leaves(layer)[path]), leaves(prune.n_of_m(layer, 1, 4))[path]
    rest = [axis for axis in range(weights.ndim) if axis not in axes]
    for index in np.ndindex(*(weights.shape[axis] for axis in rest)):
        place: list[object] = [slice(None)] * weights.ndim
        for axis, value in zip(rest, index, strict=True):
            place[axis] = value
        size, kept = weights[tuple(place)].ravel(), keep[tuple(place)].ravel()
        wanted = np.zeros(size.size, bool)
        for start in range(0, size.size, 4):
            wanted[start + np.argmax(size[start : start + 4])] = True
        np.testing.assert_array_equal(kept, wanted)
    assert keep.sum() == keep.size / 4


def test_the_graph_of_an_attention_mask() -> None:
    """(in, heads, d) = (8, 2, 4) read as 8 inputs and 8 outputs; NumPy on the 8×8 matrix."""
    mask = np.random.default_rng(0).random((8, 2, 4)) < 0.6
    matrix = mask.reshape(8, 8).astype(float)  # output (h, d) is column 4h + d
    assert matrix.any(axis=0).all() and matrix.any(axis=1).all()
    degree = matrix.sum() / 8
    wanted = 2 * np.sqrt(degree - 1) - np.linalg.svd(matrix, compute_uv=False)[1]
    graph = topology.bipartite(mask, layout="in out out")
    assert (graph.left, graph.right, graph.edges) == (8, 8, int(matrix.sum()))
    assert topology.ramanujan_gap(graph) == pytest.approx(wanted, abs=1e-12) and wanted == pytest.approx(
        1.4621988, abs=1e-7
    )
    attention = nnx.MultiHeadAttention(2, 8, rngs=nnx.Rngs(0))
    whole = prune.random(attention, 1.0)
    for name in ("query", "key", "value"):
        whole[name]["kernel"] = jnp.asarray(mask)
    whole["out"]["kernel"] = jnp.asarray(mask.transpose(1, 2, 0))  # (heads, d, out): the same graph, turned round
    for layer in topology.network_topology(whole, attention):
        assert layer.ramanujan_gap == pytest.approx(wanted, abs=1e-12), layer.path
    by_name = topology.network_topology(whole)
    assert [layer.path for layer in by_name] == [f"{name}.kernel" for name in ("key", "out", "query", "value")]
    assert {round(float(layer.ramanujan_gap), 9) for layer in by_name} == {round(wanted, 9)}


def test_graphs_of_transposed_stacked_and_grouped_kernels() -> None:
    rng = np.random.default_rng(1)
    kernel = rng.random((2, 2, 5, 6)) < 0.7
    plain = topology.bipartite(kernel)
    turned = topology.bipartite(kernel.swapaxes(2, 3), layout="window window out in")
    assert topology.ramanujan_gap(turned) == pytest.approx(float(topology.ramanujan_gap(plain)))
    assert (turned.n_left, turned.n_right) == (20, 6)
    blocks = rng.random((3, 6, 5)) < 0.8  # three parts of one layer: one graph with three components
    grouped = topology.bipartite(blocks, layout="group in out")
    whole = np.zeros((18, 15))
    for part in range(3):
        whole[6 * part : 6 * part + 6, 5 * part : 5 * part + 5] = blocks[part]
    assert (grouped.n_left, grouped.n_right, grouped.edges) == (18, 15, blocks.sum())
    assert grouped.singular_values == pytest.approx(tuple(np.linalg.svd(whole, compute_uv=False)[:2]))
    found = topology.network_topology({"kernel": blocks}, layout={"kernel": "stack in out"})
    assert [layer.path for layer in found] == ["kernel[0]", "kernel[1]", "kernel[2]"]
    for layer, block in zip(found, blocks, strict=True):
        assert float(layer.ramanujan_gap) == pytest.approx(float(topology.ramanujan_gap(block)))
    depthwise = nnx.Conv(4, 4, (3, 3), feature_group_count=4, rngs=nnx.Rngs(0))
    (layer,) = topology.network_topology(prune.random(depthwise, 1.0), depthwise)
    assert (layer.left, layer.right) == (36, 4)
    for wrong in ("stack in out", "in out", "gain"):
        with pytest.raises(ValueError, match="is not that of one layer"):
            topology.bipartite(blocks, layout=wrong)


def test_erk_counts_units_and_layers() -> None:
    """By hand: 8 inputs and 2×4 outputs are 8 + 8 of 64, three stacked 6×6 are 12 of 36 each, not 3 + 6 + 6 of 108."""
    net = {
        "query": {"kernel": np.ones((8, 2, 4)), "bias": np.ones((2, 4))},
        "blocks": {"kernel": np.ones((3, 6, 6)), "bias": np.ones((3, 6))},
    }
    budget = 0.2 * (64 + 108)
    epsilon = budget / (16 + 3 * 12)
    found = leaves(prune.erk(net, 0.2))
    assert abs(found["query.kernel"].sum() - 16 * epsilon) < 1
    assert (np.abs(found["blocks.kernel"].sum(axis=(1, 2)) - 12 * epsilon) < 1).all()
    assert found["query.kernel"].sum() + found["blocks.kernel"].sum() == round(budget)
    parts = prune.erk_densities({"a": (6, 6), "b": (4, 4)}, 0.5, groups={"a": 3})
    assert 108 * parts["a"] + 16 * parts["b"] == pytest.approx(62)
    assert 36 * parts["a"] / 12 == pytest.approx(16 * parts["b"] / 8)


def test_every_layer_of_a_stack_keeps_its_floor_and_its_density() -> None:
    net = stacked(lambda rngs: nnx.Linear(6, 6, rngs=rngs))
    scales = jnp.array([1.0, 100.0, 0.01])[:, None, None]
    net.kernel[...] = scales * net.kernel[...]
    by_layer = leaves(prune.magnitude(net, 0.25, scope="layer"))["kernel"]
    assert by_layer.sum(axis=(1, 2)).tolist() == [9, 9, 9]
    with pytest.raises(ValueError, match=r"kernel\[0\] would keep none of its 36 weights"):
        prune.magnitude(net, 0.25)
    with pytest.warns(prune.FloorApplied, match=r"lifted kernel\[2\]"):
        assert leaves(prune.magnitude(net, 0.5, floor=4))["kernel"].sum(axis=(1, 2)).tolist()[2] == 4
    records = statistics.layer_statistics({"kernel": jnp.asarray(by_layer)}, {"kernel": 5}, layout=net)
    assert [(one.layer, one.kept, one.channels, one.flops) for one in records] == [
        (f"kernel[{index}]", 9, 6, 90) for index in range(3)
    ]


@pytest.mark.parametrize("rule", [grow.RigL, grow.SET])
def test_set_and_rigl_exchange_in_every_layer_of_a_stack(rule: type[grow.SET]) -> None:
    """As three layers by themselves: a literal loop over each; the largest weights are all in the first."""
    rng = np.random.RandomState(0)
    kernel = rng.randn(3, 6, 5).astype(np.float32) * np.array([100, 1, 1], np.float32)[:, None, None]
    keep = prune.random({"kernel": kernel}, 0.4, layout={"kernel": "stack in out"})
    params = masks.apply({"kernel": jnp.asarray(kernel)}, keep)
    slope = rng.randn(3, 6, 5).astype(np.float32)
    tx = rule(every=1, until=10, fraction=0.5).around(optax.sgd(0.1), keep, layout={"kernel": "stack in out"})
    _, state = tx.update({"kernel": jnp.asarray(slope)}, tx.init(params), params)
    now, before = np.asarray(state.masks["kernel"]), np.asarray(keep["kernel"])
    count = int(0.5 * 0.5 * (1 + np.cos(np.pi / 10)) * 12)
    for layer in range(3):
        size = np.where(before[layer], np.abs(kernel[layer]), np.inf)
        wanted = before[layer].copy()
        wanted.flat[np.argsort(size, axis=None)[:count]] = False
        assert now[layer][wanted].all() and now[layer].sum() == 12
        if rule is grow.RigL:
            worth = np.where(wanted, -np.inf, np.abs(slope[layer]))
            wanted.flat[np.argsort(-worth, axis=None)[:count]] = True
            np.testing.assert_array_equal(now[layer], wanted)


def test_gradual_pruning_by_layer_takes_a_stack_apart() -> None:
    kernel = jnp.asarray(np.random.RandomState(0).randn(3, 4, 5).astype(np.float32)) * jnp.arange(1.0, 4)[:, None, None]
    start = {"kernel": jnp.ones((3, 4, 5), bool)}
    rule = grow.Gradual(every=1, until=1, density=0.25, scope="layer")
    tx = rule.around(optax.sgd(0.1), start, layout={"kernel": "stack in out"})
    _, state = tx.update({"kernel": jnp.zeros((3, 4, 5))}, tx.init({"kernel": kernel}), {"kernel": kernel})
    assert state.masks["kernel"].sum(axis=(1, 2)).tolist() == [5, 5, 5]
    with pytest.raises(ValueError, match=r"kernel has shape \(3, 4, 5\) and nothing says"):
        rule.around(optax.sgd(0.1), start)


@pytest.mark.parametrize(
    "make",
    [
        lambda rngs: WeightNormConv(2, 3, 4, init="torch", use_bias=True, rngs=rngs),
        lambda rngs: ChannelNormConv(3, 4, rngs=rngs),
    ],
)
def test_stacked_weight_normalisation_is_that_of_every_layer(make: object) -> None:
    """The kernels of a stack are those of its layers, there and back, and in the gradient by kernels."""
    net = jax.tree.map(lambda *each: jnp.stack(each), *(masks.parameters(make(nnx.Rngs(i))) for i in range(3)))  # type: ignore[operator]
    net = {**net, "v": 7 * net["v"]}
    each = [jax.tree.map(lambda leaf, i=i: leaf[i], net) for i in range(3)]
    slope = jax.tree.map(lambda leaf: jnp.cos(jnp.arange(leaf.size, dtype=jnp.float32)).reshape(leaf.shape), net)
    single = {"v": "window window in out", "g": "norm of v"}
    all_, one_ = masks.Normed.of(net, {**single, "v": "stack window window in out"}), masks.Normed.of(each[0], single)
    for name in ("applied", "undone"):
        for i, one in enumerate(each):
            for leaf in ("v", "g"):
                alone = getattr(one_, name)(one)[leaf]
                np.testing.assert_allclose(getattr(all_, name)(net)[leaf][i], alone, rtol=1e-6)
    by_kernel = all_.gradient_of_kernels(net, slope)["v"]
    for i, one in enumerate(each):
        alone = one_.gradient_of_kernels(one, jax.tree.map(lambda leaf, i=i: leaf[i], slope))["v"]
        np.testing.assert_allclose(by_kernel[i], alone, rtol=1e-5)


@pytest.mark.parametrize("text", ["in out", "out stack in", "window out window in stack out", "group in stack out in"])
def test_tables_and_layers_there_and_back(text: str) -> None:
    layout = Layout.of(text)
    array = np.arange(np.prod(shape := tuple(range(2, 2 + len(layout.axes))))).reshape(shape)
    matrices = tables(array, layout)
    np.testing.assert_array_equal(from_tables(matrices, array.shape, layout), array)
    assert matrices.ndim == 3 and matrices.size == array.size
    layers = Layers.of({"w": array}, {"w": text})
    parts = layers.parts({"w": array})
    np.testing.assert_array_equal(layers.whole(parts)["w"], array)
    assert all(part.ndim == len(layers.each[name].axes) for name, part in parts.items())


def test_all_of_it_on_a_network_of_this_package_is_as_before() -> None:
    """The layers of an ordinary network are its arrays, and a tree of names says the same."""
    net = nets.ConvNet(2, 3, in_shape=(6, 6, 1), rngs=nnx.Rngs(0))
    assert list(Layers.of(net).each) == ["conv1.v", "conv2.v", "dense.kernel"]
    for make in (prune.erk, prune.random):
        assert masks.fingerprint(make(net, 0.3)) == masks.fingerprint(make(masks.parameters(net), 0.3))
