"""The sparse-network bound against its literal twin, and against numbers worked by hand."""

import math

import jax
import jax.numpy as jnp
import networks
import numpy as np
import pytest
import reference as ref
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import conv, flat, images, network, two_three_by_three
from samples import energies, of_any_network, sample_of

from sparsebounds import bounds
from sparsebounds.bounds.theorems.chains import sparse as sparse_chain
from sparsebounds.bounds.theorems.chains import sparse_forms
from sparsebounds.bounds.theorems.rademacher.galanti import vector_complexity

PARTITIONS = ("position", "group", "scalar")
DESCRIBED = [name for name in networks.NETWORKS if network(name).reference is not None]
FLOAT32_INSIDE = {"weight_norm", "nnx_batch_norm", "linen_batch_norm_before_padding"}
M, DELTA = 50, 0.01


# The other forms of one network are compared in test_reader. Every path is walked: the one network with half a
# million of them is left out.
SAME = ("patches", "shifted_matmuls", "predecessors", "vmapped", "nested_calls", "patches_flat_batch")
DISTINCT = [n for n in DESCRIBED if n.removesuffix("_biased") not in SAME]
PAIRS = [(n, p) for n in DISTINCT for p in PARTITIONS if (n, p) != ("scanned", "scalar")]


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def pair(request):
    name, partition = request.param
    net = network(name)
    graph = bounds.read_graph(net.f, net.x[:2], nodes=partition, group_size=2)
    energy = energies(net.x.shape[1:])
    literal = ref.describe(net.reference, partition, energy, M, group_size=2)
    return graph, energy, net.reference, literal, 1e-6 if name in FLOAT32_INSIDE else 1e-10


def test_both_forms_are_the_literal_ones(pair):
    graph, energy, _, literal, rtol = pair
    expected = {"shared": ref.shared_form(literal), "per node": ref.separate_form(literal)}
    found = list(sparse_forms.forms(sparse_chain.read_chain(graph), graph.node_sums(0, energy), M, True))
    assert found[0].terms["form"] == "shared" and not found[0].prices
    for form in found:
        twin = expected[form.terms["form"]]
        assert form.value == pytest.approx(twin["complexity"], rel=rtol)
        assert math.exp(form.log_scale) == pytest.approx(twin["norm"], rel=rtol)
        assert form.terms["logs"] == pytest.approx(twin["logs"], rel=1e-12)


def test_the_bound_is_the_smaller_form_with_its_costs(pair):
    graph, energy, _, literal, rtol = pair
    sample = sample_of(energy, margins=np.linspace(-1, 3, M))
    for gamma in (1.0, 0.3, 20.0):
        bound = bounds.galanti(graph, sample, delta=DELTA, gamma=gamma, mask_fixed=True)
        options = {"shared": ref.sound(ref.shared_form(literal), M, DELTA, gamma)}
        if sparse_chain.read_chain(graph).spread:  # the other form has the remaining quarter of δ: log 3
            options["per node"] = ref.sound(ref.separate_form(literal), M, DELTA, gamma, nats=math.log(3))
        name, smallest = min(options.items(), key=lambda item: item[1]["complexity"] + item[1]["confidence"])
        assert bound.terms["form"] == name
        assert bound.complexity == pytest.approx(smallest["complexity"], rel=2e-6 + rtol)
        assert bound.confidence == pytest.approx(smallest["confidence"], rel=1e-9)
        assert bound.margin_error == sample.ramp(gamma)
        assert bound.value == pytest.approx(bound.margin_error + bound.complexity + bound.confidence, rel=1e-12)


def test_the_printed_form_is_the_literal_one(pair):
    graph, energy, net, _, rtol = pair
    sample = sample_of(energy, margins=np.linspace(-1, 3, M))
    for version in ("neurips", "v1"):
        twin = ref.published(net, graph.nodes, energy, M, DELTA, version=version, gamma=0.5, group_size=2)
        bound = bounds.galanti_published(graph, sample, delta=DELTA, version=version, gamma=0.5)
        assert bound.complexity == pytest.approx(twin["complexity"], rel=rtol)
        assert bound.confidence == pytest.approx(twin["confidence"], rel=rtol)
        assert bound.terms["rho"] == pytest.approx(twin["rho"], rel=rtol)
        assert bound.margin_error == sample.margin_error(0.5)
        assert bound.guarantee == "published" and "refuted" in bound.note
        assert ("not counted" in bound.note) == ref.has_bias(net)


# ---- numbers worked by hand --------------------------------------------------------------------


def three_convolutions(norms=(1.0, 1.0, 1.0), top=1.0, spread_rows=False, width=2):
    """28×28, three 2×2 convolutions, 625 positions, 10 classes; ‖K‖_F as given, the last layer on one row or all."""
    rng = np.random.default_rng(3)
    shapes = [(2, 2, 1, width), (2, 2, width, width), (2, 2, width, width)]
    kernels = [rng.normal(size=s) for s in shapes]
    kernels = [(n * k / np.linalg.norm(k)).astype(np.float32) for n, k in zip(norms, kernels, strict=True)]
    w = rng.normal(size=(625 * width, 10))
    if not spread_rows:
        w[:, 1:] *= 1e-9
    w = (top * w / np.linalg.norm(w, axis=0).sum()).astype(np.float32)

    def f(x):
        for k in kernels:
            x = jax.nn.relu(conv(x, k))
        return flat(x) @ w

    return f, float(np.linalg.norm(w))


def mnist_energies():
    """Largest pixel energy as measured on raw MNIST, at (14, 15); less everywhere else."""
    energy = np.random.default_rng(4).uniform(0, 20000, size=(28, 28, 1))
    energy[14, 15, 0] = 29038.2855
    return energy


@pytest.mark.parametrize(
    ("rho", "v1", "neurips"),
    [(0, 0.461, 0.437), (1, 0.895, 0.847), (2, 1.328, None), (5, 2.627, None), (10, 4.79, None), (100, 43.7, None)],
)
def test_published_numbers(rho, v1, neurips):
    f, frobenius = three_convolutions()
    scaled = lambda x: f(x) * np.float32(rho / frobenius)  # noqa: E731
    graph = bounds.read_graph(scaled, np.ones((2, 28, 28, 1), np.float32))
    sample = sample_of(np.ones((28, 28, 1)), m=60000, classes=10, margins=np.full(60000, 9.0))
    options = {"delta": 0.001, "m": 50000, "energies": mnist_energies()}
    for version, expected in (("v1", v1), ("neurips", neurips)):
        bound = bounds.galanti_published(graph, sample, version=version, **options)
        assert bound.terms["rho"] == pytest.approx(rho, rel=1e-6)
        assert bound.terms["max |pred| per hidden layer"] == [4, 4, 4] and bound.terms["L"] == 4
        if expected is not None:
            decimals = len(str(expected).split(".")[1])
            assert bound.complexity + bound.confidence == pytest.approx(expected, abs=0.501 * 10**-decimals)


@pytest.mark.parametrize(
    ("c", "j", "c_j", "complexity", "confidence"),
    [
        (1.0, 0, 1.0, 17.6495, 0.018214),
        (0.01, -48, 0.0103074, 0.181922, 0.024823),
        (34.0, 37, 34.00395, 600.154, 0.024415),
    ],
)
@pytest.mark.parametrize("spread_rows", [False, True])
def test_worked_values_of_the_sound_form(c, j, c_j, complexity, confidence, spread_rows):
    f, _ = three_convolutions((2.0, 0.25, 1.0), top=2 * c, spread_rows=spread_rows)
    graph = bounds.read_graph(f, np.ones((2, 28, 28, 1), np.float32))
    sample = sample_of(mnist_energies(), m=50000, classes=10, margins=0.0)
    bound = bounds.galanti(graph, sample, delta=0.001)
    assert bound.terms["max |pred| per layer"] == [4, 4, 4, 625]
    assert bound.terms["c = scale/gamma"] == pytest.approx(c, rel=1e-6)
    assert bound.terms["grid index j"] == j
    assert bound.terms["c_j"] == pytest.approx(c_j, rel=1e-5)
    assert bound.complexity == pytest.approx(complexity, rel=4e-6)
    assert bound.confidence == pytest.approx(confidence, abs=6e-7)
    assert bound.margin_error == 1.0 and bound.guarantee == "certificate"


def test_every_factor_can_be_redone_from_the_terms():
    f, _ = three_convolutions((1.5, 2.0, 0.5), top=3.0, spread_rows=True)
    graph = bounds.read_graph(f, np.ones((2, 28, 28, 1), np.float32))
    bound = bounds.galanti(graph, sample_of(mnist_energies(), m=5000, classes=10, margins=0.0), delta=0.02, gamma=0.7)
    t = bound.terms
    rho = t["sum_r ||w_r||"] * math.prod(t["max_j ||W_j|| per hidden layer"])
    assert rho / bound.gamma == pytest.approx(t["c = scale/gamma"], rel=1e-9) == pytest.approx(4.5 / 0.7, rel=1e-6)
    logs = 3 * math.log(2) + sum(map(math.log, t["max |pred| per layer"])) + math.log(t["classes C"])
    complexity = 4 / t["m"] * t["c_j"] * (1 + math.sqrt(2 * logs)) * math.sqrt(t["max path prod |pred| * energy"])
    assert complexity == pytest.approx(bound.complexity, rel=1e-9)
    assert 2 * math.sqrt(math.log(1 / t["delta_j"]) / (2 * t["m"])) == pytest.approx(bound.confidence, rel=1e-9)


def test_prior_worked_value_without_and_with_biases():
    """ρ_L = 1.5, ρ = (1.2, 0.8), |pred| = (9, 9, 16), energy 400, C = 10, m = 1000: 18.5558314.

    With biases the formula that fixes every layer's norm gives 33.9461769; one number c for all layers has to scale
    the constant's path by max(1, 0.96) instead of 0.96.
    """
    energy = np.full((8, 8, 1), 400.0)
    assert vector_complexity(two_three_by_three(), energy, 1000).value / 1000 == pytest.approx(18.5558314, rel=2e-6)
    biased = vector_complexity(two_three_by_three(bias=0.1), energy, 1000).value / 1000
    assert biased == pytest.approx(33.9461769 / 0.96, rel=2e-6)


# ---- masks, partitions, gamma ------------------------------------------------------------------


def conv_3_16(density, seed=0):
    rng = np.random.default_rng(seed)
    shapes = [(2, 2, 1, 16), (2, 2, 16, 16), (2, 2, 16, 16), (625 * 16, 10)]
    weights = [rng.uniform(-1, 1, size=s) / np.sqrt(np.prod(s[:-1])) for s in shapes]
    masked = [np.where(rng.random(w.shape) < density, w, 0.0).astype(np.float32) for w in weights]

    def f(x):
        for k in masked[:-1]:
            x = jax.nn.relu(conv(x, k))
        return flat(x) @ masked[-1]

    return bounds.read_graph(f, np.ones((2, 28, 28, 1), np.float32))


def test_a_random_mask_fixed_in_advance_makes_scalar_nodes_the_better_ones():
    energy, m = mnist_energies(), 50000
    sparse, dense = conv_3_16(0.1), conv_3_16(1.0)
    ratio = {}
    for name, graph in (("sparse", sparse), ("dense", dense)):
        values = {p: vector_complexity(graph.partition(p), energy, m).value for p in ("position", "scalar")}
        ratio[name] = values["position"] / values["scalar"]
    assert ratio["sparse"] > 4
    assert ratio["dense"] < 0.6


def test_a_learned_mask_costs_the_logarithm_of_the_number_of_masks():
    graph = conv_3_16(0.1).partition("scalar")
    sample = sample_of(mnist_energies(), m=50000, classes=10, margins=0.0)
    fixed, learned = (bounds.galanti(graph, sample, delta=0.001, mask_fixed=fixed) for fixed in (True, False))
    chain = sparse_chain.read_chain(graph)
    total, kept = 0, 0
    for shape, layer in zip([(4, 16), (64, 16), (64, 16), (10000, 10)], chain.layers, strict=True):
        total += math.prod(shape)
        kept += layer.present
    literal = math.log(total + 1) + math.log(math.comb(total, kept))
    assert sparse_forms.mask_nats(chain) == pytest.approx(literal, rel=1e-9)
    assert abs(kept / total - 0.1) < 0.01
    assert learned.value > fixed.value
    if learned.terms["nats paid for choices"] > literal:
        j, delta = learned.terms["grid index j"], 0.001
        nats = math.log(2 * (abs(j) + 1) * (abs(j) + 2) / delta) + literal + 2 * math.log(3)
        assert learned.confidence == pytest.approx(2 * math.sqrt(nats / (2 * 50000)), rel=1e-9)
    else:  # counting every possible predecessor was cheaper
        assert learned.complexity > 2 * fixed.complexity


def test_a_mask_without_zeros_costs_nothing():
    graph = conv_3_16(1.0)
    sample = sample_of(mnist_energies(), m=50000, classes=10, margins=0.0)
    fixed, learned = (bounds.galanti(graph, sample, delta=0.001, mask_fixed=fixed) for fixed in (True, False))
    assert fixed.value == learned.value and fixed.terms["nats paid for choices"] == 0


def test_the_best_of_three_partitions_pays_log_3():
    net = network("masked_convolution")
    graph = bounds.read_graph(net.f, net.x[:2], group_size=2)
    sample = sample_of(energies(net.x.shape[1:]), margins=np.linspace(-1, 3, M))
    single = [bounds.galanti(graph, sample, delta=DELTA, nodes=p, mask_fixed=True) for p in PARTITIONS]
    best = bounds.galanti(graph, sample, delta=DELTA, nodes="best", mask_fixed=True)
    paid = [s.value - s.confidence + math.sqrt(s.confidence**2 + 2 * math.log(3) / M) for s in single]
    assert best.value == pytest.approx(min(paid), rel=1e-12)
    assert best.terms["nodes"] == PARTITIONS[int(np.argmin(paid))]
    assert bounds.galanti(graph, sample, delta=DELTA, mask_fixed=True) == single[0]


@settings(max_examples=30, deadline=None)
@given(
    scale=st.floats(-12, 12),
    spread=st.floats(0.0, 5.0),
    centre=st.floats(-3, 30),
    m=st.sampled_from([2, 10, 1000, 100000]),
)
def test_the_best_margin_is_never_worse_than_any_other(scale, spread, centre, m):
    graph = _small().graph
    sample = sample_of(np.full((12,), 10.0**scale), m=m, margins=centre + spread * np.linspace(-1, 1, m))
    best = bounds.galanti(graph, sample, delta=DELTA, gamma="best")
    for gamma in (1.0, 0.01, 100.0):
        assert best.value <= bounds.galanti(graph, sample, delta=DELTA, gamma=gamma).value * (1 + 1e-9)
    again = bounds.galanti(graph, sample, delta=DELTA, gamma=best.gamma)
    assert again.value == pytest.approx(best.value, rel=1e-6)


class _small:
    net = network("mlp_flat")
    graph = bounds.read_graph(net.f, net.x[:2])


# ---- invariances -------------------------------------------------------------------------------


def _values(f, x, sample, partition):
    graph = bounds.read_graph(f, x[:2], nodes=partition, group_size=3)
    sound = bounds.galanti(graph, sample, delta=DELTA, mask_fixed=True)
    return np.array([vector_complexity(graph, sample.energies, M).value, sound.value])


@pytest.mark.parametrize("partition", PARTITIONS)
def test_what_changes_nothing(partition):
    net, x = networks.two_convolutions(), images(M, seed=8)
    f = networks.forms(net)["native"]
    sample = bounds.Sample.measure(f, x, np.arange(M) % 4)
    expected = _values(f, x, sample, partition)

    order = np.array([2, 0, 1])
    w = net.w.reshape(4, 4, 3, 4)[:, :, order].reshape(48, 4)
    permuted = networks.TwoConvolutions(net.k1[..., order], net.k2[:, :, order][..., order], w)
    rescaled = networks.TwoConvolutions(net.k1 * 8, net.k2 / 4, net.w / 2)
    ones = lambda x: networks.stack(net, lambda z, k: conv(z, jnp.where(np.ones(k.shape, bool), k, 0.0)))(x)  # noqa: E731
    for name, g in (("permuted", networks.forms(permuted)["native"]), ("mask of ones", ones)):
        np.testing.assert_allclose(_values(g, x, sample, partition), expected, rtol=1e-6, err_msg=name)
    np.testing.assert_allclose(
        _values(networks.forms(rescaled)["native"], x, sample, partition), expected, rtol=1e-12, err_msg="rescaled"
    )
    shuffle = np.random.default_rng(0).permutation(M)
    other = bounds.Sample.measure(f, x[shuffle], (np.arange(M) % 4)[shuffle])
    np.testing.assert_allclose(_values(f, x, other, partition), expected, rtol=1e-6, err_msg="shuffled")


def test_what_changes_something():
    """The invariances above are not won by ignoring the weights."""
    net, x = networks.two_convolutions(), images(M, seed=8)
    sample = of_any_network(bounds.Sample.measure(networks.forms(net)["native"], x, np.arange(M) % 4))
    expected = _values(networks.forms(net)["native"], x, sample, "position")[0]
    for k1, factor in ((net.k1 * 2, 2.0), (np.where(np.arange(2)[:, None, None, None] == 0, net.k1, 0.0), None)):
        changed = networks.TwoConvolutions(k1.astype(np.float32), net.k2, net.w)
        value = _values(networks.forms(changed)["native"], x, sample, "position")[0]
        assert value == pytest.approx(factor * expected, rel=1e-9) if factor else value < 0.9 * expected
