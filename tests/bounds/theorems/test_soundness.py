"""Is the bound a bound? Suprema known exactly, against the bound and against what was printed.

Compared is E_ξ sup Σ_i Σ_r ξ_ir f_r(x_i) with the complexity before the factor 4/γ: a missing factor 2 shows there. The
search for violations, of this and of every other bound, is in test_audit.
"""

import math

import jax
import jax.numpy as jnp
import networks
import numpy as np
import pytest
from networks import conv, flat

from sparsebounds import bounds
from sparsebounds.bounds.graph.score_difference import score_difference
from sparsebounds.bounds.theorems.chains import sparse as sparse_chain
from sparsebounds.bounds.theorems.chains import sparse_forms
from sparsebounds.bounds.theorems.rademacher.galanti import complexities, vector_complexity


def test_the_bound_is_attained_by_a_linear_function_of_orthogonal_inputs():
    """One node, one output, E‖Σ ξ_i e_i‖ = √m: nothing smaller can be a bound, so no factor is to spare here."""
    w = np.full((5, 1), 1 / math.sqrt(5), np.float32)
    read = bounds.read_graph(lambda x: x @ w, np.zeros((2, 5), np.float32), input_nodes=np.zeros(5, int))
    graph = score_difference(read)  # of the scores (0, f)
    assert vector_complexity(graph, np.ones(5), 5).value == pytest.approx(math.sqrt(5), rel=1e-6)


@pytest.mark.parametrize(("d", "exact_low", "exact_high"), [(400, 0.95, 0.99), (16, 0.19, 0.21)])
def test_the_counterexample(d, exact_low, exact_high):
    """One 1×1 convolution with one channel on d pixels x = ±1, a dense top layer, norms 1, m = 200.

    sup = max over ± of ‖Σ_n ξ_n σ(±x_n)‖ exactly. The printed expression is 0.188 for one output and 0.215 for the
    scores (f, 0), whatever d: below the truth at d = 400. The sound form grows with d.
    """
    m, rng = 200, np.random.default_rng(d)
    x = rng.choice([-1.0, 1.0], size=(m, d))
    signs = rng.choice([-1.0, 1.0], size=(8000, m))
    suprema = np.maximum(*(np.linalg.norm(signs @ np.maximum(s * x, 0), axis=1) for s in (1, -1))) / m
    exact, error = suprema.mean(), suprema.std() / math.sqrt(8000)
    assert exact_low < exact < exact_high and error < 0.004

    top = np.full((d, 1), 1 / math.sqrt(d), np.float32)
    one = lambda z: flat(jax.nn.relu(z)) @ top  # noqa: E731
    side = math.isqrt(d)
    images = x.reshape(m, side, side, 1).astype(np.float32)
    graph = score_difference(bounds.read_graph(one, images[:2]))
    energies = (images.astype(np.float64) ** 2).sum(0)
    parts = sparse_forms.printed(sparse_chain.read_chain(graph), graph.node_sums(0, energies), "neurips")
    assert parts["rho"] * parts["Lambda"] / m == pytest.approx(0.188, abs=5e-4)
    assert vector_complexity(graph, energies, m).value / m > exact

    two = lambda z: jnp.concatenate([one(z), jnp.zeros((z.shape[0], 1))], axis=1)  # noqa: E731
    sample = bounds.Sample.measure(two, images, np.arange(m) % 2)
    graph = bounds.read_graph(two, images[:2])
    terms = bounds.galanti_published(graph, sample, delta=0.001).terms
    expression = terms["rho"] * terms["Lambda"] / m
    assert expression == pytest.approx(0.215, abs=5e-4)
    assert (expression < exact) == (d == 400)
    assert vector_complexity(graph, sample.energies, m).value / m > exact


def test_all_ones():
    """The same with all pixels 1: E|Σ ξ|·√d / m, 1.127 at d = 400 and 0.225 at d = 16."""
    m = 200
    mean = m * math.comb(m - 1, m // 2 - 1) / 2 ** (m - 1)
    for d, expected in ((400, 1.127), (16, 0.225)):
        exact = mean * math.sqrt(d) / m
        assert exact == pytest.approx(expected, abs=1e-3)
        w = np.full((d, 1), 1 / math.sqrt(d), np.float32)
        graph = bounds.read_graph(lambda z, w=w: flat(jax.nn.relu(z)) @ w, np.ones((2, 4, d // 4, 1), np.float32))
        assert vector_complexity(graph, np.full((4, d // 4, 1), float(m)), m).value / m > exact


def test_a_small_branch_does_not_make_a_large_one_small():
    """Layers side by side share one scale: the larger norm counts, not the product of both."""
    k1, k2, w = networks.draw(1, 1, 1, 2, 3), networks.draw(2, 3, 3, 2, 3), networks.draw(3, 216, 4)
    x = np.repeat(networks.images(1), 50, axis=0)
    energies = (x.astype(np.float64) ** 2).sum(0)
    mean_sign = 50 * math.comb(49, 24) / 2**49
    for size in (1.0, 1e-3, 1e-6):
        small = (size * k2).astype(np.float32)

        def f(z, small=small):
            parts = [jax.nn.relu(conv(z, k1)), jax.nn.relu(conv(z, small, padding="SAME"))]
            return flat(jnp.concatenate(parts, axis=-1)) @ w

        attained = mean_sign * np.abs(np.asarray(f(x[:1]))).sum()  # signs of the rows are free
        for partition in ("position", "group", "scalar"):
            graph = bounds.read_graph(f, x[:2], nodes=partition, group_size=2)
            assert all(form.value > attained for form in complexities(graph, energies, 50, True))
