"""Two classes: one logit in all its spellings is one network, and margins are one number."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samples import sample_of

from sparsebounds import bounds
from sparsebounds.bounds.graph import evaluate
from sparsebounds.bounds.graph.score_difference import score_difference
from sparsebounds.bounds.margin.contraction import contracted

RNG = np.random.default_rng(0)
A = RNG.normal(size=(4, 5)).astype(np.float32)
B = RNG.normal(size=(5, 1)).astype(np.float32)
C = np.float32([0.3])
X = RNG.normal(size=(60, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)


def logit(x):
    return jax.nn.relu(x @ A) @ B + C


def pair(p):
    return jnp.stack([1 - p, p], axis=-1)


SPELLINGS = {
    "vector": lambda x: logit(x)[:, 0],
    "sigmoid of a column": lambda x: jax.nn.sigmoid(logit(x)),
    "sigmoid of a vector": lambda x: 1 / (1 + jnp.exp(-logit(x)[:, 0])),
    "sigmoid of a column, as a vector": lambda x: jax.nn.sigmoid(logit(x))[:, 0],
    "sigmoid of a vector, as a column": lambda x: jax.nn.sigmoid(logit(x)[:, 0])[:, None],
    "zeros beside it": lambda x: jnp.stack([jnp.zeros(len(x)), logit(x)[:, 0]], axis=-1),
    "nothing of it beside it": lambda x: (lambda s: jnp.concatenate([0 * s, s], axis=1))(logit(x)),
    "complement": lambda x: pair(jax.nn.sigmoid(logit(x)[:, 0])),
    "complement of columns": lambda x: (lambda p: jnp.concatenate([1 - p, p], axis=1))(jax.nn.sigmoid(logit(x))),
}


def rows(f, y=Y, **options):
    found = bounds.table(f, X, y, delta=0.01, options={"input_bound": 10.0, **options})
    return found.drop(columns=["seconds", "note", "test_error", "ratio"]).set_index("bound")


@pytest.fixture(scope="module")
def column():
    return rows(logit)


@pytest.mark.parametrize("name", SPELLINGS)
def test_one_logit_in_every_spelling(name, column):
    found = rows(SPELLINGS[name], 2 * Y - 1 if name == "vector" else Y)
    assert found.equals(column)


def test_both_signs_of_a_logit_are_twice_the_logit():
    """(−s, s) has the margins of 2s: its rows at γ = 2 are those of (0, s) at γ = 1."""
    signs = lambda x: (lambda s: jnp.concatenate([-s, s], axis=1))(logit(x))  # noqa: E731
    graph, twice = (bounds.read_graph(f, X[:2]) for f in (logit, signs))
    sample, other = (bounds.Sample.measure(f, X, Y) for f in (logit, signs))
    norms = ("neyshabur_l1", "neyshabur_frobenius", "neyshabur_two_layer", "golowich_l1")
    for name in ("path_norm", "path_norm_layered", *norms):
        ours = bounds.BOUNDS[name](graph, sample, delta=0.01)
        theirs = bounds.BOUNDS[name](twice, other, delta=0.01, gamma=2.0)
        assert theirs.value == pytest.approx(ours.value, rel=1e-6), name


def test_the_difference_of_two_scores_is_computed_by_its_graph():
    """Dense rows; scores that are values of an activation; scores pooled over positions."""
    w = RNG.normal(size=(4, 2)).astype(np.float32)
    for f in (
        lambda x: jax.nn.relu(x @ A) @ np.concatenate([B, 2 * B + 1], axis=1) + np.float32([0.0, 1.0]),
        lambda x: jnp.tanh(x @ w),
        lambda x: jnp.mean(jax.nn.relu(x.reshape(-1, 2, 2)), axis=1),
    ):
        graph = bounds.read_graph(f, X[:2])
        found, scores = evaluate(score_difference(graph), X), np.asarray(f(X), np.float64)
        assert np.allclose(found[:, 0], scores[:, 1] - scores[:, 0], atol=1e-5)


def test_more_classes_have_no_difference():
    graph = bounds.read_graph(lambda x: x[:, :3] @ np.eye(3, dtype=np.float32), X[:2])
    outputs, payment = contracted(graph, 0.1, 1.0)
    assert outputs is graph and payment.factor == 4.0
    with pytest.raises(ValueError, match="3 scores; the difference of two"):
        score_difference(graph)


def test_the_scalar_contraction_is_attained_and_its_half_is_none():
    """f = (t, −t), |t| ≤ 1: with one input sup Σ ξ M over the class is 2, and so is the claim for d = −2t.

    E sup Σ ξ_i y_i d(x_i) = E sup Σ ξ_i d(x_i), as y_i ξ_i are signs; all of them are enumerated.
    """
    graph = bounds.read_graph(lambda x: x[:, :1] @ np.float32([[1.0, -1.0]]), X[:2])
    d = score_difference(graph)
    norm = abs(float(d.layers[-1].terms[0].weight.sum()))
    for m in (1, 4):
        signs = np.array(list(itertools.product((-1, 1), repeat=m)))
        truth = np.abs(signs.sum(axis=1)).mean() * norm  # sup over |t| ≤ 1 of Σ ξ (±2t)
        claim = norm * math.sqrt(m)
        assert truth <= claim * (1 + 1e-12) and truth > claim / 2
    assert norm == 2.0


def test_the_complexity_column_is_at_most_one():
    """Twice a Rademacher average of losses in [0, 1]; below the cap nothing changes, above it terms keep the number."""
    x = np.float32([[1.0, 0.0], [0.0, 1.0]])
    small, large = (bounds.read_graph(lambda v, c=c: v @ (c * np.eye(2, dtype=np.float32)), x) for c in (1e-3, 1e3))
    sample = sample_of(np.full(2, 50.0), 100, 2)
    below, above = (bounds.path_norm_layered(g, sample, delta=0.01) for g in (small, large))
    assert below.complexity == below.terms["complexity uncapped"] < 1
    assert above.complexity == 1.0 and above.terms["complexity uncapped"] == pytest.approx(
        below.complexity * 1e6, rel=0.11
    )
