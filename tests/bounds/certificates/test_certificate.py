"""Theorem 3: a certificate redone by hand, its prices, the one-sided form, rehearsal, bad input."""

import math
import types

import jax
import networks
import numpy as np
import pytest

from sparsebounds import bounds
from sparsebounds.bounds.certificates.certificate import certified
from sparsebounds.bounds.certificates.checks import check_left_out
from sparsebounds.bounds.certificates.ellipsoids.family import Ellipsoids
from sparsebounds.bounds.certificates.energies import measure_energies
from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.margin.grids import grid_up, shares_up
from sparsebounds.bounds.margin.payment import Payment
from sparsebounds.bounds.margin.step import smallest
from sparsebounds.bounds.moments.energies import energies_upper
from sparsebounds.bounds.moments.head_axes import UNIFORM, HeadAxes
from sparsebounds.bounds.moments.margin_forms import tree_form
from sparsebounds.bounds.moments.network import BIAS_WEIGHTS, RATIOS, PeeledNetwork, Setting
from sparsebounds.bounds.moments.tree import Tree
from sparsebounds.bounds.sample.fingerprinting import fingerprints
from sparsebounds.bounds.sample.front_end import FrontEnd
from sparsebounds.bounds.sample.scaling import scaled

W = np.array([[2.0, -1.0, 0.0], [0.0, 1.0, 0.5]], np.float32)


def linear(x):
    return x @ W


def drawn(m=3000, seed=0, classes=3):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 1, size=(m, 2)).astype(np.float32)
    return x, rng.integers(0, classes, m)


def measured(f=linear, m=3000, seed=0):
    x, y = drawn(m, seed)
    return bounds.read_graph(f, x[:2]), bounds.Sample.measure(f, x, y)


# ---- by hand -------------------------------------------------------------------------------------


def test_a_linear_network_by_hand():
    """Tree (0, (1, 2)): D = (w_0 − (w_1 + w_2)/2)/2 and (w_1 − w_2)/2; no numbers below, one or two on top."""
    graph, sample = measured()
    form = tree_form(Tree.balanced(3), 3)
    b = bounds.peeling(graph, sample, delta=1e-3, gamma=2.0)
    w = W.T.astype(np.float64)
    rows = np.stack([(w[0] - (w[1] + w[2]) / 2) / 2, (w[1] - w[2]) / 2])
    assert Tree.balanced(3).splits[1].classes == (1, 2) and np.allclose(form.rows @ w, rows)
    norms = np.linalg.norm(rows, axis=1)
    energy = sample.class_energies.reshape(3, -1).sum(1)
    reach = np.array(
        [
            2 * math.sqrt(energy.sum()),
            math.sqrt(energy.sum()) / 2 + math.sqrt(0.25 * energy[0] + 2.25 * energy[1:].sum()),
        ]
    )
    values = []
    for ratio in RATIOS:
        for tied in (True, False):
            shares, nats = (np.ones(2), 0.0) if tied else shares_up(norms / norms.max(), ratio)
            # The grid lies around complexity 0.1 at inputs ±1: (2/m) c_0 · 4 √(2m) = 0.1, two coordinates, two rows.
            guess = 0.1 * sample.m / 2 / (4 * math.sqrt(2 * sample.m))
            c, scale_nats = grid_up(norms.max() / 2.0 / guess, ratio)
            total = scale_nats + nats + math.log(2 * len(RATIOS))
            size = 2 / sample.m * c * guess * float(shares @ reach)
            values.append(sample.ramp(2.0) + size + 2 * math.sqrt((math.log(1e3) + total) / (2 * sample.m)))
    assert b.value == pytest.approx(min(values), rel=1e-6)


def test_every_price_stands_in_the_terms():
    net = networks.network("native_biased")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 6, 6, 2)).astype(np.float32), rng.integers(0, 4, 300)
    b = bounds.certificate(net.f, x, y, pixel_range=(-8.0, 8.0))
    prices = {k.removeprefix("nats: "): v for k, v in b.terms.items() if k.startswith("nats: ")}
    assert sum(prices.values()) == pytest.approx(b.terms["nats paid for choices"])
    expected = {
        "choice of nodes": 3,
        "choice of margin form": 3,
        "choice of plain or one-sided": 2,
        "choice of ratio of the grids": len(RATIOS),
        "choice of rows share one number or not": 2,
        "choice of bias weight of the last layer": len(BIAS_WEIGHTS),
    }
    for name, options in expected.items():
        assert prices[name] == pytest.approx(math.log(options)), name
    assert prices["norms of biases"] > 0 and "scale/gamma on its grid" in prices
    assert b.value == pytest.approx(b.margin_error + b.complexity + b.confidence)


def test_the_row_says_which_form_won_and_what_the_choice_costs():
    """`peeling` with the partition and the tree that won is the same class, but for at most log 9 nats."""
    graph, sample = measured(m=1000)
    b = certified(graph, sample, delta=0.01)
    won = f"nodes: {b.terms['nodes']}, margin form: {b.terms['margin form']}"
    assert b.note.startswith(f"{won}, a choice that costs {math.log(9):.2f} nats beside `peeling`")
    assert certified(graph, sample, delta=0.01, nodes="scalar").note.startswith("nodes: scalar, margin form: ")
    peeled = bounds.peeling(graph, sample, delta=0.01, gamma="best")
    dearer = 2 * (math.sqrt((math.log(100) + peeled.terms["nats paid for choices"] + math.log(9)) / 2000)
                  - math.sqrt((math.log(100) + peeled.terms["nats paid for choices"]) / 2000))  # fmt: skip
    assert b.value <= peeled.value + 2 * dearer  # in the confidence, and the same order in the energies


def test_the_confidence_is_what_the_prices_say():
    sample = types.SimpleNamespace(m=100, ramp=lambda gamma: 0.25, ramps=lambda gammas: np.full_like(gammas, 0.25))
    payment = Payment.of_theorem_3(0.01, 1.0)
    plain = smallest([ClassSize(0.0, 1.0, {"a": 1.0, "b": 2.0})], sample, payment)
    nats = 3.0 + math.log(4)
    assert plain.confidence == pytest.approx(2 * math.sqrt((math.log(100) + nats) / 200))
    sided = smallest([ClassSize(0.0, 1.0, {"a": 1.0, "b": 2.0}, one_sided=True)], sample, payment)
    assert sided.confidence == pytest.approx(math.sqrt((math.log(200) + nats) / 200))
    assert plain.complexity == pytest.approx(0.02, rel=1e-5) and plain.complexity >= 0.02


def test_the_best_gamma_is_one_that_can_be_given_by_hand():
    graph, sample = measured()
    best = bounds.peeling(graph, sample, delta=1e-3)
    again = bounds.peeling(graph, sample, delta=1e-3, gamma=best.gamma)
    assert again.value == pytest.approx(best.value, rel=1e-9)
    for gamma in np.geomspace(1e-3, 1e3, 13):
        assert bounds.peeling(graph, sample, delta=1e-3, gamma=gamma).value >= best.value * (1 - 1e-9)


@pytest.mark.parametrize("ratio", RATIOS)
def test_grids_round_up_and_their_weights_sum_to_at_most_one(ratio):
    values = np.append(np.random.default_rng(0).uniform(size=500) ** 4, [0.0, 1.0, 1 / ratio])
    up, _ = shares_up(values, ratio)
    assert (up >= values).all() and (up <= np.maximum(values * ratio * 1.00001, values)).all() and up[500] == 0
    weights = [math.exp(-shares_up(np.array([ratio**-k]), ratio)[1]) for k in range(300)]
    assert sum(weights) + math.exp(-shares_up(np.zeros(1), ratio)[1]) <= 1 + 1e-9
    for v in (1e-9, 0.3, 1.0, 7.0, 1e9):
        assert v <= grid_up(v, ratio)[0] <= v * ratio * 1.00001


# ---- one-sided -----------------------------------------------------------------------------------


def test_upper_energies_hold_and_are_not_far_off():
    """x uniform on [0, 1]²: E x² 1[y = r] = 1/9, E x² = 1/3; all of them together fail at most once in twenty."""
    failures = 0
    for seed in range(60):
        _, sample = measured(m=400, seed=seed)
        upper = energies_upper(sample, (0.0, 1.0), [(0, 1)], delta=0.05)
        missed = False
        for weights, truth in ((np.ones(3), 1 / 3), (np.eye(3)[1], 1 / 9), (np.array([1.0, 1, 0]), 2 / 9)):
            energies, count = upper.of(weights)
            missed |= bool((energies / 400 < truth).any()) or count / 400 < weights.sum() / 3
        failures += missed
    assert failures <= 3
    _, sample = measured(m=40000)
    assert (energies_upper(sample, (0.0, 1.0), delta=0.05).of(np.ones(3))[0] / 40000 < 1.05 / 3).all()


def test_weighted_upper_energies_add_up():
    upper = energies_upper(measured()[1], (0.0, 1.0), delta=0.1)
    form = tree_form(Tree.balanced(3), 3)
    whole, pair = upper.of(np.ones(3))[0], upper.of(np.array([0.0, 1, 1]))[0]
    np.testing.assert_allclose(upper.of(form.weights[1])[0], 0.25 * whole + 2.0 * pair)
    with pytest.raises(ValueError, match="at most two"):
        upper.of(np.array([1.0, 2.0, 3.0]))


def test_the_one_sided_form_is_used_where_it_is_better():
    x, y = drawn(40000)
    plain, sided = (bounds.certificate(linear, x, y, pixel_range=r) for r in (None, (0.0, 1.0)))
    assert sided.terms["form of theorem 3"] == "one-sided" and sided.value < plain.value
    graph, sample = bounds.read_graph(linear, x[:2]), bounds.Sample.measure(linear, x, y)
    rows = [bounds.peeling(graph, sample, delta=1e-3, pixel_range=r) for r in (None, (0.0, 1.0))]
    assert rows[1].terms["form of theorem 3"] == "one-sided" and rows[1].value < rows[0].value


# ---- axes fixed by hand ----------------------------------------------------------------------


def sparse_problem(m, seed, features=30):
    """Only the first of many coordinates matters."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-1, 1, size=(m, features)).astype(np.float32), rng.integers(0, 2, m)
    x[:, 0] = 0.9 * (2 * y - 1)
    return x, y


HEAD = np.zeros((30, 2), np.float32)
HEAD[0] = [-1, 1]
SHORT = np.append(1.0, np.full(29, 0.01))
"""τ² of axes that are short where the first coordinate is not read."""


def test_axes_that_are_short_where_nothing_matters_help():
    f = lambda x: x @ HEAD  # noqa: E731
    x, y = sparse_problem(4000, 0)
    found = [bounds.certificate(f, x, y, nodes="scalar", weights=[w]) for w in (UNIFORM, HeadAxes("short", SHORT))]
    assert found[1].complexity < 0.6 * found[0].complexity and found[1].value < found[0].value
    both = bounds.certificate(f, x, y, nodes="scalar", weights=[UNIFORM, HeadAxes("short", SHORT)])
    assert both.terms["weights of the last layer"] == "short" and found[1].value < both.value < found[0].value
    assert both.terms["nats: choice of weights of the last layer"] == pytest.approx(math.log(2))
    with pytest.raises(ValueError, match="fit no form"):
        bounds.certificate(f, x, y, nodes="scalar", weights=[HeadAxes("wrong", np.ones(7))])


def test_axes_of_another_form_are_refused():
    """Those of the tree (0, (1, 2)) are not those of the sum form's three rows."""
    x, y = drawn(200)
    axes = HeadAxes("of a tree", np.ones((2, 2)), tree_form(Tree.given([1, [0, 2]], 3), 3))
    with pytest.raises(ValueError, match="fit no form"):
        bounds.certificate(linear, x, y, nodes="scalar", weights=[axes])
    found = bounds.certificate(linear, x, y, nodes="scalar", tree=[1, [0, 2]], weights=[axes])
    assert found.terms["margin form"] == "tree"


def test_the_grid_lies_around_the_guess():
    x, y = sparse_problem(400, 0)
    axes = HeadAxes("short", SHORT, guess=1.0)
    found = bounds.certificate(lambda x: x @ HEAD, x, y, nodes="scalar", gamma=1.0, weights=[axes])
    assert found.terms["unit of scale/gamma"] == 1.0 and found.terms["grid index j"] == 0  # ‖D‖ = 1
    with pytest.raises(ValueError, match="left out"):
        bounds.certificate(lambda x: x @ HEAD, x, y, left_out=fingerprints(x[:5]))


@pytest.mark.parametrize("tied", [True, False])
def test_the_class_of_a_linear_head_is_that_of_its_ellipsoids(tied):
    """Two implementations of Σ_S a_S reach_S: the pass over the graph, and the input weights of `ellipsoids`."""
    graph, sample = measured()
    x, y = drawn()
    form, tau2 = tree_form(Tree.balanced(3), 3), np.array([[1.0, 2.0], [0.5, 3.0]])
    peeled = PeeledNetwork(graph.partition("scalar"), sample)
    found = peeled.size(form, Setting(False, 1.5, tied, 1.0), HeadAxes("given", tau2))
    ellipsoids = Ellipsoids(form, np.concatenate([np.sqrt(tau2), np.zeros((2, 1))], axis=1))
    weights = ellipsoids.energy_weights(graph)
    energies = measure_energies(weights, form, x, y, weights.limits(np.ones(2)))
    reach = (form.multipliers * np.sqrt(sample.m * energies.means)).sum(axis=1)
    own = ellipsoids.radii(graph)
    shares, nats = (np.ones(2), 0.0) if tied else shares_up(own / own.max(), 1.5)
    guess = found.terms["unit of scale/gamma"]
    assert found.log_scale == pytest.approx(math.log(own.max() / guess))
    assert found.unit == pytest.approx(guess * float(shares @ reach))
    assert sum(found.prices.values()) == pytest.approx(nats)


# ---- soundness and bad input ---------------------------------------------------------------------


def test_random_labels_get_no_certificate_below_their_error():
    def f(x):
        return jax.nn.relu(x @ networks.draw(1, 2, 8)) @ networks.draw(2, 8, 3)

    for seed in range(3):
        x, y = drawn(2000, seed)
        assert bounds.certificate(f, x, y, pixel_range=(0.0, 1.0)).value >= 2 / 3 - 0.01


def test_statistics_of_the_sample_give_no_certificate():
    x, y = drawn()
    assert bounds.certificate(linear, x, y, preprocessing="sample").guarantee == "published"


@pytest.mark.parametrize(
    "options, message",
    [
        ({"delta": 0.0}, "delta"),
        ({"gamma": -1.0}, "gamma"),
        ({"pixel_range": (0.0, 0.5)}, "outside pixel_range"),
        ({"pixel_range": (1.0, 0.0)}, "two finite numbers"),
        ({"nodes": "pixel"}, "nodes"),
        ({"tree": [0, [1, 1]]}, "every class"),
    ],
)
def test_bad_input(options, message):
    x, y = drawn(50)
    with pytest.raises(ValueError, match=message):
        bounds.certificate(linear, x, y, **options)


def test_every_class_needs_samples():
    x, y = drawn(50)
    with pytest.raises(ValueError, match="no sample has the label 1, one of 3"):
        bounds.certificate(linear, x, np.where(y == 1, 2, y))


def test_only_fingerprints_can_be_left_out():
    """Images, indices, a sample or signed numbers in their place would overlap and not be noticed."""
    x, y = drawn(50)
    sample = bounds.Sample.measure(linear, x, y)
    for wrong in (x[:5], np.arange(5), sample, fingerprints(x[:5]).astype(np.int64), [True]):
        with pytest.raises(ValueError, match="no fingerprints"):
            bounds.certificate(linear, x, y, left_out=wrong)
        with pytest.raises(ValueError, match="no fingerprints"):
            FrontEnd(lambda v: v, wrong)
    assert bounds.certificate(linear, x, y, left_out=[]).covered


def test_axes_from_certified_samples_are_refused():
    """Without being told: the axes remember which samples they come from."""
    x, y = sparse_problem(400, 0)
    axes = HeadAxes("short", SHORT, shaped_by=fingerprints(x[:100]))
    with pytest.raises(ValueError, match="100 of the 400"):
        bounds.certificate(lambda x: x @ HEAD, x, y, nodes="scalar", weights=[axes])


@pytest.mark.parametrize("tau2, guess", [([1.0, -0.9], None), ([1.0, 0.0], None), ([1.0, np.nan], None), (None, 0.0)])
def test_axes_are_positive(tau2, guess):
    """A negative τ² would lower both the norm of the row and what it reaches."""
    with pytest.raises(ValueError, match="above 0"):
        HeadAxes("wrong", None if tau2 is None else np.array(tau2), guess=guess)


def test_configurations_that_were_tried_are_paid_for():
    x, y = drawn(2000)
    one, many = (
        bounds.certificate(linear, x, y, pixel_range=(0.0, 1.0), gamma=1.0, choices={"front end": n}) for n in (1, 100)
    )
    assert many.terms["nats: choice of front end, one of 100"] == pytest.approx(math.log(100))
    assert many.terms["form of theorem 3"] == "one-sided" and many.complexity > one.complexity  # the energies too
    assert many.value > one.value
    with pytest.raises(ValueError, match="how many there were"):
        bounds.certificate(linear, x, y, choices={"front end": 0})


def test_what_a_front_end_received_is_certified():
    x, y = drawn(2000)
    front = FrontEnd(lambda v: v - np.float32(0.5), fingerprints(x[:1] + 1))
    received = front.receive(x)
    found = bounds.certificate(linear, received, y, gamma=1.0)
    assert found.value == bounds.certificate(linear, received.values, y, gamma=1.0).value
    with pytest.raises(ValueError, match="3 of the 2000"):  # of the inputs before the front end
        bounds.certificate(linear, received, y, left_out=fingerprints(x[:3]))


def test_a_scaled_sample_is_no_certificate():
    graph, sample = measured()
    for row_of in (bounds.peeling, certified, bounds.galanti, bounds.parameter_count):
        found = row_of(graph, scaled(sample, 10**9), delta=1e-3)
        assert found.guarantee == "published" and "never drawn" in found.note


def test_no_class_at_all():
    x, y = drawn(50)
    with pytest.raises(ValueError, match="no class"):
        bounds.certificate(linear, x, y, weights=[])


def test_too_few_samples_for_a_variance():
    sample = bounds.Sample(1, 2, np.ones(1), np.array([[1.0], [0.0]]), np.ones(1), np.array([1, 0]))
    measured_once = types.SimpleNamespace(
        **{k: getattr(sample, k) for k in ("m", "classes", "energies", "class_energies", "class_counts")},
        largest=np.ones(1), class_fourths=np.array([[1.0], [0.0]]),
    )  # fmt: skip
    with pytest.raises(ValueError, match="at least 2"):
        energies_upper(measured_once, (0.0, 1.0), delta=0.1)
    with pytest.raises(ValueError, match="fingerprints"):
        check_left_out(sample, np.zeros(1, np.uint64))
