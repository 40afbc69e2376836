"""Graf et al. 2022: recorded values, a literal twin, hulls against explicit generators, what is refused."""

import math

import jax
import jax.numpy as jnp
import networks
import numpy as np
import pytest
import reference as ref
from networks import conv, draw, flat, network

from sparsebounds import bounds
from sparsebounds.bounds.theorems.covering.dudley import closed_form
from sparsebounds.bounds.theorems.covering.graf import PSI, params_form
from sparsebounds.bounds.theorems.passes.hulls import kernel_hull, operator_hull
from sparsebounds.bounds.theorems.passes.maps import learned_terms

ALL = [bounds.graf_norms, bounds.graf_params, bounds.graf_dudley]
C, W, M = np.array([4.0, 2.5, 0.7]), np.array([900.0, 5000.0, 100.0]), 1000


def measured(f, x, **options):
    return bounds.Sample.measure(f, x, np.arange(len(x)) % 2, **options)


def test_recorded_values():
    # Documented as 126.683709; the formula gives 126.68371088.
    assert closed_form(C, 2 * W.max(), M) == pytest.approx(126.683709, rel=2e-8)
    literal = 4 / M + 12 * sum(1 / k for k in range(1, M)) / M**0.5 * math.log(10000) ** 0.5 * (3 + 2 + 1) ** 1.5
    assert closed_form(C, 2 * W.max(), M) == pytest.approx(literal, rel=1e-12)
    assert params_form(C, W, M) == pytest.approx(103.172719, abs=1e-6)
    assert params_form(C, W, M, psi=2.7) == pytest.approx(108.877041, abs=1e-6)


def test_without_ceilings_and_with_log_the_theorem_would_be_undercut():
    code = 4 / M + 12 * math.log(M) / M**0.5 * math.log(10000) ** 0.5 * sum(x ** (2 / 3) for x in C) ** 1.5
    assert code == pytest.approx(92.985412, abs=1e-6)
    assert code < closed_form(C, 2 * W.max(), M)


def test_psi_is_never_below_the_sum_it_stands_for():
    for beta in (1, 2, 10, 1000):
        k = np.arange(beta, 10**6, dtype=np.float64)
        partial = float(np.sum(np.log1p(1 / (k + 1)) * np.sqrt(beta / k)))
        tail = 2 * math.sqrt(beta / 1e6)  # √β ∫ t^{-3/2}
        assert partial < PSI and partial + tail < PSI + 0.01
    exact = {1: 1.683, 10: 1.953}
    for beta, value in exact.items():
        k = np.arange(beta, 4 * 10**6, dtype=np.float64)
        found = float(np.sum(np.log1p(1 / (k + 1)) * np.sqrt(beta / k))) + 2 * math.sqrt(beta / 4e6)
        assert found == pytest.approx(value, abs=1e-3)


def test_params_form_far_out():
    assert params_form(np.array([1e150]), np.array([1.0]), 100) == pytest.approx(
        12 / 10 * math.sqrt(2 * (2 * math.log(1e150) + 2)), rel=1e-9
    )
    assert params_form(np.array([math.inf]), np.array([1.0]), 100) == math.inf
    assert params_form(np.zeros(2), np.ones(2), 100) == 0.0


# ---- hulls ---------------------------------------------------------------------------------------

KERNELS = {
    "native": lambda: [networks.two_convolutions().k1, networks.two_convolutions().k2],
    "patches": lambda: [networks.two_convolutions().k1, networks.two_convolutions().k2],
    "shifted_matmuls": lambda: [networks.two_convolutions().k1, networks.two_convolutions().k2],
    "strided_same": lambda: [draw(51, 3, 3, 2, 3)],
    "uneven_padding": lambda: [draw(52, 3, 2, 2, 3)],
    "dilated": lambda: [draw(53, 2, 2, 2, 3)],
    "depthwise": lambda: [draw(54, 2, 2, 1, 4)],
}


@pytest.mark.parametrize("name", KERNELS)
def test_kernel_hull_counts_every_weight_once(name):
    net = network(name)
    graph = bounds.read_graph(net.f, net.x[:2])
    for place, kernel in zip(learned_terms(graph), KERNELS[name](), strict=False):
        hull = kernel_hull(graph, place)
        k = kernel.astype(np.float64)
        literal = sum(
            math.sqrt(sum(k[a, b, i, o] ** 2 for i in range(k.shape[2])))
            for a in range(k.shape[0]) for b in range(k.shape[1]) for o in range(k.shape[3])
        )  # fmt: skip
        assert hull.radius == pytest.approx(literal, rel=1e-6)
        assert hull.kinds == 2 * k.size


@pytest.mark.parametrize("options", [{}, {"stride": (2, 2)}, {"padding": ((1, 1), (2, 0))}, {"dilation": (2, 2)}])
def test_images_under_unit_kernels_are_no_larger_than_the_data(options):
    """What the hull rests on: the generators, one weight at a time, as dense matrices."""
    x = np.random.default_rng(5).normal(size=(7, 72))
    for a in range(2):
        for b in range(2):
            total = 0.0
            for i in range(2):
                unit = np.zeros((2, 2, 2, 1))
                unit[a, b, i, 0] = 1.0
                total += np.sum(np.square(x @ ref.convolution(unit, (6, 6), **options)[0].T))
            assert total <= np.sum(np.square(x)) * (1 + 1e-12)


def test_a_tap_that_shows_one_element_to_several_rows_costs_their_root():
    kernel, w = draw(200, 1, 1, 2, 3), draw(201, 4 * 108, 4)

    def f(x):
        return flat(jax.nn.relu(conv(jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2), kernel))) @ w

    plain = float(np.sqrt(np.square(kernel.astype(np.float64)).sum(axis=2)).sum())
    graph = bounds.read_graph(f, networks.images()[:2])
    assert kernel_hull(graph, learned_terms(graph)[0]).radius == pytest.approx(2 * plain, rel=1e-6)


def test_a_window_longer_than_its_circle_reads_elements_again():
    kernel, w = draw(202, 3, 1, 2, 3), draw(203, 12, 4)
    x = networks.images(size=(4, 1))

    def f(x):
        x = x[:, :2]
        return flat(jax.nn.relu(conv(jnp.concatenate([x, x], axis=1)[:, :4], kernel))[:, :2]) @ w[:6]

    graph = bounds.read_graph(f, x[:2])
    rows = np.sqrt(np.square(kernel.astype(np.float64)).sum(axis=(0, 1, 2)))
    assert operator_hull(graph, learned_terms(graph)[0]).radius >= 2 * rows.sum() * (1 - 1e-6)


# ---- the bounds ----------------------------------------------------------------------------------


def literal_bound(name, bound, m):
    """The complexity from the terms of the row, formula by formula."""
    t = bound.terms
    c = np.array([2 * math.sqrt(2) * t["||X||_F"] / math.sqrt(m) * t["c_j"] * r for r in t["b_i/s_i of the class"]])
    weights, count = t["weights W_i"], len(c)
    if name == "graf_norms":
        harmonic = sum(1 / k for k in range(1, m))
        grown = sum(math.ceil(x ** (2 / 3)) for x in c) ** 1.5
        return 8 / m + 24 * harmonic / math.sqrt(m) * math.sqrt(math.log(2 * max(weights))) * grown
    inside = sum(2 * w * (math.log(1 + math.ceil((count * x) ** 2)) + 2) for w, x in zip(weights, c, strict=True))
    return 24 / math.sqrt(m) * math.sqrt(inside)


@pytest.mark.parametrize("name", ["graf_norms", "graf_params"])
@pytest.mark.parametrize("gamma", [0.5, 3.0, "best"])
def test_every_factor_is_in_the_terms(name, gamma):
    net = network("strided_same")
    sample = measured(net.f, net.x)
    bound = bounds.BOUNDS[name](bounds.read_graph(net.f, net.x[:2]), sample, delta=0.01, gamma=gamma)
    t = bound.terms
    assert t["complexity uncapped"] == pytest.approx(literal_bound(name, bound, sample.m), rel=1e-9)
    assert t["||X||_F"] == pytest.approx(np.linalg.norm(net.x.astype(np.float64)), rel=1e-9)
    assert t["weights W_i"] == (54.0, 108.0)
    s, b = t["s_i"], t["b_i"]
    dense = [layer.matrix for layer in net.reference.layers]
    for upper, matrix in zip(s, dense, strict=True):
        assert upper >= np.linalg.norm(matrix, 2) * (1 - 1e-9)
    for ratio, x, y in zip(t["b_i/s_i of the class"], b, s, strict=True):
        j = math.ceil(math.log(x / y) / math.log(1.1) - 1e-5)
        assert ratio == pytest.approx(1.1**j, rel=1e-5)
    assert t["c = scale/gamma"] == pytest.approx(math.prod(s) / bound.gamma, rel=1e-9)
    nats = sum(math.log(2 * (abs(j) + 1) * (abs(j) + 2)) for j in grid_numbers(t["b_i/s_i of the class"]))
    assert t["nats paid for choices"] == pytest.approx(nats, rel=1e-9)
    j = t["grid index j"]
    paid = math.log(2 * (abs(j) + 1) * (abs(j) + 2) / 0.01) + nats
    assert bound.confidence == pytest.approx(2 * math.sqrt(paid / (2 * sample.m)), rel=1e-9)
    assert bound.value == pytest.approx(sample.ramp(bound.gamma) + bound.complexity + bound.confidence, rel=1e-12)


def grid_numbers(values):
    return [round(math.log(v) / math.log(1.1)) for v in values]


def test_numeric_is_at_most_the_closed_forms_and_takes_the_same_class():
    for name in ("strided_same", "max_pooled", "global_average", "transposed_weights"):
        net = network(name)
        graph, sample = bounds.read_graph(net.f, net.x[:2]), measured(net.f, net.x)
        for gamma in (1.0, 1e3, 1e6):
            rows = [b(graph, sample, delta=0.01, gamma=gamma) for b in ALL]
            assert rows[2].complexity <= min(rows[0].complexity, rows[1].complexity) * 1.006
            assert rows[0].confidence == rows[1].confidence == rows[2].confidence


def test_weight_sharing_shows():
    """The same function with unshared weights has as many more weights as it has positions, equal values or not."""
    shared, unshared = (network(n) for n in ("native", "predecessors"))
    kinds = []
    for net in (shared, unshared):
        graph = bounds.read_graph(net.f, net.x[:2])
        kinds.append(kernel_hull(graph, learned_terms(graph)[0]).kinds)
    assert kinds == [2 * 24, 2 * 24 * 25]


def test_normalised_by_the_sample_is_published():
    net = network("strided_same")
    graph = bounds.read_graph(net.f, net.x[:2])
    for theorem in ALL:
        fixed = theorem(graph, measured(net.f, net.x), delta=0.01)
        own = theorem(graph, measured(net.f, net.x, preprocessing="sample"), delta=0.01)
        assert (fixed.guarantee, own.guarantee) == ("certificate", "published")
        assert own.value == fixed.value and "no certificate" in own.note
