"""Networks, margins and probabilities at the edge of what numbers can say: a row or an error, never a wrong number."""

import math
from dataclasses import replace
from functools import cache

import jax
import numpy as np
import pytest

from sparsebounds import bounds
from sparsebounds.bounds.registry import evaluated

CLASSES, RANGE = 3, (-9.0, 9.0)
RNG = np.random.default_rng(0)
HIDDEN, LAST = (RNG.normal(size=shape).astype(np.float32) for shape in ((3, 4), (4, CLASSES)))
X, Y = RNG.normal(size=(30, 3)).astype(np.float32), RNG.integers(0, CLASSES, 30)

every_bound = pytest.mark.parametrize("bound", bounds.BOUNDS)


def network(hidden, last):
    return lambda x: jax.nn.relu(x @ hidden) @ last


CASES = {
    "zero_hidden": ((0 * HIDDEN, LAST), {}),
    "zero_last": ((HIDDEN, 0 * LAST), {}),
    "huge": ((1e18 * HIDDEN, 1e18 * LAST), {}),
    "tiny": ((1e-20 * HIDDEN, 1e-20 * LAST), {}),
    "gamma_tiny": ((HIDDEN, LAST), {"gamma": 1e-300}),
    "gamma_huge": ((HIDDEN, LAST), {"gamma": 1e300}),
    "delta_tiny": ((HIDDEN, LAST), {"delta": 1e-300}),
    "delta_near_one": ((HIDDEN, LAST), {"delta": 1 - 1e-12}),
}
READ = {
    name: (bounds.read_graph(network(*weights), X[:1]), bounds.Sample.measure(network(*weights), X, Y))
    for name, (weights, _) in CASES.items()
}


@every_bound
@pytest.mark.parametrize("case", CASES)
def test_a_row_or_a_reason(bound, case):
    """The labels are random: the true error is exactly 2/3, whatever the network computes."""
    row = evaluated(bounds.BOUNDS[bound], *READ[case], {"delta": 1e-3, "pixel_range": RANGE, **CASES[case][1]})
    if math.isnan(row.value):
        assert len(row.note) > 10
    else:
        assert row.value >= 1 - 1 / CLASSES
        assert min(row.margin_error, row.complexity, row.confidence) >= 0


@every_bound
def test_a_sample_of_one(bound):
    energy = np.array([1.0, 2.0, 3.0])
    parts = np.stack([energy, 0 * energy, 0 * energy])
    sample = bounds.Sample(1, CLASSES, energy, parts, np.array([1.0]), np.array([1, 0, 0]))
    graph = bounds.read_graph(network(HIDDEN, LAST), X[:1])
    row = evaluated(bounds.BOUNDS[bound], graph, sample, {"delta": 1e-3, "pixel_range": RANGE})
    assert (math.isnan(row.value) and len(row.note) > 10) or row.value >= 1 - 1 / CLASSES


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("place", [0, 1])
def test_weights_that_are_not_finite_are_refused_by_name(bad, place):
    weights = [HIDDEN.copy(), LAST.copy()]
    weights[place][1, 1] = bad
    with pytest.raises(bounds.ReadError, match=r"layer dot .* has weights that are not finite"):
        bounds.read_graph(network(*weights), X[:1])


@cache
def leaky(slope):
    f = lambda x: jax.nn.leaky_relu(x @ HIDDEN, slope) @ LAST  # noqa: E731
    return bounds.read_graph(f, X[:1]), bounds.Sample.measure(f, X, Y)


@every_bound
def test_a_trained_slope_is_never_free(bound):
    """PReLU: a class fixes its activations. 0.25, where it starts, is the program's own; 0.2371 has been learned."""
    slopes = (0.25, 0.2371)
    own, learned = (
        evaluated(bounds.BOUNDS[bound], *leaky(slope), {"delta": 1e-3, "pixel_range": RANGE}) for slope in slopes
    )
    assert learned.guarantee == own.guarantee and math.isnan(learned.value) == math.isnan(own.value)
    if own.guarantee != "certificate" or math.isnan(own.value):
        return
    if "bits" in learned.terms:  # a code holds every slope that is neither 0 nor 1
        without = evaluated(bounds.BOUNDS[bound], *READ["huge"], {"delta": 1e-3})
        assert learned.terms["parameters"] == without.terms["parameters"] + 1
    else:
        assert learned.terms["nats: slopes of activations"] == pytest.approx(32 * math.log(2))
        assert learned.confidence > own.confidence and "nats: slopes of activations" not in own.terms


@cache
def biased():
    f = lambda x: jax.nn.relu(x @ HIDDEN + 1) @ LAST + 2  # noqa: E731
    return bounds.read_graph(f, X[:1]), bounds.Sample.measure(f, X, Y)


@every_bound
def test_a_graph_made_by_hand_has_no_way_around_the_checks(bound):
    """NaN and inf in weights and biases, slopes that no theorem covers: what `read_graph` refuses is refused again."""
    graph, sample = biased()
    _, hidden, last = graph.layers
    weight, bias = hidden.terms[0].weight.copy(), last.bias.copy()
    weight[0, 1, 1], bias[1] = math.inf, math.nan
    broken = [
        (replace(hidden, terms=(replace(hidden.terms[0], weight=weight),)), last),
        (hidden, replace(last, bias=bias)),
        *((replace(hidden, slope=slope), last) for slope in (-0.5, 2.0, math.nan)),
    ]
    for layers in broken:
        bad = replace(graph, layers=(graph.layers[0], *layers))
        row = evaluated(bounds.BOUNDS[bound], bad, sample, {"delta": 1e-3, "pixel_range": RANGE})
        assert not math.isfinite(row.value) or ("bits" in row.terms and row.value == 1.0), layers
