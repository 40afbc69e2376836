"""The reader: same function, same predecessors, same bounds however a network is written."""

import jax
import jax.numpy as jnp
import networks
import numpy as np
import pytest
import reference as ref
from flax import nnx
from networks import conv, draw, flat, images, network

from sparsebounds import bounds
from sparsebounds.bounds.theorems.rademacher.galanti import vector_complexity

PARTITIONS = ("position", "group", "scalar")
DESCRIBED = [name for name in networks.NETWORKS if network(name).reference is not None]


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_the_graph_computes_what_the_function_computes(name):
    net = network(name)
    graph = bounds.read_graph(net.f, net.x[:2])
    x = np.random.default_rng(5).normal(size=(7, *net.x.shape[1:])).astype(np.float32)
    found, expected = bounds.evaluate(graph, x), np.asarray(net.f(x), np.float64)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())
    for partition in PARTITIONS:
        np.testing.assert_array_equal(bounds.evaluate(graph.partition(partition), x), found)


@pytest.mark.parametrize("name", DESCRIBED)
def test_the_graph_computes_what_the_literal_description_computes(name):
    """Both sides are float64: any difference is a wrong weight, not rounding (weight norm is computed in float32)."""
    net = network(name)
    found, expected = bounds.evaluate(bounds.read_graph(net.f, net.x[:2]), net.x), ref.forward(net.reference, net.x)
    folded = name in ("weight_norm", "nnx_batch_norm", "linen_batch_norm_before_padding")
    np.testing.assert_allclose(found, expected, atol=(2e-7 if folded else 1e-12) * np.abs(expected).max())


@pytest.mark.parametrize("partition", PARTITIONS)
@pytest.mark.parametrize("name", DESCRIBED)
def test_predecessors_are_those_of_the_literal_blocks(name, partition):
    net = network(name)
    found = bounds.read_graph(net.f, net.x[:2], nodes=partition, group_size=2).pred_counts()
    expected = ref.pred_counts(net.reference, partition, group_size=2)
    assert len(found) == len(expected)
    for counts, literal in zip(found.values(), expected, strict=True):
        np.testing.assert_array_equal(counts, literal)


# ---- |pred| against Jacobians ------------------------------------------------------------------


def _layers():
    """Functions that end in a ReLU layer: name, function, size of an output position's vector."""
    rng = np.random.default_rng(0)
    mask = rng.random((3, 3, 2, 4)) < 0.3
    lists = np.stack([rng.choice(36, 3, replace=False) for _ in range(8)])
    blocks, local = draw(201, 8, 3, 2, 4), draw(202, 5, 5, 2, 2, 2, 4)

    def unshared(x):
        patches = jnp.stack([part for _, part in networks.shifts(x, local[0, 0])], axis=3)
        return jnp.einsum("bhwki,hwkio->bhwo", patches, local.reshape(5, 5, 4, 2, 4))

    kernel, deep = draw(203, 3, 3, 2, 4), draw(204, 2, 2, 1, 4)
    return {
        "valid": lambda x: conv(x, kernel),
        "same": lambda x: conv(x, kernel, padding="SAME"),
        "strided": lambda x: conv(x, kernel, padding="SAME", stride=(2, 2)),
        "dilated": lambda x: conv(x, kernel, dilation=(2, 2)),
        "depthwise": lambda x: conv(x, deep, groups=2),
        "masked": lambda x: conv(x, jnp.where(mask, kernel, 0.0), padding="SAME"),
        "uneven padding": lambda x: conv(x, kernel, padding=((0, 2), (1, 0))),
        "predecessor lists": lambda x: jnp.einsum("bjdi,jdio->bjo", x.reshape(len(x), 36, 2)[:, lists], blocks),
        "locally connected": unshared,
        "patches": lambda x: networks.patches_conv(x, kernel),
        "dense to positions": lambda x: (flat(x) @ draw(205, 72, 20)).reshape(-1, 5, 4),
        "two layers": lambda x: conv(jax.nn.relu(conv(x, draw(206, 1, 1, 2, 2))), kernel),
    }


LAYERS = _layers()


@pytest.mark.parametrize("partition", PARTITIONS)
@pytest.mark.parametrize("name", LAYERS)
def test_predecessors_are_where_jacobians_are_not_zero(name, partition):
    """Union of the non-zero blocks of ∂(layer)/∂(input) over random inputs (a ReLU may be closed for some)."""

    def f(x):
        return flat(jax.nn.relu(LAYERS[name](x)))

    x = images(96, seed=3)
    graph = bounds.read_graph(f, x[:2], nodes=partition, group_size=2)
    outputs = LAYERS[name](x[:1]).shape[-1]
    jacobians = jax.vmap(jax.jacobian(lambda one: f(one[None])[0]))(x).reshape(len(x), -1, 72)
    pattern = np.any(np.asarray(jacobians) != 0, axis=0)
    above = ref.nodes(pattern.shape[0] // outputs, outputs, partition, 2)
    below = ref.nodes(36, 2, partition, 2)
    if name == "depthwise" and partition == "group":
        above = ref.nodes(25, 4, partition, 2)  # the convolution's own groups: 2 of 2 channels
    literal = [sum(pattern[np.ix_(rows, columns)].any() for columns in below) for rows in above]
    counts = graph.pred_counts()
    if name == "two layers":  # the first layer reads one position each: the pattern through it is that of the second
        first, second = counts[1], counts[2]
        assert set(first) == ({2} if partition == "scalar" else {1})
        np.testing.assert_array_equal(second, literal)
    else:
        np.testing.assert_array_equal(counts[1], literal)


# ---- one network, five forms -------------------------------------------------------------------


@pytest.mark.parametrize("partition", PARTITIONS)
@pytest.mark.parametrize("biased", [False, True])
def test_five_forms_of_one_network_give_the_same_output_and_the_same_bounds(partition, biased):
    x, y = images(40, seed=9), np.arange(40) % 4
    sample = bounds.Sample.measure(networks.forms(networks.two_convolutions(biased))["native"], x, y)
    rows = {}
    for name, f in networks.forms(networks.two_convolutions(biased)).items():
        graph = bounds.read_graph(f, x[:2], nodes=partition, group_size=2, selections_fixed=True)
        rows[name] = [
            *bounds.evaluate(graph, x).ravel(),
            vector_complexity(graph, sample.energies, sample.m).value,
            bounds.galanti(graph, sample, delta=0.01, mask_fixed=True).value,
            bounds.galanti(graph, sample, delta=0.01, gamma="best", nodes="best", mask_fixed=True).value,
            bounds.galanti_published(graph, sample, delta=0.01).value,
            bounds.galanti_published(graph, sample, delta=0.01, version="v1").value,
        ]
    assert np.isfinite(rows["native"]).all()
    for name, row in rows.items():
        np.testing.assert_allclose(row, rows["native"], rtol=1e-10, atol=1e-12, err_msg=name)


def test_a_hidden_mask_shows_only_when_it_was_fixed_in_advance():
    """A masked dense layer could have read everything: unless its mask was fixed, it is not the convolution."""
    forms = networks.forms(networks.two_convolutions())
    x = images(40, seed=9)
    sample = bounds.Sample.measure(forms["native"], x, np.arange(40) % 4)
    native, masked = (bounds.read_graph(forms[name], x[:2]) for name in ("native", "masked_dense"))
    free, fixed = (bounds.galanti(native, sample, delta=0.01, mask_fixed=m) for m in (False, True))
    paid, known = (bounds.galanti(masked, sample, delta=0.01, mask_fixed=m) for m in (False, True))
    assert free.value == fixed.value == pytest.approx(known.value, rel=1e-10)
    assert paid.value > known.value + 3 and paid.terms["nats paid for choices"] > 100


# ---- other spellings ---------------------------------------------------------------------------

_kernel, _head = draw(1, 2, 2, 2, 3), draw(2, 75, 4)


def _base(x):
    return jax.nn.relu(conv(x, _kernel))


PLAIN = lambda x: flat(_base(x)) @ _head  # noqa: E731
SPELLINGS = {
    "einsum": lambda x: jnp.einsum("bhwc,hwcd->bd", _base(x), _head.reshape(5, 5, 3, 4)),
    "tensordot": lambda x: jnp.tensordot(_base(x), _head.reshape(5, 5, 3, 4), 3),
    "relu of minus": lambda x: flat(-jnp.negative(_base(x))) @ _head,
    "relu twice": lambda x: flat(jax.nn.relu(_base(x))) @ _head,
    "clip": lambda x: flat(jnp.clip(conv(x, _kernel), min=0.0)) @ _head,
    "split and join": lambda x: flat(jnp.concatenate(jnp.split(_base(x), 5, axis=1), axis=1)) @ _head,
    "unstack and stack": lambda x: flat(jnp.stack(jnp.unstack(_base(x), axis=1), axis=1)) @ _head,
    "flipped twice": lambda x: flat(jnp.flip(jnp.flip(_base(x), 1), 1)) @ _head,
    "rolled": lambda x: flat(jnp.roll(jnp.roll(_base(x), 1, axis=2), -1, axis=2)) @ _head,
    "taken": lambda x: flat(jnp.take(_base(x), jnp.arange(5), axis=2)) @ _head,
    "lax.map": lambda x: jax.lax.map(lambda one: _base(one[None]).reshape(-1) @ _head, x),
    "patches op": lambda x: (
        flat(
            jax.nn.relu(
                jax.lax.conv_general_dilated_patches(
                    x, (2, 2), (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
                )
                @ _kernel.transpose(2, 0, 1, 3).reshape(8, 3)
            )
        )
        @ _head
    ),
    "scaled and unscaled": lambda x: flat(jax.nn.relu(2.0 * conv(x, _kernel)) / 2.0) @ _head,
    "jit of checkpoint": jax.jit(jax.checkpoint(lambda x: flat(_base(x)) @ _head)),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_spelling_does_not_matter(name):
    x, y = images(20), np.arange(20) % 4
    sample = bounds.Sample.measure(PLAIN, x, y)
    expected, found = (bounds.read_graph(f, x[:2]) for f in (PLAIN, SPELLINGS[name]))
    np.testing.assert_allclose(bounds.evaluate(found, x), bounds.evaluate(expected, x), atol=1e-6)
    for nodes in PARTITIONS:
        values = [bounds.galanti(g, sample, delta=0.01, nodes=nodes).value for g in (expected, found)]
        assert values[1] == pytest.approx(values[0], rel=1e-6), nodes


_one = draw(400, 75, 1)
PICKED = {
    "(0, f)": (lambda s: jnp.stack([jnp.zeros_like(s[:, 0]), s[:, 0]], axis=-1), [[0, 1]], 1),
    "(f, 0)": (lambda s: jnp.concatenate([s, jnp.zeros((s.shape[0], 1))], axis=1), [[1, 0]], 1),
    "(f, -f)": (lambda s: jnp.concatenate([s, -s], axis=1), [[1, -1]], 1),
    "two of four": (lambda s: s[:, jnp.array([3, 1])], [[0, 0], [0, 1], [0, 0], [1, 0]], 4),
    "doubled": (lambda s: 2.0 * s[:, ::-1], [[0, 0, 0, 2], [0, 0, 2, 0], [0, 2, 0, 0], [2, 0, 0, 0]], 4),
    "shifted": (lambda s: jnp.concatenate([s, jnp.ones((s.shape[0], 1))], axis=1), [[1, 0]], 1),
}


@pytest.mark.parametrize("name", PICKED)
def test_scores_picked_from_a_dense_layer_are_a_dense_layer(name):
    pick, matrix, outputs = PICKED[name]
    w = _one if outputs == 1 else _head
    x, y = images(20), np.arange(20) % 2

    def f(x):
        return pick(flat(_base(x)) @ w)

    def plain(x):
        scores = flat(_base(x)) @ (w @ np.array(matrix, np.float32))
        return scores + np.array([0, 1], np.float32) if name == "shifted" else scores

    graphs = [bounds.read_graph(g, x[:2], selections_fixed=True) for g in (f, plain)]
    sample = bounds.Sample.measure(f, x, y)
    np.testing.assert_allclose(bounds.evaluate(graphs[0], x), np.asarray(f(x)), atol=1e-5)
    values = [bounds.galanti(g, sample, delta=0.01, mask_fixed=True).value for g in graphs]
    assert values[0] == pytest.approx(values[1], rel=1e-6) and np.isfinite(values).all()


# ---- modules -----------------------------------------------------------------------------------


class Everything(nnx.Module):
    def __init__(self):
        rngs = nnx.Rngs(0)
        self.conv = nnx.Conv(2, 3, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(3, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.head = nnx.Linear(108, 4, rngs=rngs)

    def __call__(self, x):
        return self.head(flat(self.dropout(nnx.relu(self.norm(self.conv(x))))))


def test_a_layer_is_named_by_its_module():
    model = Everything()
    model.eval()
    names = [layer.name for layer in bounds.read_graph(model, images(2)).layers]
    assert any("conv" in name for name in names) and any("head" in name for name in names)


# ---- arguments ---------------------------------------------------------------------------------


def test_input_nodes_group_a_flat_input():
    w = draw(300, 12, 4)
    blocks = np.arange(12) // 3
    graph = bounds.read_graph(lambda x: x @ w, np.zeros((2, 12), np.float32), input_nodes=blocks)
    assert graph.pred_counts()[1].tolist() == [4]
    assert bounds.read_graph(lambda x: x @ w, np.zeros((2, 12), np.float32)).pred_counts()[1].tolist() == [12]
    with pytest.raises(ValueError, match="input_nodes"):
        bounds.read_graph(lambda x: x @ w, np.zeros((2, 12), np.float32), input_nodes=blocks[:5])


@pytest.mark.parametrize("options", [{"nodes": "channel"}, {"group_size": 0, "nodes": "group"}])
def test_bad_arguments(options):
    with pytest.raises(ValueError, match=r"nodes|group_size"):
        bounds.read_graph(PLAIN, images(2), **options)


def test_activations_are_those_of_the_literal_layers():
    net = network("native_biased")
    graph = bounds.read_graph(net.f, net.x[:2])
    z = net.x.reshape(len(net.x), -1).astype(np.float64)
    values = bounds.activations(graph, net.x)
    np.testing.assert_allclose(values[0].reshape(len(z), -1), z)
    for layer, found in zip(net.reference.layers, values[1:], strict=True):
        t = z @ layer.matrix.T + layer.bias
        z = t if layer is net.reference.layers[-1] else np.maximum(t, 0)
        assert found.shape == (len(z), layer.positions, layer.channels)
        np.testing.assert_allclose(found.reshape(len(z), -1), z, atol=1e-12)


def test_a_shift_survives_a_scale_of_zero() -> None:
    scale, shift = jnp.array([0.0, 2.0, 1.0]), jnp.array([5.0, 1.0, -1.0])
    weight = jnp.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    graph = bounds.read_graph(lambda x: (x * scale + shift) @ weight, np.ones((2, 3), np.float32))
    # by hand: 5·(1, 2) + 1·(3, 4) − 1·(5, 6)
    assert graph.layers[-1].bias.tolist() == [3.0, 8.0]  # type: ignore[union-attr]
