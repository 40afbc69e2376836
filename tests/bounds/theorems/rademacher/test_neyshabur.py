"""Products of group norms against literal twins, hand-worked numbers, exact suprema; the two-layer bound.

The search for violations is in test_audit.
"""

import math

import chains
import networks
import numpy as np
import pytest
import reference as ref
from networks import network
from samples import sample_of

from sparsebounds import bounds
from sparsebounds.bounds.audit.search.inputs import sign_patterns
from sparsebounds.bounds.theorems.chains import level_norms
from sparsebounds.bounds.theorems.chains import plain as plain_chain
from sparsebounds.bounds.theorems.rademacher.neyshabur import frobenius_complexity, l1_complexity
from sparsebounds.bounds.theorems.rademacher.neyshabur_two_layer import unit_complexity

FLOAT32_INSIDE = {"weight_norm", "nnx_batch_norm", "linen_batch_norm_before_padding"}
DESCRIBED = [n for n in networks.NETWORKS if network(n).reference is not None]
M = 50


def twin(net: ref.Net, energies, matrices):
    """The factors beside the norms, from dense matrices with the constant input."""
    data = np.append(energies.ravel(), M) if ref.has_bias(net) else energies.ravel()
    relus = sum(h.slope != 1.0 for h in net.layers[:-1])
    return data, relus, len(matrices[-1])


def best_carried(net: ref.Net, top):
    """c_1, …, c_{L−1} by a general optimiser, in logarithms."""
    from scipy.optimize import minimize

    def size(logs):
        *hidden, last = chains.augmented(net, np.exp([0.0, *logs]))
        return sum(math.log(np.linalg.norm(a)) for a in hidden) + math.log(top(last))

    found = minimize(size, np.zeros(net.depth - 1), method="BFGS", options={"gtol": 1e-10})
    return np.exp([0.0, *found.x])


@pytest.fixture(params=DESCRIBED)
def described(request):
    net = network(request.param)
    energies = 40 * np.random.default_rng(0).uniform(0.1, 1, size=net.x.shape[1:])
    return bounds.read_graph(net.f, net.x[:2]), energies, net, 1e-6 if request.param in FLOAT32_INSIDE else 1e-9


def has_zero_bias_only(graph, net):
    return not ref.has_bias(net) and any(getattr(layer, "bias", None) is not None for layer in graph.layers)


def test_frobenius_is_the_literal_one(described):
    graph, energies, net, rtol = described
    if has_zero_bias_only(graph, net.reference):
        energies = energies + M / energies.size  # a bias of zeros is a bias: the constant has energy M
    carried = best_carried(net.reference, np.linalg.norm) if ref.has_bias(net.reference) else None
    matrices = [h.matrix for h in net.reference.layers]
    if carried is not None:
        matrices = chains.augmented(net.reference, carried)
        with_one = np.hstack([net.x.reshape(len(net.x), -1), np.ones((len(net.x), 1))])
        slopes = [h.slope for h in net.reference.layers[:-1]]
        np.testing.assert_allclose(chains.run(matrices, with_one, slopes), ref.forward(net.reference, net.x), atol=1e-9)
    data, relus, classes = twin(net.reference, energies, matrices)
    expected = math.prod(np.linalg.norm(a) for a in matrices) * math.sqrt(classes) * 2**relus * math.sqrt(data.sum())
    given = energies - (M / energies.size if has_zero_bias_only(graph, net.reference) else 0.0)
    found = frobenius_complexity(graph, given, M).value
    assert found == pytest.approx(expected, rel=1e-6 if carried is not None else rtol)


def test_l1_is_the_literal_one(described):
    graph, energies, net, rtol = described
    carried = [1.0]
    for k in range(net.reference.depth - 1):
        matrix = chains.augmented(net.reference, [*carried, *[1.0] * net.reference.depth])[k][:-1]
        carried.append(carried[-1] * np.abs(matrix).sum(axis=1).max())
    biased = ref.has_bias(net.reference)
    matrices = chains.augmented(net.reference, carried) if biased else [h.matrix for h in net.reference.layers]
    zero = has_zero_bias_only(graph, net.reference)
    data, relus, classes = twin(net.reference, energies, matrices)
    norm = math.prod(np.abs(a).sum(axis=1).max() for a in matrices[:-1]) * np.abs(matrices[-1]).sum()
    largest = max(data.max(), M if zero else 0.0)
    expected = norm * 2**relus * math.sqrt(2 * math.log(2 * (data.size + zero) * classes)) * math.sqrt(largest)
    assert l1_complexity(graph, energies, M).value == pytest.approx(expected, rel=rtol)


def test_numbers_worked_by_hand():
    """Three layers, product 2, ‖X‖_F = 10, m = 100: 0.8. Four inputs of norm 5: 2² · 2 · 5 √(2 log 8)."""
    matrices = [np.array([[1.0, 0, 0, 0]]), np.array([[4.0]]), np.array([[0.5]])]
    graph = chains.graph_of(matrices)
    assert frobenius_complexity(graph, np.full(4, 25.0), 100).value / 100 == pytest.approx(0.8)
    expected = 4 * 2 * 5 * math.sqrt(2 * math.log(8))
    assert l1_complexity(graph, np.full(4, 25.0), 100).value == pytest.approx(expected)


def test_the_whole_row():
    """Product 2, C = 4, one activation, ‖X‖_F = 10, m = 100: c = 2 → j = 8, 1.1⁸ = 2.14358881."""
    graph = chains.graph_of([np.eye(2) / math.sqrt(2), np.vstack([np.eye(2), np.eye(2)])])
    sample = sample_of(np.full(2, 50.0), 100, 4)
    b = bounds.neyshabur_frobenius(graph, sample, delta=0.01)
    uncapped = 4 / 100 * 2.14358881 * math.sqrt(4) * 2 * 10
    assert b.terms["complexity uncapped"] == pytest.approx(uncapped, rel=2e-6) and b.complexity == 1.0
    assert b.confidence == pytest.approx(2 * math.sqrt(math.log(2 * 9 * 10 / 0.01) / 200))
    assert b.margin_error == sample.ramp(1.0) and b.guarantee == "certificate"


def test_a_bias_by_hand():
    """f = σ(x + 1)·1 on one input. (1 + 1 + c²)(1 + 0): nothing above reads the constant: ‖[1, 1]‖ = √2."""
    graph = chains.graph_of([np.eye(1), np.eye(1)], [np.ones(1), None])
    assert frobenius_complexity(graph, np.array([3.0]), 1).value == pytest.approx(math.sqrt(2) * 2 * 2)
    assert l1_complexity(graph, np.array([3.0]), 1).value == pytest.approx(
        2 * 2 * math.sqrt(2 * math.log(4)) * math.sqrt(3)
    )


def test_a_bias_at_the_top_by_hand():
    """f = σ(x) + 1: (1 + c²)(1 + 1/c²) is smallest at c = 1: product √2 √2."""
    graph = chains.graph_of([np.eye(1), np.eye(1)], [None, np.ones(1)])
    assert frobenius_complexity(graph, np.array([3.0]), 1).value == pytest.approx(2 * 2 * 2)


# ---- is it a bound? ----------------------------------------------------------------------------


def test_frobenius_is_attained_by_linear_functions_of_orthogonal_inputs():
    """sup = ‖Σ_i ξ_i ⊗ e_i‖_F = √(Cm) for every ξ: the bound is exact, so a twin without √C or with m doubled fails."""
    for m, classes in ((5, 1), (4, 7)):
        graph = chains.graph_of([np.full((classes, m), 1 / math.sqrt(m * classes))])
        value = frobenius_complexity(graph, np.ones(m), m).value
        assert value == pytest.approx(math.sqrt(classes * m), rel=1e-6)
        assert classes == 1 or value / math.sqrt(classes) < math.sqrt(classes * m) / 2
        assert value / 2 < math.sqrt(classes * m)


def test_l1_is_within_15_percent_on_sign_patterns():
    """Inputs are all sign columns: max_j |Σ ξ_i x_ij| = m. √(m / (2 m log 2)) = 0.849: a twin with half of it fails."""
    m = 8
    x = sign_patterns(m)
    graph = chains.graph_of([np.eye(1, x.shape[1])])
    ratio = m / l1_complexity(graph, (x**2).sum(0).astype(float), m).value
    assert ratio == pytest.approx(1 / math.sqrt(2 * math.log(2)), rel=1e-3)
    assert 2 * ratio > 1


# ---- the two-layer theorem ---------------------------------------------------------------------


def test_two_layers_by_hand():
    """C = 10, m = 1000, α = (.5, .2), β = (1, .3), ‖X‖_F = 10, zero start: (2√20 + 2)(.5 + .06) 10/1000 = 0.0612879."""
    out = np.zeros((10, 2))
    out[0, 0], out[3, 1] = 0.5, 0.2
    graph = chains.graph_of([np.diag([1.0, 0.3]), out])
    complexity = unit_complexity(graph, np.full(2, 50.0), 1000)
    assert complexity.value / 1000 == pytest.approx(0.0612879, abs=1e-7)
    b = bounds.neyshabur_two_layer(graph, sample_of(np.full(2, 50.0), 1000, 10), delta=0.01)
    assert b.complexity == pytest.approx(2 / 1000 * b.terms["c_j"] * (2 * math.sqrt(20) + 2) * 10)


def test_two_layers_with_biases_are_two_layers_on_one_more_input():
    rng = np.random.default_rng(2)
    w, v, b, d = rng.normal(size=(4, 3)), rng.normal(size=(2, 4)), rng.normal(size=4), rng.normal(size=2)
    units = np.linalg.norm(np.column_stack([w, b]), axis=1) @ np.linalg.norm(v, axis=0) + np.linalg.norm(d)
    found = unit_complexity(chains.graph_of([w, v], [b, d]), np.ones(3), 5)
    assert found.value == pytest.approx(units * (2 * math.sqrt(4) + 2) * math.sqrt(3 + 5), rel=1e-6)


@pytest.mark.parametrize("name", ["linear_only", "native"])
def test_other_depths_are_refused(name):
    net = network(name)
    row = bounds.neyshabur_two_layer(
        bounds.read_graph(net.f, net.x[:2]), sample_of(np.ones(net.x.shape[1:]), M, 4), delta=0.01
    )
    assert math.isnan(row.value) and "where there must be two" in row.note


# ---- what it does not cover --------------------------------------------------------------------

CHAINS = ["neyshabur_frobenius", "neyshabur_l1", "neyshabur_two_layer", "golowich_l1"]
CHAINS += ["path_norm_layered"]


@pytest.mark.parametrize(
    ("bound", "name", "reason"),
    [
        ("neyshabur_two_layer", "max_pooled", "max pooling in max pool"),
        ("neyshabur_two_layer", "residual_post_activation", "skip"),
        ("path_norm_layered", "residual_post_activation", "skip"),
        ("path_norm_layered", "residual_pre_activation", "skip"),
    ],
)
def test_a_network_outside_is_refused(bound, name, reason):
    net = network(name)
    sample = sample_of(np.ones(net.x.shape[1:]), M, 4)
    row = bounds.BOUNDS[bound](bounds.read_graph(net.f, net.x[:2]), sample, delta=0.01)
    assert math.isnan(row.value) and reason in row.note and "joins.py" in row.note


@pytest.mark.parametrize("bound", CHAINS)
def test_weights_that_are_not_finite_or_zero(bound):
    sample = sample_of(np.ones(2), M, 2)
    zero = bounds.BOUNDS[bound](chains.graph_of([np.zeros((3, 2)), np.ones((2, 3))]), sample, delta=0.01)
    assert zero.complexity < 1e-5
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="finite"):
            bounds.BOUNDS[bound](chains.graph_of([np.full((3, 2), bad), np.ones((2, 3))]), sample, delta=0.01)


def test_a_deep_chain_does_not_become_small():
    """40 layers of norm √2·10¹⁰ on coordinates that are 0: the logarithm is exact, the bound beyond float64."""
    matrices = [np.diag([1.0, 0.0, 0.0])] + [np.diag([1.0, 1e10, 1e10])] * 40 + [np.eye(2, 3)]
    graph = chains.graph_of(matrices)
    norms = level_norms.frobenius_norms(graph, plain_chain.read_levels(graph))
    expected = 40 * math.log(math.sqrt(2) * 1e10) + math.log(2) / 2
    assert norms.product(level_norms.log_norm(norms.rows)) == pytest.approx(expected)
    row = bounds.neyshabur_frobenius(graph, sample_of(np.ones(3), M, 2), delta=0.01)
    assert row.terms["complexity uncapped"] == math.inf and row.complexity == 1.0


def test_rescaling_layers_changes_nothing():
    rng = np.random.default_rng(5)
    matrices = [rng.normal(size=s) for s in ((4, 3), (5, 4), (2, 5))]
    other = [2.0 * matrices[0], 8.0 * matrices[1], matrices[2] / 16]
    for complexity in (frobenius_complexity, l1_complexity):
        first, second = (complexity(chains.graph_of(a), np.ones(3), 9).value for a in (matrices, other))
        assert first == pytest.approx(second, rel=1e-12)
