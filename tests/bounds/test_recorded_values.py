"""Numbers recorded for the prior bounds that no theorem's own test file holds, each beside what the library computes.

The others: margins, grids and Dudley in test_bartlett and test_dudley, products of norms in test_golowich and
test_neyshabur, PAC-Bayes, Graf, Long-Sedghi, path norms, Gonon, Occam and binomial inversion in the files of these
names, the sparse bound in test_galanti, its counterexamples in test_soundness. Values of Monte Carlo runs whose draws
are not recorded cannot be repeated; test_audit makes its own.
"""

import math

import chains
import numpy as np
import pytest
from networks import two_three_by_three
from samples import sample_of

from sparsebounds import bounds
from sparsebounds.bounds import norms
from sparsebounds.bounds.audit.search.ascent import all_signs
from sparsebounds.bounds.confidence.binomial import kl_upper
from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.margin.payment import Payment
from sparsebounds.bounds.margin.step import smallest
from sparsebounds.bounds.theorems.covering.graf import params_form
from sparsebounds.bounds.theorems.rademacher.galanti import vector_complexity
from sparsebounds.bounds.theorems.rademacher.gonon import constant_of
from sparsebounds.bounds.theorems.rademacher.neyshabur import l1_complexity
from sparsebounds.bounds.theorems.rademacher.neyshabur_two_layer import unit_complexity

M, DELTA = 1000, 0.05


def flat_sample(m, classes=2):
    return sample_of(np.ones(2), m, classes)


# ---- from complexity to margin bounds ----------------------------------------------------------


def test_confidence():
    """One bounded-difference inequality with differences 2/m: less than the 3 of both classical forms."""
    root = math.sqrt(math.log(1 / DELTA) / (2 * M))
    assert root == pytest.approx(0.038702275602, abs=1e-12)
    classical, once = 3 * math.sqrt(math.log(2 / DELTA) / (2 * M)), 3 * root
    assert (classical, once) == pytest.approx((0.128840822504, 0.116106826807), abs=1e-12)
    # Grid point 0 has weight 1/4.
    paid = smallest([ClassSize(0.0, 0.01 * M)], flat_sample(M), Payment(4 * DELTA, 1.0))
    assert paid.confidence == pytest.approx(2 * root, rel=1e-12)
    assert paid.complexity == pytest.approx(4 * 0.01, rel=2e-6)
    assert classical + 4 * 0.01 == pytest.approx(0.168840822504, abs=1e-12)
    assert paid.complexity + paid.confidence < 0.168840822504


def test_the_grid_of_whole_numbers_is_that_of_the_printed_sparse_bound():
    """ρ = 1.2 · 0.8 · 1.5 = 1.44 → t = 2: log(2 t (t+1)/δ), or printed with (ρ + 2)² for t (t+1)."""
    sample = sample_of(np.ones((8, 8, 1)), M, 10, margins=0.0)
    printed = bounds.galanti_published(two_three_by_three(), sample, delta=DELTA)
    assert printed.terms["rho"] == pytest.approx(1.44, rel=1e-6)
    assert printed.confidence == pytest.approx(0.166490842949, rel=1e-7)
    exact = 3 * math.sqrt(math.log(2 * 2 * 3 / DELTA) / (2 * M))
    assert exact == pytest.approx(0.157044182178, abs=1e-11) and exact < printed.confidence  # it is …2175


def test_the_margin_of_two_scores_attains_the_factor_two():
    """m = 1, F = {±(t, −t)}: R(M∘F) = 2t, R of the scores t. A factor below 2 = √2·√2 would be violated."""
    t, signs = 0.7, all_signs(1, 2).reshape(-1, 2)
    scores = np.array([[t, -t], [-t, t]])
    of_scores = (signs @ scores.T).max(axis=1).mean()
    of_margins = np.mean([(sign * (scores[:, 0] - scores[:, 1])).max() for sign in (1, -1)])
    assert (of_margins, of_scores) == pytest.approx((2 * t, t))


# ---- products of norms -------------------------------------------------------------------------


def test_l1_product_beside_the_forms_of_others():
    """Three layers, product 2, D = 784, |x| ≤ 1, m = 100: 2² · 2 · √(2 log 2D) · 10 / 100; others have 2³ √(log 2D)."""
    matrices = [np.eye(1, 784) * 2, np.eye(1), np.eye(1)]
    found = l1_complexity(chains.graph_of(matrices), np.full(784, 100.0), 100).value / 100
    code = 2**3 * 2 * math.sqrt(math.log(2 * 784)) / 10
    assert code == pytest.approx(4.339970, abs=1e-6)
    assert found == pytest.approx(code / math.sqrt(2), rel=1e-9)
    # p = q = 2 as printed has √2 max ‖x‖ √m where the data-dependent form has ‖X‖_F.
    assert 4 * 2 * math.sqrt(2) / 10 == pytest.approx(1.131371, abs=1e-6)


def test_one_layer_one_output_is_the_linear_class():
    """R ≤ (B/m) max_j ‖X_j‖ √(2 log 2D) for ‖w‖₁ ≤ B."""
    found = l1_complexity(chains.graph_of([np.array([[1.0, -2.0, 0.0]])]), np.array([4.0, 9.0, 1.0]), 50).value
    assert found == pytest.approx(3 * 3 * math.sqrt(2 * math.log(6)), rel=1e-9)


def test_two_layers_from_initial_weights():
    """α = (.5, .2), β = (1, .3), ‖u⁰X‖ = (4, 2), ‖X‖_F = 10, C = 10: the library's factor, the sum with its start."""
    graph = chains.graph_of([np.diag([1.0, 0.3]), np.eye(10, 2) * [0.5, 0.2]])
    factor = unit_complexity(graph, np.full(2, 50.0), M).terms["2 sqrt(2C) + 2"]
    total = 0.5 * (1.0 * 10 + 4) + 0.2 * (0.3 * 10 + 2)
    assert factor * total / M == pytest.approx(0.0875541753, abs=1e-10)


# ---- covering numbers, path norms, codes -------------------------------------------------------


def test_params_form_with_the_exact_psi():
    c, weights = np.array([4.0, 2.5, 0.7]), np.array([900.0, 5000.0, 100.0])
    k = np.arange(1, 4 * 10**6, dtype=np.float64)

    def psi(beta):  # the tail by √β ∫ t^{-3/2}
        at = k[int(beta) - 1 :]
        return float(np.sum(np.log1p(1 / (at + 1)) * np.sqrt(beta / at))) + 2 * math.sqrt(beta / 4e6)

    betas = np.ceil(np.square(3 * c))
    assert betas.tolist() == [144, 57, 5]
    logs = [math.log1p(b) + psi(b) for b in betas]
    exact = 12 / math.sqrt(1000) * math.sqrt(2 * float(weights @ logs))
    assert exact == pytest.approx(103.095339, abs=2e-5)
    assert exact <= params_form(c, weights, 1000)


@pytest.mark.parametrize(
    ("depth", "constant", "expected"),
    [(18, 9.394992, 0.0880927), (50, 14.494105, 0.1359048), (152, 24.461371, 0.2293635)],
)
def test_the_printed_constant_of_the_path_norm_toolkit_is_the_larger_one(depth, constant, expected):
    """√(D log((3 + 2P) K) + log((3 + 2P)/(1 + P) (d_in + 1) d_out)) with P = 1, K = 9."""
    printed = math.sqrt(depth * math.log(5 * 9) + math.log(5 / 2 * 150529 * 1000))
    assert printed == pytest.approx(constant, abs=1e-6)
    assert 4 * 2.64 / math.sqrt(int(0.99 * 1281167)) * printed == pytest.approx(expected, abs=1e-7)
    assert constant_of(depth, (9,), 150528, 1000) < printed


def test_catoni_with_its_union_over_lambda_is_above_chernoff():
    """Zhou et al.: 1000 nats, 1.5 % errors, m = 60000, δ = 0.05: 0.0493582 at λ near 7.35e4."""
    lam, alpha, m = np.geomspace(1e4, 1e6, 200001), 1e-4, 60000
    union = 2 * np.log(2 + np.log(lam) / math.log1p(alpha))
    q = 0.015 + (1 + alpha) / lam * (1000 + math.log(20) + union)
    values = -np.expm1(-lam / m * q) / -np.expm1(-lam / m)
    best = int(values.argmin())
    assert values[best] == pytest.approx(0.0493582, abs=1e-7) and lam[best] == pytest.approx(7.35e4, rel=2e-2)
    assert 0.98 * values[best] < kl_upper(0.015, (1000 + math.log(20)) / m) < values[best]


# ---- the sparse bound as printed ---------------------------------------------------------------


def test_the_printed_sparse_bound():
    """Two 3×3 convolutions, ρ = 1.44, max-pixel energy 20², C = 10, m = 1000, δ = 0.001."""
    sample = sample_of(np.full((8, 8, 1), 400.0), M, 10, margins=0.0)
    found = {
        v: bounds.galanti_published(two_three_by_three(), sample, delta=1e-3, version=v) for v in ("neurips", "v1")
    }
    rademacher = {v: b.terms["rho"] * b.terms["Lambda"] / M for v, b in found.items()}
    assert rademacher == pytest.approx({"neurips": 1.3451506, "v1": 1.4735015}, rel=1e-6)
    assert found["v1"].complexity == pytest.approx(7.0619221, rel=1e-6)
    assert found["v1"].confidence == pytest.approx(0.2128927, rel=1e-6)


def test_the_counterexample_at_625_positions():
    """All ones, 1×1 convolution, m = 2000: √625 E|Σ ξ| / m = 0.446; printed, with L = 2 and one output, 0.0596."""
    m = 2000
    truth = 25 * math.exp(math.lgamma(m + 1) - 2 * math.lgamma(m / 2 + 1) - m * math.log(2))  # √d · E|Σξ|/m
    assert truth == pytest.approx(0.446, abs=1e-3)
    printed = (1 + math.sqrt(2 * 2 * math.log(2))) / math.sqrt(m)
    assert printed == pytest.approx(0.0596, abs=1e-4) and printed < truth / 7
    graph = chains.graph_of([np.full((1, 625), 1 / 25)]).partition("scalar")
    assert vector_complexity(graph, np.full(625, float(m)), m).value / m > truth


# ---- exact values ------------------------------------------------------------------------------


def test_the_mean_of_a_sum_of_signs():
    """E|Σ_{i ≤ m} ξ_i| = m C(m−1, ⌊(m−1)/2⌋) 2^{−(m−1)}."""
    mean = {m: m * math.comb(m - 1, (m - 1) // 2) / 2 ** (m - 1) for m in (8, 100, 1000)}
    assert mean == pytest.approx({8: 2.1875, 100: 7.9589, 1000: 25.225}, abs=5e-4)
    assert np.abs(all_signs(8).reshape(-1, 8).sum(axis=1)).mean() == mean[8]


def test_norms_of_reshaped_kernels_enclose_the_operator():
    """‖K_(o, i k k)‖ ≤ ‖op‖ ≤ √(k_h k_w) min of the four reshapes, circular padding."""
    rng = np.random.default_rng(0)
    for window in ((3, 3), (2, 2), (3, 1), (4, 2)):
        kernel = rng.normal(size=(*window, 3, 5))
        found = norms.convolution_upper(kernel, (12, 12), padding="CIRCULAR")
        shapes = [((0, 1, 2), (3,)), ((2,), (0, 1, 3)), ((0, 2), (1, 3)), ((1, 2), (0, 3))]
        reshaped = [
            np.linalg.norm(kernel.transpose(*rows, *columns).reshape(np.prod([kernel.shape[a] for a in rows]), -1), 2)
            for rows, columns in shapes
        ]
        assert reshaped[0] <= found <= math.sqrt(math.prod(window)) * min(reshaped) * (1 + 1e-7)
