"""Topology scores: graphs whose spectrum is known, literal twins of the released programs, bad input."""

import collections
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from sparsebounds import nets
from sparsebounds.nets import topology
from sparsebounds.nets.topology import scores as scores_module
from sparsebounds.nets.topology.network import SCORES


def projective_plane(q: int) -> np.ndarray:
    """Points against lines of the plane over the integers modulo a prime q."""
    vectors = [(1, b, c) for b in range(q) for c in range(q)] + [(0, 1, c) for c in range(q)] + [(0, 0, 1)]
    points = np.array(vectors)
    return (points @ points.T) % q == 0


def regular(nodes: int, degree: int, seed: int = 0) -> np.ndarray:
    mask = np.zeros((nodes, nodes), bool)
    for output, inputs in enumerate(nets.random_regular((nodes, nodes), degree, seed=seed).pred[0]):
        mask[inputs, output] = True
    return mask


def literal_eigenvalues(table: np.ndarray) -> tuple[float, float]:
    """Largest and third largest |eigenvalue| of the adjacency matrix: s_1 and s_2."""
    left, right = table.shape
    adjacency = np.zeros((left + right, left + right))
    adjacency[:left, left:], adjacency[left:, :left] = table, table.T
    found = sorted(np.abs(np.linalg.eigvalsh(adjacency)), reverse=True)
    return found[0], found[2]


def literal_scores(table: np.ndarray, weights: np.ndarray, convention: str) -> dict[str, float | None]:
    """Δr, λ (whole graph), Δr_imdb, λ_imsg as loops over degrees; None where undefined."""

    def both(keep: np.ndarray, w: np.ndarray, whole: bool) -> tuple[float, float, float] | None:
        rows, columns = keep.any(1), keep.any(0)
        keep, w = keep[rows][:, columns], np.abs(w[rows][:, columns]) * keep[rows][:, columns]
        if not keep.size:
            return None
        d_l, d_r = keep.sum(1).mean(), keep.sum(0).mean()
        low, high = (d_l, d_r) if whole else (d_r, d_l)
        if not (d_l >= 3 and d_r >= 3 if convention == "iclr" else high >= 3 and low > 1):
            return None
        size = max(keep.shape) / (sum(keep.shape) - 1) if convention == "neurips" and not whole else 1.0
        first, second = literal_eigenvalues(w)
        bound = math.sqrt(d_l - 1) + math.sqrt(d_r - 1)
        return size * (bound - literal_eigenvalues(keep.astype(float))[1]), size * (first - second), bound

    parts = []
    degrees = table.sum(1)
    for degree, count in collections.Counter(degrees.tolist()).items():
        if degree and count >= (3 if convention == "iclr" else 2):
            part = both(table[degrees == degree], weights[degrees == degree], False)
            parts += [part] if part else []
    whole = both(table, weights, True)
    return {
        "ramanujan_gap": whole[0] if whole else None,
        "ramanujan_gap_normalised": whole[0] / whole[2] if whole else None,
        "spectral_gap": whole[1] if whole else None,
        "imdb": np.mean([p[0] for p in parts]) if parts else None,
        "imdb_normalised": np.mean([p[0] / p[2] for p in parts]) if parts else None,
        "imsg": np.mean([p[1] for p in parts]) if parts else None,
    }


@pytest.mark.parametrize("m, n", [(3, 3), (4, 7), (9, 5)])
def test_complete_bipartite(m: int, n: int) -> None:
    mask = np.ones((m, n), bool)
    bound = math.sqrt(n - 1) + math.sqrt(m - 1)
    assert topology.ramanujan_gap(mask) == pytest.approx(bound, abs=1e-9)
    assert topology.ramanujan_gap(mask, normalised=True) == pytest.approx(1, abs=1e-9)
    assert topology.imdb(mask) == pytest.approx(bound, abs=1e-9)
    assert topology.spectral_gap(mask, np.full((m, n), -2.0)) == pytest.approx(2 * math.sqrt(m * n))
    factor = max(m, n) / (m + n - 1)
    assert topology.imdb(mask, convention="neurips") == pytest.approx(factor * bound, abs=1e-9)
    assert topology.imsg(mask, convention="neurips") == pytest.approx(factor * math.sqrt(m * n))


@pytest.mark.parametrize("q", [2, 3, 5, 17])  # 17: 307 points, beyond the dense decomposition
def test_projective_plane(q: int) -> None:
    mask = projective_plane(q)
    assert mask.shape[0] == q * q + q + 1 and set(mask.sum(0)) == {q + 1}
    s = topology.two_largest_singular_values(csr_array(mask.astype(float)))
    assert s == pytest.approx((q + 1, math.sqrt(q)), rel=1e-7)
    assert topology.ramanujan_gap(mask) == pytest.approx(math.sqrt(q), rel=1e-6)
    assert topology.ramanujan_gap(mask, normalised=True) == pytest.approx(0.5, rel=1e-6)
    assert topology.spectral_gap(mask) == pytest.approx(q + 1 - math.sqrt(q), rel=1e-6)


@pytest.mark.parametrize("degree", [3, 6])
def test_random_regular_graphs_are_nearly_ramanujan(degree: int) -> None:
    # s_1 = d exactly, s_2 → 2√(d − 1) in probability as the graph grows; 600 nodes: within three per cent, 5 draws.
    for seed in range(5):
        graph = topology.bipartite(regular(600, degree, seed))
        assert (graph.d_left, graph.d_right) == (degree, degree)
        assert graph.singular_values[0] == pytest.approx(degree, rel=1e-8)
        assert abs(topology.ramanujan_gap(graph, normalised=True)) < 0.03


def test_lanczos_equals_dense_also_where_the_largest_value_is_shared() -> None:
    rng = np.random.default_rng(3)
    one = (rng.random((260, 230)) < 0.05).astype(float)
    two = np.block([[one, np.zeros_like(one)], [np.zeros_like(one), one]])
    for table in (one, two):
        wanted = np.linalg.svd(table, compute_uv=False)[:2]
        assert topology.two_largest_singular_values(csr_array(table)) == pytest.approx(tuple(wanted), rel=1e-8)
    assert topology.ramanujan_gap(two.astype(bool)) < 0 < topology.ramanujan_gap(one.astype(bool)) + 1


def test_narc_check_value() -> None:
    # density 0.5642 of 147 × 64, second value 9.832
    assert scores_module._narc(9.832, 0.5642 * 147 * 64, 147, 64, 147, 64) == pytest.approx(-0.3047, abs=5e-5)
    mask = np.random.default_rng(0).random((147, 64)) < 0.5642
    assert topology.narc(mask) == pytest.approx(-0.3047, abs=0.03)  # a random mask of that density is close


def test_narc_counts_all_nodes_below_and_those_with_edges_above() -> None:
    mask = np.zeros((6, 10), bool)
    mask[:4, :5] = True  # K_{4,5}: E = 20, d_L = 5, second value 0
    by_hand = (math.sqrt(20) - abs(40 - 5 / 10 * 20)) / 60
    assert topology.narc(mask) == pytest.approx(by_hand)


@settings(max_examples=25, deadline=None)
@given(
    left=st.integers(3, 18),
    right=st.integers(3, 14),
    density=st.floats(0.1, 1),
    seed=st.integers(0, 2**16),
    convention=st.sampled_from(["iclr", "neurips"]),
)
def test_against_literal_twins(left: int, right: int, density: float, seed: int, convention: str) -> None:
    rng = np.random.default_rng(seed)
    mask, weights = rng.random((left, right)) < density, rng.normal(size=(left, right))
    found = scores_module_row(mask, weights, convention)
    wanted = literal_scores(mask, weights, convention)
    for name, value in wanted.items():
        if value is None:
            assert math.isnan(found[name]), name
        else:
            assert found[name] == pytest.approx(value, abs=1e-6), name
    four = [wanted[name] or 0.0 for name in ("ramanujan_gap", "imdb", "spectral_gap", "imsg")]
    assert found["full_spectrum"] == pytest.approx(math.hypot(*four), abs=1e-6)
    assert topology.full_spectrum(mask, weights, convention=convention) == pytest.approx(math.hypot(*four), abs=1e-6)  # type: ignore[arg-type]


def scores_module_row(mask: np.ndarray, weights: np.ndarray, convention: str) -> dict[str, float]:
    (layer,) = topology.network_topology({"kernel": mask}, {"kernel": weights}, convention=convention)  # type: ignore[arg-type]
    assert all(bool(getattr(layer, name).reason) == math.isnan(getattr(layer, name)) for name in SCORES)
    return layer.row()


def test_order_of_nodes_does_not_matter() -> None:
    rng = np.random.default_rng(5)
    mask = rng.random((40, 30)) < 0.3
    shuffled = mask[rng.permutation(40)][:, rng.permutation(30)]
    for score in (topology.ramanujan_gap, topology.imdb, topology.narc):
        assert score(shuffled) == pytest.approx(score(mask))
    padded = np.pad(mask, ((0, 7), (0, 5)))  # isolated nodes: only NaRC, which divides by all, sees them
    assert topology.ramanujan_gap(padded) == pytest.approx(topology.ramanujan_gap(mask))
    assert topology.narc(padded) != pytest.approx(topology.narc(mask))


def test_convolution_has_a_left_node_per_channel_and_place() -> None:
    rng = np.random.default_rng(2)
    kernel = rng.random((3, 3, 4, 8)) < 0.6
    graph = topology.bipartite(kernel)
    assert (graph.n_left, graph.n_right, graph.edges) == (36, 8, kernel.sum())
    by_channel = kernel.transpose(3, 2, 0, 1).reshape(8, -1).T  # as (C_out, C_in, kh, kw) is laid out elsewhere
    assert topology.imdb(kernel) == pytest.approx(topology.imdb(by_channel))
    assert topology.imdb(kernel) != pytest.approx(topology.imdb(kernel.reshape(36, 8).T))


def test_groups_are_components() -> None:
    graph = topology.bipartite(np.ones((3, 3, 2, 12), bool), groups=4)  # four K_{18,3}
    assert (graph.left, graph.right) == (72, 12)
    assert graph.singular_values == pytest.approx((math.sqrt(54),) * 2)
    with pytest.raises(ValueError, match="groups is 5 for 12 outputs"):
        topology.bipartite(np.ones((3, 3, 2, 12), bool), groups=5)


def test_undefined_says_why() -> None:
    nothing = topology.ramanujan_gap(np.zeros((4, 4), bool))
    assert math.isnan(nothing) and nothing.reason == "the mask keeps nothing"
    thin = topology.narc(np.eye(9, dtype=bool))
    assert math.isnan(thin) and "mean degrees are 1 (left) and 1 (right)" in thin.reason
    alone = topology.imdb(np.tril(np.ones((9, 9), bool)))  # nine different degrees
    assert math.isnan(alone) and "shared by enough" in alone.reason
    both = np.zeros((8, 8), bool)
    both[:4, :4] = both[4:, 4:] = True  # two K_{4,4}: a value, as documented
    assert topology.ramanujan_gap(both) == pytest.approx(2 * math.sqrt(3) - 4)


def test_refusals() -> None:
    for bad in (np.ones((3, 3)), np.ones(4, bool)):
        with pytest.raises(ValueError, match="need booleans"):
            topology.ramanujan_gap(bad)
    with pytest.raises(ValueError, match="the weights have shape"):
        topology.spectral_gap(np.ones((3, 3), bool), np.ones((3, 4)))
    with pytest.raises(ValueError, match="NaN or infinite"):
        topology.spectral_gap(np.ones((3, 3), bool), np.full((3, 3), np.nan))
    with pytest.raises(ValueError, match="give the weights to bipartite"):
        topology.spectral_gap(topology.bipartite(np.ones((3, 3), bool)), np.ones((3, 3)))
    with pytest.raises(ValueError, match='choose "iclr" or "neurips"'):
        topology.imdb(np.ones((3, 3), bool), convention="icml")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="masks lack b"):
        topology.network_topology({"a": np.ones((3, 3), bool)}, {"a": np.ones((3, 3)), "b": np.ones(3)})
    with pytest.raises(ValueError, match=r"local1\.block2 is a layer of explicit predecessors"):
        topology.network_topology({"local1": {"block2": np.ones((4, 2, 1, 2), bool)}})


def test_a_network_of_several_layers() -> None:
    rng = np.random.default_rng(0)
    shapes = {"conv1": (2, 2, 1, 8), "conv2": (2, 2, 8, 8), "dense": (128, 10)}  # a small ConvNet's paths
    net = {name: {"v" if "conv" in name else "kernel": rng.normal(size=shape)} for name, shape in shapes.items()}
    keep = np.zeros((2, 2, 1, 8), bool)
    keep[0] = True  # two edges per output of the first layer
    masks = jax.tree.map(lambda w: rng.random(w.shape) < 0.5, net) | {"conv1": {"v": keep, "bias": np.ones(8, bool)}}
    net["conv1"]["bias"] = np.zeros(8)
    for layer in ("conv1", "conv2"):
        net[layer]["g"], masks[layer]["g"] = np.ones(()), np.ones((), bool)
    with pytest.raises(ValueError, match=r"conv1\.g: beside v it may be the g of a weight normalisation.*layout=model"):
        topology.network_topology(masks, net)
    said = {"conv1.g": "norm of v", "conv2.g": "norm of v"}
    layers = topology.network_topology(masks, net, layout=said)
    assert [layer.path for layer in layers] == ["conv1.v", "conv2.v", "dense.kernel"]
    assert [(layer.left, layer.right) for layer in layers] == [(2, 8), (32, 8), (128, 10)]
    assert topology.network_score(layers) == pytest.approx(np.mean([layer.full_spectrum for layer in layers]))
    assert math.isnan(layers[0].ramanujan_gap)
    assert topology.defined_share(layers)["ramanujan_gap"] == pytest.approx(2 / 3)
    assert math.isnan(topology.network_score([])) and math.isnan(topology.defined_share([])["imdb"])


def test_pags_takes_a_layer_only_where_both_scores_do_not_fall() -> None:
    """A method with known draws: a bad mask, a good one, a good one of weights that are too small, a bad one."""
    good, bad = projective_plane(3), np.zeros((13, 13), bool)
    bad[:4, :4] = bad[4:8, 4:8] = True  # disconnected: Δr = 2√3 − 4 < 0
    weights = {"kernel": jnp.ones((13, 13)), "bias": jnp.zeros(13)}
    order = {0: bad, 1: good, 2: bad}

    def draw(key: jax.Array, batch: int) -> dict[str, jax.Array]:
        return {"kernel": jnp.asarray(order[batch]), "bias": jnp.ones(13, bool)}

    found = topology.pags(draw, weights, [0, 1, 2], jax.random.key(0))
    assert found.replaced == (("kernel",), ("kernel",), ())
    np.testing.assert_array_equal(found.masks["kernel"], good)
    assert found.masks["bias"].all() and found.layers[0].imdb == pytest.approx(math.sqrt(3))
    nets.masks.check(weights, found.masks)
    with pytest.raises(ValueError, match="without batches"):
        topology.pags(draw, weights, [], jax.random.key(0))


def test_pags_looks_at_the_full_spectrum_too() -> None:
    """A mask of larger Δr_imdb on weights so small that its full-spectrum score falls is not taken."""
    first, second = np.zeros((16, 8), bool), np.zeros((16, 8), bool)
    first[:8, :4], second[8:, :5] = True, True
    weights = {"kernel": jnp.concatenate([jnp.full((8, 8), 3.0), jnp.full((8, 8), 0.01)])}
    masks = [first, second]
    assert topology.imdb(second) > topology.imdb(first)
    found = topology.pags(lambda key, i: {"kernel": jnp.asarray(masks[i])}, weights, [0, 1], jax.random.key(0))
    assert found.replaced == (("kernel",), ())


def test_pags_improves_random_masks_and_gives_each_draw_its_own_key() -> None:
    rng = np.random.default_rng(0)
    net = {name: {"kernel": rng.normal(size=shape)} for name, shape in (("a", (48, 32)), ("b", (32, 10)))}
    drawn = []

    def draw(key: jax.Array, batch: None) -> dict[str, jax.Array]:
        own = np.random.default_rng(np.asarray(jax.random.key_data(key)))
        masks = jax.tree.map(lambda w: own.random(w.shape) < 0.4, net)
        drawn.append(masks)
        return masks

    found = topology.pags(draw, net, [None] * 4, jax.random.key(1))
    start = topology.network_topology(drawn[0], net)
    for layer, before in zip(found.layers, start, strict=True):
        assert layer.imdb >= before.imdb and layer.full_spectrum >= before.full_spectrum
    assert not np.array_equal(drawn[0]["a"]["kernel"], drawn[1]["a"]["kernel"])
    assert sum(len(paths) for paths in found.replaced) > 2  # something was replaced after the first draw


def test_weighted_scores_are_of_the_kernels_that_layers_apply() -> None:
    """g·v/‖v‖ does not know the scale of v: the spectral gap of the first convolution by NumPy."""
    net = nets.ConvNet(1, 6, in_shape=(4, 4, 1), rngs=nnx.Rngs(0))
    net.conv1.v[...] = 10 * net.conv1.v[...]
    kernel = np.abs(np.asarray(net.conv1.kernel(), np.float64)).reshape(4, 6)
    first, second = np.linalg.svd(kernel, compute_uv=False)[:2]
    full = jax.tree.map(lambda leaf: jnp.ones(leaf.shape, bool), nets.masks.parameters(net))
    layer = topology.network_topology(full, net)[0]
    assert float(layer.spectral_gap) == pytest.approx(first - second, rel=1e-5)
