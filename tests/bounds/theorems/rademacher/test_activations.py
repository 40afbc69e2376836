"""Activations inside E exp(λ sup …): growth by enumeration, scales by hand, and twins that are refuted."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samples import sample_of

from sparsebounds import bounds
from sparsebounds.bounds.graph import nonlinearities as known
from sparsebounds.bounds.theorems.chains.activations import log_growth, read_scales
from sparsebounds.bounds.theorems.rademacher.path_norm import dag_complexities, layered_complexity

RNG = np.random.default_rng(7)
M = 6
SIGNS = np.array(list(itertools.product((-1.0, 1.0), repeat=M)))
FUNCTIONS = {
    "ReLU": (0.0, lambda t: np.maximum(t, 0)),
    "leaky": (0.3, lambda t: np.maximum(t, 0.3 * t)),
    "abs": (known.ABS, np.abs),
    "PReLU": (known.two_slopes(-0.5, 1.0), lambda t: np.where(t < 0, -0.5 * t, t)),
    "PReLU above 1": (known.two_slopes(2.0, 1.0), lambda t: np.where(t < 0, 2 * t, t)),
}


def exponential(values):
    """E exp(sup |Σ ξ v|) over rows v: (rows, M)."""
    return float(np.exp(np.abs(SIGNS @ values.T).max(axis=1)).mean())


def drawn_classes(count):
    """Symmetric hulls by their atoms and many of their points: (points, M)."""
    for _ in range(count):
        atoms = RNG.normal(size=(RNG.integers(1, 4), M)) * RNG.choice([0.05, 0.3, 1.0])
        weights = RNG.dirichlet(np.ones(len(atoms)), size=60) * RNG.choice([-1, 1], size=(60, len(atoms)))
        yield np.concatenate([atoms, -atoms, weights @ atoms, -weights @ atoms])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_growth_by_enumeration(name):
    applied, function = FUNCTIONS[name]
    lipschitz = 1.0 if isinstance(applied, float) else applied.lipschitz
    ratios = [
        exponential(function(points)) / exponential(lipschitz * points) / math.exp(log_growth(applied))
        for points in drawn_classes(150)
    ]
    assert max(ratios) <= 1 + 1e-12


def test_no_growth_for_relu_is_refuted():
    """The factor 1 of odd functions: three inputs in a plane, all rows of norm 1."""
    x = np.array([[-0.175, -0.279], [0.233, -0.154], [0.1, -0.413]])
    angles = np.linspace(0, 2 * np.pi, 240, endpoint=False)
    points = np.zeros((240, M))
    points[:, :3] = np.stack([np.cos(angles), np.sin(angles)], axis=1) @ x.T
    ratio = exponential(np.maximum(points, 0)) / exponential(points)
    assert 1.0098 < ratio < math.sqrt(2)


@pytest.mark.parametrize("function", [known.TANH, known.GELU, known.elu(), known.SIN, known.soft_shrink(0.5)])
def test_several_scales_by_enumeration(function):
    """σ(kt)/k for ten k over one hull: (2K)^{β/λ}, K^{β/λ} where σ is odd."""
    scales = np.exp(np.linspace(-1, 3, 10))
    for points in drawn_classes(60):
        values = np.concatenate([function.apply(k * points) / k for k in scales]) / function.lipschitz
        assert exponential(values) <= math.exp(log_growth(function, len(scales))) * exponential(points) * (1 + 1e-12)


def test_worked_value_of_two_stages_of_tanh():
    """V9: K = 4607 and √K for each of two stages: 0.599 where K itself gives 0.779."""
    count = 4607
    stage = log_growth(known.TANH, count)
    assert stage == pytest.approx(math.log(count) / 2)


def net(activation, scale=1.0):
    a, b = (RNG.normal(size=s).astype(np.float32) * scale for s in ((3, 4), (4, 2)))
    return lambda x: activation(x @ a) @ b


def test_scales_by_hand():
    """One input, units of gains 0.5 and 20: k between e^−1 and e^3, five powers, m = 10."""
    w, v = np.float32([[0.5, 20.0]]), np.eye(2, dtype=np.float32)
    graph = bounds.read_graph(lambda x: jnp.tanh(x @ w) @ v, np.ones((2, 1), np.float32))
    scales = read_scales(graph, 10)
    assert (scales.top, scales.reach, scales.count, scales.roughness) == (3, 4, 41, 1.0)
    assert scales.prices["scales of activations"] == pytest.approx(math.log(2 * 4 * 5) + math.log(5 * 6))
    assert scales.rounding(np.array([90.0]), 10, 4.0) == pytest.approx(0.5 * math.sqrt(10 * 100) / 10)
    assert scales.rounding(np.array([90.0]), 10, 0.5) == pytest.approx(0.5)
    form = layered_complexity(graph, np.array([90.0]), 10)
    logs = math.log(41) / 2 + math.log(2 * 1 * 2)
    assert math.exp(form.log_scale) == pytest.approx(20.5)
    assert form.unit == pytest.approx(math.sqrt(90) * math.sqrt(2 * logs) + 0.5 * math.sqrt(10))


def test_an_activation_that_is_one_half_at_zero_reads_the_constant():
    """sigmoid(wx) v: path norm ½·|v| from the constant 1 and ¼·|wv| from the input."""
    w, v = np.float32([[8.0]]), np.float32([[3.0, 0.0, 0.0]])
    graph = bounds.read_graph(lambda x: jax.nn.sigmoid(x @ w) @ v, np.ones((2, 1), np.float32))
    (form,) = dag_complexities(graph, np.array([4.0]), 25)
    assert math.exp(form.log_scale) == pytest.approx(3 * (0.25 * 8 + 0.5))
    assert form.terms["inputs D"] == 2 and form.terms["S"] == 5.0


@pytest.mark.parametrize("power", [1, 2, 3])
def test_rounding_scales_needs_gains_with_their_slopes(power):
    """σ = sigmoid − ½, λ = ¼, chains of depth D with one weight each: the change against D·(b − a)/λ·η/2, and the
    twin with a further λ^{D−1} (theory of the first reading), which is exceeded."""
    lam, eta = 0.25, 0.5
    worst = twin = 0.0
    for log_k in np.linspace(-3, 6, 60):
        for shift in (-eta / 2, eta / 2):
            exact = rounded = 1.0
            for _ in range(power):
                k, other = math.exp(log_k), math.exp(log_k + shift)
                exact = (1 / (1 + math.exp(-k * exact)) - 0.5) / k / lam
                rounded = (1 / (1 + math.exp(-other * rounded)) - 0.5) / other / lam
            worst = max(worst, abs(exact - rounded) / (power * (0.25 / lam) * eta / 2))
            twin = max(twin, abs(exact - rounded) / (power * 0.25 * eta / 2 * lam ** (power - 1)))
    assert worst <= 1 < twin


@pytest.mark.parametrize("activation", [jnp.tanh, jax.nn.gelu, jax.nn.elu, jnp.abs, jax.nn.sigmoid, jax.nn.hard_swish])
def test_sampled_networks_stay_below_the_claim(activation):
    """sup over drawn networks of path norm r of Σ ξ f, all signs: a lower estimate of what the bound bounds."""
    x = RNG.normal(size=(M, 3)).astype(np.float32)
    energies, largest = np.square(x).sum(0).astype(float), float(np.abs(x).max())
    best, claim = np.zeros(len(SIGNS)), math.inf
    for _ in range(12):
        f = net(activation, float(RNG.choice([0.3, 1.0, 5.0])))
        graph = bounds.read_graph(f, x[:2])
        (form,) = dag_complexities(graph, energies, M, largest)
        one = bounds.evaluate(graph, x) / math.exp(form.log_scale)
        best = np.maximum(best, np.abs(SIGNS @ one).sum(axis=1))
        claim = min(claim, form.unit)
    assert 0 < best.mean() <= claim


def test_rows_of_a_gelu_network():
    f = net(jax.nn.gelu)
    x = RNG.normal(size=(50, 3)).astype(np.float32)
    graph, sample = bounds.read_graph(f, x[:2]), sample_of(np.square(x).sum(0).astype(float), 50, 2)
    for name in ("path_norm", "path_norm_layered", "gonon"):
        row = bounds.BOUNDS[name](graph, sample, delta=0.01)
        assert math.isfinite(row.terms["complexity uncapped"]), name
    assert (
        row.terms["complexity uncapped"]
        < bounds.BOUNDS[name](bounds.read_graph(lambda x: 2 * f(x), x[:2]), sample, delta=0.01).terms[
            "complexity uncapped"
        ]
    )
