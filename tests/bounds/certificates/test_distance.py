"""Prior, draw and certificate against literal NumPy, and everything that is refused."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import beta

from sparsebounds import bounds
from sparsebounds.bounds.certificates.distance import Counting, certified_draw, forms


def linear(params, x):
    return x @ params["w"] + params["b"]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 2000)
    return (rng.normal(size=(2000, 3)) + y[:, None]).astype(np.float32), y


@pytest.fixture
def weights():
    return {"w": np.array([[-1, 1]] * 3, np.float32), "b": np.array([1.5, -1.5], np.float32)}


def test_the_row_is_that_of_literal_numpy(data, weights):
    """R = ½|u|² + u·ε with ε from the seed, k counted, Clopper–Pearson by the beta quantile at δ π_j e^(−R_j)."""
    x, y = data
    scales = {"w": np.full((3, 2), 0.1), "b": 0.2}
    mean = {"w": weights["w"] + np.float32(0.03), "b": weights["b"]}
    drawn = bounds.draw(bounds.Prior(weights, scales), mean)
    rng = np.random.default_rng(drawn.seed)
    noise = {"b": rng.standard_normal(2), "w": rng.standard_normal(6).reshape(3, 2)}  # jax sorts the names
    u = {name: (mean[name].astype(float) - weights[name].astype(float)) / np.asarray(scales[name]) for name in "wb"}
    expected = sum(float(np.sum(u[name] ** 2 / 2 + u[name] * noise[name])) for name in "wb")
    assert drawn.log_ratio == pytest.approx(expected, rel=1e-12)
    w = {n: (weights[n] + scales[n] * (u[n] + noise[n])).astype(np.float32) for n in "wb"}
    assert all(np.array_equal(drawn.params[n], w[n]) for n in "wb")
    found = bounds.distance_certificate(linear, drawn, x, y, delta=0.01, budgets=(0, 5, 20))
    k = int(((x @ w["w"] + w["b"]).argmax(axis=1) != y).sum())
    budget = next(one for one in (0, 5, 20) if one >= expected)
    limit = beta.isf(0.01 / 3 * math.exp(-budget), k + 1, 2000 - k)
    assert found.terms["errors"] == k and found.terms["budget"] == budget
    assert found.value == pytest.approx(limit, rel=1e-7)
    assert found.value == pytest.approx(found.margin_error + found.complexity + found.confidence, rel=1e-12)
    assert found.guarantee == "certificate"


def drawn_near(weights, **prior):
    return bounds.draw(bounds.Prior(weights, 0.01, **prior), weights)


def test_both_forms_and_the_reference_beside(data, weights):
    x, y = data
    drawn = drawn_near(weights)
    both = bounds.distance_certificate(linear, drawn, x, y, form="both", delta=0.01)
    single = {
        form: bounds.distance_certificate(linear, drawn, x, y, form=form, delta=0.005).value
        for form in ("direct", "excess")
    }
    assert both.value == min(single.values()) and both.terms["nats of forms"] == math.log(2)
    assert [both.terms[f"value, {form}"] for form in single] == list(single.values())
    k = int(((x @ weights["w"] + weights["b"]).argmax(axis=1) != y).sum())
    assert both.terms["errors of the reference"] == k
    assert both.terms["held-out bound of the reference"] == pytest.approx(beta.isf(0.01, k + 1, 2000 - k), rel=1e-8)


def test_samples_of_the_reference_s_own(data, weights):
    x, y = data
    rows = [
        bounds.distance_certificate(
            linear, drawn_near(weights, own_errors=(170, 1000), own_unused=used), x, y, form="excess"
        )
        for used in (False, True)
    ]
    k = rows[0].terms["errors of the reference"]
    assert rows[1].terms["bound on the reference"] == pytest.approx(beta.isf(8e-4, k + 171, 3000 - k - 170), rel=1e-8)
    assert rows[0].terms["held-out bound of the reference"] == rows[1].terms["held-out bound of the reference"]


def test_terms_redo_the_number(data, weights):
    x, y = data
    drawn = bounds.draw(bounds.Prior(weights, 0.02, factors=(0.5, 1.0)), weights, factor=1.0)
    choices = {"split": 3}
    row = bounds.distance_certificate(linear, drawn, x, y, choices=choices, draws=2, budgets=(5.0, 30.0, "kl"))
    terms = row.terms
    assert terms["nats of split"] == math.log(3) and terms["nats of draws"] == math.log(2)
    assert terms["nats of factors in the log ratio"] == math.log(2) and terms["nats of budgets"] == math.log(2)
    nats = terms["log ratio of the draw"] + math.log(6)
    budget = next(one for one in (5.0, 30.0) if one >= nats)
    q = row.delta / 2 / 2 * math.exp(-budget)
    assert terms["value by budgets"] == pytest.approx(
        beta.isf(q, terms["errors"] + 1, 2000 - terms["errors"]), rel=1e-7
    )
    assert terms["layers"]["w"]["weights"] == 6 and terms["K"] == 0.0 and terms["m"] == 2000


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("run", range(5))
def test_random_labels_stay_above_one_half(free, run):
    """Networks that know the sample by heart, linear and with a hidden layer, left-out and data-free: truth ½."""
    rng = np.random.default_rng(run)
    m, d = 100, 300
    x, y = rng.normal(size=(m, d)).astype(np.float32), rng.integers(0, 2, m)
    fit = np.linalg.lstsq(x, np.eye(2)[y] - 0.5, rcond=None)[0].astype(np.float32)
    hidden = {"a": np.concatenate([fit, -fit], axis=1), "b": np.concatenate([np.eye(2), -np.eye(2)]).astype(np.float32)}
    for f, mean in ((lambda p, x: x @ p["w"], {"w": fit}), (lambda p, x: jax.nn.relu(x @ p["a"]) @ p["b"], hidden)):
        zero = {name: np.zeros_like(leaf) for name, leaf in mean.items()}
        if free:
            drawn = bounds.draw(bounds.Prior.data_free(mean), mean, spread=0.01)
        else:
            drawn = bounds.draw(bounds.Prior(zero, 0.02), mean)
        row = bounds.distance_certificate(f, drawn, x, y, form="both", preprocessing="stated")
        assert row.margin_error < 0.2 and row.value > 0.5 and row.guarantee == "certificate"


def test_data_free_says_so(data, weights):
    x, y = data
    row = bounds.distance_certificate(linear, bounds.draw(bounds.Prior.data_free(weights), weights, spread=0.1), x, y)
    assert row.terms["reference"] == "zero" and "nothing is left out" in row.note
    assert "held-out bound of the reference" not in row.terms
    assert row.terms["nats of factors in the log ratio"] == pytest.approx(2 * math.log(128))


# ---- what objects --------------------------------------------------------------------------------


def test_a_reference_that_saw_the_sample_earns_no_certificate(data, weights):
    x, y = data
    marks = bounds.sample.fingerprints(x[:300])
    for row in (
        bounds.distance_certificate(linear, drawn_near(weights, shaped_by=marks), x, y),
        bounds.distance_certificate(linear, drawn_near(weights), x, y, left_out=marks),
    ):
        assert row.guarantee == "published" and "300 of 2000 samples have an input of" in row.note
    apart = bounds.sample.fingerprints(x[:300] + np.float32(1))
    row = bounds.distance_certificate(linear, drawn_near(weights, shaped_by=apart), x, y)
    assert row.guarantee == "certificate" and "shaped by 300 samples, none of which is certified" in row.note


def test_one_shared_sample_counts_as_an_error(data, weights):
    x, y = data
    right = int(np.flatnonzero((x @ weights["w"] + weights["b"]).argmax(axis=1) == y)[0])
    drawn = drawn_near(weights)
    marks = bounds.sample.fingerprints(x[[right]])
    alone, shared = (bounds.distance_certificate(linear, drawn, x, y, left_out=m) for m in (None, marks))
    assert shared.terms["errors of the reference"] == alone.terms["errors of the reference"] + 1
    assert "1 of 2000 samples have an input of the training sample: taken for coincidence" in shared.note


def test_what_else_leaves_no_certificate(data, weights):
    x, y = data
    replayed = bounds.draw(bounds.Prior(weights, 0.01), weights, seed=5)
    own = (x - x.mean(axis=0)) / x.std(axis=0)
    twice = np.concatenate([x, x]), np.concatenate([y, y])
    for row, says in (
        (bounds.distance_certificate(linear, replayed, x, y), "a given seed"),
        (bounds.distance_certificate(linear, drawn_near(weights), own, y), "look normalised"),
        (bounds.distance_certificate(linear, drawn_near(weights), x, y, preprocessing="sample"), "were normalised"),
        (bounds.distance_certificate(linear, drawn_near(weights), *twice), "2000 of 4000 samples repeat"),
    ):
        assert row.guarantee == "published" and says in row.note
    assert bounds.distance_certificate(linear, drawn_near(weights), own, y, preprocessing="stated").guarantee == (
        "certificate"
    )


def test_a_reference_that_does_too_well_is_noted(data, weights):
    x, y = data
    row = bounds.distance_certificate(linear, drawn_near(weights, own_errors=(500, 1000)), x, y)
    assert row.note.count("it has probably seen the certified ones") == 1 and row.guarantee == "certificate"
    row = bounds.distance_certificate(linear, drawn_near(weights, own_errors=(190, 1000)), x, y)
    assert "probably" not in row.note


def test_weights_that_changed_are_refused(data, weights):
    drawn = drawn_near(weights)
    drawn.params["b"][0] = np.nextafter(drawn.params["b"][0], np.float32(9))
    with pytest.raises(ValueError, match="the weights changed since the draw"):
        bounds.distance_certificate(linear, drawn, *data)


def test_ties_and_scores_that_are_no_numbers_are_errors(data, weights):
    x, y = data
    tied = bounds.distance_certificate(lambda p, x: 0 * linear(p, x), drawn_near(weights), x, y)
    assert tied.terms["errors"] == 2000 and tied.value == 1.0
    broken = lambda p, x: jnp.where(x[:, :1] > 0, linear(p, x), jnp.nan)  # noqa: E731
    row = bounds.distance_certificate(broken, drawn_near(weights), x, y)
    assert row.terms["errors"] >= int((x[:, 0] <= 0).sum())


def test_a_sample_that_is_ready_gives_the_same_rows_at_one_pass_a_draw(data, weights):
    prior, passes = bounds.Prior(weights, 0.01), []

    def counted(p, x):
        jax.debug.callback(lambda n: passes.append(int(n)), len(x))
        return linear(p, x)

    sample = Counting(counted, prior, *data, batch_size=2000)
    usual = {"delta": 1e-3, "budgets": forms.BUDGETS, "choices": None}
    found = []
    for seed in range(3):
        drawn = bounds.draw(prior, weights, seed=seed)
        before = len(passes)
        found.append(certified_draw(sample, drawn, form="both", **usual))
        full = sum(n == 2000 for n in passes[before:])
        assert full == (2 if seed == 0 else 1)  # the reference's is made once
        assert found[-1] == bounds.distance_certificate(linear, drawn, *data, form="both")
    assert len({row.terms["fingerprint of the weights"] for row in found}) == 3
    with pytest.raises(ValueError, match="another prior"):
        certified_draw(sample, drawn_near(weights), form="both", **usual)


@pytest.mark.parametrize("size", [1, 2, 7, 2000, 5000])
def test_batches_do_not_matter(data, weights, size):
    drawn = bounds.draw(bounds.Prior(weights, 0.01), weights)
    found = bounds.distance_certificate(linear, drawn, *data, batch_size=size)
    scores = data[0] @ drawn.params["w"] + drawn.params["b"]
    assert found.terms["errors"] == int((scores.argmax(axis=1) != data[1]).sum())


X, Y = np.eye(4, 3, dtype=np.float32), np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("f", "options", "says"),
    [
        (linear, {"x": X[:3]}, "3 inputs and 4 labels"),
        (linear, {"x": X[:0], "y": Y[:0]}, "empty"),
        (linear, {"y": np.array([0, 1, 2, 0])}, r"outside 0\.\.1"),
        (linear, {"y": np.array([0.5, 1, 0, 0])}, "integers"),
        (linear, {"x": X * np.nan}, "not finite"),
        (linear, {"delta": 0.0}, "delta=0.0"),
        (linear, {"delta": 1.0}, "delta=1.0"),
        (linear, {"budgets": (3.0, 1.0)}, "increasing"),
        (linear, {"choices": {"split": 0}}, "split"),
        (linear, {"draws": 0}, "draws=0"),
        (linear, {"draws": math.inf}, "draws=inf"),
        (linear, {"draws": None}, "draws=None"),
        (linear, {"choices": {"split": None}}, r"choices\['split'\] is None"),
        (linear, {"choices": ["split"]}, "choices is a list"),
        (linear, {"budgets": None}, "budgets=None"),
        (linear, {"budgets": (True, 2.0)}, "budgets="),
        (linear, {"form": "exces"}, "form is 'exces'"),
        (linear, {"preprocessing": "own"}, "preprocessing is 'own'"),
        (linear, {"repetitions": "own"}, "repetitions is 'own'"),
        (linear, {"batch_size": 0}, "batch_size is 0"),
        (linear, {"left_out": np.arange(3)}, "are no fingerprints"),
        (lambda p, x: linear(p, x)[0], {}, r"returned shape \(2,\) for 4 inputs"),
        (lambda p, x: linear(p, x)[:, :1], {}, "one score per class"),
        (lambda p, x: (linear(p, x),), {}, "a tuple"),
        ("linear", {}, "f is a str"),
        (lambda p, x: linear(p, x) - jnp.mean(linear(p, x), axis=0), {}, "mixes the inputs of a batch"),
        (lambda p, x: linear(p, x) + np.random.default_rng().normal(size=2).astype(np.float32), {}, "draws random"),
    ],
)
def test_what_is_refused(weights, f, options, says):
    given = {"x": X, "y": Y} | options
    with pytest.raises(ValueError, match=says):
        bounds.distance_certificate(f, drawn_near(weights), given.pop("x"), given.pop("y"), **given)


def one_hot_of_the_place(p, x):
    return jnp.eye(2)[jnp.arange(len(x)) % 2] + 0.0 * linear(p, x)


@pytest.mark.parametrize(
    "f",
    [
        one_hot_of_the_place,
        lambda p, x: linear(p, x - x[0]),
        lambda p, x: linear(p, x - x[-1]),
        lambda p, x: linear(p, x - jnp.roll(x, 1, axis=0)),
        lambda p, x: linear(p, jnp.cumsum(x, axis=0)),
    ],
    ids=["place", "first", "last", "neighbour", "before"],
)
@pytest.mark.parametrize("m", [2, 3, 40, 2000])
def test_scores_that_depend_on_the_batch_are_refused(weights, f, m):
    """Labels in the order of the file would be read off the places: no error here, every second outside."""
    x, y = np.random.default_rng(3).normal(size=(m, 3)).astype(np.float32), np.arange(m) % 2
    with pytest.raises(ValueError, match="depends on their places in it"):
        bounds.distance_certificate(f, drawn_near(weights), x, y)


def test_what_numpy_decides_is_run_as_it_is(data, weights):
    x, y = data
    drawn = drawn_near(weights)
    plain = bounds.distance_certificate(linear, drawn, x, y)
    chosen = bounds.distance_certificate(lambda p, x: linear(p, x[x[:, 0] > -99.0]), drawn, x, y)
    assert chosen.value == plain.value


def test_no_value_is_below_the_share_of_errors(data, weights):
    """A log ratio far below 0, which one draw in e^50 has, earns nothing more than the count itself."""
    lucky = dataclasses.replace(drawn_near(weights), log_ratio=-50.0)
    for form in ("direct", "excess", "both"):
        found = bounds.distance_certificate(linear, lucky, *data, form=form, budgets=("kl", "tail", 1.0))
        assert found.value >= found.margin_error > 0.0


def test_what_is_no_draw_is_refused(data, weights):
    with pytest.raises(ValueError, match=r"drawn is a dict; needed what bounds\.draw returns"):
        bounds.distance_certificate(linear, weights, *data)
