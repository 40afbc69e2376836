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
from sparsebounds.bounds.margin.contraction import contracted, outputs_in_l2

RNG = np.random.default_rng(0)
A = RNG.normal(size=(4, 5)).astype(np.float32)
B = RNG.normal(size=(5, 1)).astype(np.float32)
C = np.float32([0.3])
X = RNG.normal(size=(60, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)

KNOWN = {"input_bound": 10.0}
FREE = (
    "path_norm path_norm_layered neyshabur_l1 neyshabur_frobenius neyshabur_two_layer galanti golowich golowich_sharp "
    "golowich_l1 bartlett bartlett_dudley graf_norms graf_params graf_dudley"
)
ROWS: dict[str, dict[str, float]] = {name: {} for name in FREE.split()} | {"long_sedghi": KNOWN, "pac_bayes": KNOWN}


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
    found = found.drop(columns=["seconds", "note", "test_error", "ratio"]).set_index("bound")
    found.loc["occam_quantised", "capacity"] = (
        math.nan
    )  # the length of a description, which is another in every spelling
    return found


@pytest.fixture(scope="module")
def column():
    return rows(logit)


@pytest.mark.parametrize("name", SPELLINGS)
def test_one_logit_in_every_spelling(name, column):
    found = rows(SPELLINGS[name], 2 * Y - 1 if name == "vector" else Y)
    assert found.equals(column)


def test_both_signs_of_half_a_logit_are_the_logit(column):
    """(−s/2, s/2) has the margins of s: the same rows, but where a printed form or a description sees two scores."""
    found = rows(lambda x: (lambda s: jnp.concatenate([-s / 2, s / 2], axis=1))(logit(x)))
    apart = ["galanti_published", "ledent", "occam", "parameter_count"]
    ours, theirs = (table.drop(index=apart).select_dtypes("number") for table in (column, found))
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert (ours["value"].dropna() > 0).sum() >= 19


@pytest.mark.parametrize("name", ROWS)
def test_both_signs_of_a_logit_are_twice_the_logit(name):
    """(−s, s) has the margins of 2s: its rows at γ = 2 are those of (0, s) at γ = 1, before the grids round them."""
    signs = lambda x: (lambda s: jnp.concatenate([-s, s], axis=1))(logit(x))  # noqa: E731
    graph, twice = (bounds.read_graph(f, X[:2]) for f in (logit, signs))
    sample, other = (bounds.Sample.measure(f, X, Y) for f in (logit, signs))
    ours = bounds.BOUNDS[name](graph, sample, delta=0.01, **ROWS[name])
    theirs = bounds.BOUNDS[name](twice, other, delta=0.01, gamma=2.0, **ROWS[name])
    uncapped = [b.terms.get("complexity uncapped", b.complexity) for b in (ours, theirs)]
    # Numbers that the class fixes one by one are rounded up one by one, by 1.1 at most.
    alike = 1.3 if name in ("long_sedghi", "pac_bayes") else 1 + 1e-6
    assert uncapped[0] / alike <= uncapped[1] <= uncapped[0] * alike


def test_a_linear_logit_is_attained():
    """d = w·x with orthogonal unit inputs: E sup over ‖w‖ ≤ c of Σ ξ_i d(x_i) = c√m, and 2/m of it is the row.

    The scores are (−d/2, d/2), margins ±d, so that 4/m, or √2 of the margin, would show as 2 or √2; a half as ½.
    """
    m, c = 25, 1.1**3
    w = np.full((m, 1), c / math.sqrt(m), np.float32)
    f = lambda x: (lambda s: jnp.concatenate([-s / 2, s / 2], axis=1))(x @ w)  # noqa: E731
    graph = bounds.read_graph(f, np.zeros((2, m), np.float32), input_nodes=np.zeros(m, int))
    sample = sample_of(np.ones(m), m, 2)
    truth = 2 / m * c * math.sqrt(m)
    for name in ("golowich_sharp", "galanti"):
        found = bounds.BOUNDS[name](graph, sample, delta=0.01, gamma=1.0)
        assert 1 <= found.terms["complexity uncapped"] / truth < 1.1 * (1 + 1e-5), name


def test_margins_of_two_classes_are_as_lipschitz_as_said():
    """1 in d, for scores of two dense rows; √2 in the scores, where they are values of an activation: both attained."""
    f = {
        1.0: lambda x: x[:, :2] @ np.float32([[1.0, -1.0], [0.0, 0.0]]),
        math.sqrt(2): lambda x: jnp.tanh(x[:, :2]) * 1.0,
    }
    for claim, net in f.items():
        outputs, constant = outputs_in_l2(graph := bounds.read_graph(net, X[:2]))
        assert constant == pytest.approx(claim)
        here, there = np.float32([[0.0, 0.0, 0, 0]]), np.float32([[1e-3, -1e-3, 0, 0]])
        moved = evaluate(outputs(graph), there) - evaluate(outputs(graph), here)
        margins = [float(np.diff(np.asarray(net(x)))[0, 0]) for x in (here, there)]
        assert abs(margins[1] - margins[0]) == pytest.approx(claim * np.linalg.norm(moved), rel=1e-4)


def test_noise_that_a_logit_bears_moves_its_margin_by_half_of_gamma():
    """One row: τχ = γ/2 exactly, where the scores would bear γ/2√2 of noise on both rows."""
    graph = bounds.read_graph(lambda x: x @ np.float32([[0.0, 3.0], [0.0, 4.0]]), np.ones((1, 2), np.float32))
    terms = bounds.pac_bayes(graph, sample_of(np.ones(2), 100, 2), delta=0.01, gamma=0.8, input_bound=1.0).terms
    (sigma,), (kappa,) = terms["sigma_a"], terms["kappa_a"]
    # Weights in units of the scale 5: noise of norm 5 σκ on w moves d = w·x, ‖x‖ ≤ 1, by that much. γ/2 = 0.4.
    assert terms["scale"] == pytest.approx(5.0, rel=1e-5)
    moves = terms["scale"] * sigma * kappa
    assert terms["grid ratio"] < 1.2 and 0.999 * 0.4 / terms["grid ratio"] < moves <= 0.4


def test_weights_that_cancel_are_no_mask():
    """w_0 = w_1 ≠ 0 in three of five hidden units: a zero of the difference that nobody fixed in advance."""
    both = np.concatenate([B, B], axis=1)
    both[:2, 1] += 1
    same, apart = (lambda x, w=w: jax.nn.relu(x @ A) @ w for w in (both, both + np.float32([0.0, 1e-3])))
    masked = both * np.float32([[1], [1], [0], [0], [0]])
    for name in ("galanti", "long_sedghi"):
        found = []
        for f in (same, apart, lambda x: jax.nn.relu(x @ A) @ masked):
            sample = bounds.Sample.measure(f, X, Y)
            graph = bounds.read_graph(f, X[:2], nodes="scalar")
            known = {"input_bound": 10.0} if name == "long_sedghi" else {}
            terms = bounds.BOUNDS[name](graph, sample, delta=0.01, mask_fixed=True, **known).terms
            found.append(terms["logs"] if name == "galanti" else terms["W"])
        assert found[0] == pytest.approx(found[1]) and found[0] > found[2], name


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
