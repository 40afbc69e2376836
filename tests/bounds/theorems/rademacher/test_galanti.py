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
from sparsebounds.bounds.theorems.rademacher.galanti import complexities, vector_complexity
from sparsebounds.bounds.theorems.rademacher.node_forms import mask_nats

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
    graph = bounds.read_graph(net.f, net.x[:2], nodes=partition, group_size=2, selections_fixed=True)
    energy = energies(net.x.shape[1:])
    literal = ref.describe(net.reference, partition, energy, M, group_size=2)
    return graph, energy, net.reference, literal, 1e-6 if name in FLOAT32_INSIDE else 1e-10


def forms_by_hand(graph, energy, net, literal):
    """Name of a form → its numbers and its nats: what is no main form shares a quarter of δ."""
    biased = any(layer.bias is not None for layer in graph.layers)
    choice = math.log(3) + math.log(1 + biased)
    options = {"nodes": (ref.node_form(net, graph.nodes, energy, M, group_size=2), 0.0)}
    options["shared"] = ref.shared_form(literal), choice
    if biased:  # 2^i, the largest that the energies of the inputs hide
        i = math.floor(math.log2(max(literal.energy.values()) / M) / 2)
        form = ref.node_form(net, graph.nodes, energy, M, log_constant=i * math.log(2), group_size=2)
        options[f"nodes, {2.0**i}"] = form, choice + math.log(2 * (abs(i) + 1) * (abs(i) + 2))
    return options


def test_all_forms_are_the_literal_ones(pair):
    graph, energy, net, literal, rtol = pair
    expected = list(forms_by_hand(graph, energy, net, literal).items())
    found = complexities(graph, energy, M, True)
    assert found[0].terms["form"] == "nodes" and not found[0].prices
    if len(found) > 2:
        found[1:] = found[:0:-1]
    assert len(found) == len(expected)
    for form, (name, (twin, nats)) in zip(found, expected, strict=True):
        assert form.terms["form"] == name.partition(",")[0]
        assert form.value == pytest.approx(twin["complexity"], rel=rtol)
        assert math.exp(form.log_scale) == pytest.approx(twin["norm"], rel=rtol)
        assert form.terms["logs"] == pytest.approx(twin["logs"], rel=1e-9)
        assert sum(form.prices.values()) == pytest.approx(nats)


def test_the_bound_is_the_smallest_form_with_its_costs(pair):
    graph, energy, net, literal, rtol = pair
    sample = sample_of(energy, margins=np.linspace(-1, 3, M))
    for gamma in (1.0, 0.3, 20.0):
        bound = bounds.galanti(graph, sample, delta=DELTA, gamma=gamma, mask_fixed=True)
        options = [
            ref.sound(f, M, DELTA, gamma, nats=n) for f, n in forms_by_hand(graph, energy, net, literal).values()
        ]
        smallest = min(options, key=lambda item: item["complexity"] + item["confidence"])
        assert bound.terms["complexity uncapped"] == pytest.approx(smallest["complexity"], rel=2e-6 + rtol)
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


def shared(graph, energies, m):
    return sparse_forms.shared(sparse_chain.read_chain(graph), graph.node_sums(0, energies), m, structural=True)


@pytest.mark.parametrize("spread_rows", [False, True])
def test_worked_values_of_the_shared_form(spread_rows):
    """|pred| = (4, 4, 4, 625), energy 29038.2855, three ReLUs of √2, C = 10, m = 50000: 17.1223 at c = 1."""
    f, _ = three_convolutions((2.0, 0.25, 1.0), top=2.0, spread_rows=spread_rows)
    form = shared(bounds.read_graph(f, np.ones((2, 28, 28, 1), np.float32)), mnist_energies(), 50000)
    t = form.terms
    assert t["max |pred| per layer"] == [4, 4, 4, 625]
    assert math.exp(form.log_scale) == pytest.approx(1.0, rel=1e-6)
    assert t["logs"] == pytest.approx(1.5 * math.log(2) + math.log(4**3 * 625 * 10), rel=1e-12)
    assert t["max path prod |pred| * energy"] == pytest.approx(4**3 * 625 * 29038.2855, rel=1e-9)
    assert 4 / 50000 * form.value == pytest.approx(17.1223, rel=4e-6)


def test_every_factor_can_be_redone_from_the_terms():
    f, _ = three_convolutions((1.5, 2.0, 0.5), top=3.0, spread_rows=True)
    graph = bounds.read_graph(f, np.ones((2, 28, 28, 1), np.float32))
    bound = bounds.galanti(graph, sample_of(mnist_energies(), m=5000, classes=10, margins=0.0), delta=0.02, gamma=0.7)
    t = bound.terms
    assert t["form"] == "nodes" and t["sum_r kappa_r"] / bound.gamma == pytest.approx(t["c = scale/gamma"], rel=1e-9)
    # √2 per ReLU, four predecessors of each position, 625 of each of ten scores.
    assert t["logs"] == pytest.approx(1.5 * math.log(2) + math.log(4**3 * 625 * 10), rel=1e-12)
    factor = 1 + math.sqrt(2 * t["logs"])
    complexity = 4 / t["m"] * t["c_j"] * factor * math.sqrt(t["largest energy read"])
    assert complexity == pytest.approx(bound.terms["complexity uncapped"], rel=1e-9) and bound.complexity == 1.0
    assert 2 * math.sqrt(math.log(1 / t["delta_j"]) / (2 * t["m"])) == pytest.approx(bound.confidence, rel=1e-9)


def test_prior_worked_value_without_and_with_biases():
    """ρ_L = 1.5, ρ = (1.2, 0.8), |pred| = (9, 9, 16), energy 400, C = 10, m = 1000: 18.5558314 with 2 per ReLU.

    With biases the formula that fixes every layer's norm gives 33.9461769; one number c for all layers has to scale
    the constant's path by max(1, 0.96) instead of 0.96.
    """

    def root(counts, nats):
        return 1 + math.sqrt(2 * (math.log(10 * math.prod(counts)) + nats))

    energy = np.full((8, 8, 1), 400.0)
    plain, biased = (shared(two_three_by_three(**b), energy, 1000).value / 1000 for b in ({}, {"bias": 0.1}))
    without, added = (9, 9, 16), (10, 10, 17)
    smaller = root(without, math.log(2)) / root(without, 2 * math.log(2))
    assert plain == pytest.approx(18.5558314 * smaller, rel=2e-6)
    smaller = root(added, math.log(2)) / root(added, 2 * math.log(2))
    assert biased == pytest.approx(33.9461769 / 0.96 * smaller, rel=2e-6)


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


def test_zero_weights_count_in_no_gain_whatever_the_nodes():
    """Nine of ten weights are zero: the bound falls by more than that squared, and no mask is paid for."""
    energy, m = mnist_energies(), 50000
    for partition in ("position", "scalar"):
        dense, sparse = (conv_3_16(d).partition(partition) for d in (1.0, 0.1))
        values = [vector_complexity(graph, energy, m, mask_fixed=False).value for graph in (dense, sparse)]
        assert values[0] > 100 * values[1]


def test_a_learned_mask_costs_the_logarithm_of_the_number_of_masks():
    graph = conv_3_16(0.1).partition("scalar")
    sample = sample_of(mnist_energies(), m=50000, classes=10, margins=0.0)
    fixed, learned = (bounds.galanti(graph, sample, delta=0.001, mask_fixed=fixed) for fixed in (True, False))
    total = sum(math.prod(shape) for shape in [(4, 16), (64, 16), (64, 16), (10000, 10)])
    kept = sum(int(np.count_nonzero(layer.terms[0].weight)) for _, layer in graph.linear_layers())
    literal = math.log(total + 1) + math.log(math.comb(total, kept))
    assert mask_nats(graph) == pytest.approx(literal, rel=1e-9)
    assert abs(kept / total - 0.1) < 0.01
    assert learned.value > fixed.value
    if learned.terms["nats paid for choices"] > literal:
        j, delta = learned.terms["grid index j"], 0.001
        nats = math.log(2 * (abs(j) + 1) * (abs(j) + 2) / delta) + literal + 2 * math.log(3)  # one of three others
        assert learned.confidence == pytest.approx(2 * math.sqrt(nats / (2 * 50000)), rel=1e-9)
    else:  # counting every possible predecessor was cheaper
        assert learned.complexity > 1.2 * fixed.complexity


def test_a_mask_without_zeros_costs_nothing():
    graph = conv_3_16(1.0)
    sample = sample_of(mnist_energies(), m=50000, classes=10, margins=0.0)
    fixed, learned = (bounds.galanti(graph, sample, delta=0.001, mask_fixed=fixed) for fixed in (True, False))
    assert fixed.value == learned.value and fixed.terms["nats paid for choices"] == 0


def test_the_best_of_three_partitions_pays_log_3():
    net = network("masked_convolution")
    graph = bounds.read_graph(net.f, net.x[:2], group_size=2)
    sample = sample_of(energies(net.x.shape[1:]), margins=np.linspace(-1, 3, M))
    given = {"delta": DELTA, "mask_fixed": True, "gamma": 1e4}  # where complexities are below 1
    single = [bounds.galanti(graph, sample, nodes=p, **given) for p in PARTITIONS]
    best = bounds.galanti(graph, sample, nodes="best", **given)
    paid = [s.value - s.confidence + math.sqrt(s.confidence**2 + 2 * math.log(3) / M) for s in single]
    assert best.value == pytest.approx(min(paid), rel=1e-12)
    assert best.terms["nodes"] == PARTITIONS[int(np.argmin(paid))]
    assert bounds.galanti(graph, sample, **given) == single[0]


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
        other = bounds.galanti(graph, sample, delta=DELTA, gamma=gamma).value
        # γ is chosen by complexities before their cap: where nothing says anything, another may be lower.
        assert best.value <= other * (1 + 1e-9) or min(best.value, other) >= 1.0
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
