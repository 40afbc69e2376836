"""Spectra, group norms, searches and mixtures: by hand, against a definition, and against each other."""

import math
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import NETWORKS, network

from sparsebounds import bounds
from sparsebounds.bounds.measures import search
from sparsebounds.bounds.measures.forward import forward, owners_of, parameters_of
from sparsebounds.bounds.measures.mixtures import davies_bouldin_mean
from sparsebounds.bounds.measures.spectra import power_law_exponent, spectrum
from sparsebounds.bounds.measures.weights import weights_of

X = np.tile(np.array([[2 / 3, 0.0]], np.float32), (100, 1))
Y = np.zeros(100, int)


def graph_of(*weights):
    def f(x):
        *hidden, last = weights
        for w in hidden:
            x = jax.nn.relu(x @ w)
        return x @ last

    return bounds.read_graph(f, np.ones((2, len(weights[0])), np.float32))


# ---- spectra -----------------------------------------------------------------------------------


def test_the_spectrum_of_a_diagonal_layer():
    """λ = 9, 16 for diag(3, 4): Σλ/λ_max = 1.5625, log₁₀ λ_max = 1.204120, log₁₀ Σλ = 1.397940."""
    graph = graph_of(np.diag([3.0, 4.0]).astype(np.float32), np.diag([1.0, 2.0]).astype(np.float32))
    one = spectrum(weights_of(graph)[0])
    assert one.total / one.largest == pytest.approx(1.5625)
    assert math.log10(one.largest) == pytest.approx(1.204120, abs=1e-6)
    assert math.log10(one.total) == pytest.approx(1.397940, abs=1e-6)
    assert one.matrix_rank == 2
    p = np.array([9, 16]) / 25
    assert one.matrix_entropy == pytest.approx(-(p * np.log(p)).sum() / math.log(2))


def test_small_layers_are_left_out_and_it_is_said():
    rows = bounds.measures(lambda x: x @ np.eye(2, dtype=np.float32), X, Y, names=["alpha", "stable_rank"])
    assert rows.value.isna().all() and (rows.note == "no layer has 10 eigenvalues, and smaller ones are left out").all()


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "powerlaw", None)
    with pytest.raises(bounds.Undefined, match=r"pip install 'sparsebounds\[spectra\]'"):
        power_law_exponent(np.arange(1.0, 20.0))


@pytest.mark.parametrize("tail", [1.5, 2.5, 5.0, 9.0])
def test_alpha_is_that_of_its_definition(tail):
    """All x_min tried but the largest; the smallest distance between the empirical and the fitted distribution."""
    values = np.sort(np.random.default_rng(0).pareto(tail, 60) + 1.0)
    found = []
    for i in range(len(values) - 1):
        above = values[i:]
        alpha = 1 + len(above) / np.log(above / values[i]).sum()
        distance = np.abs(1 - (above / values[i]) ** (1 - alpha) - np.arange(len(above)) / len(above)).max()
        found.append((distance if alpha > 1 else 1.0, alpha))
    assert power_law_exponent(values) == pytest.approx(min(found)[1], rel=1e-12)


def test_a_convolution_is_slices():
    """k² slices, each times √½: their squared Frobenius norms add up to half of that of the kernel."""
    graph = bounds.read_graph(network("native").f, network("native").x[:2])
    first = weights_of(graph)[0]
    taps = first.kernel.table.shape[0]
    assert taps > 1 and len(first.slices) == taps
    assert spectrum(first).total == pytest.approx(first.frobenius**2 / 2)


# ---- group norms -------------------------------------------------------------------------------


def test_group_norms_by_hand():
    """W_1 = [[3, 4], [0, 5]] (rows are units): ‖·‖_{1,∞} = 7; W_2 = I."""
    w = np.array([[3.0, 0.0], [4.0, 5.0]], np.float32)
    f = lambda x: jax.nn.relu(x @ w) @ np.eye(2, dtype=np.float32)  # noqa: E731
    x = np.tile(np.array([[1 / 3, 0.0]], np.float32), (64, 1))  # margins 1
    names = ["prod_l1_inf_over_margin", "prod_frobenius_over_margin", "prod_l3_1.5_over_margin",
             "prod_trace_over_margin", "shape_l1_max"]  # fmt: skip
    rows = bounds.measures(f, x, np.zeros(64, int), names=names).value
    units = np.array([(27 + 64) ** (1 / 3), 5.0])
    l3 = (units**1.5).sum() ** (1 / 1.5) * 2 ** (1 / 1.5)
    s = np.linalg.svd(w, compute_uv=False).sum()
    expected = [7.0, math.sqrt(50) * math.sqrt(2), l3, 2 * s, 7 * math.sqrt(2 + math.log(2)) / 8]
    np.testing.assert_allclose(rows, expected, rtol=1e-6)


# ---- searches ----------------------------------------------------------------------------------

FORWARD = [name for name in NETWORKS if not {"transformer", "attention", "tokens", "norm"} & set(name.split("_"))]


@pytest.mark.parametrize("name", FORWARD)
def test_the_graph_in_jax_is_the_network(name):
    net = network(name)
    graph = bounds.read_graph(net.f, net.x[:2])
    try:
        run = forward(graph)
    except bounds.Undefined as reason:
        assert "a search " in str(reason)
        return
    x = np.asarray(net.x[:5], np.float32)
    with jax.numpy_dtype_promotion("standard"):
        scores = run([jnp.asarray(p, jnp.float32) for p in parameters_of(graph)], x.reshape(len(x), -1))
    np.testing.assert_allclose(scores, bounds.evaluate(graph, x), rtol=2e-4, atol=2e-4)


def test_a_bias_of_all_positions_is_one_parameter():
    graph = bounds.read_graph(network("native_biased").f, network("native_biased").x[:2])
    sizes = [None if o is None else int(o.max()) + 1 for o in owners_of(graph)]
    biased = [layer for _, layer in graph.linear_layers() if layer.bias is not None and layer.positions > 1]
    assert biased and [s for s in sizes if s is not None][: len(biased)] == [layer.channels for layer in biased]


@pytest.fixture(scope="module")
def separated():
    """400 unit vectors, and the linear network that gives each margin 1 by two weights of its own."""
    y = np.arange(400) % 2
    w = np.full((400, 2), 1e-6, np.float32)
    w[np.arange(400), y] = 1.0
    return np.eye(400, dtype=np.float32), y, w


def searched(separated, names, **options):
    x, y, w = separated
    before = lambda x: x @ (0.5 * w)  # noqa: E731
    return bounds.measures(lambda x: x @ w, x, y, before, names=names, **options).set_index("measure")


def test_sigma_of_a_linear_network(separated):
    """Noise of deviation s: the margin 1 gets N(0, 2 s²), so the error is Φ(−1/(√2 s)) = 0.1 at s = 0.5518."""
    rows = searched(separated, ["pacbayes_flatness"], convention="paper")
    sigma = 1 / (rows.value["pacbayes_flatness"] * 20)
    assert sigma == pytest.approx(0.5518, rel=0.08)  # ± 0.01 in error, and 4000 margins drawn


def test_as_coded_the_square_is_the_deviation(separated):
    sigmas = {}
    for convention in ("paper", "robust-measures"):
        rows = searched(separated, ["pacbayes_flatness"], convention=convention)
        sigmas[convention] = 1 / (rows.value["pacbayes_flatness"] * 20)
    assert sigmas["paper"] == pytest.approx(sigmas["robust-measures"] ** 2, rel=0.1)


def test_alpha_of_a_linear_network(separated):
    """A box of half width a takes a from one score and gives it to the other: all is lost at ½."""
    rows = searched(separated, ["sharpness_flatness"])
    assert 1 / (rows.value["sharpness_flatness"] * 20) == pytest.approx(0.5, abs=1e-3)


def test_forms_by_hand(separated, monkeypatch):
    """With σ = ½, m = 400, ‖w‖² and ‖w − w⁰‖² = ‖w‖²/4."""
    monkeypatch.setattr(search, "_sigma", lambda subject, aware: 0.5)
    square = float(np.square(separated[2], dtype=np.float64).sum())
    rows = searched(separated, ["pacbayes_orig", "pacbayes_init", "pacbayes_mag_init", "pacbayes_mag_flatness"]).value
    assert rows["pacbayes_orig"] == pytest.approx(math.sqrt((square + math.log(800) + 10) / 400), rel=1e-6)
    assert rows["pacbayes_init"] == pytest.approx(math.sqrt((square / 4 + math.log(800) + 10) / 400), rel=1e-6)
    d2 = np.square(separated[2].astype(np.float64) / 2)
    logs = np.log((1e-6 + 1.25 * d2.sum() / 800) / (1e-6 + 0.25 * d2)).sum()
    assert rows["pacbayes_mag_init"] == pytest.approx(math.sqrt((logs / 4 + math.log(800) + 10) / 400), rel=1e-6)
    assert rows["pacbayes_mag_flatness"] == pytest.approx(math.sqrt(4 / 400))


def test_a_search_comes_again(separated):
    one, two = (searched(separated, ["pacbayes_mag_flatness", "sharpness_mag_flatness"]).value for _ in range(2))
    assert one.tolist() == two.tolist() and (one > 0).all()


def test_zeros_of_a_mask_stay_zeros():
    """Only one weight of each row is there; noise on the others would mix the coordinates."""
    w = np.eye(2, dtype=np.float32) * 3
    x = np.eye(2, dtype=np.float32)[[0, 1] * 50]
    rows = bounds.measures(lambda x: x @ w, x, np.array([0, 1] * 50), names=["sharpness_flatness"])
    # Every weight would have to fall by 3 before a score is wrong, and boxes end at 1.
    assert 1 / (rows.value[0] * 10) == pytest.approx(1.0, abs=1e-3)


# ---- mixtures ----------------------------------------------------------------------------------


def test_davies_bouldin_by_hand():
    """Centres 1, 11, 1 (one above): pairs (2/10, 2/10, and (1 + 1)/√(10² + …))."""
    features = np.array([[0.0, 0.0], [2.0, 0.0], [10.0, 0.0], [12.0, 0.0], [0.0, 5.0], [2.0, 5.0]])
    labels = np.array([0, 0, 1, 1, 2, 2])
    expected = np.mean([2 / 10, 2 / 5, 2 / math.hypot(10, 5)])
    assert davies_bouldin_mean(features, labels) == pytest.approx(expected)


def test_mixtures_of_equal_samples_are_the_samples():
    x = np.repeat(np.eye(2, dtype=np.float32), 30, axis=0)
    y = np.repeat([0, 1], 30)
    names = ["labelwise_mixup", "cross_entropy", "davies_bouldin", "mixup_davies_bouldin"]
    rows = bounds.measures(lambda x: x @ np.eye(2, dtype=np.float32), x, y, names=names).value
    assert rows[0] == pytest.approx(rows[1], rel=1e-6) and rows[2] == 0 and rows[3] == 0


def test_the_summary_of_margins_by_hand():
    """Quartiles 1, 2, 3 of 0 … 4: fences −2 and 6; their mean is 2."""
    x = np.array([[k, 0.0] for k in range(5)], np.float32)
    rows = bounds.measures(lambda x: x, x, np.array([0, 0, 0, 0, 0]), names=["margin_summary"])
    assert rows.value[0] == pytest.approx(-2.0)
